package money

import (
	"cmp"
	"slices"

	"github.com/kvitpay/kvit/server/fault"
)

// Currency is one currency of the ISO 4217 table. Two are equal (==) when their codes are.
// The zero value is no currency.
type Currency struct {
	place uint8 // Its row in table, counted from 1.
}

// CurrencyOf returns the currency with this code: three upper-case letters, as in ISO 4217.
// A code that is not in the table is fault CURRENCY_UNSUPPORTED.
func CurrencyOf(code string) (Currency, error) {
	i, found := slices.BinarySearchFunc(table[:], code, func(r row, code string) int {
		return cmp.Compare(r.code, code)
	})
	if !found {
		return Currency{}, fault.New(fault.Invalid, fault.ReasonCurrencyUnsupported,
			"The currency must be an upper-case code of ISO 4217, like AMD, UAH or EUR.")
	}
	return at(i), nil
}

// Currencies returns every currency of the table, sorted by code. The slice is the caller's.
func Currencies() []Currency {
	all := make([]Currency, len(table))
	for i := range all {
		all[i] = at(i)
	}
	return all
}

// at returns the currency in the table's i-th row.
func at(i int) Currency {
	return Currency{place: uint8(i + 1)} //nolint:gosec // The table has fewer than 255 rows: a test pins it.
}

// row returns the currency's row, or an empty one where there is no currency.
func (c Currency) row() row {
	if c.IsZero() {
		return row{}
	}
	return table[c.place-1]
}

// IsZero reports whether this is no currency.
func (c Currency) IsZero() bool { return c.place == 0 }

// Code returns the three letters of ISO 4217, or "" where there is no currency.
func (c Currency) Code() string { return c.row().code }

// Number returns the numeric code of ISO 4217. It is written with three digits: 51 is "051".
func (c Currency) Number() int { return c.row().number }

// Exponent returns how many decimals the currency has: 2 means that 100 minor units are one major unit.
func (c Currency) Exponent() int { return c.row().exponent }

// Name returns the English name as ISO 4217 writes it.
func (c Currency) Name() string { return c.row().name }

// String returns the code.
func (c Currency) String() string { return c.Code() }
