package api

import (
	"context"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// ListPspAccounts implements kvitv1connect.PaymentServiceHandler.
func (s *paymentService) ListPspAccounts(ctx context.Context, _ *kvitv1.ListPspAccountsRequest) (*kvitv1.ListPspAccountsResponse, error) {
	accounts, err := s.payment.Accounts(caller(ctx))
	if err != nil {
		return nil, err
	}
	response := &kvitv1.ListPspAccountsResponse{Accounts: make([]*kvitv1.PspAccount, len(accounts))}
	for i := range accounts {
		response.Accounts[i] = accountMessage(&accounts[i])
	}
	return response, nil
}
