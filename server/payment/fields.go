package payment

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/seal"
)

// fields collects the semantic fields of a request (I1).
type fields []seal.FieldValue

// text adds a field that was sent; an empty one was not.
func (f *fields) text(name, value string) {
	if value != "" {
		*f = append(*f, seal.FieldValue{Name: name, Value: []byte(value)})
	}
}

// amount adds an amount that was sent; zero without a currency was not.
func (f *fields) amount(name string, minor int64, currency string) {
	if currency != "" {
		f.text(name+".minor_units", strconv.FormatInt(minor, 10))
		f.text(name+".currency_code", currency)
	}
}

// metadata adds a map; JSON writes its keys in order.
func (f *fields) metadata(values map[string]string) {
	if list, err := json.Marshal(values); err == nil {
		*f = append(*f, seal.FieldValue{Name: "metadata", Value: list})
	}
}

const (
	// cardDigitsMax bounds the length of a card number (ISO/IEC 7812).
	cardDigitsMax = 19
	// cardPrefix is how many digits tell the scheme.
	cardPrefix = 4
	// gapMax is how many characters may part the groups of a number: " - ".
	gapMax = 3
)

// cards are the first four digits of card numbers, and how long those are. After a 9 stands the number
// of the country whose own scheme it is (ISO/IEC 7812-1): Armenia's ArCa, Ukraine's Prostir.
var cards = []struct{ first, last, min, max int }{
	{2200, 2205, 16, cardDigitsMax}, // Mir
	{2221, 2720, 16, 16},            // Mastercard
	{3000, 3999, 14, cardDigitsMax}, // Diners Club, American Express, JCB
	{4000, 6999, 13, cardDigitsMax}, // Visa, Mastercard, Maestro, Discover, UnionPay
	{9051, 9051, 16, cardDigitsMax},
	{9804, 9804, 16, cardDigitsMax},
}

// refuseCards refuses words that hold what looks like a card number (J5). A telephone number is no
// free text, and one in ten of the long ones would be refused.
func refuseCards(d *order.Details) error {
	words := []struct{ path, text string }{
		{"description", d.Description},
		{"customer.name", d.Name},
		{"customer.email", d.Email},
		{"success_url", d.SuccessURL},
		{"failure_url", d.FailureURL},
	}
	for i := range words {
		if err := refuseCard(words[i].path, words[i].text); err != nil {
			return err
		}
	}
	for i := range d.Items {
		if err := refuseCard("line_items", d.Items[i].Name); err != nil {
			return err
		}
	}
	for key, value := range d.Metadata {
		if err := refuseCard("metadata", key); err != nil {
			return err
		}
		if err := refuseCard("metadata", value); err != nil {
			return err
		}
	}
	return nil
}

func refuseCard(path, text string) error {
	if !looksLikeCard(text) {
		return nil
	}
	return fault.New(fault.Invalid, fault.ReasonCardData, "A text holds what looks like a card number. Card data never enters.",
		fault.WithFields(fault.Field{Path: path, Message: "must not hold a card number"}))
}

// looksLikeCard finds a card number among the digits of a text: any groups that follow each other,
// parted by a few spaces, dashes or dots, which together are long enough, begin as cards do and pass
// the Luhn check. An expiry date behind the number, or a count before it, does not hide it.
func looksLikeCard(text string) bool {
	var digits []byte // of the groups that hang together
	var groups []int  // where each of them begins
	gap := gapMax + 1 // characters since the last digit
	for _, r := range text {
		digit, is := digitOf(r)
		if !is {
			if gap == 0 && endsCard(digits, groups) {
				return true
			}
			if gap++; !partsGroups(r) {
				gap = gapMax + 1
			}
			continue
		}
		if gap > gapMax {
			digits, groups = digits[:0], groups[:0]
		}
		if gap > 0 {
			groups = append(groups, len(digits))
		}
		digits, gap = append(digits, digit), 0
	}
	return gap == 0 && endsCard(digits, groups)
}

// digitOf is the value of a decimal digit, in whichever script: people and machines read them all.
func digitOf(r rune) (byte, bool) {
	if r <= unicode.MaxLatin1 || !unicode.Is(unicode.Nd, r) {
		return byte(r - '0'), r >= '0' && r <= '9' //nolint:gosec // What is no digit is not read.
	}
	zero := r // Each script has its ten digits in a row, and some rows follow each other.
	for unicode.Is(unicode.Nd, zero-1) {
		zero--
	}
	return byte((r - zero) % 10), true //nolint:gosec // Zero to nine.
}

// partsGroups reports whether people write this between the groups of a number. Some of it they do not
// see: what was copied from a page may hold marks without a width.
func partsGroups(r rune) bool {
	return r == '.' || r == '\t' || unicode.In(r, unicode.Zs, unicode.Pd, unicode.Cf)
}

// endsCard reports whether the last of these groups are a card number.
func endsCard(digits []byte, groups []int) bool {
	for _, start := range slices.Backward(groups) {
		number := digits[start:]
		if len(number) > cardDigitsMax {
			return false
		}
		if isCard(number) {
			return true
		}
	}
	return false
}

func isCard(digits []byte) bool {
	if len(digits) < cardPrefix {
		return false
	}
	prefix := 0
	for _, d := range digits[:cardPrefix] {
		prefix = 10*prefix + int(d)
	}
	for _, c := range cards {
		if prefix >= c.first && prefix <= c.last && len(digits) >= c.min && len(digits) <= c.max {
			return luhn(digits)
		}
	}
	return false
}

// luhn is the check digit of ISO/IEC 7812-1.
func luhn(digits []byte) bool {
	sum, double := 0, false
	for _, digit := range slices.Backward(digits) {
		d := int(digit)
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		double = !double
	}
	return sum%10 == 0
}
