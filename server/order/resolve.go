package order

import "github.com/kvitpay/kvit/server/fault"

// Decision is what an operator wants done with an exception (X2).
type Decision string

// The decisions of an operator.
const (
	DecideAccept  Decision = "ACCEPT"
	DecideRefund  Decision = "REFUND"
	DecideDismiss Decision = "DISMISS"
)

// ResolveException does what a person decided. The act must carry a reason (X2).
func (o *Order) ResolveException(act Act, id string, decision Decision) error {
	x := o.Exception(id)
	switch {
	case act.Reason == "":
		return invalidField("reason", "must say why")
	case x == nil || !x.Open():
		return o.refuse(act.Now, "The exception is not open.")
	}
	p := o.Payment(x.PaymentID)
	money := x.Kind.HoldsMoney() && p != nil && p.Captured > 0
	switch {
	case decision == DecideAccept && money && o.acceptable(x, p):
		return o.settle(act, p)
	case decision == DecideRefund && money:
		if p.Refundable() <= 0 {
			return fault.New(fault.Precondition, fault.ReasonRefundExceeds, "Nothing of the payment is left to refund.")
		}
		return o.reserve(act, p, p.Refundable(), false)
	case decision == DecideDismiss && !money:
		return o.resolve(act, x.ID, ResolvedDismissed)
	}
	return o.refuse(act.Now, "The exception cannot be resolved in this way.")
}

// acceptable reports whether a payment may settle the order by a person's word: it is in our currency
// and on our account, the order needs one, and no refund of it is under way.
func (o *Order) acceptable(x *Exception, p *Payment) bool {
	return o.SettledBy == "" && p.Reserved == 0 && p.Currency == o.Currency().Code() && x.Kind != WrongMerchant
}
