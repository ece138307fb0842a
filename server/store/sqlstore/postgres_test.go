package sqlstore_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// shop is one order to race for.
type shop struct {
	t   *testing.T
	s   store.Store
	key store.OrderKey
}

func newShop(t *testing.T, s store.Store) *shop {
	t.Helper()
	if err := s.EnsureMerchants(t.Context(), []string{"demo"}); err != nil {
		t.Fatal(err)
	}
	if err := createMany(t.Context(), s, 1, []string{"demo"}); err != nil {
		t.Fatal(err)
	}
	all, err := s.ListOrders(t.Context(), "demo", store.OrderFilter{}, store.Page{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	return &shop{t: t, s: s, key: store.OrderKey{Merchant: "demo", ID: all[0].Order.ID.String()}}
}

func (s *shop) begin() store.Tx {
	s.t.Helper()
	tx, err := s.s.Begin(s.t.Context(), store.Keys{Orders: []store.OrderKey{s.key}})
	if err != nil {
		s.t.Fatal(err)
	}
	return tx
}

func (s *shop) act(tx store.Tx, seed byte) order.Act {
	return order.NewAct(tx.Snapshot().Now, order.Actor{Kind: order.BySystem}, order.IDs{Seed: [16]byte{seed}})
}

// started saves an attempt with a transaction.
func (s *shop) started(tx store.Tx, id string) error {
	s.t.Helper()
	before := tx.Snapshot().Orders[s.key]
	after := before.Clone()
	_, _, err := after.StartAttempt(s.act(tx, id[0]), order.AttemptSpec{
		ID: id, Account: "a", SessionUntil: tx.Snapshot().Now.Add(time.Minute),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return tx.Save(s.t.Context(), &store.Changes{
		Orders: []store.OrderChange{{Before: before, After: after}}, Entries: after.Entries(),
	})
}

// waitForLock returns when a session of this database waits for a row's lock.
func waitForLock(t *testing.T, db *sql.DB) {
	t.Helper()
	for {
		var waiting int
		err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE NOT l.granted AND a.query LIKE '%FOR NO KEY UPDATE%' AND l.locktype IN ('transactionid', 'tuple')`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting > 0 {
			return
		}
	}
}

// A Begin that waited sees the row as its holder left it, and the children that the holder inserted
// while it waited: they are read by statements after the lock.
func TestBegin_WaitingSeesWhatTheHolderWrote(t *testing.T) {
	t.Parallel()
	for name, existing := range map[string]bool{"in a second trip": false, "in one trip": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			waitingSees(t, existing)
		})
	}
}

func waitingSees(t *testing.T, existing bool) {
	t.Helper()
	address := postgresSchema(t)
	shop := newShop(t, open(t, address))
	db := raw(t, address)

	holder := shop.begin()
	waited := make(chan store.Tx, 1)
	go func() {
		tx, err := shop.s.Begin(context.WithoutCancel(t.Context()), store.Keys{Orders: []store.OrderKey{shop.key}, Existing: existing})
		if err != nil {
			t.Error(err)
		}
		waited <- tx
	}()
	waitForLock(t, db)
	if err := shop.started(holder, "x"); err != nil {
		t.Fatal(err)
	}
	tx := <-waited
	defer tx.Rollback()
	o := tx.Snapshot().Orders[shop.key]
	if o.State != order.Processing || o.Version != 3 || len(o.Attempts) != 1 || o.Attempts[0].ID != "x" {
		t.Errorf("the waiting transaction sees %s, version %d, attempts %+v", o.State, o.Version, o.Attempts)
	}
	if !tx.Snapshot().Now.After(holder.Snapshot().Now) || tx.Snapshot().Now.Before(o.UpdatedAt) {
		t.Error("the time was taken before the lock")
	}
}

// A row that appears after Begin looked is a race lost at Save, and the loser leaves nothing.
func TestSave_I3_RowThatAppearsAfterBegin(t *testing.T) {
	t.Parallel()
	s := open(t, postgresSchema(t))
	if err := s.EnsureMerchants(t.Context(), []string{"demo"}); err != nil {
		t.Fatal(err)
	}
	keys := store.Keys{Orders: []store.OrderKey{{Merchant: "demo", ID: "A"}}}
	changes := func(tx store.Tx, link string) *store.Changes {
		changes := &store.Changes{}
		act := order.NewAct(tx.Snapshot().Now, order.Actor{}, order.IDs{Seed: sha256Seed(link)})
		addOrder(t, changes, act, "A", link)
		return changes
	}
	first, err := s.Begin(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Begin(t.Context(), keys) // Nothing to lock yet: both go on.
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Save(t.Context(), changes(first, "lnk_1")); err != nil {
		t.Fatal(err)
	}
	if err := second.Save(t.Context(), changes(second, "lnk_2")); !errors.Is(err, store.ErrRetry) {
		t.Errorf("the second: %v", err)
	}
	if _, err := s.Link(t.Context(), store.LinkKey{Merchant: "demo", ID: "lnk_2"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the second's link: %v", err)
	}
	if position, _, err := s.Head(t.Context(), "demo"); err != nil || position != 2 {
		t.Errorf("the head is at %d (%v)", position, err)
	}
}

func sha256Seed(text string) [16]byte {
	sum := sha256.Sum256([]byte(text))
	return [16]byte(sum[:16])
}

func addOrder(t *testing.T, changes *store.Changes, act order.Act, id, link string) {
	t.Helper()
	orderID, err := order.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	amount, err := money.New(100, "AMD")
	if err != nil {
		t.Fatal(err)
	}
	until := act.Now.Add(time.Hour)
	o, err := order.Create(act, order.Spec{
		Merchant: "demo", ID: orderID, LinkID: link, Terms: order.Terms{Kind: order.Dynamic, Amount: amount, Capture: order.Automatic},
		OfferUntil: until, AcceptUntil: until, Details: order.Details{Description: "Secret lesson of Anahit"},
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := order.CreateLink(act, order.LinkSpec{
		Merchant: "demo", ID: link, Kind: order.Dynamic, OrderID: orderID, Amount: amount, Capture: order.Automatic,
		KeyID: "k1", TokenHash: sha256.Sum256([]byte(link)), ExpiresAt: until,
	})
	if err != nil {
		t.Fatal(err)
	}
	changes.Orders = append(changes.Orders, store.OrderChange{After: o})
	changes.Links = append(changes.Links, store.LinkChange{After: l})
	changes.Entries = append(append(changes.Entries, o.Entries()...), l.Entries()...)
}

// Servers that start at once on an empty database migrate it once.
func TestOpen_MigratesOnceForManyServers(t *testing.T) {
	t.Parallel()
	address := postgresSchema(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			s, err := openAt(t.Context(), address, keyring(t))
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// The connections that write find every root by its primary key, whatever the plan was made for: with
// another index a lookup would read a merchant's whole table.
func TestPlans_FindRootsByPrimaryKey(t *testing.T) {
	t.Parallel()
	address := postgresSchema(t)
	s := open(t, address)
	db := raw(t, address)
	for table, id := range map[string]string{"orders": "order_id", "links": "link_id"} {
		plan := explain(t, db, fmt.Sprintf(`SELECT r.merchant FROM unnest($1::text[], $2::text[]) AS k(merchant, id)
JOIN %s r ON r.merchant = k.merchant AND r.%s = k.id ORDER BY r.merchant, r.%s FOR NO KEY UPDATE OF r`, table, id, id))
		if want := "Index Scan using " + table + "_pkey"; !contains(plan, want) {
			t.Errorf("%s: want %q in\n%s", table, want, plan)
		}
	}
	for _, table := range []string{"attempts", "payments", "refunds", "exceptions"} {
		plan := explain(t, db, fmt.Sprintf(`SELECT c.number FROM unnest($1::text[], $2::text[]) AS k(merchant, id),
LATERAL (SELECT number FROM %s WHERE merchant = k.merchant AND order_id = k.id ORDER BY number) c`, table))
		if want := table + "_pkey"; !contains(plan, want) {
			t.Errorf("%s: want %q in\n%s", table, want, plan)
		}
	}
	plan := explain(t, db, `SELECT position FROM entries e WHERE e.merchant || '/' || e.order_id = $1[1] || '/' || $2[1] ORDER BY position`)
	if !contains(plan, "entries_of_order") {
		t.Errorf("entries of an order: \n%s", plan)
	}
	_ = s
}

// After the database restarts, the first batch finds a living connection by itself.
func TestBegin_LeavesDeadConnections(t *testing.T) {
	t.Parallel()
	address := postgresSchema(t)
	shop := newShop(t, open(t, address))
	db := raw(t, address)
	for range 3 {
		var open []store.Tx
		for range 3 {
			tx, err := shop.s.Begin(t.Context(), store.Keys{})
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, tx)
		}
		for _, tx := range open {
			tx.Rollback()
		}
		exec(t, db, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND application_name = current_setting('application_name')`)
	}
	shop.begin().Rollback()
}

// A transaction whose connection died before COMMIT was sent has written nothing, and says so.
func TestSave_SaysThatNothingWasWritten(t *testing.T) {
	t.Parallel()
	address := postgresSchema(t)
	shop := newShop(t, open(t, address))
	tx := shop.begin()
	exec(t, raw(t, address), `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND application_name = current_setting('application_name') AND state = 'idle in transaction'`)
	if err := shop.started(tx, "x"); err == nil || errors.Is(err, store.ErrCommitUnclear) {
		t.Errorf("save: %v", err)
	}
	again := shop.begin()
	defer again.Rollback()
	if o := again.Snapshot().Orders[shop.key]; o.State != order.Pending {
		t.Errorf("the order is %s", o.State)
	}
}
