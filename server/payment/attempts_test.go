package payment_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
)

func TestStartAttempt_I5_TheIntentIsCommittedBeforeThePSPIsCalled(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	token := s.order("A-1")
	var seen order.State
	var intent psp.Intent
	s.psp.start = func(in psp.Intent) (psp.Handoff, error) {
		intent, seen = in, s.status("A-1").Order.State
		return psp.Handoff{URL: "https://psp.test/pay"}, nil
	}
	started := s.press(token)
	if seen != order.Processing {
		t.Errorf("at the PSP's call the order was %s", seen)
	}
	if started.Handoff == nil || started.Handoff.URL != "https://psp.test/pay" {
		t.Errorf("%+v", started)
	}
	if intent.Ref != s.ref(started.AttemptID) || intent.Amount != dram(t, 500_000) || intent.Description == "" ||
		!strings.HasPrefix(intent.ReturnURL, "https://pay.test/pay/"+token+"/return/att_") ||
		!strings.HasPrefix(intent.CallbackURL, "https://pay.test/callbacks/psp/fake/") || intent.SessionUntil.IsZero() {
		t.Errorf("%+v", intent)
	}
	if a := s.attempts(); len(a) != 1 || a[0].State != order.AttemptHanded {
		t.Errorf("%+v", a)
	}
}

func TestStartAttempt_O7_ASecondTapJoinsAndGetsTheSameWay(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	token := s.order("A-1")
	release := make(chan struct{})
	s.psp.start = func(in psp.Intent) (psp.Handoff, error) {
		<-release
		return psp.Handoff{URL: "https://psp.test/pay/" + in.Ref, Fields: []psp.Field{{Name: "a", Value: "b"}}}, nil
	}
	var taps sync.WaitGroup
	got := make([]payment.Started, 8)
	for i := range got {
		taps.Go(func() {
			started, err := s.StartAttempt(context.WithoutCancel(t.Context()), payment.StartAttempt{Token: token, Account: "fake"})
			if err != nil {
				t.Error(err)
			}
			got[i] = started
		})
	}
	time.AfterFunc(300*time.Millisecond, func() { close(release) })
	taps.Wait()
	for i := range got {
		if got[i].AttemptID != got[0].AttemptID || got[i].Handoff == nil || got[i].Handoff.URL != got[0].Handoff.URL || len(got[i].Handoff.Fields) != 1 {
			t.Errorf("tap %d: %+v, want %+v", i, got[i], got[0])
		}
	}
	if n := s.psp.starts(); n != 1 {
		t.Errorf("the PSP was called %d times", n)
	}
}

func TestStartAttempt_O7_AnotherAccountWaitsUntilTheAttemptIsDead(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	token := s.order("A-1")
	s.press(token)
	_, err := s.StartAttempt(t.Context(), payment.StartAttempt{Token: token, Account: "second"})
	if !fault.Is(err, fault.ReasonAttemptInProgress) {
		t.Fatalf("another account beside a live attempt: %v", err)
	}
	s.pass(26 * time.Minute) // Session and grace.
	s.resolve()
	if a := s.attempts(); a[0].State != order.AttemptOver {
		t.Fatalf("the session is over and the PSP says unpaid: %+v", a[0])
	}
	started, err := s.StartAttempt(t.Context(), payment.StartAttempt{Token: token, Account: "second"})
	if err != nil || started.Handoff == nil {
		t.Errorf("%+v, %v", started, err)
	}
}

func TestStartAttempt_O7_NothingHappenedAtThePSP_CanBeTriedAgainAtOnce(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"no connection": psp.ErrNotAttempted, "refused": &psp.RefusedError{Failure: "shop is blocked"}} {
		s := openShop(t)
		token := s.order("A-1")
		s.psp.start = func(psp.Intent) (psp.Handoff, error) { return psp.Handoff{}, failure }
		_, err := s.StartAttempt(t.Context(), payment.StartAttempt{Token: token, Account: "fake"})
		if !fault.Is(err, fault.ReasonPSPNotAttempted) {
			t.Errorf("%s: %v", name, err)
		}
		s.wantState("A-1", order.Pending)
		if _, err := s.StartAttempt(t.Context(), payment.StartAttempt{Token: token, Account: "second"}); err != nil {
			t.Errorf("%s: the next try: %v", name, err)
		}
	}
}

func TestStartAttempt_O6_NotKnowingIsAStateAndNoFault(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	token := s.order("A-1")
	s.psp.start = func(psp.Intent) (psp.Handoff, error) { return psp.Handoff{}, errCut }
	started := s.press(token)
	if a := s.attempts(); started.Handoff != nil || a[0].State != order.AttemptUncertain {
		t.Fatalf("%+v, %+v", started, a)
	}
	// Nobody was sent there, and the PSP knows of no payment: it can be tried again.
	s.pass(11 * time.Second)
	s.resolve()
	if a := s.attempts(); a[0].State != order.AttemptOver {
		t.Errorf("%+v", a)
	}
	s.wantState("A-1", order.Pending)
}

func TestStartAttempt_O6_ASecondTapAsksForTheWayAgain(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	token := s.order("A-1")
	cut := true
	s.psp.start = func(in psp.Intent) (psp.Handoff, error) {
		if cut {
			cut = false
			return psp.Handoff{}, errCut
		}
		return psp.Handoff{URL: "https://psp.test/pay/" + in.Ref}, nil
	}
	first := s.press(token)
	second := s.press(token)
	if second.AttemptID != first.AttemptID || second.Handoff == nil {
		t.Fatalf("%+v after %+v", second, first)
	}
	if a := s.attempts(); len(a) != 1 || a[0].State != order.AttemptHanded || len(s.psp.started) != 1 {
		t.Errorf("%+v, %v", a, s.psp.started)
	}
}

// The server dies between intent and answer: nobody has the way, so that the resolver finds the truth.
func TestResolve_I5_TheResolverOwnsWhatADeadServerBegan(t *testing.T) {
	t.Parallel()
	for name, paid := range map[string]bool{"unpaid": false, "paid": true} {
		s := openShop(t)
		token := s.order("A-1")
		begun, dying := make(chan struct{}), make(chan struct{})
		s.psp.start = func(psp.Intent) (psp.Handoff, error) {
			close(begun)
			<-dying // It never answers while the test runs.
			return psp.Handoff{URL: "https://psp.test/late"}, nil
		}
		ended := make(chan payment.Started, 1)
		go func() {
			started, _ := s.StartAttempt(context.WithoutCancel(t.Context()), payment.StartAttempt{Token: token, Account: "fake"})
			ended <- started
		}()
		<-begun
		if paid {
			s.psp.ask = func(psp.Ref) (psp.Report, error) {
				return psp.Report{Findings: []psp.Finding{found(order.FactSucceeded, 500_000)}}, nil
			}
		}
		s.resolve() // The lease stands: nothing is taken over.
		s.wantState("A-1", order.Processing)
		s.pass(31 * time.Second)
		s.resolve()
		want := order.Pending
		if paid {
			want = order.Paid
		}
		s.wantState("A-1", want)
		close(dying) // The late answer changes nothing (O9), and sends nobody to a dead attempt.
		if started := <-ended; started.Handoff != nil {
			t.Errorf("%s: the payer is sent to %+v", name, started.Handoff)
		}
		s.wantState("A-1", want)
	}
}

func TestStartAttempt_O9_ACallbackMayOvertakeTheAnswer(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	token := s.order("A-1")
	s.psp.start = func(in psp.Intent) (psp.Handoff, error) {
		id, _ := mark.Attempt(in.Ref)
		s.say(id, found(order.FactSucceeded, 500_000))
		return psp.Handoff{URL: "https://psp.test/pay"}, nil
	}
	started := s.press(token)
	s.wantState("A-1", order.Paid)
	if started.Handoff != nil {
		t.Error("a payer who has paid is sent to pay")
	}
}

func TestStartAttempt_L5_APageOfAFixedLinkMakesOneOrder(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	in := lesson(t, "fixed", "")
	in.Kind = order.Fixed
	created, _, err := s.CreateLink(t.Context(), s.caller, in)
	s.must(err)
	token := tokenOf(created.Link.URL)
	first := s.press(token)
	second := s.press(token)
	if first.Token == token || first.Token != second.Token || first.AttemptID != second.AttemptID {
		t.Fatalf("a double tap: %+v and %+v", first, second)
	}
	other, err := s.StartAttempt(t.Context(), payment.StartAttempt{Token: token, Account: "fake", Nonce: "another page"})
	if err != nil || other.Token == first.Token {
		t.Errorf("another payer: %+v, %v", other, err)
	}
	page, err := s.OpenPage(t.Context(), first.Token)
	if err != nil || page.Order == nil || page.Order.Kind != order.Fixed || !page.Ways[0].Joins {
		t.Fatalf("%+v, %v", page, err)
	}
	list, _, err := s.Orders(t.Context(), s.caller, store.OrderFilter{LinkID: created.Link.ID}, payment.PageRequest{})
	if err != nil || len(list) != 2 {
		t.Errorf("the link's orders: %d, %v", len(list), err)
	}
}

func TestOpenPage_L2_WritesNothing(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	token := s.order("A-1")
	before, _, err := s.store.Head(t.Context(), "demo")
	s.must(err)
	for range 3 {
		page, err := s.OpenPage(t.Context(), token)
		if err != nil || len(page.Ways) != 2 || page.Live != nil {
			t.Fatalf("%+v, %v", page, err)
		}
	}
	after, _, err := s.store.Head(t.Context(), "demo")
	if err != nil || after != before || s.psp.starts() != 0 {
		t.Errorf("the journal went from %d to %d, %v", before, after, err)
	}
	if _, err := s.OpenPage(t.Context(), strings.Repeat("a", 22)); !fault.Is(err, fault.ReasonLinkNotFound) {
		t.Errorf("an unknown token: %v", err)
	}
}

func TestCreateLink_MoneyThatNoAccountTakesIsRefused(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	in := lesson(t, "k", "A-1")
	in.Amount = dram(t, 500_050)
	if _, _, err := s.CreateLink(t.Context(), s.caller, in); !fault.Is(err, fault.ReasonAmountGrain) {
		t.Errorf("half a dram: %v", err)
	}
}

func TestCreateLink_A1_ALinkThatNobodyCouldPayIsRefused(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	live := s.caller
	live.Live = true
	if _, _, err := s.CreateLink(t.Context(), live, lesson(t, "k", "A-1")); !fault.Is(err, fault.ReasonModeDiffers) {
		t.Errorf("a live link of a merchant with test accounts alone: %v", err)
	}
}

// Who was overtaken knows nothing about what the other one is doing: "certainly nothing happened" ends its
// own work, and not the attempt that somebody else is starting by now.
func TestStartAttempt_I5_WhoWasOvertakenBuriesNothing(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	token := s.order("A-1")
	asked := []chan struct{}{make(chan struct{}), make(chan struct{})}
	answer := []chan struct{}{make(chan struct{}), make(chan struct{})}
	var calls atomic.Int32
	s.psp.start = func(in psp.Intent) (psp.Handoff, error) {
		n := calls.Add(1) - 1
		close(asked[n])
		<-answer[n]
		if n == 0 {
			return psp.Handoff{}, psp.ErrNotAttempted
		}
		return psp.Handoff{URL: "https://psp.test/pay/" + in.Ref}, nil
	}
	press := func(into chan<- payment.Started) {
		started, _ := s.StartAttempt(context.WithoutCancel(t.Context()), payment.StartAttempt{Token: token, Account: "fake"})
		into <- started
	}
	first, second := make(chan payment.Started, 1), make(chan payment.Started, 1)
	go press(first)
	<-asked[0]
	s.pass(31 * time.Second) // The lease is over: the second tap takes over.
	go press(second)
	<-asked[1]
	close(answer[0])
	<-first
	if a := s.attempts()[0]; !a.Live() {
		t.Errorf("the attempt is %s while its second start is on its way", a.State)
	}
	close(answer[1])
	if started := <-second; started.Handoff == nil {
		t.Error("the second tap has no way to the PSP")
	}
}
