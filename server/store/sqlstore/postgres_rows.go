package sqlstore

// What a batch writes on PostgreSQL: one statement per table, rows as arrays.
const (
	insertLinks = `INSERT INTO links (
	merchant, link_id, kind, order_id, state, currency, amount, capture, live, locale, key_id, token_hash, expires_at,
	order_expires_ns, accounts, created_at, deactivated_at, version, details_id)
SELECT
	merchant, link_id, kind, order_id, state, currency, amount, capture, live, locale, key_id, token_hash, expires_at,
	order_expires_ns, accounts, created_at, deactivated_at, version, details_id
FROM unnest(
	$1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::boolean[],
	$10::text[], $11::text[], $12::bytea[], $13::timestamptz[], $14::bigint[], $15::text[], $16::timestamptz[],
	$17::timestamptz[], $18::bigint[], $19::text[])
	AS r(
	merchant, link_id, kind, order_id, state, currency, amount, capture, live, locale, key_id, token_hash, expires_at,
	order_expires_ns, accounts, created_at, deactivated_at, version, details_id)
ON CONFLICT DO NOTHING`

	updateLinks = `UPDATE links AS l SET
	state = r.state, deactivated_at = r.deactivated_at, version = r.version
FROM unnest(
	$1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[])
	AS r(merchant, link_id, state, deactivated_at, version, loaded)
WHERE l.merchant = r.merchant AND l.link_id = r.link_id AND l.version = r.loaded`

	insertOrders = `INSERT INTO orders (
	merchant, order_id, link_id, template_id, kind, currency, amount, capture, customer_id, viber_bot, viber_user_id,
	items_hash, live, locale, state, resume, version, offer_until, accept_until, created_at, updated_at, details_id,
	settled_by)
SELECT
	merchant, order_id, link_id, template_id, kind, currency, amount, capture, NULLIF(customer_id, ''),
	NULLIF(viber_bot, ''), NULLIF(viber_user_id, ''), items_hash, live, locale, state, resume, version, offer_until,
	accept_until, created_at, updated_at, details_id, settled_by
FROM unnest(
	$1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[],
	$10::text[], $11::text[], $12::text[], $13::boolean[], $14::text[], $15::text[], $16::text[], $17::bigint[],
	$18::timestamptz[], $19::timestamptz[], $20::timestamptz[], $21::timestamptz[], $22::text[], $23::text[])
	AS r(
	merchant, order_id, link_id, template_id, kind, currency, amount, capture, customer_id, viber_bot, viber_user_id,
	items_hash, live, locale, state, resume, version, offer_until, accept_until, created_at, updated_at, details_id,
	settled_by)
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
	reserved, refunded, charged_back, capture_asked, void_asked, settles)
SELECT
	merchant, order_id, number, payment_id, account, psp_payment_id, attempt_id, currency, authorized, captured,
	reserved, refunded, charged_back, capture_asked, void_asked, settles
FROM unnest(
	$1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[],
	$10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::boolean[], $16::boolean[])
	AS r(
	merchant, order_id, number, payment_id, account, psp_payment_id, attempt_id, currency, authorized, captured,
	reserved, refunded, charged_back, capture_asked, void_asked, settles)
ON CONFLICT DO NOTHING`

	updatePayments = `UPDATE payments AS p SET
	psp_payment_id = r.psp_payment_id, authorized = r.authorized, captured = r.captured, reserved = r.reserved,
	refunded = r.refunded, charged_back = r.charged_back, capture_asked = r.capture_asked, void_asked = r.void_asked,
	settles = r.settles
FROM unnest(
	$1::text[], $2::text[], $3::integer[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
	$10::bigint[], $11::boolean[], $12::boolean[])
	AS r(
	merchant, order_id, number, psp_payment_id, authorized, captured, reserved, refunded, charged_back, capture_asked,
	void_asked, settles)
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

	updateRefunds = `UPDATE refunds AS f SET
	state = r.state
FROM unnest(
	$1::text[], $2::text[], $3::integer[], $4::text[])
	AS r(merchant, order_id, number, state)
WHERE f.merchant = r.merchant AND f.order_id = r.order_id AND f.number = r.number`

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

	commitStatement = `COMMIT`
)

// writeStatements are prepared when a connection is made, outside of any transaction.
var writeStatements = []string{
	insertLinks, updateLinks, insertOrders, updateOrders, insertAttempts, updateAttempts, insertPayments, updatePayments,
	insertRefunds, updateRefunds, insertExceptions, updateExceptions, insertRecords, insertTexts,
	insertMessages, updateMessages, insertTasks, updateTasks, deleteTasks, insertHandoffs, insertEntries,
	lockHeads, moveHeads, commitStatement,
}

func (p *pipe) links(w *written[linkRow]) {
	if p.add(len(w.changed), updateLinks) {
		texts(p, w.changed, func(r *linkRow) string { return r.Merchant })
		texts(p, w.changed, func(r *linkRow) string { return r.LinkID })
		texts(p, w.changed, func(r *linkRow) string { return r.State })
		timesOrNull(p, w.changed, func(r *linkRow) micros { return r.DeactivatedAt })
		int64s(p, w.changed, func(r *linkRow) int64 { return r.Version })
		int64s(p, w.loaded, func(version *int64) int64 { return *version })
	}
	if p.add(len(w.fresh), insertLinks) {
		texts(p, w.fresh, func(r *linkRow) string { return r.Merchant })
		texts(p, w.fresh, func(r *linkRow) string { return r.LinkID })
		texts(p, w.fresh, func(r *linkRow) string { return r.Kind })
		texts(p, w.fresh, func(r *linkRow) string { return r.OrderID })
		texts(p, w.fresh, func(r *linkRow) string { return r.State })
		texts(p, w.fresh, func(r *linkRow) string { return r.Currency })
		int64s(p, w.fresh, func(r *linkRow) int64 { return r.Amount })
		texts(p, w.fresh, func(r *linkRow) string { return r.Capture })
		bools(p, w.fresh, func(r *linkRow) bool { return r.Live })
		texts(p, w.fresh, func(r *linkRow) string { return r.Locale })
		texts(p, w.fresh, func(r *linkRow) string { return r.KeyID })
		blobs(p, w.fresh, func(r *linkRow) []byte { return r.TokenHash[:] })
		times(p, w.fresh, func(r *linkRow) micros { return r.ExpiresAt })
		int64s(p, w.fresh, func(r *linkRow) int64 { return r.OrderExpiresNS })
		texts(p, w.fresh, func(r *linkRow) string { return r.Accounts })
		times(p, w.fresh, func(r *linkRow) micros { return r.CreatedAt })
		timesOrNull(p, w.fresh, func(r *linkRow) micros { return r.DeactivatedAt })
		int64s(p, w.fresh, func(r *linkRow) int64 { return r.Version })
		texts(p, w.fresh, func(r *linkRow) string { return r.DetailsID })
	}
}

func (p *pipe) orders(w *written[orderRow]) {
	if p.add(len(w.changed), updateOrders) {
		texts(p, w.changed, func(r *orderRow) string { return r.Merchant })
		texts(p, w.changed, func(r *orderRow) string { return r.OrderID })
		texts(p, w.changed, func(r *orderRow) string { return r.LinkID })
		texts(p, w.changed, func(r *orderRow) string { return r.State })
		texts(p, w.changed, func(r *orderRow) string { return r.Resume })
		int64s(p, w.changed, func(r *orderRow) int64 { return r.Version })
		times(p, w.changed, func(r *orderRow) micros { return r.OfferUntil })
		times(p, w.changed, func(r *orderRow) micros { return r.AcceptUntil })
		times(p, w.changed, func(r *orderRow) micros { return r.UpdatedAt })
		texts(p, w.changed, func(r *orderRow) string { return r.SettledBy })
		int64s(p, w.loaded, func(version *int64) int64 { return *version })
	}
	if p.add(len(w.fresh), insertOrders) {
		texts(p, w.fresh, func(r *orderRow) string { return r.Merchant })
		texts(p, w.fresh, func(r *orderRow) string { return r.OrderID })
		texts(p, w.fresh, func(r *orderRow) string { return r.LinkID })
		texts(p, w.fresh, func(r *orderRow) string { return r.TemplateID })
		texts(p, w.fresh, func(r *orderRow) string { return r.Kind })
		texts(p, w.fresh, func(r *orderRow) string { return r.Currency })
		int64s(p, w.fresh, func(r *orderRow) int64 { return r.Amount })
		texts(p, w.fresh, func(r *orderRow) string { return r.Capture })
		texts(p, w.fresh, func(r *orderRow) string { return r.CustomerID })
		texts(p, w.fresh, func(r *orderRow) string { return r.ViberBot })
		texts(p, w.fresh, func(r *orderRow) string { return r.ViberUserID })
		texts(p, w.fresh, func(r *orderRow) string { return r.ItemsHash })
		bools(p, w.fresh, func(r *orderRow) bool { return r.Live })
		texts(p, w.fresh, func(r *orderRow) string { return r.Locale })
		texts(p, w.fresh, func(r *orderRow) string { return r.State })
		texts(p, w.fresh, func(r *orderRow) string { return r.Resume })
		int64s(p, w.fresh, func(r *orderRow) int64 { return r.Version })
		times(p, w.fresh, func(r *orderRow) micros { return r.OfferUntil })
		times(p, w.fresh, func(r *orderRow) micros { return r.AcceptUntil })
		times(p, w.fresh, func(r *orderRow) micros { return r.CreatedAt })
		times(p, w.fresh, func(r *orderRow) micros { return r.UpdatedAt })
		texts(p, w.fresh, func(r *orderRow) string { return r.DetailsID })
		texts(p, w.fresh, func(r *orderRow) string { return r.SettledBy })
	}
}

func (p *pipe) attempts(w *written[attemptRow]) {
	// First the changes: an attempt that died makes room for the next (O7).
	if p.add(len(w.changed), updateAttempts) {
		texts(p, w.changed, func(r *attemptRow) string { return r.Merchant })
		texts(p, w.changed, func(r *attemptRow) string { return r.OrderID })
		int32s(p, w.changed, func(r *attemptRow) int32 { return r.Number })
		texts(p, w.changed, func(r *attemptRow) string { return r.State })
		times(p, w.changed, func(r *attemptRow) micros { return r.SessionUntil })
		int64s(p, w.changed, func(r *attemptRow) int64 { return r.GraceNS })
		texts(p, w.changed, func(r *attemptRow) string { return r.Failure })
		texts(p, w.changed, func(r *attemptRow) string { return r.Seen })
		texts(p, w.changed, func(r *attemptRow) string { return r.PaymentID })
	}
	if p.add(len(w.fresh), insertAttempts) {
		texts(p, w.fresh, func(r *attemptRow) string { return r.Merchant })
		texts(p, w.fresh, func(r *attemptRow) string { return r.OrderID })
		int32s(p, w.fresh, func(r *attemptRow) int32 { return r.Number })
		texts(p, w.fresh, func(r *attemptRow) string { return r.AttemptID })
		texts(p, w.fresh, func(r *attemptRow) string { return r.Account })
		texts(p, w.fresh, func(r *attemptRow) string { return r.State })
		times(p, w.fresh, func(r *attemptRow) micros { return r.StartedAt })
		times(p, w.fresh, func(r *attemptRow) micros { return r.SessionUntil })
		int64s(p, w.fresh, func(r *attemptRow) int64 { return r.GraceNS })
		texts(p, w.fresh, func(r *attemptRow) string { return r.Failure })
		texts(p, w.fresh, func(r *attemptRow) string { return r.Seen })
		texts(p, w.fresh, func(r *attemptRow) string { return r.PaymentID })
	}
}

func (p *pipe) payments(w *written[paymentRow]) {
	if p.add(len(w.changed), updatePayments) {
		texts(p, w.changed, func(r *paymentRow) string { return r.Merchant })
		texts(p, w.changed, func(r *paymentRow) string { return r.OrderID })
		int32s(p, w.changed, func(r *paymentRow) int32 { return r.Number })
		texts(p, w.changed, func(r *paymentRow) string { return r.PSPPaymentID })
		int64s(p, w.changed, func(r *paymentRow) int64 { return r.Authorized })
		int64s(p, w.changed, func(r *paymentRow) int64 { return r.Captured })
		int64s(p, w.changed, func(r *paymentRow) int64 { return r.Reserved })
		int64s(p, w.changed, func(r *paymentRow) int64 { return r.Refunded })
		int64s(p, w.changed, func(r *paymentRow) int64 { return r.ChargedBack })
		int64s(p, w.changed, func(r *paymentRow) int64 { return r.CaptureAsked })
		bools(p, w.changed, func(r *paymentRow) bool { return r.VoidAsked })
		bools(p, w.changed, func(r *paymentRow) bool { return r.Settles })
	}
	if p.add(len(w.fresh), insertPayments) {
		texts(p, w.fresh, func(r *paymentRow) string { return r.Merchant })
		texts(p, w.fresh, func(r *paymentRow) string { return r.OrderID })
		int32s(p, w.fresh, func(r *paymentRow) int32 { return r.Number })
		texts(p, w.fresh, func(r *paymentRow) string { return r.PaymentID })
		texts(p, w.fresh, func(r *paymentRow) string { return r.Account })
		texts(p, w.fresh, func(r *paymentRow) string { return r.PSPPaymentID })
		texts(p, w.fresh, func(r *paymentRow) string { return r.AttemptID })
		texts(p, w.fresh, func(r *paymentRow) string { return r.Currency })
		int64s(p, w.fresh, func(r *paymentRow) int64 { return r.Authorized })
		int64s(p, w.fresh, func(r *paymentRow) int64 { return r.Captured })
		int64s(p, w.fresh, func(r *paymentRow) int64 { return r.Reserved })
		int64s(p, w.fresh, func(r *paymentRow) int64 { return r.Refunded })
		int64s(p, w.fresh, func(r *paymentRow) int64 { return r.ChargedBack })
		int64s(p, w.fresh, func(r *paymentRow) int64 { return r.CaptureAsked })
		bools(p, w.fresh, func(r *paymentRow) bool { return r.VoidAsked })
		bools(p, w.fresh, func(r *paymentRow) bool { return r.Settles })
	}
}

func (p *pipe) refunds(w *written[refundRow]) {
	if p.add(len(w.changed), updateRefunds) {
		texts(p, w.changed, func(r *refundRow) string { return r.Merchant })
		texts(p, w.changed, func(r *refundRow) string { return r.OrderID })
		int32s(p, w.changed, func(r *refundRow) int32 { return r.Number })
		texts(p, w.changed, func(r *refundRow) string { return r.State })
	}
	if p.add(len(w.fresh), insertRefunds) {
		texts(p, w.fresh, func(r *refundRow) string { return r.Merchant })
		texts(p, w.fresh, func(r *refundRow) string { return r.OrderID })
		int32s(p, w.fresh, func(r *refundRow) int32 { return r.Number })
		texts(p, w.fresh, func(r *refundRow) string { return r.RefundID })
		texts(p, w.fresh, func(r *refundRow) string { return r.PaymentID })
		int64s(p, w.fresh, func(r *refundRow) int64 { return r.Amount })
		texts(p, w.fresh, func(r *refundRow) string { return r.State })
		bools(p, w.fresh, func(r *refundRow) bool { return r.Automatic })
		times(p, w.fresh, func(r *refundRow) micros { return r.RequestedAt })
	}
}

func (p *pipe) exceptions(w *written[exceptionRow]) {
	if p.add(len(w.changed), updateExceptions) {
		texts(p, w.changed, func(r *exceptionRow) string { return r.Merchant })
		texts(p, w.changed, func(r *exceptionRow) string { return r.OrderID })
		int32s(p, w.changed, func(r *exceptionRow) int32 { return r.Number })
		timesOrNull(p, w.changed, func(r *exceptionRow) micros { return r.ResolvedAt })
		texts(p, w.changed, func(r *exceptionRow) string { return r.Resolution })
	}
	if p.add(len(w.fresh), insertExceptions) {
		texts(p, w.fresh, func(r *exceptionRow) string { return r.Merchant })
		texts(p, w.fresh, func(r *exceptionRow) string { return r.OrderID })
		int32s(p, w.fresh, func(r *exceptionRow) int32 { return r.Number })
		texts(p, w.fresh, func(r *exceptionRow) string { return r.ExceptionID })
		texts(p, w.fresh, func(r *exceptionRow) string { return r.Kind })
		texts(p, w.fresh, func(r *exceptionRow) string { return r.PaymentID })
		texts(p, w.fresh, func(r *exceptionRow) string { return r.AttemptID })
		int64s(p, w.fresh, func(r *exceptionRow) int64 { return r.Amount })
		texts(p, w.fresh, func(r *exceptionRow) string { return r.Currency })
		texts(p, w.fresh, func(r *exceptionRow) string { return r.Detail })
		times(p, w.fresh, func(r *exceptionRow) micros { return r.OpenedAt })
		timesOrNull(p, w.fresh, func(r *exceptionRow) micros { return r.ResolvedAt })
		texts(p, w.fresh, func(r *exceptionRow) string { return r.Resolution })
		texts(p, w.fresh, func(r *exceptionRow) string { return r.Policy })
	}
}

func (p *pipe) records(rows []recordRow) {
	if p.add(len(rows), insertRecords) {
		texts(p, rows, func(r *recordRow) string { return r.Merchant })
		texts(p, rows, func(r *recordRow) string { return r.Method })
		texts(p, rows, func(r *recordRow) string { return r.Key })
		blobs(p, rows, func(r *recordRow) []byte { return r.Fingerprint })
		blobs(p, rows, func(r *recordRow) []byte { return r.Result })
		times(p, rows, func(r *recordRow) micros { return r.CreatedAt })
	}
}

func (p *pipe) texts(rows []textRow) {
	if p.add(len(rows), insertTexts) {
		texts(p, rows, func(r *textRow) string { return r.Merchant })
		texts(p, rows, func(r *textRow) string { return r.EntryID })
		blobs(p, rows, func(r *textRow) []byte { return r.Sealed })
	}
}

func (p *pipe) entries(rows []entryRow) {
	if p.add(len(rows), insertEntries) {
		texts(p, rows, func(r *entryRow) string { return r.Merchant })
		int64s(p, rows, func(r *entryRow) int64 { return r.Position })
		texts(p, rows, func(r *entryRow) string { return r.EntryID })
		texts(p, rows, func(r *entryRow) string { return r.OrderID })
		texts(p, rows, func(r *entryRow) string { return r.LinkID })
		texts(p, rows, func(r *entryRow) string { return r.Type })
		blobs(p, rows, func(r *entryRow) []byte { return r.Bytes })
		blobs(p, rows, func(r *entryRow) []byte { return r.Hash })
	}
}

func (p *pipe) heads(rows []headRow) {
	if p.add(len(rows), moveHeads) {
		texts(p, rows, func(r *headRow) string { return r.Merchant })
		int64s(p, rows, func(r *headRow) int64 { return r.Position })
		blobs(p, rows, func(r *headRow) []byte { return r.Hash[:] })
	}
}
