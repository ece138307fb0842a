package sqlstore

import "github.com/kvitpay/kvit/server/store"

// What a batch writes of messages, tasks and handoffs on PostgreSQL.
const (
	insertMessages = `INSERT INTO messages (
	merchant, account, digest, message_id, kind, outcome, ref, attempt_id, order_id, received_at, sealed)
SELECT
	merchant, account, digest, message_id, kind, outcome, ref, attempt_id, order_id, received_at, sealed
FROM unnest(
	$1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
	$10::timestamptz[], $11::bytea[])
	AS r(
	merchant, account, digest, message_id, kind, outcome, ref, attempt_id, order_id, received_at, sealed)
ON CONFLICT DO NOTHING`

	updateMessages = `UPDATE messages AS m SET
	outcome = r.outcome, attempt_id = r.attempt_id, order_id = r.order_id
FROM unnest(
	$1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[])
	AS r(merchant, account, digest, outcome, attempt_id, order_id)
WHERE m.merchant = r.merchant AND m.account = r.account AND m.digest = r.digest`

	insertTasks = `INSERT INTO tasks (
	merchant, task_id, kind, order_id, account, due_at, leased_until, fence, asked, asked_at, hinted)
SELECT
	merchant, task_id, kind, order_id, account, due_at, leased_until, fence, asked, asked_at, hinted
FROM unnest(
	$1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::bigint[],
	$9::integer[], $10::timestamptz[], $11::boolean[])
	AS r(
	merchant, task_id, kind, order_id, account, due_at, leased_until, fence, asked, asked_at, hinted)
ON CONFLICT DO NOTHING`

	updateTasks = `UPDATE tasks AS t SET
	due_at = r.due_at, leased_until = r.leased_until, fence = r.fence, asked = r.asked, asked_at = r.asked_at,
	hinted = r.hinted
FROM unnest(
	$1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::bigint[], $6::integer[], $7::timestamptz[],
	$8::boolean[])
	AS r(merchant, task_id, due_at, leased_until, fence, asked, asked_at, hinted)
WHERE t.merchant = r.merchant AND t.task_id = r.task_id`

	deleteTasks = `DELETE FROM tasks AS t
USING (SELECT r.merchant, r.task_id FROM unnest($1::text[], $2::text[]) AS r(merchant, task_id)) AS r
WHERE t.merchant = r.merchant AND t.task_id = r.task_id`

	// The first way of an attempt stays.
	insertHandoffs = `INSERT INTO handoffs (
	merchant, attempt_id, sealed)
SELECT
	merchant, attempt_id, sealed
FROM unnest(
	$1::text[], $2::text[], $3::bytea[])
	AS r(
	merchant, attempt_id, sealed)
ON CONFLICT DO NOTHING`
)

func (p *pipe) messages(w *written[messageRow]) {
	if p.add(len(w.changed), updateMessages) {
		texts(p, w.changed, func(r *messageRow) string { return r.Merchant })
		texts(p, w.changed, func(r *messageRow) string { return r.Account })
		blobs(p, w.changed, func(r *messageRow) []byte { return r.Digest[:] })
		texts(p, w.changed, func(r *messageRow) string { return r.Outcome })
		texts(p, w.changed, func(r *messageRow) string { return r.AttemptID })
		texts(p, w.changed, func(r *messageRow) string { return r.OrderID })
	}
	if p.add(len(w.fresh), insertMessages) {
		texts(p, w.fresh, func(r *messageRow) string { return r.Merchant })
		texts(p, w.fresh, func(r *messageRow) string { return r.Account })
		blobs(p, w.fresh, func(r *messageRow) []byte { return r.Digest[:] })
		texts(p, w.fresh, func(r *messageRow) string { return r.MessageID })
		texts(p, w.fresh, func(r *messageRow) string { return r.Kind })
		texts(p, w.fresh, func(r *messageRow) string { return r.Outcome })
		texts(p, w.fresh, func(r *messageRow) string { return r.Ref })
		texts(p, w.fresh, func(r *messageRow) string { return r.AttemptID })
		texts(p, w.fresh, func(r *messageRow) string { return r.OrderID })
		times(p, w.fresh, func(r *messageRow) micros { return r.ReceivedAt })
		blobs(p, w.fresh, func(r *messageRow) []byte { return r.Sealed })
	}
}

func (p *pipe) tasks(w *written[taskRow]) {
	if p.add(len(w.changed), updateTasks) {
		texts(p, w.changed, func(r *taskRow) string { return r.Merchant })
		texts(p, w.changed, func(r *taskRow) string { return r.TaskID })
		times(p, w.changed, func(r *taskRow) micros { return r.DueAt })
		timesOrNull(p, w.changed, func(r *taskRow) micros { return r.LeasedUntil })
		int64s(p, w.changed, func(r *taskRow) int64 { return r.Fence })
		int32s(p, w.changed, func(r *taskRow) int32 { return r.Asked })
		timesOrNull(p, w.changed, func(r *taskRow) micros { return r.AskedAt })
		bools(p, w.changed, func(r *taskRow) bool { return r.Hinted })
	}
	if p.add(len(w.fresh), insertTasks) {
		texts(p, w.fresh, func(r *taskRow) string { return r.Merchant })
		texts(p, w.fresh, func(r *taskRow) string { return r.TaskID })
		texts(p, w.fresh, func(r *taskRow) string { return r.Kind })
		texts(p, w.fresh, func(r *taskRow) string { return r.OrderID })
		texts(p, w.fresh, func(r *taskRow) string { return r.Account })
		times(p, w.fresh, func(r *taskRow) micros { return r.DueAt })
		timesOrNull(p, w.fresh, func(r *taskRow) micros { return r.LeasedUntil })
		int64s(p, w.fresh, func(r *taskRow) int64 { return r.Fence })
		int32s(p, w.fresh, func(r *taskRow) int32 { return r.Asked })
		timesOrNull(p, w.fresh, func(r *taskRow) micros { return r.AskedAt })
		bools(p, w.fresh, func(r *taskRow) bool { return r.Hinted })
	}
}

// done ends tasks; one that is not there has ended already.
func (p *pipe) done(keys []store.TaskKey) {
	if p.addSome(len(keys), deleteTasks) {
		texts(p, keys, func(k *store.TaskKey) string { return k.Merchant })
		texts(p, keys, func(k *store.TaskKey) string { return k.ID })
	}
}

func (p *pipe) handoffs(rows []handoffRow) {
	if p.addSome(len(rows), insertHandoffs) {
		texts(p, rows, func(r *handoffRow) string { return r.Merchant })
		texts(p, rows, func(r *handoffRow) string { return r.AttemptID })
		blobs(p, rows, func(r *handoffRow) []byte { return r.Sealed })
	}
}
