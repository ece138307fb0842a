package api

import (
	"context"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// ListApiKeys implements kvitv1connect.AccessServiceHandler.
//
//nolint:revive // The proto's name.
func (s *accessService) ListApiKeys(ctx context.Context, request *kvitv1.ListApiKeysRequest) (*kvitv1.ListApiKeysResponse, error) {
	keys, next, err := s.access.ListKeys(ctx, callOf(ctx).caller, request.GetMerchantId(), request.GetIncludeRevoked(),
		int(request.GetPageSize()), request.GetPageToken())
	if err != nil {
		return nil, err
	}
	response := &kvitv1.ListApiKeysResponse{ApiKeys: make([]*kvitv1.ApiKey, len(keys)), NextPageToken: next}
	for i := range keys {
		response.ApiKeys[i] = keyMessage(&keys[i])
	}
	return response, nil
}
