package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/kvitpay/kvit/server/store"
)

// Claims on PostgreSQL. Spans are microseconds, times the database's. Tasks that somebody is about to take
// over, or that a batch holds, are passed over; a named one is waited for.
const (
	claimTasksOnPostgres = `WITH due AS MATERIALIZED (
	SELECT merchant, task_id FROM tasks
	WHERE due_at <= now() AND (leased_until IS NULL OR leased_until <= now())
		AND (asked_at IS NULL OR asked_at <= now() - $3::bigint * interval '1 microsecond')
		AND account <> ALL ($4::text[])
	ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
UPDATE tasks AS t SET leased_until = now() + $2::bigint * interval '1 microsecond', fence = t.fence + 1
FROM due WHERE t.merchant = due.merchant AND t.task_id = due.task_id
RETURNING ` + taskColumns

	claimTaskOnPostgres = `UPDATE tasks AS t SET leased_until = now() + $3::bigint * interval '1 microsecond', fence = t.fence + 1
WHERE t.merchant = $1 AND t.task_id = $2 AND (t.leased_until IS NULL OR t.leased_until <= now())
RETURNING ` + taskColumns

	nudgeTasksOnPostgres = `WITH late AS MATERIALIZED (
	SELECT merchant, task_id FROM tasks
	WHERE merchant = $1 AND order_id = $2 AND order_id <> ''
		AND due_at > GREATEST(now(), asked_at + $3::bigint * interval '1 microsecond')
	FOR UPDATE SKIP LOCKED)
UPDATE tasks AS t SET due_at = GREATEST(now(), t.asked_at + $3::bigint * interval '1 microsecond')
FROM late WHERE t.merchant = late.merchant AND t.task_id = late.task_id`

	takePaceOnPostgres = `INSERT INTO paces (account, next_at) VALUES ($1, now() + $2::bigint * interval '1 microsecond')
ON CONFLICT (account) DO UPDATE SET next_at = excluded.next_at WHERE paces.next_at <= now()`
)

// Claims on SQLite. Everything is microseconds; the last parameter is the time.
const (
	claimTasksOnSQLite = `UPDATE tasks AS t SET leased_until = $5 + $2, fence = fence + 1
WHERE rowid IN (
	SELECT rowid FROM tasks
	WHERE due_at <= $5 AND (leased_until IS NULL OR leased_until <= $5) AND (asked_at IS NULL OR asked_at <= $5 - $3)
		AND account NOT IN (SELECT value FROM json_each($4))
	ORDER BY due_at LIMIT $1)
RETURNING ` + taskColumnsOnSQLite

	claimTaskOnSQLite = `UPDATE tasks SET leased_until = $4 + $3, fence = fence + 1
WHERE merchant = $1 AND task_id = $2 AND (leased_until IS NULL OR leased_until <= $4)
RETURNING ` + taskColumnsOnSQLite

	nudgedOnSQLite = `SELECT count(*) FROM tasks
WHERE merchant = $1 AND order_id = $2 AND due_at > max($4, COALESCE(asked_at + $3, 0))`

	nudgeTasksOnSQLite = `UPDATE tasks SET due_at = max($4, COALESCE(asked_at + $3, 0))
WHERE merchant = $1 AND order_id = $2 AND due_at > max($4, COALESCE(asked_at + $3, 0))`

	takePaceOnSQLite = `INSERT INTO paces (account, next_at) VALUES ($1, $3 + $2)
ON CONFLICT (account) DO UPDATE SET next_at = excluded.next_at WHERE paces.next_at <= $3`

	taskColumnsOnSQLite = `merchant, task_id, kind, order_id, account, due_at, leased_until, fence, asked, asked_at, hinted`
)

// ticked adds the time in microseconds as the last argument where the statement takes it from us.
func (r *reads) ticked(args ...any) []any {
	if r.dialect == onSQLite {
		args = append(args, r.clock().UnixMicro())
	}
	return args
}

// ClaimTasks implements store.Tasks.
func (w *writes) ClaimTasks(ctx context.Context, claim store.Claim) ([]store.Task, error) {
	var rows []*taskRow
	except, err := w.textList(claim.Except)
	if err != nil {
		return nil, err
	}
	err = w.apart(ctx, func(tx transaction) error {
		err := tx.SelectContext(ctx, &rows, w.pick(claimTasksOnPostgres, claimTasksOnSQLite),
			w.ticked(claim.Limit, claim.LeaseFor.Microseconds(), claim.Spacing.Microseconds(), except)...)
		return beforeCommit("claim tasks", err)
	})
	if err != nil {
		return nil, err
	}
	tasks := make([]store.Task, len(rows))
	for i, row := range rows {
		tasks[i] = row.task()
	}
	slices.SortFunc(tasks, func(a, b store.Task) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), compareTaskKeys(a.TaskKey, b.TaskKey))
	})
	return tasks, nil
}

// textList is a list of texts as one argument: an array, or JSON on SQLite.
func (r *reads) textList(list []string) (any, error) {
	if list == nil {
		list = []string{}
	}
	if r.dialect == onPostgres {
		return list, nil
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("encode list: %w", err)
	}
	return string(text), nil
}

// ClaimTask implements store.Tasks.
func (w *writes) ClaimTask(ctx context.Context, key store.TaskKey, leaseFor time.Duration) (store.Task, error) {
	var row taskRow
	err := w.apart(ctx, func(tx transaction) error {
		err := tx.GetContext(ctx, &row, w.pick(claimTaskOnPostgres, claimTaskOnSQLite),
			w.ticked(key.Merchant, key.ID, leaseFor.Microseconds())...)
		return none("claim task", err)
	})
	if err != nil {
		return store.Task{}, err
	}
	return row.task(), nil
}

// NudgeTasks implements store.Tasks. Where nothing is to be done nothing is written, and nobody waited for:
// on SQLite it looks first.
func (w *writes) NudgeTasks(ctx context.Context, key store.OrderKey, spacing time.Duration) error {
	args := w.ticked(key.Merchant, key.ID, spacing.Microseconds())
	if w.dialect == onSQLite {
		var late int
		if err := w.db.GetContext(ctx, &late, nudgedOnSQLite, args...); err != nil || late == 0 {
			return beforeCommit("nudge tasks", err)
		}
	}
	return w.apart(ctx, func(tx transaction) error {
		_, err := tx.ExecContext(ctx, w.pick(nudgeTasksOnPostgres, nudgeTasksOnSQLite), args...)
		return beforeCommit("nudge tasks", err)
	})
}

// TakePace implements store.Tasks.
func (w *writes) TakePace(ctx context.Context, account string, every time.Duration) (taken bool, err error) {
	err = w.apart(ctx, func(tx transaction) error {
		done, err := tx.ExecContext(ctx, w.pick(takePaceOnPostgres, takePaceOnSQLite),
			w.ticked(account, every.Microseconds())...)
		if err != nil {
			return beforeCommit("take pace", err)
		}
		count, err := done.RowsAffected()
		if err != nil {
			return fmt.Errorf("take pace: %w", err)
		}
		taken = count > 0
		return nil
	})
	return taken && err == nil, err
}
