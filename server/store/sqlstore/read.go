package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// dialect is which engine statements are for. Both number their parameters $1, $2 ...
type dialect int

const (
	onPostgres dialect = iota
	onSQLite
)

// reads are the questions, the same on both engines but for the text of some statements.
type reads struct {
	db      *sqlx.DB
	dialect dialect
	sealer  Sealer
	now     func() time.Time
	// recorded and attempts share statements on PostgreSQL.
	recorded *lookups[store.RecordKey, recordRow]
	attempts *lookups[attemptKey, attemptOf]
}

func newReads(db *sqlx.DB, on dialect, settings Settings) reads {
	r := reads{db: db, dialect: on, sealer: settings.Sealer, now: settings.Now}
	r.recorded = newLookups(compareRecordKeys, r.recordsOf)
	r.attempts = newLookups(compareAttemptKeys, r.ordersOfAttempts)
	return r
}

// clock is the time of a SQLite database.
func (r *reads) clock() time.Time { return r.now().UTC().Truncate(time.Microsecond) }

// pick chooses the text of a statement.
func (r *reads) pick(forPostgres, forSQLite string) string {
	if r.dialect == onPostgres {
		return forPostgres
	}
	return forSQLite
}

// timed adds the time as the last argument where the statement takes it from us.
func (r *reads) timed(args ...any) []any {
	if r.dialect == onSQLite {
		args = append(args, r.clock())
	}
	return args
}

// readRow is an order as it is read: with children, link, words and the time.
type readRow struct {
	orderRow
	childrenRow

	Link   []byte `db:"link"`
	Sealed []byte `db:"sealed"`
	Now    micros `db:"now"`
}

// Order implements store.Reads with one statement, so that order, children and link are of one instant.
func (r *reads) Order(ctx context.Context, key store.OrderKey) (store.OrderRead, error) {
	var row readRow
	query := r.pick(readOrderOnPostgres, readOrderOnSQLite)
	if err := r.db.GetContext(ctx, &row, query, r.timed(key.Merchant, key.ID)...); err != nil {
		return store.OrderRead{}, none("read order", err)
	}
	return r.orderRead(&row)
}

func (r *reads) orderRead(row *readRow) (store.OrderRead, error) {
	o, err := row.order(&row.childrenRow)
	if err != nil {
		return store.OrderRead{}, err
	}
	if o.Details, err = r.details(row.Merchant, row.DetailsID, row.Sealed); err != nil {
		return store.OrderRead{}, err
	}
	read := store.OrderRead{Order: o, Now: row.Now.Time}
	if len(row.Link) == 0 {
		return read, nil
	}
	var link linkRow
	if err := json.Unmarshal(row.Link, &link); err != nil {
		return store.OrderRead{}, fmt.Errorf("read link of order %s: %w", row.OrderID, err)
	}
	if read.Link, err = link.link(); err != nil {
		return store.OrderRead{}, err
	}
	if read.Link.Kind == order.Dynamic {
		read.Link.Details = o.Details
	}
	return read, nil
}

// details opens the words of an order or link. They are empty where there are none, or no more.
func (r *reads) details(merchant, entryID string, sealed []byte) (*order.Details, error) {
	if len(sealed) == 0 {
		return &order.Details{}, nil
	}
	text, err := r.sealer.Open(sealed, textPlace(merchant, entryID))
	if err != nil {
		return nil, fmt.Errorf("open text %s: %w", entryID, err)
	}
	private, err := order.OpenPrivate(text)
	if err != nil {
		return nil, fmt.Errorf("open text %s: %w", entryID, err)
	}
	if private.Details == nil {
		return &order.Details{}, nil
	}
	return private.Details, nil
}

// linkReadRow is a link as it is read: with its words and the time.
type linkReadRow struct {
	linkRow

	Sealed []byte `db:"sealed"`
	Now    micros `db:"now"`
}

// Link implements store.Reads. The order of a dynamic link is read after it.
func (r *reads) Link(ctx context.Context, key store.LinkKey) (store.LinkRead, error) {
	return r.linkWhere(ctx, r.pick(readLinkOnPostgres, readLinkOnSQLite), key.Merchant, key.ID)
}

// LinkByToken implements store.Reads.
func (r *reads) LinkByToken(ctx context.Context, tokenHash [32]byte) (store.LinkRead, error) {
	return r.linkWhere(ctx, r.pick(readLinkByTokenOnPostgres, readLinkByTokenOnSQLite), tokenHash[:])
}

func (r *reads) linkWhere(ctx context.Context, query string, args ...any) (store.LinkRead, error) {
	var row linkReadRow
	if err := r.db.GetContext(ctx, &row, query, r.timed(args...)...); err != nil {
		return store.LinkRead{}, none("read link", err)
	}
	read, err := r.linkRead(&row)
	if err != nil || read.Link.Kind != order.Dynamic {
		return read, err
	}
	of, err := r.Order(ctx, store.OrderKey{Merchant: row.Merchant, ID: row.OrderID})
	if err != nil {
		return store.LinkRead{}, fmt.Errorf("read order of link %s: %w", row.LinkID, err)
	}
	return withOrder(read, of), nil
}

func (r *reads) linkRead(row *linkReadRow) (store.LinkRead, error) {
	l, err := row.link()
	if err != nil {
		return store.LinkRead{}, err
	}
	if l.Details, err = r.details(row.Merchant, row.DetailsID, row.Sealed); err != nil {
		return store.LinkRead{}, err
	}
	return store.LinkRead{Link: l, Now: row.Now.Time}, nil
}

// withOrder adds the order of a dynamic link, whose words are the link's.
func withOrder(read store.LinkRead, of store.OrderRead) store.LinkRead {
	read.Order, read.Now = of.Order, of.Now
	if read.Link.DetailsID == "" {
		read.Link.Details = of.Order.Details
	}
	return read
}
