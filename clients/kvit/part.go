package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// part is a part of an amount as people type it: "12.50 UAH", or "12.50" in the currency that the money has.
type part struct{ text string }

var bareAmount = regexp.MustCompile(`^[0-9][0-9 ]*(\.[0-9]+)?$`)

// UnmarshalText keeps the text; without a currency it is read when the currency is known.
func (p *part) UnmarshalText(text []byte) error {
	p.text = strings.TrimSpace(string(text))
	if bareAmount.MatchString(p.text) {
		return nil
	}
	_, err := kvit.ParseMoney(p.text)
	return err
}

// amount is the part as money; nil where none was given. Where the currency was not typed, the order is asked for it: a payment's
// own, or the order's.
func (p *part) amount(ctx context.Context, a *app, orderID, paymentID string) (*kvitv1.Money, error) {
	if p.text == "" {
		return nil, nil //nolint:nilnil // All of it is meant.
	}
	text := p.text
	if bareAmount.MatchString(text) {
		currency, err := a.currency(ctx, orderID, paymentID)
		if err != nil {
			return nil, err
		}
		text += " " + currency
	}
	amount, err := kvit.ParseMoney(text)
	if err != nil {
		return nil, usage(fmt.Errorf("--amount: %w", err))
	}
	return amount, nil
}

func (a *app) currency(ctx context.Context, orderID, paymentID string) (string, error) {
	answer, err := read(ctx, a, func(ctx context.Context, client *kvit.Client) (*kvitv1.GetOrderStatusResponse, error) {
		return client.Payments.GetOrderStatus(ctx, &kvitv1.GetOrderStatusRequest{OrderId: orderID})
	})
	for _, p := range answer.GetPayments() {
		if p.GetPaymentId() == paymentID {
			return p.GetCaptured().GetCurrencyCode(), err
		}
	}
	return answer.GetOrder().GetAmount().GetCurrencyCode(), err
}
