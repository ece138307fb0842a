package order

import (
	"time"

	"github.com/kvitpay/kvit/server/fault"
)

// clockAllowance is how far a PSP's clock may be off in the payer's favour (E2).
const clockAllowance = 2 * time.Minute

// applications says how each fact is taken in.
var applications = map[Fact]func(*Order, Act, *Evidence, Policy) error{
	FactPending:        (*Order).applyPending,
	FactAuthorized:     (*Order).applyAuthorized,
	FactSucceeded:      (*Order).applySucceeded,
	FactDeclined:       (*Order).applyDeclined,
	FactClosed:         (*Order).applyClosed,
	FactVoided:         (*Order).applyVoided,
	FactRefunded:       (*Order).applyRefunded,
	FactChargedBack:    (*Order).applyChargedBack,
	FactChargebackBack: (*Order).applyChargebackReversed,
}

// Apply takes in one proven fact. It is monotonic (O4): a repeat writes nothing, a late "declined"
// or "pending" never moves a paid order, and every payment either settles the order or becomes an
// exception (X1). The attempt must be the order's own; a fact about no attempt is an orphan and
// never comes here (C5).
func (o *Order) Apply(act Act, evidence Evidence, policy Policy) error {
	apply, known := applications[evidence.Fact]
	if !known || o.Attempt(evidence.AttemptID) == nil {
		return broken("evidence %q about the attempt %q has no place in order %s", evidence.Fact, evidence.AttemptID, o.ID)
	}
	return apply(o, act, &evidence, policy)
}

// note writes the evidence down, with what it says of a payment.
func (o *Order) note(act Act, ev *Evidence, payment *PaymentFacts) error {
	return o.record(act, EvidenceNoted, Change{Evidence: ev, Payment: payment}, nil)
}

func (o *Order) applyPending(act Act, ev *Evidence, _ Policy) error {
	a := o.Attempt(ev.AttemptID)
	found := a.State == AttemptCreated || a.State == AttemptUncertain
	if !found && (a.saw(FactPending) || a.State != AttemptHanded) {
		return nil
	}
	if err := o.note(act, ev, nil); err != nil || !found {
		return err
	}
	if err := o.unstick(act, ev.AttemptID); err != nil {
		return err
	}
	return o.HandOff(act, ev.AttemptID)
}

func (o *Order) applyAuthorized(act Act, ev *Evidence, _ Policy) error {
	a, p := o.Attempt(ev.AttemptID), o.paymentOf(ev)
	if p != nil && (p.Captured > 0 || p.Authorized >= ev.AmountMinor || a.saw(FactVoided) || a.saw(FactClosed)) {
		return nil // A repeat, or older news than what we know.
	}
	dead := a.State == AttemptOver
	facts := o.paymentFacts(act, ev, p)
	facts.Authorized = ev.AmountMinor
	if err := o.note(act, ev, facts); err != nil {
		return err
	}
	if err := o.unstick(act, ev.AttemptID); err != nil {
		return err
	}
	p = o.payment(facts.ID)
	if kind := o.oddity(p, ev.AmountMinor, ev, dead); kind != "" {
		return o.hold(act, kind, p, ev.AmountMinor)
	}
	if o.State == Authorized || o.State == Review {
		return nil
	}
	return o.record(act, OrderAuthorized, Change{To: Authorized, Payment: &PaymentFacts{ID: p.ID}}, nil)
}

// hold opens an exception for money that is held but not here; its capture is judged again.
func (o *Order) hold(act Act, kind ExceptionKind, p *Payment, amountMinor int64) error {
	if o.openExceptionOf(p.ID) != nil {
		return nil
	}
	return o.open(act, &ExceptionFacts{
		Kind: kind, PaymentID: p.ID, AttemptID: p.AttemptID, AmountMinor: amountMinor,
		Currency: p.Currency, Detail: "the money is held, not captured", Policy: Hold,
	})
}

func (o *Order) applySucceeded(act Act, ev *Evidence, policy Policy) error {
	a, p := o.Attempt(ev.AttemptID), o.paymentOf(ev)
	if ev.AmountMinor <= 0 || p != nil && p.Captured >= ev.AmountMinor {
		return nil
	}
	dead, more := a.State == AttemptOver, p != nil && p.Captured > 0
	if p != nil && p.Currency != ev.Currency {
		return o.contradict(act, ev)
	}
	facts := o.paymentFacts(act, ev, p)
	facts.Captured = ev.AmountMinor
	if err := o.note(act, ev, facts); err != nil {
		return err
	}
	if err := o.unstick(act, ev.AttemptID); err != nil {
		return err
	}
	p = o.payment(facts.ID)
	if more { // A further capture of money that has its place already.
		return o.captured(act, p)
	}
	if p.Authorized > 0 {
		if err := o.captured(act, p); err != nil {
			return err
		}
	}
	if kind := o.oddity(p, p.Captured, ev, dead); kind != "" {
		return o.openForMoney(act, kind, p, ev, policy)
	}
	return o.settle(act, p)
}

func (o *Order) captured(act Act, p *Payment) error {
	return o.record(act, OrderCaptured, Change{Payment: &PaymentFacts{ID: p.ID, Captured: p.Captured}}, nil)
}

func (o *Order) settle(act Act, p *Payment) error {
	if x := o.openExceptionOf(p.ID); x != nil {
		if err := o.resolve(act, x.ID, ResolvedAccepted); err != nil {
			return err
		}
	}
	return o.record(act, OrderPaid, Change{To: Paid, Payment: &PaymentFacts{ID: p.ID}}, nil)
}

// oddity says why a payment does not simply settle the order (X1), or "". A payment has one: the
// first that holds, from "not our money" to "too late".
func (o *Order) oddity(p *Payment, amountMinor int64, ev *Evidence, attemptWasDead bool) ExceptionKind {
	expected := o.Terms.Amount.Minor()
	switch {
	case ev.PayeeDiffers:
		return WrongMerchant
	case p.Currency != o.Currency().Code():
		return WrongCurrency
	case o.SettledBy != "":
		return Duplicate
	case o.State == Cancelled || o.State == Review && o.Resume == Cancelled:
		return AfterCancel
	case amountMinor > expected:
		return Overpaid
	case amountMinor < expected && (p.Authorized < expected || p.Captured == 0):
		return Underpaid // A part captured of a sufficient hold is no oddity (O10).
	case !o.inTime(ev) || attemptWasDead && (ev.PaidAt == nil || !ev.PaidAtExact):
		return Late // An attempt thought dead is believed only on an exact time of payment (O7, E2).
	}
	return ""
}

// inTime is E2: by the PSP's paid-at where it is exact, else by the time of the first raw message.
func (o *Order) inTime(ev *Evidence) bool {
	at := ev.ReceivedAt
	if ev.PaidAt != nil && ev.PaidAtExact {
		at = ev.PaidAt.Add(-clockAllowance)
	}
	if !at.After(o.OfferUntil) {
		return true
	}
	a := o.Attempt(ev.AttemptID)
	return !a.StartedAt.After(o.OfferUntil) && !at.After(a.deadline())
}

// openForMoney makes a payment an exception and does what the merchant's policy says (X1, X2).
func (o *Order) openForMoney(act Act, kind ExceptionKind, p *Payment, ev *Evidence, policy Policy) error {
	action := o.feasible(policy.action(kind), kind, p, ev)
	x := o.openExceptionOf(p.ID)
	if x == nil {
		err := o.open(act, &ExceptionFacts{
			Kind: kind, PaymentID: p.ID, AttemptID: p.AttemptID, AmountMinor: p.Captured, Currency: p.Currency, Policy: action,
		})
		if err != nil {
			return err
		}
	}
	if action == Accept {
		return o.settle(act, p)
	}
	if o.SettledBy == "" && o.State != Review {
		if err := o.record(act, OrderReviewRequired, Change{To: Review}, nil); err != nil {
			return err
		}
	}
	if action == Return {
		return o.reserve(act, p, p.Refundable(), true)
	}
	return nil
}

// feasible turns an action that cannot be had here into Hold.
func (o *Order) feasible(action PolicyAction, kind ExceptionKind, p *Payment, ev *Evidence) PolicyAction {
	switch action {
	case Accept:
		if o.SettledBy != "" || kind == WrongCurrency || kind == WrongMerchant || kind == Duplicate {
			return Hold
		}
	case Return:
		inexact := kind == Late && (ev.PaidAt == nil || !ev.PaidAtExact)
		if inexact || kind == WrongMerchant || p.Refundable() == 0 || o.refundedAutomatically(p.ID) {
			return Hold
		}
	case Hold:
	}
	return action
}

func (o *Order) refundedAutomatically(paymentID string) bool {
	for i := range o.Refunds {
		if o.Refunds[i].PaymentID == paymentID && o.Refunds[i].Automatic {
			return true
		}
	}
	return false
}

func (o *Order) applyDeclined(act Act, ev *Evidence, _ Policy) error {
	a := o.Attempt(ev.AttemptID)
	switch a.State {
	case AttemptSucceeded, AttemptAuthorized:
		return o.contradict(act, ev)
	case AttemptRefused:
		if !ev.ClosesSession {
			return nil
		}
	case AttemptOver:
		if a.saw(FactDeclined) {
			return nil
		}
		return o.note(act, ev, nil)
	case AttemptCreated, AttemptHanded, AttemptUncertain:
		if err := o.decline(act, ev); err != nil {
			return err
		}
	}
	if ev.ClosesSession {
		return o.Bury(act, ev.AttemptID, DeadDeclineCloses)
	}
	return nil
}

func (o *Order) decline(act Act, ev *Evidence) error {
	if err := o.note(act, ev, nil); err != nil {
		return err
	}
	facts := &AttemptFacts{ID: ev.AttemptID, Failure: ev.Failure}
	if err := o.record(act, AttemptDeclined, Change{Attempt: facts}, nil); err != nil {
		return err
	}
	if err := o.unstick(act, ev.AttemptID); err != nil {
		return err
	}
	if o.State != Pending && o.State != Processing {
		return nil
	}
	return o.record(act, OrderPaymentFailed, Change{To: Failed, Attempt: facts}, nil)
}

// contradict keeps both sides of contradictory evidence and lets a person look (O4).
func (o *Order) contradict(act Act, ev *Evidence) error {
	if o.openException(Conflicting, ev.AttemptID) != nil || o.Attempt(ev.AttemptID).saw(ev.Fact) {
		return nil
	}
	if err := o.note(act, ev, nil); err != nil {
		return err
	}
	return o.open(act, &ExceptionFacts{
		Kind: Conflicting, AttemptID: ev.AttemptID,
		Detail: string(ev.Source) + " says " + string(ev.Fact) + " of an attempt that brought money",
	})
}

func (o *Order) applyClosed(act Act, ev *Evidence, policy Policy) error {
	a := o.Attempt(ev.AttemptID)
	switch a.State {
	case AttemptSucceeded:
		return o.contradict(act, ev)
	case AttemptAuthorized:
		return o.applyVoided(act, ev, policy)
	case AttemptOver:
		return nil
	case AttemptCreated, AttemptHanded, AttemptRefused, AttemptUncertain:
	}
	if err := o.note(act, ev, nil); err != nil {
		return err
	}
	return o.Bury(act, ev.AttemptID, DeadCancelConfirmed)
}

func (o *Order) applyVoided(act Act, ev *Evidence, _ Policy) error {
	return o.void(act, ev, OrderPaymentFailed, Failed)
}

// CancelVoided cancels an authorized order whose hold the PSP has released (O10).
func (o *Order) CancelVoided(act Act, evidence Evidence) error {
	if a := o.Attempt(evidence.AttemptID); a == nil || evidence.Fact != FactVoided {
		return broken("order %s was not voided by %q", o.ID, evidence.Fact)
	}
	return o.void(act, &evidence, OrderCancelled, Cancelled)
}

func (o *Order) void(act Act, ev *Evidence, on Type, to State) error {
	a := o.Attempt(ev.AttemptID)
	switch a.State {
	case AttemptSucceeded:
		return o.contradict(act, ev)
	case AttemptAuthorized, AttemptOver, AttemptCreated, AttemptHanded, AttemptRefused, AttemptUncertain:
	}
	p := o.heldOf(ev.AttemptID, ev.PSPPaymentID)
	if p == nil {
		if a.saw(ev.Fact) {
			return nil
		}
		if err := o.note(act, ev, nil); err != nil || o.heldOf(ev.AttemptID, "") != nil {
			return err
		}
		return o.Bury(act, ev.AttemptID, DeadVoided)
	}
	facts := o.paymentFacts(act, ev, p)
	facts.Authorized = 0
	if err := o.note(act, ev, facts); err != nil {
		return err
	}
	if x := o.openExceptionOf(p.ID); x != nil {
		if err := o.resolve(act, x.ID, ResolvedDismissed); err != nil {
			return err
		}
	}
	if o.heldOf(a.ID, "") != nil {
		return nil // Another hold of the same session stands.
	}
	if o.State == Authorized {
		if err := o.record(act, on, Change{To: to, Attempt: &AttemptFacts{ID: a.ID}}, act.private()); err != nil {
			return err
		}
	}
	return o.Bury(act, a.ID, DeadVoided)
}

// heldOf is the payment of an attempt that is held and not captured, or nil. A PSP that gives no
// payment id means any.
func (o *Order) heldOf(attemptID, pspPaymentID string) *Payment {
	for i := range o.Payments {
		p := &o.Payments[i]
		if p.AttemptID == attemptID && p.Captured == 0 && p.Authorized > 0 &&
			(pspPaymentID == "" || p.PSPPaymentID == pspPaymentID) {
			return p
		}
	}
	return nil
}

// paymentOf finds the payment that evidence is about: by the PSP's id, or by the attempt where the PSP gives none.
func (o *Order) paymentOf(ev *Evidence) *Payment {
	for i := range o.Payments {
		p := &o.Payments[i]
		if p.Account != ev.Account || p.AttemptID != ev.AttemptID {
			continue
		}
		if p.PSPPaymentID == ev.PSPPaymentID {
			return p
		}
	}
	return nil
}

// paymentFacts are the sums of a payment as they are, or those of a new one.
func (o *Order) paymentFacts(act Act, ev *Evidence, p *Payment) *PaymentFacts {
	if p == nil {
		return &PaymentFacts{
			ID: act.IDs.ID("pay_", *act.Entries), Account: ev.Account, PSPPaymentID: ev.PSPPaymentID,
			AttemptID: ev.AttemptID, Currency: ev.Currency,
		}
	}
	return &PaymentFacts{
		ID: p.ID, Account: p.Account, PSPPaymentID: p.PSPPaymentID, AttemptID: p.AttemptID, Currency: p.Currency,
		Authorized: p.Authorized, Captured: p.Captured, ChargedBack: p.ChargedBack,
	}
}

// openExceptionOf is the open exception that holds a payment, or nil.
func (o *Order) openExceptionOf(paymentID string) *Exception {
	for i := range o.Exceptions {
		x := &o.Exceptions[i]
		if x.PaymentID == paymentID && x.Kind.HoldsMoney() && x.Open() {
			return x
		}
	}
	return nil
}

// Decision is what an operator wants done with an exception (X2).
type Decision string

// The decisions of an operator.
const (
	DecideAccept  Decision = "ACCEPT"
	DecideRefund  Decision = "REFUND"
	DecideDismiss Decision = "DISMISS"
)

// ResolveException does what a person decided. The act must carry a reason (X2).
func (o *Order) ResolveException(act Act, id string, decision Decision) error {
	x := o.Exception(id)
	switch {
	case act.Reason == "":
		return invalidField("reason", "must say why")
	case x == nil || !x.Open():
		return o.refuse(act.Now, "The exception is not open.")
	}
	p := o.payment(x.PaymentID)
	money := x.Kind.HoldsMoney() && p != nil && p.Captured > 0
	switch {
	case decision == DecideAccept && money && o.SettledBy == "" && p.Currency == o.Currency().Code() && x.Kind != WrongMerchant:
		return o.settle(act, p)
	case decision == DecideRefund && money:
		if p.Refundable() <= 0 {
			return fault.New(fault.Precondition, fault.ReasonRefundExceeds, "Nothing of the payment is left to refund.")
		}
		return o.reserve(act, p, p.Refundable(), false)
	case decision == DecideDismiss && !money:
		return o.resolve(act, x.ID, ResolvedDismissed)
	}
	return o.refuse(act.Now, "The exception cannot be resolved in this way.")
}
