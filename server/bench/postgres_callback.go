package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// payableRate is for how many callbacks per second of pgbench's orders are made.
	payableRate = 10000
	// rawSize is the size of a raw callback as we keep it, sealed.
	rawSize = 1445
)

// callbacks runs the yardstick of callbacks: orders that wait for one are made first, and afterwards as
// many must be paid as there were transactions.
func (p *postgres) callbacks(ctx context.Context, clients, seconds int) (sample, error) {
	p.runs++
	fill, err := scripts.ReadFile("scripts/callback_fill.sql")
	if err != nil {
		return sample{}, err
	}
	each := payableRate * (seconds + 1) / clients * 2
	if _, err := p.db.ExecContext(ctx, string(fill), runNumber(p.runs), clients, each); err != nil {
		return sample{}, fmt.Errorf("make orders for pgbench: %w", err)
	}
	if err := p.settle(ctx); err != nil {
		return sample{}, err
	}
	raw := make([]byte, rawSize) // Random, as what is sealed is: it cannot be compressed.
	_, _ = rand.Read(raw)
	s, all, err := p.script(ctx, scriptCallback, clients, seconds, "-D", "raw="+hex.EncodeToString(raw))
	if err != nil {
		return sample{}, err
	}
	var paid int
	err = p.db.QueryRowContext(ctx, `SELECT count(*) FROM yardstick.orders WHERE state = 'PAID' AND order_id LIKE 'o000' || $1::integer || '%'`,
		runNumber(p.runs)).Scan(&paid)
	if err == nil && paid != all {
		err = fmt.Errorf("pgbench paid %d orders in %d transactions", paid, all)
	}
	return s, err
}

// runNumber names a run in the names of its rows.
func runNumber(run int) int { return 10000 + run }

// settle cleans up after many rows were made, and writes them out, so that it happens between
// measurements and not in one.
func (p *postgres) settle(ctx context.Context) error {
	for _, statement := range []string{"VACUUM (ANALYZE) tasks, orders, attempts", "CHECKPOINT"} {
		if _, err := p.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// putOff makes the server's own questions about attempts due later.
func (p *postgres) putOff(ctx context.Context, by time.Duration) error {
	_, err := p.db.ExecContext(ctx, `UPDATE tasks SET due_at = due_at + $1::bigint * interval '1 second' WHERE due_at < now() + interval '5 minutes'`,
		int64(by.Seconds()))
	return err
}

// checkPaid fails unless every one of the orders is paid, by one payment, and nothing more is asked about it.
func (p *postgres) checkPaid(ctx context.Context, orders []waiting) error {
	merchants, ids := make([]string, len(orders)), make([]string, len(orders))
	for i, o := range orders {
		merchants[i], ids[i] = o.merchant, o.order
	}
	var paid int
	err := p.db.QueryRowContext(ctx, `SELECT count(*) FROM unnest($1::text[], $2::text[]) AS k(merchant, order_id)
		JOIN orders AS o ON o.merchant = k.merchant AND o.order_id = k.order_id AND o.state = 'PAID'
		WHERE (SELECT count(*) FROM payments AS p WHERE p.merchant = k.merchant AND p.order_id = k.order_id AND p.captured = o.amount) = 1
		AND NOT EXISTS (SELECT FROM tasks AS t WHERE t.merchant = k.merchant AND t.order_id = k.order_id)`, merchants, ids).Scan(&paid)
	if err != nil || paid == len(orders) {
		return err
	}
	var became string
	err = p.db.QueryRowContext(ctx, `SELECT coalesce(string_agg(n || ' ' || what, ', '), 'nothing') FROM (
		SELECT count(*) AS n, 'messages ' || outcome AS what FROM messages GROUP BY outcome UNION ALL
		SELECT count(*), 'orders ' || state FROM orders GROUP BY state UNION ALL
		SELECT count(*), 'exceptions ' || kind || ' ' || max(detail) FROM exceptions GROUP BY kind) AS counted`).Scan(&became)
	return errors.Join(fmt.Errorf("%d of %d orders are paid; there are %s", paid, len(orders), became), err)
}

// kept is how many messages and journal entries there are.
func (p *postgres) kept(ctx context.Context) (int, error) {
	var n int
	err := p.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM messages) + (SELECT sum(position) FROM heads)`).Scan(&n)
	return n, err
}

// measureCallbacks says what callbacks that pay an order have written into the tables of a schema.
func (p *postgres) measureCallbacks(ctx context.Context, schema string) (string, error) {
	var text string
	err := p.db.QueryRowContext(ctx, strings.ReplaceAll(`
		WITH paid AS MATERIALIZED (SELECT merchant, order_id FROM SCHEMA.orders WHERE state = 'PAID' ORDER BY ctid DESC LIMIT $1),
		written AS (
			SELECT e.type AS what, pg_column_size(e.*) AS bytes FROM paid
			JOIN SCHEMA.entries AS e ON (e.merchant || '/' || e.order_id) = paid.merchant || '/' || paid.order_id
				AND e.order_id IS NOT NULL AND e.type IN ('evidence.noted', 'order.paid')
			UNION ALL
			SELECT 'payment', pg_column_size(p.*) FROM paid
			JOIN SCHEMA.payments AS p ON p.merchant = paid.merchant AND p.order_id = paid.order_id
			UNION ALL
			(SELECT 'message', octet_length(sealed) FROM SCHEMA.messages LIMIT (SELECT count(*) FROM paid)))
		SELECT coalesce(string_agg(count || ' ' || what || ' of ' || bytes, ', ' ORDER BY what), 'nothing') FROM (
			SELECT round(count(*) / (SELECT count(*) FROM paid)::numeric, 2) AS count, what, round(avg(bytes)) AS bytes
			FROM written GROUP BY what) AS per`,
		"SCHEMA", schema), sampled).Scan(&text)
	return text, err
}
