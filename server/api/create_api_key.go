package api

import (
	"context"
	"log/slog"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/access"
)

// accessService answers for AccessService.
type accessService struct{ access Access }

// CreateApiKey implements kvitv1connect.AccessServiceHandler.
//
//nolint:revive // The proto's name.
func (s *accessService) CreateApiKey(ctx context.Context, request *kvitv1.CreateApiKeyRequest) (*kvitv1.CreateApiKeyResponse, error) {
	key, err := idempotencyKey(ctx, request.GetIdempotencyKey(), false)
	if err != nil {
		return nil, err
	}
	in := access.CreateKey{
		IdempotencyKey: key, Merchant: request.GetMerchantId(), Kind: ours(keyKinds, request.GetKind()), Name: request.GetName(),
		Live: request.GetMode() == kvitv1.Mode_MODE_LIVE,
	}
	for _, scope := range request.GetScopes() {
		in.Scopes = append(in.Scopes, access.Scope(scope))
	}
	if request.GetKind() == kvitv1.ApiKeyKind_API_KEY_KIND_EDGE {
		in.Scopes = []access.Scope{access.CallbacksDeliver} // Named or not.
	}
	created, replayed, err := s.access.CreateKey(ctx, callOf(ctx).caller, in)
	if err != nil {
		return nil, err
	}
	markReplayed(ctx, replayed)
	callOf(ctx).note(slog.String("made_key_id", created.Key.ID))
	return &kvitv1.CreateApiKeyResponse{ApiKey: keyMessage(&created.Key), Secret: created.Secret}, nil
}
