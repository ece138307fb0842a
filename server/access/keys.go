package access

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
)

const (
	methodCreate = "CreateApiKey"
	// pageDefault is how many keys a page has when the caller names no number.
	pageDefault = 50
)

// Key is an API key as it is answered.
type Key struct {
	ID        string               `json:"id"`
	Kind      store.CredentialKind `json:"kind"`
	Merchant  string               `json:"merchant,omitempty"`
	Name      string               `json:"name"`
	Scopes    []Scope              `json:"scopes,omitempty"`
	Live      bool                 `json:"live,omitempty"`
	CreatedAt time.Time            `json:"created_at"`
	RevokedAt time.Time            `json:"revoked_at,omitzero"`
}

// CreateKey asks for a key.
type CreateKey struct {
	IdempotencyKey string
	// Merchant may be named by a platform key; empty means the caller's own.
	Merchant string
	Kind     store.CredentialKind
	Name     string
	Scopes   []Scope
	Live     bool
}

// CreatedKey is a new key. Secret is shown here and never again; a replay within the time that
// recorded results are kept shows it once more to the same caller, sealed until then (I2).
type CreatedKey struct {
	Key    Key    `json:"key"`
	Secret string `json:"secret"`
}

// merchant is whom an act on keys concerns: a platform key may name one, others act for their own.
func (s *Service) merchant(caller Caller, named string) (string, error) {
	if err := caller.Need(KeysWrite); err != nil {
		return "", err
	}
	switch {
	case named == "" || named == caller.Merchant:
		if caller.Merchant == "" {
			return "", fault.New(fault.Invalid, fault.ReasonRequestInvalid, "The request is not valid: merchant_id must name a merchant.",
				fault.WithFields(fault.Field{Path: "merchant_id", Message: "must name a merchant"}))
		}
		return caller.Merchant, nil
	case caller.Kind != store.PlatformKey:
		return "", fault.New(fault.Denied, fault.ReasonScopeMissing, "Only a platform key may name a merchant.", fault.With("scope", string(KeysWrite)))
	case !slices.Contains(s.needs.Merchants, named):
		return "", fault.New(fault.NotFound, fault.ReasonMerchantNotFound, "There is no merchant "+named+".")
	}
	return named, nil
}

// CreateKey makes a key, and says whether the answer is a recorded one. Edge keys are made by
// platform keys alone; a merchant key makes no key that may do more than itself.
func (s *Service) CreateKey(ctx context.Context, caller Caller, in CreateKey) (CreatedKey, bool, error) {
	if err := caller.Need(KeysWrite); err != nil {
		return CreatedKey{}, false, err
	}
	merchant, err := "", error(nil)
	if in.Kind == store.MerchantKey {
		if merchant, err = s.merchant(caller, in.Merchant); err != nil {
			return CreatedKey{}, false, err
		}
	}
	if err := mayGrant(caller, in); err != nil {
		return CreatedKey{}, false, err
	}
	record := store.RecordKey{Merchant: recordOwner(caller, merchant), Method: methodCreate, Key: in.IdempotencyKey}
	values := in.fields(merchant)
	for again := 0; again < 3; again++ {
		known, err := s.needs.Store.Recorded(ctx, record)
		if err == nil {
			created, err := replay(s, known, values)
			return created, true, err
		}
		if !errors.Is(err, store.ErrNotFound) {
			return CreatedKey{}, false, storeAway(err)
		}
		created, err := s.addKey(ctx, caller, in, merchant, record, values)
		if !errors.Is(err, store.ErrRetry) {
			return created, false, err
		}
	}
	return CreatedKey{}, false, storeAway(store.ErrRetry)
}

// mayGrant keeps a key from making a stronger one.
func mayGrant(caller Caller, in CreateKey) error {
	if caller.Kind == store.PlatformKey {
		return nil
	}
	if in.Kind != store.MerchantKey {
		return fault.New(fault.Denied, fault.ReasonScopeMissing, "Only a platform key may make an edge key.", fault.With("scope", string(KeysWrite)))
	}
	for _, scope := range in.Scopes {
		if err := caller.Need(scope); err != nil {
			return err
		}
	}
	if in.Live && !caller.Live {
		return fault.New(fault.Denied, fault.ReasonScopeMissing, "A test key makes no live key.", fault.With("scope", string(KeysWrite)))
	}
	return nil
}

// recordOwner is whose idempotency keys are meant: the merchant's, or the platform key's own.
func recordOwner(caller Caller, merchant string) string {
	if merchant != "" {
		return merchant
	}
	return "key:" + caller.KeyID
}

func (in CreateKey) fields(merchant string) []seal.FieldValue {
	scopes := make([]string, len(in.Scopes))
	for i, scope := range in.Scopes {
		scopes[i] = string(scope)
	}
	slices.Sort(scopes)
	values := []seal.FieldValue{
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
	kind := seal.APIKeyEdge
	if in.Kind == store.MerchantKey {
		if kind = seal.APIKeyTest; in.Live {
			kind = seal.APIKeyLive
		}
	}
	secret, made, err := seal.NewAPIKey(kind, s.needs.Random)
	if err != nil {
		return CreatedKey{}, err
	}
	created := CreatedKey{Secret: secret, Key: Key{
		ID: made.ID, Kind: in.Kind, Merchant: merchant, Name: in.Name, Scopes: in.Scopes, Live: in.Live,
		CreatedAt: s.needs.Now().UTC().Truncate(time.Microsecond),
	}}
	result, err := json.Marshal(created)
	if err != nil {
		return CreatedKey{}, err
	}
	credential := store.Credential{
		ID: made.ID, Hash: made.Hash, Kind: in.Kind, Merchant: merchant, Name: in.Name, Live: in.Live,
		CreatedAt: created.Key.CreatedAt, CreatedBy: caller.KeyID,
	}
	for _, scope := range in.Scopes {
		credential.Scopes = append(credential.Scopes, string(scope))
	}
	audit := store.Audit{
		ID: s.needs.IDs().ID("aud_", 0), Merchant: merchant, Actor: order.Actor{Kind: order.ByKey, ID: caller.KeyID},
		Act: "key.created", Subject: made.ID, Reason: in.Name,
	}
	err = s.needs.Store.AddCredential(ctx, credential, audit, store.Record{
		RecordKey: record, Fingerprint: s.needs.Keys.Fingerprint(values), Result: result,
	})
	switch {
	case errors.Is(err, store.ErrRetry):
		return CreatedKey{}, err
	case err != nil:
		return CreatedKey{}, storeAway(err)
	}
	return created, nil
}

// replay answers from a record, or refuses a key that was used for another request (I2).
func replay(s *Service, known store.Record, values []seal.FieldValue) (CreatedKey, error) {
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
	err = json.Unmarshal(known.Result, &created)
	return created, err
}

// ListKeys returns a merchant's keys, newest first, and the place of the next page, empty on the last.
// A page token is the creation time and id of the last key.
func (s *Service) ListKeys(ctx context.Context, caller Caller, merchant string, revoked bool, size int, token string) ([]Key, string, error) {
	merchant, err := s.merchant(caller, merchant)
	if err != nil {
		return nil, "", err
	}
	if size == 0 {
		size = pageDefault
	}
	page := store.Page{Limit: size + 1}
	if token != "" {
		at, id, ok := strings.Cut(token, "~")
		if page.BeforeTime, err = time.Parse(time.RFC3339Nano, at); err != nil || !ok || id == "" {
			return nil, "", fault.New(fault.Invalid, fault.ReasonPageTokenInvalid, "The page token cannot be read.",
				fault.WithFields(fault.Field{Path: "page_token", Message: "must be a next_page_token of this list"}))
		}
		page.BeforeID = id
	}
	rows, err := s.needs.Store.ListCredentials(ctx, merchant, page)
	if err != nil {
		return nil, "", storeAway(err)
	}
	next := ""
	if len(rows) > size {
		rows = rows[:size]
		last := &rows[size-1]
		next = last.CreatedAt.UTC().Format(time.RFC3339Nano) + "~" + last.ID
	}
	keys := make([]Key, 0, len(rows))
	for i := range rows {
		if rows[i].RevokedAt.IsZero() || revoked {
			keys = append(keys, keyOf(&rows[i]))
		}
	}
	return keys, next, nil
}

// RevokeKey ends a key. Revoked again it answers the same, so a repeat needs no record.
func (s *Service) RevokeKey(ctx context.Context, caller Caller, merchant, id, reason string) (Key, error) {
	merchant, err := s.merchant(caller, merchant)
	if err != nil {
		return Key{}, err
	}
	credential, err := s.needs.Store.RevokeCredential(ctx, merchant, id, store.Audit{
		ID: s.needs.IDs().ID("aud_", 0), Merchant: merchant, Actor: order.Actor{Kind: order.ByKey, ID: caller.KeyID},
		Act: "key.revoked", Subject: id, Reason: reason,
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Key{}, fault.New(fault.NotFound, fault.ReasonAPIKeyNotFound, "There is no API key "+id+".")
	case err != nil:
		return Key{}, storeAway(err)
	}
	s.forget(id)
	return keyOf(&credential), nil
}

func keyOf(c *store.Credential) Key {
	key := Key{
		ID: c.ID, Kind: c.Kind, Merchant: c.Merchant, Name: c.Name, Live: c.Live,
		CreatedAt: c.CreatedAt, RevokedAt: c.RevokedAt,
	}
	for _, scope := range c.Scopes {
		key.Scopes = append(key.Scopes, Scope(scope))
	}
	return key
}

// Bootstrap keeps the platform key that exists after start (KVIT_BOOTSTRAP_API_KEY).
func (s *Service) Bootstrap(ctx context.Context, secret string) error {
	key, ok := seal.ParseAPIKey(secret)
	if !ok || key.Kind != seal.APIKeyPlatform {
		return fault.New(fault.Invalid, fault.ReasonAPIKeyInvalid, "KVIT_BOOTSTRAP_API_KEY must be a platform key: kvit_platform_...")
	}
	_, err := s.needs.Store.CredentialByHash(ctx, key.Hash)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	err = s.needs.Store.AddCredential(ctx,
		store.Credential{ID: key.ID, Hash: key.Hash, Kind: store.PlatformKey, Name: "bootstrap", CreatedAt: s.needs.Now().UTC()},
		store.Audit{ID: s.needs.IDs().ID("aud_", 0), Actor: order.Actor{Kind: order.BySystem, ID: "start"}, Act: "key.created", Subject: key.ID, Reason: "bootstrap"},
		store.Record{})
	if errors.Is(err, store.ErrRetry) { // Another server made it at the same moment.
		return nil
	}
	return err
}
