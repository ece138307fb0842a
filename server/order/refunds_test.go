package order_test

import (
	"testing"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
)

func TestRefund_R1_TwoOfSixtyPercentDoNotFit(t *testing.T) {
	t.Parallel()
	s, _ := paid(t)
	s.refund("", 6_000)
	_, err := s.o.RequestRefund(s.act(), order.RefundSpec{AmountMinor: 6_000})
	s.refused(err, fault.ReasonRefundExceeds)
	s.refund("", 4_000)
	if p := s.o.Payments[0]; p.Reserved != full || p.Refundable() != 0 {
		t.Errorf("reserved %d, refundable %d", p.Reserved, p.Refundable())
	}
}

func TestRefund_R1_ReleasedCanBeAskedForAgain(t *testing.T) {
	t.Parallel()
	s, _ := paid(t)
	id := s.refund("", full)
	s.must(s.o.SendRefund(s.act(), id))
	s.must(s.o.FailRefund(s.act(), id, "no"))
	s.state(order.Paid)
	s.refunded("", full)
	s.state(order.Refunded)
}

func TestRefund_R1_RefusesWhatIsNoRefund(t *testing.T) {
	t.Parallel()
	s, _ := paid(t)
	for _, minor := range []int64{0, -1} {
		_, err := s.o.RequestRefund(s.act(), order.RefundSpec{AmountMinor: minor})
		s.refused(err, fault.ReasonRequestInvalid)
	}
	_, err := s.o.RequestRefund(s.act(), order.RefundSpec{PaymentID: "pay_x", AmountMinor: 1})
	s.refused(err, fault.ReasonOrderState)
}

func TestRefund_R2_UnknownStaysReservedAndIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s, _ := paid(t)
	id := s.refund("", 6_000)
	s.must(s.o.SendRefund(s.act(), id))
	s.must(s.o.DoubtRefund(s.act(), id))
	s.refused(s.o.SendRefund(s.act(), id), fault.ReasonOrderState)
	if p := s.o.Payments[0]; p.Reserved != 6_000 || s.o.Refunds[0].State != order.RefundInDoubt {
		t.Errorf("reserved %d, the refund is %s", p.Reserved, s.o.Refunds[0].State)
	}
	s.must(s.o.PostRefund(s.act(), id)) // The answer to a question.
	s.state(order.PartiallyRefunded)
}

func TestRefund_O4_RefusedThenDoneIsSeen(t *testing.T) {
	t.Parallel()
	s, _ := paid(t)
	id := s.refund("", 6_000)
	s.must(s.o.SendRefund(s.act(), id))
	s.must(s.o.FailRefund(s.act(), id, "no"))
	s.must(s.o.PostRefund(s.act(), id))
	s.must(s.o.PostRefund(s.act(), id))
	s.open(order.Conflicting)
	if p := s.o.Payments[0]; p.Refunded != 0 || p.Reserved != 0 {
		t.Errorf("the sums moved: %+v", p)
	}
}

func TestApply_O10_CabinetRefundIsAFactLikeOurs(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	s.hear(order.FactRefunded, a, amount(4_000))
	s.state(order.PartiallyRefunded)
	s.hear(order.FactRefunded, a, currency("")) // The running total; the PSP does not repeat the currency.
	s.state(order.Refunded)
	if len(s.o.Refunds) != 2 || s.o.Refunded() != full {
		t.Errorf("refunded %d in %d refunds", s.o.Refunded(), len(s.o.Refunds))
	}
}

func TestApply_O10_RunningTotalFindsOurOwnRefund(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	id := s.refund("", 6_000)
	s.must(s.o.SendRefund(s.act(), id))
	s.hear(order.FactRefunded, a, amount(6_000))
	s.must(s.o.PostRefund(s.act(), id))
	if len(s.o.Refunds) != 1 || s.o.Refunded() != 6_000 || s.o.Payments[0].Reserved != 0 {
		t.Errorf("%+v", s.o.Refunds)
	}
}

// A refund that waits to be sent has no money left when all went back in the cabinet.
func TestApply_R1_CabinetRefundTakesTheReserve(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	id := s.refund("", 6_000)
	s.hear(order.FactRefunded, a)
	s.state(order.Refunded)
	s.noneOpen()
	s.refused(s.o.SendRefund(s.act(), id), fault.ReasonOrderState)
}

// What could not be explained while our refund was under way is, once it was refused.
func TestApply_O10_ExcessIsExplainedLater(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	id := s.refund("", full)
	s.must(s.o.SendRefund(s.act(), id))
	s.hear(order.FactRefunded, a, amount(4_000))
	s.open(order.OverReturned)
	s.must(s.o.FailRefund(s.act(), id, "already returned in part"))
	s.hear(order.FactRefunded, a, amount(4_000))
	s.state(order.PartiallyRefunded)
	if s.o.Refunded() != 4_000 {
		t.Errorf("refunded %d", s.o.Refunded())
	}
}

func TestApply_O10_MoreThanThePaymentIsOverReturned(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	s.hear(order.FactRefunded, a, amount(12_000))
	s.state(order.Refunded)
	if x := s.open(order.OverReturned); x.AmountMinor != 2_000 || x.Currency != "AMD" {
		t.Errorf("the excess is %d %s", x.AmountMinor, x.Currency)
	}
	s.silent(order.FactRefunded, a, amount(11_000)) // Older news.
	s.resolve(order.DecideDismiss)
	s.silent(order.FactRefunded, a, amount(12_000))
}

func TestApply_O10_ReturnOfAnUnknownPaymentIsSeenPerAttempt(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactRefunded, a)
	s.open(order.OverReturned)
	s.resolve(order.DecideDismiss)
	s.hear(order.FactChargedBack, a)
	s.open(order.OverReturned)
	s.resolve(order.DecideDismiss)
	s.must(s.o.Bury(s.act(), a, order.DeadByOperator))
	s.hear(order.FactRefunded, s.start("liqpay"))
	s.open(order.OverReturned)
}

func TestApply_O10_ChargebackAndItsReversal(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	s.refunded("", 4_000)
	s.hear(order.FactChargedBack, a, amount(6_000))
	s.state(order.ChargedBack)
	s.noneOpen()
	s.hear(order.FactChargebackBack, a)
	s.state(order.PartiallyRefunded)
	if p := s.o.Payments[0]; p.ChargedBack != 0 || p.Refundable() != 6_000 {
		t.Errorf("charged back %d, refundable %d", p.ChargedBack, p.Refundable())
	}
}

func TestApply_O10_ChargedBackMoneyIsNotRefundedToo(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	s.hear(order.FactChargedBack, a)
	_, err := s.o.RequestRefund(s.act(), order.RefundSpec{AmountMinor: 1})
	s.refused(err, fault.ReasonRefundExceeds)
}

func TestApply_O10_RefundUnderWayAndChargebackAreOverReturned(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	id := s.refund("", full)
	s.must(s.o.SendRefund(s.act(), id))
	s.hear(order.FactChargedBack, a)
	s.noneOpen()
	s.must(s.o.PostRefund(s.act(), id))
	if x := s.open(order.OverReturned); x.AmountMinor != full {
		t.Errorf("the excess is %d", x.AmountMinor)
	}
}

// A chargeback after a reversal is a repeat of old news or a new one: it is never dropped.
func TestApply_O4_ChargebackAfterItsReversalIsSeen(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	s.hear(order.FactChargedBack, a)
	s.hear(order.FactChargebackBack, a)
	s.hear(order.FactChargedBack, a)
	s.state(order.Paid)
	s.open(order.Conflicting)
	s.hear(order.FactChargedBack, a, by(order.FromOperator)) // A person says that it is a new one.
	s.state(order.ChargedBack)
}

func TestApply_O4_ReversalOvertakesTheChargeback(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	s.hear(order.FactChargebackBack, a)
	s.hear(order.FactChargedBack, a)
	s.state(order.Paid)
	s.open(order.Conflicting)
}

// The payer's bank can take back money that waits: the review must end, and begin again if it returns.
func TestReview_O2_EndsWhenTheMoneyIsChargedBack(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactSucceeded, a, amount(4_000))
	s.hear(order.FactChargedBack, a, amount(4_000))
	s.state(order.Pending)
	s.noneOpen()
	s.hear(order.FactChargebackBack, a)
	s.state(order.Review)
	s.open(order.Underpaid)
	s.checkReplay()
}

// What goes back is told in the currency in which it came (M3).
func TestRefund_M3_NamesAForeignCurrency(t *testing.T) {
	t.Parallel()
	for currencyCode, want := range map[string]string{"AMD": "", "UAH": "UAH"} {
		s := newScript(t)
		s.hear(order.FactSucceeded, s.start("x"), currency(currencyCode))
		s.refund(s.o.Payments[0].ID, 1_000)
		entries := s.o.Entries()
		last := entries[len(entries)-1]
		if last.Type != order.RefundRequested || last.Change.Refund.Currency != want {
			t.Errorf("%s: got %s of %q, want %q", currencyCode, last.Type, last.Change.Refund.Currency, want)
		}
	}
}
