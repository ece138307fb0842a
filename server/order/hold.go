package order

import "github.com/kvitpay/kvit/server/fault"

// RequestCapture writes down that held money is about to be taken (O10). Zero means all of it. Asked
// for again with the same amount, it changes nothing. It returns the payment and the amount to take.
func (o *Order) RequestCapture(act Act, amountMinor int64) (payment Payment, askedMinor int64, err error) {
	p := o.goodHold("")
	if o.State != Authorized || p == nil {
		return Payment{}, 0, o.refuse(act.Now, "No money is held for the order.")
	}
	if amountMinor == 0 {
		amountMinor = p.Authorized
	}
	switch {
	case amountMinor < 0 || amountMinor > p.Authorized:
		return Payment{}, 0, invalidField("amount.minor_units", "must be more than zero and not more than is held")
	case p.VoidAsked:
		return Payment{}, 0, o.underWay("The hold is being released at the PSP.")
	case p.CaptureAsked == amountMinor:
		return *p, amountMinor, nil
	case p.CaptureAsked > 0:
		return Payment{}, 0, o.underWay("Another amount of the hold is being taken at the PSP.")
	}
	err = o.record(act, CaptureRequested, Change{Payment: &PaymentFacts{ID: p.ID, CaptureAsked: amountMinor}}, act.private())
	return *o.Payment(p.ID), amountMinor, err
}

// RequestVoid writes down that the hold of an authorized order is about to be released, which cancels
// the order (O10). Asked for again, it changes nothing. It returns the payment that is held.
func (o *Order) RequestVoid(act Act) (Payment, error) {
	p := o.goodHold("")
	switch {
	case o.State != Authorized || p == nil:
		return Payment{}, o.refuse(act.Now, "No money is held for the order.")
	case p.CaptureAsked > 0:
		return Payment{}, o.underWay("The held money is being taken at the PSP.")
	case p.VoidAsked:
		return *p, nil
	}
	err := o.record(act, VoidRequested, Change{Payment: &PaymentFacts{ID: p.ID}}, act.private())
	return *o.Payment(p.ID), err
}

// FailCapture notes that the PSP did not take the held money. Nothing asked, it changes nothing.
func (o *Order) FailCapture(act Act, paymentID, failure string) error {
	p := o.Payment(paymentID)
	if p == nil || p.CaptureAsked == 0 {
		return nil
	}
	return o.record(act, CaptureFailed, o.holdFailed(p, failure), nil)
}

// FailVoid notes that the PSP did not release the hold. Nothing asked, it changes nothing.
func (o *Order) FailVoid(act Act, paymentID, failure string) error {
	p := o.Payment(paymentID)
	if p == nil || !p.VoidAsked {
		return nil
	}
	return o.record(act, VoidFailed, o.holdFailed(p, failure), nil)
}

func (o *Order) holdFailed(p *Payment, failure string) Change {
	return Change{
		Payment: &PaymentFacts{ID: p.ID},
		Attempt: &AttemptFacts{ID: p.AttemptID, Failure: storable(failure)},
	}
}

// goodHold is the held payment that AUTHORIZED is about, or nil. The payment named but is not looked at.
func (o *Order) goodHold(but string) *Payment {
	for i := range o.Payments {
		if p := &o.Payments[i]; p.ID != but && p.onHold() && o.openExceptionOf(p.ID) == nil {
			return p
		}
	}
	return nil
}

// spareHold is money that was held for the order beside the good hold, or nil.
func (o *Order) spareHold() *Payment {
	for i := range o.Payments {
		p := &o.Payments[i]
		if x := o.openExceptionOf(p.ID); p.onHold() && x != nil && x.Kind == Duplicate {
			return p
		}
	}
	return nil
}

func (o *Order) underWay(message string) error {
	return fault.New(fault.Precondition, fault.ReasonOrderState, message, fault.With("state", string(o.State)))
}

// foldHold keeps what was asked of a hold, or that the PSP said no.
func (o *Order) foldHold(e *Entry) error {
	if e.Change.Payment == nil {
		return broken("entry %s asks nothing of a hold", e.ID)
	}
	p := o.Payment(e.Change.Payment.ID)
	if p == nil || !p.onHold() {
		return broken("entry %s asks for a hold that is not there", e.ID)
	}
	switch e.Type { //nolint:exhaustive // These are the four types that fold here.
	case CaptureRequested:
		p.CaptureAsked = e.Change.Payment.CaptureAsked
	case VoidRequested:
		p.VoidAsked = true
	default:
		p.CaptureAsked, p.VoidAsked = 0, false
	}
	return nil
}
