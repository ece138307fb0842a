//go:build unix

package sqlstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// lockFile keeps a second server from the same database file. The system lets the lock go when the
// process ends, however it ends; the file stays, empty.
func lockFile(path string) (io.Closer, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // The operator names the database.
	if err != nil {
		return nil, fmt.Errorf("lock the database file: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return file, nil
	}
	_ = file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("another server uses %s; several servers need PostgreSQL", strings.TrimSuffix(path, ".lock"))
	}
	return nil, fmt.Errorf("lock the database file: %w", err)
}
