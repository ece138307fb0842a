package liqpay

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/kvitpay/kvit/server/money"
)

// message is one JSON object of LiqPay's: its members as literal text, so that no number is rounded.
type message map[string]string

// decodeData decodes the field data: standard base64 with its padding and without line breaks.
func decodeData(data string) ([]byte, error) {
	if strings.ContainsAny(data, "\r\n") {
		return nil, errors.New("data has line breaks")
	}
	text, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil {
		return nil, errors.New("data is no base64")
	}
	return text, nil
}

// text is a member that is text or a number: LiqPay writes some as either. Anything else is "".
func (m message) text(name string) string {
	literal := m[name]
	if isNumber(literal) {
		return literal
	}
	return unquote(literal)
}

// isTrue reads a member that is true or "true".
func (m message) isTrue(name string) bool {
	return m[name] == "true" || m.text(name) == "true"
}

// timeMax is the last moment that a time of LiqPay's can be: what is later is no time.
const timeMax = 1 << 42 // The year 2109.

// time is a member in Unix milliseconds; the zero time where there is none.
func (m message) time(name string) time.Time {
	ms, err := strconv.ParseInt(m.text(name), 10, 64)
	if err != nil || ms <= 0 || ms > timeMax {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// has reports whether a member is there and not null.
func (m message) has(name string) bool {
	literal, found := m[name]
	return found && literal != "null"
}

// amount is a member in major units, a number or a text, exactly (M1). It is never below zero.
func (m message) amount(name string, currency money.Currency) (int64, error) {
	digits, ok := plain(m.text(name))
	if !ok {
		return 0, errors.New("no number")
	}
	amount, err := money.Parse(digits, currency)
	if err != nil {
		return 0, err
	}
	if amount.Sign() < 0 {
		return 0, errors.New("below zero")
	}
	return amount.Minor(), nil
}

// isNumber reports whether text is a JSON number and nothing else: json.Valid lets white space pass around it.
func isNumber(text string) bool {
	return text != "" && (text[0] == '-' || isDigit(text[0])) && isDigit(text[len(text)-1]) && json.Valid([]byte(text))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

const (
	literalMax  = 64
	exponentMax = 32
)

// plain writes a JSON number without an exponent and without zeros that say nothing: "125.50" is "125.5"
// and "1.0E9" is "1000000000". It moves the point and rounds nothing.
func plain(literal string) (string, bool) {
	if len(literal) > literalMax || !isNumber(literal) {
		return "", false
	}
	mantissa, power, _ := strings.Cut(strings.ToLower(literal), "e")
	if power == "" {
		power = "0"
	}
	exponent, err := strconv.Atoi(power)
	if err != nil || exponent > exponentMax || exponent < -exponentMax {
		return "", false
	}
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	whole, decimals, _ := strings.Cut(mantissa, ".")
	digits, point := whole+decimals, len(whole)+exponent
	if point < 0 {
		digits, point = strings.Repeat("0", -point)+digits, 0
	}
	if point > len(digits) {
		digits += strings.Repeat("0", point-len(digits))
	}
	whole, decimals = strings.TrimLeft(digits[:point], "0"), strings.TrimRight(digits[point:], "0")
	if whole == "" {
		whole = "0"
	}
	if negative {
		whole = "-" + whole
	}
	if decimals == "" {
		return whole, true
	}
	return whole + "." + decimals, true
}
