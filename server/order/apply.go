package order

import (
	"cmp"
	"time"
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
	FactUnreadable:     (*Order).applyUnreadable,
}

// Apply takes in one proven fact. It is monotonic (O4): a repeat writes nothing, a late "declined"
// or "pending" never moves a paid order, and every payment either settles the order or becomes an
// exception (X1). The attempt must be the order's own; a fact about no attempt is an orphan and
// never comes here (C5).
func (o *Order) Apply(act Act, evidence Evidence, policy Policy) error {
	apply, known := applications[evidence.Fact]
	a := o.Attempt(evidence.AttemptID)
	if !known || a == nil {
		return broken("evidence %q about the attempt %q has no place in order %s", evidence.Fact, evidence.AttemptID, o.ID)
	}
	ev := tidy(evidence, act.Now, a.Account)
	if !o.readable(ev) {
		return o.quarantine(act, ev)
	}
	if why := o.contradiction(ev); why != "" {
		return o.contradict(act, ev, why)
	}
	return apply(o, act, ev, policy)
}

// applyUnreadable keeps a message with a status or type that we do not know, and lets a person look (C5).
func (o *Order) applyUnreadable(act Act, ev *Evidence, _ Policy) error {
	return o.puzzle(act, ev, Unreadable, ev.Failure)
}

// ApplyElsewhere takes in evidence about a payment that belongs to another order: the same money is
// never two payments (O8), so it changes nothing here and a person looks (O4).
func (o *Order) ApplyElsewhere(act Act, evidence Evidence, owner ID) error {
	a := o.Attempt(evidence.AttemptID)
	if a == nil {
		return broken("evidence about the attempt %q has no place in order %s", evidence.AttemptID, o.ID)
	}
	return o.contradict(act, tidy(evidence, act.Now, a.Account), otherOrder+owner.String())
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
		return o.learnName(act, ev, p) // A repeat, or older news than what we know.
	}
	over := !a.Live()
	facts := o.paymentFacts(act, ev, p)
	facts.Authorized = ev.AmountMinor
	if err := o.note(act, ev, facts); err != nil {
		return err
	}
	if err := o.unstick(act, ev.AttemptID); err != nil {
		return err
	}
	p = o.Payment(facts.ID)
	kind := o.oddity(p, ev.AmountMinor, ev, over)
	switch {
	case kind != "":
	case over:
		kind = Late // Nobody asks about a finished attempt any more: a person must see to the hold.
	case o.goodHold(p.ID) != nil:
		kind = Duplicate // Two cards in one session: one hold stands for the order.
	}
	if kind != "" {
		return o.hold(act, kind, p, ev.AmountMinor)
	}
	return o.authorize(act, p)
}

// authorize makes a hold the one that AUTHORIZED is about. What was odd about it has grown right.
func (o *Order) authorize(act Act, p *Payment) error {
	if x := o.openExceptionOf(p.ID); x != nil {
		if err := o.resolve(act, x.ID, ResolvedDismissed); err != nil {
			return err
		}
	}
	to := Authorized
	if o.State == Review {
		to = Review
	}
	if o.State == Authorized || o.Resume == Authorized {
		return nil
	}
	return o.record(act, OrderAuthorized, Change{To: to, Payment: &PaymentFacts{ID: p.ID}}, nil)
}

// learnName keeps the PSP's id of a payment that was first reported without one. Otherwise the
// evidence is a repeat and changes nothing.
func (o *Order) learnName(act Act, ev *Evidence, p *Payment) error {
	if p.PSPPaymentID != "" || ev.PSPPaymentID == "" {
		return nil
	}
	return o.note(act, ev, o.paymentFacts(act, ev, p))
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
	if p != nil && p.Captured >= ev.AmountMinor {
		return o.learnName(act, ev, p)
	}
	dead, more := a.State == AttemptOver, p != nil && p.Captured > 0
	facts := o.paymentFacts(act, ev, p)
	facts.Captured = ev.AmountMinor
	if err := o.note(act, ev, facts); err != nil {
		return err
	}
	if err := o.unstick(act, ev.AttemptID); err != nil {
		return err
	}
	p = o.Payment(facts.ID)
	if p.Authorized > 0 || more {
		if err := o.captured(act, p); err != nil {
			return err
		}
	}
	if more {
		return o.captureMore(act, p, ev, policy)
	}
	if kind := o.oddity(p, p.Captured, ev, dead); kind != "" {
		return o.openForMoney(act, kind, p, ev, policy)
	}
	return o.settle(act, p)
}

// captureMore judges a further capture of money that has its place already.
func (o *Order) captureMore(act Act, p *Payment, ev *Evidence, policy Policy) error {
	x, kind := o.openExceptionOf(p.ID), o.oddity(p, p.Captured, ev, false)
	switch {
	case p.Settles && (p.Captured > o.Terms.Amount.Minor() || o.State == Refunded):
		return o.open(act, &ExceptionFacts{
			Kind: Conflicting, AttemptID: p.AttemptID, AmountMinor: p.Captured, Currency: p.Currency,
			Detail: string(ev.Fact) + " " + capturedMore,
		})
	case p.Settles:
		return nil
	case x == nil: // All that had come went back, and then more came.
		if kind == "" {
			kind = Underpaid
		}
		return o.openForMoney(act, kind, p, ev, policy)
	case x.Kind == Underpaid && kind == "" && p.Refundable() == p.Captured:
		return o.settle(act, p)
	}
	return nil
}

func (o *Order) captured(act Act, p *Payment) error {
	return o.record(act, OrderCaptured, Change{Payment: &PaymentFacts{ID: p.ID, Captured: p.Captured}}, nil)
}

// settle makes a payment the one on which the order settles. What was returned of it before shows at once,
// and what is still held of others is too much.
func (o *Order) settle(act Act, p *Payment) error {
	if x := o.openExceptionOf(p.ID); x != nil {
		if err := o.resolve(act, x.ID, ResolvedAccepted); err != nil {
			return err
		}
	}
	if err := o.record(act, OrderPaid, Change{To: Paid, Payment: &PaymentFacts{ID: p.ID}}, nil); err != nil {
		return err
	}
	for spare := o.goodHold(p.ID); spare != nil; spare = o.goodHold(p.ID) {
		if err := o.hold(act, Duplicate, spare, spare.Authorized); err != nil {
			return err
		}
	}
	switch {
	case p.ChargedBack > 0:
		return o.record(act, OrderChargedBack, Change{To: ChargedBack}, nil)
	case p.Refunded > 0:
		return o.record(act, OrderPartiallyRefunded, Change{To: PartiallyRefunded}, nil)
	}
	return nil
}

// oddity says why a payment does not simply settle the order (X1), or "". A payment has one: the
// first that holds, from "not our money" to "too late".
func (o *Order) oddity(p *Payment, amountMinor int64, ev *Evidence, attemptWasDead bool) ExceptionKind {
	switch {
	case ev.PayeeDiffers:
		return WrongMerchant
	case p.Currency != o.Currency().Code():
		return WrongCurrency
	case o.SettledBy != "":
		return Duplicate
	case o.State == Cancelled || o.State == Review && o.Resume == Cancelled:
		return AfterCancel
	}
	expected := o.Terms.Amount.Minor()
	switch {
	case amountMinor > expected:
		return Overpaid
	case amountMinor < expected && (p.Authorized < expected || p.Captured == 0):
		return Underpaid // A part captured of a sufficient hold is no oddity (O10).
	case o.late(p, ev, attemptWasDead):
		return Late
	}
	return ""
}

// late reports whether money came too late (E2). A hold that was in time is captured when the merchant
// likes (O10). An attempt thought dead is believed only on an exact time of payment (O7).
func (o *Order) late(p *Payment, ev *Evidence, attemptWasDead bool) bool {
	if p.Captured > 0 && p.Authorized > 0 && o.openExceptionOf(p.ID) == nil {
		return false
	}
	return !o.inTime(ev) || attemptWasDead && (ev.PaidAt == nil || !ev.PaidAtExact)
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
	if x := o.openExceptionOf(p.ID); x != nil { // It was about the hold; the money is judged anew.
		if err := o.resolve(act, x.ID, ResolvedDismissed); err != nil {
			return err
		}
	}
	err := o.open(act, &ExceptionFacts{
		Kind: kind, PaymentID: p.ID, AttemptID: p.AttemptID, AmountMinor: p.Captured, Currency: p.Currency, Policy: action,
	})
	if err != nil {
		return err
	}
	if action == Accept {
		return o.settle(act, p)
	}
	if err := o.requireReview(act); err != nil {
		return err
	}
	if action == Return {
		return o.reserve(act, p, p.Refundable(), true)
	}
	return nil
}

// requireReview puts an order that is not settled before a person (O2).
func (o *Order) requireReview(act Act) error {
	if o.SettledBy != "" || o.State == Review {
		return nil
	}
	return o.record(act, OrderReviewRequired, Change{To: Review}, nil)
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
		return o.declineAfterMoney(act, ev)
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
	if o.State != Processing {
		return nil
	}
	return o.record(act, OrderPaymentFailed, Change{To: Failed, Attempt: facts}, nil)
}

// declineAfterMoney takes in a decline of an attempt that has brought money (O4). That of another
// payment is the first card of the session, reported late.
func (o *Order) declineAfterMoney(act Act, ev *Evidence) error {
	switch {
	case o.Attempt(ev.AttemptID).saw(FactDeclined):
		return nil
	case ev.PSPPaymentID != "" && o.paymentOf(ev) == nil:
		return o.note(act, ev, nil)
	}
	return o.contradict(act, ev, broughtMoney)
}

// paymentOf finds the payment that evidence is about: by the PSP's id, or by the attempt where one
// of the two has none yet.
func (o *Order) paymentOf(ev *Evidence) *Payment {
	var first, unnamed *Payment
	for i := range o.Payments {
		p := &o.Payments[i]
		if p.Account != ev.Account || p.AttemptID != ev.AttemptID {
			continue
		}
		if p.PSPPaymentID == ev.PSPPaymentID {
			return p
		}
		if first == nil {
			first = p
		}
		if p.PSPPaymentID == "" {
			unnamed = p
		}
	}
	if ev.PSPPaymentID == "" {
		return first
	}
	return unnamed
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
		ID: p.ID, Account: p.Account, PSPPaymentID: cmp.Or(p.PSPPaymentID, ev.PSPPaymentID),
		AttemptID: p.AttemptID, Currency: p.Currency,
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
