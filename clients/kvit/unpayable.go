package main

import (
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// What to do about an order that its link takes no payment for.
const (
	anotherOrder = "To sell it again, make another order with another --order-id."
	nothingToPay = "Nothing is left to pay; do not send its link. For another sale, give another --order-id."
	offerAgain   = "Run the command again without --idempotency-key: once no payment is under way, it is offered again with a new link."
)

// unpayable says what to do, by the state of an order that cannot be paid at its link. An order that exists comes back as it is, so
// that making a link can bring each of these.
var unpayable = map[kvitv1.OrderState]string{
	kvitv1.OrderState_ORDER_STATE_AUTHORIZED:         "Its money is held already; do not send its link. kvit order capture takes the money.",
	kvitv1.OrderState_ORDER_STATE_PAID:               nothingToPay,
	kvitv1.OrderState_ORDER_STATE_EXPIRED:            offerAgain,
	kvitv1.OrderState_ORDER_STATE_CANCELLED:          "Nobody can pay it. " + anotherOrder,
	kvitv1.OrderState_ORDER_STATE_MANUAL_REVIEW:      "Money is here that does not settle it; do not send its link. kvit order explain tells why.",
	kvitv1.OrderState_ORDER_STATE_PARTIALLY_REFUNDED: nothingToPay,
	kvitv1.OrderState_ORDER_STATE_REFUNDED:           "It was paid, and the money went back: nobody can pay it. " + anotherOrder,
	kvitv1.OrderState_ORDER_STATE_CHARGED_BACK:       "It was paid, and the payer's bank took the money back: nobody can pay it. " + anotherOrder,
}

// unpayableHint warns that a link is of no use to a payer, and says what to do. The order is nil for a fixed link.
func (a *app) unpayableHint(l *kvitv1.Link, o *kvitv1.Order) {
	if advice, is := unpayable[o.GetState()]; is {
		a.hint("Warning: order %s is %s. %s", o.GetOrderId(), orderWord(o.GetState()), advice)
		return
	}
	switch l.GetState() {
	case kvitv1.LinkState_LINK_STATE_DEACTIVATED:
		a.hint("Warning: the link is DEACTIVATED: nobody can pay at it. %s", insteadOf(o))
	case kvitv1.LinkState_LINK_STATE_EXPIRED:
		a.hint("Warning: the link is EXPIRED: nobody can pay at it. Run the command again without --idempotency-key.")
	case kvitv1.LinkState_LINK_STATE_ACTIVE, kvitv1.LinkState_LINK_STATE_UNSPECIFIED:
	}
}

// insteadOf says how to come by a link that works where the one that is there was deactivated.
func insteadOf(o *kvitv1.Order) string {
	if o == nil {
		return "Run the command again without --idempotency-key: it makes another."
	}
	return "The order keeps it: cancel it with kvit order cancel " + o.GetOrderId() + ", and make another order with another --order-id."
}
