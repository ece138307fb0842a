package payment_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

func TestHandleCallback_C1_AProvenFactIsOneCommitAndARepeatWritesNothing(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a := s.press(s.order("A-1")).AttemptID
	reply := s.say(a, found(order.FactSucceeded, 500_000))
	if reply.Status != 200 || string(reply.Body) != "ok" {
		t.Errorf("%+v (C2)", reply)
	}
	paid := s.wantState("A-1", order.Paid)
	if len(paid.Payments) != 1 || paid.Payments[0].Captured != 500_000 || !paid.Payments[0].Settles {
		t.Errorf("%+v", paid.Payments)
	}
	for range 3 {
		if again := s.say(a, found(order.FactSucceeded, 500_000)); again.Status != 200 {
			t.Errorf("a repeat hears %+v (C2)", again)
		}
	}
	if now := s.status("A-1"); now.Order.Version != paid.Order.Version {
		t.Errorf("a repeat wrote something: version %d after %d (O4)", now.Order.Version, paid.Order.Version)
	}
	s.round()
	if s.psp.asked != 0 {
		t.Error("the PSP was asked about an attempt that had its final answer")
	}
}

func TestHandleCallback_J5_TheRawCallbackIsKeptBesideItsFact(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a := s.press(s.order("A-1")).AttemptID
	body, err := json.Marshal(spoken{Ref: s.ref(a), Findings: []psp.Finding{found(order.FactSucceeded, 500_000)}})
	s.must(err)
	_, err = s.HandleCallback(t.Context(), s.callback(body))
	s.must(err)
	m, err := s.store.Message(t.Context(), s.MessageKey("demo", "fake", psp.Callback{Method: "POST", Body: body}))
	s.must(err)
	kept, err := psp.DecodeCallback(m.Raw)
	s.must(err)
	if string(kept.Body) != string(body) || m.Outcome != store.MessageApplied || m.OrderID != "A-1" || m.AttemptID != a {
		t.Errorf("%+v", m)
	}
	explained, err := s.ExplainOrder(t.Context(), s.caller, "A-1")
	s.must(err)
	for _, step := range explained.Steps {
		for _, ev := range step.Evidence {
			if ev.RawID != m.ID {
				t.Errorf("%s rests on %q, kept is %q", step.Type, ev.RawID, m.ID)
			}
		}
	}
}

func TestHandleCallback_C1_AWrongSignatureIsKeptAnsweredAndLeadsToNothing(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a := s.press(s.order("A-1")).AttemptID
	body, err := json.Marshal(spoken{Ref: s.ref(a), Findings: []psp.Finding{found(order.FactSucceeded, 500_000)}})
	s.must(err)
	reply, err := s.HandleCallback(t.Context(), s.callback(append([]byte("forged"), body...)))
	if err != nil || reply.Status != 401 {
		t.Errorf("%+v, %v", reply, err)
	}
	s.wantState("A-1", order.Processing)
	if n, err := s.store.CountForged(t.Context(), "demo", "fake"); err != nil || n != 1 {
		t.Errorf("%d are kept, %v", n, err)
	}
	if s.psp.asked != 0 {
		t.Error("a forged callback led to a lookup")
	}
}

func TestHandleCallback_C3_AnAddressThatIsNotOursIsNotThere(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	for name, in := range map[string]payment.HandleCallback{
		"no such account":  {Account: "none", Secret: s.CallbackSecret("none")},
		"no secret":        {Account: "fake"},
		"another's secret": {Account: "fake", Secret: s.CallbackSecret("second")},
	} {
		if _, err := s.HandleCallback(t.Context(), in); !fault.Is(err, fault.ReasonAccountNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHandleCallback_C4_AHintChangesNothingAndAsks(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a := s.press(s.order("A-1")).AttemptID
	s.deliver(spoken{Ref: s.ref(a), Hint: true, Findings: []psp.Finding{found(order.FactSucceeded, 500_000)}})
	s.wantState("A-1", order.Processing)
	s.psp.ask = func(psp.Ref) (psp.Report, error) {
		return psp.Report{Findings: []psp.Finding{found(order.FactSucceeded, 500_000)}}, nil
	}
	s.resolve()
	s.wantState("A-1", order.Paid)
}

func TestHandleCallback_C4_HintsAskOnceInTenSecondsAndAccountsOnceASecond(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a, b := s.press(s.order("A-1")).AttemptID, s.press(s.order("B-1")).AttemptID
	hint := func(attempt, news string) {
		s.deliver(spoken{Ref: s.ref(attempt), Hint: true, Findings: []psp.Finding{{Fact: order.FactPending, Failure: news}}})
	}
	hint(a, "1")
	hint(b, "1")
	s.round()
	if s.psp.asked != 1 {
		t.Fatalf("two hints of an account in one second led to %d lookups", s.psp.asked)
	}
	s.pass(time.Second)
	s.round()
	if s.psp.asked != 2 {
		t.Fatalf("after a second %d lookups", s.psp.asked)
	}
	hint(a, "2")
	hint(b, "2")
	s.pass(2 * time.Second)
	s.round()
	if s.psp.asked != 2 {
		t.Errorf("a reference was asked about twice within 10 s: %d lookups", s.psp.asked)
	}
	s.pass(11 * time.Second)
	s.round()
	s.pass(time.Second)
	s.round()
	if s.psp.asked != 4 {
		t.Errorf("the second hints led to %d lookups", s.psp.asked-2)
	}
}

// round runs the resolver once, without a look at what is put off.
func (s *shop) round() (begun int) {
	s.t.Helper()
	begun, _, err := s.ResolveDue(s.t.Context(), func(err error) { s.t.Error(err) })
	s.must(err)
	s.Resolved()
	return begun
}

func TestHandleCallback_C5_OfForeignOrphanAndUnreadable(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	missing := s.ref("att_" + "0123456789abcdefghijklmnop")
	for name, c := range map[string]struct {
		said spoken
		want store.MessageOutcome
	}{
		"another shop's": {spoken{Ref: "order-77"}, store.MessageForeign},
		"without one":    {spoken{}, store.MessageForeign},
		"ours, unknown":  {spoken{Ref: missing, Findings: []psp.Finding{found(order.FactSucceeded, 1)}}, store.MessageOrphan},
		"unreadable":     {spoken{Unreadable: true}, store.MessageUnreadable},
	} {
		body, err := json.Marshal(c.said)
		s.must(err)
		for range 2 {
			if reply, err := s.HandleCallback(t.Context(), s.callback(body)); err != nil || reply.Status != 200 {
				t.Errorf("%s: %+v, %v", name, reply, err)
			}
		}
		m, err := s.store.Message(t.Context(), s.MessageKey("demo", "fake", psp.Callback{Method: "POST", Body: body}))
		if err != nil || m.Outcome != c.want {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestHandleCallback_C5_AnUnknownStatusIsQuarantinedBesideTheOrder(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a := s.press(s.order("A-1")).AttemptID
	s.say(a, psp.Finding{Fact: order.FactUnreadable, Failure: "the status wait_moon"})
	status := s.wantState("A-1", order.Processing)
	if len(status.Exceptions) != 1 || status.Exceptions[0].Kind != order.Unreadable {
		t.Errorf("%+v", status.Exceptions)
	}
}

func TestApplyOrphans_C5_ACallbackBeforeItsOrderIsAppliedWhenTheAttemptAppears(t *testing.T) {
	t.Parallel()
	var next order.IDs
	fixed := false
	s := openShop(t, func(needs *payment.Needs) {
		needs.IDs = func() order.IDs {
			if fixed {
				return next
			}
			return newIDs()
		}
	})
	token := s.order("A-1")
	next = newIDs()
	attempt := next.ID("att_", 0)
	s.say(attempt, found(order.FactSucceeded, 500_000))
	if n, _, err := s.ApplyOrphans(t.Context()); err != nil || n != 0 {
		t.Fatalf("%d were applied before there is an attempt, %v", n, err)
	}
	fixed = true
	s.psp.start = func(psp.Intent) (psp.Handoff, error) {
		fixed = false
		return psp.Handoff{URL: "https://psp.test/pay"}, nil
	}
	s.press(token)
	if n, _, err := s.ApplyOrphans(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d were applied, %v", n, err)
	}
	s.wantState("A-1", order.Paid)
	if n, _, err := s.ApplyOrphans(t.Context()); err != nil || n != 0 {
		t.Errorf("%d were applied again, %v", n, err)
	}
}

// Each of M4's comparisons, with a valid signature.
func TestHandleCallback_M4_ASignatureDoesNotReplaceTheComparison(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		finding psp.Finding
		want    order.ExceptionKind
	}{
		"less":           {found(order.FactSucceeded, 400_000), order.Underpaid},
		"more":           {found(order.FactSucceeded, 600_000), order.Overpaid},
		"currency":       {psp.Finding{Fact: order.FactSucceeded, PSPPaymentID: "p-1", AmountMinor: 500_000, Currency: "UAH"}, order.WrongCurrency},
		"merchant":       {psp.Finding{Fact: order.FactSucceeded, PSPPaymentID: "p-1", AmountMinor: 500_000, Currency: "AMD", PayeeDiffers: true}, order.WrongMerchant},
		"currency of no": {psp.Finding{Fact: order.FactSucceeded, PSPPaymentID: "p-1", AmountMinor: 500_000, Currency: "XQZ"}, order.Unreadable},
	} {
		s := openShop(t)
		a := s.press(s.order("A-1")).AttemptID
		s.say(a, c.finding)
		status := s.status("A-1")
		if status.Order.State == order.Paid || len(status.Exceptions) != 1 || status.Exceptions[0].Kind != c.want {
			t.Errorf("%s: %s, %+v", name, status.Order.State, status.Exceptions)
		}
	}
}

// The order reference is the fourth of M4: a payment that another order has is not this order's.
func TestHandleCallback_O8_TheSameMoneyIsNeverTwoOrders(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a, b := s.press(s.order("A-1")).AttemptID, s.press(s.order("B-1")).AttemptID
	s.say(a, found(order.FactSucceeded, 500_000))
	s.say(b, found(order.FactSucceeded, 500_000)) // The same PSP payment id.
	s.wantState("A-1", order.Paid)
	status := s.wantState("B-1", order.Processing)
	if len(status.Payments) != 0 || len(status.Exceptions) != 1 || status.Exceptions[0].Kind != order.Conflicting {
		t.Errorf("%+v, %+v", status.Payments, status.Exceptions)
	}
}

func TestHandleCallback_X1_TheOddOnesBecomeExceptions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		play  func(s *shop, attempt string)
		state order.State
		want  order.ExceptionKind
	}{
		"duplicate": {func(s *shop, a string) {
			s.say(a, found(order.FactSucceeded, 500_000))
			s.say(a, psp.Finding{Fact: order.FactSucceeded, PSPPaymentID: "p-2", AmountMinor: 500_000, Currency: "AMD"})
		}, order.Paid, order.Duplicate},
		"after cancel": {func(s *shop, a string) {
			_, _, err := s.CancelOrder(s.t.Context(), s.caller, payment.CancelOrder{IdempotencyKey: "c", OrderID: "A-1"})
			s.must(err)
			s.say(a, found(order.FactSucceeded, 500_000))
		}, order.Review, order.AfterCancel},
		"late": {func(s *shop, a string) {
			s.pass(25 * time.Hour)
			f := found(order.FactSucceeded, 500_000)
			f.PaidAt = s.clock()
			s.say(a, f)
		}, order.Review, order.Late},
		"declined after paid": {func(s *shop, a string) {
			s.say(a, found(order.FactSucceeded, 500_000))
			s.say(a, psp.Finding{Fact: order.FactDeclined, PSPPaymentID: "p-1"})
		}, order.Paid, order.Conflicting},
	} {
		s := openShop(t)
		a := s.press(s.order("A-1")).AttemptID
		c.play(s, a)
		status := s.wantState("A-1", c.state)
		if len(status.Exceptions) != 1 || status.Exceptions[0].Kind != c.want {
			t.Errorf("%s: %+v", name, status.Exceptions)
		}
	}
}

func TestHandleCallback_O4_DeclinedThenPaidInOneSession(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	token := s.order("A-1")
	a := s.press(token).AttemptID
	s.say(a, psp.Finding{Fact: order.FactDeclined, Failure: "not enough money"})
	s.wantState("A-1", order.Failed)
	page, err := s.OpenPage(t.Context(), token)
	if err != nil || page.Failure != "not enough money" || len(page.Ways) == 0 {
		t.Errorf("%+v, %v", page, err)
	}
	s.say(a, found(order.FactSucceeded, 500_000))
	s.wantState("A-1", order.Paid)
}

// awayWriter is a write path that can be switched off.
type awayWriter struct {
	payment.Writer
	away atomic.Bool
}

func (w *awayWriter) Do(ctx context.Context, cmd writer.Command) error {
	if w.away.Load() {
		return fault.New(fault.Unavailable, fault.ReasonStoreUnavailable, "The database is away.")
	}
	return w.Writer.Do(ctx, cmd)
}

func TestHandleCallback_C1_WithTheStoreAwayNobodyHearsOfSuccess(t *testing.T) {
	t.Parallel()
	w := &awayWriter{}
	s := openShop(t, func(needs *payment.Needs) { w.Writer, needs.Writer = needs.Writer, w })
	a := s.press(s.order("A-1")).AttemptID
	body, err := json.Marshal(spoken{Ref: s.ref(a), Findings: []psp.Finding{found(order.FactSucceeded, 500_000)}})
	s.must(err)
	w.away.Store(true)
	if reply, err := s.HandleCallback(t.Context(), s.callback(body)); !fault.Is(err, fault.ReasonStoreUnavailable) || reply.Status != 0 {
		t.Errorf("%+v, %v", reply, err)
	}
	w.away.Store(false)
	if reply, err := s.HandleCallback(t.Context(), s.callback(body)); err != nil || reply.Status != 200 {
		t.Errorf("the PSP's repeat: %+v, %v", reply, err)
	}
	s.wantState("A-1", order.Paid)
}

// A PSP at which a refusal moves money declares what to answer where nothing can be kept.
func TestHandleCallback_C1_AProviderMayDeclareWhatToAnswerThen(t *testing.T) {
	t.Parallel()
	w := &awayWriter{}
	s := openShop(t, func(needs *payment.Needs) {
		w.Writer, needs.Writer = needs.Writer, w
		declared := newFakePSP()
		declared.declaration.Away = psp.Reply{Status: 200, Body: []byte("RETRY")}
		a, err := psp.NewAccount(declared, psp.Options{ID: "fake", Merchant: "demo", Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		needs.Accounts[0] = a
	})
	a := s.press(s.order("A-1")).AttemptID
	w.away.Store(true)
	if reply := s.say(a, found(order.FactSucceeded, 500_000)); reply.Status != 200 || string(reply.Body) != "RETRY" {
		t.Errorf("%+v", reply)
	}
}
