package payment

import (
	"time"

	"github.com/kvitpay/kvit/server/order"
)

// RefundOrder asks for money to go back.
type RefundOrder struct {
	IdempotencyKey string
	OrderID        string
	// PaymentID names a payment; empty means the settling one (R1).
	PaymentID string
	// AmountMinor is in minor units of Currency, which must be the payment's. Zero means all that is
	// left, and then Currency is empty.
	AmountMinor  int64
	Currency     string
	Reason       string
	ValidateOnly bool
}

// RefundInfo is a refund as it is answered.
type RefundInfo struct {
	ID          string            `json:"refund_id"`
	OrderID     string            `json:"order_id"`
	PaymentID   string            `json:"payment_id"`
	AmountMinor int64             `json:"amount"`
	Currency    string            `json:"currency"`
	State       order.RefundState `json:"state"`
	Automatic   bool              `json:"automatic,omitempty"`
	RequestedAt time.Time         `json:"requested_at"`
}

// CapturePayment asks for held money to be taken.
type CapturePayment struct {
	IdempotencyKey string
	OrderID        string
	// AmountMinor is in minor units of Currency, the order's. Zero means all that is held, and then
	// Currency is empty; what is not taken is released (O10).
	AmountMinor  int64
	Currency     string
	Reason       string
	ValidateOnly bool
}
