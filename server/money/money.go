// Package money holds amounts that cannot be wrong by a rounding.
//
// An [Amount] is a whole number of minor units (int64) and a currency of ISO 4217; there is no float
// anywhere, and no operation that rounds (M1). How many minor units a major one has comes from a table
// of our own (M2). Arithmetic is checked: a sum that does not fit and two currencies in one sum are
// errors, never a wrong number (M3). What comes as text is read literally, digit by digit, and refused
// when it is not exactly an amount.
//
// The package does not convert currencies, does not know a PSP's coarser grain and does not write for
// people: grouping, decimal commas and signs are the text room's.
//
// Concurrency: all types are plain values.
//
// Failure: every error is a [fault.Error] of kind Invalid. Its reason is CURRENCY_UNSUPPORTED for an
// unknown code, AMOUNT_OVERFLOW for what does not fit, and REQUEST_INVALID for a text that is no amount
// and for two currencies in one sum.
package money

import (
	"math"
	"strconv"

	"github.com/kvitpay/kvit/server/fault"
)

// Amount is a number of minor units in one currency. Two are equal (==) when both agree.
// The zero value is "no amount": it has no currency, and no arithmetic accepts it.
type Amount struct {
	minor    int64
	currency Currency
}

// New returns an amount of minor units in the currency with this code.
// An unknown code is fault CURRENCY_UNSUPPORTED.
func New(minor int64, code string) (Amount, error) {
	c, err := CurrencyOf(code)
	if err != nil {
		return Amount{}, err
	}
	return Of(minor, c), nil
}

// Of returns an amount of minor units in c. Without a currency it is no amount, whatever minor says.
func Of(minor int64, c Currency) Amount {
	if c.IsZero() {
		return Amount{}
	}
	return Amount{minor: minor, currency: c}
}

// Zero returns the amount 0 in c.
func Zero(c Currency) Amount { return Of(0, c) }

// Minor returns the number of minor units: 1250 for 12.50 AMD.
func (a Amount) Minor() int64 { return a.minor }

// Currency returns the currency, the zero Currency where there is no amount.
func (a Amount) Currency() Currency { return a.currency }

// IsZero reports whether the amount is 0. No amount is zero too; see IsNone.
func (a Amount) IsZero() bool { return a.minor == 0 }

// IsNone reports whether this is no amount, which is not the same as the amount 0.
func (a Amount) IsNone() bool { return a.currency.IsZero() }

// Sign returns -1, 0 or 1, as the amount is below, at or above 0.
func (a Amount) Sign() int {
	switch {
	case a.minor < 0:
		return -1
	case a.minor > 0:
		return 1
	default:
		return 0
	}
}

// Add returns a + b (M3).
func (a Amount) Add(b Amount) (Amount, error) {
	if err := same(a, b); err != nil {
		return Amount{}, err
	}
	sum := a.minor + b.minor
	if (sum > a.minor) != (b.minor > 0) {
		return Amount{}, overflow()
	}
	return Amount{minor: sum, currency: a.currency}, nil
}

// Sub returns a - b (M3).
func (a Amount) Sub(b Amount) (Amount, error) {
	if err := same(a, b); err != nil {
		return Amount{}, err
	}
	diff := a.minor - b.minor
	if (diff < a.minor) != (b.minor > 0) {
		return Amount{}, overflow()
	}
	return Amount{minor: diff, currency: a.currency}, nil
}

// Cmp returns -1, 0 or 1, as a is less than, equal to or more than b. Amounts of two currencies have
// no order: that is an error (M3).
func (a Amount) Cmp(b Amount) (int, error) {
	if err := same(a, b); err != nil {
		return 0, err
	}
	switch {
	case a.minor < b.minor:
		return -1, nil
	case a.minor > b.minor:
		return 1, nil
	default:
		return 0, nil
	}
}

// Neg returns -a. The lowest int64 has no opposite: that is AMOUNT_OVERFLOW (M3).
func (a Amount) Neg() (Amount, error) { return Zero(a.currency).Sub(a) }

// Mul returns a taken n times (M3).
func (a Amount) Mul(n int64) (Amount, error) {
	if a.IsNone() {
		return Amount{}, mixed()
	}
	product := a.minor * n
	if n != 0 && product/n != a.minor || n == -1 && a.minor == math.MinInt64 {
		return Amount{}, overflow()
	}
	return Amount{minor: product, currency: a.currency}, nil
}

// magnitude returns n without its sign. It holds for the lowest int64 too, whose opposite is no int64.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n) //nolint:gosec // Two's complement: the wrap is what is wanted.
	}
	return uint64(n)
}

// same refuses two amounts that have no common currency.
func same(a, b Amount) error {
	if a.currency != b.currency || a.IsNone() {
		return mixed()
	}
	return nil
}

func mixed() error {
	return fault.New(fault.Invalid, fault.ReasonRequestInvalid, "The amounts must be in one currency.")
}

func overflow() error {
	return fault.New(fault.Invalid, fault.ReasonAmountOverflow, "The amount does not fit.")
}

// Decimal returns the amount in major units as exact decimal text, with as many decimals as the
// currency has: "12.50", "-0.05", "1250" (JPY). No amount is "". Parse reads it back.
func (a Amount) Decimal() string {
	if a.IsNone() {
		return ""
	}
	digits := strconv.FormatUint(magnitude(a.minor), 10)
	if exponent := a.currency.Exponent(); exponent > 0 {
		for len(digits) <= exponent {
			digits = "0" + digits
		}
		point := len(digits) - exponent
		digits = digits[:point] + "." + digits[point:]
	}
	if a.minor < 0 {
		return "-" + digits
	}
	return digits
}

// String returns Decimal and the code, for logs and operators: "12.50 AMD". No amount is "no amount".
func (a Amount) String() string {
	if a.IsNone() {
		return "no amount"
	}
	return a.Decimal() + " " + a.currency.Code()
}
