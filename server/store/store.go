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
	PSPs
	Credentials
	Installation
	// Close waits for what is under way and lets the database go.
	Close() error
}

// PSPs is what the work at PSPs needs.
type PSPs interface {
	Attempts
	Messages
	Tasks
}

// OrderKey names an order.
type OrderKey struct{ Merchant, ID string }

// LinkKey names a link.
type LinkKey struct{ Merchant, ID string }

// RecordKey names the recorded result of one idempotency key (I1).
type RecordKey struct{ Merchant, Method, Key string }

// MessageKey names a message of a PSP by the SHA-256 of what it says, so that a repeat is recognised (C1).
type MessageKey struct {
	Merchant, Account string
	Digest            [32]byte
}

// TaskKey names a task by the id of the attempt or refund that it is about.
type TaskKey struct{ Merchant, ID string }

// PaymentKey names a payment as its PSP does: the same money is never two payments (O8).
type PaymentKey struct{ Merchant, Account, PSPPaymentID string }

// Keys are the roots and natural keys that a batch names. They may repeat and come in any order.
type Keys struct {
	Orders   []OrderKey
	Links    []LinkKey
	Records  []RecordKey
	Messages []MessageKey
	Tasks    []TaskKey
	Payments []PaymentKey
	// Existing says that the orders are expected to be there: what is below them is read in the same
	// trip. It is about time alone; what is found is the same without it.
	Existing bool
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
	// Messages are those that are on record, without their raw bytes.
	Messages map[MessageKey]Message
	// Tasks are locked until the transaction ends, so that a fence that fits stays so.
	Tasks map[TaskKey]Task
	// Payments say to which order a PSP's payment belongs.
	Payments map[PaymentKey]OrderKey
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
	// Messages are new ones, or ones on record with another outcome.
	Messages []Message
	// Tasks are new or changed; Done are those that end. None is in both.
	Tasks []Task
	Done  []TaskKey
	// Handoffs are the ways to the PSP, one per attempt, for the second tap that joins it (O7).
	Handoffs []Handoff
}

// MessageKind says how a message came.
type MessageKind string

// The kinds of message.
const (
	CallbackMessage MessageKind = "CALLBACK"
	// LookupMessage is the answer to a lookup that showed something new.
	LookupMessage MessageKind = "LOOKUP"
)

// MessageOutcome says what became of a message.
type MessageOutcome string

// The outcomes of a message.
const (
	// MessageApplied means that its facts were taken in, in the commit that kept it (C1).
	MessageApplied MessageOutcome = "APPLIED"
	// MessageHint means that it proves nothing and led to a lookup (C4).
	MessageHint MessageOutcome = "HINT"
	// MessageOrphan means that its reference is ours and the attempt is not there (C5).
	MessageOrphan MessageOutcome = "ORPHAN"
	// MessageForeign means that its reference is not ours, or that it has none (C5).
	MessageForeign MessageOutcome = "FOREIGN"
	// MessageUnreadable means that it could not be understood (C5).
	MessageUnreadable MessageOutcome = "UNREADABLE"
	// MessageFailed means that taking it in failed for a fault of ours. It waits to be replayed (C6).
	MessageFailed MessageOutcome = "FAILED"
)

// Message is what a PSP sent, kept raw beside the parsed fact (J5).
type Message struct {
	MessageKey
	// ID names it in evidence (order.Evidence.RawID).
	ID      string
	Kind    MessageKind
	Outcome MessageOutcome
	// Ref is the reference in the message, AttemptID the attempt that it names where it is ours.
	Ref       string
	AttemptID string
	// OrderID is the order that it was applied to.
	OrderID    string
	ReceivedAt time.Time
	// Raw is what came: a psp.Callback as JSON, or a lookup's answer. The store seals it. It is not
	// loaded by Begin, and a change of outcome leaves it as it is.
	Raw []byte
}

// TaskKind says what is to be done.
type TaskKind string

// The kinds of task.
const (
	// AskAttempt asks the PSP about an attempt until there is a final answer (O6).
	AskAttempt TaskKind = "ATTEMPT"
	// DoRefund sends a refund that waits, and asks about one that is in doubt (R2).
	DoRefund TaskKind = "REFUND"
)

// Task is work at a PSP that is not finished. It is claimed by a lease and fenced (I5, O6).
type Task struct {
	TaskKey
	Kind    TaskKind
	OrderID string
	Account string
	DueAt   time.Time
	// LeasedUntil is until when somebody works on it; zero where nobody does.
	LeasedUntil time.Time
	// Fence counts the take-overs: a result is written by the holder of the last one.
	Fence int64
	// Asked counts the questions on the schedule; AskedAt is when the last one was asked, zero before.
	Asked   int
	AskedAt time.Time
	// Hinted is true where a callback that proves nothing asks for the lookup (C4).
	Hinted bool
}

// Handoff is a way to a PSP. The store seals Data.
type Handoff struct {
	Merchant, AttemptID string
	Data                []byte
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

// RefundFilter narrows ListRefunds. Zero fields do not narrow.
type RefundFilter struct {
	OrderID string
	States  []order.RefundState
}

// RefundRead is a refund with what it belongs to.
type RefundRead struct {
	order.Refund
	OrderID string
	// Currency is the payment's.
	Currency string
}

// Reads answers questions about the present. Details are filled in.
type Reads interface {
	// Order reads one order, or ErrNotFound.
	Order(ctx context.Context, key OrderKey) (OrderRead, error)
	// Link reads one link, or ErrNotFound.
	Link(ctx context.Context, key LinkKey) (LinkRead, error)
	// LinkByToken finds a link of any merchant by the SHA-256 of its token (L1), or ErrNotFound.
	LinkByToken(ctx context.Context, tokenHash [32]byte) (LinkRead, error)
	// ListOrders returns orders by creation time and id, newest first.
	ListOrders(ctx context.Context, merchant string, filter OrderFilter, page Page) ([]OrderRead, error)
	// ListLinks returns links by creation time and id, newest first.
	ListLinks(ctx context.Context, merchant string, filter LinkFilter, page Page) ([]LinkRead, error)
	// DueOrders names orders of all merchants whose offer ran out and is not yet ended, oldest first (E1).
	DueOrders(ctx context.Context, limit int) ([]OrderKey, error)
}

// Attempts answers questions about what stands below orders.
type Attempts interface {
	// OrderOfAttempt names the order of an attempt of the message's merchant, or ErrNotFound, and says what
	// became of that message; nothing where it is not on record. What it reads is committed. Calls at the
	// same time share a statement.
	OrderOfAttempt(ctx context.Context, attemptID string, message MessageKey) (orderID string, outcome MessageOutcome, err error)
	// OrderOfRefund names the order of a refund, or ErrNotFound.
	OrderOfRefund(ctx context.Context, merchant, refundID string) (string, error)
	// ListRefunds returns refunds by request time and id, newest first.
	ListRefunds(ctx context.Context, merchant string, filter RefundFilter, page Page) ([]RefundRead, error)
	// Handoff reads the way to the PSP of an attempt, or ErrNotFound.
	Handoff(ctx context.Context, merchant, attemptID string) ([]byte, error)
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

// Messages reads what PSPs sent.
type Messages interface {
	// Message reads one with its raw bytes, or ErrNotFound.
	Message(ctx context.Context, key MessageKey) (Message, error)
	// Orphans returns orphans of these accounts whose attempt is there by now, with their raw bytes,
	// oldest first (C5).
	Orphans(ctx context.Context, accounts []string, limit int) ([]Message, error)
	// AddForged keeps a callback with a wrong signature, and the newest keep of its account (C1); a few
	// more may stay until the next where several come at once. A repeat counts once.
	AddForged(ctx context.Context, message Message, keep int) error
	// CountForged is how many callbacks with a wrong signature an account has on record.
	CountForged(ctx context.Context, merchant, account string) (int, error)
}

// Claim says how tasks are claimed.
type Claim struct {
	Limit int
	// LeaseFor is how long the claimer may work.
	LeaseFor time.Duration
	// Spacing is how long after the last question the next may be asked at the soonest (O6).
	Spacing time.Duration
	// Except are accounts of which nothing is claimed: they have enough to do.
	Except []string
}

// Tasks hands out work at PSPs. A claim is a lease in the database; no order is touched.
type Tasks interface {
	// ClaimTasks takes over tasks of all merchants that are due and that nobody works on, oldest
	// first: their fence goes up by one. Several servers never get the same one.
	ClaimTasks(ctx context.Context, claim Claim) ([]Task, error)
	// ClaimTask takes over one task, due or not, that nobody works on; ErrNotFound where there is none
	// or somebody does. Spacing does not count. It waits for a transaction that holds the task.
	ClaimTask(ctx context.Context, key TaskKey, leaseFor time.Duration) (Task, error)
	// NudgeTasks makes the tasks of an order due, as soon as Spacing allows (O6). It never makes one later,
	// and leaves those alone that a transaction holds just then.
	NudgeTasks(ctx context.Context, key OrderKey, spacing time.Duration) error
	// TakePace reports whether an account may be asked now, and if so not again before every has
	// passed (C4). Accounts are unique in the installation.
	TakePace(ctx context.Context, account string, every time.Duration) (bool, error)
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
	// EnsureMark returns the mark of this installation's references (C5): the given one, if it is the
	// first, and for ever after the one that was kept then.
	EnsureMark(ctx context.Context, mark string) (string, error)
	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
	// Pools are the pools of connections as they stand, for metrics. Their names and number never change.
	Pools() []Pool
}
