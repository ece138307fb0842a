package api

import (
	"context"
	"log/slog"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/payment"
)

// DeactivatePaymentLink implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) DeactivatePaymentLink(ctx context.Context, request *kvitv1.DeactivatePaymentLinkRequest) (*kvitv1.DeactivatePaymentLinkResponse, error) {
	callOf(ctx).note(slog.String("link_id", request.GetLinkId()))
	key, err := idempotencyKey(ctx, request.GetIdempotencyKey(), false)
	if err != nil {
		return nil, err
	}
	link, replayed, err := s.payment.DeactivateLink(ctx, caller(ctx), payment.DeactivateLink{
		IdempotencyKey: key, LinkID: request.GetLinkId(), Reason: request.GetReason(),
	})
	if err != nil {
		return nil, err
	}
	markReplayed(ctx, replayed)
	return &kvitv1.DeactivatePaymentLinkResponse{Link: linkMessage(&link)}, nil
}
