package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/kvitpay/kvit/server/store"
)

// rollbackMax is how long a rollback may take before its connection is given up.
const rollbackMax = time.Second

// errEnded means that the transaction was used after its end.
var errEnded = errors.New("the transaction has ended")

// Save implements store.Tx: one round trip to write and to lock the heads, one to append and commit.
// Entries are encoded and everything is sealed before the first.
func (t *postgresTx) Save(ctx context.Context, changes *store.Changes) error {
	if t.conn == nil {
		return fmt.Errorf("save: %w", errEnded)
	}
	defer t.Rollback()
	p, err := makePlan(t.sealer, t.snap.Now, changes)
	if err != nil || p.empty() {
		return err
	}
	var heads []headRow
	err = native(t.conn, func(c *pgx.Conn) (err error) {
		heads, err = writeRows(ctx, c, p)
		return err
	})
	if err != nil {
		return beforeCommit("save", err)
	}
	next, err := p.chain(heads)
	if err != nil {
		return err
	}
	return native(t.conn, func(c *pgx.Conn) error { return commit(ctx, c, p, next) })
}

// Rollback implements store.Tx.
func (t *postgresTx) Rollback() {
	if t.conn == nil {
		return
	}
	_ = native(t.conn, func(c *pgx.Conn) error {
		if c.IsClosed() {
			return driver.ErrBadConn
		}
		if c.PgConn().TxStatus() == 'I' {
			return nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), rollbackMax)
		defer cancel()
		if _, err := c.Exec(ctx, `ROLLBACK`); err != nil {
			_ = c.Close(ctx)
			return driver.ErrBadConn
		}
		return nil
	})
	_ = t.conn.Close()
	t.conn = nil
}

// counted is a pipeline whose statements say how many rows they must write.
type counted struct{ batch pgx.Batch }

func (b *counted) queue(want int, sql string, args ...any) {
	if want == 0 {
		return
	}
	b.batch.Queue(sql, args...).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() != int64(want) {
			return errShort
		}
		return nil
	})
}

// writeRows writes every table but entries and heads, and locks the heads.
func writeRows(ctx context.Context, c *pgx.Conn, p *plan) ([]headRow, error) {
	b := &counted{}
	b.links(&p.links)
	b.orders(&p.orders)
	b.attempts(&p.attempts)
	b.payments(&p.payments)
	b.refunds(&p.refunds)
	b.exceptions(&p.exceptions)
	b.records(p.records)
	b.texts(p.texts)
	var heads []headRow
	if len(p.merchants) > 0 {
		b.batch.Queue(lockHeads, p.merchants).Query(func(rows pgx.Rows) (err error) {
			heads, err = pgx.CollectRows(rows, pgx.RowToStructByName[headRow])
			return err //nolint:wrapcheck // Wrapped below.
		})
	}
	if err := c.SendBatch(ctx, &b.batch).Close(); err != nil {
		return nil, fmt.Errorf("write rows: %w", err)
	}
	return heads, nil
}

// commit appends the entries, moves the heads and commits. The heads' rows are locked, so that nothing
// here waits for anybody.
func commit(ctx context.Context, c *pgx.Conn, p *plan, heads []headRow) error {
	batch := &pgx.Batch{}
	if len(p.entries) > 0 {
		queueEntries(batch, p.entries)
		batch.Queue(moveHeads,
			column(heads, func(h *headRow) string { return h.Merchant }),
			column(heads, func(h *headRow) int64 { return h.Position }),
			column(heads, func(h *headRow) []byte { return h.Hash[:] }))
	}
	reached := false // COMMIT: everything before it was done.
	results := c.SendBatch(ctx, batchWithCommit(batch))
	var err error
	for i := 0; err == nil && i < batch.Len(); i++ {
		reached = i == batch.Len()-1
		var tag pgconn.CommandTag
		tag, err = results.Exec()
		if err == nil && reached && tag.String() != "COMMIT" {
			_ = results.Close()
			return fmt.Errorf("commit: %w: the database answered %s", store.ErrRetry, tag)
		}
	}
	_ = results.Close() // The outcome is known; a loss after it changes nothing.
	return committing(err, reached)
}

func batchWithCommit(batch *pgx.Batch) *pgx.Batch {
	batch.Queue(`COMMIT`)
	return batch
}

// committing is the error of the last pipeline. What the database itself refused was not written;
// where it did not get to say so, nobody knows.
func committing(err error, reached bool) error {
	if err == nil {
		return nil
	}
	pg, answered := errors.AsType[*pgconn.PgError](err)
	switch {
	case answered && pg.Code == "25P03":
		return beforeCommit("commit", err)
	case answered && pg.SeverityUnlocalized == "ERROR" && (!reached || pg.Code != "57014"):
		return beforeCommit("commit", err)
	}
	return fmt.Errorf("commit: %w: %w", store.ErrCommitUnclear, err)
}
