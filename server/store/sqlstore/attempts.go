package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

const (
	orderOfAttempt = `SELECT a.order_id,
	COALESCE((SELECT m.outcome FROM messages m WHERE m.merchant = a.merchant AND m.account = $3 AND m.digest = $4), '') AS outcome
FROM attempts a
WHERE a.merchant = $1 AND a.attempt_id = $2 AND a.attempt_id <> ''`

	ordersOfAttempts = `SELECT k.merchant, k.attempt_id, k.account, k.digest, a.order_id,
	COALESCE((SELECT m.outcome FROM messages m
		WHERE m.merchant = k.merchant AND m.account = k.account AND m.digest = k.digest), '') AS outcome
FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) AS k(merchant, attempt_id, account, digest)
JOIN attempts a ON a.merchant = k.merchant AND a.attempt_id = k.attempt_id AND a.attempt_id <> ''`

	orderOfRefund = `SELECT f.order_id FROM refunds f
WHERE f.merchant = $1 AND f.refund_id = $2 AND f.refund_id <> ''`

	readHandoff = `SELECT sealed FROM handoffs WHERE merchant = $1 AND attempt_id = $2`

	refundColumns = `f.merchant, f.order_id, f.refund_id, f.payment_id, f.amount, f.state, f.automatic, f.requested_at`

	currencyOfRefund = `(SELECT p.currency FROM payments p
	WHERE p.merchant = f.merchant AND p.order_id = f.order_id AND p.payment_id = f.payment_id)`
)

// attemptKey names an attempt and a message about it.
type attemptKey struct {
	ID      string
	Message store.MessageKey
}

func compareAttemptKeys(a, b attemptKey) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), compareMessageKeys(a.Message, b.Message))
}

// attemptOf says to which order an attempt belongs, and what became of a message about it.
type attemptOf struct {
	OrderID string `db:"order_id"`
	Outcome string `db:"outcome"`
}

// attemptRead is attemptOf with its key, where many are asked for.
type attemptRead struct {
	attemptOf

	Merchant  string `db:"merchant"`
	AttemptID string `db:"attempt_id"`
	Account   string `db:"account"`
	Digest    digest `db:"digest"`
}

func (r *attemptRead) key() attemptKey {
	return attemptKey{
		ID:      r.AttemptID,
		Message: store.MessageKey{Merchant: r.Merchant, Account: r.Account, Digest: r.Digest},
	}
}

// OrderOfAttempt implements store.Attempts.
func (r *reads) OrderOfAttempt(ctx context.Context, attemptID string, message store.MessageKey) (string, store.MessageOutcome, error) {
	key := attemptKey{ID: attemptID, Message: message}
	find := r.attempts.find
	if r.dialect == onSQLite {
		find = r.attemptOf
	}
	found, err := find(ctx, key)
	if err != nil {
		return "", "", err
	}
	return found.OrderID, store.MessageOutcome(found.Outcome), nil
}

// attemptOf finds the order of one attempt, or store.ErrNotFound.
func (r *reads) attemptOf(ctx context.Context, key attemptKey) (*attemptOf, error) {
	var row attemptOf
	err := r.db.GetContext(ctx, &row, orderOfAttempt, key.Message.Merchant, key.ID, key.Message.Account, key.Message.Digest[:])
	if err != nil {
		return nil, none("find attempt", err)
	}
	return &row, nil
}

// ordersOfAttempts finds the orders of many attempts with one statement on PostgreSQL. One that comes alone has
// a statement without arrays.
func (r *reads) ordersOfAttempts(ctx context.Context, keys []attemptKey) (map[attemptKey]*attemptOf, error) {
	found := make(map[attemptKey]*attemptOf, len(keys))
	if len(keys) == 1 {
		row, err := r.attemptOf(ctx, keys[0])
		if errors.Is(err, store.ErrNotFound) {
			return found, nil
		}
		found[keys[0]] = row
		return found, err
	}
	var rows []*attemptRead
	err := r.db.SelectContext(ctx, &rows, ordersOfAttempts,
		column(keys, func(k *attemptKey) string { return k.Message.Merchant }),
		column(keys, func(k *attemptKey) string { return k.ID }),
		column(keys, func(k *attemptKey) string { return k.Message.Account }),
		column(keys, func(k *attemptKey) []byte { return k.Message.Digest[:] }))
	if err != nil {
		return nil, beforeCommit("find attempts", err)
	}
	for _, row := range rows {
		found[row.key()] = &row.attemptOf
	}
	return found, nil
}

// OrderOfRefund implements store.Attempts.
func (r *reads) OrderOfRefund(ctx context.Context, merchant, refundID string) (string, error) {
	var orderID string
	if err := r.db.GetContext(ctx, &orderID, orderOfRefund, merchant, refundID); err != nil {
		return "", none("find refund", err)
	}
	return orderID, nil
}

// refundReadRow is a refund as it is listed.
type refundReadRow struct {
	Merchant    string `db:"merchant"`
	OrderID     string `db:"order_id"`
	RefundID    string `db:"refund_id"`
	PaymentID   string `db:"payment_id"`
	Amount      int64  `db:"amount"`
	State       string `db:"state"`
	Automatic   bool   `db:"automatic"`
	RequestedAt micros `db:"requested_at"`
	Currency    string `db:"currency"`
}

func (r *refundReadRow) read() store.RefundRead {
	return store.RefundRead{
		Refund: order.Refund{
			ID: r.RefundID, PaymentID: r.PaymentID, AmountMinor: r.Amount, State: order.RefundState(r.State),
			Automatic: r.Automatic, RequestedAt: r.RequestedAt.Time,
		},
		OrderID: r.OrderID, Currency: r.Currency,
	}
}

// ListRefunds implements store.Attempts: those of one order by its key, others by the index of lists.
func (r *reads) ListRefunds(
	ctx context.Context, merchant string, filter store.RefundFilter, page store.Page,
) ([]store.RefundRead, error) {
	q := &query{}
	q.add(`SELECT ` + refundColumns + `, COALESCE(` + currencyOfRefund + `, '') AS currency
FROM refunds f WHERE ` + r.pick("f.requested_at > '-infinity'", "true"))
	where(q, "f.merchant", "=", merchant)
	where(q, "f.order_id", "=", filter.OrderID)
	in(q, "f.state", filter.States)
	if !page.BeforeTime.IsZero() {
		q.add(" AND (f.requested_at, f.refund_id) < (" + q.arg(page.BeforeTime) + ", " + q.arg(page.BeforeID) + ")")
	}
	q.add("\nORDER BY f.requested_at DESC, f.refund_id DESC LIMIT " + q.arg(page.Limit))
	var rows []*refundReadRow
	if err := r.db.SelectContext(ctx, &rows, q.text.String(), r.unplanned(q.args)...); err != nil {
		return nil, beforeCommit("list refunds", err)
	}
	out := make([]store.RefundRead, len(rows))
	for i, row := range rows {
		out[i] = row.read()
	}
	return out, nil
}

// Handoff implements store.Attempts.
func (r *reads) Handoff(ctx context.Context, merchant, attemptID string) ([]byte, error) {
	var sealed []byte
	if err := r.db.GetContext(ctx, &sealed, readHandoff, merchant, attemptID); err != nil {
		return nil, none("read handoff", err)
	}
	data, err := r.sealer.Open(sealed, handoffPlace(merchant, attemptID))
	if err != nil {
		return nil, fmt.Errorf("open handoff of %s: %w", attemptID, err)
	}
	return data, nil
}
