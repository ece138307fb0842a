package sqlstore

import (
	"errors"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/kvitpay/kvit/server/store"
)

// What the database refused was not written and may run again; where its answer to COMMIT is missing,
// or is not a refusal, nobody knows.
func TestErrors_TellARaceFromAnUnclearCommit(t *testing.T) {
	t.Parallel()
	sqlstate := func(severity, code string) error {
		return &pgconn.PgError{SeverityUnlocalized: severity, Code: code}
	}
	for name, test := range map[string]struct {
		err   error
		retry bool
		clear bool
	}{
		"fine":                          {committing(nil, true), false, true},
		"deadlock before COMMIT":        {beforeCommit("save", sqlstate("ERROR", "40P01")), true, true},
		"lock timeout before COMMIT":    {beforeCommit("save", sqlstate("ERROR", "55P03")), true, true},
		"serialization before COMMIT":   {beforeCommit("save", sqlstate("ERROR", "40001")), true, true},
		"statement timeout before":      {beforeCommit("save", sqlstate("ERROR", "57014")), true, true},
		"check before COMMIT":           {beforeCommit("save", sqlstate("ERROR", "23514")), false, true},
		"connection before COMMIT":      {beforeCommit("save", io.ErrUnexpectedEOF), false, true},
		"refused in the last pipeline":  {committing(sqlstate("ERROR", "23514"), false), false, true},
		"timeout in the last pipeline":  {committing(sqlstate("ERROR", "57014"), false), true, true},
		"idle too long, found late":     {committing(sqlstate("FATAL", "25P03"), false), true, true},
		"deadlock at COMMIT":            {committing(sqlstate("ERROR", "40P01"), true), true, true},
		"rolled back instead":           {committing(errShort, true), true, true},
		"cancelled at COMMIT":           {committing(sqlstate("ERROR", "57014"), true), false, false},
		"shut down in the last":         {committing(sqlstate("FATAL", "57P01"), false), false, false},
		"shut down at COMMIT":           {committing(sqlstate("FATAL", "57P01"), true), false, false},
		"connection lost in the last":   {committing(io.ErrUnexpectedEOF, false), false, false},
		"connection lost at COMMIT":     {committing(io.ErrUnexpectedEOF, true), false, false},
		"unique row in the last":        {committing(sqlstate("ERROR", "23505"), false), true, true},
		"a row too few before the last": {beforeCommit("save", errShort), true, true},
	} {
		if got := errors.Is(test.err, store.ErrRetry); got != test.retry {
			t.Errorf("%s: retry is %t (%v)", name, got, test.err)
		}
		if got := !errors.Is(test.err, store.ErrCommitUnclear); got != test.clear {
			t.Errorf("%s: clear is %t (%v)", name, got, test.err)
		}
	}
}
