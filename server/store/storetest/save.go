package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// positionsAndChain writes from many goroutines to merchants that they share, in batches over several
// merchants, and verifies every journal from its stored bytes.
func positionsAndChain(t *testing.T, s store.Store) {
	t.Helper()
	merchants := []string{"alpha", "beta", "gamma"}
	m := newMaker(t, s, merchants...)
	const writers, batches = 6, 8
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() {
			for batch := range batches {
				var wishes []wish
				for i := range 1 + (writer+batch)%4 {
					wishes = append(wishes, wish{
						merchant: merchants[(writer*batch+i)%len(merchants)], id: fmt.Sprintf("%d-%d-%d", writer, batch, i),
					})
				}
				if err := m.insist(wishes); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	total := 0
	for _, merchant := range merchants {
		total += m.verify(merchant)
	}
	want := 0
	for writer := range writers {
		for batch := range batches {
			want += 2 * (1 + (writer+batch)%4)
		}
	}
	if total != want {
		t.Errorf("the journals hold %d entries, want %d", total, want)
	}
}

// insist creates orders, again where a race was lost.
func (m *maker) insist(wishes []wish) error {
	for {
		tx, err := m.s.Begin(m.ctx(), keysOf(wishes...))
		if err == nil {
			err = tx.Save(m.ctx(), m.changesFor(tx.Snapshot().Now, wishes...))
		}
		if !errors.Is(err, store.ErrRetry) {
			return err
		}
	}
}

// verify checks a merchant's journal and counts its entries: positions without a gap (J2), and the
// chain over the stored bytes up to the head (J3).
func (m *maker) verify(merchant string) int {
	m.t.Helper()
	entries, err := m.s.Entries(m.ctx(), merchant, 0, 10_000)
	if err != nil {
		m.t.Fatal(err)
	}
	var hash order.Hash
	for i, e := range entries {
		position := uint64(i) + 1
		if e.Position != position {
			m.t.Fatalf("entry %d of %s has position %d", position, merchant, e.Position)
		}
		if hash = hash.Next(position, order.Digest(e.Bytes)); hash != e.Hash {
			m.t.Fatalf("the chain of %s breaks at %d", merchant, position)
		}
		decoded, err := order.Decode(e.Bytes)
		if err != nil || decoded.Merchant != merchant {
			m.t.Fatalf("entry %d of %s is %s's (%v)", position, merchant, decoded.Merchant, err)
		}
	}
	last, head, err := m.s.Head(m.ctx(), merchant)
	if err != nil || last != uint64(len(entries)) || head != hash {
		m.t.Fatalf("the head of %s is at %d of %d (%v)", merchant, last, len(entries), err)
	}
	return len(entries)
}

func saveRefusesUnknownMerchant(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := wish{merchant: "nobody", id: "A"}
	tx := m.begin(keysOf(w))
	err := tx.Save(m.ctx(), m.changesFor(tx.Snapshot().Now, wish{merchant: "demo", id: "B"}, w))
	if err == nil || errors.Is(err, store.ErrRetry) || errors.Is(err, store.ErrCommitUnclear) {
		t.Errorf("save: %v", err)
	}
	if m.loadOrder(store.OrderKey{Merchant: "demo", ID: "B"}) != nil || m.head() != 0 {
		t.Error("a part of the batch was written")
	}
}

// rowsThatExist saves rows that somebody else wrote meanwhile: their keys were not named, so that
// nobody waits. Nothing of the batch may remain, whichever table it is.
func rowsThatExist(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	record := store.Record{
		RecordKey:   store.RecordKey{Merchant: "demo", Method: "CreatePaymentLink", Key: "k"},
		Fingerprint: []byte("f"), Result: []byte("r"),
	}
	taken := wish{merchant: "demo", id: "A"}
	tx := m.begin(keysOf(taken))
	changes := m.changesFor(tx.Snapshot().Now, taken)
	changes.Records = []store.Record{record}
	if err := tx.Save(m.ctx(), changes); err != nil {
		t.Fatal(err)
	}
	before := m.head()
	fresh := wish{merchant: "demo", id: "B"}
	for name, spoil := range map[string]func(c *store.Changes, act order.Act){
		"order":  func(c *store.Changes, act order.Act) { c.Orders[0].After = m.newOrder(act, taken) },
		"link":   func(c *store.Changes, act order.Act) { c.Links[0].After = m.newLink(act, taken) },
		"record": func(c *store.Changes, _ order.Act) { c.Records = []store.Record{record} },
		"token":  func(c *store.Changes, _ order.Act) { c.Links[0].After.TokenHash = changes.Links[0].After.TokenHash },
	} {
		tx := m.begin(store.Keys{})
		changes := m.changesFor(tx.Snapshot().Now, fresh)
		spoil(changes, m.act(tx.Snapshot().Now))
		if err := tx.Save(m.ctx(), changes); !errors.Is(err, store.ErrRetry) {
			t.Errorf("%s: %v", name, err)
		}
		if found := m.load(keysOf(fresh)); len(found.Orders)+len(found.Links) != 0 || m.head() != before {
			t.Errorf("%s: something was written: %+v", name, found)
		}
	}
}

func staleVersion(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := wish{merchant: "demo", id: "A"}
	m.create(w)
	stale := m.load(keysOf(w))
	m.change(w.orderKey(), start("att_1", "a"))
	before := m.head()

	after := stale.Orders[w.orderKey()].Clone()
	if err := after.Cancel(m.act(stale.Now)); err != nil {
		t.Fatal(err)
	}
	err := m.begin(store.Keys{}).Save(m.ctx(), changing(stale.Orders[w.orderKey()], after))
	if !errors.Is(err, store.ErrRetry) {
		t.Errorf("order: %v", err)
	}
	old, closed := stale.Links[w.linkKey()], stale.Links[w.linkKey()].Clone()
	old.Version = 7
	if err := closed.Deactivate(m.act(stale.Now)); err != nil {
		t.Fatal(err)
	}
	err = m.begin(store.Keys{}).Save(m.ctx(), &store.Changes{Links: []store.LinkChange{{Before: old, After: closed}}})
	if !errors.Is(err, store.ErrRetry) {
		t.Errorf("link: %v", err)
	}
	if o := m.loadOrder(w.orderKey()); o.State != order.Processing || m.head() != before {
		t.Errorf("the order is %s", o.State)
	}
}

// spoiled saves an order after its rows were changed by hand, past every decision.
func (m *maker) spoiled(key store.OrderKey, spoil func(o *order.Order)) error {
	m.t.Helper()
	tx := m.begin(store.Keys{Orders: []store.OrderKey{key}})
	before := tx.Snapshot().Orders[key]
	after := before.Clone()
	spoil(after)
	after.Version++
	return tx.Save(m.ctx(), &store.Changes{Orders: []store.OrderChange{{Before: before, After: after}}})
}

func oneLiveAttempt(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := wish{merchant: "demo", id: "A"}
	m.create(w)
	want := m.change(w.orderKey(), start("att_1", "a"))
	err := m.spoiled(w.orderKey(), func(o *order.Order) {
		second := o.Attempts[0]
		second.ID = "att_2"
		o.Attempts = append(o.Attempts, second)
	})
	if !errors.Is(err, store.ErrRetry) {
		t.Errorf("a second live attempt: %v", err)
	}
	if diff := same(want, m.loadOrder(w.orderKey())); diff != "" {
		t.Error(diff)
	}
}

func deathMakesRoom(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := wish{merchant: "demo", id: "A"}
	m.create(w)
	m.change(w.orderKey(), start("att_1", "a"))
	want := m.change(w.orderKey(), func(o *order.Order, act order.Act) error {
		if err := o.Bury(act, "att_1", order.DeadByOperator); err != nil {
			return err
		}
		return start("att_2", "b")(o, act)
	})
	if diff := same(want, m.loadOrder(w.orderKey())); diff != "" {
		t.Error(diff)
	}
}

func oneRowPerPayment(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	a, b := wish{merchant: "demo", id: "A"}, wish{merchant: "demo", id: "B"}
	m.create(a, b)
	for _, w := range []wish{a, b} {
		m.change(w.orderKey(), start("att_"+w.id, "acc"))
	}
	m.change(a.orderKey(), paid("att_A", "psp-1"))
	if _, err := m.try(b.orderKey(), paid("att_B", "psp-1")); !errors.Is(err, store.ErrRetry) {
		t.Errorf("the same money for another order: %v", err)
	}
	m.change(b.orderKey(), paid("att_B", "")) // A PSP that gives no id.
	if o := m.loadOrder(b.orderKey()); o.State != order.Paid {
		t.Errorf("order B is %s", o.State)
	}
}

func oneSettlingPayment(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := wish{merchant: "demo", id: "A"}
	m.create(w)
	m.change(w.orderKey(), start("att_1", "a"))
	m.change(w.orderKey(), paid("att_1", "p1"))
	m.change(w.orderKey(), paid("att_1", "p2")) // A duplicate.
	err := m.spoiled(w.orderKey(), func(o *order.Order) { o.Payments[1].Settles = true })
	if !errors.Is(err, store.ErrRetry) {
		t.Errorf("a second settling payment: %v", err)
	}
	refund := order.Refund{PaymentID: "p", AmountMinor: 1, State: order.RefundReserved, Automatic: true}
	err = m.spoiled(w.orderKey(), func(o *order.Order) {
		first, second := refund, refund
		first.ID, second.ID = "ref_1", "ref_2"
		o.Refunds = append(o.Refunds, first, second)
	})
	if !errors.Is(err, store.ErrRetry) {
		t.Errorf("a second automatic refund: %v", err)
	}
}

func checksHold(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := wish{merchant: "demo", id: "A"}
	m.create(w)
	m.change(w.orderKey(), start("att_1", "a"))
	want := m.change(w.orderKey(), paid("att_1", "p1"))
	for name, spoil := range map[string]func(o *order.Order){
		"refunded more than captured":  func(o *order.Order) { o.Payments[0].Refunded = price + 1 },
		"reserved more than captured":  func(o *order.Order) { o.Payments[0].Reserved, o.Payments[0].Refunded = price, 1 },
		"captured less than nothing":   func(o *order.Order) { o.Payments[0].Captured = -1 },
		"reserved less than nothing":   func(o *order.Order) { o.Payments[0].Reserved = -1 },
		"refunded less than nothing":   func(o *order.Order) { o.Payments[0].Refunded = -1 },
		"a state that there is not":    func(o *order.Order) { o.State = "LOST" },
		"an attempt's state, likewise": func(o *order.Order) { o.Attempts[0].State = "LOST" },
		"sums that overflow":           func(o *order.Order) { o.Payments[0].Reserved, o.Payments[0].Refunded = 1<<63-1, 1<<63-1 },
	} {
		err := m.spoiled(w.orderKey(), spoil)
		if err == nil || errors.Is(err, store.ErrRetry) || errors.Is(err, store.ErrCommitUnclear) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := same(want, m.loadOrder(w.orderKey())); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func merchantsAreIsolated(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "alpha", "beta")
	w := lesson("alpha", "A")
	tx := m.begin(keysOf(w))
	changes := m.changesFor(tx.Snapshot().Now, w)
	record := store.Record{RecordKey: store.RecordKey{Merchant: "alpha", Method: "m", Key: "k"}, Result: []byte("r"), Fingerprint: []byte{}}
	changes.Records = append(changes.Records, record)
	if err := tx.Save(m.ctx(), changes); err != nil {
		t.Fatal(err)
	}
	w.merchant = "beta"
	if found := m.load(keysOf(w)); len(found.Orders)+len(found.Links) != 0 {
		t.Errorf("begin found %+v", found)
	}
	_, orderErr := s.Order(m.ctx(), w.orderKey())
	_, linkErr := s.Link(m.ctx(), w.linkKey())
	_, recordErr := s.Recorded(m.ctx(), store.RecordKey{Merchant: "beta", Method: "m", Key: "k"})
	_, hashErr := s.HashAt(m.ctx(), "beta", 1)
	for _, err := range []error{orderErr, linkErr, recordErr, hashErr} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("want not found, got %v", err)
		}
	}
	orders, _ := s.ListOrders(m.ctx(), "beta", store.OrderFilter{}, store.Page{Limit: 9})
	ofLink, _ := s.ListOrders(m.ctx(), "beta", store.OrderFilter{LinkID: w.filled().link}, store.Page{Limit: 9})
	links, _ := s.ListLinks(m.ctx(), "beta", store.LinkFilter{}, store.Page{Limit: 9})
	ofOrder, _ := s.ListLinks(m.ctx(), "beta", store.LinkFilter{OrderID: "A"}, store.Page{Limit: 9})
	entries, _ := s.Entries(m.ctx(), "beta", 0, 9)
	story, _ := s.OrderEntries(m.ctx(), w.orderKey())
	some, _, _ := s.Filtered(m.ctx(), "beta", store.EntryFilter{OrderIDs: []string{"A"}}, 0, 99, 9)
	texts, _ := s.Texts(m.ctx(), "beta", []string{changes.Entries[0].ID})
	if n := len(orders) + len(ofLink) + len(links) + len(ofOrder) + len(entries) + len(story) + len(some) + len(texts); n != 0 {
		t.Errorf("%d rows of another merchant", n)
	}
	m.create(w) // The same ids are free here.
}
