package sandboxfake

import "time"

func (p *payment) view(now time.Time) paymentView {
	v := paymentView{
		PaymentID: p.ID, Payee: p.Payee, Status: p.status(now), AmountMinor: p.AmountMinor,
		Currency: p.Currency, Failure: p.Failure,
	}
	if v.Status == statusPending || v.Status == statusDeclined {
		return v
	}
	v.HeldMinor, v.CapturedMinor, v.RefundedMinor = p.HeldMinor, p.CapturedMinor, p.refundedMinor(now)
	if !p.Reversed {
		v.ChargedBackMinor = p.ChargedBackMinor
	}
	v.PaidAt = &p.PaidAt
	return v
}

func (s *session) view(now time.Time, publicURL string) sessionView {
	v := sessionView{
		ID: s.ID, Reference: s.Reference, URL: publicURL + "/pay/" + s.ID, Status: s.status(now),
		AmountMinor: s.AmountMinor, Currency: s.Currency, Hold: s.Hold,
		CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt, Payments: make([]paymentView, 0, len(s.Payments)),
	}
	for i := range s.Payments {
		v.Payments = append(v.Payments, s.Payments[i].view(now))
	}
	return v
}
