// Package payment holds what callers can do with links and orders: one verb per file.
//
// Its one idea: a use-case prepares everything that may fail or be random, then hands writer one
// command with a pure decision, so that intent, effect, journal and recorded result are one commit
// (I2, I4, J1). Reads go straight to the store and wait for nobody.
//
// What it promises: with an idempotency key a call has its effect once, however often and wherever
// it is repeated, with Redis or without (I2, I3). What it does not: the link's address is in no
// record, journal or log; it is made when we answer (L1).
//
// Concurrency: a Service is used from many goroutines.
//
// Failure: errors are faults with documented reasons. STORE_UNAVAILABLE, DEADLINE_EXCEEDED and
// CANCELLED leave open whether the effect is there; the repeat with the same key tells.
package payment

import (
	"context"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/lock"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/stream"
	"github.com/kvitpay/kvit/server/writer"
)

// Caller is who calls: the owner of the credential. The merchant is never taken from a request (A1).
type Caller struct {
	Merchant string
	// KeyID is the API key's id, which the journal names as the actor (X3).
	KeyID string
	// Live is false for test keys: their orders pay at test accounts only.
	Live bool
}

func (c Caller) actor() order.Actor { return order.Actor{Kind: order.ByKey, ID: c.KeyID} }

// Merchant is a tenant, as the settings describe it.
type Merchant struct {
	ID     string
	Name   string
	Live   bool
	Locale string
	// Support is where payers find help, empty where the merchant gave nothing.
	Support string
	// AcceptAfter is how long after an offer facts are still asked for (E1).
	AcceptAfter time.Duration
	Location    *time.Location
}

// Store is what the use-cases read.
type Store interface {
	store.Reads
	store.Attempts
	store.Journal
	store.Records
	store.Messages
	store.Tasks
}

// Writer is the one way in which state changes.
type Writer interface {
	Do(ctx context.Context, cmd writer.Command) error
}

// Observer counts what happens to idempotency keys. All funcs may be nil.
type Observer struct {
	Replayed func(method string)
	Reused   func(method string)
	InUse    func(method string)
	// Callback hears what became of a callback of an account: an outcome of store, or REPEATED.
	Callback func(account, outcome string)
	// Forged hears of a callback with a wrong signature (C1).
	Forged func(account string)
	// Lost hears of something that should have been kept and was not, and that leads to nothing.
	Lost func(what string, err error)
}

// Needs is what a Service is made from.
type Needs struct {
	Store  Store
	Writer Writer
	Locks  lock.Locker
	Keys   *seal.Keyring
	// IDs makes the seed and salt of a command's ids: fresh and random on each call.
	IDs       func() order.IDs
	Merchants []Merchant
	// Accounts are the PSP accounts, those of one merchant in the order in which payers see them.
	Accounts []*psp.Account
	// Mark is the installation's mark in our references (C5).
	Mark psp.Mark
	// Policies say per merchant what becomes of exceptions (X2). A merchant that is absent holds all.
	Policies map[string]order.Policy
	// Bus wakes those who wait for an order to change.
	Bus stream.Bus
	// Now is the process's clock. It paces what is kept; decisions use the database's.
	Now func() time.Time
	// PublicURL is how payers reach this installation, without a slash at the end.
	PublicURL string
	Observer  Observer
}

// Service is the use-cases of links and orders.
type Service struct {
	store     Store
	writer    Writer
	locks     lock.Locker
	keys      *seal.Keyring
	newIDs    func() order.IDs
	merchants map[string]Merchant
	publicURL string
	observer  Observer

	account    map[string]*psp.Account
	accounts   []*psp.Account
	accountsOf map[string][]*psp.Account
	mark       psp.Mark
	policy     map[string]order.Policy
	bus        stream.Bus
	nudges     chan store.OrderKey
	workers    workers
	forged     *rate.Limiter
	now        func() time.Time
}

// New makes the use-cases.
func New(needs Needs) *Service {
	s := &Service{
		store: needs.Store, writer: needs.Writer, locks: needs.Locks, keys: needs.Keys, newIDs: needs.IDs,
		publicURL: needs.PublicURL, observer: needs.Observer, merchants: make(map[string]Merchant, len(needs.Merchants)),
	}
	for _, m := range needs.Merchants {
		s.merchants[m.ID] = m
	}
	s.mark, s.policy, s.bus, s.now = needs.Mark, needs.Policies, needs.Bus, needs.Now
	s.workers.of = map[string]int{}
	s.nudges = make(chan store.OrderKey, nudgesMax)
	s.forged = rate.NewLimiter(forgedPace, forgedBurst)
	s.accounts, s.account, s.accountsOf = needs.Accounts, map[string]*psp.Account{}, map[string][]*psp.Account{}
	for _, a := range needs.Accounts {
		s.account[a.ID()] = a
		s.accountsOf[a.Merchant()] = append(s.accountsOf[a.Merchant()], a)
	}
	return s
}

// Merchant returns the caller's merchant. The fault is NotFound, MERCHANT_NOT_FOUND: a key may outlive
// its merchant's place in the settings.
func (s *Service) Merchant(caller Caller) (Merchant, error) {
	m, ok := s.merchants[caller.Merchant]
	if !ok {
		return Merchant{}, fault.New(fault.NotFound, fault.ReasonMerchantNotFound, "The key's merchant is not in this installation's settings.")
	}
	return m, nil
}

// PublicURL is how payers reach this installation.
func (s *Service) PublicURL() string { return s.publicURL }

// address is a link's address. It is made here and kept nowhere (L1). A link whose key has left the
// ring has none.
func (s *Service) address(keyID, linkID string) string {
	token, ok := s.keys.LinkTokenWith(keyID, linkID)
	if !ok {
		return ""
	}
	return s.publicURL + "/pay/" + token
}

// readFailed turns a store's error into a fault. What is not found is the given reason.
func readFailed(err error, reason fault.Reason, message string) error {
	if errors.Is(err, store.ErrNotFound) {
		return fault.New(fault.NotFound, reason, message)
	}
	return away(err)
}

// away is the fault of a read that the store did not answer.
func away(err error) error {
	var already *fault.Error
	switch {
	case errors.As(err, &already):
		return err
	case errors.Is(err, context.Canceled):
		return fault.New(fault.Unavailable, fault.ReasonCancelled, "The call was cancelled.", fault.Because(err))
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Unavailable, fault.ReasonDeadline, "The call's deadline has passed.", fault.Because(err))
	}
	return fault.New(fault.Unavailable, fault.ReasonStoreUnavailable, "The database does not answer. Repeat the call.",
		fault.RetryAfter(time.Second), fault.Because(err))
}
