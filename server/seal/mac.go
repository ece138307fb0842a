package seal

// Purposes of [Keyring.MAC]. A MAC of one purpose is never one of another.
const (
	// PurposeNonce is for the nonce of the payer's page (L2).
	PurposeNonce = "nonce"
	// PurposeCheckpoint is for signed heads of the journal.
	PurposeCheckpoint = "checkpoint"
	// PurposePageToken is for the page tokens of lists.
	PurposePageToken = "page_token"
	// PurposeCallback is for the secret part of a callback's address (C3).
	PurposeCallback = "callback"
)

// MAC returns an HMAC-SHA256 of parts under the active key. Each part is taken with its length, so
// ("a", "bc") and ("ab", "c") differ. Keep [Keyring.ActiveID] beside what must outlive a rotation, and
// compare with crypto/hmac.Equal.
func (k *Keyring) MAC(purpose string, parts ...[]byte) [32]byte {
	return k.ring.active.mac.parts(purpose, parts...)
}

// MACWith is [Keyring.MAC] under the named key, and false where the ring has no such key.
func (k *Keyring) MACWith(keyID, purpose string, parts ...[]byte) ([32]byte, bool) {
	maker, ok := k.ring.byName[keyID]
	if !ok {
		return [32]byte{}, false
	}
	return maker.mac.parts(purpose, parts...), true
}
