package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"

	"github.com/kvitpay/kvit/migrations"
)

// session are the settings of every connection. The times bound how long a server that froze can hold
// a merchant's head. The rest keeps plans independent of statistics: every statement of ours finds its
// rows by an index, whatever the size of a table was when the plan was made.
var session = map[string]string{
	"idle_in_transaction_session_timeout": "5s",
	"lock_timeout":                        "2s",
	"statement_timeout":                   "5s",
	"timezone":                            "UTC",
	"default_transaction_isolation":       "read committed",
	"enable_seqscan":                      "off",
	"enable_bitmapscan":                   "off",
	"enable_hashjoin":                     "off",
	"enable_mergejoin":                    "off",
	"jit":                                 "off",
}

// postgres is a store on PostgreSQL. Writes have connections of their own, so that reads never keep
// a batch waiting.
type postgres struct {
	writes

	write *sql.DB
	// writers is how many connections write has at most.
	writers int
	// pipes holds buffers of earlier batches.
	pipes sync.Pool
	// few are the forms of what is written for few rows.
	few map[rowsOf]string
}

func openPostgres(ctx context.Context, settings Settings) (*postgres, error) {
	config, err := pgx.ParseConfig(settings.URL)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := migratePostgres(ctx, config.Copy(), settings.Logger); err != nil {
		return nil, fmt.Errorf("open store: migrate: %w", err)
	}
	for name, value := range session {
		if _, set := config.RuntimeParams[name]; !set {
			config.RuntimeParams[name] = value
		}
	}
	writers := max(settings.Pool/2, 1)
	readers := max(settings.Pool-writers, 1)
	writing := config.Copy()
	writing.RuntimeParams["plan_cache_mode"] = "force_generic_plan" // Made once per connection.
	few := fewOf(writeStatements)
	prepared := slices.AppendSeq(slices.Clone(writeStatements), maps.Values(few))
	s := &postgres{write: stdlib.OpenDB(*writing, stdlib.OptionAfterConnect(prepares(prepared))), writers: writers, few: few}
	s.write.SetMaxOpenConns(writers)
	s.write.SetMaxIdleConns(writers)
	read := stdlib.OpenDB(*config)
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	s.writes = writes{reads: newReads(sqlx.NewDb(read, "pgx"), onPostgres, settings), inTx: s.inTx}
	return s, nil
}

func prepares(statements []string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, c *pgx.Conn) error {
		for _, statement := range statements {
			if _, err := c.Prepare(ctx, statement, statement); err != nil {
				return fmt.Errorf("prepare: %w", err)
			}
		}
		return nil
	}
}

// Close waits for what is under way and closes every connection.
func (s *postgres) Close() error {
	s.recorded.close()
	s.attempts.close()
	return errors.Join(s.write.Close(), s.db.Close())
}

// migratePostgres applies what is missing, while no other server does so in the same schema.
func migratePostgres(ctx context.Context, config *pgx.ConnConfig, log *slog.Logger) error {
	db := stdlib.OpenDB(*config)
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }()
	var schema string
	if err := conn.QueryRowContext(ctx, `SELECT COALESCE(current_schema(), '')`).Scan(&schema); err != nil {
		return fmt.Errorf("ask for the schema: %w", err)
	}
	if schema == "" {
		return errors.New("the schema of the search path does not exist")
	}
	key := fnv.New64a()
	_, _ = key.Write([]byte("kvit migrations of " + schema))
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(key.Sum64())); err != nil { //nolint:gosec // A lock's name.
		return fmt.Errorf("lock: %w", err)
	}
	// The lock ends with the connection: the deferred Close drops it, after the steps are done.
	return migrate(ctx, db, goose.DialectPostgres, migrations.Postgres, log)
}

// native runs f on the connection itself, where a batch is one round trip.
func native(conn *sql.Conn, f func(*pgx.Conn) error) error {
	return conn.Raw(func(driver any) error { //nolint:wrapcheck // f's error is wrapped by the caller.
		wrapped, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("a connection of type %T", driver)
		}
		return f(wrapped.Conn())
	})
}

// inTx implements writes.inTx.
func (s *postgres) inTx(ctx context.Context, f func(tx transaction) error) error {
	tx, err := sqlx.NewDb(s.write, "pgx").BeginTxx(ctx, nil)
	if err != nil {
		return beforeCommit("begin", err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return committing(tx.Commit(), true)
}
