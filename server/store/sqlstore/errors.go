package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/kvitpay/kvit/server/store"
)

// errShort means that a statement wrote fewer rows than it was given: somebody else was faster.
var errShort = fmt.Errorf("%w: fewer rows than expected", store.ErrRetry)

// lost are the SQLSTATEs after which a transaction that is not yet committing has written nothing
// and may run again.
var lost = map[string]bool{
	"40001": true, // serialization failure
	"40P01": true, // deadlock
	"55P03": true, // lock timeout
	"57014": true, // statement timeout
	"25P03": true, // idle in transaction
	"23505": true, // a unique row that was not there when we looked
}

// beforeCommit is the error of a statement before COMMIT was sent.
func beforeCommit(doing string, err error) error {
	if err == nil {
		return nil
	}
	if raced(err) {
		return fmt.Errorf("%s: %w: %w", doing, store.ErrRetry, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func raced(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return lost[pg.Code]
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		code := lite.Code()
		return code == sqlitelib.SQLITE_CONSTRAINT_UNIQUE || code == sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY ||
			code&0xff == sqlitelib.SQLITE_BUSY
	}
	return false
}

// none turns "no rows" into store.ErrNotFound.
func none(doing string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return beforeCommit(doing, err)
}
