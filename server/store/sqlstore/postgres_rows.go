package sqlstore

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// What a batch writes on PostgreSQL: one statement per table, rows as arrays.
const (
	insertLinks = `INSERT INTO links (
	merchant, link_id, kind, order_id, state, currency, amount, capture, live, locale, key_id, token_hash, expires_at,
	order_expires_ns, created_at, deactivated_at, version, details_id)
SELECT
	merchant, link_id, kind, order_id, state, currency, amount, capture, live, locale, key_id, token_hash, expires_at,
	order_expires_ns, created_at, deactivated_at, version, details_id
FROM unnest(
	$1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::boolean[],
	$10::text[], $11::text[], $12::bytea[], $13::timestamptz[], $14::bigint[], $15::timestamptz[], $16::timestamptz[],
	$17::bigint[], $18::text[])
	AS r(
	merchant, link_id, kind, order_id, state, currency, amount, capture, live, locale, key_id, token_hash, expires_at,
	order_expires_ns, created_at, deactivated_at, version, details_id)
ON CONFLICT DO NOTHING`

	updateLinks = `UPDATE links AS l SET
	state = r.state, deactivated_at = r.deactivated_at, version = r.version
FROM unnest(
	$1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[])
	AS r(merchant, link_id, state, deactivated_at, version, loaded)
WHERE l.merchant = r.merchant AND l.link_id = r.link_id AND l.version = r.loaded`

	insertOrders = `INSERT INTO orders (
	merchant, order_id, link_id, kind, currency, amount, capture, customer_id, viber_bot, viber_user_id, items_hash,
	live, locale, state, resume, version, offer_until, accept_until, created_at, updated_at, details_id, settled_by)
SELECT
	merchant, order_id, link_id, kind, currency, amount, capture, NULLIF(customer_id, ''), NULLIF(viber_bot, ''),
	NULLIF(viber_user_id, ''), items_hash, live, locale, state, resume, version, offer_until, accept_until,
	created_at, updated_at, details_id, settled_by
FROM unnest(
	$1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[],
	$10::text[], $11::text[], $12::boolean[], $13::text[], $14::text[], $15::text[], $16::bigint[],
	$17::timestamptz[], $18::timestamptz[], $19::timestamptz[], $20::timestamptz[], $21::text[], $22::text[])
	AS r(
	merchant, order_id, link_id, kind, currency, amount, capture, customer_id, viber_bot, viber_user_id, items_hash,
	live, locale, state, resume, version, offer_until, accept_until, created_at, updated_at, details_id, settled_by)
ON CONFLICT DO NOTHING`

	updateOrders = `UPDATE orders AS o SET
	link_id = r.link_id, state = r.state, resume = r.resume, version = r.version, offer_until = r.offer_until,
	accept_until = r.accept_until, updated_at = r.updated_at, settled_by = r.settled_by
FROM unnest(
	$1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[], $8::timestamptz[],
	$9::timestamptz[], $10::text[], $11::bigint[])
	AS r(merchant, order_id, link_id, state, resume, version, offer_until, accept_until, updated_at, settled_by, loaded)
WHERE o.merchant = r.merchant AND o.order_id = r.order_id AND o.version = r.loaded`

	insertAttempts = `INSERT INTO attempts (
	merchant, order_id, number, attempt_id, account, state, started_at, session_until, grace_ns, failure, seen,
	payment_id)
SELECT
	merchant, order_id, number, attempt_id, account, state, started_at, session_until, grace_ns, failure, seen,
	payment_id
FROM unnest(
	$1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[],
	$9::bigint[], $10::text[], $11::text[], $12::text[])
	AS r(
	merchant, order_id, number, attempt_id, account, state, started_at, session_until, grace_ns, failure, seen,
	payment_id)
ON CONFLICT DO NOTHING`

	updateAttempts = `UPDATE attempts AS a SET
	state = r.state, session_until = r.session_until, grace_ns = r.grace_ns, failure = r.failure, seen = r.seen,
	payment_id = r.payment_id
FROM unnest(
	$1::text[], $2::text[], $3::integer[], $4::text[], $5::timestamptz[], $6::bigint[], $7::text[], $8::text[],
	$9::text[])
	AS r(merchant, order_id, number, state, session_until, grace_ns, failure, seen, payment_id)
WHERE a.merchant = r.merchant AND a.order_id = r.order_id AND a.number = r.number`

	insertPayments = `INSERT INTO payments (
	merchant, order_id, number, payment_id, account, psp_payment_id, attempt_id, currency, authorized, captured,
	reserved, refunded, charged_back, settles)
SELECT
	merchant, order_id, number, payment_id, account, psp_payment_id, attempt_id, currency, authorized, captured,
	reserved, refunded, charged_back, settles
FROM unnest(
	$1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[],
	$10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::boolean[])
	AS r(
	merchant, order_id, number, payment_id, account, psp_payment_id, attempt_id, currency, authorized, captured,
	reserved, refunded, charged_back, settles)
ON CONFLICT DO NOTHING`

	updatePayments = `UPDATE payments AS p SET
	authorized = r.authorized, captured = r.captured, reserved = r.reserved, refunded = r.refunded,
	charged_back = r.charged_back, settles = r.settles
FROM unnest(
	$1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
	$9::boolean[])
	AS r(merchant, order_id, number, authorized, captured, reserved, refunded, charged_back, settles)
WHERE p.merchant = r.merchant AND p.order_id = r.order_id AND p.number = r.number`

	insertRefunds = `INSERT INTO refunds (
	merchant, order_id, number, refund_id, payment_id, amount, state, automatic, requested_at)
SELECT
	merchant, order_id, number, refund_id, payment_id, amount, state, automatic, requested_at
FROM unnest(
	$1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::boolean[],
	$9::timestamptz[])
	AS r(
	merchant, order_id, number, refund_id, payment_id, amount, state, automatic, requested_at)
ON CONFLICT DO NOTHING`

	updateRefunds = `UPDATE refunds AS r SET
	state = r.state
FROM unnest(
	$1::text[], $2::text[], $3::integer[], $4::text[])
	AS r(merchant, order_id, number, state)
WHERE r.merchant = r.merchant AND r.order_id = r.order_id AND r.number = r.number`

	insertExceptions = `INSERT INTO exceptions (
	merchant, order_id, number, exception_id, kind, payment_id, attempt_id, amount, currency, detail, opened_at,
	resolved_at, resolution, policy)
SELECT
	merchant, order_id, number, exception_id, kind, payment_id, attempt_id, amount, currency, detail, opened_at,
	resolved_at, resolution, policy
FROM unnest(
	$1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[],
	$10::text[], $11::timestamptz[], $12::timestamptz[], $13::text[], $14::text[])
	AS r(
	merchant, order_id, number, exception_id, kind, payment_id, attempt_id, amount, currency, detail, opened_at,
	resolved_at, resolution, policy)
ON CONFLICT DO NOTHING`

	updateExceptions = `UPDATE exceptions AS e SET
	resolved_at = r.resolved_at, resolution = r.resolution
FROM unnest(
	$1::text[], $2::text[], $3::integer[], $4::timestamptz[], $5::text[])
	AS r(merchant, order_id, number, resolved_at, resolution)
WHERE e.merchant = r.merchant AND e.order_id = r.order_id AND e.number = r.number`

	insertRecords = `INSERT INTO records (
	merchant, method, key, fingerprint, result, created_at)
SELECT
	merchant, method, key, fingerprint, result, created_at
FROM unnest(
	$1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::timestamptz[])
	AS r(
	merchant, method, key, fingerprint, result, created_at)
ON CONFLICT DO NOTHING`

	insertTexts = `INSERT INTO texts (
	merchant, entry_id, sealed)
SELECT
	merchant, entry_id, sealed
FROM unnest(
	$1::text[], $2::text[], $3::bytea[])
	AS r(
	merchant, entry_id, sealed)
ON CONFLICT DO NOTHING`

	insertEntries = `INSERT INTO entries (
	merchant, position, entry_id, order_id, link_id, type, bytes, hash)
SELECT
	merchant, position, entry_id, NULLIF(order_id, ''), NULLIF(link_id, ''), type, bytes, hash
FROM unnest(
	$1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::bytea[])
	AS r(
	merchant, position, entry_id, order_id, link_id, type, bytes, hash)`

	lockHeads = `SELECT merchant, position, hash FROM heads WHERE merchant = ANY($1::text[]) ORDER BY merchant FOR UPDATE`

	moveHeads = `UPDATE heads AS h SET position = r.position, hash = r.hash
FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS r(merchant, position, hash)
WHERE h.merchant = r.merchant`
)

func (b *counted) links(w *written[linkRow]) {
	b.queue(len(w.changed), updateLinks,
		column(w.changed, func(r *linkRow) string { return r.Merchant }),
		column(w.changed, func(r *linkRow) string { return r.LinkID }),
		column(w.changed, func(r *linkRow) string { return r.State }),
		column(w.changed, func(r *linkRow) *time.Time { return r.DeactivatedAt.orNull() }),
		column(w.changed, func(r *linkRow) int64 { return r.Version }),
		w.loaded)
	b.queue(len(w.fresh), insertLinks,
		column(w.fresh, func(r *linkRow) string { return r.Merchant }),
		column(w.fresh, func(r *linkRow) string { return r.LinkID }),
		column(w.fresh, func(r *linkRow) string { return r.Kind }),
		column(w.fresh, func(r *linkRow) string { return r.OrderID }),
		column(w.fresh, func(r *linkRow) string { return r.State }),
		column(w.fresh, func(r *linkRow) string { return r.Currency }),
		column(w.fresh, func(r *linkRow) int64 { return r.Amount }),
		column(w.fresh, func(r *linkRow) string { return r.Capture }),
		column(w.fresh, func(r *linkRow) bool { return r.Live }),
		column(w.fresh, func(r *linkRow) string { return r.Locale }),
		column(w.fresh, func(r *linkRow) string { return r.KeyID }),
		column(w.fresh, func(r *linkRow) []byte { return r.TokenHash[:] }),
		column(w.fresh, func(r *linkRow) time.Time { return r.ExpiresAt.Time }),
		column(w.fresh, func(r *linkRow) int64 { return r.OrderExpiresNS }),
		column(w.fresh, func(r *linkRow) time.Time { return r.CreatedAt.Time }),
		column(w.fresh, func(r *linkRow) *time.Time { return r.DeactivatedAt.orNull() }),
		column(w.fresh, func(r *linkRow) int64 { return r.Version }),
		column(w.fresh, func(r *linkRow) string { return r.DetailsID }))
}

func (b *counted) orders(w *written[orderRow]) {
	b.queue(len(w.changed), updateOrders,
		column(w.changed, func(r *orderRow) string { return r.Merchant }),
		column(w.changed, func(r *orderRow) string { return r.OrderID }),
		column(w.changed, func(r *orderRow) string { return r.LinkID }),
		column(w.changed, func(r *orderRow) string { return r.State }),
		column(w.changed, func(r *orderRow) string { return r.Resume }),
		column(w.changed, func(r *orderRow) int64 { return r.Version }),
		column(w.changed, func(r *orderRow) time.Time { return r.OfferUntil.Time }),
		column(w.changed, func(r *orderRow) time.Time { return r.AcceptUntil.Time }),
		column(w.changed, func(r *orderRow) time.Time { return r.UpdatedAt.Time }),
		column(w.changed, func(r *orderRow) string { return r.SettledBy }),
		w.loaded)
	b.queue(len(w.fresh), insertOrders,
		column(w.fresh, func(r *orderRow) string { return r.Merchant }),
		column(w.fresh, func(r *orderRow) string { return r.OrderID }),
		column(w.fresh, func(r *orderRow) string { return r.LinkID }),
		column(w.fresh, func(r *orderRow) string { return r.Kind }),
		column(w.fresh, func(r *orderRow) string { return r.Currency }),
		column(w.fresh, func(r *orderRow) int64 { return r.Amount }),
		column(w.fresh, func(r *orderRow) string { return r.Capture }),
		column(w.fresh, func(r *orderRow) string { return r.CustomerID }),
		column(w.fresh, func(r *orderRow) string { return r.ViberBot }),
		column(w.fresh, func(r *orderRow) string { return r.ViberUserID }),
		column(w.fresh, func(r *orderRow) string { return r.ItemsHash }),
		column(w.fresh, func(r *orderRow) bool { return r.Live }),
		column(w.fresh, func(r *orderRow) string { return r.Locale }),
		column(w.fresh, func(r *orderRow) string { return r.State }),
		column(w.fresh, func(r *orderRow) string { return r.Resume }),
		column(w.fresh, func(r *orderRow) int64 { return r.Version }),
		column(w.fresh, func(r *orderRow) time.Time { return r.OfferUntil.Time }),
		column(w.fresh, func(r *orderRow) time.Time { return r.AcceptUntil.Time }),
		column(w.fresh, func(r *orderRow) time.Time { return r.CreatedAt.Time }),
		column(w.fresh, func(r *orderRow) time.Time { return r.UpdatedAt.Time }),
		column(w.fresh, func(r *orderRow) string { return r.DetailsID }),
		column(w.fresh, func(r *orderRow) string { return r.SettledBy }))
}

func (b *counted) attempts(w *written[attemptRow]) {
	// First the changes: an attempt that died makes room for the next (O7).
	b.queue(len(w.changed), updateAttempts,
		column(w.changed, func(r *attemptRow) string { return r.Merchant }),
		column(w.changed, func(r *attemptRow) string { return r.OrderID }),
		column(w.changed, func(r *attemptRow) int32 { return r.Number }),
		column(w.changed, func(r *attemptRow) string { return r.State }),
		column(w.changed, func(r *attemptRow) time.Time { return r.SessionUntil.Time }),
		column(w.changed, func(r *attemptRow) int64 { return r.GraceNS }),
		column(w.changed, func(r *attemptRow) string { return r.Failure }),
		column(w.changed, func(r *attemptRow) string { return r.Seen }),
		column(w.changed, func(r *attemptRow) string { return r.PaymentID }))
	b.queue(len(w.fresh), insertAttempts,
		column(w.fresh, func(r *attemptRow) string { return r.Merchant }),
		column(w.fresh, func(r *attemptRow) string { return r.OrderID }),
		column(w.fresh, func(r *attemptRow) int32 { return r.Number }),
		column(w.fresh, func(r *attemptRow) string { return r.AttemptID }),
		column(w.fresh, func(r *attemptRow) string { return r.Account }),
		column(w.fresh, func(r *attemptRow) string { return r.State }),
		column(w.fresh, func(r *attemptRow) time.Time { return r.StartedAt.Time }),
		column(w.fresh, func(r *attemptRow) time.Time { return r.SessionUntil.Time }),
		column(w.fresh, func(r *attemptRow) int64 { return r.GraceNS }),
		column(w.fresh, func(r *attemptRow) string { return r.Failure }),
		column(w.fresh, func(r *attemptRow) string { return r.Seen }),
		column(w.fresh, func(r *attemptRow) string { return r.PaymentID }))
}

func (b *counted) payments(w *written[paymentRow]) {
	b.queue(len(w.changed), updatePayments,
		column(w.changed, func(r *paymentRow) string { return r.Merchant }),
		column(w.changed, func(r *paymentRow) string { return r.OrderID }),
		column(w.changed, func(r *paymentRow) int32 { return r.Number }),
		column(w.changed, func(r *paymentRow) int64 { return r.Authorized }),
		column(w.changed, func(r *paymentRow) int64 { return r.Captured }),
		column(w.changed, func(r *paymentRow) int64 { return r.Reserved }),
		column(w.changed, func(r *paymentRow) int64 { return r.Refunded }),
		column(w.changed, func(r *paymentRow) int64 { return r.ChargedBack }),
		column(w.changed, func(r *paymentRow) bool { return r.Settles }))
	b.queue(len(w.fresh), insertPayments,
		column(w.fresh, func(r *paymentRow) string { return r.Merchant }),
		column(w.fresh, func(r *paymentRow) string { return r.OrderID }),
		column(w.fresh, func(r *paymentRow) int32 { return r.Number }),
		column(w.fresh, func(r *paymentRow) string { return r.PaymentID }),
		column(w.fresh, func(r *paymentRow) string { return r.Account }),
		column(w.fresh, func(r *paymentRow) string { return r.PSPPaymentID }),
		column(w.fresh, func(r *paymentRow) string { return r.AttemptID }),
		column(w.fresh, func(r *paymentRow) string { return r.Currency }),
		column(w.fresh, func(r *paymentRow) int64 { return r.Authorized }),
		column(w.fresh, func(r *paymentRow) int64 { return r.Captured }),
		column(w.fresh, func(r *paymentRow) int64 { return r.Reserved }),
		column(w.fresh, func(r *paymentRow) int64 { return r.Refunded }),
		column(w.fresh, func(r *paymentRow) int64 { return r.ChargedBack }),
		column(w.fresh, func(r *paymentRow) bool { return r.Settles }))
}

func (b *counted) refunds(w *written[refundRow]) {
	b.queue(len(w.changed), updateRefunds,
		column(w.changed, func(r *refundRow) string { return r.Merchant }),
		column(w.changed, func(r *refundRow) string { return r.OrderID }),
		column(w.changed, func(r *refundRow) int32 { return r.Number }),
		column(w.changed, func(r *refundRow) string { return r.State }))
	b.queue(len(w.fresh), insertRefunds,
		column(w.fresh, func(r *refundRow) string { return r.Merchant }),
		column(w.fresh, func(r *refundRow) string { return r.OrderID }),
		column(w.fresh, func(r *refundRow) int32 { return r.Number }),
		column(w.fresh, func(r *refundRow) string { return r.RefundID }),
		column(w.fresh, func(r *refundRow) string { return r.PaymentID }),
		column(w.fresh, func(r *refundRow) int64 { return r.Amount }),
		column(w.fresh, func(r *refundRow) string { return r.State }),
		column(w.fresh, func(r *refundRow) bool { return r.Automatic }),
		column(w.fresh, func(r *refundRow) time.Time { return r.RequestedAt.Time }))
}

func (b *counted) exceptions(w *written[exceptionRow]) {
	b.queue(len(w.changed), updateExceptions,
		column(w.changed, func(r *exceptionRow) string { return r.Merchant }),
		column(w.changed, func(r *exceptionRow) string { return r.OrderID }),
		column(w.changed, func(r *exceptionRow) int32 { return r.Number }),
		column(w.changed, func(r *exceptionRow) *time.Time { return r.ResolvedAt.orNull() }),
		column(w.changed, func(r *exceptionRow) string { return r.Resolution }))
	b.queue(len(w.fresh), insertExceptions,
		column(w.fresh, func(r *exceptionRow) string { return r.Merchant }),
		column(w.fresh, func(r *exceptionRow) string { return r.OrderID }),
		column(w.fresh, func(r *exceptionRow) int32 { return r.Number }),
		column(w.fresh, func(r *exceptionRow) string { return r.ExceptionID }),
		column(w.fresh, func(r *exceptionRow) string { return r.Kind }),
		column(w.fresh, func(r *exceptionRow) string { return r.PaymentID }),
		column(w.fresh, func(r *exceptionRow) string { return r.AttemptID }),
		column(w.fresh, func(r *exceptionRow) int64 { return r.Amount }),
		column(w.fresh, func(r *exceptionRow) string { return r.Currency }),
		column(w.fresh, func(r *exceptionRow) string { return r.Detail }),
		column(w.fresh, func(r *exceptionRow) time.Time { return r.OpenedAt.Time }),
		column(w.fresh, func(r *exceptionRow) *time.Time { return r.ResolvedAt.orNull() }),
		column(w.fresh, func(r *exceptionRow) string { return r.Resolution }),
		column(w.fresh, func(r *exceptionRow) string { return r.Policy }))
}

func (b *counted) records(rows []recordRow) {
	b.queue(len(rows), insertRecords,
		column(rows, func(r *recordRow) string { return r.Merchant }),
		column(rows, func(r *recordRow) string { return r.Method }),
		column(rows, func(r *recordRow) string { return r.Key }),
		column(rows, func(r *recordRow) []byte { return r.Fingerprint }),
		column(rows, func(r *recordRow) []byte { return r.Result }),
		column(rows, func(r *recordRow) time.Time { return r.CreatedAt.Time }))
}

func (b *counted) texts(rows []textRow) {
	b.queue(len(rows), insertTexts,
		column(rows, func(r *textRow) string { return r.Merchant }),
		column(rows, func(r *textRow) string { return r.EntryID }),
		column(rows, func(r *textRow) []byte { return r.Sealed }))
}

func queueEntries(batch *pgx.Batch, rows []entryRow) {
	batch.Queue(insertEntries,
		column(rows, func(r *entryRow) string { return r.Merchant }),
		column(rows, func(r *entryRow) int64 { return r.Position }),
		column(rows, func(r *entryRow) string { return r.EntryID }),
		column(rows, func(r *entryRow) string { return r.OrderID }),
		column(rows, func(r *entryRow) string { return r.LinkID }),
		column(rows, func(r *entryRow) string { return r.Type }),
		column(rows, func(r *entryRow) []byte { return r.Bytes }),
		column(rows, func(r *entryRow) []byte { return r.Hash }))
}
