package payment

import (
	"encoding/json"

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

// metadata adds a map; JSON writes its keys in order.
func (f *fields) metadata(values map[string]string) {
	if list, err := json.Marshal(values); err == nil {
		*f = append(*f, seal.FieldValue{Name: "metadata", Value: list})
	}
}

const (
	// cardDigitsMin and cardDigitsMax bound the length of a card number (ISO/IEC 7812).
	cardDigitsMin = 13
	cardDigitsMax = 19
)

// refuseCards refuses words that hold what looks like a card number (J5).
func refuseCards(d *order.Details) error {
	words := []struct{ path, text string }{
		{"description", d.Description}, {"customer.name", d.Name}, {"customer.email", d.Email},
		{"success_url", d.SuccessURL}, {"failure_url", d.FailureURL},
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

// looksLikeCard finds 13 to 19 digits, perhaps parted by single spaces or dashes, that begin as the
// cards of the large schemes do (2 to 6) and pass the Luhn check.
func looksLikeCard(text string) bool {
	var digits []byte
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] >= '0' && text[i] <= '9' {
			digits = append(digits, text[i]-'0')
			continue
		}
		gap := i < len(text) && (text[i] == ' ' || text[i] == '-') && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9'
		if gap && len(digits) > 0 {
			continue
		}
		if holdsCard(digits) {
			return true
		}
		digits = digits[:0]
	}
	return false
}

func holdsCard(digits []byte) bool {
	return len(digits) >= cardDigitsMin && len(digits) <= cardDigitsMax && digits[0] >= 2 && digits[0] <= 6 && luhn(digits)
}

// luhn is the check digit of ISO/IEC 7812-1.
func luhn(digits []byte) bool {
	sum, double := 0, false
	for i := len(digits) - 1; i >= 0; i-- {
		d := int(digits[i])
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
