package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // The driver "sqlite".

	"github.com/kvitpay/kvit/migrations"
)

// sqlite is a store on a SQLite file. The one write connection belongs to one transaction at a time;
// reads have connections of their own and see the last commit (WAL).
type sqliteStore struct {
	writes

	// turn holds a token while nobody writes.
	turn  chan struct{}
	write *sqliteWriter
	lock  io.Closer
}

// sqliteWriter is the write connection with its prepared statements.
type sqliteWriter struct {
	db       *sqlx.DB
	conn     *sqlx.Conn
	prepared map[string]*sql.Stmt
}

func openSQLite(ctx context.Context, path string, settings Settings) (_ *sqliteStore, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	// The file is the owner's alone; SQLite gives its companions the same mode.
	if file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err == nil { //nolint:gosec // The operator names the database.
		_ = file.Close()
	}
	s := &sqliteStore{lock: lock, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	db, err := sqlx.Open("sqlite", sqliteDSN(path))
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db.SetMaxOpenConns(settings.Pool)
	db.SetMaxIdleConns(settings.Pool)
	s.writes = writes{reads: newReads(db, onSQLite, settings), inTx: s.inTx}
	if err := migrateSQLite(ctx, path, settings.Logger); err != nil {
		return nil, fmt.Errorf("open store: migrate: %w", err)
	}
	if s.write, err = openWriter(ctx, path); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// sqliteDSN names the file and what every connection sets: a commit is on the disk when it is
// acknowledged (synchronous FULL), and times are microseconds.
func sqliteDSN(path string) string {
	options := url.Values{
		"_pragma": {
			"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "temp_store(MEMORY)",
		},
		"_time_integer_format": {"unix_micro"},
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}).String()
}

func migrateSQLite(ctx context.Context, path string, log *slog.Logger) error {
	db, err := sql.Open("sqlite", sqliteDSN(path))
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { _ = db.Close() }()
	return migrate(ctx, db, goose.DialectSQLite3, migrations.SQLite, log)
}

func openWriter(ctx context.Context, path string) (*sqliteWriter, error) {
	db, err := sqlx.Open("sqlite", sqliteDSN(path))
	if err != nil {
		return nil, fmt.Errorf("open writer: %w", err)
	}
	conn, err := db.Connx(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open writer: %w", err), db.Close())
	}
	return &sqliteWriter{db: db, conn: conn, prepared: map[string]*sql.Stmt{}}, nil
}

// exec runs a statement, prepared once, and returns how many rows it changed.
func (w *sqliteWriter) exec(ctx context.Context, query string, args ...any) (int64, error) {
	stmt, found := w.prepared[query]
	if !found {
		var err error
		if stmt, err = w.conn.PrepareContext(ctx, query); err != nil {
			return 0, fmt.Errorf("prepare: %w", err)
		}
		w.prepared[query] = stmt
	}
	done, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err //nolint:wrapcheck // Wrapped by the caller, who knows what it was for.
	}
	count, err := done.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("count rows: %w", err)
	}
	return count, nil
}

func (w *sqliteWriter) close() error {
	var errs []error
	for _, stmt := range w.prepared {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}

// Close waits for the transaction that is open and lets the file go.
func (s *sqliteStore) Close() error {
	var errs []error
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }() // Who comes later finds the connection closed, and does not wait.
	case <-time.After(closePatience):
		errs = append(errs, errors.New("close store: a transaction was left open"))
	}
	if s.write != nil {
		errs = append(errs, s.write.close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// closePatience is how long Close waits for an open transaction.
const closePatience = 5 * time.Second
