package api

import (
	"context"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/store"
)

// ListPaymentLinks implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) ListPaymentLinks(ctx context.Context, request *kvitv1.ListPaymentLinksRequest) (*kvitv1.ListPaymentLinksResponse, error) {
	after, before, err := createdOf(request)
	if err != nil {
		return nil, err
	}
	filter := store.LinkFilter{
		Kind: ours(linkKinds, request.GetKind()), States: oursAll(linkStates, request.GetStates()), OrderID: request.GetOrderId(),
		CreatedAfter: after, CreatedBefore: before,
	}
	links, next, err := s.payment.Links(ctx, caller(ctx), filter, payment.PageRequest{
		Size: int(request.GetPageSize()), Token: request.GetPageToken(),
	})
	if err != nil {
		return nil, err
	}
	response := &kvitv1.ListPaymentLinksResponse{Links: make([]*kvitv1.Link, len(links)), NextPageToken: next}
	for i := range links {
		response.Links[i] = linkMessage(&links[i])
	}
	return response, nil
}
