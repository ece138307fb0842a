package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// Locks are taken in the order of keys, because LockRows stands above the sort. A row that was waited
// for is returned as its last holder left it.
const (
	lockOrders = `SELECT ` + orderColumns + `
FROM unnest($1::text[], $2::text[]) AS k(merchant, order_id)
JOIN orders o ON o.merchant = k.merchant AND o.order_id = k.order_id
ORDER BY o.merchant, o.order_id FOR NO KEY UPDATE OF o`

	lockLinks = `SELECT ` + linkColumns + `
FROM unnest($1::text[], $2::text[]) AS k(merchant, link_id)
JOIN links l ON l.merchant = k.merchant AND l.link_id = k.link_id
ORDER BY l.merchant, l.link_id FOR NO KEY UPDATE OF l`

	findRecords = `SELECT r.merchant, r.method, r.key, r.fingerprint, r.result, r.created_at
FROM unnest($1::text[], $2::text[], $3::text[]) AS k(merchant, method, key)
JOIN records r ON r.merchant = k.merchant AND r.method = k.method AND r.key = k.key`

	loadChildren = `SELECT o.merchant, o.order_id,` + childrenOnPostgres + `
FROM unnest($1::text[], $2::text[]) AS o(merchant, order_id)`

	// A task is locked against claims too, which pass over it.
	lockTasks = `SELECT ` + taskColumns + `
FROM unnest($1::text[], $2::text[]) AS k(merchant, task_id)
JOIN tasks t ON t.merchant = k.merchant AND t.task_id = k.task_id
ORDER BY t.merchant, t.task_id FOR UPDATE OF t`

	findMessages = `SELECT ` + messageColumns + `, NULL::bytea AS sealed
FROM unnest($1::text[], $2::text[], $3::bytea[]) AS k(merchant, account, digest)
JOIN messages m ON m.merchant = k.merchant AND m.account = k.account AND m.digest = k.digest`

	findOwners = `SELECT ` + ownerColumns + `
FROM unnest($1::text[], $2::text[], $3::text[]) AS k(merchant, account, psp_payment_id)
JOIN payments p ON p.merchant = k.merchant AND p.account = k.account AND p.psp_payment_id = k.psp_payment_id
	AND p.psp_payment_id <> ''`

	readClock = `SELECT clock_timestamp()`
)

// postgresTx is one write transaction on a connection of its own.
type postgresTx struct {
	sealer Sealer
	conn   *sql.Conn
	snap   *store.Snapshot
	pipes  *sync.Pool
	few    map[rowsOf]string
}

// Begin implements store.Begins: one round trip, and a second one where orders exist of which that was
// not said. Children are read by statements of their own, begun when the locks are held: a statement
// that locks and reads children sees the children of before its wait.
//
// After a restart of the database the connections of the pool are dead without knowing it. Nothing
// was written yet, so each is left for the next, until one lives or cannot be made.
func (s *postgres) Begin(ctx context.Context, keys store.Keys) (store.Tx, error) {
	var err error
	for range s.writers + 1 {
		var t *postgresTx
		var dead bool
		if t, dead, err = s.begin(ctx, keys); err == nil {
			return t, nil
		}
		if !dead || ctx.Err() != nil {
			break
		}
	}
	return nil, beforeCommit("begin", err)
}

// begin reports, where it failed, whether that was for a connection that had died.
func (s *postgres) begin(ctx context.Context, keys store.Keys) (t *postgresTx, dead bool, err error) {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("connect: %w", err)
	}
	t = &postgresTx{sealer: s.sealer, conn: conn, snap: newSnapshot(), pipes: &s.pipes, few: s.few}
	err = native(conn, func(c *pgx.Conn) error {
		err := t.load(ctx, c, keys)
		dead = c.IsClosed()
		return err
	})
	if err != nil {
		t.rollback(ctx)
		return nil, dead, err
	}
	return t, false, nil
}

func newSnapshot() *store.Snapshot {
	return &store.Snapshot{
		Orders:  map[store.OrderKey]*order.Order{},
		Links:   map[store.LinkKey]*order.Link{},
		Records: map[store.RecordKey]store.Record{},

		Messages: map[store.MessageKey]store.Message{},
		Tasks:    map[store.TaskKey]store.Task{},
		Payments: map[store.PaymentKey]store.OrderKey{},
	}
}

// Snapshot implements store.Tx.
func (t *postgresTx) Snapshot() *store.Snapshot { return t.snap }

func (t *postgresTx) load(ctx context.Context, c *pgx.Conn, keys store.Keys) error {
	var rows []*orderRow
	var below []*childrenOf
	batch := &pgx.Batch{}
	batch.Queue(`BEGIN ISOLATION LEVEL READ COMMITTED`)
	if len(keys.Orders) > 0 {
		k := unique(keys.Orders, compareOrderKeys)
		batch.Queue(lockOrders, column(k, merchantOfOrder), column(k, idOfOrder)).Query(collect(&rows))
		if keys.Existing {
			queueChildren(batch, k, &below)
		}
	}
	if len(keys.Links) > 0 {
		k := unique(keys.Links, compareLinkKeys)
		batch.Queue(lockLinks, column(k, func(k *store.LinkKey) string { return k.Merchant }),
			column(k, func(k *store.LinkKey) string { return k.ID })).Query(t.takeLinks)
	}
	t.queueTasks(batch, keys.Tasks)
	if len(keys.Records) > 0 {
		k := unique(keys.Records, compareRecordKeys)
		batch.Queue(findRecords, recordArrays(k)...).Query(t.takeRecords)
	}
	t.queueMessages(batch, keys.Messages)
	t.queueOwners(batch, keys.Payments)
	t.queueClock(batch)
	if err := c.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("lock and load: %w", err)
	}
	if len(rows) > 0 && !keys.Existing {
		var err error
		if below, err = t.loadChildren(ctx, c, rows); err != nil {
			return err
		}
	}
	return t.addOrders(rows, below)
}

// queueTasks locks tasks after the roots.
func (t *postgresTx) queueTasks(batch *pgx.Batch, keys []store.TaskKey) {
	if len(keys) == 0 {
		return
	}
	k := unique(keys, compareTaskKeys)
	batch.Queue(lockTasks, column(k, func(k *store.TaskKey) string { return k.Merchant }),
		column(k, func(k *store.TaskKey) string { return k.ID })).Query(take(t.snap, addTasks))
}

func (t *postgresTx) queueMessages(batch *pgx.Batch, keys []store.MessageKey) {
	if len(keys) == 0 {
		return
	}
	k := unique(keys, compareMessageKeys)
	batch.Queue(findMessages, column(k, func(k *store.MessageKey) string { return k.Merchant }),
		column(k, func(k *store.MessageKey) string { return k.Account }),
		column(k, func(k *store.MessageKey) []byte { return k.Digest[:] })).Query(take(t.snap, addMessages))
}

func (t *postgresTx) queueOwners(batch *pgx.Batch, keys []store.PaymentKey) {
	if len(keys) == 0 {
		return
	}
	k := unique(keys, comparePaymentKeys)
	batch.Queue(findOwners, column(k, func(k *store.PaymentKey) string { return k.Merchant }),
		column(k, func(k *store.PaymentKey) string { return k.Account }),
		column(k, func(k *store.PaymentKey) string { return k.PSPPaymentID })).Query(take(t.snap, addOwners))
}

// queueChildren reads what is below orders. The statement begins when those before it have ended, so that
// it sees what was written while the locks were waited for.
func queueChildren(batch *pgx.Batch, orders []store.OrderKey, into *[]*childrenOf) {
	batch.Queue(loadChildren, column(orders, merchantOfOrder), column(orders, idOfOrder)).Query(collect(into))
}

// loadChildren reads what is below the orders that were found, in a trip of its own.
func (t *postgresTx) loadChildren(ctx context.Context, c *pgx.Conn, rows []*orderRow) (below []*childrenOf, err error) {
	batch := &pgx.Batch{}
	queueChildren(batch, column(rows, func(r **orderRow) store.OrderKey { return (*r).key() }), &below)
	t.queueClock(batch)
	if err := c.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("load children: %w", err)
	}
	return below, nil
}

// addOrders puts orders together with what is below them.
func (t *postgresTx) addOrders(rows []*orderRow, below []*childrenOf) error {
	children := make(map[store.OrderKey]*childrenRow, len(below))
	for _, b := range below {
		children[store.OrderKey{Merchant: b.Merchant, ID: b.OrderID}] = &b.childrenRow
	}
	for _, r := range rows {
		o, err := r.order(children[r.key()])
		if err != nil {
			return err
		}
		t.snap.Orders[r.key()] = o
	}
	return nil
}

// childrenOf are the children of one order, with its key.
type childrenOf struct {
	childrenRow

	Merchant string `db:"merchant"`
	OrderID  string `db:"order_id"`
}

// queueClock asks for the time; the answer of the last pipeline counts.
func (t *postgresTx) queueClock(batch *pgx.Batch) {
	batch.Queue(readClock).QueryRow(func(row pgx.Row) error {
		var now time.Time
		if err := row.Scan(&now); err != nil {
			return fmt.Errorf("read clock: %w", err)
		}
		t.snap.Now = now.UTC()
		return nil
	})
}

func (t *postgresTx) takeLinks(found pgx.Rows) error {
	var rows []*linkRow
	if err := collect(&rows)(found); err != nil {
		return err
	}
	return addLinks(t.snap, rows)
}

func addLinks(snap *store.Snapshot, rows []*linkRow) error {
	for _, r := range rows {
		l, err := r.link()
		if err != nil {
			return err
		}
		snap.Links[store.LinkKey{Merchant: l.Merchant, ID: l.ID}] = l
	}
	return nil
}

func (t *postgresTx) takeRecords(found pgx.Rows) error {
	var rows []*recordRow
	if err := collect(&rows)(found); err != nil {
		return err
	}
	return addRecords(t.snap.Records, t.sealer, rows)
}

func addRecords(into map[store.RecordKey]store.Record, sealer Sealer, rows []*recordRow) error {
	for _, r := range rows {
		record, err := r.record(sealer)
		if err != nil {
			return err
		}
		into[record.RecordKey] = record
	}
	return nil
}

// take returns a reader of rows into a snapshot.
func take[Row any](into *store.Snapshot, add func(*store.Snapshot, []*Row)) func(pgx.Rows) error {
	return func(found pgx.Rows) error {
		var rows []*Row
		if err := collect(&rows)(found); err != nil {
			return err
		}
		add(into, rows)
		return nil
	}
}

// ownerRow says to which order a payment belongs.
type ownerRow struct {
	Merchant     string `db:"merchant"`
	Account      string `db:"account"`
	PSPPaymentID string `db:"psp_payment_id"`
	OrderID      string `db:"order_id"`
}

func addMessages(snap *store.Snapshot, rows []*messageRow) {
	for _, r := range rows {
		snap.Messages[r.key()] = r.message(nil)
	}
}

func addTasks(snap *store.Snapshot, rows []*taskRow) {
	for _, r := range rows {
		snap.Tasks[store.TaskKey{Merchant: r.Merchant, ID: r.TaskID}] = r.task()
	}
}

func addOwners(snap *store.Snapshot, rows []*ownerRow) {
	for _, r := range rows {
		key := store.PaymentKey{Merchant: r.Merchant, Account: r.Account, PSPPaymentID: r.PSPPaymentID}
		snap.Payments[key] = store.OrderKey{Merchant: r.Merchant, ID: r.OrderID}
	}
}

// collect returns a reader of rows into structs by the names of their columns.
func collect[Row any](into *[]*Row) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Row])
		if err != nil {
			return fmt.Errorf("read rows: %w", err)
		}
		*into = found
		return nil
	}
}

// column is one column of rows, as an array for unnest.
func column[T, V any](rows []T, value func(*T) V) []V {
	out := make([]V, len(rows))
	for i := range rows {
		out[i] = value(&rows[i])
	}
	return out
}

// unique returns the keys sorted, each once.
func unique[K comparable](keys []K, compare func(a, b K) int) []K {
	if len(keys) < 2 {
		return keys
	}
	out := slices.SortedFunc(slices.Values(keys), compare)
	return slices.Compact(out)
}

func compareOrderKeys(a, b store.OrderKey) int {
	return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.ID, b.ID))
}

func compareLinkKeys(a, b store.LinkKey) int {
	return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.ID, b.ID))
}

func compareRecordKeys(a, b store.RecordKey) int {
	return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Key, b.Key))
}

func compareMessageKeys(a, b store.MessageKey) int {
	return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.Account, b.Account), bytes.Compare(a.Digest[:], b.Digest[:]))
}

func compareTaskKeys(a, b store.TaskKey) int {
	return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.ID, b.ID))
}

func comparePaymentKeys(a, b store.PaymentKey) int {
	return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.Account, b.Account), cmp.Compare(a.PSPPaymentID, b.PSPPaymentID))
}

func merchantOfOrder(k *store.OrderKey) string { return k.Merchant }
func idOfOrder(k *store.OrderKey) string       { return k.ID }

func recordArrays(k []store.RecordKey) []any {
	return []any{
		column(k, func(k *store.RecordKey) string { return k.Merchant }),
		column(k, func(k *store.RecordKey) string { return k.Method }),
		column(k, func(k *store.RecordKey) string { return k.Key }),
	}
}
