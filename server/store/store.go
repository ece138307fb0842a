// Package store is the socket for everything that must survive: links, orders and their journal,
// recorded results, API keys. Plugs are in sqlstore; the suite that each engine passes is storetest.
//
// Its one idea: what decides about money is held by the database. Uniqueness, order and bounds are
// constraints there, and a write transaction ([Tx]) locks the roots it names, loads what stands
// below them, and saves everything at once with the journal (J1). Only writer opens one (law 7).
//
// Concurrency: a Store is used from many goroutines, a Tx from one. Reads go to the primary
// database and hold nothing longer than a page.
//
// Failure: errors are [ErrRetry], [ErrCommitUnclear], [ErrNotFound], or mean that the store is away.
// No row of another merchant is ever returned: every method names its merchant.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/kvitpay/kvit/server/order"
)

var (
	// ErrRetry means that a race was lost and nothing was written: run the batch again on fresh rows.
	ErrRetry = errors.New("store: a race was lost, nothing was written")
	// ErrCommitUnclear means that the connection was lost at COMMIT: the batch may be there. It is never run again.
	ErrCommitUnclear = errors.New("store: it is not known whether the commit took effect")
	// ErrNotFound means that there is no such row for this merchant.
	ErrNotFound = errors.New("store: not found")
	// ErrKeysDoNotFit means that the database was written with keys that this server does not have (A2).
	ErrKeysDoNotFit = errors.New("store: the installation's keys do not fit this database")
)

// Store is one database.
type Store interface {
	Begins
	Reads
	Journal
	Records
	Credentials
	Installation
	// Close waits for what is under way and lets the database go.
	Close() error
}

// OrderKey names an order.
type OrderKey struct{ Merchant, ID string }

// LinkKey names a link.
type LinkKey struct{ Merchant, ID string }

// RecordKey names the recorded result of one idempotency key (I1).
type RecordKey struct{ Merchant, Method, Key string }

// Keys are the roots and natural keys that a batch names. They may repeat and come in any order.
type Keys struct {
	Orders  []OrderKey
	Links   []LinkKey
	Records []RecordKey
}

// Record is the recorded result of a call (I2). The store seals Result.
type Record struct {
	RecordKey
	// Fingerprint is the keyed hash per semantic field of the request (I1).
	Fingerprint []byte
	// Result is the use-case's result, without the link's address.
	Result []byte
	// CreatedAt is filled in when it is read.
	CreatedAt time.Time
}

// Snapshot is what a transaction found: the rows that exist under the keys it was given. Holders
// clone an order or link before they change it.
type Snapshot struct {
	// Now is the database's clock, taken after the locks, UTC in microseconds.
	Now     time.Time
	Orders  map[OrderKey]*order.Order
	Links   map[LinkKey]*order.Link
	Records map[RecordKey]Record
}

// OrderChange is an order before and after a batch. Before is nil for a new one.
type OrderChange struct{ Before, After *order.Order }

// LinkChange is a link before and after a batch. Before is nil for a new one.
type LinkChange struct{ Before, After *order.Link }

// Changes are what a batch writes. Entries are in the order of decisions; positions and chain are
// given by Save, per merchant, without a gap (J2, J3).
type Changes struct {
	Orders  []OrderChange
	Links   []LinkChange
	Records []Record
	Entries []order.Entry
}

// Begins opens write transactions. Only writer calls it.
type Begins interface {
	// Begin locks the named roots that exist, in key order, and loads them with their children and
	// the natural keys: children are read by statements after the lock, so that what a former holder
	// inserted is seen.
	Begin(ctx context.Context, keys Keys) (Tx, error)
}

// Tx is one write transaction. It ends with Save or Rollback, each called once at most.
type Tx interface {
	// Snapshot is what Begin found.
	Snapshot() *Snapshot
	// Save writes everything and commits. On any error nothing was written, but for ErrCommitUnclear.
	Save(ctx context.Context, changes *Changes) error
	// Rollback ends the transaction without a trace. After Save it does nothing.
	Rollback()
}

// OrderRead is an order with its current link, its words and the time by which it is judged (E1).
type OrderRead struct {
	Order *order.Order
	// Link is the order's current link.
	Link *order.Link
	// Now is the database's clock.
	Now time.Time
}

// LinkRead is a link, its words, and for a dynamic one its order.
type LinkRead struct {
	Link *order.Link
	// Order is nil for a fixed link.
	Order *order.Order
	// Now is the database's clock.
	Now time.Time
}

// Page asks for rows after a place, newest first.
type Page struct {
	// Limit is how many rows at most.
	Limit int
	// BeforeTime and BeforeID are the last row of the page before; zero for the first page.
	BeforeTime time.Time
	BeforeID   string
}

// OrderFilter narrows ListOrders. Zero fields do not narrow. States are those that a reader sees (E1).
type OrderFilter struct {
	States        []order.State
	CustomerID    string
	ViberBot      string
	ViberUserID   string
	LinkID        string
	CreatedAfter  time.Time
	CreatedBefore time.Time
}

// LinkFilter narrows ListLinks. Zero fields do not narrow. States are those that a reader sees.
type LinkFilter struct {
	Kind          order.Kind
	States        []order.LinkState
	OrderID       string
	CreatedAfter  time.Time
	CreatedBefore time.Time
}

// Reads answers questions about the present. Details are filled in.
type Reads interface {
	// Order reads one order, or ErrNotFound.
	Order(ctx context.Context, key OrderKey) (OrderRead, error)
	// Link reads one link, or ErrNotFound.
	Link(ctx context.Context, key LinkKey) (LinkRead, error)
	// ListOrders returns orders by creation time and id, newest first.
	ListOrders(ctx context.Context, merchant string, filter OrderFilter, page Page) ([]OrderRead, error)
	// ListLinks returns links by creation time and id, newest first.
	ListLinks(ctx context.Context, merchant string, filter LinkFilter, page Page) ([]LinkRead, error)
	// DueOrders names orders of all merchants whose offer ran out and is not yet ended, oldest first (E1).
	DueOrders(ctx context.Context, limit int) ([]OrderKey, error)
}

// StoredEntry is a line of the journal as it is kept: the bytes verbatim and the chain's hash there (J3).
type StoredEntry struct {
	Position uint64
	Bytes    []byte
	Hash     order.Hash
}

// EntryFilter narrows Filtered. An entry passes if it matches one of each list that is not empty.
type EntryFilter struct {
	OrderIDs []string
	// Types are whole types ("order.paid") or prefixes that end in a dot ("order.").
	Types []string
}

// Journal reads what happened, in the order of positions.
type Journal interface {
	// Entries returns up to limit entries after a position, without a gap.
	Entries(ctx context.Context, merchant string, after uint64, limit int) ([]StoredEntry, error)
	// Filtered returns up to limit entries that pass, after a position and no further than `to`,
	// and how far it looked: to, or the last returned entry where the limit was reached (J2).
	Filtered(ctx context.Context, merchant string, filter EntryFilter, after, to uint64, limit int) ([]StoredEntry, uint64, error)
	// OrderEntries returns all entries of one order, link entries among them.
	OrderEntries(ctx context.Context, key OrderKey) ([]StoredEntry, error)
	// Head is the last position and the chain's hash there; 0 and the zero hash for an empty journal.
	Head(ctx context.Context, merchant string) (uint64, order.Hash, error)
	// HashAt is the chain's hash at a position, or ErrNotFound. Position 0 has the zero hash.
	HashAt(ctx context.Context, merchant string, position uint64) (order.Hash, error)
	// Texts returns the private texts beside these entries, by entry id; erased ones are absent.
	Texts(ctx context.Context, merchant string, entryIDs []string) (map[string][]byte, error)
}

// Records finds recorded results without a write transaction (I2).
type Records interface {
	// Recorded reads one record, or ErrNotFound. Calls at the same time share a statement.
	Recorded(ctx context.Context, key RecordKey) (Record, error)
	// ForgetRecords deletes records older than a time, at most limit of them, and counts them (I6).
	ForgetRecords(ctx context.Context, olderThan time.Time, limit int) (int, error)
}

// CredentialKind says what a key is for (A1).
type CredentialKind string

// The kinds of credential.
const (
	MerchantKey CredentialKind = "MERCHANT"
	EdgeKey     CredentialKind = "EDGE"
	PlatformKey CredentialKind = "PLATFORM"
)

// Credential is an API key as it is kept: hashed (A1).
type Credential struct {
	ID   string
	Hash [32]byte
	Kind CredentialKind
	// Merchant is empty for edge keys and for platform keys that stand for nobody.
	Merchant  string
	Name      string
	Scopes    []string
	Live      bool
	CreatedAt time.Time
	CreatedBy string
	ExpiresAt time.Time
	RevokedAt time.Time
}

// Audit is an act without an order, on record in the transaction of the act (X3).
type Audit struct {
	ID string
	// Merchant is empty for acts on the installation.
	Merchant string
	Actor    order.Actor
	// Act is a dotted word: "key.created".
	Act     string
	Subject string
	Reason  string
}

// Credentials keeps API keys.
type Credentials interface {
	// CredentialByHash finds a key that may be used or was revoked, or ErrNotFound.
	CredentialByHash(ctx context.Context, hash [32]byte) (Credential, error)
	// AddCredential keeps a key with its audit entry and, where record has a key, the recorded result
	// of the call (I2); ErrRetry where the id, the hash or the record exists.
	AddCredential(ctx context.Context, credential Credential, audit Audit, record Record) error
	// ListCredentials returns a merchant's keys, newest first.
	ListCredentials(ctx context.Context, merchant string, page Page) ([]Credential, error)
	// RevokeCredential ends a key, or ErrNotFound. Revoked again, it answers the same and changes nothing.
	RevokeCredential(ctx context.Context, merchant, id string, audit Audit) (Credential, error)
}

// Pool is the state of a pool of connections.
type Pool struct {
	Name string
	// Busy and Idle are connections now; Most is how many there may be.
	Busy, Idle, Most int
	// Waits is how often a connection had to be waited for since the start, Waited for how long in all.
	Waits  int64
	Waited time.Duration
}

// Installation is what belongs to the whole database.
type Installation interface {
	// Now is the database's clock, UTC in microseconds.
	Now(ctx context.Context) (time.Time, error)
	// EnsureMerchants makes the journals of these merchants, once.
	EnsureMerchants(ctx context.Context, merchants []string) error
	// EnsureKeys compares the check values of the installation's keys with those in the database and
	// adds new ones; ErrKeysDoNotFit where the database knows a key id that is missing or differs (A2).
	EnsureKeys(ctx context.Context, checks map[string][]byte) error
	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
	// Pools are the pools of connections as they stand, for metrics. Their names and number never change.
	Pools() []Pool
}
