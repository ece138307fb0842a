package money

import (
	"strconv"
	"strings"

	"github.com/kvitpay/kvit/server/fault"
)

// textMax is the length of the longest text that can be an amount: a sign, 19 digits and a point.
const textMax = len("-922337203685477.5808")

// Parse reads decimal text in major units, exactly: "12.50", "12.5" and "12" of AMD are 1250, 1250 and
// 1200 minor units.
//
// The text is ASCII digits, after them at most one point with at least one digit behind it, and in front
// of them "-" for an amount below 0. Everything else is refused:
//
//   - "", ".", "1." and ".5": digits stand on both sides of a point;
//   - "12.505" of AMD and "12.0" of JPY: more decimals than the currency has, even where they are 0;
//   - "007" and "00.5": a leading zero stands alone before the point;
//   - "+1", "-0" and "-0.00": there is one way to write a sign and none to write it on 0;
//   - "1e3", "1,250.00", "1 250", "१२": no exponents, separators, spaces or other digits.
//
// Text of digits that is more than an int64 of minor units is AMOUNT_OVERFLOW.
func Parse(text string, c Currency) (Amount, error) {
	if c.IsZero() {
		return Amount{}, mixed()
	}
	if len(text) > textMax {
		return Amount{}, notAmount("is too long")
	}
	unsigned, negative := strings.CutPrefix(text, "-")
	whole, decimals, pointed := strings.Cut(unsigned, ".")
	switch {
	case !isDigits(whole), pointed && !isDigits(decimals):
		return Amount{}, notAmount(`must be digits with at most one point between them, like "12.50"`)
	case len(whole) > 1 && whole[0] == '0':
		return Amount{}, notAmount("must not begin with a zero before other digits")
	case len(decimals) > c.Exponent():
		return Amount{}, notAmount("has more decimals than its currency, " + c.Code())
	}
	return read(whole+decimals+strings.Repeat("0", c.Exponent()-len(decimals)), negative, c)
}

// ParseMinor reads an integer number of minor units: "1250" of AMD is 12.50 AMD. The text is ASCII digits
// without leading zeros, with "-" in front for an amount below 0; everything else is refused as by Parse.
func ParseMinor(text string, c Currency) (Amount, error) {
	if c.IsZero() {
		return Amount{}, mixed()
	}
	if len(text) > textMax {
		return Amount{}, notAmount("is too long")
	}
	digits, negative := strings.CutPrefix(text, "-")
	switch {
	case !isDigits(digits):
		return Amount{}, notAmount(`must be a whole number of minor units, like "1250"`)
	case len(digits) > 1 && digits[0] == '0':
		return Amount{}, notAmount("must not begin with a zero before other digits")
	}
	return read(digits, negative, c)
}

// read makes an amount of digits that were checked before.
func read(digits string, negative bool, c Currency) (Amount, error) {
	if negative {
		digits = "-" + digits
	}
	minor, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil: // Digits fail for their number alone.
		return Amount{}, overflow()
	case negative && minor == 0:
		return Amount{}, notAmount("must not have a sign when it is 0")
	}
	return Amount{minor: minor, currency: c}, nil
}

// isDigits reports whether text is one or more ASCII digits.
func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

func notAmount(why string) error {
	return fault.New(fault.Invalid, fault.ReasonRequestInvalid, "The amount "+why+".")
}
