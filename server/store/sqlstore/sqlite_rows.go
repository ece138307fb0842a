package sqlstore

// What a batch inserts on SQLite.
const (
	insertLinksRow insertion = `INSERT INTO links (
	merchant, link_id, kind, order_id, state, currency, amount, capture, live, locale, key_id, token_hash, expires_at,
	order_expires_ns, accounts, created_at, deactivated_at, version, details_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	insertOrdersRow insertion = `INSERT INTO orders (
	merchant, order_id, link_id, template_id, kind, currency, amount, capture, customer_id, viber_bot, viber_user_id,
	items_hash, live, locale, state, resume, version, offer_until, accept_until, created_at, updated_at, details_id,
	settled_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULLIF(?, ''), NULLIF(?, ''), NULLIF(?, ''), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	insertAttemptsRow insertion = `INSERT INTO attempts (
	merchant, order_id, number, attempt_id, account, state, started_at, session_until, grace_ns, failure, seen,
	payment_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	insertPaymentsRow insertion = `INSERT INTO payments (
	merchant, order_id, number, payment_id, account, psp_payment_id, attempt_id, currency, authorized, captured,
	reserved, refunded, charged_back, capture_asked, void_asked, settles)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	insertRefundsRow insertion = `INSERT INTO refunds (
	merchant, order_id, number, refund_id, payment_id, amount, state, automatic, requested_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`

	insertExceptionsRow insertion = `INSERT INTO exceptions (
	merchant, order_id, number, exception_id, kind, payment_id, attempt_id, amount, currency, detail, opened_at,
	resolved_at, resolution, policy)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	insertRecordsRow insertion = `INSERT INTO records (
	merchant, method, key, fingerprint, result, created_at)
VALUES (?, ?, ?, ?, ?, ?)`

	insertTextsRow insertion = `INSERT INTO texts (
	merchant, entry_id, sealed)
VALUES (?, ?, ?)`

	insertMessagesRow insertion = `INSERT INTO messages (
	merchant, account, digest, message_id, kind, outcome, ref, attempt_id, order_id, received_at, sealed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	insertTasksRow insertion = `INSERT INTO tasks (
	merchant, task_id, kind, order_id, account, due_at, leased_until, fence, asked, asked_at, hinted)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	// The first way of an attempt stays.
	insertHandoffsRow = `INSERT INTO handoffs (
	merchant, attempt_id, sealed)
VALUES (?, ?, ?) ON CONFLICT DO NOTHING`

	insertEntriesRow insertion = `INSERT INTO entries (
	merchant, position, entry_id, order_id, link_id, type, bytes, hash)
VALUES (?, ?, ?, NULLIF(?, ''), NULLIF(?, ''), ?, ?, ?)`
)

// What a batch changes on SQLite.
const (
	updateLinksRow = `UPDATE links SET
	state = $1, deactivated_at = $2, version = $3
WHERE merchant = $4 AND link_id = $5 AND version = $6`

	updateOrdersRow = `UPDATE orders SET
	link_id = $1, state = $2, resume = $3, version = $4, offer_until = $5, accept_until = $6, updated_at = $7,
	settled_by = $8
WHERE merchant = $9 AND order_id = $10 AND version = $11`

	updateAttemptsRow = `UPDATE attempts SET
	state = $1, session_until = $2, grace_ns = $3, failure = $4, seen = $5, payment_id = $6
WHERE merchant = $7 AND order_id = $8 AND number = $9`

	updatePaymentsRow = `UPDATE payments SET
	psp_payment_id = $1, authorized = $2, captured = $3, reserved = $4, refunded = $5, charged_back = $6,
	capture_asked = $7, void_asked = $8, settles = $9
WHERE merchant = $10 AND order_id = $11 AND number = $12`

	updateRefundsRow = `UPDATE refunds SET
	state = $1
WHERE merchant = $2 AND order_id = $3 AND number = $4`

	updateExceptionsRow = `UPDATE exceptions SET
	resolved_at = $1, resolution = $2
WHERE merchant = $3 AND order_id = $4 AND number = $5`

	updateMessagesRow = `UPDATE messages SET
	outcome = $1, attempt_id = $2, order_id = $3
WHERE merchant = $4 AND account = $5 AND digest = $6`

	updateTasksRow = `UPDATE tasks SET
	due_at = $1, leased_until = $2, fence = $3, asked = $4, asked_at = $5, hinted = $6
WHERE merchant = $7 AND task_id = $8`

	deleteTasksRow = `DELETE FROM tasks WHERE merchant = $1 AND task_id = $2`
)

func (r *linkRow) values() []any {
	return []any{
		r.Merchant, r.LinkID, r.Kind, r.OrderID, r.State, r.Currency, r.Amount, r.Capture, r.Live, r.Locale, r.KeyID,
		r.TokenHash[:], r.ExpiresAt.Time, r.OrderExpiresNS, r.Accounts, r.CreatedAt.Time, r.DeactivatedAt.orNull(),
		r.Version, r.DetailsID,
	}
}

func (r *linkRow) changes(loaded int64) []any {
	return []any{
		r.State, r.DeactivatedAt.orNull(), r.Version, r.Merchant, r.LinkID, loaded,
	}
}

func (r *orderRow) values() []any {
	return []any{
		r.Merchant, r.OrderID, r.LinkID, r.TemplateID, r.Kind, r.Currency, r.Amount, r.Capture, r.CustomerID, r.ViberBot,
		r.ViberUserID, r.ItemsHash, r.Live, r.Locale, r.State, r.Resume, r.Version, r.OfferUntil.Time,
		r.AcceptUntil.Time, r.CreatedAt.Time, r.UpdatedAt.Time, r.DetailsID, r.SettledBy,
	}
}

func (r *orderRow) changes(loaded int64) []any {
	return []any{
		r.LinkID, r.State, r.Resume, r.Version, r.OfferUntil.Time, r.AcceptUntil.Time, r.UpdatedAt.Time, r.SettledBy,
		r.Merchant, r.OrderID, loaded,
	}
}

func (r *attemptRow) values() []any {
	return []any{
		r.Merchant, r.OrderID, r.Number, r.AttemptID, r.Account, r.State, r.StartedAt.Time, r.SessionUntil.Time,
		r.GraceNS, r.Failure, r.Seen, r.PaymentID,
	}
}

func (r *attemptRow) changes(int64) []any {
	return []any{
		r.State, r.SessionUntil.Time, r.GraceNS, r.Failure, r.Seen, r.PaymentID, r.Merchant, r.OrderID, r.Number,
	}
}

func (r *paymentRow) values() []any {
	return []any{
		r.Merchant, r.OrderID, r.Number, r.PaymentID, r.Account, r.PSPPaymentID, r.AttemptID, r.Currency,
		r.Authorized, r.Captured, r.Reserved, r.Refunded, r.ChargedBack, r.CaptureAsked, r.VoidAsked, r.Settles,
	}
}

func (r *paymentRow) changes(int64) []any {
	return []any{
		r.PSPPaymentID, r.Authorized, r.Captured, r.Reserved, r.Refunded, r.ChargedBack, r.CaptureAsked, r.VoidAsked,
		r.Settles, r.Merchant, r.OrderID, r.Number,
	}
}

func (r *refundRow) values() []any {
	return []any{
		r.Merchant, r.OrderID, r.Number, r.RefundID, r.PaymentID, r.Amount, r.State, r.Automatic, r.RequestedAt.Time,
	}
}

func (r *refundRow) changes(int64) []any {
	return []any{
		r.State, r.Merchant, r.OrderID, r.Number,
	}
}

func (r *exceptionRow) values() []any {
	return []any{
		r.Merchant, r.OrderID, r.Number, r.ExceptionID, r.Kind, r.PaymentID, r.AttemptID, r.Amount, r.Currency,
		r.Detail, r.OpenedAt.Time, r.ResolvedAt.orNull(), r.Resolution, r.Policy,
	}
}

func (r *exceptionRow) changes(int64) []any {
	return []any{
		r.ResolvedAt.orNull(), r.Resolution, r.Merchant, r.OrderID, r.Number,
	}
}

func (r *recordRow) values() []any {
	return []any{
		r.Merchant, r.Method, r.Key, r.Fingerprint, r.Result, r.CreatedAt.Time,
	}
}

func (r *textRow) values() []any {
	return []any{
		r.Merchant, r.EntryID, r.Sealed,
	}
}

func (r *messageRow) values() []any {
	return []any{
		r.Merchant, r.Account, r.Digest[:], r.MessageID, r.Kind, r.Outcome, r.Ref, r.AttemptID, r.OrderID,
		r.ReceivedAt.Time, r.Sealed,
	}
}

func (r *messageRow) changes(int64) []any {
	return []any{
		r.Outcome, r.AttemptID, r.OrderID, r.Merchant, r.Account, r.Digest[:],
	}
}

func (r *taskRow) values() []any {
	return []any{
		r.Merchant, r.TaskID, r.Kind, r.OrderID, r.Account, r.DueAt.Time, r.LeasedUntil.orNull(), r.Fence, r.Asked,
		r.AskedAt.orNull(), r.Hinted,
	}
}

func (r *taskRow) changes(int64) []any {
	return []any{
		r.DueAt.Time, r.LeasedUntil.orNull(), r.Fence, r.Asked, r.AskedAt.orNull(), r.Hinted, r.Merchant, r.TaskID,
	}
}

func (r *entryRow) values() []any {
	return []any{
		r.Merchant, r.Position, r.EntryID, r.OrderID, r.LinkID, r.Type, r.Bytes, r.Hash,
	}
}
