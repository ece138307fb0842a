package sandbox

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
)

// facts says what each status of a payment means, in the order in which it came about. A sum that is 0
// in the message did not happen, but for the last fact, which the status is named after.
var facts = map[string][]order.Fact{
	"pending":             {order.FactPending},
	"declined":            {order.FactDeclined},
	"canceled":            {order.FactClosed},
	"held":                {order.FactAuthorized},
	"voided":              {order.FactVoided},
	"paid":                {order.FactAuthorized, order.FactSucceeded},
	"refunded":            {order.FactAuthorized, order.FactSucceeded, order.FactRefunded},
	"charged_back":        {order.FactAuthorized, order.FactSucceeded, order.FactRefunded, order.FactChargedBack},
	"chargeback_reversed": {order.FactAuthorized, order.FactSucceeded, order.FactRefunded, order.FactChargebackBack},
}

// unpaid are the statuses in which no money has moved and none is moving.
var unpaid = map[string]bool{"declined": true, "canceled": true, "voided": true}

// failures are the sandbox's reasons for a decline, in our words.
var failures = map[string]string{
	"insufficient_funds": "not enough money on the card",
	"do_not_honor":       "the payer's bank declined",
}

const (
	// sessionCanceled is the status of a session that the payer closed; payments have their own.
	sessionCanceled = "canceled"
	refundDone      = "done"
	// quotedMax is how much of a foreign word is shown, in bytes.
	quotedMax = 32
)

// createCall opens a session.
type createCall struct {
	Reference   string    `json:"reference"`
	AmountMinor int64     `json:"amount_minor"`
	Currency    string    `json:"currency"`
	Hold        bool      `json:"hold,omitempty"`
	Description string    `json:"description"`
	Locale      string    `json:"locale,omitempty"`
	ExpiresAt   time.Time `json:"expires_at"`
	ReturnURL   string    `json:"return_url,omitempty"`
	CallbackURL string    `json:"callback_url,omitempty"`
}

func newCreate(intent psp.Intent) createCall {
	return createCall{
		Reference: intent.Ref, AmountMinor: intent.Amount.Minor(), Currency: intent.Amount.Currency().Code(),
		Hold: intent.Hold, Description: intent.Description, Locale: intent.Locale,
		ExpiresAt: intent.SessionUntil.UTC(), ReturnURL: intent.ReturnURL, CallbackURL: intent.CallbackURL,
	}
}

type refundCall struct {
	RefundID    string `json:"refund_id"`
	PaymentID   string `json:"payment_id,omitempty"`
	AmountMinor int64  `json:"amount_minor"`
}

type holdCall struct {
	PaymentID   string `json:"payment_id,omitempty"`
	AmountMinor int64  `json:"amount_minor,omitempty"`
}

// sessionAnswer is a session as every call answers it.
type sessionAnswer struct {
	Reference string           `json:"reference"`
	URL       string           `json:"url"`
	Status    string           `json:"status"`
	Payments  []paymentMessage `json:"payments"`
	Refund    *struct {
		RefundID string `json:"refund_id"`
		Status   string `json:"status"`
	} `json:"refund"`
}

// paymentMessage is one payment, in answers and callbacks. The sums are running totals; an integer
// that is written in any other way than as digits is refused (M1).
type paymentMessage struct {
	PaymentID        string    `json:"payment_id"`
	Payee            string    `json:"payee"`
	Status           string    `json:"status"`
	Currency         string    `json:"currency"`
	HeldMinor        int64     `json:"held_minor"`
	CapturedMinor    int64     `json:"captured_minor"`
	RefundedMinor    int64     `json:"refunded_minor"`
	ChargedBackMinor int64     `json:"charged_back_minor"`
	PaidAt           time.Time `json:"paid_at"`
	Failure          string    `json:"failure"`
}

// report turns the session into facts. No money has moved where every payment was declined or released.
func (a *sessionAnswer) report(payee string) psp.Report {
	report := psp.Report{Ref: a.Reference, Proven: true, Unpaid: true}
	for i := range a.Payments {
		p := &a.Payments[i]
		report.Findings = append(report.Findings, p.findings(payee)...)
		report.Unpaid = report.Unpaid && unpaid[p.Status]
	}
	if a.Status == sessionCanceled && report.Unpaid {
		report.Findings = append(report.Findings, psp.Finding{Fact: order.FactClosed})
	}
	return report
}

// findings are the facts of one payment.
func (p *paymentMessage) findings(payee string) []psp.Finding {
	known := facts[p.Status]
	if len(known) == 0 {
		return []psp.Finding{p.finding(order.FactUnreadable, payee, "the status "+quoted(p.Status)+" is not known")}
	}
	var found []psp.Finding
	for i, fact := range known {
		if last := i == len(known)-1; last || p.sum(fact) > 0 {
			found = append(found, p.finding(fact, payee, p.failure()))
		}
	}
	return found
}

func (p *paymentMessage) finding(fact order.Fact, payee, failure string) psp.Finding {
	f := psp.Finding{
		Fact: fact, PSPPaymentID: p.PaymentID, AmountMinor: p.sum(fact), Currency: p.Currency,
		PayeeDiffers: p.Payee != payee, Failure: failure,
	}
	if fact == order.FactAuthorized || fact == order.FactSucceeded {
		f.PaidAt = p.PaidAt
	}
	return f
}

// sum is the one amount of a fact (M4).
func (p *paymentMessage) sum(fact order.Fact) int64 {
	switch fact { //nolint:exhaustive // The other facts are about no sum.
	case order.FactAuthorized:
		return p.HeldMinor
	case order.FactSucceeded:
		return p.CapturedMinor
	case order.FactRefunded:
		return p.RefundedMinor
	case order.FactChargedBack:
		return p.ChargedBackMinor
	}
	return 0
}

func (p *paymentMessage) failure() string {
	if p.Failure == "" {
		return ""
	}
	if ours, known := failures[p.Failure]; known {
		return ours
	}
	return "declined"
}

// quoted shows a foreign word, shortened.
func quoted(word string) string { return fmt.Sprintf("%.*q", quotedMax, word) }

// readEvent reads the body of a callback whose signature was checked.
func readEvent(body []byte, payee string) (psp.Report, error) {
	var named struct {
		Reference string `json:"reference"`
	}
	if err := json.Unmarshal(body, &named); err != nil || named.Reference == "" {
		return psp.Report{}, psp.ErrUnreadable
	}
	return psp.Report{Ref: named.Reference, Proven: true, Findings: eventFindings(body, payee)}, nil
}

// eventFindings are the facts of a callback. A field that is not of its type, such as an amount that is
// no integer, makes it UNREADABLE, not a part of what it seems to say.
func eventFindings(body []byte, payee string) []psp.Finding {
	var p paymentMessage
	if json.Unmarshal(body, &p) != nil {
		return []psp.Finding{{Fact: order.FactUnreadable, Failure: "a field is not of its type"}}
	}
	return p.findings(payee)
}
