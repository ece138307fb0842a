package api

import (
	"context"
	"log/slog"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/payment"
)

// CapturePayment implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) CapturePayment(ctx context.Context, request *kvitv1.CapturePaymentRequest) (*kvitv1.CapturePaymentResponse, error) {
	callOf(ctx).note(slog.String("order_id", request.GetOrderId()))
	key, err := idempotencyKey(ctx, request.GetIdempotencyKey(), request.GetValidateOnly())
	if err != nil {
		return nil, err
	}
	part, err := partOf(request.GetAmount())
	if err != nil {
		return nil, err
	}
	captured, replayed, err := s.payment.CapturePayment(ctx, caller(ctx), payment.CapturePayment{
		IdempotencyKey: key, OrderID: request.GetOrderId(), AmountMinor: part.minor, Currency: part.currency,
		Reason: request.GetReason(), ValidateOnly: request.GetValidateOnly(),
	})
	if err != nil {
		return nil, err
	}
	markReplayed(ctx, replayed)
	return &kvitv1.CapturePaymentResponse{Order: orderMessage(&captured)}, nil
}

// part is how much of a payment is meant; the zero part is all of it.
type part struct {
	minor    int64
	currency string
}

// partOf reads an amount that may be left out. The fault of a code that ISO 4217 does not list is
// CURRENCY_UNSUPPORTED.
func partOf(amount *kvitv1.Money) (part, error) {
	if amount == nil {
		return part{}, nil
	}
	known, err := money.New(amount.GetMinorUnits(), amount.GetCurrencyCode())
	if err != nil {
		return part{}, err
	}
	return part{minor: known.Minor(), currency: known.Currency().Code()}, nil
}
