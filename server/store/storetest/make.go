package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// price is what every order of the suite costs, in minor units.
const price = 12_500

// tester is what a maker needs of a test, so that it serves property tests too.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Name() string
	Context() context.Context
}

// maker makes links, orders and their stories in one store. Its ids never repeat.
type maker struct {
	t      tester
	s      store.Store
	serial *atomic.Uint64
}

func newMaker(t *testing.T, s store.Store, merchants ...string) *maker {
	t.Helper()
	m := &maker{t: t, s: s, serial: &atomic.Uint64{}}
	if err := s.EnsureMerchants(m.ctx(), merchants); err != nil {
		t.Fatal(err)
	}
	return m
}

// on is the same maker, which fails another test.
func (m *maker) on(t tester) *maker { return &maker{t: t, s: m.s, serial: m.serial} }

func (m *maker) ctx() context.Context { return m.t.Context() }

// act is a new act at a time.
func (m *maker) act(now time.Time) order.Act {
	sum := sha256.Sum256(fmt.Append(nil, m.t.Name(), m.serial.Add(1)))
	ids := order.IDs{Seed: [16]byte(sum[:16]), Salt: [16]byte(sum[16:])}
	act := order.NewAct(now, order.Actor{Kind: order.ByKey, ID: "key_1"}, ids)
	act.Reason = "because of the suite"
	return act
}

func (m *maker) amount(minor int64) money.Amount {
	m.t.Helper()
	a, err := money.New(minor, "AMD")
	if err != nil {
		m.t.Fatal(err)
	}
	return a
}

func (m *maker) id(text string) order.ID {
	m.t.Helper()
	id, err := order.ParseID(text)
	if err != nil {
		m.t.Fatal(err)
	}
	return id
}

// wish is what a case wants of a new order or link. Zero fields have defaults.
type wish struct {
	merchant string
	// id is the order's id; empty for a fixed link alone.
	id       string
	link     string
	kind     order.Kind
	customer order.Customer
	details  order.Details
	// ago is how long ago it was made, offer how long it was offered from then on.
	ago   time.Duration
	offer time.Duration
	live  bool
	// accounts are those to which the link is restricted.
	accounts []string
}

func (w wish) filled() wish {
	if w.link == "" {
		w.link = "lnk_" + w.id
	}
	if w.kind == "" {
		w.kind = order.Dynamic
	}
	if w.offer == 0 {
		w.offer = time.Hour
	}
	return w
}

func (w wish) orderKey() store.OrderKey { return store.OrderKey{Merchant: w.merchant, ID: w.id} }
func (w wish) linkKey() store.LinkKey {
	return store.LinkKey{Merchant: w.merchant, ID: w.filled().link}
}

// newLink makes the link of a wish.
func (m *maker) newLink(act order.Act, w wish) *order.Link {
	m.t.Helper()
	w = w.filled()
	spec := order.LinkSpec{
		Merchant: w.merchant, ID: w.link, Kind: w.kind, Amount: m.amount(price), Capture: order.Automatic, Live: w.live,
		Locale: "hy", KeyID: "k1", TokenHash: sha256.Sum256([]byte(w.merchant + w.link)), ExpiresAt: act.Now.Add(w.offer),
		Accounts: w.accounts,
	}
	if w.kind == order.Dynamic {
		spec.OrderID = m.id(w.id)
	} else {
		spec.OrderExpiresIn, spec.Details = 90*time.Minute, &w.details
	}
	l, err := order.CreateLink(act, spec)
	if err != nil {
		m.t.Fatal(err)
	}
	return l
}

// newOrder makes the order of a wish.
func (m *maker) newOrder(act order.Act, w wish) *order.Order {
	m.t.Helper()
	w = w.filled()
	link, template := w.link, ""
	if w.kind == order.Fixed {
		link, template = "lnk_"+w.id, w.link
	}
	o, err := order.Create(act, order.Spec{
		Merchant: w.merchant, ID: m.id(w.id), LinkID: link, TemplateID: template,
		Terms: order.Terms{
			Kind: w.kind, Amount: m.amount(price), Capture: order.Automatic, Customer: w.customer, ItemsHash: "abc",
		},
		Live: w.live, Locale: "hy", OfferUntil: act.Now.Add(w.offer), AcceptUntil: act.Now.Add(w.offer + 24*time.Hour),
		Details: w.details,
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return o
}

// keysOf are the keys of wishes.
func keysOf(wishes ...wish) store.Keys {
	var keys store.Keys
	for _, w := range wishes {
		keys.Orders = append(keys.Orders, w.orderKey())
		keys.Links = append(keys.Links, w.linkKey())
	}
	return keys
}

func (m *maker) begin(keys store.Keys) store.Tx {
	m.t.Helper()
	tx, err := m.s.Begin(m.ctx(), keys)
	if err != nil {
		m.t.Fatal(err)
	}
	return tx
}

// changesFor makes new orders, and the links of dynamic ones.
func (m *maker) changesFor(now time.Time, wishes ...wish) *store.Changes {
	m.t.Helper()
	changes := &store.Changes{}
	for _, w := range wishes {
		act := m.act(now.Add(-w.ago))
		o := m.newOrder(act, w)
		changes.Orders = append(changes.Orders, store.OrderChange{After: o})
		changes.Entries = append(changes.Entries, o.Entries()...)
		if w.filled().kind == order.Dynamic {
			l := m.newLink(act, w)
			changes.Links = append(changes.Links, store.LinkChange{After: l})
			changes.Entries = append(changes.Entries, l.Entries()...)
		}
	}
	return changes
}

// create creates orders with their links in one batch.
func (m *maker) create(wishes ...wish) *store.Changes {
	m.t.Helper()
	tx := m.begin(keysOf(wishes...))
	changes := m.changesFor(tx.Snapshot().Now, wishes...)
	if err := tx.Save(m.ctx(), changes); err != nil {
		m.t.Fatal(err)
	}
	return changes
}

// createLink creates a link alone.
func (m *maker) createLink(w wish) *order.Link {
	m.t.Helper()
	tx := m.begin(store.Keys{Links: []store.LinkKey{w.linkKey()}})
	l := m.newLink(m.act(tx.Snapshot().Now.Add(-w.ago)), w)
	err := tx.Save(m.ctx(), &store.Changes{Links: []store.LinkChange{{After: l}}, Entries: l.Entries()})
	if err != nil {
		m.t.Fatal(err)
	}
	return l
}

// try runs a decision on an order and saves it. The decision may refuse.
func (m *maker) try(key store.OrderKey, decide func(o *order.Order, act order.Act) error) (*order.Order, error) {
	m.t.Helper()
	tx := m.begin(store.Keys{Orders: []store.OrderKey{key}})
	before := tx.Snapshot().Orders[key]
	if before == nil {
		m.t.Fatalf("there is no order %v", key)
	}
	after := before.Clone()
	if err := decide(after, m.act(tx.Snapshot().Now)); err != nil {
		tx.Rollback()
		return before, nil //nolint:nilerr // A refusal changes nothing.
	}
	return after, tx.Save(m.ctx(), changing(before, after))
}

// change is try where the decision does not refuse and the save succeeds.
func (m *maker) change(key store.OrderKey, decide func(o *order.Order, act order.Act) error) *order.Order {
	m.t.Helper()
	after, err := m.try(key, func(o *order.Order, act order.Act) error {
		err := decide(o, act)
		if err != nil {
			m.t.Fatal(err)
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return after
}

func changing(before, after *order.Order) *store.Changes {
	return &store.Changes{Orders: []store.OrderChange{{Before: before, After: after}}, Entries: after.Entries()}
}

// start starts an attempt.
func start(id, account string) func(o *order.Order, act order.Act) error {
	return func(o *order.Order, act order.Act) error {
		_, _, err := o.StartAttempt(act, order.AttemptSpec{
			ID: id, Account: account, SessionUntil: act.Now.Add(15 * time.Minute), Grace: 5*time.Minute + 7,
		})
		return err
	}
}

// paid applies a payment of the whole price.
func paid(attempt, pspID string) func(o *order.Order, act order.Act) error {
	return func(o *order.Order, act order.Act) error {
		return o.Apply(act, order.Evidence{
			Source: order.FromLookup, Fact: order.FactSucceeded, Account: o.Attempt(attempt).Account, AttemptID: attempt,
			PSPPaymentID: pspID, AmountMinor: price, Currency: "AMD", ReceivedAt: act.Now,
		}, order.Policy{})
	}
}

// load loads what stands under keys, and ends the transaction.
func (m *maker) load(keys store.Keys) *store.Snapshot {
	m.t.Helper()
	tx := m.begin(keys)
	tx.Rollback()
	return tx.Snapshot()
}

func (m *maker) loadOrder(key store.OrderKey) *order.Order {
	m.t.Helper()
	keys := store.Keys{Orders: []store.OrderKey{key}}
	found := m.load(keys).Orders[key]
	keys.Existing = true
	if diff := same(found, m.load(keys).Orders[key]); diff != "" {
		m.t.Fatal("said to be there: " + diff)
	}
	return found
}

// head is the last position of the merchant demo.
func (m *maker) head() uint64 {
	m.t.Helper()
	position, _, err := m.s.Head(m.ctx(), "demo")
	if err != nil {
		m.t.Fatal(err)
	}
	return position
}

// same compares orders, links and what they are made of; "" means that nothing differs.
func same(want, got any) string {
	return cmp.Diff(want, got,
		cmpopts.IgnoreUnexported(order.Order{}, order.Link{}),
		cmp.Comparer(func(a, b order.ID) bool { return a == b }),
		cmp.Comparer(func(a, b money.Amount) bool { return a == b }),
		cmpopts.EquateEmpty(),
	)
}
