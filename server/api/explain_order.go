package api

import (
	"context"
	"log/slog"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// ExplainOrder implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) ExplainOrder(ctx context.Context, request *kvitv1.ExplainOrderRequest) (*kvitv1.ExplainOrderResponse, error) {
	callOf(ctx).note(slog.String("order_id", request.GetOrderId()))
	explained, err := s.payment.ExplainOrder(ctx, caller(ctx), request.GetOrderId())
	if err != nil {
		return nil, err
	}
	response := &kvitv1.ExplainOrderResponse{
		Order: orderMessage(&explained.Order), Steps: make([]*kvitv1.OrderStep, len(explained.Steps)), Summary: explained.Summary,
	}
	for i := range explained.Steps {
		response.Steps[i] = stepMessage(&explained.Steps[i])
	}
	return response, nil
}
