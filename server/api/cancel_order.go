package api

import (
	"context"
	"log/slog"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/payment"
)

// CancelOrder implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) CancelOrder(ctx context.Context, request *kvitv1.CancelOrderRequest) (*kvitv1.CancelOrderResponse, error) {
	callOf(ctx).note(slog.String("order_id", request.GetOrderId()))
	key, err := idempotencyKey(ctx, request.GetIdempotencyKey(), request.GetValidateOnly())
	if err != nil {
		return nil, err
	}
	cancelled, replayed, err := s.payment.CancelOrder(ctx, caller(ctx), payment.CancelOrder{
		IdempotencyKey: key, OrderID: request.GetOrderId(), Reason: request.GetReason(), ValidateOnly: request.GetValidateOnly(),
	})
	if err != nil {
		return nil, err
	}
	markReplayed(ctx, replayed)
	return &kvitv1.CancelOrderResponse{Order: orderMessage(&cancelled)}, nil
}
