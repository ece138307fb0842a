package sandboxfake

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Statuses of payments. A session has the status of its last payment, or one of created, canceled, expired.
const (
	statusCreated  = "created"
	statusCanceled = "canceled"
	statusExpired  = "expired"
	statusPending  = "pending"
	statusDeclined = "declined"
	statusHeld     = "held"
	statusVoided   = "voided"
	statusPaid     = "paid"
	statusRefunded = "refunded"
	statusBack     = "charged_back"
	statusReversed = "chargeback_reversed"
)

// session is what the merchant opened: one reference, one page, and each payment made there. A session
// that others can see is never changed: a change makes a copy.
type session struct {
	ID string `json:"id"`
	createRequest
	CreatedAt  time.Time  `json:"created_at"`
	Canceled   bool       `json:"canceled,omitempty"`
	Payments   []payment  `json:"payments,omitempty"`
	Deliveries []delivery `json:"deliveries,omitempty"`
	// Sequence is the number of the last event, Last its bytes for one more repeat.
	Sequence int64           `json:"sequence,omitempty"`
	Last     json.RawMessage `json:"last,omitempty"`
	// Answer is the status that the last callback was answered with, 0 where there was no answer.
	Answer int `json:"answer,omitempty"`
}

// payment is one try of the payer.
type payment struct {
	ID               string    `json:"id"`
	Payee            string    `json:"payee"`
	AmountMinor      int64     `json:"amount"`
	Currency         string    `json:"currency"`
	HeldMinor        int64     `json:"held,omitempty"`
	CapturedMinor    int64     `json:"captured,omitempty"`
	Voided           bool      `json:"voided,omitempty"`
	Refunds          []refund  `json:"refunds,omitempty"`
	ChargedBackMinor int64     `json:"charged_back,omitempty"`
	Reversed         bool      `json:"reversed,omitempty"`
	PaidAt           time.Time `json:"paid_at,omitzero"`
	// ShownAt is until when the payment is shown as pending.
	ShownAt time.Time `json:"shown_at,omitzero"`
	Failure string    `json:"failure,omitempty"`
	// Odd is a status that nobody knows, shown in place of the true one.
	Odd string `json:"odd,omitempty"`
}

type refund struct {
	ID          string    `json:"id"`
	AmountMinor int64     `json:"amount"`
	At          time.Time `json:"at"`
}

// delivery is a callback that is still to be sent.
type delivery struct {
	ID    string          `json:"id"`
	Body  json.RawMessage `json:"body"`
	Due   time.Time       `json:"due"`
	Tries int             `json:"tries,omitempty"`
	// Forged is signed with another secret, and sent once.
	Forged bool `json:"forged,omitempty"`
}

func (s *session) clone() *session {
	c := *s
	c.Payments, c.Deliveries = slices.Clone(s.Payments), slices.Clone(s.Deliveries)
	for i := range c.Payments {
		c.Payments[i].Refunds = slices.Clip(c.Payments[i].Refunds)
	}
	return &c
}

// status is the session's: that of its last payment while there is one.
func (s *session) status(now time.Time) string {
	switch {
	case len(s.Payments) > 0 && (!s.Canceled || s.moved()):
		return s.Payments[len(s.Payments)-1].status(now)
	case s.Canceled:
		return statusCanceled
	case now.After(s.ExpiresAt):
		return statusExpired
	}
	return statusCreated
}

// moved reports whether any payment was not declined.
func (s *session) moved() bool {
	return slices.ContainsFunc(s.Payments, func(p payment) bool { return p.Failure == "" })
}

// finished reports whether nothing is left to be told or paid, so that the session can be forgotten.
func (s *session) finished(now time.Time) bool {
	return len(s.Deliveries) == 0 && (s.moved() || s.Canceled || now.After(s.ExpiresAt))
}

// find returns the payment with this id; without one, the first that fits, else nil.
func (s *session) find(id string, fits func(*payment) bool) *payment {
	for i := range s.Payments {
		p := &s.Payments[i]
		if id == p.ID || id == "" && fits(p) {
			return p
		}
	}
	return nil
}

func (p *payment) onHold() bool { return p.HeldMinor > 0 && p.CapturedMinor == 0 && !p.Voided }

func (p *payment) captured() bool { return p.CapturedMinor > 0 }

// refundable is what has not gone back and is not on its way back.
func (p *payment) refundable() int64 {
	left := p.CapturedMinor
	if !p.Reversed {
		left -= p.ChargedBackMinor
	}
	for _, r := range p.Refunds {
		left -= r.AmountMinor
	}
	return left
}

func (p *payment) refundedMinor(now time.Time) (sum int64) {
	for _, r := range p.Refunds {
		if !r.At.After(now) {
			sum += r.AmountMinor
		}
	}
	return sum
}

// status says all that happened to the payment: a later one includes the earlier ones, whose sums stand
// beside it.
func (p *payment) status(now time.Time) string {
	switch {
	case p.Failure != "":
		return statusDeclined
	case now.Before(p.ShownAt), p.PaidAt.IsZero():
		return statusPending
	case p.Odd != "":
		return p.Odd
	case p.Voided:
		return statusVoided
	case p.Reversed:
		return statusReversed
	case p.ChargedBackMinor > 0:
		return statusBack
	case p.refundedMinor(now) > 0:
		return statusRefunded
	case p.captured():
		return statusPaid
	}
	return statusHeld
}

// event makes the next event of the session, about a payment as it is at that time.
func (s *session) event(at time.Time, about paymentView) json.RawMessage {
	s.Sequence++
	return encode(eventView{
		EventID: "evt_" + rand.Text(), Sequence: s.Sequence, OccurredAt: at, Reference: s.Reference, paymentView: about,
	})
}

// tell has a callback sent at that time.
func (s *session) tell(body json.RawMessage, due time.Time) *delivery {
	s.Last = body
	if s.CallbackURL == "" {
		return &delivery{}
	}
	s.Deliveries = append(s.Deliveries, delivery{ID: rand.Text(), Body: body, Due: due})
	return &s.Deliveries[len(s.Deliveries)-1]
}

// tellOf tells how a payment stands at that time.
func (s *session) tellOf(p *payment, at time.Time) { s.tell(s.event(at, p.view(at)), at) }

func conflict(code, message string) error {
	return &apiError{status: http.StatusConflict, code: code, message: message}
}
