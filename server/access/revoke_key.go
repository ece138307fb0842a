package access

import (
	"context"
	"errors"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// RevokeKey ends a key, for good. A platform key that names no merchant may also end the keys of the
// installation, among them its own.
//
// No idempotency key is recorded. Ending a key changes neither money nor orders (I1), and repeated it
// answers the same and writes nothing, with any idempotency key. To refuse it because an idempotency
// key was used before would keep a stolen key alive.
//
// For the same reason the keys of a merchant that has left the settings can still be ended.
func (s *Service) RevokeKey(ctx context.Context, caller Caller, merchant, id, reason string) (Key, error) {
	owner, err := s.owner(caller, merchant)
	if err != nil {
		return Key{}, err
	}
	credential, err := s.revoke(ctx, caller, owner, id, reason)
	if errors.Is(err, store.ErrNotFound) && caller.Kind == store.PlatformKey && merchant == "" && owner != "" {
		credential, err = s.revoke(ctx, caller, "", id, reason)
	}
	switch {
	case errors.Is(err, store.ErrNotFound) && owner != caller.Merchant && !s.knows(owner):
		return Key{}, noMerchant(owner)
	case errors.Is(err, store.ErrNotFound):
		return Key{}, fault.New(fault.NotFound, fault.ReasonAPIKeyNotFound, "There is no API key "+id+".")
	case err != nil:
		return Key{}, away(err)
	}
	return keyOf(&credential), nil
}

func (s *Service) revoke(ctx context.Context, caller Caller, merchant, id, reason string) (store.Credential, error) {
	credential, err := s.needs.Store.RevokeCredential(ctx, merchant, id, store.Audit{
		ID: s.needs.IDs().ID("aud_", 0), Merchant: merchant, Actor: order.Actor{Kind: order.ByKey, ID: caller.KeyID},
		Act: actRevoked, Subject: id, Reason: reason,
	})
	if !errors.Is(err, store.ErrNotFound) {
		s.forget(id) // Also where the outcome is unclear: the next call asks the database.
	}
	return credential, err
}
