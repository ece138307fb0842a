package sandboxfake

import (
	"cmp"
	"crypto/rand"
	"time"
)

// refund gives a payment's money back at that time, once per refund id.
func (s *session) refund(ask refundRequest, now, at time.Time) (*refundView, error) {
	p := s.find(ask.PaymentID, (*payment).captured)
	if p == nil || !p.captured() {
		return nil, conflict("not_captured", "the payment has no money to give back")
	}
	for _, r := range p.Refunds {
		if r.ID != ask.RefundID {
			continue
		}
		if r.AmountMinor != ask.AmountMinor {
			return nil, conflict("terms_differ", "the refund has another amount")
		}
		return r.view(now), nil
	}
	if ask.AmountMinor <= 0 || ask.AmountMinor > p.refundable() {
		return nil, conflict("exceeds_payment", "the refund is more than is left of the payment")
	}
	r := refund{ID: ask.RefundID, AmountMinor: ask.AmountMinor, At: at}
	p.Refunds = append(p.Refunds, r)
	s.tellOf(p, at)
	return r.view(now), nil
}

func (r *refund) view(now time.Time) *refundView {
	status := "done"
	if r.At.After(now) {
		status = "accepted"
	}
	return &refundView{RefundID: r.ID, Status: status, AmountMinor: r.AmountMinor}
}

// capture takes held money and releases the rest. The same capture again changes nothing.
func (s *session) capture(ask holdRequest, now time.Time) error {
	p := s.find(ask.PaymentID, func(p *payment) bool { return p.HeldMinor > 0 && !p.Voided })
	if p == nil {
		return conflict("not_held", "nothing is held")
	}
	amount := cmp.Or(ask.AmountMinor, p.HeldMinor)
	switch {
	case p.HeldMinor > 0 && p.CapturedMinor == amount:
		return nil
	case !p.onHold():
		return conflict("not_held", "nothing is held")
	case amount < 0 || amount > p.HeldMinor:
		return conflict("exceeds_hold", "the capture is more than is held")
	}
	p.CapturedMinor = amount
	s.tellOf(p, now)
	return nil
}

// void releases held money. The same again changes nothing.
func (s *session) void(ask holdRequest, now time.Time) error {
	p := s.find(ask.PaymentID, func(p *payment) bool { return p.HeldMinor > 0 })
	switch {
	case p != nil && p.Voided:
		return nil
	case p == nil || !p.onHold():
		return conflict("not_held", "nothing is held")
	}
	p.Voided = true
	s.tellOf(p, now)
	return nil
}

// playRefund gives a part or all back from the merchant's cabinet.
func (sc *scene) playRefund() error {
	p := sc.find(sc.act.PaymentID, func(p *payment) bool { return p.refundable() > 0 })
	if p == nil {
		return conflict("not_captured", "the payment has no money to give back")
	}
	_, err := sc.refund(refundRequest{
		RefundID: "cab_" + rand.Text(), PaymentID: p.ID, AmountMinor: cmp.Or(sc.act.AmountMinor, p.refundable()),
	}, sc.now, sc.due())
	return err
}

// playChargeback is the payer's bank that takes a part or all back.
func (sc *scene) playChargeback() error {
	p := sc.find(sc.act.PaymentID, func(p *payment) bool { return p.refundable() > 0 })
	if p == nil || p.refundable() == 0 {
		return conflict("not_captured", "the payment has no money to take back")
	}
	amount := cmp.Or(sc.act.AmountMinor, p.refundable())
	if amount > p.refundable() || p.Reversed {
		return conflict("exceeds_payment", "the chargeback is more than is left, or was decided before")
	}
	p.ChargedBackMinor += amount
	sc.tellOf(p, sc.due())
	return nil
}

// playReverse is the bank that gives back what it took.
func (sc *scene) playReverse() error {
	p := sc.find(sc.act.PaymentID, func(p *payment) bool { return p.ChargedBackMinor > 0 })
	if p == nil || p.ChargedBackMinor == 0 || p.Reversed {
		return conflict("not_charged_back", "the payment has no chargeback")
	}
	p.Reversed = true
	sc.tellOf(p, sc.due())
	return nil
}

// playRepeat sends the last event once more.
func (sc *scene) playRepeat() error {
	if len(sc.Last) == 0 {
		return conflict("nothing_told", "the session has no event")
	}
	sc.tell(sc.Last, sc.due())
	return nil
}
