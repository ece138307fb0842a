package order_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
)

const (
	full  = 10_000
	grace = 5 * time.Minute
)

// script plays a story of one order, a decision per line. A decision that refuses fails the test,
// unless it is asked for with refused.
type script struct {
	t      *testing.T
	now    time.Time
	step   int
	o      *order.Order
	policy order.Policy
}

func newScript(t *testing.T) *script {
	t.Helper()
	s := &script{t: t, now: epoch}
	s.o = newOrder(t, s.act())
	return s
}

func (s *script) act() order.Act {
	s.step++
	act := order.NewAct(s.now, order.Actor{Kind: order.BySystem, ID: "script"}, order.IDs{Seed: [16]byte{5, 4: byte(s.step)}, Salt: [16]byte{9}})
	act.Reason = "because"
	return act
}

func (s *script) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("in state %s: %v", s.o.State, err)
	}
}

func (s *script) wait(d time.Duration) { s.now = s.now.Add(d) }

// start presses Pay: attempt ids are "a1", "a2" ...
func (s *script) start(account string) string {
	s.t.Helper()
	id := "a" + string(rune('1'+len(s.o.Attempts)))
	_, _, err := s.o.StartAttempt(s.act(), order.AttemptSpec{
		ID: id, Account: account, SessionUntil: s.now.Add(15 * time.Minute), Grace: grace,
	})
	s.must(err)
	s.must(s.o.HandOff(s.act(), id))
	return id
}

// change adjusts evidence before it is applied.
type change func(*order.Evidence)

func amount(minor int64) change      { return func(ev *order.Evidence) { ev.AmountMinor = minor } }
func currency(code string) change    { return func(ev *order.Evidence) { ev.Currency = code } }
func payment(id string) change       { return func(ev *order.Evidence) { ev.PSPPaymentID = id } }
func closes(ev *order.Evidence)      { ev.ClosesSession = true }
func otherPayee(ev *order.Evidence)  { ev.PayeeDiffers = true }
func by(source order.Source) change  { return func(ev *order.Evidence) { ev.Source = source } }
func receivedAt(at time.Time) change { return func(ev *order.Evidence) { ev.ReceivedAt = at } }
func paidAt(at time.Time) change     { return func(ev *order.Evidence) { ev.PaidAt = &at } }
func account(id string) change       { return func(ev *order.Evidence) { ev.Account = id } }
func paidExactly(at time.Time) change {
	return func(ev *order.Evidence) { ev.PaidAt, ev.PaidAtExact = &at, true }
}

func (s *script) evidence(fact order.Fact, attempt string, changes ...change) order.Evidence {
	ev := order.Evidence{
		Source: order.FromCallback, Fact: fact, Account: "liqpay", AttemptID: attempt, PSPPaymentID: "p1 of " + attempt,
		AmountMinor: full, Currency: "AMD", ReceivedAt: s.now,
	}
	if a := s.o.Attempt(attempt); a != nil {
		ev.Account = a.Account
	}
	for _, c := range changes {
		c(&ev)
	}
	return ev
}

func (s *script) hear(fact order.Fact, attempt string, changes ...change) {
	s.t.Helper()
	ev := s.evidence(fact, attempt, changes...)
	s.must(s.o.Apply(s.act(), ev, s.policy))
	entries := len(s.o.Entries())
	s.must(s.o.Apply(s.act(), ev, s.policy))
	if len(s.o.Entries()) != entries {
		s.t.Fatalf("the repeat of %s wrote %s (O4)", fact, s.o.Entries()[entries].Type)
	}
}

// silent applies evidence that must change nothing and write nothing.
func (s *script) silent(fact order.Fact, attempt string, changes ...change) {
	s.t.Helper()
	entries := len(s.o.Entries())
	s.hear(fact, attempt, changes...)
	if len(s.o.Entries()) != entries {
		s.t.Fatalf("%s wrote %s", fact, s.o.Entries()[entries].Type)
	}
}

func (s *script) refund(paymentID string, minor int64) string {
	s.t.Helper()
	r, err := s.o.RequestRefund(s.act(), order.RefundSpec{PaymentID: paymentID, AmountMinor: minor})
	s.must(err)
	return r.ID
}

// refunded requests, sends and posts a refund.
func (s *script) refunded(paymentID string, minor int64) {
	s.t.Helper()
	id := s.refund(paymentID, minor)
	s.must(s.o.SendRefund(s.act(), id))
	s.must(s.o.PostRefund(s.act(), id))
}

func (s *script) state(want order.State) {
	s.t.Helper()
	if s.o.State != want {
		s.t.Fatalf("the order is %s, want %s", s.o.State, want)
	}
}

// open is the only open exception, which must be of this kind.
func (s *script) open(kind order.ExceptionKind) *order.Exception {
	s.t.Helper()
	var found *order.Exception
	for i := range s.o.Exceptions {
		if x := &s.o.Exceptions[i]; x.Open() {
			if found != nil {
				s.t.Fatalf("%s and %s are open, want %s alone", found.Kind, x.Kind, kind)
			}
			found = x
		}
	}
	if found == nil || found.Kind != kind {
		s.t.Fatalf("open is %+v, want %s", found, kind)
	}
	return found
}

func (s *script) noneOpen() {
	s.t.Helper()
	for i := range s.o.Exceptions {
		if s.o.Exceptions[i].Open() {
			s.t.Fatalf("%s is open", s.o.Exceptions[i].Kind)
		}
	}
}

func (s *script) resolve(how order.Decision) {
	s.t.Helper()
	for i := range s.o.Exceptions {
		if x := &s.o.Exceptions[i]; x.Open() {
			s.must(s.o.ResolveException(s.act(), x.ID, how))
			return
		}
	}
	s.t.Fatal("no exception is open")
}

// refused asserts that a decision refused with this reason and wrote nothing.
func (s *script) refused(err error, reason fault.Reason) {
	s.t.Helper()
	if !fault.Is(err, reason) {
		s.t.Fatalf("got %v, want %s", err, reason)
	}
}

func (s *script) last() order.Type {
	entries := s.o.Entries()
	return entries[len(entries)-1].Type
}

func (s *script) checkReplay() {
	s.t.Helper()
	var decoded []order.Entry
	for _, e := range s.o.Entries() {
		stored, err := e.Encode()
		s.must(err)
		back, err := order.Decode(stored)
		s.must(err)
		decoded = append(decoded, back)
	}
	replayed, err := order.Replay(decoded)
	s.must(err)
	replayed.Terms.Customer = s.o.Terms.Customer // It stands in the private text.
	if diff := cmp.Diff(s.o, replayed, sameOrder()...); diff != "" {
		s.t.Errorf("replaying the journal does not give the row (O3): %s", diff)
	}
}

func sameOrder() []cmp.Option {
	return []cmp.Option{
		cmpopts.IgnoreUnexported(order.Order{}), cmp.Comparer(func(a, b order.ID) bool { return a == b }),
		cmp.Comparer(func(a, b money.Amount) bool { return a == b }), cmpopts.EquateEmpty(),
	}
}

// scenarios are stories that together walk every row of the table of transitions.
func scenarios() map[string]func(*script) {
	return map[string]func(*script){
		"paid, refunded in parts, charged back and reversed": func(s *script) {
			a := s.start("liqpay")
			s.hear(order.FactSucceeded, a)
			s.hear(order.FactChargedBack, a)
			s.hear(order.FactChargebackBack, a) // To PAID.
			s.refunded("", 1_000)
			s.refunded("", 1_000)
			s.hear(order.FactChargedBack, a, by(order.FromOperator))
			s.hear(order.FactChargebackBack, a) // To PARTIALLY_REFUNDED.
			s.refunded("", 8_000)
			s.hear(order.FactChargedBack, a, by(order.FromOperator))
			s.hear(order.FactChargebackBack, a) // To REFUNDED.
		},
		"refunded at once": func(s *script) {
			s.hear(order.FactSucceeded, s.start("liqpay"))
			id := s.refund("", full)
			s.must(s.o.SendRefund(s.act(), id))
			s.must(s.o.DoubtRefund(s.act(), id))
			s.must(s.o.PostRefund(s.act(), id))
			s.must(s.o.FailRefund(s.act(), id, "too late to fail"))
		},
		"held, captured": func(s *script) {
			a := s.start("liqpay")
			s.hear(order.FactAuthorized, a)
			s.hear(order.FactSucceeded, a)
			s.must(s.o.FailRefund(s.act(), s.refund("", 1), "no"))
		},
		"held, capture refused, then captured": func(s *script) {
			a := s.start("liqpay")
			s.hear(order.FactAuthorized, a)
			s.capture(0)
			s.must(s.o.FailCapture(s.act(), s.o.Payments[0].ID, "the bank is closed"))
			s.capture(4_000)
			s.hear(order.FactSucceeded, a, amount(4_000))
		},
		"held, void refused, then voided": func(s *script) {
			a := s.start("liqpay")
			s.hear(order.FactAuthorized, a)
			s.void()
			s.must(s.o.FailVoid(s.act(), s.o.Payments[0].ID, "the bank is closed"))
			s.void()
			s.hear(order.FactVoided, a)
		},
		"held, released by the PSP, tried again, held": func(s *script) {
			a := s.start("liqpay")
			s.hear(order.FactAuthorized, a)
			s.hear(order.FactVoided, a)
			b := s.start("liqpay")
			s.hear(order.FactDeclined, b)
			s.hear(order.FactAuthorized, b)
			s.must(s.o.CancelVoided(s.act(), s.evidence(order.FactVoided, b)))
		},
		"held, and other money came": func(s *script) {
			a := s.start("liqpay")
			s.hear(order.FactAuthorized, a)
			s.hear(order.FactSucceeded, a, payment("p2"), amount(4_000))
			s.refunded(s.o.Payments[1].ID, 4_000) // To AUTHORIZED.
		},
		"declined, then another card": func(s *script) {
			a := s.start("liqpay")
			s.hear(order.FactDeclined, a)
			s.hear(order.FactSucceeded, a)
		},
		"declined, expired": func(s *script) {
			s.hear(order.FactDeclined, s.start("liqpay"), closes)
			s.wait(time.Hour)
			s.must(s.o.Expire(s.act()))
		},
		"declined, cancelled": func(s *script) {
			s.hear(order.FactDeclined, s.start("liqpay"), closes)
			s.must(s.o.Cancel(s.act()))
		},
		"declined, underpaid, given back, and underpaid while processing": func(s *script) {
			a := s.start("liqpay")
			s.hear(order.FactDeclined, a)
			s.hear(order.FactSucceeded, a, amount(4_000))
			s.refunded(s.o.Payments[0].ID, 4_000) // To FAILED.
			b := s.start("liqpay")
			s.hear(order.FactSucceeded, b, amount(4_000))
			s.refunded(s.o.Payments[1].ID, 4_000) // To PENDING.
		},
		"late money of a dead attempt while another lives": func(s *script) {
			a := s.start("liqpay")
			s.must(s.o.Bury(s.act(), a, order.DeadByOperator))
			s.hear(order.FactSucceeded, a) // From PENDING.
			s.refunded(s.o.Payments[0].ID, full)
			b := s.start("liqpay")
			s.must(s.o.Bury(s.act(), b, order.DeadByOperator))
			c := s.start("liqpay")
			s.hear(order.FactSucceeded, b)
			s.refunded(s.o.Payments[1].ID, full) // To PROCESSING.
			s.hear(order.FactSucceeded, c)
		},
		"held behind a review": func(s *script) {
			a := s.start("liqpay")
			s.must(s.o.Bury(s.act(), a, order.DeadByOperator))
			b := s.start("liqpay")
			s.hear(order.FactSucceeded, a)
			s.hear(order.FactAuthorized, b)
			s.refunded(s.o.Payments[0].ID, full)
			s.state(order.Authorized)
		},
		"paid in time, reported after the burial": func(s *script) {
			a := s.start("liqpay")
			paid := s.now.Add(time.Minute)
			s.wait(30 * time.Minute)
			s.must(s.o.Bury(s.act(), a, order.DeadSessionOver))
			s.hear(order.FactSucceeded, a, paidExactly(paid)) // From PENDING.
		},
		"expired, reported in time, or late and given back": func(s *script) {
			a := s.start("liqpay")
			paid := s.now.Add(time.Minute)
			s.wait(2 * time.Hour)
			s.must(s.o.Bury(s.act(), a, order.DeadSessionOver))
			s.state(order.Expired)
			s.hear(order.FactSucceeded, a, amount(1))
			s.refunded(s.o.Payments[0].ID, 1) // To EXPIRED.
			s.hear(order.FactSucceeded, a, payment("p2"), paidExactly(paid))
		},
		"expired, reopened, accepted after all": func(s *script) {
			s.wait(time.Hour)
			_, err := s.o.Offer(s.act(), order.Spec{
				LinkID: "lnk_2", Terms: s.o.Terms, OfferUntil: s.now.Add(time.Hour), AcceptUntil: s.now.Add(2 * time.Hour),
			})
			s.must(err)
			a := s.start("liqpay")
			s.must(s.o.Doubt(s.act(), a))
			s.must(s.o.Stick(s.act(), a))
			s.hear(order.FactSucceeded, a, amount(12_000))
			s.resolve(order.DecideAccept)
		},
		"cancelled, paid, given back": func(s *script) {
			a := s.start("liqpay")
			s.must(s.o.Cancel(s.act()))
			s.hear(order.FactSucceeded, a)
			s.refunded(s.o.Payments[0].ID, full) // To CANCELLED.
		},
		"cancelled, paid, accepted": func(s *script) {
			a := s.start("liqpay")
			s.must(s.o.Cancel(s.act()))
			s.hear(order.FactSucceeded, a)
			s.resolve(order.DecideAccept)
		},
		"cancelled, paid, accepted by policy": func(s *script) {
			s.policy = order.Policy{order.AfterCancel: order.Accept}
			a := s.start("liqpay")
			s.must(s.o.Cancel(s.act()))
			s.hear(order.FactSucceeded, a)
		},
		"pending, cancelled": func(s *script) { s.must(s.o.Cancel(s.act())) },
	}
}

func (s *script) capture(minor int64) {
	s.t.Helper()
	_, _, err := s.o.RequestCapture(s.act(), minor)
	s.must(err)
}

func (s *script) void() {
	s.t.Helper()
	_, err := s.o.RequestVoid(s.act())
	s.must(err)
}
