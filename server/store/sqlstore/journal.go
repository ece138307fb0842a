package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// windowMax is how many positions one statement of a filtered read looks through.
const windowMax = 5000

const (
	readEntries = `SELECT position, bytes, hash FROM entries
WHERE merchant = $1 AND position > $2 ORDER BY position LIMIT $3`

	readEntriesOfOrderOnPostgres = `SELECT e.position, e.bytes, e.hash FROM entries e
WHERE ` + ofOrderOnPostgres + ` = $1 || '/' || $2 ORDER BY e.position`

	readEntriesOfOrderOnSQLite = `SELECT position, bytes, hash FROM entries
WHERE merchant = $1 AND order_id = $2 ORDER BY position`

	// ofOrderOnPostgres is what entries_of_order indexes.
	ofOrderOnPostgres = `e.merchant || '/' || e.order_id`

	readHead = `SELECT merchant, position, hash FROM heads WHERE merchant = $1`

	readHash = `SELECT hash FROM entries WHERE merchant = $1 AND position = $2`
)

// storedRow is an entry as it is read.
type storedRow struct {
	Position int64  `db:"position"`
	Bytes    []byte `db:"bytes"`
	Hash     digest `db:"hash"`
}

func (r *reads) entries(ctx context.Context, query string, args ...any) ([]store.StoredEntry, error) {
	var rows []storedRow
	if err := r.db.SelectContext(ctx, &rows, query, args...); err != nil {
		return nil, beforeCommit("read entries", err)
	}
	out := make([]store.StoredEntry, len(rows))
	for i := range rows {
		out[i] = store.StoredEntry{
			Position: uint64(rows[i].Position), //nolint:gosec // A CHECK keeps positions above zero.
			Bytes:    rows[i].Bytes, Hash: order.Hash(rows[i].Hash),
		}
	}
	return out, nil
}

// Entries implements store.Journal.
func (r *reads) Entries(ctx context.Context, merchant string, after uint64, limit int) ([]store.StoredEntry, error) {
	return r.entries(ctx, readEntries, merchant, int64(after), limit) //nolint:gosec // A position that is too large finds nothing.
}

// OrderEntries implements store.Journal.
func (r *reads) OrderEntries(ctx context.Context, key store.OrderKey) ([]store.StoredEntry, error) {
	return r.entries(ctx, r.pick(readEntriesOfOrderOnPostgres, readEntriesOfOrderOnSQLite), key.Merchant, key.ID)
}

// Filtered implements store.Journal. Without order ids it goes through the journal window by window.
// It never claims to have looked beyond the journal's end, whatever `to` is.
func (r *reads) Filtered(
	ctx context.Context, merchant string, filter store.EntryFilter, after, to uint64, limit int,
) ([]store.StoredEntry, uint64, error) {
	head, _, err := r.Head(ctx, merchant)
	if err != nil {
		return nil, 0, err
	}
	to = min(to, head)
	var found []store.StoredEntry
	for after < to && len(found) < limit {
		end := to
		if len(filter.OrderIDs) == 0 {
			end = min(to, after+windowMax)
		}
		q := r.filtered(merchant, filter, after, end, limit-len(found))
		some, err := r.entries(ctx, q.text.String(), r.unplanned(q.args)...)
		if err != nil {
			return nil, 0, err
		}
		found = append(found, some...)
		after = end
	}
	if len(found) == limit && limit > 0 {
		after = found[limit-1].Position
	}
	return found, after, nil
}

// filtered is the statement for one window.
func (r *reads) filtered(merchant string, filter store.EntryFilter, after, to uint64, limit int) *query {
	q := &query{}
	window := func() {
		q.add(" AND e.position > " + q.arg(int64(after))) //nolint:gosec // No further than the head, which is an int64.
		q.add(" AND e.position <= " + q.arg(int64(to)))   //nolint:gosec // No further than the head, which is an int64.
		q.types(filter.Types)
		q.add(" ORDER BY e.position LIMIT " + q.arg(limit))
	}
	switch {
	case len(filter.OrderIDs) == 0:
		q.add(`SELECT e.position, e.bytes, e.hash FROM entries e WHERE e.merchant = ` + q.arg(merchant))
		window()
	case r.dialect == onPostgres: // Each order by its own range of the index.
		q.add(`SELECT m.position, m.bytes, m.hash FROM unnest(` + q.arg(filter.OrderIDs) + `::text[]) AS k(order_id)
CROSS JOIN LATERAL (SELECT e.position, e.bytes, e.hash FROM entries e
	WHERE ` + ofOrderOnPostgres + ` = ` + q.arg(merchant) + ` || '/' || k.order_id`)
		window()
		q.add(`) m ORDER BY m.position LIMIT ` + q.arg(limit))
	default:
		q.add(`SELECT e.position, e.bytes, e.hash FROM entries e INDEXED BY entries_of_order WHERE e.merchant = ` + q.arg(merchant) +
			` AND e.order_id IS NOT NULL AND e.order_id ` + r.anyOf(q, filter.OrderIDs))
		window()
	}
	return q
}

// types narrows to whole types and to prefixes that end in a dot.
func (q *query) types(types []string) {
	if len(types) == 0 {
		return
	}
	var parts []string
	for _, t := range types {
		if prefix, is := strings.CutSuffix(t, "."); is { // From "order." to just before "order/".
			parts = append(parts, "(e.type >= "+q.arg(t)+" AND e.type < "+q.arg(prefix+"/")+")")
			continue
		}
		parts = append(parts, "e.type = "+q.arg(t))
	}
	q.add(" AND (" + strings.Join(parts, " OR ") + ")")
}

// Head implements store.Journal.
func (r *reads) Head(ctx context.Context, merchant string) (uint64, order.Hash, error) {
	var head headRow
	err := r.db.GetContext(ctx, &head, readHead, merchant)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, order.Hash{}, nil
	}
	if err != nil {
		return 0, order.Hash{}, beforeCommit("read head", err)
	}
	return uint64(head.Position), order.Hash(head.Hash), nil //nolint:gosec // A CHECK keeps positions at zero or above.
}

// HashAt implements store.Journal.
func (r *reads) HashAt(ctx context.Context, merchant string, position uint64) (order.Hash, error) {
	if position == 0 {
		return order.Hash{}, nil
	}
	var hash digest
	err := r.db.GetContext(ctx, &hash, readHash, merchant, int64(position)) //nolint:gosec // A position that is too large finds nothing.
	if err != nil {
		return order.Hash{}, none("read hash", err)
	}
	return order.Hash(hash), nil
}

// Texts implements store.Journal.
func (r *reads) Texts(ctx context.Context, merchant string, entryIDs []string) (map[string][]byte, error) {
	q := &query{}
	q.add(`SELECT merchant, entry_id, sealed FROM texts WHERE merchant = ` + q.arg(merchant))
	q.add(` AND entry_id ` + r.anyOf(q, entryIDs))
	var rows []textRow
	if err := r.db.SelectContext(ctx, &rows, q.text.String(), q.args...); err != nil {
		return nil, beforeCommit("read texts", err)
	}
	texts := make(map[string][]byte, len(rows))
	for _, row := range rows {
		text, err := r.sealer.Open(row.Sealed, textPlace(row.Merchant, row.EntryID))
		if err != nil {
			return nil, fmt.Errorf("open text %s: %w", row.EntryID, err)
		}
		texts[row.EntryID] = text
	}
	return texts, nil
}
