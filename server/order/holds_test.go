package order_test

import (
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
)

func heldOrder(t *testing.T) (*script, string) {
	t.Helper()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactAuthorized, a)
	return s, a
}

func TestRequestCapture_O10_IsWrittenDownOnceBeforeThePSPIsAsked(t *testing.T) {
	t.Parallel()
	s, _ := heldOrder(t)
	p, asked, err := s.o.RequestCapture(s.act(), 0)
	if err != nil || asked != full || p.CaptureAsked != full {
		t.Fatalf("all of the hold is asked for: %d, %+v, %v", asked, p, err)
	}
	version := s.o.Version
	if _, _, err := s.o.RequestCapture(s.act(), full); err != nil || s.o.Version != version {
		t.Errorf("the repeat wrote something or failed: %v", err)
	}
	if _, _, err := s.o.RequestCapture(s.act(), 4_000); !fault.Is(err, fault.ReasonOrderState) {
		t.Errorf("another amount at the same time: %v", err)
	}
	if _, err := s.o.RequestVoid(s.act()); !fault.Is(err, fault.ReasonOrderState) {
		t.Errorf("a void while money is being taken: %v", err)
	}
}

func TestRequestCapture_O10_TakesNoMoreThanIsHeld(t *testing.T) {
	t.Parallel()
	s, _ := heldOrder(t)
	for _, minor := range []int64{-1, full + 1} {
		if _, _, err := s.o.RequestCapture(s.act(), minor); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%d of a hold of %d: %v", minor, full, err)
		}
	}
	unpaid := newScript(t)
	if _, _, err := unpaid.o.RequestCapture(unpaid.act(), 0); !fault.Is(err, fault.ReasonOrderState) {
		t.Errorf("a capture of nothing: %v", err)
	}
}

func TestApply_O10_AnAskedCaptureEndsWithTheMoney(t *testing.T) {
	t.Parallel()
	s, a := heldOrder(t)
	s.capture(4_000)
	s.hear(order.FactSucceeded, a, amount(4_000))
	if p := s.o.Payments[0]; s.o.State != order.Paid || p.CaptureAsked != 0 || p.Captured != 4_000 {
		t.Errorf("%s, %+v", s.o.State, p)
	}
	s.must(s.o.FailCapture(s.act(), s.o.Payments[0].ID, "late no"))
	if s.o.State != order.Paid {
		t.Error("a late no moved a paid order (O4)")
	}
}

func TestApply_O10_AnAskedVoidCancelsTheOrderWhoeverReportsIt(t *testing.T) {
	t.Parallel()
	s, a := heldOrder(t)
	s.void()
	s.hear(order.FactVoided, a)
	if s.o.State != order.Cancelled || s.o.LiveAttempt() != nil {
		t.Errorf("%s, live %+v", s.o.State, s.o.LiveAttempt())
	}
}

func TestApply_O10_AVoidNobodyAskedForFailsTheOrder(t *testing.T) {
	t.Parallel()
	s, a := heldOrder(t)
	s.hear(order.FactVoided, a)
	if s.o.State != order.Failed {
		t.Errorf("%s", s.o.State)
	}
}

func TestApply_C5_AnUnknownStatusIsQuarantinedAndNeverPaid(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	for range 2 {
		s.hear(order.FactUnreadable, a)
	}
	if s.o.State != order.Processing || len(s.o.Exceptions) != 1 || s.o.Exceptions[0].Kind != order.Unreadable {
		t.Errorf("%s, %+v", s.o.State, s.o.Exceptions)
	}
}

func TestApplyElsewhere_O8_APaymentOfAnotherOrderChangesNothingHere(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	other, err := order.ParseID("B-2")
	s.must(err)
	for range 2 {
		s.must(s.o.ApplyElsewhere(s.act(), s.evidence(order.FactSucceeded, a), other))
	}
	if s.o.State != order.Processing || len(s.o.Payments) != 0 || len(s.o.Exceptions) != 1 || s.o.Exceptions[0].Kind != order.Conflicting {
		t.Errorf("%s, %+v, %+v", s.o.State, s.o.Payments, s.o.Exceptions)
	}
}

func TestApply_O10_AHoldThatWasInTimeIsCapturedWhenTheMerchantLikes(t *testing.T) {
	t.Parallel()
	s, a := heldOrder(t)
	s.wait(72 * time.Hour)
	s.hear(order.FactSucceeded, a)
	if s.o.State != order.Paid || len(s.o.Exceptions) != 0 {
		t.Errorf("%s, %+v", s.o.State, s.o.Exceptions)
	}
}

func TestApply_E2_AHoldThatWasLateIsLateWhenItIsCaptured(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.wait(72 * time.Hour)
	s.hear(order.FactAuthorized, a)
	s.hear(order.FactSucceeded, a)
	if s.o.State != order.Review || s.o.Exceptions[len(s.o.Exceptions)-1].Kind != order.Late {
		t.Errorf("%s, %+v", s.o.State, s.o.Exceptions)
	}
}

// Two cards of one session are held: one hold stands for the order, and a person hears of the other.
func TestApply_X1_ASecondHoldIsADuplicate(t *testing.T) {
	t.Parallel()
	s, a := heldOrder(t)
	s.hear(order.FactAuthorized, a, payment("p2"))
	s.open(order.Duplicate)
	first, err := s.o.RequestVoid(s.act())
	if err != nil || first.PSPPaymentID == "p2" {
		t.Fatalf("%+v, %v", first, err)
	}
	s.hear(order.FactVoided, a)
	s.state(order.Cancelled)
	s.hear(order.FactSucceeded, a, payment("p2"))
	s.open(order.AfterCancel)
}

func TestApply_X1_TheSecondHoldStandsWhereThePSPReleasesTheFirst(t *testing.T) {
	t.Parallel()
	s, a := heldOrder(t)
	s.hear(order.FactAuthorized, a, payment("p2"))
	s.hear(order.FactVoided, a)
	s.state(order.Authorized)
	p, _, err := s.o.RequestCapture(s.act(), 0)
	if err != nil || p.PSPPaymentID != "p2" {
		t.Fatalf("%+v, %v", p, err)
	}
	s.hear(order.FactSucceeded, a, payment("p2"))
	s.state(order.Paid)
	s.noneOpen()
}

// Whatever settles the order, what is still held beside it is known to a person.
func TestApply_X1_AHoldBesideTheSettlingMoneyIsADuplicate(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	dead := s.start("liqpay")
	s.must(s.o.Bury(s.act(), dead, order.DeadCancelConfirmed))
	a := s.start("liqpay")
	s.hear(order.FactAuthorized, a)
	s.state(order.Authorized)
	s.hear(order.FactSucceeded, dead, paidExactly(s.now))
	s.state(order.Paid)
	if x := s.open(order.Duplicate); s.o.Payment(x.PaymentID).AttemptID != a {
		t.Errorf("%+v", x)
	}
	s.hear(order.FactVoided, a)
	s.state(order.Paid)
	s.noneOpen()
}
