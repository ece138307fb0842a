package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/kvitpay/kvit/server/store"
)

const (
	credentialColumns = `merchant, id, hash, kind, name, scopes, live, created_at, created_by, expires_at, revoked_at`

	credentialByHash = `SELECT ` + credentialColumns + ` FROM credentials WHERE hash = $1`

	credentialByID = `SELECT ` + credentialColumns + ` FROM credentials WHERE merchant = $1 AND id = $2`

	addCredential = `INSERT INTO credentials (` + credentialColumns + `)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`

	revokeCredential = `UPDATE credentials SET revoked_at = $3 WHERE merchant = $1 AND id = $2 AND revoked_at IS NULL`

	addAudit = `INSERT INTO audit (merchant, id, at, actor_kind, actor_id, act, subject, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

	addRecord = `INSERT INTO records (merchant, method, key, fingerprint, result, created_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`
)

// credentialRow is a row of credentials.
type credentialRow struct {
	Merchant  string `db:"merchant"`
	ID        string `db:"id"`
	Hash      digest `db:"hash"`
	Kind      string `db:"kind"`
	Name      string `db:"name"`
	Scopes    string `db:"scopes"`
	Live      bool   `db:"live"`
	CreatedAt micros `db:"created_at"`
	CreatedBy string `db:"created_by"`
	ExpiresAt micros `db:"expires_at"`
	RevokedAt micros `db:"revoked_at"`
}

func (r *credentialRow) credential() (store.Credential, error) {
	c := store.Credential{
		ID: r.ID, Hash: r.Hash, Kind: store.CredentialKind(r.Kind), Merchant: r.Merchant, Name: r.Name, Live: r.Live,
		CreatedAt: r.CreatedAt.Time, CreatedBy: r.CreatedBy, ExpiresAt: r.ExpiresAt.Time, RevokedAt: r.RevokedAt.Time,
	}
	if err := json.Unmarshal([]byte(r.Scopes), &c.Scopes); err != nil {
		return c, fmt.Errorf("read scopes of key %s: %w", r.ID, err)
	}
	return c, nil
}

// CredentialByHash implements store.Credentials.
func (r *reads) CredentialByHash(ctx context.Context, hash [32]byte) (store.Credential, error) {
	var row credentialRow
	if err := r.db.GetContext(ctx, &row, credentialByHash, hash[:]); err != nil {
		return store.Credential{}, none("find key", err)
	}
	return row.credential()
}

// ListCredentials implements store.Credentials.
func (r *reads) ListCredentials(ctx context.Context, merchant string, page store.Page) ([]store.Credential, error) {
	q := &query{}
	q.add(`SELECT ` + credentialColumns + ` FROM credentials c WHERE c.merchant = ` + q.arg(merchant))
	q.after("c", "id", page)
	q.newestFirst("c", "id")
	q.add(" LIMIT " + q.arg(page.Limit))
	var rows []*credentialRow
	if err := r.db.SelectContext(ctx, &rows, q.text.String(), q.args...); err != nil {
		return nil, beforeCommit("list keys", err)
	}
	out := make([]store.Credential, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = row.credential(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// AddCredential implements store.Credentials. CreatedAt is the database's time where it is not set.
func (w *writes) AddCredential(ctx context.Context, c store.Credential, audit store.Audit, record store.Record) error {
	scopes, err := json.Marshal(c.Scopes)
	if err != nil {
		return fmt.Errorf("add key: %w", err)
	}
	now, err := w.Now(ctx)
	if err != nil {
		return err
	}
	created := c.CreatedAt
	if created.IsZero() {
		created = now
	}
	return w.inTx(ctx, func(tx transaction) error {
		err := addOne(ctx, tx, addCredential, c.Merchant, c.ID, c.Hash[:], string(c.Kind), c.Name, string(scopes), c.Live,
			created, c.CreatedBy, (&micros{c.ExpiresAt}).orNull(), (&micros{c.RevokedAt}).orNull())
		if err != nil {
			return err
		}
		if record.Key != "" {
			sealed := w.sealer.Seal(record.Result, recordPlace(record.RecordKey))
			err := addOne(ctx, tx, addRecord, record.Merchant, record.Method, record.Key, record.Fingerprint, sealed, now)
			if err != nil {
				return err
			}
		}
		return writeAudit(ctx, tx, audit, now)
	})
}

// RevokeCredential implements store.Credentials.
func (w *writes) RevokeCredential(ctx context.Context, merchant, id string, audit store.Audit) (store.Credential, error) {
	now, err := w.Now(ctx)
	if err != nil {
		return store.Credential{}, err
	}
	var row credentialRow
	err = w.inTx(ctx, func(tx transaction) error {
		done, err := tx.ExecContext(ctx, revokeCredential, merchant, id, now)
		if err != nil {
			return beforeCommit("revoke key", err)
		}
		if err := tx.GetContext(ctx, &row, credentialByID, merchant, id); err != nil {
			return none("revoke key", err)
		}
		count, err := done.RowsAffected()
		if err != nil {
			return fmt.Errorf("revoke key: %w", err)
		}
		if count == 0 {
			return nil
		}
		return writeAudit(ctx, tx, audit, now)
	})
	if err != nil {
		return store.Credential{}, err
	}
	return row.credential()
}

func writeAudit(ctx context.Context, tx transaction, a store.Audit, now time.Time) error {
	_, err := tx.ExecContext(ctx, addAudit, a.Merchant, a.ID, now, string(a.Actor.Kind), a.Actor.ID, a.Act, a.Subject, a.Reason)
	return beforeCommit("write audit", err)
}

// addOne inserts a row that must not exist.
func addOne(ctx context.Context, tx transaction, query string, args ...any) error {
	done, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return beforeCommit("add key", err)
	}
	count, err := done.RowsAffected()
	if err != nil {
		return fmt.Errorf("add key: %w", err)
	}
	if count != 1 {
		return errShort
	}
	return nil
}
