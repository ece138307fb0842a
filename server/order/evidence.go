package order

import (
	"strings"
	"time"
)

// Source is where a fact came from. A screenshot, a browser's return or a tap in a chat is none.
type Source string

// The sources of evidence.
const (
	FromCallback Source = "CALLBACK"
	FromLookup   Source = "LOOKUP"
	FromRegister Source = "REGISTER"
	FromOperator Source = "OPERATOR"
)

// Fact is what evidence says happened.
type Fact string

// The facts.
const (
	FactPending        Fact = "PENDING"
	FactAuthorized     Fact = "AUTHORIZED"
	FactSucceeded      Fact = "SUCCEEDED"
	FactDeclined       Fact = "DECLINED"
	FactClosed         Fact = "CLOSED"
	FactVoided         Fact = "VOIDED"
	FactRefunded       Fact = "REFUNDED"
	FactChargedBack    Fact = "CHARGED_BACK"
	FactChargebackBack Fact = "CHARGEBACK_REVERSED"
	// FactUnreadable is a message about the attempt whose status or type is not known (C5).
	FactUnreadable Fact = "UNREADABLE"
)

// Facts lists every fact.
func Facts() []Fact {
	return []Fact{
		FactPending, FactAuthorized, FactSucceeded, FactDeclined, FactClosed, FactVoided,
		FactRefunded, FactChargedBack, FactChargebackBack, FactUnreadable,
	}
}

// Evidence is one fact about money with its source, in our words. It was proven before it came here (C1, C4).
type Evidence struct {
	Source  Source `json:"source"`
	Fact    Fact   `json:"fact"`
	Account string `json:"account"`
	// AttemptID is the attempt that the fact is about.
	AttemptID    string `json:"attempt_id"`
	PSPPaymentID string `json:"psp_payment_id,omitempty"`
	// AmountMinor is the provider's one compared amount (M4), a running total: captured so far for
	// SUCCEEDED, held for AUTHORIZED, returned so far for REFUNDED, taken back so far for CHARGED_BACK.
	AmountMinor int64  `json:"amount,omitempty"`
	Currency    string `json:"currency,omitempty"`
	// PayeeDiffers is true where the merchant account in the message is not the account's own (M4).
	PayeeDiffers bool `json:"payee_differs,omitempty"`
	// PaidAt is the PSP's time of the payment, exact where the provider declares it (E2); zero where unknown.
	PaidAt      *time.Time `json:"paid_at,omitempty"`
	PaidAtExact bool       `json:"paid_at_exact,omitempty"`
	// ReceivedAt is when the first raw message with this fact came in.
	ReceivedAt time.Time `json:"received_at"`
	// Failure is why it was declined, in our words.
	Failure string `json:"failure,omitempty"`
	// ClosesSession is true where the provider declares that a decline closes the session (O7).
	ClosesSession bool `json:"closes_session,omitempty"`
	// RawID names the kept raw message (J5).
	RawID string `json:"raw_id,omitempty"`
}

// yearMax is the last year that an entry can be written with.
const yearMax = 9999

// tidy returns the evidence in the form in which it is kept: instants in UTC and microseconds, as
// rows keep them (O3), and an account other than the attempt's own as a payee that differs (M4). A time of
// payment that no entry can hold is none.
func tidy(ev Evidence, now time.Time, account string) *Evidence {
	if ev.ReceivedAt.IsZero() {
		ev.ReceivedAt = now
	}
	ev.ReceivedAt = instant(ev.ReceivedAt)
	if ev.PaidAt != nil {
		at := instant(*ev.PaidAt)
		ev.PaidAt = &at
		if year := at.Year(); year < 1 || year > yearMax {
			ev.PaidAt, ev.PaidAtExact = nil, false
		}
	}
	ev.Failure, ev.Currency = storable(ev.Failure), storable(ev.Currency)
	ev.PayeeDiffers = ev.PayeeDiffers || ev.Account != account
	return &ev
}

// storable is text without what no row of text can hold.
func storable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")
}

// instant is a time as rows and entries keep it.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// PolicyAction is what a merchant wants done with a kind of exception (X2).
type PolicyAction string

// The actions. Hold is the default: a person looks.
const (
	Hold   PolicyAction = "HOLD"
	Accept PolicyAction = "ACCEPT"
	Return PolicyAction = "REFUND"
)

// Policy is a merchant's wish per kind of exception. A kind that is absent is held.
type Policy map[ExceptionKind]PolicyAction

func (p Policy) action(kind ExceptionKind) PolicyAction {
	if a, ok := p[kind]; ok {
		return a
	}
	return Hold
}
