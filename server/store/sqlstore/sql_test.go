package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/store/sqlstore"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

// raw is the database without the store.
func raw(tb testing.TB, address string) *sql.DB {
	tb.Helper()
	driver, name := "pgx", address
	if path, is := strings.CutPrefix(address, "sqlite:"); is {
		driver, name = "sqlite", "file:"+path+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// explain is the plan of a statement over two arrays of text, as a writing connection makes it.
func explain(t *testing.T, db *sql.DB, statement string) string {
	t.Helper()
	for _, setting := range []string{"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"} {
		exec(t, db, "SET "+setting+" = off")
	}
	exec(t, db, "SET plan_cache_mode = force_generic_plan")
	exec(t, db, "PREPARE explained(text[], text[]) AS "+statement)
	defer exec(t, db, "DEALLOCATE explained")
	rows, err := db.QueryContext(t.Context(), `EXPLAIN EXECUTE explained('{a}', '{b}')`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var plan []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "\n")
}

func exec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// filled is a store with one order, its words, its record and a key.
func filled(t *testing.T, address string) (store.Store, *store.Changes) {
	t.Helper()
	s := open(t, address)
	if err := s.EnsureMerchants(t.Context(), []string{"demo"}); err != nil {
		t.Fatal(err)
	}
	record := store.RecordKey{Merchant: "demo", Method: "m", Key: "k"}
	tx, err := s.Begin(t.Context(), store.Keys{Records: []store.RecordKey{record}})
	if err != nil {
		t.Fatal(err)
	}
	changes := &store.Changes{Records: []store.Record{{
		RecordKey: record, Fingerprint: []byte("print"), Result: []byte("Secret result of Anahit"),
	}}}
	addOrder(t, changes, order.NewAct(tx.Snapshot().Now, order.Actor{}, order.IDs{}), "A", "lnk_A")
	if err := tx.Save(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	err = s.AddCredential(t.Context(), store.Credential{ID: "key", Kind: store.EdgeKey}, store.Audit{ID: "aud"}, store.Record{})
	if err != nil {
		t.Fatal(err)
	}
	return s, changes
}

// J4: the database itself refuses to change or remove an entry of the journal or of the audit.
func TestJournal_J4_RefusesChange(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, address string) {
		t.Helper()
		filled(t, address)
		db := raw(t, address)
		statements := []string{
			`UPDATE entries SET type = 'x'`, `DELETE FROM entries`, `UPDATE audit SET act = 'x'`, `DELETE FROM audit`,
		}
		if strings.HasPrefix(address, "postgres") {
			statements = append(statements, `TRUNCATE entries`, `TRUNCATE audit`)
		}
		for _, statement := range statements {
			if _, err := db.ExecContext(t.Context(), statement); err == nil || !contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", statement, err)
			}
		}
	})
}

// A copy of the database shows neither words nor results (I2, J3), and what is sealed opens in its own
// row only.
func TestTexts_J3_AreSealedInTheirRow(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, address string) {
		t.Helper()
		s, _ := filled(t, address)
		db := raw(t, address)
		for _, query := range []string{`SELECT sealed FROM texts`, `SELECT result FROM records`, `SELECT bytes FROM entries`} {
			var content []byte
			if err := db.QueryRowContext(t.Context(), query).Scan(&content); err != nil {
				t.Fatal(err)
			}
			if len(content) == 0 || bytes.Contains(content, []byte("Anahit")) {
				t.Errorf("%s gives %q", query, content)
			}
		}
		exec(t, db, `UPDATE texts SET entry_id = 'evt_moved'`)
		if texts, err := s.Texts(t.Context(), "demo", []string{"evt_moved"}); err == nil {
			t.Errorf("a text opened in another row: %q", texts)
		}
		exec(t, db, `UPDATE records SET key = 'moved'`)
		moved := store.RecordKey{Merchant: "demo", Method: "m", Key: "moved"}
		if found, err := s.Recorded(t.Context(), moved); err == nil {
			t.Errorf("a result opened in another row: %+v", found)
		}
	})
}

// J3: an erased text leaves the chain true and the order readable.
func TestTexts_J3_CanBeErased(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, address string) {
		t.Helper()
		s, changes := filled(t, address)
		read, err := s.Order(t.Context(), store.OrderKey{Merchant: "demo", ID: "A"})
		if err != nil || read.Order.Details.Description == "" {
			t.Fatalf("before: %+v (%v)", read.Order, err)
		}
		exec(t, raw(t, address), `DELETE FROM texts`)
		read, err = s.Order(t.Context(), store.OrderKey{Merchant: "demo", ID: "A"})
		if err != nil || read.Order.Details == nil || read.Order.Details.Description != "" {
			t.Errorf("after: %+v (%v)", read.Order, err)
		}
		if texts, err := s.Texts(t.Context(), "demo", []string{changes.Entries[0].ID}); err != nil || len(texts) != 0 {
			t.Errorf("texts %v (%v)", texts, err)
		}
		entries, err := s.Entries(t.Context(), "demo", 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		var hash order.Hash
		for _, e := range entries {
			if hash = hash.Next(e.Position, order.Digest(e.Bytes)); hash != e.Hash {
				t.Errorf("the chain breaks at %d", e.Position)
			}
		}
	})
}

// Every primary key begins with the merchant, so that an engine can spread the tables by it. What
// belongs to the installation is listed.
func TestSchema_KeysBeginWithTheMerchant(t *testing.T) {
	t.Parallel()
	exempt := []string{"installation", "installation_keys", "paces", "goose_db_version", "sqlite_sequence"}
	onEach(t, func(t *testing.T, address string) {
		t.Helper()
		open(t, address)
		query := `SELECT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
WHERE i.indisprimary AND c.relnamespace = current_schema()::regnamespace`
		if strings.HasPrefix(address, "sqlite") {
			query = `SELECT m.name, COALESCE(c.name, '') FROM sqlite_schema m
LEFT JOIN pragma_table_info(m.name) c ON c.pk = 1 WHERE m.type = 'table'`
		}
		rows, err := raw(t, address).QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		count := 0
		for rows.Next() {
			var table, column string
			if err := rows.Scan(&table, &column); err != nil {
				t.Fatal(err)
			}
			count++
			if column != "merchant" && !slices.Contains(exempt, table) {
				t.Errorf("the key of %s begins with %q", table, column)
			}
		}
		if rows.Err() != nil || count < 12 {
			t.Errorf("%d tables (%v)", count, rows.Err())
		}
	})
}

// A SQLite file belongs to one server; the next may have it when the first is gone.
func TestOpen_RefusesASecondServerOnAFile(t *testing.T) {
	t.Parallel()
	address := sqliteFile(t)
	first, err := openAt(t.Context(), address, keyring(t))
	if err != nil {
		t.Fatal(err)
	}
	if second, err := openAt(t.Context(), address, keyring(t)); err == nil || !contains(err.Error(), "another server uses") {
		t.Errorf("a second server: %v, %v", second, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, address)
}

// What was committed is there after the store was closed and opened again.
func TestOpen_FindsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, address string) {
		t.Helper()
		keys := keyring(t)
		for i := range 3 {
			s, err := openAt(t.Context(), address, keys)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.EnsureMerchants(t.Context(), []string{"demo"}); err != nil {
				t.Fatal(err)
			}
			tx, err := s.Begin(t.Context(), store.Keys{})
			if err != nil {
				t.Fatal(err)
			}
			changes := &store.Changes{}
			id := strconv.Itoa(i)
			addOrder(t, changes, order.NewAct(tx.Snapshot().Now, order.Actor{}, order.IDs{Seed: sha256Seed(id)}), id, "lnk_"+id)
			if err := tx.Save(t.Context(), changes); err != nil {
				t.Fatal(err)
			}
			if position, _, err := s.Head(t.Context(), "demo"); err != nil || position != uint64(2*(i+1)) {
				t.Errorf("the head is at %d (%v)", position, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Begin(t.Context(), store.Keys{}); err == nil {
				t.Error("a closed store begins")
			}
		}
	})
}

// A URL that names nothing is refused with a reason.
func TestOpen_RefusesOtherAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "mysql://localhost/kvit", "postgres://[", filepath.Join(t.TempDir(), "no", "such", "folder")} {
		if s, err := openAt(t.Context(), address, keyring(t)); err == nil {
			t.Errorf("%q: %v", address, s)
		}
	}
}

// A caller who leaves does not take the shared statement with it: the others are answered.
func TestRecorded_I2_OutlivesTheCallerWhoLeaves(t *testing.T) {
	t.Parallel()
	s, changes := filled(t, postgresSchema(t))
	answers := make(chan error, 50)
	for i := range cap(answers) {
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
			if i%2 == 0 {
				cancel()
			}
			defer cancel()
			_, err := s.Recorded(ctx, changes.Records[0].RecordKey)
			if i%2 == 0 && errors.Is(err, context.Canceled) {
				err = nil
			}
			answers <- err
		}()
	}
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

// E1: at the very instant at which an offer ends it has ended, for lists as for order.
func TestLists_E1_EndAtTheInstant(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	s, err := sqlstore.Open(t.Context(), sqlstore.Settings{
		URL: sqliteFile(t), Sealer: keyring(t), Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.EnsureMerchants(t.Context(), []string{"demo"}); err != nil {
		t.Fatal(err)
	}
	tx, err := s.Begin(t.Context(), store.Keys{})
	if err != nil {
		t.Fatal(err)
	}
	changes := &store.Changes{}
	addOrder(t, changes, order.NewAct(tx.Snapshot().Now, order.Actor{}, order.IDs{}), "A", "lnk_A")
	if err := tx.Save(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	end := changes.Orders[0].After.OfferUntil
	for _, at := range []time.Time{end.Add(-time.Microsecond), end} {
		now = at
		want := 0
		if !at.Before(end) {
			want = 1
		}
		orders, _ := s.ListOrders(t.Context(), "demo", store.OrderFilter{States: []order.State{order.Expired}}, store.Page{Limit: 9})
		links, _ := s.ListLinks(t.Context(), "demo", store.LinkFilter{States: []order.LinkState{order.LinkExpired}}, store.Page{Limit: 9})
		due, _ := s.DueOrders(t.Context(), 9)
		if len(orders) != want || len(links) != want || len(due) != want {
			t.Errorf("%v from the end: %d orders, %d links, %d due, want %d", at.Sub(end), len(orders), len(links), len(due), want)
		}
	}
}
