package api

import (
	"context"
	"log/slog"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// GetRefund implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) GetRefund(ctx context.Context, request *kvitv1.GetRefundRequest) (*kvitv1.GetRefundResponse, error) {
	callOf(ctx).note(slog.String("refund_id", request.GetRefundId()))
	refund, err := s.payment.Refund(ctx, caller(ctx), request.GetRefundId())
	if err != nil {
		return nil, err
	}
	return &kvitv1.GetRefundResponse{Refund: refundMessage(&refund)}, nil
}
