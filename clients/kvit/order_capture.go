package main

import (
	"context"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

type orderCapture struct {
	onceFlags

	OrderID      string `arg:"" name:"order-id" help:"The order's id."`
	Amount       part   `help:"How much, such as 12.50 or \"12.50 UAH\"; all that is held when not given. The rest is released." placeholder:"AMOUNT"`
	Reason       string `help:"Why, for the record." placeholder:"TEXT"`
	ValidateOnly bool   `help:"Have the request judged, and change nothing."`
}

// Help shows how the command is used.
func (*orderCapture) Help() string {
	return `Takes the money of an order that is AUTHORIZED: made with --manual, and paid. To release it is kvit order cancel.

Examples:

    kvit order capture A-17

    kvit order capture A-17 --amount 12.50 --reason "one of two was in stock"`
}

// Run takes the held money.
func (c *orderCapture) Run(ctx context.Context, a *app) error {
	amount, err := c.Amount.amount(ctx, a, c.OrderID, "")
	if err != nil {
		return err
	}
	request := &kvitv1.CapturePaymentRequest{
		IdempotencyKey: a.sayKey(&c.onceFlags, c.ValidateOnly), OrderId: c.OrderID, Amount: amount, Reason: c.Reason, ValidateOnly: c.ValidateOnly,
	}
	answer, err := change(ctx, a, request.GetIdempotencyKey(), func(ctx context.Context, client *kvit.Client) (answered[*kvitv1.CapturePaymentResponse], error) {
		return recorded(ctx, func(ctx context.Context) (*kvitv1.CapturePaymentResponse, error) {
			return client.Payments.CapturePayment(ctx, request)
		})
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.changed(answer.message, request.GetIdempotencyKey(), answer.replayed)
	}
	a.judgedHint(c.ValidateOnly)
	a.replayedHint(answer.replayed)
	order := answer.message.GetOrder()
	if !c.ValidateOnly && order.GetState() == kvitv1.OrderState_ORDER_STATE_AUTHORIZED {
		a.hint("The PSP has not said yet that it took the money. Kvit goes on asking; kvit order watch %s shows it.", order.GetOrderId())
	}
	return a.facts(a.orderFacts(order)...)
}
