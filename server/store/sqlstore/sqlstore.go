// Package sqlstore keeps everything that must survive in SQL: in a PostgreSQL database, or in a
// SQLite file that belongs to one server.
//
// Its one idea: a batch costs a fixed number of round trips, however large it is. On PostgreSQL a
// write transaction is three pipelines of multi-row statements: lock and load, save and lock the
// heads of the journals, append and commit. A read of an order is one statement, children included,
// so that what it returns is of one instant.
//
// It promises what [store.Store] says; the suite in storetest holds both engines to it. It does not
// decide anything: states, amounts and entries come from order, and CHECKs and unique indexes are the
// last word only.
//
// Concurrency: the store is used from many goroutines. On SQLite one write transaction is open at a
// time and the next waits for it; on PostgreSQL there are as many as Settings.Pool leaves for writing.
//
// Failure: SQLSTATE 40001, 40P01, 55P03, unique violations and short counts are [store.ErrRetry]; a
// connection lost at COMMIT is [store.ErrCommitUnclear]; a transaction that is not ended is rolled
// back by the database after five seconds.
package sqlstore

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/kvitpay/kvit/server/store"
)

// connectionsPerCore is how many connections a server opens by default; more do not help PostgreSQL.
const connectionsPerCore = 4

// Sealer seals what a copy of the database must not show. The row names the place of the text, and
// only the same row opens it.
type Sealer interface {
	Seal(plaintext, row []byte) []byte
	Open(sealed, row []byte) ([]byte, error)
}

// Settings say which database, and with what.
type Settings struct {
	// URL is postgres://..., or sqlite:path, or the path of a SQLite file.
	URL string
	// Pool is how many connections are opened at most; 0 means four per core.
	Pool   int
	Sealer Sealer
	Logger *slog.Logger
	// Now is the clock of a SQLite database. PostgreSQL has its own.
	Now func() time.Time
}

// Open opens the database and brings its schema up to date. On SQLite it fails where another server
// has the file.
func Open(ctx context.Context, settings Settings) (store.Store, error) {
	if settings.Sealer == nil || settings.Logger == nil || settings.Now == nil {
		return nil, errors.New("open store: a sealer, a logger and a clock are needed")
	}
	if settings.Pool <= 0 {
		settings.Pool = connectionsPerCore * runtime.GOMAXPROCS(0)
	}
	scheme, rest, found := strings.Cut(settings.URL, ":")
	switch {
	case found && (scheme == "postgres" || scheme == "postgresql"):
		return openPostgres(ctx, settings)
	case found && scheme == "sqlite":
		return openSQLite(ctx, strings.TrimPrefix(rest, "//"), settings)
	case found && strings.HasPrefix(rest, "//"):
		return nil, errors.New("open store: the database URL must begin with postgres:// or sqlite:, not " + scheme)
	case settings.URL == "":
		return nil, errors.New("open store: there is no database URL")
	}
	return openSQLite(ctx, settings.URL, settings)
}
