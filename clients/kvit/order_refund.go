package main

import (
	"context"
	"errors"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// errReleased is a refund that the PSP refused: the call went well, and no money did.
var errReleased = errors.New("Nothing went back: the PSP refused the refund, and its amount is free again.") //nolint:revive,staticcheck // It is printed as it is.

type orderRefund struct {
	onceFlags

	OrderID      string `arg:"" name:"order-id" help:"The order's id."`
	Amount       part   `help:"How much, such as 12.50 or \"12.50 UAH\"; all that is left when not given." placeholder:"AMOUNT"`
	Payment      string `help:"Of which payment, such as a duplicate; the one that settled the order when not given." placeholder:"ID"`
	Reason       string `help:"Why, for the record." required:"" placeholder:"TEXT"`
	ValidateOnly bool   `help:"Have the request judged, and change nothing."`
}

// Help shows how the command is used.
func (*orderRefund) Help() string {
	return `Two runs are two refunds. The idempotency key is said before anything is sent: with it the same command can be repeated, and the
money goes back once.

Examples:

    kvit order refund A-17 --reason "sold out" --validate-only

    kvit order refund A-17 --amount 12.50 --reason "one coffee was cold"

    kvit order refund A-17 --payment pay_06gv --reason "paid twice"`
}

// Run asks for the refund.
func (c *orderRefund) Run(ctx context.Context, a *app) error {
	amount, err := c.Amount.amount(ctx, a, c.OrderID, c.Payment)
	if err != nil {
		return err
	}
	request := &kvitv1.RefundOrderRequest{
		IdempotencyKey: a.sayKey(&c.onceFlags, c.ValidateOnly), OrderId: c.OrderID, PaymentId: c.Payment, Amount: amount,
		Reason: c.Reason, ValidateOnly: c.ValidateOnly,
	}
	answer, err := change(ctx, a, request.GetIdempotencyKey(), func(ctx context.Context, client *kvit.Client) (answered[*kvitv1.RefundOrderResponse], error) {
		return recorded(ctx, func(ctx context.Context) (*kvitv1.RefundOrderResponse, error) {
			return client.Payments.RefundOrder(ctx, request)
		})
	})
	if kvit.Reason(err) == "ORDER_STATE" {
		return &advisedError{err, "kvit order get " + c.OrderID + " shows what money has come; --payment ID refunds a payment that does not settle the order."}
	}
	if err != nil {
		return err
	}
	if a.json {
		err = a.changed(answer.message, request.GetIdempotencyKey(), answer.replayed)
	} else {
		a.judgedHint(c.ValidateOnly)
		a.replayedHint(answer.replayed)
		err = a.facts(a.refundFacts(answer.message.GetRefund())...)
	}
	if err != nil || c.ValidateOnly {
		return err
	}
	return a.outcome(answer.message.GetRefund())
}

// sayKey says the key before money moves, so that a command that dies can be repeated.
func (a *app) sayKey(f *onceFlags, validateOnly bool) string {
	given := f.IdempotencyKey != ""
	key := f.key()
	if !given && !validateOnly && !a.json {
		a.hint("Idempotency key: %s", key)
	}
	return key
}

func (a *app) judgedHint(validateOnly bool) {
	if validateOnly {
		a.hint("The request is good; nothing was changed.")
	}
}

// outcome says what a refund's state means where that is not plain. A refund that was refused is a failure of the command.
func (a *app) outcome(r *kvitv1.Refund) error {
	switch r.GetState() {
	case kvitv1.RefundState_REFUND_STATE_RELEASED:
		return errReleased
	case kvitv1.RefundState_REFUND_STATE_RESERVED, kvitv1.RefundState_REFUND_STATE_SENT, kvitv1.RefundState_REFUND_STATE_UNKNOWN:
		a.hint("The PSP has not said yet that the money went back. Kvit goes on asking; kvit refund get %s shows it.", r.GetRefundId())
	case kvitv1.RefundState_REFUND_STATE_POSTED, kvitv1.RefundState_REFUND_STATE_UNSPECIFIED:
	}
	return nil
}
