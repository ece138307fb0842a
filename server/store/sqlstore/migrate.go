package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
)

// migrate applies the steps that the database does not have yet. They stand in a folder with the name
// of the dialect.
func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, files fs.FS, log *slog.Logger) error {
	folder := "postgres"
	if dialect == goose.DialectSQLite3 {
		folder = "sqlite"
	}
	steps, err := fs.Sub(files, folder)
	if err != nil {
		return fmt.Errorf("read steps: %w", err)
	}
	provider, err := goose.NewProvider(dialect, db, steps,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("read steps: %w", err)
	}
	applied, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("apply steps: %w", err)
	}
	for _, step := range applied {
		log.InfoContext(ctx, "schema step applied",
			slog.String("step", step.Source.Path), slog.Duration("took", step.Duration))
	}
	return nil
}
