package checkout

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/kvitpay/kvit/server/seal"
)

const (
	// nonceHours is how many hours back a nonce is accepted: it lives for two to three hours.
	nonceHours = 2
	// nonceAhead lets another server's clock have begun the next hour already.
	nonceAhead = 1

	hourSize   = 4
	randomSize = 16
	nonceSize  = hourSize + randomSize + 32
)

// nonces makes and checks the nonce of a page's form (L2): hour, random bytes, and an HMAC that binds
// both to the page's token. The server remembers none of them; that a nonce makes one order however
// often it comes is the use-cases' promise (L5).
type nonces struct {
	keys   *seal.Keyring
	random io.Reader
	now    func() time.Time
}

// make returns a new nonce for the page of this token.
func (n nonces) make(token string) (string, error) {
	var raw [nonceSize]byte
	binary.BigEndian.PutUint32(raw[:hourSize], n.hour())
	if _, err := io.ReadFull(n.random, raw[hourSize:hourSize+randomSize]); err != nil {
		return "", fmt.Errorf("make a nonce: %w", err)
	}
	sum := n.keys.MAC(seal.PurposeNonce, []byte(token), raw[:hourSize], raw[hourSize:hourSize+randomSize])
	copy(raw[hourSize+randomSize:], sum[:])
	return base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

// valid reports whether a nonce was made for the page of this token, not long ago, by a key of the ring.
func (n nonces) valid(token, nonce string) bool {
	raw, ok := decodeNonce(nonce)
	if !ok {
		return false
	}
	hour, random, sum := raw[:hourSize], raw[hourSize:hourSize+randomSize], raw[hourSize+randomSize:]
	age := int64(n.hour()) - int64(binary.BigEndian.Uint32(hour))
	if age > nonceHours || age < -nonceAhead {
		return false
	}
	for _, id := range n.keys.IDs() {
		want, _ := n.keys.MACWith(id, seal.PurposeNonce, []byte(token), hour, random)
		if hmac.Equal(want[:], sum) {
			return true
		}
	}
	return false
}

// decodeNonce reads the text of a nonce. Each nonce has one text only.
func decodeNonce(nonce string) ([]byte, bool) {
	encoding := base64.RawURLEncoding.Strict()
	if len(nonce) != encoding.EncodedLen(nonceSize) {
		return nil, false
	}
	raw, err := encoding.DecodeString(nonce)
	return raw, err == nil && len(raw) == nonceSize
}

// hour counts hours since 1970.
func (n nonces) hour() uint32 {
	return uint32(n.now().Unix() / int64(time.Hour/time.Second)) //nolint:gosec // It fits for half a million years.
}
