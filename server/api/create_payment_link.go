package api

import (
	"context"
	"log/slog"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
)

// CreatePaymentLink implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) CreatePaymentLink(ctx context.Context, request *kvitv1.CreatePaymentLinkRequest) (*kvitv1.CreatePaymentLinkResponse, error) {
	key, err := idempotencyKey(ctx, request.GetIdempotencyKey(), request.GetValidateOnly())
	if err != nil {
		return nil, err
	}
	in, err := createLink(request)
	if err != nil {
		return nil, err
	}
	in.IdempotencyKey = key
	created, replayed, err := s.payment.CreateLink(ctx, caller(ctx), in)
	if err != nil {
		return nil, err
	}
	markReplayed(ctx, replayed)
	callOf(ctx).note(slog.String("link_id", created.Link.ID), slog.String("order_id", created.Link.OrderID))
	response := &kvitv1.CreatePaymentLinkResponse{Link: linkMessage(&created.Link)}
	if created.Order != nil {
		response.Order = orderMessage(created.Order)
	}
	return response, nil
}

func createLink(r *kvitv1.CreatePaymentLinkRequest) (payment.CreateLink, error) {
	amount, err := money.New(r.GetAmount().GetMinorUnits(), r.GetAmount().GetCurrencyCode())
	if err != nil {
		return payment.CreateLink{}, err
	}
	expires, err := timeOf("expires_at", r.GetExpiresAt())
	if err != nil {
		return payment.CreateLink{}, err
	}
	customer := r.GetCustomer()
	details := order.Details{
		Description: r.GetDescription(), Name: customer.GetName(), Email: customer.GetEmail(), Phone: customer.GetPhone(),
		Metadata: r.GetMetadata(), SuccessURL: r.GetSuccessUrl(), FailureURL: r.GetFailureUrl(),
	}
	for _, item := range r.GetLineItems() {
		details.Items = append(details.Items, order.Item{
			Name: item.GetName(), Quantity: item.GetQuantity(), AmountMinor: item.GetAmount().GetMinorUnits(),
		})
	}
	return payment.CreateLink{
		Kind: ours(linkKinds, r.GetKind()), OrderID: r.GetOrderId(), Amount: amount,
		Capture: ours(captureModes, r.GetCaptureMode()), Locale: customer.GetLocale(), Details: details,
		Customer: order.Customer{
			CustomerID: customer.GetCustomerId(), ViberBot: customer.GetViber().GetBot(), ViberUserID: customer.GetViber().GetUserId(),
		},
		ExpiresAt: expires, ExpiresIn: r.GetExpiresIn().AsDuration(),
		OrderExpiresIn: r.GetOrderExpiresIn().AsDuration(), Accounts: r.GetPspAccounts(), ValidateOnly: r.GetValidateOnly(),
	}, nil
}
