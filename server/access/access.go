// Package access knows who calls: it makes, lists, revokes and recognises API keys (A1).
//
// Its one idea: a secret is shown once and kept as a hash, and what a key may do is decided by its
// kind, its merchant and its scopes alone. Every act on keys stands in the audit table, in the
// transaction of the act (X3).
//
// Concurrency: a Service is used from many goroutines. A key that was recognised stays known for a
// short time in this process, so that a call does not cost a question to the database. A revoked key
// ends at once on the server that revoked it, and works at most that long on others. What was not
// recognised is not remembered: what cannot be a key is refused without a question, and a stranger's
// guesses take up no memory.
//
// Failure: an unknown key is Unauthenticated; a store that does not answer is Unavailable, never "unknown key".
package access

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
)

// Scope is what a key may do.
type Scope string

// The scopes of A1.
const (
	LinksWrite        Scope = "links:write"
	OrdersRead        Scope = "orders:read"
	OrdersWrite       Scope = "orders:write"
	RefundsWrite      Scope = "refunds:write"
	EventsRead        Scope = "events:read"
	FulfillmentWrite  Scope = "fulfillment:write"
	ChatWrite         Scope = "chat:write"
	ExceptionsResolve Scope = "exceptions:resolve"
	ReconcileWrite    Scope = "reconcile:write"
	JournalRead       Scope = "journal:read"
	WebhooksWrite     Scope = "webhooks:write"
	KeysWrite         Scope = "keys:write"
	CallbacksDeliver  Scope = "callbacks:deliver"
)

// Scopes lists every scope.
func Scopes() []Scope {
	return []Scope{
		LinksWrite, OrdersRead, OrdersWrite, RefundsWrite, EventsRead, FulfillmentWrite, ChatWrite,
		ExceptionsResolve, ReconcileWrite, JournalRead, WebhooksWrite, KeysWrite, CallbacksDeliver,
	}
}

// Store is what access keeps keys in.
type Store interface {
	store.Credentials
	store.Records
	// Now is the database's clock.
	Now(ctx context.Context) (time.Time, error)
}

// Needs is what a Service is made from.
type Needs struct {
	Store  Store
	Keys   *seal.Keyring
	IDs    func() order.IDs
	Random io.Reader
	// Now is the process's clock. It says how long a key stays known and whether it has expired.
	Now func() time.Time
	// Merchants are the tenants of the settings: keys are made for these alone.
	Merchants []string
	// DemoMerchant is whom the bootstrap key stands for where there are no settings; empty otherwise.
	DemoMerchant string
}

const (
	// knownFor is how long a recognised key is believed without asking the store.
	knownFor = 5 * time.Second
	// knownMax bounds the memory of recognised keys.
	knownMax = 10_000
)

// Service makes and recognises keys.
type Service struct {
	needs Needs

	mu    sync.Mutex
	known map[[32]byte]known
	// ended counts the keys that this server ended. A key that was looked up before the last of them
	// is not remembered: it may be the one.
	ended uint64
}

type known struct {
	who   Caller
	until time.Time
}

// New makes a Service.
func New(needs Needs) *Service {
	return &Service{needs: needs, known: make(map[[32]byte]known)}
}

// Caller is a recognised credential.
type Caller struct {
	KeyID    string
	Kind     store.CredentialKind
	Merchant string
	Scopes   []Scope
	Live     bool
}

// Need reports as a fault that the key may not do this: Denied, SCOPE_MISSING. One of the scopes is
// enough. A platform key may do everything for the merchant that it stands for.
func (c Caller) Need(scopes ...Scope) error {
	if c.Kind == store.PlatformKey {
		return nil
	}
	for _, scope := range scopes {
		if slices.Contains(c.Scopes, scope) {
			return nil
		}
	}
	return fault.New(fault.Denied, fault.ReasonScopeMissing, "The API key does not have the scope "+string(scopes[0])+".",
		fault.With("scope", string(scopes[0])))
}

// Authenticate recognises the secret of an Authorization header. The fault is Unauthenticated.
func (s *Service) Authenticate(ctx context.Context, secret string) (Caller, error) {
	if secret == "" {
		return Caller{}, fault.New(fault.Unauthenticated, fault.ReasonAPIKeyMissing, "Send an API key: Authorization: Bearer <key>.")
	}
	key, ok := seal.ParseAPIKey(secret)
	if !ok {
		return Caller{}, invalidKey()
	}
	now := s.needs.Now()
	who, ok, ended := s.remembered(key.Hash, now)
	if ok {
		return who, nil
	}
	credential, err := s.needs.Store.CredentialByHash(ctx, key.Hash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Caller{}, invalidKey()
	case err != nil:
		return Caller{}, away(err)
	case !credential.RevokedAt.IsZero(), !credential.ExpiresAt.IsZero() && !now.Before(credential.ExpiresAt):
		return Caller{}, invalidKey()
	}
	who = s.caller(&credential)
	until := now.Add(knownFor)
	if !credential.ExpiresAt.IsZero() && credential.ExpiresAt.Before(until) {
		until = credential.ExpiresAt
	}
	s.remember(key.Hash, known{who: who, until: until}, ended)
	return who, nil
}

func (s *Service) caller(c *store.Credential) Caller {
	who := Caller{KeyID: c.ID, Kind: c.Kind, Merchant: c.Merchant, Live: c.Live}
	for _, scope := range c.Scopes {
		who.Scopes = append(who.Scopes, Scope(scope))
	}
	if c.Kind == store.PlatformKey && c.Merchant == "" {
		who.Merchant = s.needs.DemoMerchant
	}
	return who
}

// remembered finds a key that is known, and says how many keys had been ended by then.
func (s *Service) remembered(hash [32]byte, now time.Time) (who Caller, ok bool, ended uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.known[hash]
	return k.who, ok && now.Before(k.until), s.ended
}

func (s *Service) remember(hash [32]byte, k known, ended uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != ended {
		return
	}
	if len(s.known) >= knownMax {
		clear(s.known)
	}
	s.known[hash] = k
}

func (s *Service) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended++
	for hash, k := range s.known {
		if k.who.KeyID == id {
			delete(s.known, hash)
		}
	}
}

func invalidKey() error {
	return fault.New(fault.Unauthenticated, fault.ReasonAPIKeyInvalid, "The API key is not known, was revoked, or has expired.")
}

// away is the fault of a store that did not answer, or was not waited for.
func away(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return fault.New(fault.Unavailable, fault.ReasonCancelled, "The call was cancelled.", fault.Because(err))
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Unavailable, fault.ReasonDeadline, "The call's deadline has passed.", fault.Because(err))
	}
	return fault.New(fault.Unavailable, fault.ReasonStoreUnavailable, "The database does not answer. Repeat the call.",
		fault.RetryAfter(time.Second), fault.Because(err))
}
