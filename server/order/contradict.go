package order

import (
	"math"

	"github.com/kvitpay/kvit/server/money"
)

// Why evidence is not taken at its word. The texts stand in the journal, in exceptions.
const (
	broughtMoney  = "of an attempt that brought money"
	otherAttempt  = "of a payment that came by another attempt"
	otherOrder    = "of a payment that belongs to the order "
	otherPayee    = "of another merchant account"
	otherCurrency = "in another currency than before"
	reversed      = "of a payment whose chargeback was reversed"
	capturedMore  = "of more than the order asked for"
)

// pspPaymentIDLengthMax is how long a PSP's name of a payment may be: a row finds payments by it.
const pspPaymentIDLengthMax = 255

// aboutMoney reports whether the fact says how much money there is, and not only that something happened.
func (ev *Evidence) aboutMoney() bool {
	switch ev.Fact {
	case FactAuthorized, FactSucceeded, FactRefunded, FactChargedBack:
		return true
	case FactPending, FactDeclined, FactClosed, FactVoided, FactChargebackBack, FactUnreadable:
		return false
	}
	return false
}

// arrives reports whether the fact says that money came, and did not go.
func (ev *Evidence) arrives() bool { return ev.Fact == FactAuthorized || ev.Fact == FactSucceeded }

// readable reports whether evidence can be kept as a payment's: a name and a currency that a row can
// hold, and an amount that is more than nothing and small enough for every sum of the order (M3).
func (o *Order) readable(ev *Evidence) bool {
	if ev.PSPPaymentID != storable(ev.PSPPaymentID) || len(ev.PSPPaymentID) > pspPaymentIDLengthMax {
		return false
	}
	if !ev.aboutMoney() {
		return true
	}
	if _, err := money.CurrencyOf(ev.Currency); err != nil && ev.arrives() {
		return false
	}
	if ev.Fact != FactAuthorized || ev.Currency != o.Currency().Code() {
		return ev.AmountMinor > 0
	}
	others := o.AuthorizedMinor()
	if p := o.paymentOf(ev); p != nil && p.Captured == 0 {
		others -= p.Authorized
	}
	return ev.AmountMinor > 0 && ev.AmountMinor <= math.MaxInt64-others
}

// quarantine keeps evidence whose name, amount or currency cannot be used, and lets a person look (C5).
func (o *Order) quarantine(act Act, ev *Evidence) error {
	return o.puzzle(act, ev, Unreadable, "with a name, amount or currency that cannot be used")
}

// contradiction says why evidence cannot be true beside what is known (M4), or "".
func (o *Order) contradiction(ev *Evidence) string {
	p := o.paymentOf(ev)
	switch {
	case o.ofAnotherAttempt(ev):
		return otherAttempt
	case p == nil && ev.PayeeDiffers && !ev.arrives():
		return otherPayee
	case p == nil:
		return "" // New money is judged where it is applied.
	case ev.PayeeDiffers && !o.wrongMerchant(p.ID) && (ev.Fact != FactSucceeded || p.Captured > 0):
		return otherPayee
	case ev.aboutMoney() && ev.Currency != p.Currency && (ev.arrives() || ev.Currency != ""):
		return otherCurrency
	}
	return ""
}

// ofAnotherAttempt reports whether the PSP's payment is known from another attempt: the same money
// is never two payments (O8).
func (o *Order) ofAnotherAttempt(ev *Evidence) bool {
	for i := range o.Payments {
		p := &o.Payments[i]
		if ev.PSPPaymentID != "" && p.PSPPaymentID == ev.PSPPaymentID && p.Account == ev.Account && p.AttemptID != ev.AttemptID {
			return true
		}
	}
	return false
}

// wrongMerchant reports whether the payment was found to be another merchant's.
func (o *Order) wrongMerchant(paymentID string) bool {
	for i := range o.Exceptions {
		if o.Exceptions[i].Kind == WrongMerchant && o.Exceptions[i].PaymentID == paymentID {
			return true
		}
	}
	return false
}

// contradict keeps both sides of contradictory evidence and lets a person look (O4).
func (o *Order) contradict(act Act, ev *Evidence, why string) error {
	return o.puzzle(act, ev, Conflicting, why)
}

// puzzle notes evidence that changes nothing, and opens an exception about it once.
func (o *Order) puzzle(act Act, ev *Evidence, kind ExceptionKind, why string) error {
	facts := &ExceptionFacts{
		Kind: kind, AttemptID: ev.AttemptID, AmountMinor: max(ev.AmountMinor, 0), Currency: ev.Currency,
		Detail: detailOf(ev, why),
	}
	if o.puzzled(facts) {
		return nil
	}
	if err := o.note(act, ev, nil); err != nil {
		return err
	}
	return o.open(act, facts)
}

// detailOf is what is odd about evidence, in words. What could not be read names itself.
func detailOf(ev *Evidence, why string) string {
	if ev.Fact == FactUnreadable && why != "" {
		return why
	}
	return string(ev.Fact) + " " + why
}

// puzzled reports whether this was on record before, open or not, so that a repeat says nothing new.
func (o *Order) puzzled(f *ExceptionFacts) bool {
	for i := range o.Exceptions {
		x := &o.Exceptions[i]
		if x.Kind == f.Kind && x.AttemptID == f.AttemptID && x.AmountMinor == f.AmountMinor &&
			x.Currency == f.Currency && x.Detail == f.Detail {
			return true
		}
	}
	return false
}
