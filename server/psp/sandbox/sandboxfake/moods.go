package sandboxfake

import (
	"cmp"
	"crypto/rand"
	"math"
	"net/http"
	"time"
)

// mood is one way in which a payment can go. Each is a button of the page.
type mood struct {
	name string
	// back is how the browser returns: by GET, by POST, or not at all.
	back backWay
	// late moods may be played after the session's end, again moods where money has moved before.
	late, again bool
	play        func(*scene) error
}

type backWay int

const (
	backByGet backWay = iota
	backByPost
	staysHere
)

// moods are all moods of the page, in its order.
var moods = []mood{
	{name: "pay", play: (*scene).playPay},
	{name: "decline", play: (*scene).playDecline},
	{name: "cancel", play: (*scene).playCancel},
	{name: "decline_then_pay", play: (*scene).playDeclineThenPay},
	{name: "pay_twice", late: true, again: true, play: (*scene).playTwice},
	{name: "pay_less", play: (*scene).playLess},
	{name: "pay_more", play: (*scene).playMore},
	{name: "pay_other_currency", play: (*scene).playOtherCurrency},
	{name: "pay_other_payee", play: (*scene).playOtherPayee},
	{name: "pay_after_expiry", late: true, play: (*scene).playAfterExpiry},
	{name: "confirm_late", play: (*scene).playConfirmLate},
	{name: "confirm_many", play: (*scene).playConfirmMany},
	{name: "contradict", play: (*scene).playContradict},
	{name: "never_confirm", play: (*scene).playNeverConfirm},
	{name: "wrong_signature", play: (*scene).playWrongSignature},
	{name: "unknown_status", play: (*scene).playUnknownStatus},
	{name: "return_post", back: backByPost, play: (*scene).playPay},
	{name: "no_return", back: staysHere, play: (*scene).playPay},
}

// cabinetMoods are what the merchant and the payer's bank do afterwards.
var cabinetMoods = []mood{
	{name: "refund", late: true, again: true, play: (*scene).playRefund},
	{name: "chargeback", late: true, again: true, play: (*scene).playChargeback},
	{name: "chargeback_reverse", late: true, again: true, play: (*scene).playReverse},
	{name: "repeat_callback", late: true, again: true, play: (*scene).playRepeat},
}

// actRequest plays a mood. All but Mood may be left out.
type actRequest struct {
	Mood string `json:"mood"`
	// AmountMinor, Currency and Payee take the place of the session's own in pay moods; AmountMinor is
	// a part in refund and chargeback.
	AmountMinor int64  `json:"amount_minor,omitempty"`
	Currency    string `json:"currency,omitempty"`
	Payee       string `json:"payee,omitempty"`
	// PaidAt takes the place of the time of payment.
	PaidAt time.Time `json:"paid_at,omitzero"`
	// DelayMS is how long confirm_late waits, and any other mood before its callbacks.
	DelayMS int64 `json:"delay_ms,omitempty"`
	// PaymentID names the payment of refund, chargeback and chargeback_reverse.
	PaymentID string `json:"payment_id,omitempty"`
}

const (
	// confirmLateDelay is how long confirm_late waits when nothing else is said.
	confirmLateDelay = time.Minute
	// afterExpiry is how long after the end of the session pay_after_expiry pays: more than clocks differ.
	afterExpiry = 5 * time.Minute
	delayMax    = 24 * time.Hour
)

// scene is one mood being played on a copy of a session.
type scene struct {
	*session
	act      actRequest
	now      time.Time
	merchant string
}

// perform plays a mood, if the session is in a state for it.
func (sc *scene) perform(m *mood) error {
	if sc.act.AmountMinor < 0 || sc.act.DelayMS < 0 || sc.act.DelayMS > delayMax.Milliseconds() {
		return &apiError{http.StatusBadRequest, "invalid_request", "amount_minor or delay_ms is out of range"}
	}
	if err := sc.allows(m, sc.now); err != nil {
		return err
	}
	return m.play(sc)
}

// allows says why a mood cannot be played now, or nil.
func (s *session) allows(m *mood, now time.Time) error {
	switch {
	case s.moved() && !m.again:
		return conflict("already_paid", "the session has a payment")
	case s.Canceled && !m.late:
		return conflict("closed", "the payer has canceled the session")
	case now.After(s.ExpiresAt) && !m.late:
		return conflict("expired", "the session is over")
	}
	return nil
}

func (sc *scene) delay() time.Duration { return time.Duration(sc.act.DelayMS) * time.Millisecond }

// due is when callbacks are sent.
func (sc *scene) due() time.Time { return sc.now.Add(sc.delay()) }

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
