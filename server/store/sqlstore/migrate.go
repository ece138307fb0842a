package sqlstore

import (
	"io/fs"

	"github.com/pressly/goose/v3"
)

// migrationsIn is a folder of steps; the folder is embedded, so it is there.
func migrationsIn(files fs.FS, folder string) fs.FS {
	sub, err := fs.Sub(files, folder)
	if err != nil {
		return files
	}
	return sub
}

func gooseOptions() []goose.ProviderOption {
	return []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger())}
}
