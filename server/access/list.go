package access

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
)

const (
	// pageDefault is how many keys a page has when the caller names no number.
	pageDefault = 50
	// tokenProof is how many bytes of MAC a page token carries.
	tokenProof = 12
	// tokenTime is how many bytes of it are a time.
	tokenTime = 8
)

// ListKeys returns keys, newest first, and the token of the next page, empty on the last. Every page
// but the last is full. Without a merchant it lists the caller's own; a platform key that stands for
// nobody gets the keys of the installation.
func (s *Service) ListKeys(ctx context.Context, caller Caller, merchant string, revoked bool, size int, token string) ([]Key, string, error) {
	merchant, err := s.owner(caller, merchant)
	if err != nil {
		return nil, "", err
	}
	if merchant != caller.Merchant && !s.knows(merchant) {
		return nil, "", noMerchant(merchant)
	}
	if size <= 0 {
		size = pageDefault
	}
	scope, err := json.Marshal([]any{"keys", merchant, revoked})
	if err != nil {
		return nil, "", err
	}
	page, err := s.page(scope, size, token)
	if err != nil {
		return nil, "", err
	}
	keys := make([]Key, 0, size)
	for {
		rows, err := s.needs.Store.ListCredentials(ctx, merchant, page)
		if err != nil {
			return nil, "", away(err)
		}
		for i := range rows {
			if !rows[i].RevokedAt.IsZero() && !revoked {
				continue
			}
			if len(keys) == size { // There is one more than fits.
				return keys, s.pageToken(scope, &keys[size-1]), nil
			}
			keys = append(keys, keyOf(&rows[i]))
		}
		if len(rows) < page.Limit {
			return keys, "", nil
		}
		last := &rows[len(rows)-1]
		page.BeforeTime, page.BeforeID = last.CreatedAt, last.ID
	}
}

// page reads a token: the time and id of the last key of the page before, and the proof that it was
// made for this list. It asks for one key more than the caller, to know whether there is a next page.
func (s *Service) page(scope []byte, size int, token string) (store.Page, error) {
	page := store.Page{Limit: size + 1}
	if token == "" {
		return page, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) <= tokenTime+tokenProof {
		return page, tokenFault()
	}
	place, proof := raw[:len(raw)-tokenProof], raw[len(raw)-tokenProof:]
	if !s.proves(scope, place, proof) {
		return page, tokenFault()
	}
	page.BeforeTime = time.UnixMicro(int64(binary.BigEndian.Uint64(place))).UTC() //nolint:gosec // We wrote it, and its MAC fits.
	page.BeforeID = string(place[tokenTime:])
	return page, nil
}

func (s *Service) pageToken(scope []byte, last *Key) string {
	place := binary.BigEndian.AppendUint64(nil, uint64(last.CreatedAt.UnixMicro()))
	place = append(place, last.ID...)
	proof := s.needs.Keys.MAC(seal.PurposePageToken, scope, place)
	return base64.RawURLEncoding.EncodeToString(append(place, proof[:tokenProof]...))
}

// proves reports whether one of the installation's keys made the token for this list.
func (s *Service) proves(scope, place, proof []byte) bool {
	for _, id := range s.needs.Keys.IDs() {
		mac, ok := s.needs.Keys.MACWith(id, seal.PurposePageToken, scope, place)
		if ok && hmac.Equal(mac[:tokenProof], proof) {
			return true
		}
	}
	return false
}

func tokenFault() error {
	return fault.New(fault.Invalid, fault.ReasonPageTokenInvalid, "The page token cannot be read, or belongs to another request.",
		fault.WithFields(fault.Field{Path: "page_token", Message: "must be a next_page_token of the same list and filter"}))
}
