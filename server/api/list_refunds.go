package api

import (
	"context"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/store"
)

// ListRefunds implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) ListRefunds(ctx context.Context, request *kvitv1.ListRefundsRequest) (*kvitv1.ListRefundsResponse, error) {
	filter := store.RefundFilter{OrderID: request.GetOrderId(), States: oursAll(refundStates, request.GetStates())}
	refunds, next, err := s.payment.Refunds(ctx, caller(ctx), filter, payment.PageRequest{
		Size: int(request.GetPageSize()), Token: request.GetPageToken(),
	})
	if err != nil {
		return nil, err
	}
	response := &kvitv1.ListRefundsResponse{Refunds: make([]*kvitv1.Refund, len(refunds)), NextPageToken: next}
	for i := range refunds {
		response.Refunds[i] = refundMessage(&refunds[i])
	}
	return response, nil
}
