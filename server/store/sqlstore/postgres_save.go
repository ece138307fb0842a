package sqlstore

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/kvitpay/kvit/server/store"
)

// rollbackMax is how long a rollback may take before its connection is given up.
const rollbackMax = time.Second

// pipeKept is how large a buffer may be to be used again.
const pipeKept = 4 << 20

// errEnded means that the transaction was used after its end.
var errEnded = errors.New("the transaction has ended")

// Save implements store.Tx: one round trip to write and to lock the heads, one to append and commit.
// Entries are encoded and everything is sealed before the first.
func (t *postgresTx) Save(ctx context.Context, changes *store.Changes) error {
	if t.conn == nil {
		return fmt.Errorf("save: %w", errEnded)
	}
	defer t.rollback(ctx)
	p, err := makePlan(t.sealer, t.snap, changes)
	if err != nil || p.empty() {
		return err
	}
	var heads []headRow
	err = native(t.conn, func(c *pgx.Conn) (err error) {
		heads, err = t.writeRows(ctx, c, p)
		return err
	})
	if err != nil {
		return beforeCommit("save", err)
	}
	next, err := p.chain(heads)
	if err != nil {
		return err
	}
	return native(t.conn, func(c *pgx.Conn) error { return t.commit(ctx, c, p, next) })
}

// Rollback implements store.Tx.
func (t *postgresTx) Rollback() { t.rollback(context.Background()) }

// rollback ends what is open, also when the caller's time is over, and gives the connection back.
func (t *postgresTx) rollback(ctx context.Context) {
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
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackMax)
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

// writeRows writes every table but entries and heads, and locks the heads.
func (t *postgresTx) writeRows(ctx context.Context, c *pgx.Conn, plan *plan) ([]headRow, error) {
	p := t.pipe()
	defer t.pipes.Put(p)
	p.links(&plan.links)
	p.orders(&plan.orders)
	p.attempts(&plan.attempts)
	p.payments(&plan.payments)
	p.refunds(&plan.refunds)
	p.exceptions(&plan.exceptions)
	p.records(plan.records)
	p.texts(plan.texts)
	p.messages(&plan.messages)
	p.tasks(&plan.tasks)
	p.done(plan.done)
	p.handoffs(plan.handoffs)
	heads := make([]headRow, 0, len(plan.merchants))
	if len(plan.merchants) > 0 {
		p.ask(lockHeads, func(values [][]byte) error {
			head, err := readHeadRow(values)
			heads = append(heads, head)
			return err
		})
		texts(p, plan.merchants, func(m *string) string { return *m })
	}
	if _, err := p.run(ctx, c); err != nil {
		return nil, fmt.Errorf("write rows: %w", err)
	}
	return heads, nil
}

// readHeadRow reads the columns of lockHeads in their binary form.
func readHeadRow(values [][]byte) (headRow, error) {
	if len(values) != 3 || len(values[1]) != 8 || len(values[2]) != len(digest{}) {
		return headRow{}, errors.New("a head cannot be read")
	}
	return headRow{
		Merchant: string(values[0]),
		Position: int64(binary.BigEndian.Uint64(values[1])), //nolint:gosec // Two's complement.
		Hash:     digest(values[2]),
	}, nil
}

// commit appends the entries, moves the heads and commits. The heads' rows are locked, so that nothing
// here waits for anybody.
func (t *postgresTx) commit(ctx context.Context, c *pgx.Conn, plan *plan, heads []headRow) error {
	p := t.pipe()
	defer t.pipes.Put(p)
	p.entries(plan.entries)
	p.heads(heads)
	p.add(-1, commitStatement)
	reached, err := p.run(ctx, c)
	return committing(err, reached == len(p.calls)-1)
}

// pipe takes an empty pipe from those that were used before.
func (t *postgresTx) pipe() *pipe {
	p, ok := t.pipes.Get().(*pipe)
	if !ok || cap(p.buf) > pipeKept {
		return &pipe{forms: t.few}
	}
	p.reset()
	return p
}

// committing is the error of the last pipeline. What the database itself refused was not written;
// where it did not get to say so, nobody knows.
func committing(err error, reached bool) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, store.ErrRetry) {
		return beforeCommit("commit", err)
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
