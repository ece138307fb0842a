package kvit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// minorDigits lists the currencies by the number of their decimals (M2).
//
// Source: ISO 4217, list one, published by SIX on behalf of ISO, edition of 17 September 2026. Codes without a minor unit
// (metals, units of account, XTS, XXX) are left out, because no amount can be counted in them.
var minorDigits = [...]string{
	0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
	2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE " +
		"CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD " +
		"HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK " +
		"MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD " +
		"RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH " +
		"USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
	3: "BHD IQD JOD KWD LYD OMR TND",
	4: "CLF UYW",
}

// errSpelling is what is wrong with an amount that has the wrong shape.
var errSpelling = errors.New(`want digits, a point before the decimals, and a currency code, such as "1500.00 AMD"`)

// Digits is how many decimals amounts of a currency have: 2 for AMD, 0 for JPY, 3 for BHD (M2). It is false for a code that
// ISO 4217 does not list.
func Digits(currency string) (int, bool) {
	if len(currency) != 3 || strings.Contains(currency, " ") {
		return 0, false
	}
	for digits, codes := range minorDigits {
		if strings.Contains(codes, currency) {
			return digits, true
		}
	}
	return 0, false
}

// ParseMoney reads what FormatMoney writes: "1500.00 AMD", also "1500 AMD" and, in groups of three, "1 500.00 AMD". More
// decimals than the currency has are refused, not rounded (M1). A comma is refused, because some write it before decimals and
// some between thousands.
func ParseMoney(text string) (*kvitv1.Money, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\u00a0", " "))
	space := strings.LastIndexByte(text, ' ')
	if space < 0 {
		return nil, errSpelling
	}
	code := text[space+1:]
	digits, known := Digits(code)
	if !known {
		return nil, fmt.Errorf("currency %q: want an ISO 4217 code in capitals, such as AMD", code)
	}
	minor, err := parseDecimal(strings.TrimSpace(text[:space]), digits)
	if err != nil {
		return nil, err
	}
	return &kvitv1.Money{CurrencyCode: code, MinorUnits: minor}, nil
}

func parseDecimal(text string, digits int) (int64, error) {
	unsigned, negative := strings.CutPrefix(text, "-")
	whole, decimals, pointed := strings.Cut(unsigned, ".")
	if strings.ContainsRune(text, ',') {
		return 0, fmt.Errorf("amount %q: write a point before the decimals and nothing, or a space, between thousands", text)
	}
	whole, err := ungrouped(whole)
	if err != nil || !onlyDigits(whole) || pointed && !onlyDigits(decimals) {
		return 0, errSpelling
	}
	if len(decimals) > digits {
		return 0, fmt.Errorf("amount %q: the currency has %d decimals", text, digits)
	}
	sign := ""
	if negative {
		sign = "-"
	}
	minor, err := strconv.ParseInt(sign+whole+decimals+strings.Repeat("0", digits-len(decimals)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("amount %q: too large", text)
	}
	return minor, nil
}

// ungrouped takes the spaces out of "1 500 000".
func ungrouped(whole string) (string, error) {
	groups := strings.Split(whole, " ")
	for i, group := range groups {
		if len(groups) > 1 && (i > 0 && len(group) != 3 || len(group) == 0 || len(group) > 3) {
			return "", errSpelling
		}
	}
	return strings.Join(groups, ""), nil
}

func onlyDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// FormatMoney writes an amount exactly, with all its decimals and thousands apart: "1 500.00 AMD". An amount of a currency
// that this program does not know is written as what it is: "150000 minor units of XYZ". No amount is "".
func FormatMoney(amount *kvitv1.Money) string {
	if amount == nil {
		return ""
	}
	digits, known := Digits(amount.GetCurrencyCode())
	if !known {
		return fmt.Sprintf("%d minor units of %s", amount.GetMinorUnits(), amount.GetCurrencyCode())
	}
	text, negative := strings.CutPrefix(strconv.FormatInt(amount.GetMinorUnits(), 10), "-")
	if missing := digits + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	whole, decimals := text[:len(text)-digits], text[len(text)-digits:]
	var out strings.Builder
	if negative {
		out.WriteByte('-')
	}
	for i := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			out.WriteByte(' ')
		}
		out.WriteByte(whole[i])
	}
	if decimals != "" {
		out.WriteString("." + decimals)
	}
	return out.String() + " " + amount.GetCurrencyCode()
}
