package seal

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/big"
	"strings"
)

// APIKeyKind is the kind of a caller's credential (A1): the first characters of its secret.
type APIKeyKind string

// The kinds of credentials.
const (
	// APIKeyTest is a merchant's key whose orders pay at test accounts only.
	APIKeyTest APIKeyKind = "kvit_test_"
	// APIKeyLive is a merchant's key.
	APIKeyLive APIKeyKind = "kvit_live_"
	// APIKeyEdge delivers callbacks and belongs to no merchant.
	APIKeyEdge APIKeyKind = "kvit_edge_"
	// APIKeyPlatform makes merchants' keys, and may name a merchant.
	APIKeyPlatform APIKeyKind = "kvit_platform_"
)

// A secret is its kind, 32 random bytes in base62 and a checksum in base62: the CRC-32 of all that
// stands before it. The checksum tells a truncated or mistyped secret without a look-up; it proves nothing.
const (
	apiKeySize     = 32
	apiKeyDigits   = 43 // of base62 for 32 bytes
	checksumDigits = 6  // of base62 for 4 bytes
	apiKeyIDSize   = 12 // bytes of the hash that name a key
	apiKeyIDDigits = 17 // of base62 for 12 bytes
	apiKeyIDPrefix = "key_"
	base62         = 62
)

// APIKey is a caller's credential as the server keeps it: everything but the secret.
type APIKey struct {
	// Kind is what the key is for.
	Kind APIKeyKind
	// ID names the key in lists, logs and audit entries. It follows from the secret and does not
	// lead back to it, so that the same secret has the same id on every server.
	ID string
	// Hash is the SHA-256 of the secret, by which the key is found. A secret has 256 random bits,
	// so no slow hash is needed.
	Hash [32]byte
}

// APIKeyKinds lists every kind.
func APIKeyKinds() []APIKeyKind {
	return []APIKeyKind{APIKeyTest, APIKeyLive, APIKeyEdge, APIKeyPlatform}
}

// NewAPIKey makes a credential. The secret is shown to the caller once and kept nowhere.
func NewAPIKey(kind APIKeyKind, random io.Reader) (secret string, key APIKey, err error) {
	raw := make([]byte, apiKeySize)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", APIKey{}, fmt.Errorf("make API key: %w", err)
	}
	secret = string(kind) + digits(raw, apiKeyDigits)
	secret += checksum(secret)
	key, ok := ParseAPIKey(secret)
	if !ok {
		return "", APIKey{}, fmt.Errorf("make API key: unknown kind %q", kind)
	}
	return secret, key, nil
}

// ParseAPIKey reads a secret as a caller sends it. It is false for what cannot be one: an unknown kind,
// a wrong length, a wrong checksum. Whether the key exists is the database's to say, by its hash.
func ParseAPIKey(secret string) (APIKey, bool) {
	for _, kind := range APIKeyKinds() {
		body, ok := strings.CutPrefix(secret, string(kind))
		if !ok || len(body) != apiKeyDigits+checksumDigits {
			continue
		}
		for _, c := range []byte(body) {
			if !isAlphanumeric(c) {
				return APIKey{}, false
			}
		}
		cut := len(secret) - checksumDigits
		if checksum(secret[:cut]) != secret[cut:] {
			return APIKey{}, false
		}
		hash := sha256.Sum256([]byte(secret))
		return APIKey{Kind: kind, ID: apiKeyIDPrefix + digits(hash[:apiKeyIDSize], apiKeyIDDigits), Hash: hash}, true
	}
	return APIKey{}, false
}

// Is reports in constant time whether stored is the hash of this key.
func (k APIKey) Is(stored [32]byte) bool {
	return subtle.ConstantTimeCompare(k.Hash[:], stored[:]) == 1
}

// LogValue makes slog print the id alone.
func (k APIKey) LogValue() slog.Value { return slog.StringValue(k.ID) }

func checksum(text string) string {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE([]byte(text)))
	return digits(sum[:], checksumDigits)
}

// digits writes a number in base62 with leading zeros.
func digits(number []byte, width int) string {
	text := new(big.Int).SetBytes(number).Text(base62)
	return strings.Repeat("0", width-len(text)) + text
}
