package liqpayfake

import (
	"strconv"
	"strings"
)

// decimals is how many decimals the currencies have that LiqPay takes.
const decimals = 2

// hundredths reads an amount of major units exactly: "125.5" is 12550.
func hundredths(text string) (int64, bool) {
	whole, part, _ := strings.Cut(text, ".")
	part = strings.TrimRight(part, "0")
	if whole == "" || len(part) > decimals || strings.ContainsAny(whole+part, "+-eE_") {
		return 0, false
	}
	n, err := strconv.ParseInt(whole+part+strings.Repeat("0", decimals-len(part)), 10, 64)
	return n, err == nil && n > 0
}

// number prints hundredths as LiqPay's samples do, with one decimal at least: 125.5, 22.0, 0.05.
func number(n int64, exponents bool) string {
	digits := strconv.FormatInt(n, 10)
	for len(digits) <= decimals {
		digits = "0" + digits
	}
	point := len(digits) - decimals
	if exponents && point > 7 { // Where a float's shortest text changes its form.
		return digits[:1] + "." + mantissa(digits[1:]) + "E" + strconv.Itoa(point-1)
	}
	return digits[:point] + "." + mantissa(digits[point:])
}

// mantissa drops trailing zeros and leaves one digit.
func mantissa(digits string) string {
	if digits = strings.TrimRight(digits, "0"); digits == "" {
		return "0"
	}
	return digits
}
