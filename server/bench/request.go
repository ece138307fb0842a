package main

import (
	"bytes"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

const (
	pathCreate = "/kvit.v1.PaymentService/CreatePaymentLink"
	pathStream = "/kvit.v1.PaymentService/StreamOrderEvents"
	// nameSize is the length of the names that requests carry; they differ in their digits alone.
	nameSize = 24
)

// template is a request that is encoded once. Only its idempotency key and order id change, in place.
type template struct {
	body       []byte
	key, order int
}

// newTemplate encodes a request of ordinary size: about 400 bytes, with what a shop would send.
func newTemplate() (*template, error) {
	key, order := blank('k'), blank('o')
	body, err := proto.Marshal(&kvitv1.CreatePaymentLinkRequest{
		IdempotencyKey: key,
		Kind:           kvitv1.LinkKind_LINK_KIND_DYNAMIC,
		OrderId:        order,
		Amount:         &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: 1250000},
		Description:    "Three lessons of Armenian, with a workbook",
		LineItems: []*kvitv1.LineItem{
			{Name: "Lesson", Quantity: 3, Amount: &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: 900000}},
			{Name: "Workbook", Quantity: 1, Amount: &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: 350000}},
		},
		Customer: &kvitv1.Customer{
			Viber:      &kvitv1.ViberUser{Bot: "lessons", UserId: "01234567890A=="},
			CustomerId: "customer-20417", Name: "Anna Petrosyan", Locale: "hy",
		},
		SuccessUrl: "https://shop.example/orders/thank-you",
		Metadata:   map[string]string{"campaign": "autumn", "cart": "c-778123"},
	})
	if err != nil {
		return nil, fmt.Errorf("encode a request: %w", err)
	}
	return &template{body: body, key: bytes.Index(body, []byte(key)), order: bytes.Index(body, []byte(order))}, nil
}

func blank(prefix byte) string { return string(prefix) + string(bytes.Repeat([]byte{'0'}, nameSize-1)) }

// name writes the names of one request into a copy of the template's body: they sort by run, caller
// and count, as the names of real callers roughly do.
func (t *template) name(body []byte, run, caller, count int) {
	digits := body[t.key+1 : t.key+nameSize]
	digits = appendDigits(digits[:0], run, 5)
	digits = appendDigits(digits, caller, 5)
	digits = appendDigits(digits, count, nameSize-1-10)
	copy(body[t.order+1:], digits)
}

// appendDigits appends a number with leading zeros.
func appendDigits(b []byte, n, width int) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], int64(n), 10)
	for range width - len(text) {
		b = append(b, '0')
	}
	return append(b, text...)
}
