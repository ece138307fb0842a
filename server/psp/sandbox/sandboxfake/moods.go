package sandboxfake

import (
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
