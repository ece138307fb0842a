package api

import (
	"context"
	"log/slog"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// GetPaymentLink implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) GetPaymentLink(ctx context.Context, request *kvitv1.GetPaymentLinkRequest) (*kvitv1.GetPaymentLinkResponse, error) {
	callOf(ctx).note(slog.String("link_id", request.GetLinkId()))
	link, err := s.payment.Link(ctx, caller(ctx), request.GetLinkId())
	if err != nil {
		return nil, err
	}
	return &kvitv1.GetPaymentLinkResponse{Link: linkMessage(&link)}, nil
}
