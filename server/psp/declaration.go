package psp

import (
	"slices"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
)

// Dialect is how a PSP writes amounts of money.
type Dialect string

// The dialects.
const (
	// MinorInteger is an integer number of minor units: 12550.
	MinorInteger Dialect = "MINOR_INTEGER"
	// DecimalText is major units as text: "125.50".
	DecimalText Dialect = "DECIMAL_TEXT"
	// DecimalNumber is major units as a JSON number: 125.5 or 125.50. It is read from its literal text (M1).
	DecimalNumber Dialect = "DECIMAL_NUMBER"
)

// Declaration is what is different about a PSP, or about this account at it, and is no code. The
// suite makes its cases from it.
type Declaration struct {
	// Kind is the plug's name: "liqpay". Name is what payers read: "LiqPay".
	Kind, Name string
	// Test is true where no money moves: only test orders are paid here (A1).
	Test bool

	// Money.

	Dialect Dialect
	// Currencies are the ISO 4217 codes that the account takes.
	Currencies []string
	// GrainMinor is the coarser grain of some currencies, in minor units: 100 for whole drams. An
	// amount that is no multiple is refused, never rounded (M2).
	GrainMinor map[string]int64

	// Our reference at this PSP.

	// RefLengthMax is how many characters it may have, RefAlphabet which; empty means any printable ASCII.
	RefLengthMax int
	RefAlphabet  string

	// Times.

	// SessionMax is how long a session lives at most, Grace how much longer the PSP may take to tell (O7).
	SessionMax, Grace time.Duration
	// PaidAtExact is true where Finding.PaidAt is the time of payment (E2).
	PaidAtExact bool
	// DeclineCloses is true where a decline closes the session (O7).
	DeclineCloses bool
	// CannotAsk is true for a PSP without a lookup.
	CannotAsk bool
	// Schedule is how long after a question without a final answer the next one is asked: the first
	// after the handoff, then one after the other (O6). It is never empty.
	Schedule []time.Duration

	// Origins are the origins that browsers are sent to, for the page's CSP: "https://www.liqpay.ua".
	Origins []string

	// Away is what to answer where the callback cannot be kept. The zero Reply is 503, which makes a
	// PSP repeat; a PSP where a refusal moves money declares its own (C1).
	Away Reply
}

// Takes reports as a fault why the account cannot take an amount, or nil.
func (d *Declaration) Takes(amount money.Amount) error {
	code := amount.Currency().Code()
	if !slices.Contains(d.Currencies, code) {
		return fault.New(fault.Invalid, fault.ReasonCurrencyUnsupported, "The account cannot take "+code+".",
			fault.WithFields(fault.Field{Path: "amount.currency_code", Message: "is not a currency of the account"}))
	}
	if grain := d.GrainMinor[code]; grain > 1 && amount.Minor()%grain != 0 {
		return fault.New(fault.Invalid, fault.ReasonAmountGrain, "The account takes only whole units of "+code+".",
			fault.WithFields(fault.Field{Path: "amount.minor_units", Message: "must be a multiple of the account's grain"}))
	}
	return nil
}

// Wait is how long to wait after the question with this number, from 0, and false where the schedule has ended.
func (d *Declaration) Wait(asked int) (time.Duration, bool) {
	if asked < len(d.Schedule) {
		return d.Schedule[asked], true
	}
	return d.Schedule[len(d.Schedule)-1], false
}
