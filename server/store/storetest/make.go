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

// maker makes links, orders and their stories for one store. Its ids never repeat.
type maker struct {
	t       testing.TB
	s       store.Store
	serial  atomic.Uint64
	ctx     context.Context //nolint:containedctx // The context of one test.
	locales []string
}

func newMaker(t testing.TB, s store.Store, merchants ...string) *maker {
	t.Helper()
	m := &maker{t: t, s: s, ctx: context.WithoutCancel(t.Context())}
	if err := s.EnsureMerchants(m.ctx, merchants); err != nil {
		t.Fatal(err)
	}
	return m
}

// act is a new act at the store's time.
func (m *maker) act(now time.Time) order.Act {
	n := m.serial.Add(1)
	sum := sha256.Sum256(fmt.Append(nil, m.t.Name(), n))
	ids := order.IDs{Seed: [16]byte(sum[:16]), Salt: [16]byte(sum[16:])}
	act := order.NewAct(now, order.Actor{Kind: order.ByKey, ID: "key_1"}, ids)
	act.Reason = "because of test " + m.t.Name()
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

// wish is what a test wants of a new order. Zero fields have defaults.
type wish struct {
	merchant string
	id       string
	link     string
	kind     order.Kind
	customer order.Customer
	details  order.Details
	offer    time.Duration
	live     bool
}

func (w *wish) defaults() {
	if w.link == "" {
		w.link = "lnk_" + w.merchant + "_" + w.id
	}
	if w.kind == "" {
		w.kind = order.Dynamic
	}
	if w.offer == 0 {
		w.offer = time.Hour
	}
}

func (m *maker) id(text string) order.ID {
	m.t.Helper()
	id, err := order.ParseID(text)
	if err != nil {
		m.t.Fatal(err)
	}
	return id
}

// newLink makes the link of a wish.
func (m *maker) newLink(act order.Act, w wish) *order.Link {
	m.t.Helper()
	w.defaults()
	spec := order.LinkSpec{
		Merchant: w.merchant, ID: w.link, Kind: w.kind, Amount: m.amount(12_500), Capture: order.Automatic, Live: w.live,
		Locale: "hy", KeyID: "k1", TokenHash: sha256.Sum256([]byte(w.merchant + w.link)), ExpiresAt: act.Now.Add(w.offer),
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
	w.defaults()
	o, err := order.Create(act, order.Spec{
		Merchant: w.merchant, ID: m.id(w.id), LinkID: w.link,
		Terms: order.Terms{
			Kind: w.kind, Amount: m.amount(12_500), Capture: order.Automatic, Customer: w.customer, ItemsHash: "abc",
		},
		Live: w.live, Locale: "hy", OfferUntil: act.Now.Add(w.offer), AcceptUntil: act.Now.Add(w.offer + 24*time.Hour),
		Details: w.details,
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return o
}

// keysOf are the keys of a wish.
func keysOf(wishes ...wish) store.Keys {
	var keys store.Keys
	for _, w := range wishes {
		w.defaults()
		keys.Orders = append(keys.Orders, store.OrderKey{Merchant: w.merchant, ID: w.id})
		keys.Links = append(keys.Links, store.LinkKey{Merchant: w.merchant, ID: w.link})
	}
	return keys
}

func (m *maker) begin(keys store.Keys) store.Tx {
	m.t.Helper()
	tx, err := m.s.Begin(m.ctx, keys)
	if err != nil {
		m.t.Fatal(err)
	}
	return tx
}

// changesFor makes new orders with their links.
func (m *maker) changesFor(now time.Time, wishes ...wish) *store.Changes {
	m.t.Helper()
	changes := &store.Changes{}
	for _, w := range wishes {
		act := m.act(now)
		l := m.newLink(act, w)
		o := m.newOrder(act, w)
		changes.Links = append(changes.Links, store.LinkChange{After: l})
		changes.Orders = append(changes.Orders, store.OrderChange{After: o})
		changes.Entries = append(append(changes.Entries, o.Entries()...), l.Entries()...)
	}
	return changes
}

// create creates orders with their links in one batch.
func (m *maker) create(wishes ...wish) {
	m.t.Helper()
	tx := m.begin(keysOf(wishes...))
	if err := tx.Save(m.ctx, m.changesFor(tx.Snapshot().Now, wishes...)); err != nil {
		m.t.Fatal(err)
	}
}

// change runs a decision on an order and saves it.
func (m *maker) change(key store.OrderKey, decide func(o *order.Order, act order.Act) error) *order.Order {
	m.t.Helper()
	tx := m.begin(store.Keys{Orders: []store.OrderKey{key}})
	before := tx.Snapshot().Orders[key]
	if before == nil {
		m.t.Fatalf("no order %v", key)
	}
	after := before.Clone()
	if err := decide(after, m.act(tx.Snapshot().Now)); err != nil {
		m.t.Fatal(err)
	}
	err := tx.Save(m.ctx, &store.Changes{
		Orders: []store.OrderChange{{Before: before, After: after}}, Entries: after.Entries(),
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return after
}

// load loads what stands under keys, and ends the transaction.
func (m *maker) load(keys store.Keys) *store.Snapshot {
	m.t.Helper()
	tx := m.begin(keys)
	tx.Rollback()
	return tx.Snapshot()
}

// same compares orders, links and what they are made of.
func same(want, got any) string {
	return cmp.Diff(want, got,
		cmpopts.IgnoreUnexported(order.Order{}, order.Link{}),
		cmp.Comparer(func(a, b order.ID) bool { return a == b }),
		cmp.Comparer(func(a, b money.Amount) bool { return a == b }),
		cmpopts.EquateEmpty(),
	)
}
