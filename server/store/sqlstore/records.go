package sqlstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/kvitpay/kvit/server/store"
)

const (
	// lookupsMax is how many lookups share a statement at most.
	lookupsMax = 256
	// lookupPatience is how long a shared statement may take; a caller may leave earlier.
	lookupPatience = 5 * time.Second
)

const (
	forgetRecordsOnPostgres = `DELETE FROM records WHERE ctid = ANY (ARRAY(
	SELECT ctid FROM records WHERE created_at < $1 LIMIT $2))`

	// On SQLite the oldest rows come first.
	forgetRecordsOnSQLite = `DELETE FROM records WHERE rowid IN (
	SELECT number FROM (SELECT rowid AS number, created_at FROM records ORDER BY rowid LIMIT $2) WHERE created_at < $1)`

	findRecord = `SELECT merchant, method, key, fingerprint, result, created_at
FROM records WHERE merchant = $1 AND method = $2 AND key = $3`
)

func (r *recordRow) record(sealer Sealer) (store.Record, error) {
	result, err := sealer.Open(r.Result, recordPlace(r.key()))
	if err != nil {
		return store.Record{}, fmt.Errorf("open record %s of %s: %w", r.Key, r.Merchant, err)
	}
	return store.Record{
		RecordKey: r.key(), Fingerprint: r.Fingerprint, Result: result, CreatedAt: r.CreatedAt.Time,
	}, nil
}

// Recorded implements store.Records.
func (r *reads) Recorded(ctx context.Context, key store.RecordKey) (store.Record, error) {
	var row recordRow
	if r.dialect == onSQLite {
		if err := r.db.GetContext(ctx, &row, findRecord, key.Merchant, key.Method, key.Key); err != nil {
			return store.Record{}, none("read record", err)
		}
		return row.record(r.sealer)
	}
	found, err := r.lookups.find(ctx, key)
	if err != nil {
		return store.Record{}, err
	}
	return found.record(r.sealer)
}

// recordsOf reads the records of many keys with one statement on PostgreSQL. A key that comes alone has one
// without arrays, which PostgreSQL does not plan anew each time.
func (r *reads) recordsOf(ctx context.Context, keys []store.RecordKey) (map[store.RecordKey]*recordRow, error) {
	var rows []*recordRow
	statement, args := findRecords, recordArrays(keys)
	if len(keys) == 1 {
		statement, args = findRecord, []any{keys[0].Merchant, keys[0].Method, keys[0].Key}
	}
	if err := r.db.SelectContext(ctx, &rows, statement, args...); err != nil {
		return nil, beforeCommit("read records", err)
	}
	found := make(map[store.RecordKey]*recordRow, len(rows))
	for _, row := range rows {
		found[row.key()] = row
	}
	return found, nil
}

// ForgetRecords implements store.Records.
func (w *writes) ForgetRecords(ctx context.Context, olderThan time.Time, limit int) (count int, err error) {
	err = w.inTx(ctx, func(tx transaction) error {
		if w.dialect == onPostgres {
			if _, err := tx.ExecContext(ctx, `SET LOCAL enable_bitmapscan = on`); err != nil { // For the index by age.
				return beforeCommit("forget records", err)
			}
		}
		done, err := tx.ExecContext(ctx, w.pick(forgetRecordsOnPostgres, forgetRecordsOnSQLite), olderThan, limit)
		if err != nil {
			return beforeCommit("forget records", err)
		}
		forgotten, err := done.RowsAffected()
		if err != nil {
			return fmt.Errorf("forget records: %w", err)
		}
		count = int(forgotten)
		return nil
	})
	return count, err
}

// lookups share statements: while one is under way, the next gathers, without a timer. A lookup that
// comes alone goes at once.
type lookups struct {
	read func(context.Context, []store.RecordKey) (map[store.RecordKey]*recordRow, error)

	mu      sync.Mutex
	waiting []*lookup
	running bool
	closed  bool
	done    sync.WaitGroup
}

type lookup struct {
	key store.RecordKey
	// answered is closed when row and err are set.
	answered chan struct{}
	row      *recordRow
	err      error
}

func newLookups(read func(context.Context, []store.RecordKey) (map[store.RecordKey]*recordRow, error)) *lookups {
	return &lookups{read: read}
}

func (l *lookups) find(ctx context.Context, key store.RecordKey) (*recordRow, error) {
	one := &lookup{key: key, answered: make(chan struct{})}
	if err := l.add(ctx, one); err != nil {
		return nil, err
	}
	select {
	case <-one.answered:
	case <-ctx.Done():
		return nil, fmt.Errorf("read record: %w", ctx.Err())
	}
	if one.err == nil && one.row == nil {
		return nil, store.ErrNotFound
	}
	return one.row, one.err
}

func (l *lookups) add(ctx context.Context, one *lookup) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("read record: %w", errEnded)
	}
	l.waiting = append(l.waiting, one)
	if !l.running {
		l.running = true
		l.done.Go(func() { l.run(context.WithoutCancel(ctx)) })
	}
	return nil
}

// run answers until nobody waits.
func (l *lookups) run(ctx context.Context) {
	for {
		batch := l.take()
		if len(batch) == 0 {
			return
		}
		l.answer(ctx, batch)
	}
}

func (l *lookups) take() []*lookup {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.waiting), lookupsMax)
	batch := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	l.running = n > 0
	return batch
}

func (l *lookups) answer(ctx context.Context, batch []*lookup) {
	ctx, cancel := context.WithTimeout(ctx, lookupPatience)
	defer cancel()
	keys := make([]store.RecordKey, len(batch))
	for i, one := range batch {
		keys[i] = one.key
	}
	found, err := l.read(ctx, unique(keys, compareRecordKeys))
	for _, one := range batch {
		one.row, one.err = found[one.key], err
		close(one.answered)
	}
}

// close waits for what is under way; later lookups fail.
func (l *lookups) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.done.Wait()
}
