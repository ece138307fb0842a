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
	p := o.payment(id)
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
		ID: act.IDs.ID("ref_", *act.Entries), PaymentID: p.ID, AmountMinor: amountMinor, Automatic: automatic,
	}}, act.private())
}

// SendRefund notes that the PSP is about to be asked: from here on it is never blindly sent again (R2).
func (o *Order) SendRefund(act Act, id string) error {
	r := o.refund(id)
	if r == nil || r.State != RefundReserved {
		return o.refuse(act.Now, "The refund is not waiting to be sent.")
	}
	return o.record(act, RefundSent, Change{Refund: &RefundFacts{ID: id}}, nil)
}

// PostRefund notes that the money went back. Known already, it changes nothing.
func (o *Order) PostRefund(act Act, id string) error {
	r := o.refund(id)
	if r == nil {
		return broken("no refund %s to post", id)
	}
	if !r.open() {
		return nil
	}
	if err := o.record(act, RefundPosted, Change{Refund: &RefundFacts{ID: id}}, nil); err != nil {
		return err
	}
	return o.afterReturn(act, o.payment(r.PaymentID))
}

// FailRefund releases the reserve: the PSP said no, and nothing went back.
func (o *Order) FailRefund(act Act, id, failure string) error {
	r := o.refund(id)
	if r == nil {
		return broken("no refund %s to fail", id)
	}
	if !r.open() {
		return nil
	}
	return o.record(act, RefundFailed, Change{Refund: &RefundFacts{ID: id, Failure: failure}}, nil)
}

// DoubtRefund notes that the PSP was asked and no answer came. The reserve stays (R2).
func (o *Order) DoubtRefund(act Act, id string) error {
	r := o.refund(id)
	if r == nil || r.State != RefundIsSent {
		return nil
	}
	return o.record(act, RefundUnknown, Change{Refund: &RefundFacts{ID: id}}, nil)
}

// afterReturn moves the order, or ends the payment's exception, after money went back.
func (o *Order) afterReturn(act Act, p *Payment) error {
	all := p.Refunded == p.Captured
	if p.Settles {
		if o.State != Paid && o.State != PartiallyRefunded {
			return nil
		}
		if all {
			return o.record(act, OrderRefunded, Change{To: Refunded}, nil)
		}
		return o.record(act, OrderPartiallyRefunded, Change{To: PartiallyRefunded}, nil)
	}
	x := o.openExceptionOf(p.ID)
	if !all || x == nil {
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
		if p := o.payment(x.PaymentID); p != nil && p.Captured > p.Refunded {
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
		return o.overReturned(act, ev, nil, ev.AmountMinor)
	}
	delta := ev.AmountMinor - p.Refunded
	if delta <= 0 || o.overReturnKnown(p.ID, delta) {
		return nil
	}
	if err := o.note(act, ev, o.paymentFacts(act, ev, p)); err != nil {
		return err
	}
	for i := range o.Refunds {
		r := o.Refunds[i]
		sent := r.State == RefundIsSent || r.State == RefundInDoubt
		if r.PaymentID != p.ID || !sent || r.AmountMinor > delta {
			continue
		}
		delta -= r.AmountMinor
		if err := o.PostRefund(act, r.ID); err != nil {
			return err
		}
	}
	p = o.payment(p.ID)
	if taken := min(delta, p.Refundable()); taken > 0 {
		delta -= taken
		err := o.record(act, RefundPosted, Change{Refund: &RefundFacts{
			ID: act.IDs.ID("ref_", *act.Entries), PaymentID: p.ID, AmountMinor: taken, AtPSP: true,
		}}, nil)
		if err != nil {
			return err
		}
		if err := o.afterReturn(act, o.payment(p.ID)); err != nil {
			return err
		}
	}
	if delta > 0 {
		return o.overReturned(act, ev, p, delta)
	}
	return nil
}

// overReturnKnown reports whether the excess is on record already, so that a repeat says nothing new.
func (o *Order) overReturnKnown(paymentID string, amountMinor int64) bool {
	for i := range o.Exceptions {
		x := &o.Exceptions[i]
		if x.Kind == OverReturned && x.PaymentID == paymentID && x.AmountMinor == amountMinor {
			return true
		}
	}
	return false
}

func (o *Order) overReturned(act Act, ev *Evidence, p *Payment, amountMinor int64) error {
	facts := &ExceptionFacts{
		Kind: OverReturned, AttemptID: ev.AttemptID, AmountMinor: amountMinor, Currency: ev.Currency,
		Detail: "more went back than the payment had left",
	}
	if p != nil {
		facts.PaymentID = p.ID
	}
	if o.overReturnKnown(facts.PaymentID, amountMinor) {
		return nil
	}
	if p == nil {
		if err := o.note(act, ev, nil); err != nil {
			return err
		}
	}
	return o.open(act, facts)
}

// applyChargedBack takes in the running total of what the payer's bank took back (O10).
func (o *Order) applyChargedBack(act Act, ev *Evidence, _ Policy) error {
	p := o.paymentOf(ev)
	switch {
	case p == nil:
		return o.overReturned(act, ev, nil, ev.AmountMinor)
	case ev.AmountMinor <= p.ChargedBack:
		return nil
	case o.Attempt(ev.AttemptID).saw(FactChargebackBack):
		return o.contradict(act, ev) // It was reversed: a repeat of old news, or a new one; a person looks.
	}
	facts := o.paymentFacts(act, ev, p)
	facts.ChargedBack = ev.AmountMinor
	if err := o.note(act, ev, facts); err != nil {
		return err
	}
	p = o.payment(p.ID)
	if p.Settles && (o.State == Paid || o.State == PartiallyRefunded || o.State == Refunded) {
		if err := o.record(act, OrderChargedBack, Change{To: ChargedBack}, nil); err != nil {
			return err
		}
	}
	if excess := p.Refunded + p.ChargedBack - p.Captured; excess > 0 {
		return o.overReturned(act, ev, p, excess)
	}
	return nil
}

func (o *Order) applyChargebackReversed(act Act, ev *Evidence, _ Policy) error {
	p := o.paymentOf(ev)
	if p == nil || p.ChargedBack == 0 {
		return nil
	}
	facts := o.paymentFacts(act, ev, p)
	facts.ChargedBack = 0
	if err := o.note(act, ev, facts); err != nil {
		return err
	}
	if !p.Settles || o.State != ChargedBack {
		return nil
	}
	p = o.payment(p.ID)
	to := Paid
	switch {
	case p.Refunded == p.Captured:
		to = Refunded
	case p.Refunded > 0:
		to = PartiallyRefunded
	}
	return o.record(act, OrderChargebackUndone, Change{To: to}, nil)
}
