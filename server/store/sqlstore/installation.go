package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kvitpay/kvit/server/store"
)

const (
	addHead = `INSERT INTO heads (merchant) VALUES ($1) ON CONFLICT DO NOTHING`

	addCheck = `INSERT INTO installation_keys (key_id, check_value) VALUES ($1, $2) ON CONFLICT DO NOTHING`

	addMark = `INSERT INTO installation (one, mark) VALUES (true, $1) ON CONFLICT DO NOTHING`

	readMark = `SELECT mark FROM installation`

	readChecks = `SELECT key_id, check_value FROM installation_keys ORDER BY key_id`
)

// Now implements store.Installation.
func (r *reads) Now(ctx context.Context) (time.Time, error) {
	if r.dialect == onSQLite {
		return r.clock(), nil
	}
	var now micros
	if err := r.db.GetContext(ctx, &now, readClock); err != nil {
		return time.Time{}, beforeCommit("read clock", err)
	}
	return now.Time, nil
}

// Ping implements store.Installation.
func (r *reads) Ping(ctx context.Context) error {
	if err := r.db.PingContext(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

// Pools implements store.Installation.
func (r *reads) Pools() []store.Pool { return []store.Pool{poolOf("read", r.db.Stats())} }

// Pools implements store.Installation.
func (s *postgres) Pools() []store.Pool {
	return append(s.reads.Pools(), poolOf("write", s.write.Stats()))
}

func poolOf(name string, stats sql.DBStats) store.Pool {
	return store.Pool{
		Name: name, Busy: stats.InUse, Idle: stats.Idle, Most: stats.MaxOpenConnections,
		Waits: stats.WaitCount, Waited: stats.WaitDuration,
	}
}

// transaction is what the small transactions need of one.
type transaction interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	GetContext(ctx context.Context, into any, query string, args ...any) error
	SelectContext(ctx context.Context, into any, query string, args ...any) error
}

// writes are the small transactions beside the journal, the same on both engines: they touch no
// table that Begin locks.
type writes struct {
	reads

	// inTx runs f in a transaction and commits if it returns nil.
	inTx func(ctx context.Context, f func(tx transaction) error) error
}

// EnsureMerchants implements store.Installation.
func (w *writes) EnsureMerchants(ctx context.Context, merchants []string) error {
	return w.inTx(ctx, func(tx transaction) error {
		for _, merchant := range slices.Sorted(slices.Values(merchants)) {
			if _, err := tx.ExecContext(ctx, addHead, merchant); err != nil {
				return beforeCommit("add merchant "+merchant, err)
			}
		}
		return nil
	})
}

// apart runs one small change that touches no order, beside the batches: on PostgreSQL f's one statement is
// a transaction of its own, on a connection that no batch waits for.
func (w *writes) apart(ctx context.Context, f func(tx transaction) error) error {
	if w.dialect == onPostgres {
		return f(w.db)
	}
	return w.inTx(ctx, f)
}

// EnsureMark implements store.Installation.
func (w *writes) EnsureMark(ctx context.Context, mark string) (kept string, err error) {
	err = w.inTx(ctx, func(tx transaction) error {
		if _, err := tx.ExecContext(ctx, addMark, mark); err != nil {
			return beforeCommit("add mark", err)
		}
		return beforeCommit("read mark", tx.GetContext(ctx, &kept, readMark))
	})
	if err != nil {
		return "", err
	}
	return kept, nil
}

// EnsureKeys implements store.Installation. New ones are stored before all are compared, so that of
// two servers that start at once with different keys only one fits.
func (w *writes) EnsureKeys(ctx context.Context, checks map[string][]byte) error {
	return w.inTx(ctx, func(tx transaction) error {
		for _, id := range slices.Sorted(maps.Keys(checks)) {
			if _, err := tx.ExecContext(ctx, addCheck, id, checks[id]); err != nil {
				return beforeCommit("add key "+id, err)
			}
		}
		var stored []struct {
			KeyID      string `db:"key_id"`
			CheckValue []byte `db:"check_value"`
		}
		if err := tx.SelectContext(ctx, &stored, readChecks); err != nil {
			return beforeCommit("read keys", err)
		}
		for _, s := range stored {
			value, known := checks[s.KeyID]
			switch {
			case !known:
				return fmt.Errorf("%w: the database knows the key %q, which this server does not have", store.ErrKeysDoNotFit, s.KeyID)
			case !bytes.Equal(value, s.CheckValue):
				return fmt.Errorf("%w: the key %q is not the one that the database knows", store.ErrKeysDoNotFit, s.KeyID)
			}
		}
		return nil
	})
}
