package order

import (
	"github.com/kvitpay/kvit/server/fault"
)

// RefundSpec asks for money to go back. An empty PaymentID means the settling payment (R1).
type RefundSpec struct {
	PaymentID   string
	AmountMinor int64
}

// RequestRefund reserves money of a payment, before any PSP is called (R1).
func (o *Order) RequestRefund(act Act, spec RefundSpec) (Refund, error) {
	id := spec.PaymentID
	if id == "" {
		id = o.SettledBy
	}
	p := o.Payment(id)
	switch {
	case spec.AmountMinor <= 0:
		return Refund{}, invalidField("amount.minor_units", "must be more than zero")
	case p == nil || p.Captured == 0:
		return Refund{}, o.refuse(act.Now, "There is no such payment to refund.")
	case spec.AmountMinor > p.Refundable():
		return Refund{}, fault.New(fault.Precondition, fault.ReasonRefundExceeds,
			"The refund is more than what is left of the payment.")
	}
	if err := o.reserve(act, p, spec.AmountMinor, false); err != nil {
		return Refund{}, err
	}
	return o.Refunds[len(o.Refunds)-1], nil
}

func (o *Order) reserve(act Act, p *Payment, amountMinor int64, automatic bool) error {
	return o.record(act, RefundRequested, Change{Refund: &RefundFacts{
		ID: act.IDs.ID("ref_", *act.Entries), PaymentID: p.ID, AmountMinor: amountMinor, Currency: o.foreign(p), Automatic: automatic,
	}}, act.private())
}

// foreign is a payment's currency, empty where it is the order's.
func (o *Order) foreign(p *Payment) string {
	if p.Currency == o.Currency().Code() {
		return ""
	}
	return p.Currency
}

// SendRefund notes that the PSP is about to be asked: from here on it is never blindly sent again (R2).
func (o *Order) SendRefund(act Act, id string) error {
	r := o.Refund(id)
	if r == nil || r.State != RefundReserved {
		return o.refuse(act.Now, "The refund is not waiting to be sent.")
	}
	return o.record(act, RefundSent, Change{Refund: &RefundFacts{ID: id}}, nil)
}

// PostRefund notes that the money went back. Known already, it changes nothing; refused before, it is
// a contradiction for a person, and the PSP's running total decides (see Apply, FactRefunded).
func (o *Order) PostRefund(act Act, id string) error {
	r := o.Refund(id)
	if r == nil {
		return broken("no refund %s to post", id)
	}
	if r.State == RefundReleased {
		return o.postedAfterAll(act, r)
	}
	if !r.Open() {
		return nil
	}
	if err := o.record(act, RefundPosted, Change{Refund: &RefundFacts{ID: id}}, nil); err != nil {
		return err
	}
	return o.afterReturn(act, o.Payment(r.PaymentID))
}

func (o *Order) postedAfterAll(act Act, r *Refund) error {
	p := o.Payment(r.PaymentID)
	facts := &ExceptionFacts{
		Kind: Conflicting, AttemptID: p.AttemptID, AmountMinor: r.AmountMinor, Currency: p.Currency,
		Detail: "refund " + r.ID + " was refused, and then it was said to be done",
	}
	if o.puzzled(facts) {
		return nil
	}
	return o.open(act, facts)
}

// FailRefund releases the reserve: the PSP said no, and nothing went back.
func (o *Order) FailRefund(act Act, id, failure string) error {
	r := o.Refund(id)
	if r == nil {
		return broken("no refund %s to fail", id)
	}
	if !r.Open() {
		return nil
	}
	return o.record(act, RefundFailed, Change{Refund: &RefundFacts{ID: id, Failure: failure}}, nil)
}

// DoubtRefund notes that the PSP was asked and no answer came. The reserve stays (R2).
func (o *Order) DoubtRefund(act Act, id string) error {
	r := o.Refund(id)
	if r == nil || r.State != RefundIsSent {
		return nil
	}
	return o.record(act, RefundUnknown, Change{Refund: &RefundFacts{ID: id}}, nil)
}

// afterReturn moves the order, or ends the payment's exception, after money went back.
func (o *Order) afterReturn(act Act, p *Payment) error {
	if err := o.overReturned(act, p, p.excess(), chargedAndRefunded); err != nil {
		return err
	}
	if !p.Settles {
		return o.releaseGone(act, p)
	}
	if o.State != Paid && o.State != PartiallyRefunded {
		return nil
	}
	if p.Refunded == p.Captured {
		return o.record(act, OrderRefunded, Change{To: Refunded}, nil)
	}
	return o.record(act, OrderPartiallyRefunded, Change{To: PartiallyRefunded}, nil)
}

// releaseGone ends the exception of a payment of which nothing is left, and the review if it was the last.
func (o *Order) releaseGone(act Act, p *Payment) error {
	x := o.openExceptionOf(p.ID)
	if x == nil || !p.gone() {
		return nil
	}
	if err := o.resolve(act, x.ID, ResolvedRefunded); err != nil {
		return err
	}
	if o.State != Review || o.moneyWaits() {
		return nil
	}
	if err := o.record(act, OrderReviewResolved, Change{To: o.Resume}, nil); err != nil {
		return err
	}
	return o.Expire(act)
}

// moneyWaits reports whether a payment still waits in an open exception.
func (o *Order) moneyWaits() bool {
	for i := range o.Exceptions {
		x := &o.Exceptions[i]
		if !x.Open() || !x.Kind.HoldsMoney() {
			continue
		}
		if p := o.Payment(x.PaymentID); p != nil && p.Captured > 0 && !p.gone() {
			return true
		}
	}
	return false
}

// applyRefunded takes in the PSP's running total of what went back of a payment (O10): first our own
// refunds that were sent, then what was refunded in the PSP's cabinet.
func (o *Order) applyRefunded(act Act, ev *Evidence, _ Policy) error {
	p := o.paymentOf(ev)
	if p == nil {
		return o.puzzle(act, ev, OverReturned, unknownPayment)
	}
	found := o.explain(p, ev.AmountMinor-p.Refunded)
	if found.empty() && (found.excess <= 0 || o.overReturnKnown(p.ID, found.excess)) {
		return nil
	}
	if err := o.note(act, ev, o.paymentFacts(act, ev, p)); err != nil {
		return err
	}
	for _, id := range found.ours {
		if err := o.PostRefund(act, id); err != nil {
			return err
		}
	}
	for _, id := range found.pointless {
		if err := o.FailRefund(act, id, "the money went back without it"); err != nil {
			return err
		}
	}
	if found.cabinet > 0 {
		err := o.record(act, RefundPosted, Change{Refund: &RefundFacts{
			ID: act.IDs.ID("ref_", *act.Entries), PaymentID: p.ID, AmountMinor: found.cabinet, Currency: o.foreign(p), AtPSP: true,
		}}, nil)
		if err != nil {
			return err
		}
		if err := o.afterReturn(act, o.Payment(p.ID)); err != nil {
			return err
		}
	}
	return o.overReturned(act, o.Payment(p.ID), found.excess, string(ev.Fact)+" "+moreThanLeft)
}

// explanation is what a PSP's new total of returned money is made of.
type explanation struct {
	// ours are refunds that were sent; pointless are refunds that wait and have no money left.
	ours, pointless []string
	// cabinet went back at the PSP without us; excess is more than the payment had.
	cabinet, excess int64
}

func (e *explanation) empty() bool {
	return len(e.ours) == 0 && len(e.pointless) == 0 && e.cabinet == 0
}

// explain finds what returned deltaMinor of a payment.
func (o *Order) explain(p *Payment, deltaMinor int64) explanation {
	var e explanation
	if deltaMinor <= 0 {
		return e
	}
	for i := range o.Refunds {
		r := &o.Refunds[i]
		sent := r.State == RefundIsSent || r.State == RefundInDoubt
		if r.PaymentID == p.ID && sent && r.AmountMinor <= deltaMinor {
			deltaMinor -= r.AmountMinor
			e.ours = append(e.ours, r.ID)
		}
	}
	room := p.left()
	for i := range o.Refunds {
		r := &o.Refunds[i]
		if r.PaymentID == p.ID && r.State == RefundReserved && deltaMinor > room {
			room += r.AmountMinor
			e.pointless = append(e.pointless, r.ID)
		}
	}
	e.cabinet = min(deltaMinor, room)
	e.excess = deltaMinor - e.cabinet
	return e
}

// Why money that went back is odd. The texts stand in the journal, in exceptions.
const (
	unknownPayment     = "of a payment that is not known"
	moreThanLeft       = "of more than the payment had left"
	chargedAndRefunded = "refunds and chargebacks together are more than the payment"
)

// overReturnKnown reports whether as much excess is on record already, so that a repeat says nothing new.
func (o *Order) overReturnKnown(paymentID string, amountMinor int64) bool {
	for i := range o.Exceptions {
		x := &o.Exceptions[i]
		if x.Kind == OverReturned && x.PaymentID == paymentID && x.AmountMinor >= amountMinor {
			return true
		}
	}
	return false
}

// overReturned opens OVER_RETURNED for an excess that is not on record yet.
func (o *Order) overReturned(act Act, p *Payment, excessMinor int64, detail string) error {
	if excessMinor <= 0 || o.overReturnKnown(p.ID, excessMinor) {
		return nil
	}
	return o.open(act, &ExceptionFacts{
		Kind: OverReturned, PaymentID: p.ID, AttemptID: p.AttemptID, AmountMinor: excessMinor,
		Currency: p.Currency, Detail: detail,
	})
}

// applyChargedBack takes in the running total of what the payer's bank took back (O10).
func (o *Order) applyChargedBack(act Act, ev *Evidence, _ Policy) error {
	p := o.paymentOf(ev)
	switch {
	case p == nil:
		return o.puzzle(act, ev, OverReturned, unknownPayment)
	case ev.AmountMinor <= p.ChargedBack:
		return nil
	case o.Attempt(ev.AttemptID).saw(FactChargebackBack) && ev.Source != FromOperator:
		return o.contradict(act, ev, reversed) // A repeat of old news, or a new one: a person looks.
	}
	facts := o.paymentFacts(act, ev, p)
	facts.ChargedBack = ev.AmountMinor
	if err := o.note(act, ev, facts); err != nil {
		return err
	}
	p = o.Payment(p.ID)
	if p.Settles && (o.State == Paid || o.State == PartiallyRefunded || o.State == Refunded) {
		if err := o.record(act, OrderChargedBack, Change{To: ChargedBack}, nil); err != nil {
			return err
		}
	}
	if err := o.overReturned(act, p, p.excess(), chargedAndRefunded); err != nil {
		return err
	}
	return o.releaseGone(act, p)
}

func (o *Order) applyChargebackReversed(act Act, ev *Evidence, _ Policy) error {
	p := o.paymentOf(ev)
	if p == nil || p.ChargedBack == 0 {
		if o.Attempt(ev.AttemptID).saw(ev.Fact) {
			return nil
		}
		var facts *PaymentFacts
		if p != nil {
			facts = o.paymentFacts(act, ev, p)
		}
		return o.note(act, ev, facts) // It overtook the chargeback, which must not be believed blindly then.
	}
	facts := o.paymentFacts(act, ev, p)
	facts.ChargedBack = 0
	if err := o.note(act, ev, facts); err != nil {
		return err
	}
	p = o.Payment(p.ID)
	if !p.Settles {
		return o.comeBack(act, p)
	}
	if o.State != ChargedBack {
		return nil
	}
	to := Paid
	switch {
	case p.Refunded == p.Captured:
		to = Refunded
	case p.Refunded > 0:
		to = PartiallyRefunded
	}
	return o.record(act, OrderChargebackUndone, Change{To: to}, nil)
}

// comeBack opens the exception of a payment again whose money is here once more (X1).
func (o *Order) comeBack(act Act, p *Payment) error {
	if o.openExceptionOf(p.ID) != nil || p.Captured == 0 || p.gone() {
		return nil
	}
	for i := len(o.Exceptions) - 1; i >= 0; i-- {
		x := &o.Exceptions[i]
		if x.PaymentID != p.ID || !x.Kind.HoldsMoney() {
			continue
		}
		err := o.open(act, &ExceptionFacts{
			Kind: x.Kind, PaymentID: p.ID, AttemptID: p.AttemptID, AmountMinor: p.Captured - p.Refunded,
			Currency: p.Currency, Detail: "the chargeback was reversed", Policy: Hold,
		})
		if err != nil {
			return err
		}
		return o.requireReview(act)
	}
	return broken("payment %s neither settles order %s nor is in an exception", p.ID, o.ID)
}
