package api

import (
	"context"
	"log/slog"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// GetOrderStatus implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) GetOrderStatus(ctx context.Context, request *kvitv1.GetOrderStatusRequest) (*kvitv1.GetOrderStatusResponse, error) {
	callOf(ctx).note(slog.String("order_id", request.GetOrderId()))
	status, err := s.payment.OrderStatus(ctx, caller(ctx), request.GetOrderId())
	if err != nil {
		return nil, err
	}
	return &kvitv1.GetOrderStatusResponse{
		Order:      orderMessage(&status.Order),
		Exceptions: exceptionMessages(status.Exceptions, &status.Order),
		NextStep:   nextStepMessage(status.Next),
		Payments:   paymentMessages(status.Payments),
	}, nil
}
