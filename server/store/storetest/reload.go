package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// lesson is an order with everything set that a create can set.
func lesson(merchant, id string) wish {
	return wish{
		merchant: merchant, id: id, live: true, accounts: []string{"second", "fi-r_st"},
		customer: order.Customer{CustomerID: "c-" + id, ViberBot: "bot", ViberUserID: "u-" + id},
		details: order.Details{
			Description: "Դաս — урок", Name: "Անահիտ", Email: "a@example.com", Phone: "+374", SuccessURL: "https://example.com/",
			Items: []order.Item{{Name: "one", Quantity: 1, AmountMinor: price}}, Metadata: map[string]string{"a": "b"},
		},
	}
}

func reloadGivesEveryField(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := lesson("demo", "A-1")
	made := m.create(w)
	snap := m.load(keysOf(w))
	if diff := same(made.Orders[0].After, snap.Orders[w.orderKey()]); diff != "" {
		t.Error(diff)
	}
	if diff := same(made.Links[0].After, snap.Links[w.linkKey()]); diff != "" {
		t.Error(diff)
	}
	closed := snap.Links[w.linkKey()].Clone()
	tx := m.begin(keysOf(w))
	if err := closed.Deactivate(m.act(tx.Snapshot().Now)); err != nil {
		t.Fatal(err)
	}
	changes := &store.Changes{
		Links: []store.LinkChange{{Before: tx.Snapshot().Links[w.linkKey()], After: closed}}, Entries: closed.Entries(),
	}
	if err := tx.Save(m.ctx(), changes); err != nil {
		t.Fatal(err)
	}
	if diff := same(closed, m.load(keysOf(w)).Links[w.linkKey()]); diff != "" {
		t.Error(diff)
	}
	read, err := s.Order(m.ctx(), w.orderKey())
	if err != nil {
		t.Fatal(err)
	}
	closed.Details = &w.details
	if diff := same(closed, read.Link); diff != "" { // An order's current link is read with it.
		t.Error(diff)
	}
}

// steps are what can happen to an order, by chance.
var steps = map[string]func(t *rapid.T, o *order.Order, act order.Act) error{
	"start": func(t *rapid.T, o *order.Order, act order.Act) error {
		account := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "account")
		return start(act.IDs.ID("att_", 0), account)(o, act)
	},
	"hand off": onAttempt((*order.Order).HandOff),
	"doubt":    onAttempt((*order.Order).Doubt),
	"stick":    onAttempt((*order.Order).Stick),
	"bury": onAttempt(func(o *order.Order, act order.Act, id string) error {
		return o.Bury(act, id, order.DeadByOperator)
	}),
	"evidence": evidence, "more evidence": evidence, "even more evidence": evidence,
	"cancel": func(_ *rapid.T, o *order.Order, act order.Act) error { return o.Cancel(act) },
	"refund": func(t *rapid.T, o *order.Order, act order.Act) error {
		spec := order.RefundSpec{AmountMinor: rapid.SampledFrom([]int64{price, 1, 6000}).Draw(t, "amount")}
		if n := len(o.Payments); n > 0 {
			spec.PaymentID = o.Payments[rapid.IntRange(0, n-1).Draw(t, "payment")].ID
		}
		_, err := o.RequestRefund(act, spec)
		return err
	},
	"refund goes on": func(t *rapid.T, o *order.Order, act order.Act) error {
		if len(o.Refunds) == 0 {
			return errNothing
		}
		id := o.Refunds[rapid.IntRange(0, len(o.Refunds)-1).Draw(t, "refund")].ID
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			return o.SendRefund(act, id)
		case 1:
			return o.PostRefund(act, id)
		default:
			return o.FailRefund(act, id, "no")
		}
	},
	"resolve": func(t *rapid.T, o *order.Order, act order.Act) error {
		if len(o.Exceptions) == 0 {
			return errNothing
		}
		id := o.Exceptions[rapid.IntRange(0, len(o.Exceptions)-1).Draw(t, "exception")].ID
		how := rapid.SampledFrom([]order.Decision{order.DecideAccept, order.DecideRefund, order.DecideDismiss}).Draw(t, "decision")
		return o.ResolveException(act, id, how)
	},
}

// errNothing means that a step has nothing to act on.
var errNothing = errors.New("nothing to act on")

func onAttempt(decide func(o *order.Order, act order.Act, id string) error) func(*rapid.T, *order.Order, order.Act) error {
	return func(t *rapid.T, o *order.Order, act order.Act) error {
		if len(o.Attempts) == 0 {
			return errNothing
		}
		return decide(o, act, o.Attempts[rapid.IntRange(0, len(o.Attempts)-1).Draw(t, "attempt")].ID)
	}
}

func evidence(t *rapid.T, o *order.Order, act order.Act) error {
	if len(o.Attempts) == 0 {
		return errNothing
	}
	a := o.Attempts[rapid.IntRange(0, len(o.Attempts)-1).Draw(t, "attempt")]
	return o.Apply(act, order.Evidence{
		Source: order.FromCallback, Fact: rapid.SampledFrom(order.Facts()).Draw(t, "fact"), Account: a.Account, AttemptID: a.ID,
		PSPPaymentID: rapid.SampledFrom([]string{"", a.ID + "p1", a.ID + "p2"}).Draw(t, "psp payment"),
		AmountMinor:  rapid.SampledFrom([]int64{price, price, 4_000, 20_000}).Draw(t, "amount"),
		Currency:     rapid.SampledFrom([]string{"AMD", "AMD", "AMD", "UAH"}).Draw(t, "currency"),
		PayeeDiffers: rapid.IntRange(0, 9).Draw(t, "payee") == 0, ReceivedAt: act.Now, Failure: "insufficient funds",
		ClosesSession: rapid.Bool().Draw(t, "closes"),
	}, order.Policy{
		order.Duplicate: rapid.SampledFrom([]order.PolicyAction{order.Hold, order.Return}).Draw(t, "policy"),
		order.Overpaid:  rapid.SampledFrom([]order.PolicyAction{order.Accept, order.Return}).Draw(t, "policy"),
	})
}

// reloadGivesEveryStory saves orders step by step, several steps to a batch, and reads each back both
// as a transaction and as a reader sees it. Their entries, as stored, replay to the row (O3).
func reloadGivesEveryStory(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	names := make([]string, 0, len(steps))
	for name := range steps {
		names = append(names, name)
	}
	rapid.Check(t, func(rt *rapid.T) {
		m := m.on(rt)
		w := lesson("demo", fmt.Sprintf("S-%d", m.serial.Add(1)))
		m.create(w)
		for range rapid.IntRange(1, 4).Draw(rt, "batches") {
			many := rapid.SliceOfN(rapid.SampledFrom(names), 1, 6).Draw(rt, "steps")
			want, err := m.try(w.orderKey(), func(o *order.Order, act order.Act) error {
				for _, name := range many {
					next := o.Clone()
					if steps[name](rt, next, m.act(act.Now)) == nil { // Or it refused.
						*o = *next
					}
				}
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
			m.mustRead(w, want)
		}
	})
}

// mustRead reads an order in every way and compares.
func (m *maker) mustRead(w wish, want *order.Order) {
	m.t.Helper()
	if diff := same(want, m.loadOrder(w.orderKey())); diff != "" {
		m.t.Fatal("loaded: " + diff)
	}
	read, err := m.s.Order(m.ctx(), w.orderKey())
	if err != nil {
		m.t.Fatal(err)
	}
	shown := want.Clone()
	shown.Details = &w.details
	if diff := same(shown, read.Order); diff != "" {
		m.t.Fatal("read: " + diff)
	}
	stored, err := m.s.OrderEntries(m.ctx(), w.orderKey())
	if err != nil {
		m.t.Fatal(err)
	}
	entries := make([]order.Entry, len(stored))
	for i := range stored {
		if entries[i], err = order.Decode(stored[i].Bytes); err != nil {
			m.t.Fatal(err)
		}
	}
	replayed, err := order.Replay(entries)
	if err != nil {
		m.t.Fatal(err)
	}
	replayed.Terms.Customer = want.Terms.Customer // It stands in the private text.
	if diff := same(want, replayed); diff != "" {
		m.t.Fatal("replayed: " + diff)
	}
}

func reloadGivesFixedLinks(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := wish{merchant: "demo", link: "lnk_fixed", kind: order.Fixed, accounts: []string{"one"}, details: order.Details{Description: "Coffee"}}
	made := m.createLink(w)
	if diff := same(made, m.load(store.Keys{Links: []store.LinkKey{w.linkKey()}}).Links[w.linkKey()]); diff != "" {
		t.Error(diff)
	}
	read, err := s.Link(m.ctx(), w.linkKey())
	if err != nil {
		t.Fatal(err)
	}
	if diff := same(made.Accounts, read.Link.Accounts); diff != "" {
		t.Error(diff)
	}
	if read.Order != nil || read.Link.Details == nil || read.Link.Details.Description != "Coffee" {
		t.Errorf("read %+v with details %+v", read, read.Link.Details)
	}
	payers := wish{merchant: "demo", id: "P", link: "lnk_fixed", kind: order.Fixed, details: w.details}
	m.mustRead(payers, m.create(payers).Orders[0].After) // An order of its own for each payer (L5).
}

func beginTakesRepeatedKeys(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo", "other")
	a, b, c := wish{merchant: "demo", id: "A"}, wish{merchant: "demo", id: "B"}, wish{merchant: "other", id: "A"}
	m.create(a, b, c)
	m.change(b.orderKey(), start("att_B", "acc"))
	absent := wish{merchant: "demo", id: "C"}
	keys := keysOf(c, b, a, b, absent, a)
	for _, keys.Existing = range []bool{false, true} { // What is said to be there may be missing.
		snap := m.load(keys)
		if len(snap.Orders) != 3 || len(snap.Links) != 3 {
			t.Errorf("found %d orders and %d links, want 3 and 3", len(snap.Orders), len(snap.Links))
		}
		if o := snap.Orders[b.orderKey()]; len(o.Attempts) != 1 || len(snap.Orders[a.orderKey()].Attempts) != 0 {
			t.Errorf("found %+v", o)
		}
	}
	empty := m.load(store.Keys{})
	if len(empty.Orders)+len(empty.Links)+len(empty.Records) != 0 || empty.Now.IsZero() {
		t.Errorf("without keys: %+v", empty)
	}
}

func beginEndsWithItsContext(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 { // Whoever waits may be called just then.
		if tx, err := s.Begin(ctx, store.Keys{}); !errors.Is(err, context.Canceled) {
			t.Fatalf("begin: %v, %v", tx, err)
		}
	}
	m.create(wish{merchant: "demo", id: "A"}) // The store goes on.
}

func rollbackLeavesNoTrace(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := wish{merchant: "demo", id: "A"}
	tx := m.begin(keysOf(w))
	tx.Rollback()
	if err := tx.Save(m.ctx(), m.changesFor(tx.Snapshot().Now, w)); err == nil {
		t.Error("saved after a rollback")
	}
	if found := m.load(keysOf(w)); len(found.Orders)+len(found.Links) != 0 || m.head() != 0 {
		t.Errorf("found %+v", found)
	}
}

func txEndsOnce(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := wish{merchant: "demo", id: "A"}
	tx := m.begin(keysOf(w))
	if err := tx.Save(m.ctx(), &store.Changes{}); err != nil {
		t.Errorf("to save nothing: %v", err)
	}
	tx = m.begin(keysOf(w))
	if err := tx.Save(m.ctx(), m.changesFor(tx.Snapshot().Now, w)); err != nil {
		t.Fatal(err)
	}
	tx.Rollback() // Nothing.
	if err := tx.Save(m.ctx(), m.changesFor(tx.Snapshot().Now, wish{merchant: "demo", id: "B"})); err == nil {
		t.Error("saved twice")
	}
	if m.loadOrder(w.orderKey()) == nil {
		t.Error("the rollback after Save undid it")
	}
	now, err := s.Now(m.ctx())
	if err != nil {
		t.Fatal(err)
	}
	if d := now.Sub(tx.Snapshot().Now); d < 0 || d > time.Minute || now.Location() != time.UTC || now.Nanosecond()%1000 != 0 {
		t.Errorf("the clock went from %v to %v", tx.Snapshot().Now, now)
	}
}
