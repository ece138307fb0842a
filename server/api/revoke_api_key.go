package api

import (
	"context"
	"log/slog"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// RevokeApiKey implements kvitv1connect.AccessServiceHandler. A repeat answers the same with any
// idempotency key, so it is not looked at further.
//
//nolint:revive // The proto's name.
func (s *accessService) RevokeApiKey(ctx context.Context, request *kvitv1.RevokeApiKeyRequest) (*kvitv1.RevokeApiKeyResponse, error) {
	callOf(ctx).note(slog.String("revoked_key_id", request.GetApiKeyId()))
	if _, err := idempotencyKey(ctx, request.GetIdempotencyKey(), false); err != nil {
		return nil, err
	}
	key, err := s.access.RevokeKey(ctx, callOf(ctx).caller, request.GetMerchantId(), request.GetApiKeyId(), request.GetReason())
	if err != nil {
		return nil, err
	}
	return &kvitv1.RevokeApiKeyResponse{ApiKey: keyMessage(&key)}, nil
}
