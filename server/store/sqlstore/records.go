package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/kvitpay/kvit/server/store"
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
	found, err := r.recorded.find(ctx, key)
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
