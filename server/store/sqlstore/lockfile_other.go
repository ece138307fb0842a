//go:build !unix

package sqlstore

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// lockFile keeps a second server from the same database file. An open file cannot be removed here, so
// what can be removed was left behind by a server that is gone.
func lockFile(path string) (io.Closer, error) {
	_ = os.Remove(path)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // The operator names the database.
	if os.IsExist(err) {
		return nil, fmt.Errorf("another server uses %s; several servers need PostgreSQL", strings.TrimSuffix(path, ".lock"))
	}
	if err != nil {
		return nil, fmt.Errorf("lock the database file: %w", err)
	}
	return file, nil
}
