package sandboxfake

import (
	"cmp"
	"crypto/rand"
	"math"
	"time"
)

// charge adds a payment in which the payer paid.
func (sc *scene) charge() *payment {
	p := payment{
		ID: "sbx_" + rand.Text(), Payee: cmp.Or(sc.act.Payee, sc.merchant),
		AmountMinor: cmp.Or(sc.act.AmountMinor, sc.AmountMinor), Currency: cmp.Or(sc.act.Currency, sc.Currency),
		PaidAt: sc.now,
	}
	if !sc.act.PaidAt.IsZero() {
		p.PaidAt = sc.act.PaidAt.UTC()
	}
	if sc.Hold {
		p.HeldMinor = p.AmountMinor
	} else {
		p.CapturedMinor = p.AmountMinor
	}
	return sc.add(p)
}

func (sc *scene) add(p payment) *payment {
	sc.Payments = append(sc.Payments, p)
	return &sc.Payments[len(sc.Payments)-1]
}

// refuse adds a payment that the payer's bank declined.
func (sc *scene) refuse() *payment {
	return sc.add(payment{
		ID: "sbx_" + rand.Text(), Payee: sc.merchant, AmountMinor: sc.AmountMinor, Currency: sc.Currency,
		Failure: "insufficient_funds",
	})
}

func (sc *scene) playPay() error {
	p := sc.charge()
	sc.tell(sc.event(sc.now, p.view(sc.now)), sc.due())
	return nil
}

func (sc *scene) playDecline() error {
	p := sc.refuse()
	sc.tell(sc.event(sc.now, p.view(sc.now)), sc.due())
	return nil
}

func (sc *scene) playCancel() error {
	sc.Canceled = true
	about := paymentView{Payee: sc.merchant, Status: statusCanceled, AmountMinor: sc.AmountMinor, Currency: sc.Currency}
	sc.tell(sc.event(sc.now, about), sc.due())
	return nil
}

func (sc *scene) playDeclineThenPay() error {
	if err := sc.playDecline(); err != nil {
		return err
	}
	return sc.playPay()
}

// playTwice pays twice in one session; a session that is paid already, once more.
func (sc *scene) playTwice() error {
	if !sc.moved() {
		if err := sc.playPay(); err != nil {
			return err
		}
	}
	return sc.playPay()
}

func (sc *scene) playLess() error {
	if sc.AmountMinor < 2 {
		return conflict("amount_too_small", "there is nothing less than one minor unit")
	}
	sc.act.AmountMinor = cmp.Or(sc.act.AmountMinor, sc.AmountMinor-max(1, sc.AmountMinor/10))
	return sc.playPay()
}

func (sc *scene) playMore() error {
	if sc.AmountMinor > math.MaxInt64/2 {
		return conflict("amount_too_big", "more than that does not fit")
	}
	sc.act.AmountMinor = cmp.Or(sc.act.AmountMinor, sc.AmountMinor+max(1, sc.AmountMinor/10))
	return sc.playPay()
}

func (sc *scene) playOtherCurrency() error {
	other := "USD"
	if sc.Currency == other {
		other = "EUR"
	}
	sc.act.Currency = cmp.Or(sc.act.Currency, other)
	return sc.playPay()
}

func (sc *scene) playOtherPayee() error {
	sc.act.Payee = cmp.Or(sc.act.Payee, sc.merchant+"-other")
	return sc.playPay()
}

// playAfterExpiry takes the money after the session's end, or after the payer has canceled it. Before
// the end it is played as if that time had come: paid_at lies after it all the same.
func (sc *scene) playAfterExpiry() error {
	late := sc.ExpiresAt.Add(afterExpiry)
	if sc.act.PaidAt.IsZero() && !sc.Canceled && sc.now.Before(late) {
		sc.act.PaidAt = late
	}
	return sc.playPay()
}

// playConfirmLate pays now and says so later: until then lookups show the payment as pending.
func (sc *scene) playConfirmLate() error {
	p := sc.charge()
	p.ShownAt = sc.now.Add(cmp.Or(sc.delay(), confirmLateDelay))
	sc.tellOf(p, p.ShownAt)
	return nil
}

// playConfirmMany pays with the second card. What happened is told in the wrong order and more than
// once: paid twice, then pending, declined, and paid again.
func (sc *scene) playConfirmMany() error {
	declined := sc.event(sc.now, sc.refuse().view(sc.now))
	p := sc.charge()
	waiting := *p
	waiting.PaidAt = time.Time{}
	pending, paid := sc.event(sc.now, waiting.view(sc.now)), sc.event(sc.now, p.view(sc.now))
	for _, body := range [][]byte{paid, paid, pending, declined, paid} {
		sc.tell(body, sc.due())
	}
	return nil
}

// playContradict pays, and then says of the same payment that it was declined.
func (sc *scene) playContradict() error {
	p := sc.charge()
	sc.tell(sc.event(sc.now, p.view(sc.now)), sc.due())
	refused := payment{ID: p.ID, Payee: p.Payee, AmountMinor: p.AmountMinor, Currency: p.Currency, Failure: "do_not_honor"}
	sc.tell(sc.event(sc.now, refused.view(sc.now)), sc.due())
	return nil
}

func (sc *scene) playNeverConfirm() error {
	sc.charge()
	return nil
}

func (sc *scene) playWrongSignature() error {
	p := sc.charge()
	sc.tell(sc.event(sc.now, p.view(sc.now)), sc.due()).Forged = true
	return nil
}

// playUnknownStatus takes the money and calls that by a word that no document has.
func (sc *scene) playUnknownStatus() error {
	p := sc.charge()
	p.Odd = "under_review"
	sc.tell(sc.event(sc.now, p.view(sc.now)), sc.due())
	return nil
}
