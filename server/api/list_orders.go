package api

import (
	"context"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/store"
)

// ListOrders implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) ListOrders(ctx context.Context, request *kvitv1.ListOrdersRequest) (*kvitv1.ListOrdersResponse, error) {
	after, before, err := createdOf(request)
	if err != nil {
		return nil, err
	}
	filter := store.OrderFilter{
		States: oursAll(orderStates, request.GetStates()), CustomerID: request.GetCustomerId(),
		ViberBot: request.GetViberUser().GetBot(), ViberUserID: request.GetViberUser().GetUserId(), LinkID: request.GetLinkId(),
		CreatedAfter: after, CreatedBefore: before,
	}
	orders, next, err := s.payment.Orders(ctx, caller(ctx), filter, payment.PageRequest{
		Size: int(request.GetPageSize()), Token: request.GetPageToken(),
	})
	if err != nil {
		return nil, err
	}
	response := &kvitv1.ListOrdersResponse{Orders: make([]*kvitv1.Order, len(orders)), NextPageToken: next}
	for i := range orders {
		response.Orders[i] = orderMessage(&orders[i])
	}
	return response, nil
}
