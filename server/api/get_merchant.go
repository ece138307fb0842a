package api

import (
	"context"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// GetMerchant implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) GetMerchant(ctx context.Context, _ *kvitv1.GetMerchantRequest) (*kvitv1.GetMerchantResponse, error) {
	who := caller(ctx)
	merchant, err := s.payment.Merchant(who)
	if err != nil {
		return nil, err
	}
	return &kvitv1.GetMerchantResponse{Merchant: merchantMessage(merchant, who.Live, s.payment.PublicURL())}, nil
}
