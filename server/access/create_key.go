package access

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
)

// methodCreate is the method in idempotency records; it never changes.
const methodCreate = "CreateApiKey"

// CreateKey asks for a key.
type CreateKey struct {
	IdempotencyKey string
	// Merchant may be named by a platform key; empty means the caller's own. Edge keys have none.
	Merchant string
	// Kind is MerchantKey or EdgeKey: platform keys come from the settings alone.
	Kind   store.CredentialKind
	Name   string
	Scopes []Scope
	Live   bool
}

// CreatedKey is a new key. Secret is shown here and by no other method; a repeat by the same caller
// shows it again for as long as recorded results are kept, sealed until then (I2).
type CreatedKey struct {
	Key    Key    `json:"key"`
	Secret string `json:"secret"`
}

// CreateKey makes a key, and says whether the answer is a recorded one. Edge keys are made by
// platform keys alone; a merchant key makes no key that may do more than itself (A1).
func (s *Service) CreateKey(ctx context.Context, caller Caller, in CreateKey) (CreatedKey, bool, error) {
	merchant, err := s.mayCreate(caller, in)
	if err != nil {
		return CreatedKey{}, false, err
	}
	in.Scopes = slices.Compact(slices.Sorted(slices.Values(in.Scopes)))
	record := store.RecordKey{Merchant: recordOwner(caller, merchant), Method: methodCreate, Key: in.IdempotencyKey}
	values := in.fields(caller, merchant)
	for range tries {
		known, err := s.needs.Store.Recorded(ctx, record)
		if err == nil {
			created, err := s.replay(known, values)
			return created, err == nil, err
		}
		if !errors.Is(err, store.ErrNotFound) {
			return CreatedKey{}, false, away(err)
		}
		created, err := s.addKey(ctx, caller, in, merchant, record, values)
		if !errors.Is(err, store.ErrRetry) {
			return created, false, err
		}
	}
	return CreatedKey{}, false, away(store.ErrRetry)
}

// mayCreate finds the new key's merchant, and keeps a key from making a stronger one.
func (s *Service) mayCreate(caller Caller, in CreateKey) (merchant string, err error) {
	owner, err := s.owner(caller, in.Merchant)
	switch {
	case err != nil:
		return "", err
	case in.Kind == store.EdgeKey:
		return "", mayCreateEdge(caller, in)
	case in.Kind != store.MerchantKey:
		return "", invalid("kind", "must be a merchant or an edge key")
	case owner == "":
		return "", invalid("merchant_id", "must name a merchant")
	case !s.knows(owner):
		return "", noMerchant(owner)
	case in.Live && !caller.Live && caller.Kind != store.PlatformKey:
		return "", denied("A test key makes no live key.")
	}
	return owner, mayGrant(caller, in)
}

func mayCreateEdge(caller Caller, in CreateKey) error {
	switch {
	case caller.Kind != store.PlatformKey:
		return denied("Only a platform key may make an edge key.")
	case in.Merchant != "":
		return invalid("merchant_id", "must be empty for an edge key")
	case in.Live:
		return invalid("mode", "must not be set for an edge key")
	}
	return mayGrant(caller, in)
}

// mayGrant checks the scopes of a new key.
func mayGrant(caller Caller, in CreateKey) error {
	if len(in.Scopes) == 0 {
		return invalid("scopes", "must name at least one scope")
	}
	for _, scope := range in.Scopes {
		if !slices.Contains(Scopes(), scope) {
			return invalid("scopes", "must be scopes of Kvit")
		}
		if (scope == CallbacksDeliver) != (in.Kind == store.EdgeKey) {
			return invalid("scopes", "may hold callbacks:deliver for an edge key, as the only one")
		}
		if err := caller.Need(scope); err != nil {
			return err
		}
	}
	return nil
}

// recordOwner is whose idempotency keys are meant: the merchant's, or the platform key's own.
func recordOwner(caller Caller, merchant string) string {
	if merchant != "" {
		return merchant
	}
	return "key:" + caller.KeyID // No merchant's id holds a colon.
}

// fields are the request as sent (I1), and who sent it: with the same idempotency key another caller
// is refused instead of being shown the secret.
func (in CreateKey) fields(caller Caller, merchant string) []seal.FieldValue {
	scopes := make([]string, len(in.Scopes))
	for i, scope := range in.Scopes {
		scopes[i] = string(scope)
	}
	values := []seal.FieldValue{
		{Name: "authorization", Value: []byte(caller.KeyID)},
		{Name: "merchant_id", Value: []byte(merchant)},
		{Name: "kind", Value: []byte(in.Kind)},
		{Name: "name", Value: []byte(in.Name)},
		{Name: "scopes", Value: []byte(strings.Join(scopes, " "))},
	}
	if in.Live {
		values = append(values, seal.FieldValue{Name: "mode", Value: []byte("live")})
	}
	return values
}

func (s *Service) addKey(ctx context.Context, caller Caller, in CreateKey, merchant string, record store.RecordKey, values []seal.FieldValue) (CreatedKey, error) {
	secret, made, err := seal.NewAPIKey(secretKind(in), s.needs.Random)
	if err != nil {
		return CreatedKey{}, err
	}
	now, err := s.needs.Store.Now(ctx)
	if err != nil {
		return CreatedKey{}, away(err)
	}
	created := CreatedKey{Secret: secret, Key: Key{
		ID: made.ID, Kind: in.Kind, Merchant: merchant, Name: in.Name, Scopes: in.Scopes, Live: in.Live, CreatedAt: now,
	}}
	result, err := json.Marshal(created) //nolint:gosec // The store seals it (J5).
	if err != nil {
		return CreatedKey{}, err
	}
	credential := store.Credential{
		ID: made.ID, Hash: made.Hash, Kind: in.Kind, Merchant: merchant, Name: in.Name, Live: in.Live,
		CreatedAt: now, CreatedBy: caller.KeyID,
	}
	for _, scope := range in.Scopes {
		credential.Scopes = append(credential.Scopes, string(scope))
	}
	audit := store.Audit{
		ID: s.needs.IDs().ID("aud_", 0), Merchant: merchant, Actor: order.Actor{Kind: order.ByKey, ID: caller.KeyID},
		Act: actCreated, Subject: made.ID, Reason: in.Name,
	}
	err = s.needs.Store.AddCredential(ctx, credential, audit, store.Record{
		RecordKey: record, Fingerprint: s.needs.Keys.Fingerprint(values), Result: result,
	})
	switch {
	case errors.Is(err, store.ErrRetry):
		return CreatedKey{}, err
	case err != nil:
		return CreatedKey{}, away(err)
	}
	return created, nil
}

func secretKind(in CreateKey) seal.APIKeyKind {
	switch {
	case in.Kind == store.EdgeKey:
		return seal.APIKeyEdge
	case in.Live:
		return seal.APIKeyLive
	}
	return seal.APIKeyTest
}

// replay answers from a record, or refuses a key that was used for another request (I2).
func (s *Service) replay(known store.Record, values []seal.FieldValue) (CreatedKey, error) {
	same, changed, err := s.needs.Keys.Compare(known.Fingerprint, values)
	if err != nil {
		return CreatedKey{}, err
	}
	if !same {
		names := strings.Join(changed, ", ")
		return CreatedKey{}, fault.New(fault.Precondition, fault.ReasonIdempotencyKeyReused,
			"The idempotency key was used for another request; changed: "+names+".", fault.With("changed_fields", names))
	}
	var created CreatedKey
	if err := json.Unmarshal(known.Result, &created); err != nil {
		return CreatedKey{}, err
	}
	return created, nil
}
