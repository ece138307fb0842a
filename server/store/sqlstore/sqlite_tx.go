package sqlstore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kvitpay/kvit/server/store"
)

// Keys are given as a JSON array of arrays, so that one prepared statement serves any number.
const (
	loadOrdersOnSQLite = `SELECT ` + orderColumns + `,` + childrenOnSQLite + `
FROM json_each($1) k JOIN orders o ON o.merchant = k.value ->> 0 AND o.order_id = k.value ->> 1`

	loadLinksOnSQLite = `SELECT ` + linkColumns + `
FROM json_each($1) k JOIN links l ON l.merchant = k.value ->> 0 AND l.link_id = k.value ->> 1`

	loadRecordsOnSQLite = `SELECT r.merchant, r.method, r.key, r.fingerprint, r.result, r.created_at
FROM json_each($1) k
JOIN records r ON r.merchant = k.value ->> 0 AND r.method = k.value ->> 1 AND r.key = k.value ->> 2`

	loadMessagesOnSQLite = `SELECT ` + messageColumns + `
FROM json_each($1) k
JOIN messages m ON m.merchant = k.value ->> 0 AND m.account = k.value ->> 1 AND m.digest = unhex(k.value ->> 2)`

	loadTasksOnSQLite = `SELECT ` + taskColumns + `
FROM json_each($1) k JOIN tasks t ON t.merchant = k.value ->> 0 AND t.task_id = k.value ->> 1`

	loadOwnersOnSQLite = `SELECT ` + ownerColumns + `
FROM json_each($1) k
JOIN payments p ON p.merchant = k.value ->> 0 AND p.account = k.value ->> 1 AND p.psp_payment_id = k.value ->> 2
	AND p.psp_payment_id <> ''`

	loadHeadsOnSQLite = `SELECT merchant, position, hash FROM heads
WHERE merchant IN (SELECT value FROM json_each($1)) ORDER BY merchant`

	moveHeadOnSQLite = `UPDATE heads SET position = $2, hash = $3 WHERE merchant = $1`
)

// sqliteTx is the one write transaction.
type sqliteTx struct {
	store *sqliteStore
	snap  *store.Snapshot
	ended bool
}

// Begin implements store.Begins. It waits for its turn. From then on no statement is interrupted: each
// is short, and what an interrupted one leaves of the connection is the driver's secret. Between
// statements the context counts.
func (s *sqliteStore) Begin(ctx context.Context, keys store.Keys) (store.Tx, error) {
	t, err := s.begin(ctx, keys)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (s *sqliteStore) begin(ctx context.Context, keys store.Keys) (*sqliteTx, error) {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return nil, fmt.Errorf("begin: %w", ctx.Err())
	}
	if err := ctx.Err(); err != nil {
		s.turn <- struct{}{}
		return nil, fmt.Errorf("begin: %w", err)
	}
	if _, err := s.write.exec(context.WithoutCancel(ctx), `BEGIN IMMEDIATE`); err != nil {
		s.turn <- struct{}{}
		return nil, beforeCommit("begin", err)
	}
	t := &sqliteTx{store: s, snap: newSnapshot()}
	t.snap.Now = s.clock()
	if err := t.load(context.WithoutCancel(ctx), keys); err != nil {
		t.rollback(ctx)
		return nil, beforeCommit("begin", err)
	}
	return t, nil
}

// Snapshot implements store.Tx.
func (t *sqliteTx) Snapshot() *store.Snapshot { return t.snap }

// orderWithChildren is an order as a write transaction loads it.
type orderWithChildren struct {
	orderRow
	childrenRow
}

func (t *sqliteTx) load(ctx context.Context, keys store.Keys) error {
	var orders []*orderWithChildren
	err := t.find(ctx, &orders, loadOrdersOnSQLite, pairs(unique(keys.Orders, compareOrderKeys), func(k store.OrderKey) []string {
		return []string{k.Merchant, k.ID}
	}))
	if err != nil {
		return err
	}
	for _, row := range orders {
		o, err := row.order(&row.childrenRow)
		if err != nil {
			return err
		}
		t.snap.Orders[row.key()] = o
	}
	var links []*linkRow
	err = t.find(ctx, &links, loadLinksOnSQLite, pairs(unique(keys.Links, compareLinkKeys), func(k store.LinkKey) []string {
		return []string{k.Merchant, k.ID}
	}))
	if err != nil {
		return err
	}
	if err := addLinks(t.snap, links); err != nil {
		return err
	}
	var records []*recordRow
	err = t.find(ctx, &records, loadRecordsOnSQLite, pairs(unique(keys.Records, compareRecordKeys), func(k store.RecordKey) []string {
		return []string{k.Merchant, k.Method, k.Key}
	}))
	if err != nil {
		return err
	}
	if err := addRecords(t.snap.Records, t.store.sealer, records); err != nil {
		return err
	}
	return t.loadNamed(ctx, keys)
}

// loadNamed loads what a batch names beside orders, links and records.
func (t *sqliteTx) loadNamed(ctx context.Context, keys store.Keys) error {
	var messages []*messageRow
	err := t.find(ctx, &messages, loadMessagesOnSQLite, pairs(unique(keys.Messages, compareMessageKeys), func(k store.MessageKey) []string {
		return []string{k.Merchant, k.Account, hex.EncodeToString(k.Digest[:])}
	}))
	if err != nil {
		return err
	}
	var tasks []*taskRow
	err = t.find(ctx, &tasks, loadTasksOnSQLite, pairs(unique(keys.Tasks, compareTaskKeys), func(k store.TaskKey) []string {
		return []string{k.Merchant, k.ID}
	}))
	if err != nil {
		return err
	}
	var owners []*ownerRow
	err = t.find(ctx, &owners, loadOwnersOnSQLite, pairs(unique(keys.Payments, comparePaymentKeys), func(k store.PaymentKey) []string {
		return []string{k.Merchant, k.Account, k.PSPPaymentID}
	}))
	if err != nil {
		return err
	}
	addMessages(t.snap, messages)
	addTasks(t.snap, tasks)
	addOwners(t.snap, owners)
	return nil
}

func pairs[K any](keys []K, parts func(K) []string) [][]string {
	out := make([][]string, len(keys))
	for i := range keys {
		out[i] = parts(keys[i])
	}
	return out
}

// find reads the rows of keys into a slice of structs.
func (t *sqliteTx) find(ctx context.Context, into any, query string, keys [][]string) error {
	if len(keys) == 0 {
		return nil
	}
	text, err := json.Marshal(keys)
	if err != nil {
		return fmt.Errorf("encode keys: %w", err)
	}
	if err := t.store.write.conn.SelectContext(ctx, into, query, string(text)); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}

// Save implements store.Tx.
func (t *sqliteTx) Save(ctx context.Context, changes *store.Changes) error {
	if t.ended {
		return fmt.Errorf("save: %w", errEnded)
	}
	defer t.rollback(ctx)
	p, err := makePlan(t.store.sealer, t.snap, changes)
	if err != nil || p.empty() {
		return err
	}
	if err := t.writeRows(ctx, p); err != nil {
		return beforeCommit("save", err)
	}
	if err := t.appendEntries(ctx, p); err != nil {
		return beforeCommit("save", err)
	}
	return t.commit(ctx)
}

// commit is not interrupted: nobody would know what it did.
func (t *sqliteTx) commit(ctx context.Context) error {
	if _, err := t.store.write.exec(context.WithoutCancel(ctx), `COMMIT`); err != nil {
		if raced(err) {
			return beforeCommit("commit", err)
		}
		return fmt.Errorf("commit: %w: %w", store.ErrCommitUnclear, err)
	}
	t.end()
	return nil
}

// Rollback implements store.Tx.
func (t *sqliteTx) Rollback() { t.rollback(context.Background()) }

// rollback ends what is open, also when the caller's time is over.
func (t *sqliteTx) rollback(ctx context.Context) {
	if t.ended {
		return
	}
	_, _ = t.store.write.exec(context.WithoutCancel(ctx), `ROLLBACK`)
	t.end()
}

func (t *sqliteTx) end() {
	t.ended = true
	t.store.turn <- struct{}{}
}

// row is one row to write.
type row interface{ values() []any }

// changing is one row that can change.
type changing interface {
	row
	changes(loaded int64) []any
}

func (t *sqliteTx) writeRows(ctx context.Context, p *plan) error {
	w, ctx, caller := t.store.write, context.WithoutCancel(ctx), ctx
	for _, write := range []func() error{
		func() error { return writeTable[linkRow](ctx, w, &p.links, updateLinksRow, insertLinksRow) },
		func() error { return writeTable[orderRow](ctx, w, &p.orders, updateOrdersRow, insertOrdersRow) },
		func() error { return writeTable[attemptRow](ctx, w, &p.attempts, updateAttemptsRow, insertAttemptsRow) },
		func() error { return writeTable[paymentRow](ctx, w, &p.payments, updatePaymentsRow, insertPaymentsRow) },
		func() error { return writeTable[refundRow](ctx, w, &p.refunds, updateRefundsRow, insertRefundsRow) },
		func() error {
			return writeTable[exceptionRow](ctx, w, &p.exceptions, updateExceptionsRow, insertExceptionsRow)
		},
		func() error { return insertAll[recordRow](ctx, w, p.records, insertRecordsRow) },
		func() error { return insertAll[textRow](ctx, w, p.texts, insertTextsRow) },
		func() error { return writeTable[messageRow](ctx, w, &p.messages, updateMessagesRow, insertMessagesRow) },
		func() error { return writeTable[taskRow](ctx, w, &p.tasks, updateTasksRow, insertTasksRow) },
		func() error { return w.finishTasks(ctx, p.done) },
		func() error { return w.keepHandoffs(ctx, p.handoffs) },
	} {
		if err := caller.Err(); err != nil {
			return err //nolint:wrapcheck // Wrapped by the caller.
		}
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

func (w *sqliteWriter) finishTasks(ctx context.Context, done []store.TaskKey) error {
	for _, k := range done {
		if _, err := w.exec(ctx, deleteTasksRow, k.Merchant, k.ID); err != nil {
			return err
		}
	}
	return nil
}

// keepHandoffs keeps the first of an attempt.
func (w *sqliteWriter) keepHandoffs(ctx context.Context, rows []handoffRow) error {
	for _, r := range rows {
		if _, err := w.exec(ctx, insertHandoffsRow, r.Merchant, r.AttemptID, r.Sealed); err != nil {
			return err
		}
	}
	return nil
}

// writeTable writes the changes first: an attempt that died makes room for the next (O7).
func writeTable[Row any, P interface {
	*Row
	changing
}](ctx context.Context, w *sqliteWriter, rows *written[Row], update string, insert insertion,
) error {
	for i := range rows.changed {
		var loaded int64
		if rows.loaded != nil {
			loaded = rows.loaded[i]
		}
		if err := w.write(ctx, 1, update, P(&rows.changed[i]).changes(loaded)); err != nil {
			return err
		}
	}
	return insertAll[Row, P](ctx, w, rows.fresh, insert)
}

func insertAll[Row any, P interface {
	*Row
	row
}](ctx context.Context, w *sqliteWriter, rows []Row, insert insertion,
) error {
	for len(rows) > 0 {
		n := 1
		if len(rows) >= rowsTogether {
			n = rowsTogether
		}
		args := make([]any, 0, 24*n)
		for i := range rows[:n] {
			args = append(args, P(&rows[i]).values()...)
		}
		if err := w.write(ctx, n, insert.of(n), args); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// rowsTogether is how many rows one statement inserts where there are as many.
const rowsTogether = 16

// insertion is a statement that inserts one row.
type insertion string

// of is the statement for n rows. Those that exist are left out and not counted.
func (s insertion) of(n int) string {
	_, values, _ := strings.Cut(string(s), "VALUES ")
	return string(s) + strings.Repeat(", "+values, n-1) + " ON CONFLICT DO NOTHING"
}

// write runs a statement that must write so many rows.
func (w *sqliteWriter) write(ctx context.Context, want int, query string, args []any) error {
	count, err := w.exec(ctx, query, args...)
	if err != nil {
		return err
	}
	if count != int64(want) {
		return errShort
	}
	return nil
}

func (t *sqliteTx) appendEntries(ctx context.Context, p *plan) error {
	if len(p.entries) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	merchants, err := json.Marshal(p.merchants)
	if err != nil {
		return fmt.Errorf("encode merchants: %w", err)
	}
	var heads []headRow
	if err := t.store.write.conn.SelectContext(ctx, &heads, loadHeadsOnSQLite, string(merchants)); err != nil {
		return fmt.Errorf("load heads: %w", err)
	}
	next, err := p.chain(heads)
	if err != nil {
		return err
	}
	if err := insertAll[entryRow](ctx, t.store.write, p.entries, insertEntriesRow); err != nil {
		return err
	}
	for i := range next {
		if err := t.store.write.write(ctx, 1, moveHeadOnSQLite, []any{next[i].Merchant, next[i].Position, next[i].Hash[:]}); err != nil {
			return err
		}
	}
	return nil
}

// inTx implements writes.inTx, in a turn of its own.
func (s *sqliteStore) inTx(ctx context.Context, f func(tx transaction) error) error {
	t, err := s.begin(ctx, store.Keys{})
	if err != nil {
		return err
	}
	defer t.rollback(ctx)
	if err := f(s.write.conn); err != nil {
		return err
	}
	return t.commit(ctx)
}
