package order_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
)

var epoch = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// world is one order and everything that a walk needs to go on.
type world struct {
	t       *rapid.T
	now     time.Time
	step    int
	o       *order.Order
	history []order.Entry
	policy  order.Policy
}

func (w *world) act() order.Act {
	w.step++
	ids := order.IDs{Seed: [16]byte{1, 2, 3, byte(w.step >> 8), byte(w.step)}, Salt: [16]byte{9}}
	act := order.NewAct(w.now, order.Actor{Kind: order.BySystem, ID: "walk"}, ids)
	act.Reason = "because"
	return act
}

func terms(t interface{ Fatal(...any) }, minor int64) order.Terms {
	amount, err := money.New(minor, "AMD")
	if err != nil {
		t.Fatal(err)
	}
	return order.Terms{Kind: order.Dynamic, Amount: amount, Capture: order.Automatic, Customer: order.Customer{CustomerID: "c-1"}}
}

func newOrder(t interface{ Fatal(...any) }, act order.Act) *order.Order {
	id, err := order.ParseID("A-1")
	if err != nil {
		t.Fatal(err)
	}
	o, err := order.Create(act, order.Spec{
		Merchant: "demo", ID: id, LinkID: "lnk_1", Terms: terms(t, 10_000), Locale: "hy",
		OfferUntil: act.Now.Add(time.Hour), AcceptUntil: act.Now.Add(25 * time.Hour),
		Details: order.Details{Description: "Lesson"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// decide runs one decision on a clone, as the write path does, and keeps it only if it did not refuse.
func (w *world) decide(name string, decision func(o *order.Order, act order.Act) error) {
	next := w.o.Clone()
	before := len(next.Entries())
	if err := decision(next, w.act()); err != nil {
		if fault.KindOf(err) == fault.Internal {
			w.t.Fatalf("%s broke an invariant: %v\n%s", name, err, w.story())
		}
		return
	}
	w.history = append(w.history, next.Entries()[before:]...)
	w.o = next
	w.check(name)
}

func (w *world) story() string {
	var text strings.Builder
	for i := range w.history {
		e := &w.history[i]
		fmt.Fprintf(&text, "%3d %s %-26s -> %s\n", e.Version, e.At.Format(time.TimeOnly), e.Type, e.Change.To)
	}
	return text.String()
}

// check asserts what must hold after every step.
func (w *world) check(name string) {
	o := w.o
	fail := func(format string, args ...any) {
		w.t.Helper()
		w.t.Fatalf("after %s: %s\n%s", name, fmt.Sprintf(format, args...), w.story())
	}
	w.checkReplay(fail)
	paid := 0
	for i := range w.history {
		if w.history[i].Type == order.OrderPaid {
			paid++
		}
	}
	if paid > 1 || (paid == 1) != (o.SettledBy != "") {
		fail("paid %d times, settled by %q (O8)", paid, o.SettledBy)
	}
	switch o.State {
	case order.Paid, order.PartiallyRefunded, order.Refunded, order.ChargedBack:
		if o.SettledBy == "" {
			fail("%s without a settling payment", o.State)
		}
	default:
		if o.SettledBy != "" {
			fail("settled, and yet %s (O4)", o.State)
		}
	}
	held := false
	for i := range o.Payments {
		held = held || o.Payments[i].Captured == 0 && o.Payments[i].Authorized > 0
	}
	if o.State == order.Authorized && (!held || o.LiveAttempt() == nil) {
		fail("AUTHORIZED with nothing held, or by an attempt that nobody asks about (O6)")
	}
	live := 0
	for i := range o.Attempts {
		if o.Attempts[i].Live() {
			live++
		}
	}
	if live > 1 || o.State == order.Processing && live == 0 {
		fail("%d live attempts in %s (O7)", live, o.State)
	}
	w.checkMoney(fail)
	w.checkHolds(fail)
}

// checkHolds asserts that of all money that is held at most one payment stands for the order, while nothing
// has settled it, and that a person heard of the rest (X1).
func (w *world) checkHolds(fail func(string, ...any)) {
	good := 0
	for i := range w.o.Payments {
		p := &w.o.Payments[i]
		onHold, odd := p.Captured == 0 && p.Authorized > 0, false
		for j := range w.o.Exceptions {
			x := &w.o.Exceptions[j]
			odd = odd || x.PaymentID == p.ID && x.Kind.HoldsMoney()
		}
		if onHold && !odd {
			good++
		}
		if !onHold && (p.CaptureAsked > 0 || p.VoidAsked) {
			fail("payment %+v is asked for and not held (O10)", *p)
		}
		if p.CaptureAsked > 0 && p.VoidAsked {
			fail("payment %+v is both taken and released (O10)", *p)
		}
	}
	if good > 1 || good == 1 && w.o.SettledBy != "" {
		fail("%d holds stand for the order, settled by %q, and nobody hears of them (X1)", good, w.o.SettledBy)
	}
}

func (w *world) checkReplay(fail func(string, ...any)) {
	var decoded []order.Entry
	for i := range w.history {
		stored, err := w.history[i].Encode()
		if err != nil {
			fail("encode: %v", err)
		}
		e, err := order.Decode(stored)
		if err != nil {
			fail("decode: %v", err)
		}
		if diff := cmp.Diff(w.history[i].View, e.View, cmpopts.EquateEmpty()); diff != "" {
			fail("the view changed on its way through bytes: %s", diff)
		}
		decoded = append(decoded, e)
	}
	replayed, err := order.Replay(decoded)
	if err != nil {
		fail("replay: %v", err)
	}
	replayed.Terms.Customer = w.o.Terms.Customer // It stands in the private text.
	ignore := []cmp.Option{
		cmpopts.IgnoreUnexported(order.Order{}), cmp.Comparer(func(a, b order.ID) bool { return a == b }),
		cmp.Comparer(func(a, b money.Amount) bool { return a == b }), cmpopts.EquateEmpty(),
	}
	if diff := cmp.Diff(w.o, replayed, ignore...); diff != "" {
		fail("replaying the journal does not give the row (O3): %s", diff)
	}
}

func (w *world) checkMoney(fail func(string, ...any)) {
	waits, names := false, map[string]bool{}
	for i := range w.o.Payments {
		p := &w.o.Payments[i]
		if p.Reserved < 0 || p.Refunded < 0 || p.Reserved+p.Refunded > p.Captured {
			fail("payment %+v refunds more than it captured (R1)", *p)
		}
		held, returned := 0, false
		if name := p.Account + p.PSPPaymentID; p.PSPPaymentID != "" {
			if names[name] {
				fail("the same money is two payments: %+v (O8)", *p)
			}
			names[name] = true
		}
		for j := range w.o.Exceptions {
			x := &w.o.Exceptions[j]
			if x.PaymentID != p.ID || !x.Kind.HoldsMoney() {
				continue
			}
			if x.Open() {
				held++
			}
			returned = returned || x.Resolution == order.ResolvedRefunded
			waits = waits || x.Open() && p.Captured > 0
		}
		gone := returned && held == 0 && p.Refunded+p.ChargedBack >= p.Captured
		if p.Captured > 0 && (p.Settles && held != 0 || !p.Settles && held != 1 && !gone) {
			fail("payment %+v settles=%t and is in %d exceptions (X1)", *p, p.Settles, held)
		}
	}
	if w.o.State != order.Review && waits && w.o.SettledBy == "" {
		fail("money waits in %s (O2)", w.o.State)
	}
	if w.o.State == order.Review && !waits {
		fail("MANUAL_REVIEW without money that waits (O2)")
	}
}

func (w *world) attempt() string {
	if len(w.o.Attempts) == 0 {
		return ""
	}
	return w.o.Attempts[rapid.IntRange(0, len(w.o.Attempts)-1).Draw(w.t, "attempt")].ID
}

func (w *world) evidence() order.Evidence {
	t := w.t
	a := w.o.Attempt(w.attempt())
	ev := order.Evidence{
		Source:       rapid.SampledFrom([]order.Source{order.FromCallback, order.FromLookup, order.FromOperator}).Draw(t, "source"),
		Fact:         rapid.SampledFrom(order.Facts()).Draw(t, "fact"),
		Account:      a.Account,
		AttemptID:    a.ID,
		PSPPaymentID: rapid.SampledFrom([]string{a.ID + "p1", a.ID + "p1", a.ID + "p1", a.ID + "p2", "p3"}).Draw(t, "psp payment"),
		AmountMinor:  rapid.SampledFrom([]int64{10_000, 10_000, 10_000, 10_000, 4_000, 4_000, 12_000, 0}).Draw(t, "amount"),
		Currency:     rapid.SampledFrom([]string{"AMD", "AMD", "AMD", "AMD", "UAH"}).Draw(t, "currency"),
		PayeeDiffers: rapid.IntRange(0, 9).Draw(t, "payee") == 0,
		ReceivedAt:   w.now, Failure: "insufficient funds",
		ClosesSession: rapid.Bool().Draw(t, "closes"),
		PaidAtExact:   rapid.Bool().Draw(t, "exact"),
	}
	if rapid.IntRange(0, 9).Draw(t, "unnamed") == 0 {
		ev.PSPPaymentID = ""
	}
	if rapid.Bool().Draw(t, "paid at known") {
		at := w.now.Add(-time.Duration(rapid.IntRange(0, 90).Draw(t, "minutes ago")) * time.Minute)
		ev.PaidAt = &at
	}
	return ev
}

func (w *world) actions() map[string]func(*rapid.T) {
	onAttempt := func(name string, f func(o *order.Order, act order.Act, id string) error) func(*rapid.T) {
		return func(t *rapid.T) {
			w.t = t
			id := w.attempt()
			if id == "" {
				t.Skip("no attempt yet")
			}
			w.decide(name, func(o *order.Order, act order.Act) error { return f(o, act, id) })
		}
	}
	proof := func() order.DeathProof {
		return rapid.SampledFrom([]order.DeathProof{
			order.DeadByOperator, order.DeadNotAttempted, order.DeadNeverHandedOff, order.DeadCancelConfirmed,
		}).Draw(w.t, "proof")
	}
	return map[string]func(*rapid.T){
		"start": func(t *rapid.T) {
			w.t = t
			spec := order.AttemptSpec{
				ID: fmt.Sprintf("att_%d", len(w.o.Attempts)), Account: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "account"),
				SessionUntil: w.now.Add(15 * time.Minute), Grace: 5 * time.Minute,
			}
			w.decide("start", func(o *order.Order, act order.Act) error {
				_, _, err := o.StartAttempt(act, spec)
				return err
			})
		},
		"hand off": onAttempt("hand off", (*order.Order).HandOff),
		"doubt":    onAttempt("doubt", (*order.Order).Doubt),
		"stick":    onAttempt("stick", (*order.Order).Stick),
		"bury": onAttempt("bury", func(o *order.Order, act order.Act, id string) error {
			return o.Bury(act, id, proof())
		}),
		"evidence":       w.applyTwice,
		"evidence again": w.applyTwice,
		"wait": func(t *rapid.T) {
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "minutes")) * time.Minute)
		},
		"cancel": func(t *rapid.T) {
			w.t = t
			w.decide("cancel", (*order.Order).Cancel)
		},
		"expire": func(t *rapid.T) {
			w.t = t
			w.decide("expire", (*order.Order).Expire)
		},
		"reopen": func(t *rapid.T) {
			w.t = t
			w.decide("reopen", func(o *order.Order, act order.Act) error {
				_, err := o.Offer(act, order.Spec{
					LinkID: "lnk_2", Terms: o.Terms, OfferUntil: w.now.Add(time.Hour), AcceptUntil: w.now.Add(2 * time.Hour),
				})
				return err
			})
		},
		"cancel voided": func(t *rapid.T) {
			w.t = t
			if len(w.o.Attempts) == 0 {
				t.Skip("no attempt yet")
			}
			ev := w.evidence()
			ev.Fact = order.FactVoided
			w.decide("cancel voided", func(o *order.Order, act order.Act) error { return o.CancelVoided(act, ev) })
		},
		"capture": func(t *rapid.T) {
			w.t = t
			minor := rapid.SampledFrom([]int64{0, 10_000, 4_000, 12_000}).Draw(t, "capture")
			w.decide("request capture", func(o *order.Order, act order.Act) error {
				_, _, err := o.RequestCapture(act, minor)
				return err
			})
		},
		"void": func(t *rapid.T) {
			w.t = t
			w.decide("request void", func(o *order.Order, act order.Act) error {
				_, err := o.RequestVoid(act)
				return err
			})
		},
		"elsewhere": func(t *rapid.T) {
			w.t = t
			if len(w.o.Attempts) == 0 {
				t.Skip("no attempt yet")
			}
			ev, owner := w.evidence(), w.o.ID
			for range 2 {
				before := len(w.history)
				w.decide("evidence of another order's", func(o *order.Order, act order.Act) error { return o.ApplyElsewhere(act, ev, owner) })
				if before = len(w.history) - before; before != 0 && before != 2 {
					t.Fatalf("%d entries about money that is another order's", before)
				}
			}
		},
		"hold fails": w.failHold,
		"refund":     w.refund,
		"resolve":    w.resolve,
	}
}

func (w *world) applyTwice(t *rapid.T) {
	w.t = t
	if len(w.o.Attempts) == 0 {
		t.Skip("no attempt yet")
	}
	ev := w.evidence()
	name := "evidence " + string(ev.Fact)
	w.decide(name, func(o *order.Order, act order.Act) error { return o.Apply(act, ev, w.policy) })
	entries := len(w.history)
	w.decide(name+" repeated", func(o *order.Order, act order.Act) error { return o.Apply(act, ev, w.policy) })
	if len(w.history) != entries {
		t.Fatalf("the repeat of %+v wrote something (O4)\n%s", ev, w.story())
	}
}

func (w *world) refund(t *rapid.T) {
	w.t = t
	if n := len(w.o.Refunds); n > 0 && rapid.Bool().Draw(t, "go on") {
		id := w.o.Refunds[rapid.IntRange(0, n-1).Draw(t, "refund")].ID
		what := rapid.SampledFrom([]func(*order.Order, order.Act) error{
			func(o *order.Order, act order.Act) error { return o.SendRefund(act, id) },
			func(o *order.Order, act order.Act) error { return o.PostRefund(act, id) },
			func(o *order.Order, act order.Act) error { return o.FailRefund(act, id, "no") },
			func(o *order.Order, act order.Act) error { return o.DoubtRefund(act, id) },
		}).Draw(t, "what")
		w.decide("refund goes on", what)
		return
	}
	spec := order.RefundSpec{AmountMinor: rapid.SampledFrom([]int64{10_000, 6_000, 1}).Draw(t, "amount")}
	if n := len(w.o.Payments); n > 0 {
		spec.PaymentID = w.o.Payments[rapid.IntRange(0, n-1).Draw(t, "payment")].ID
	}
	w.decide("refund", func(o *order.Order, act order.Act) error {
		_, err := o.RequestRefund(act, spec)
		return err
	})
}

func (w *world) failHold(t *rapid.T) {
	w.t = t
	n := len(w.o.Payments)
	if n == 0 {
		t.Skip("no payment yet")
	}
	id := w.o.Payments[rapid.IntRange(0, n-1).Draw(t, "payment")].ID
	fail := rapid.SampledFrom([]func(*order.Order, order.Act) error{
		func(o *order.Order, act order.Act) error { return o.FailCapture(act, id, "no") },
		func(o *order.Order, act order.Act) error { return o.FailVoid(act, id, "no") },
	}).Draw(t, "what fails")
	w.decide("hold fails", fail)
}

func (w *world) resolve(t *rapid.T) {
	w.t = t
	if len(w.o.Exceptions) == 0 {
		t.Skip("no exception yet")
	}
	id := w.o.Exceptions[rapid.IntRange(0, len(w.o.Exceptions)-1).Draw(t, "exception")].ID
	how := rapid.SampledFrom([]order.Decision{order.DecideAccept, order.DecideRefund, order.DecideDismiss}).Draw(t, "how")
	w.decide("resolve", func(o *order.Order, act order.Act) error { return o.ResolveException(act, id, how) })
}

// No walk of evidence and acts reaches paid twice, leaves paid by a late decline, loses a payment
// (X1), or breaks "replaying the journal gives the row" (O3).
func TestWalk_O3_O4_O7_O8_R1_X1(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, now: epoch, policy: order.Policy{}}
		for _, kind := range order.ExceptionKinds() {
			w.policy[kind] = rapid.SampledFrom([]order.PolicyAction{order.Hold, order.Accept, order.Return}).Draw(t, string(kind))
		}
		act := w.act()
		w.o = newOrder(t, act)
		w.history = append(w.history, w.o.Entries()...)
		t.Repeat(w.actions())
	})
}
