package seal

import (
	"crypto/sha256"
	"encoding/base64"
)

// TokenLength is the number of characters of a link's token: 22 of 6 bits are 132 bits (L1).
const TokenLength = 22

// LinkToken returns the token of a link's address, and the name of the key that made it. The token is
// the beginning of base64url(HMAC-SHA256(link key, link id)). Keep the link's id, the key's name and
// [TokenHash]; never the token: with those and the keys the address can be printed again, and without
// the keys no one can (L1).
func (k *Keyring) LinkToken(linkID string) (token, keyID string) {
	return k.ring.active.linkToken(linkID), k.ring.active.name
}

// LinkTokenWith returns the token that the named key makes, and false where the ring has no such key.
func (k *Keyring) LinkTokenWith(keyID, linkID string) (string, bool) {
	maker, ok := k.ring.byName[keyID]
	if !ok {
		return "", false
	}
	return maker.linkToken(linkID), true
}

func (k *key) linkToken(linkID string) string {
	sum := k.link.text(linkID)
	var text [43]byte
	base64.RawURLEncoding.Encode(text[:], sum[:])
	return string(text[:TokenLength])
}

// ValidToken reports whether text could be a link's token: [TokenLength] characters of base64url.
// What is not need not be looked up.
func ValidToken(text string) bool {
	if len(text) != TokenLength {
		return false
	}
	for _, c := range []byte(text) {
		if !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// TokenHash returns what the database keeps and finds a link by: the SHA-256 of its token.
func TokenHash(token string) [32]byte { return sha256.Sum256([]byte(token)) }
