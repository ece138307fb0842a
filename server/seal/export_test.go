package seal

// SealWith is Seal with the box and nonce of the caller, for golden tests.
func (k *Keyring) SealWith(draw [1 + nonceSize]byte, plaintext, row []byte) []byte {
	return k.sealWith(draw, plaintext, row)
}
