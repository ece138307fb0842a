package access

import (
	"context"
	"errors"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
)

// Bootstrap keeps the platform key that exists after start (KVIT_BOOTSTRAP_API_KEY). It may be called
// again, and by several servers at once. A key that was revoked is not brought back: it is a fault.
func (s *Service) Bootstrap(ctx context.Context, secret string) error {
	key, ok := seal.ParseAPIKey(secret)
	if !ok || key.Kind != seal.APIKeyPlatform {
		return fault.New(fault.Invalid, fault.ReasonAPIKeyInvalid, "KVIT_BOOTSTRAP_API_KEY must be a platform key: kvit_platform_...")
	}
	var lost error
	for range tries {
		known, err := s.needs.Store.CredentialByHash(ctx, key.Hash)
		switch {
		case err == nil && !known.RevokedAt.IsZero():
			return fault.New(fault.Invalid, fault.ReasonAPIKeyInvalid,
				"The bootstrap key was revoked: set another KVIT_BOOTSTRAP_API_KEY, or remove the file that holds the one made at first start.")
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		lost = s.addBootstrap(ctx, key)
		if !errors.Is(lost, store.ErrRetry) { // Otherwise another server made it at the same moment, or nobody did.
			return lost
		}
	}
	return lost
}

func (s *Service) addBootstrap(ctx context.Context, key seal.APIKey) error {
	return s.needs.Store.AddCredential(ctx,
		store.Credential{ID: key.ID, Hash: key.Hash, Kind: store.PlatformKey, Name: "bootstrap"},
		store.Audit{
			ID: s.needs.IDs().ID("aud_", 0), Actor: order.Actor{Kind: order.BySystem, ID: "start"},
			Act: actCreated, Subject: key.ID, Reason: "bootstrap",
		},
		store.Record{})
}
