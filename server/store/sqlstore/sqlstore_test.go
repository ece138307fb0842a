package sqlstore_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/store/sqlstore"
	"github.com/kvitpay/kvit/server/store/storetest"
)

// engine is one kind of database. at names one of a test's own.
type engine struct {
	name string
	at   func(tb testing.TB) string
}

func engines() []engine {
	return []engine{{"SQLite", sqliteFile}, {"PostgreSQL", postgresSchema}}
}

func onEach(t *testing.T, run func(t *testing.T, address string)) {
	t.Helper()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			run(t, e.at(t))
		})
	}
}

func sqliteFile(tb testing.TB) string {
	tb.Helper()
	return "sqlite:" + filepath.Join(tb.TempDir(), "kvit.db")
}

// postgresSchema makes a schema of the test's own, dropped afterwards.
func postgresSchema(tb testing.TB) string {
	tb.Helper()
	server := os.Getenv("KVIT_TEST_POSTGRES_URL")
	if server == "" {
		if os.Getenv("CI") == "true" {
			tb.Fatal("KVIT_TEST_POSTGRES_URL names no PostgreSQL server")
		}
		tb.Skip("KVIT_TEST_POSTGRES_URL names no PostgreSQL server")
	}
	var random [8]byte
	_, _ = rand.Read(random[:])
	schema := "kvit_test_" + hex.EncodeToString(random[:])
	run := func(statement string) {
		db, err := sql.Open("pgx", server)
		if err != nil {
			tb.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		if _, err := db.ExecContext(context.WithoutCancel(tb.Context()), statement); err != nil {
			tb.Fatal(err)
		}
	}
	run("CREATE SCHEMA " + schema)
	tb.Cleanup(func() { run("DROP SCHEMA " + schema + " CASCADE") })
	address, err := url.Parse(server)
	if err != nil {
		tb.Fatal(err)
	}
	q := address.Query()
	q.Set("search_path", schema)
	q.Set("application_name", schema)
	address.RawQuery = q.Encode()
	return address.String()
}

func keyring(tb testing.TB) *seal.Keyring {
	tb.Helper()
	text, err := seal.Generate("k1", rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	keys, err := seal.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

func openAt(ctx context.Context, address string, keys sqlstore.Sealer) (store.Store, error) {
	return sqlstore.Open(ctx, sqlstore.Settings{
		URL: address, Sealer: keys, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
}

// open opens a store that is closed with the test.
func open(tb testing.TB, address string) store.Store {
	tb.Helper()
	s, err := openAt(tb.Context(), address, keyring(tb))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStore_PassesTheSuite(t *testing.T) {
	t.Parallel()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) store.Store {
				t.Helper()
				return open(t, e.at(t))
			})
		})
	}
}
