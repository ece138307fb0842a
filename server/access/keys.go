package access

import (
	"slices"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/store"
)

const (
	// tries is how often a lost race is tried again.
	tries = 3
	// actCreated and actRevoked are the words of the audit table; they never change.
	actCreated = "key.created"
	actRevoked = "key.revoked"
)

// Key is an API key as it is answered.
type Key struct {
	ID       string               `json:"id"`
	Kind     store.CredentialKind `json:"kind"`
	Merchant string               `json:"merchant,omitempty"`
	Name     string               `json:"name"`
	// Scopes are sorted.
	Scopes    []Scope   `json:"scopes,omitempty"`
	Live      bool      `json:"live,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}

// owner is whose keys a call is about: a platform key may name a merchant, others act for their own.
// It is empty for a platform key that stands for nobody and names nobody: the installation's keys.
func (s *Service) owner(caller Caller, named string) (string, error) {
	if err := caller.Need(KeysWrite); err != nil {
		return "", err
	}
	if caller.Kind == store.PlatformKey {
		if named != "" {
			return named, nil
		}
		return caller.Merchant, nil
	}
	if caller.Merchant == "" || named != "" && named != caller.Merchant {
		return "", denied("Only a platform key may name a merchant.")
	}
	return caller.Merchant, nil
}

// knows reports whether the merchant is in the settings.
func (s *Service) knows(merchant string) bool { return slices.Contains(s.needs.Merchants, merchant) }

func denied(message string) error {
	return fault.New(fault.Denied, fault.ReasonScopeMissing, message, fault.With("scope", string(KeysWrite)))
}

func noMerchant(named string) error {
	return fault.New(fault.NotFound, fault.ReasonMerchantNotFound, "There is no merchant "+named+".")
}

func invalid(path, message string) error {
	return fault.New(fault.Invalid, fault.ReasonRequestInvalid, "The request is not valid: "+path+" "+message+".",
		fault.WithFields(fault.Field{Path: path, Message: message}))
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
