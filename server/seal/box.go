package seal

import (
	"crypto/rand"
	"fmt"
)

// A sealed text is, in this order:
//
//	1 byte    the format, 1
//	1 byte    length of the key's name
//	n bytes   the key's name
//	1 byte    which of the key's 256 boxes
//	12 bytes  nonce
//	m bytes   AES-256-GCM of the plaintext, with the row as additional data
//	16 bytes  its tag
const (
	sealFormat = 1
	nonceSize  = 12
	tagSize    = 16
)

// SealOverhead is how much longer a sealed text is than its plaintext, at most.
const SealOverhead = 2 + nameMax + 1 + nonceSize + tagSize

// Seal encrypts plaintext with the active key and binds it to row: only [Keyring.Open] with the same
// row opens it. The row is whatever names the place where it will be kept, such as table and primary
// key. Plaintext and row are not changed. The same plaintext is sealed differently each time.
//
// Random nonces of 12 bytes are safe for about 2^32 texts under one AES key, which a busy installation
// reaches. So a root has 256 AES keys (boxes), and the box is drawn together with the nonce: a root
// is good for 2^40 texts.
func (k *Keyring) Seal(plaintext, row []byte) []byte {
	var draw [1 + nonceSize]byte
	// crypto/rand.Read never returns an error: it ends the process where there is no randomness.
	_, _ = rand.Read(draw[:])
	return k.sealWith(draw, plaintext, row)
}

func (k *Keyring) sealWith(draw [1 + nonceSize]byte, plaintext, row []byte) []byte {
	active := k.ring.active
	out := make([]byte, 0, 2+len(active.name)+len(draw)+len(plaintext)+tagSize)
	out = appendName(append(out, sealFormat), active.name)
	out = append(out, draw[:]...)
	nonce := out[len(out)-nonceSize:]
	return active.boxes[draw[0]].Seal(out, nonce, plaintext, row)
}

// Open returns the plaintext that was sealed for row, under any key of the ring. It fails with
// [ErrKeyUnknown] or [ErrUnopened], and then returns nothing.
func (k *Keyring) Open(sealed, row []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealFormat {
		return nil, ErrUnopened
	}
	id, rest, ok := cutKeyID(sealed[1:])
	if !ok || len(rest) < 1+nonceSize+tagSize {
		return nil, ErrUnopened
	}
	maker, ok := k.ring.byName[string(id)]
	if !ok {
		return nil, fmt.Errorf("open: %w", ErrKeyUnknown)
	}
	box, nonce, body := maker.boxes[rest[0]], rest[1:1+nonceSize], rest[1+nonceSize:]
	plaintext, err := box.Open(make([]byte, 0, len(body)-tagSize), nonce, body, row)
	if err != nil {
		return nil, ErrUnopened
	}
	return plaintext, nil
}

// appendName writes a name of at most 255 bytes behind its length.
func appendName(out []byte, name string) []byte {
	return append(append(out, byte(len(name)&0xff)), name...)
}

// cutKeyID reads a key's name behind its length.
func cutKeyID(b []byte) (id, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	n := int(b[0])
	if n == 0 || n > nameMax || len(b) < 1+n {
		return nil, nil, false
	}
	return b[1 : 1+n], b[1+n:], true
}
