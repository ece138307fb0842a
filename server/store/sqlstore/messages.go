package sqlstore

import (
	"context"
	"fmt"

	"github.com/kvitpay/kvit/server/store"
)

const (
	readMessage = `SELECT ` + messageColumns + `, m.sealed FROM messages m
WHERE m.merchant = $1 AND m.account = $2 AND m.digest = $3`

	// An attempt without an id is nobody's.
	readOrphans = `SELECT ` + messageColumns + `, m.sealed FROM messages m
WHERE m.outcome = 'ORPHAN' AND EXISTS (
	SELECT 1 FROM attempts a WHERE a.merchant = m.merchant AND a.attempt_id = m.attempt_id AND a.attempt_id <> '')
`
	readOrphansOnPostgres = readOrphans + `	AND m.account = ANY ($2::text[])
ORDER BY m.received_at, m.message_id LIMIT $1`
	readOrphansOnSQLite = readOrphans + `	AND m.account IN (SELECT value FROM json_each($2))
ORDER BY m.received_at, m.message_id LIMIT $1`

	countForged = `SELECT count(*) FROM forged WHERE merchant = $1 AND account = $2`
)

// A callback with a wrong signature is kept, and the oldest of its account beyond the newest $6 - 1 others
// are gone. On PostgreSQL that is one statement, which waits for nobody: what another one is about to
// remove is passed over.
const (
	addForgedOnPostgres = `WITH gone AS (
	DELETE FROM forged WHERE ctid = ANY (ARRAY(
		SELECT f.ctid FROM forged f
		WHERE f.merchant = $1 AND f.account = $2 AND f.digest <> $3 AND f.received_at > '-infinity'
			AND (f.received_at, f.digest) <= (
				SELECT n.received_at, n.digest FROM forged n
				WHERE n.merchant = $1 AND n.account = $2 AND n.digest <> $3 AND n.received_at > '-infinity'
				ORDER BY n.received_at DESC, n.digest DESC OFFSET $7 - 1 LIMIT 1)
		FOR UPDATE SKIP LOCKED)))
INSERT INTO forged (merchant, account, digest, message_id, received_at, sealed) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (merchant, account, digest) DO UPDATE SET received_at = excluded.received_at`

	addForgedOnSQLite = `INSERT INTO forged (merchant, account, digest, message_id, received_at, sealed)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (merchant, account, digest) DO UPDATE SET received_at = excluded.received_at`

	trimForgedOnSQLite = `DELETE FROM forged WHERE merchant = $1 AND account = $2 AND digest <> $3
	AND (received_at, digest) <= (
		SELECT received_at, digest FROM forged WHERE merchant = $1 AND account = $2 AND digest <> $3
		ORDER BY received_at DESC, digest DESC LIMIT 1 OFFSET $4 - 1)`
)

// Message implements store.Messages.
func (r *reads) Message(ctx context.Context, key store.MessageKey) (store.Message, error) {
	var row messageRow
	if err := r.db.GetContext(ctx, &row, readMessage, key.Merchant, key.Account, key.Digest[:]); err != nil {
		return store.Message{}, none("read message", err)
	}
	return r.opened(&row)
}

// opened is a message with its raw bytes.
func (r *reads) opened(row *messageRow) (store.Message, error) {
	raw, err := r.sealer.Open(row.Sealed, messagePlace(row.key()))
	if err != nil {
		return store.Message{}, fmt.Errorf("open message %s: %w", row.MessageID, err)
	}
	return row.message(raw), nil
}

// Orphans implements store.Messages.
func (r *reads) Orphans(ctx context.Context, accounts []string, limit int) ([]store.Message, error) {
	of, err := r.textList(accounts)
	if err != nil {
		return nil, err
	}
	var rows []*messageRow
	query := r.pick(readOrphansOnPostgres, readOrphansOnSQLite)
	if err := r.db.SelectContext(ctx, &rows, query, r.unplanned([]any{limit, of})...); err != nil {
		return nil, beforeCommit("find orphans", err)
	}
	out := make([]store.Message, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = r.opened(row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// AddForged implements store.Messages.
func (w *writes) AddForged(ctx context.Context, m store.Message, keep int) error {
	sealed := w.sealer.Seal(m.Raw, forgedPlace(m.MessageKey))
	args := []any{m.Merchant, m.Account, m.Digest[:], m.ID, m.ReceivedAt, sealed}
	return w.apart(ctx, func(tx transaction) error {
		if w.dialect == onPostgres {
			_, err := tx.ExecContext(ctx, addForgedOnPostgres, append(args, max(keep, 1))...)
			return beforeCommit("keep forged callback", err)
		}
		if _, err := tx.ExecContext(ctx, addForgedOnSQLite, args...); err != nil {
			return beforeCommit("keep forged callback", err)
		}
		_, err := tx.ExecContext(ctx, trimForgedOnSQLite, m.Merchant, m.Account, m.Digest[:], max(keep, 1))
		return beforeCommit("keep forged callback", err)
	})
}

// CountForged implements store.Messages.
func (r *reads) CountForged(ctx context.Context, merchant, account string) (int, error) {
	var count int
	if err := r.db.GetContext(ctx, &count, countForged, merchant, account); err != nil {
		return 0, beforeCommit("count forged callbacks", err)
	}
	return count, nil
}
