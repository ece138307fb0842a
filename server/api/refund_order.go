package api

import (
	"context"
	"log/slog"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/payment"
)

// RefundOrder implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) RefundOrder(ctx context.Context, request *kvitv1.RefundOrderRequest) (*kvitv1.RefundOrderResponse, error) {
	callOf(ctx).note(slog.String("order_id", request.GetOrderId()))
	key, err := idempotencyKey(ctx, request.GetIdempotencyKey(), request.GetValidateOnly())
	if err != nil {
		return nil, err
	}
	part, err := partOf(request.GetAmount())
	if err != nil {
		return nil, err
	}
	refund, replayed, err := s.payment.RefundOrder(ctx, caller(ctx), payment.RefundOrder{
		IdempotencyKey: key, OrderID: request.GetOrderId(), PaymentID: request.GetPaymentId(),
		AmountMinor: part.minor, Currency: part.currency, Reason: request.GetReason(), ValidateOnly: request.GetValidateOnly(),
	})
	if err != nil {
		return nil, err
	}
	markReplayed(ctx, replayed)
	if request.GetValidateOnly() {
		refund.ID, refund.State = "", "" // It was judged, and is not there.
	}
	callOf(ctx).note(slog.String("refund_id", refund.ID), slog.String("refund_state", string(refund.State)))
	return &kvitv1.RefundOrderResponse{Refund: refundMessage(&refund)}, nil
}
