package order_test

import (
	"math"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
)

func paid(t *testing.T) (s *script, attempt string) {
	t.Helper()
	s = newScript(t)
	attempt = s.start("liqpay")
	s.hear(order.FactSucceeded, attempt)
	s.state(order.Paid)
	return s, attempt
}

func TestApply_O4_LateNewsKeepsPaid(t *testing.T) {
	t.Parallel()
	for _, fact := range []order.Fact{order.FactDeclined, order.FactPending, order.FactAuthorized, order.FactSucceeded, order.FactClosed, order.FactVoided} {
		t.Run(string(fact), func(t *testing.T) {
			t.Parallel()
			s, a := paid(t)
			s.hear(fact, a, closes)
			s.state(order.Paid)
			if s.o.Attempt(a).State != order.AttemptSucceeded {
				t.Errorf("the attempt is %s", s.o.Attempt(a).State)
			}
		})
	}
}

func TestApply_O4_FailureThenSuccessIsNormal(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactDeclined, a, payment("p0"))
	s.state(order.Failed)
	s.hear(order.FactSucceeded, a)
	s.state(order.Paid)
	s.silent(order.FactDeclined, a, payment("p0")) // The same decline once more.
	s.noneOpen()
}

// The first card's decline may be reported after the second card's success.
func TestApply_O4_DeclineOfAnotherPaymentIsNoContradiction(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	s.hear(order.FactDeclined, a, payment("p0"))
	s.state(order.Paid)
	s.noneOpen()
}

func TestApply_O4_SuccessThenFailureShowsBoth(t *testing.T) {
	t.Parallel()
	for _, fact := range []order.Fact{order.FactDeclined, order.FactClosed, order.FactVoided} {
		t.Run(string(fact), func(t *testing.T) {
			t.Parallel()
			s, a := paid(t)
			s.hear(fact, a)
			x := s.open(order.Conflicting)
			if x.AttemptID != a {
				t.Errorf("it is about %q", x.AttemptID)
			}
			var told []order.Fact
			for _, e := range s.o.Entries() {
				if e.Type == order.EvidenceNoted {
					told = append(told, e.Change.Evidence.Fact)
				}
			}
			if len(told) != 2 || told[0] != order.FactSucceeded || told[1] != fact {
				t.Errorf("the journal shows %v", told)
			}
			s.resolve(order.DecideDismiss)
			s.silent(fact, a)
		})
	}
}

func TestApply_O8_TwoSuccessesAreTwoPayments(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	s.hear(order.FactSucceeded, a, payment("p2"))
	x := s.open(order.Duplicate)
	if len(s.o.Payments) != 2 || x.PaymentID != s.o.Payments[1].ID || s.o.SettledBy != s.o.Payments[0].ID {
		t.Fatalf("%d payments, the duplicate is %s, settled by %s", len(s.o.Payments), x.PaymentID, s.o.SettledBy)
	}
	s.refunded(x.PaymentID, full)
	s.state(order.Paid) // Refunding a duplicate never makes its order refunded.
	s.noneOpen()
	if s.o.Refunded() != 0 || s.o.Attempt(a).PaymentID != s.o.SettledBy {
		t.Error("the order shows the duplicate")
	}
}

// A PSP that tells a payment's id later, or not in every message, means the same payment.
func TestApply_O8_NameLearntLaterIsTheSamePayment(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactSucceeded, a, payment(""))
	s.hear(order.FactSucceeded, a, payment("p1"))
	s.silent(order.FactSucceeded, a, payment(""))
	s.noneOpen()
	if len(s.o.Payments) != 1 || s.o.Payments[0].PSPPaymentID != "p1" {
		t.Fatalf("payments are %+v", s.o.Payments)
	}
	s.hear(order.FactSucceeded, a, payment("p2"))
	s.open(order.Duplicate)
	s.checkReplay()
}

func TestApply_M4_ComparesFourThings(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change change
		want   order.ExceptionKind
	}{
		"amount, less":     {amount(full - 1), order.Underpaid},
		"amount, more":     {amount(full + 1), order.Overpaid},
		"currency":         {currency("UAH"), order.WrongCurrency},
		"merchant account": {otherPayee, order.WrongMerchant},
		"another account":  {account("ipay"), order.WrongMerchant},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.hear(order.FactSucceeded, s.start("liqpay"), row.change)
			s.open(row.want)
			s.state(order.Review)
		})
	}
}

// What no row can hold must not stop the callback from being kept (C1).
func TestApply_C5_WhatCannotBeKeptIsQuarantined(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]change{
		"no currency": currency(""), "a currency that is none": currency("dram"),
		"a name with a NUL": payment("p\x00"), "a name in no encoding": payment("p\xff"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.hear(order.FactSucceeded, s.start("liqpay"), bend)
			s.open(order.Unreadable)
			if len(s.o.Payments) != 0 {
				t.Errorf("it became the payment %+v", s.o.Payments[0])
			}
		})
	}
}

// The same money is never two payments: a PSP's id that was seen with another attempt is a contradiction.
func TestApply_O8_OnePaymentOfTwoAttempts(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.must(s.o.Bury(s.act(), a, order.DeadByOperator))
	s.hear(order.FactSucceeded, s.start("liqpay"), payment("p1"))
	s.hear(order.FactSucceeded, a, payment("p1"))
	s.open(order.Conflicting)
	s.state(order.Paid)
	if len(s.o.Payments) != 1 {
		t.Errorf("%d payments", len(s.o.Payments))
	}
}

func TestApply_M4_RefusesAnotherOrdersAttempt(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start("liqpay")
	s.refused(s.o.Apply(s.act(), s.evidence(order.FactSucceeded, "b7"), nil), fault.ReasonInternal)
}

// A message about another merchant's account is not believed, whatever it says.
func TestApply_M4_NewsOfAnotherPayeeChangesNothing(t *testing.T) {
	t.Parallel()
	for _, fact := range []order.Fact{order.FactPending, order.FactDeclined, order.FactClosed, order.FactVoided, order.FactRefunded, order.FactChargedBack} {
		t.Run(string(fact), func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			a := s.start("liqpay")
			s.hear(fact, a, otherPayee, closes)
			s.open(order.Conflicting)
			s.state(order.Processing)
			if s.o.LiveAttempt() == nil {
				t.Error("the attempt was buried by it")
			}
		})
	}
}

func TestApply_M4_AnotherCurrencyOfAKnownPaymentIsAContradiction(t *testing.T) {
	t.Parallel()
	for _, fact := range []order.Fact{order.FactSucceeded, order.FactRefunded, order.FactChargedBack} {
		t.Run(string(fact), func(t *testing.T) {
			t.Parallel()
			s, a := paid(t)
			s.hear(fact, a, currency("UAH"))
			s.open(order.Conflicting)
			s.state(order.Paid)
			if s.o.Refunded() != 0 || s.o.Payments[0].ChargedBack != 0 {
				t.Error("an amount in another currency was counted")
			}
		})
	}
}

func TestApply_M3_AmountThatCannotBeIsQuarantined(t *testing.T) {
	t.Parallel()
	for _, fact := range []order.Fact{order.FactAuthorized, order.FactSucceeded, order.FactRefunded, order.FactChargedBack} {
		for name, minor := range map[string]int64{"zero": 0, "less than zero": -full, "the least": math.MinInt64} {
			t.Run(string(fact)+" "+name, func(t *testing.T) {
				t.Parallel()
				s := newScript(t)
				a := s.start("liqpay")
				s.hear(fact, a, amount(minor))
				s.open(order.Unreadable)
				s.state(order.Processing)
				s.resolve(order.DecideDismiss)
				s.noneOpen()
			})
		}
	}
}

func TestApply_M3_SumsDoNotOverflow(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactAuthorized, a, amount(math.MaxInt64))
	s.hear(order.FactAuthorized, a, amount(1), payment("p2"))
	if got := s.o.AuthorizedMinor(); got != math.MaxInt64 {
		t.Errorf("held in sum: %d", got)
	}
	s, a = paid(t)
	s.refunded("", full)
	s.hear(order.FactChargedBack, a, amount(math.MaxInt64))
	if x := s.open(order.OverReturned); x.AmountMinor != math.MaxInt64 {
		t.Errorf("the excess is %d", x.AmountMinor)
	}
}

func TestApply_O10_PartialCaptureIsPaid(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactAuthorized, a)
	s.state(order.Authorized)
	s.hear(order.FactSucceeded, a, amount(4_000))
	s.state(order.Paid)
	if s.o.Paid() != 4_000 || s.o.AuthorizedMinor() != 0 {
		t.Errorf("paid %d, still held %d", s.o.Paid(), s.o.AuthorizedMinor())
	}
	s.hear(order.FactSucceeded, a, amount(7_000)) // The total captured so far.
	if s.o.Paid() != 7_000 || s.last() != order.OrderCaptured {
		t.Errorf("paid %d after %s", s.o.Paid(), s.last())
	}
	s.hear(order.FactSucceeded, a, amount(full+1))
	s.open(order.Conflicting)
}

// The rest of an underpaid sum makes it whole.
func TestApply_X1_UnderpaidIsMadeWhole(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactSucceeded, a, amount(4_000))
	s.open(order.Underpaid)
	s.hear(order.FactSucceeded, a)
	s.state(order.Paid)
	s.noneOpen()
}

// More of a payment that was given back is money again, and is seen.
func TestApply_X1_MoreOfAReturnedPaymentIsSeen(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactSucceeded, a, amount(4_000))
	s.refunded(s.o.Payments[0].ID, 4_000)
	s.state(order.Pending)
	s.hear(order.FactSucceeded, a)
	s.open(order.Underpaid)
	s.state(order.Review)
}

func TestCancel_O10_AuthorizedIsVoidedFirst(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactAuthorized, a)
	s.refused(s.o.Cancel(s.act()), fault.ReasonOrderState)
	s.must(s.o.CancelVoided(s.act(), s.evidence(order.FactVoided, a)))
	s.state(order.Cancelled)
	if s.o.AuthorizedMinor() != 0 || s.o.LiveAttempt() != nil {
		t.Error("money is held, or the attempt lives")
	}
}

// The PSP's callback about the void may overtake the answer to it.
func TestCancel_O9_VoidReportedBefore(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactAuthorized, a)
	s.hear(order.FactVoided, a)
	s.state(order.Failed)
	s.must(s.o.CancelVoided(s.act(), s.evidence(order.FactVoided, a)))
	s.state(order.Cancelled)
}

func TestCancel_O10_CapturedMeanwhileStaysPaid(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	s.must(s.o.CancelVoided(s.act(), s.evidence(order.FactVoided, a)))
	s.state(order.Paid)
	s.open(order.Conflicting)
}

func TestCancel_O10_MoneyThatStillComesIsAfterCancel(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.must(s.o.Cancel(s.act()))
	s.must(s.o.Cancel(s.act()))
	_, _, err := s.o.StartAttempt(s.act(), order.AttemptSpec{ID: "a9", Account: "liqpay", SessionUntil: s.now})
	s.refused(err, fault.ReasonOrderState)
	s.hear(order.FactAuthorized, a)
	s.open(order.AfterCancel)
	s.state(order.Cancelled)
	s.hear(order.FactSucceeded, a)
	s.open(order.AfterCancel)
	s.state(order.Review)
	s.refunded(s.o.Payments[0].ID, full)
	s.state(order.Cancelled)
}

// One hold of two is released: the good one decides about AUTHORIZED.
func TestVoid_O10_TheGoodHoldDecides(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.must(s.o.Bury(s.act(), a, order.DeadByOperator))
	s.hear(order.FactAuthorized, a)
	b := s.start("liqpay")
	s.hear(order.FactAuthorized, b, payment("q1"))
	s.state(order.Authorized)
	s.hear(order.FactVoided, a)
	s.state(order.Authorized)
	s.noneOpen()
	s.hear(order.FactVoided, b, payment("q1"))
	s.state(order.Failed)
}

func TestVoid_X1_HoldBesideACapturedPaymentEnds(t *testing.T) {
	t.Parallel()
	s, a := paid(t)
	s.hear(order.FactAuthorized, a, payment("p2"))
	s.open(order.Duplicate)
	s.hear(order.FactVoided, a, payment("p2"))
	s.noneOpen()
	s.state(order.Paid)
}

func TestVoid_O6_ClosedWithoutANameReleasesAllHolds(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactAuthorized, a)
	s.hear(order.FactAuthorized, a, payment("p2"))
	s.hear(order.FactClosed, a, payment(""))
	s.state(order.Failed)
	if s.o.AuthorizedMinor() != 0 || s.o.LiveAttempt() != nil {
		t.Error("money is held, or the attempt lives")
	}
}

// A review must not lead back to AUTHORIZED when the hold is gone: nothing would ever end it.
func TestReview_O2_GoesOnWithoutTheHold(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactAuthorized, a)
	s.hear(order.FactSucceeded, a, payment("p2"), amount(4_000))
	s.hear(order.FactVoided, a)
	s.refunded(s.o.Payments[1].ID, 4_000)
	s.state(order.Pending)
}

func TestHold_X1_GrownToTheAmountIsGood(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactAuthorized, a, amount(4_000))
	s.open(order.Underpaid)
	s.state(order.Processing)
	s.hear(order.FactAuthorized, a)
	s.state(order.Authorized)
	s.noneOpen()
}

func TestApply_E2_PaidAtExactHasTwoMinutes(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		after time.Duration
		late  bool
	}{
		"before the end":                    {-time.Minute, false},
		"two minutes after":                 {2 * time.Minute, false},
		"two minutes and a bit":             {2*time.Minute + time.Microsecond, true},
		"reported long after, paid in time": {-50 * time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			a := s.start("liqpay")
			s.must(s.o.Bury(s.act(), a, order.DeadByOperator))
			at := s.o.OfferUntil.Add(row.after)
			s.wait(20 * time.Hour)
			s.hear(order.FactSucceeded, a, paidExactly(at))
			if row.late {
				s.open(order.Late)
			} else {
				s.state(order.Paid)
			}
		})
	}
}

func TestApply_E2_InexactPaidAtCountsForNothing(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.wait(2 * time.Hour)
	s.hear(order.FactSucceeded, a, paidAt(epoch))
	s.open(order.Late)
}

func TestApply_E2_ReceivedInTimeIsInTime(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.wait(20 * time.Hour) // The callback waited for its turn.
	s.hear(order.FactSucceeded, a, receivedAt(s.o.OfferUntil))
	s.state(order.Paid)
}

func TestApply_E2_SessionStartedInTimeHasItsGrace(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		after time.Duration
		want  order.State
	}{
		"to the end of grace": {grace, order.Paid},
		"and not longer":      {grace + time.Microsecond, order.Review},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.wait(59 * time.Minute)
			a := s.start("liqpay")
			s.now = s.o.OfferUntil.Add(row.after)
			s.hear(order.FactSucceeded, a)
			s.state(row.want)
		})
	}
}

func TestApply_E2_LatePolicies(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		policy  order.PolicyAction
		exact   bool
		want    order.State
		refunds int
	}{
		"hold":                        {order.Hold, true, order.Review, 0},
		"accept":                      {order.Accept, true, order.Paid, 0},
		"accept, inexact":             {order.Accept, false, order.Paid, 0},
		"refund":                      {order.Return, true, order.Review, 1},
		"refund needs exact paid-at":  {order.Return, false, order.Review, 0},
		"no policy for it is to hold": {"", true, order.Review, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			if row.policy != "" {
				s.policy = order.Policy{order.Late: row.policy}
			}
			a := s.start("liqpay")
			s.wait(2 * time.Hour)
			changes := []change{paidAt(s.now)}
			if row.exact {
				changes = []change{paidExactly(s.now)}
			}
			s.hear(order.FactSucceeded, a, changes...)
			s.state(row.want)
			if len(s.o.Refunds) != row.refunds {
				t.Errorf("%d refunds", len(s.o.Refunds))
			}
		})
	}
}

func TestApply_X1_EachKindOfMoney(t *testing.T) {
	t.Parallel()
	for kind, play := range map[order.ExceptionKind]func(*script){
		order.Duplicate: func(s *script) {
			a := s.start("x")
			s.hear(order.FactSucceeded, a)
			s.hear(order.FactSucceeded, a, payment("p2"))
		},
		order.Late:          func(s *script) { a := s.start("x"); s.wait(2 * time.Hour); s.hear(order.FactSucceeded, a) },
		order.Underpaid:     func(s *script) { s.hear(order.FactSucceeded, s.start("x"), amount(1)) },
		order.Overpaid:      func(s *script) { s.hear(order.FactSucceeded, s.start("x"), amount(full+1)) },
		order.WrongCurrency: func(s *script) { s.hear(order.FactSucceeded, s.start("x"), currency("EUR")) },
		order.WrongMerchant: func(s *script) { s.hear(order.FactSucceeded, s.start("x"), otherPayee) },
		order.AfterCancel:   func(s *script) { a := s.start("x"); s.must(s.o.Cancel(s.act())); s.hear(order.FactSucceeded, a) },
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			play(s)
			x := s.open(kind)
			p := s.o.Payments[len(s.o.Payments)-1]
			if !kind.HoldsMoney() || x.PaymentID != p.ID || x.AmountMinor != p.Captured || x.Currency != p.Currency || p.Settles {
				t.Errorf("the exception %+v does not hold the payment %+v", *x, p)
			}
			s.refunded(p.ID, p.Captured)
			s.noneOpen()
			if s.o.State == order.Review {
				t.Error("all went back, and the review goes on (O2)")
			}
		})
	}
}

func TestExceptionKinds_X1_OnlySevenHoldMoney(t *testing.T) {
	t.Parallel()
	holding := 0
	for _, kind := range order.ExceptionKinds() {
		if kind.HoldsMoney() {
			holding++
		}
	}
	if holding != 7 || len(order.ExceptionKinds()) != 12 {
		t.Errorf("%d of %d kinds hold money", holding, len(order.ExceptionKinds()))
	}
}

func TestPolicy_X2_StandsInTheEntry(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.policy = order.Policy{order.Overpaid: order.Return}
	s.hear(order.FactSucceeded, s.start("liqpay"), amount(12_000))
	if x := s.open(order.Overpaid); x.Policy != order.Return {
		t.Errorf("the exception says %s", x.Policy)
	}
	if len(s.o.Refunds) != 1 || !s.o.Refunds[0].Automatic || s.o.Refunds[0].AmountMinor != 12_000 {
		t.Errorf("refunds are %+v", s.o.Refunds)
	}
}

func TestPolicy_X2_WhatCannotBeDoneIsHeld(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		kind   order.ExceptionKind
		action order.PolicyAction
		change change
	}{
		"accept another currency":   {order.WrongCurrency, order.Accept, currency("UAH")},
		"accept another's money":    {order.WrongMerchant, order.Accept, otherPayee},
		"refund another's money":    {order.WrongMerchant, order.Return, otherPayee},
		"a wish that is not a wish": {order.Underpaid, order.Hold, amount(1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.policy = order.Policy{row.kind: row.action}
			s.hear(order.FactSucceeded, s.start("liqpay"), row.change)
			if x := s.open(row.kind); x.Policy != order.Hold || len(s.o.Refunds) != 0 {
				t.Errorf("policy %s, %d refunds", x.Policy, len(s.o.Refunds))
			}
		})
	}
}

func TestPolicy_X2_OneAutomaticRefundEver(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.policy = order.Policy{order.Underpaid: order.Return}
	a := s.start("liqpay")
	s.hear(order.FactSucceeded, a, amount(4_000))
	s.must(s.o.SendRefund(s.act(), s.o.Refunds[0].ID))
	s.must(s.o.PostRefund(s.act(), s.o.Refunds[0].ID))
	s.hear(order.FactSucceeded, a, amount(6_000))
	if x := s.open(order.Underpaid); len(s.o.Refunds) != 1 || x.Policy != order.Hold {
		t.Errorf("%d refunds, policy %s", len(s.o.Refunds), x.Policy)
	}
}

func TestResolve_X2_NeedsAReason(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.hear(order.FactSucceeded, s.start("liqpay"), amount(1))
	act := s.act()
	act.Reason = ""
	s.refused(s.o.ResolveException(act, s.open(order.Underpaid).ID, order.DecideAccept), fault.ReasonRequestInvalid)
}

func TestResolve_X2_AcceptedIsPaid(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.hear(order.FactSucceeded, s.start("liqpay"), amount(12_000))
	s.resolve(order.DecideAccept)
	s.state(order.Paid)
	s.noneOpen()
	if s.o.Paid() != 12_000 {
		t.Errorf("paid %d", s.o.Paid())
	}
}

func TestResolve_X2_AcceptedShowsWhatWentBack(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactSucceeded, a, amount(12_000))
	s.refunded(s.o.Payments[0].ID, 2_000)
	s.resolve(order.DecideAccept)
	s.state(order.PartiallyRefunded)

	s = newScript(t)
	a = s.start("liqpay")
	s.hear(order.FactSucceeded, a, amount(12_000))
	s.hear(order.FactChargedBack, a, amount(2_000))
	s.resolve(order.DecideAccept)
	s.state(order.ChargedBack)
}

func TestResolve_X2_MoneyIsNotDismissed(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.hear(order.FactSucceeded, s.start("liqpay"), amount(1))
	id := s.open(order.Underpaid).ID
	s.refused(s.o.ResolveException(s.act(), id, order.DecideDismiss), fault.ReasonOrderState)
	s.resolve(order.DecideRefund)
	s.refused(s.o.ResolveException(s.act(), id, order.DecideRefund), fault.ReasonRefundExceeds)
	s.refused(s.o.ResolveException(s.act(), id, order.DecideAccept), fault.ReasonOrderState) // It is going back.
	s.open(order.Underpaid)
}
