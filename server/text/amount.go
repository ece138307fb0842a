package text

import (
	"strings"

	"github.com/kvitpay/kvit/server/money"
)

// nbsp keeps a number and its unit on one line (U+00A0).
const nbsp = "\u00a0"

// symbol is how a language writes a currency where it does not write the code.
type symbol struct {
	sign    string
	leading bool // Stands before the number, without a space.
}

// eastern are the signs that readers of Armenian, Ukrainian and Russian know. They stand after the number.
// A currency that is not here is written by its code: a sign that several share would mislead.
var eastern = map[string]symbol{
	"AMD": {sign: "֏"}, "UAH": {sign: "₴"}, "RUB": {sign: "₽"}, "GEL": {sign: "₾"}, "KZT": {sign: "₸"},
	"EUR": {sign: "€"}, "USD": {sign: "$"}, "GBP": {sign: "£"},
}

// western are the signs that readers of English know. They stand before the number.
var western = map[string]symbol{
	"EUR": {sign: "€", leading: true}, "USD": {sign: "$", leading: true}, "GBP": {sign: "£", leading: true},
}

// coinless are the currencies whose minor units nobody uses in daily life, though ISO 4217 counts them
// (M2). A whole amount of them is written without decimals; one that is not whole keeps them all.
// Source: the currencies with fraction digits 0 in CLDR 32 (supplemental data).
var coinless = map[string]bool{
	"AFN": true, "ALL": true, "AMD": true, "COP": true, "GYD": true, "IDR": true, "IQD": true, "IRR": true,
	"KPW": true, "LAK": true, "LBP": true, "MGA": true, "MMK": true, "MNT": true, "MUR": true, "PKR": true,
	"RSD": true, "SOS": true, "SYP": true, "TZS": true, "UZS": true, "YER": true,
}

// Amount writes an amount as a payer of that language expects it: "12 500 ֏", "1 250,50 ₴" and, in English,
// "1,250.50 UAH" and "$12.50". The value is exact (M1). Spaces are no-break. No amount is "".
func Amount(lang Lang, a money.Amount) string {
	if a.IsNone() {
		return ""
	}
	habits, code := lang.habits(), a.Currency().Code()
	digits, negative := strings.CutPrefix(a.Decimal(), "-")
	whole, decimals, _ := strings.Cut(digits, ".")
	number := grouped(whole, habits.group)
	if decimals != "" && (!coinless[code] || strings.Trim(decimals, "0") != "") {
		number += habits.point + decimals
	}
	minus := ""
	if negative {
		minus = "-"
	}
	switch sign, known := habits.symbols[code]; {
	case known && sign.leading:
		return minus + sign.sign + number
	case known:
		return minus + number + nbsp + sign.sign
	default:
		return minus + number + nbsp + code
	}
}

// grouped puts the separator between each three digits, counted from the end.
func grouped(digits, separator string) string {
	first := len(digits) % 3
	var out strings.Builder
	out.WriteString(digits[:first])
	for i := first; i < len(digits); i += 3 {
		if i > 0 {
			out.WriteString(separator)
		}
		out.WriteString(digits[i : i+3])
	}
	return out.String()
}
