package payment_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
)

// paid makes the order A-1 and pays it, and returns its attempt.
func (s *shop) paid() (attemptID string) {
	s.t.Helper()
	attemptID = s.press(s.order("A-1")).AttemptID
	s.say(attemptID, found(order.FactSucceeded, 500_000))
	s.wantState("A-1", order.Paid)
	return attemptID
}

// authorized makes the order A-1, for which money is held.
func (s *shop) authorized() {
	s.t.Helper()
	a := s.press(s.order("A-1", held)).AttemptID
	s.say(a, found(order.FactAuthorized, 500_000))
	s.wantState("A-1", order.Authorized)
}

func (s *shop) giveBack(key string, minor int64) (payment.RefundInfo, bool, error) {
	in := payment.RefundOrder{IdempotencyKey: key, OrderID: "A-1", AmountMinor: minor, Reason: "the lesson was cancelled"}
	if minor != 0 {
		in.Currency = "AMD"
	}
	return s.RefundOrder(s.t.Context(), s.caller, in)
}

func TestRefundOrder_R1_ReservesCallsAndPosts(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.paid()
	s.psp.refund = func(r psp.Refund) (psp.Refunded, error) {
		status := s.status("A-1")
		if p := status.Payments[0]; p.Reserved != 200_000 || p.Refunded != 0 {
			t.Errorf("at the PSP's call %+v is on record", p)
		}
		if r.PSPPaymentID != "p-1" || r.Amount != dram(t, 200_000) || r.RefundID == "" || r.CapturedMinor != 500_000 {
			t.Errorf("%+v", r)
		}
		return psp.Refunded{Done: true}, nil
	}
	info, replayed, err := s.giveBack("r1", 200_000)
	if err != nil || replayed || info.State != order.RefundDone || info.AmountMinor != 200_000 || info.Currency != "AMD" {
		t.Fatalf("%+v, %t, %v", info, replayed, err)
	}
	s.wantState("A-1", order.PartiallyRefunded)
	again, replayed, err := s.giveBack("r1", 200_000)
	if err != nil || !replayed || again.ID != info.ID || len(s.psp.refunded) != 1 {
		t.Errorf("the repeat: %+v, %t, %v, %d calls (I2)", again, replayed, err, len(s.psp.refunded))
	}
	s.psp.refund = func(psp.Refund) (psp.Refunded, error) { return psp.Refunded{Done: true}, nil }
	if rest, _, err := s.giveBack("r2", 0); err != nil || rest.AmountMinor != 300_000 {
		t.Errorf("all that is left: %+v, %v", rest, err)
	}
	s.wantState("A-1", order.Refunded)
	if _, _, err := s.giveBack("r3", 0); !fault.Is(err, fault.ReasonRefundExceeds) {
		t.Errorf("nothing is left: %v", err)
	}
	list, _, err := s.Refunds(t.Context(), s.caller, store.RefundFilter{OrderID: "A-1"}, payment.PageRequest{})
	if err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestRefundOrder_R1_TwoAtOnceNeverExceedThePayment(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.paid()
	var calls sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		calls.Go(func() {
			_, _, errs[i] = s.RefundOrder(context.WithoutCancel(t.Context()), s.caller, payment.RefundOrder{
				IdempotencyKey: string(rune('a' + i)), OrderID: "A-1", AmountMinor: 300_000, Currency: "AMD",
			})
		})
	}
	calls.Wait()
	done := 0
	for _, err := range errs {
		switch {
		case err == nil:
			done++
		case !fault.Is(err, fault.ReasonRefundExceeds):
			t.Error(err)
		}
	}
	if done != 1 || len(s.psp.refunded) != 1 {
		t.Errorf("60 %% went back %d times, by %d calls", done, len(s.psp.refunded))
	}
}

func TestRefundOrder_R1_ARefusedRefundIsReleased(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.paid()
	s.psp.refund = func(psp.Refund) (psp.Refunded, error) {
		return psp.Refunded{}, &psp.RefusedError{Failure: "the day is closed"}
	}
	info, _, err := s.giveBack("r1", 200_000)
	if err != nil || info.State != order.RefundReleased {
		t.Fatalf("%+v, %v", info, err)
	}
	if p := s.wantState("A-1", order.Paid).Payments[0]; p.Reserved != 0 {
		t.Errorf("%+v", p)
	}
}

func TestRefundOrder_R1_APSPThatIsNotReachedIsNoRefusal(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.paid()
	s.psp.refund = func(psp.Refund) (psp.Refunded, error) { return psp.Refunded{}, psp.ErrNotAttempted }
	if _, _, err := s.giveBack("r1", 200_000); !fault.Is(err, fault.ReasonPSPNotAttempted) {
		t.Errorf("the caller hears %v", err)
	}
	if p := s.wantState("A-1", order.Paid).Payments[0]; p.Reserved != 0 {
		t.Errorf("%+v", p)
	}
	s.psp.refund = func(psp.Refund) (psp.Refunded, error) { return psp.Refunded{Done: true}, nil }
	if info, _, err := s.giveBack("r2", 200_000); err != nil || info.State != order.RefundDone {
		t.Errorf("another call: %+v, %v", info, err)
	}
}

func TestRefundOrder_R1_SaysWhichPaymentsThereAre(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a := s.press(s.order("A-1")).AttemptID
	s.say(a, found(order.FactSucceeded, 400_000))
	p := s.wantState("A-1", order.Review).Payments[0]
	if _, _, err := s.giveBack("r1", 0); err == nil || !strings.Contains(err.Error(), p.ID) {
		t.Errorf("the caller hears %v", err)
	}
}

func TestRefundOrder_R2_AnUnknownRefundIsAskedAboutAndNeverSentAgain(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.paid()
	s.psp.refund = func(psp.Refund) (psp.Refunded, error) { return psp.Refunded{}, errCut }
	s.psp.ask = func(psp.Ref) (psp.Report, error) {
		return psp.Report{Findings: []psp.Finding{found(order.FactSucceeded, 500_000)}}, nil
	}
	info, _, err := s.giveBack("r1", 200_000)
	if err != nil || info.State != order.RefundInDoubt {
		t.Fatalf("%+v, %v", info, err)
	}
	s.pass(11 * time.Second)
	s.resolve()
	if p := s.status("A-1").Payments[0]; p.Reserved != 200_000 || s.psp.asked == 0 {
		t.Errorf("%+v after %d questions", p, s.psp.asked)
	}
	s.psp.ask = func(psp.Ref) (psp.Report, error) {
		return psp.Report{Findings: []psp.Finding{found(order.FactSucceeded, 500_000), found(order.FactRefunded, 200_000)}}, nil
	}
	s.pass(2 * time.Minute)
	s.resolve()
	s.wantState("A-1", order.PartiallyRefunded)
	if now, err := s.Refund(t.Context(), s.caller, info.ID); err != nil || now.State != order.RefundDone || len(s.psp.refunded) != 1 {
		t.Errorf("%+v, %v, sent %d times", now, err, len(s.psp.refunded))
	}
}

func TestRefundOrder_O10_ARefundInTheCabinetIsAFactLikeOurs(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a := s.paid()
	s.say(a, found(order.FactRefunded, 500_000))
	s.wantState("A-1", order.Refunded)
}

func TestRefundOrder_X1_ADuplicateGoesBackAndTheOrderStaysPaid(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a := s.paid()
	s.say(a, psp.Finding{Fact: order.FactSucceeded, PSPPaymentID: "p-2", AmountMinor: 500_000, Currency: "AMD"})
	status := s.status("A-1")
	info, _, err := s.RefundOrder(t.Context(), s.caller, payment.RefundOrder{IdempotencyKey: "d", OrderID: "A-1", PaymentID: status.Payments[1].ID})
	if err != nil || info.State != order.RefundDone || s.psp.refunded[0].PSPPaymentID != "p-2" {
		t.Fatalf("%+v, %v", info, err)
	}
	if x := s.wantState("A-1", order.Paid).Exceptions; x[0].Open() {
		t.Errorf("%+v", x)
	}
}

func TestCapturePayment_O10_TakesAPartOfTheHold(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.authorized()
	in := payment.CapturePayment{IdempotencyKey: "c1", OrderID: "A-1", AmountMinor: 400_000, Currency: "AMD"}
	info, replayed, err := s.CapturePayment(t.Context(), s.caller, in)
	if err != nil || replayed || info.State != order.Paid || info.Paid != 400_000 {
		t.Fatalf("%+v, %t, %v", info, replayed, err)
	}
	again, replayed, err := s.CapturePayment(t.Context(), s.caller, in)
	if err != nil || !replayed || again.State != order.Paid || len(s.psp.captured) != 1 {
		t.Errorf("%+v, %t, %v, %d calls", again, replayed, err, len(s.psp.captured))
	}
}

func TestCapturePayment_I5_AnUnknownCaptureIsFoundOutAndAskedForAgain(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.authorized()
	first := true
	done := s.psp.capture
	s.psp.capture = func(c psp.Capture) (psp.Report, error) {
		if first {
			first = false
			return psp.Report{}, errCut
		}
		return done(c)
	}
	s.psp.ask = func(psp.Ref) (psp.Report, error) {
		return psp.Report{Findings: []psp.Finding{found(order.FactAuthorized, 500_000)}}, nil
	}
	info, _, err := s.CapturePayment(t.Context(), s.caller, payment.CapturePayment{IdempotencyKey: "c1", OrderID: "A-1"})
	if err != nil || info.State != order.Authorized {
		t.Fatalf("%+v, %v", info, err)
	}
	s.pass(31 * time.Second)
	s.resolve()
	s.wantState("A-1", order.Paid)
	if len(s.psp.captured) != 2 {
		t.Errorf("%d captures", len(s.psp.captured))
	}
}

func TestCapturePayment_R3_ARefusalSaysSoAndTheHoldStands(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.authorized()
	s.psp.capture = func(psp.Capture) (psp.Report, error) {
		return psp.Report{}, &psp.RefusedError{Failure: "the hold is too old"}
	}
	_, _, err := s.CapturePayment(t.Context(), s.caller, payment.CapturePayment{IdempotencyKey: "c1", OrderID: "A-1"})
	if !fault.Is(err, fault.ReasonPSPRefused) {
		t.Errorf("%v", err)
	}
	if p := s.wantState("A-1", order.Authorized).Payments[0]; p.CaptureAsked != 0 {
		t.Errorf("%+v", p)
	}
}

func TestCancelOrder_O10_VoidsAHold(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.authorized()
	in := payment.CancelOrder{IdempotencyKey: "x", OrderID: "A-1", Reason: "sold out"}
	info, replayed, err := s.CancelOrder(t.Context(), s.caller, in)
	if err != nil || replayed || info.State != order.Cancelled || len(s.psp.voided) != 1 {
		t.Fatalf("%+v, %t, %v", info, replayed, err)
	}
	again, replayed, err := s.CancelOrder(t.Context(), s.caller, in)
	if err != nil || !replayed || again.State != order.Cancelled || len(s.psp.voided) != 1 {
		t.Errorf("%+v, %t, %v", again, replayed, err)
	}
}

func TestCancelOrder_O10_AnUnknownVoidIsFoundOut(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.authorized()
	s.psp.void = func(psp.Void) (psp.Report, error) { return psp.Report{}, errCut }
	info, _, err := s.CancelOrder(t.Context(), s.caller, payment.CancelOrder{IdempotencyKey: "x", OrderID: "A-1"})
	if err != nil || info.State != order.Authorized {
		t.Fatalf("%+v, %v", info, err)
	}
	if _, _, err := s.CapturePayment(t.Context(), s.caller, payment.CapturePayment{IdempotencyKey: "c", OrderID: "A-1"}); !fault.Is(err, fault.ReasonOrderState) {
		t.Errorf("a capture while the hold is being released: %v", err)
	}
	s.psp.ask = func(psp.Ref) (psp.Report, error) {
		return psp.Report{Findings: []psp.Finding{{Fact: order.FactVoided, PSPPaymentID: "p-1"}}}, nil
	}
	s.pass(31 * time.Second)
	s.resolve()
	s.wantState("A-1", order.Cancelled)
}

func TestResolve_O6_TheScheduleEndsInStuckAndAnAnswerEndsThat(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a := s.press(s.order("A-1")).AttemptID
	s.psp.ask = func(psp.Ref) (psp.Report, error) { return psp.Report{}, errCut }
	for range 12 {
		s.pass(10 * time.Minute)
		s.round()
	}
	status := s.wantState("A-1", order.Processing)
	if len(status.Exceptions) != 1 || status.Exceptions[0].Kind != order.Stuck || s.attempts()[0].State != order.AttemptUncertain {
		t.Fatalf("%+v, %+v", status.Exceptions, s.attempts())
	}
	asked := s.psp.asked
	s.pass(time.Hour)
	s.round()
	if s.psp.asked != asked {
		t.Error("the PSP is still asked after the schedule's end")
	}
	f := found(order.FactSucceeded, 500_000)
	f.PaidAt = s.clock().Add(-3 * time.Hour)
	s.say(a, f)
	if x := s.wantState("A-1", order.Paid).Exceptions[0]; x.Open() {
		t.Errorf("%+v", x)
	}
}
