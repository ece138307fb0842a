package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"strconv"
	"sync"
)

// The info texts of HKDF. They are part of the frozen formats.
const (
	infoSeal        = "kvit/v1/seal"
	infoLink        = "kvit/v1/link"
	infoFingerprint = "kvit/v1/fingerprint"
	infoCheck       = "kvit/v1/check"
	infoMAC         = "kvit/v1/mac"
)

// boxes is how many sealing keys one root has; see [Keyring.Seal].
const boxes = 256

// scratchMax bounds the buffer that a macer keeps for its next use.
const scratchMax = 64 << 10

// key is one named root with everything that is derived from it.
type key struct {
	name        string
	root        []byte
	boxes       [boxes]cipher.AEAD
	link        *macer
	fingerprint *macer
	check       *macer
	mac         *macer
}

func newKey(name string, root []byte) (*key, error) {
	k := &key{name: name, root: root}
	for info, m := range map[string]**macer{
		infoLink: &k.link, infoFingerprint: &k.fingerprint, infoCheck: &k.check, infoMAC: &k.mac,
	} {
		secret, err := derive(root, info)
		if err != nil {
			return nil, err
		}
		*m = &macer{secret: secret}
	}
	for i := range k.boxes {
		secret, err := derive(root, infoSeal+"/"+strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(secret)
		if err != nil {
			return nil, fmt.Errorf("make cipher: %w", err)
		}
		if k.boxes[i], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("make cipher: %w", err)
		}
	}
	return k, nil
}

// derive makes the key for one purpose. Without a salt: the root is uniformly random.
func derive(root []byte, info string) ([]byte, error) {
	secret, err := hkdf.Key(sha256.New, root, nil, info, rootSize)
	if err != nil {
		return nil, fmt.Errorf("derive %s: %w", info, err)
	}
	return secret, nil
}

// macer computes HMAC-SHA256 under one key and keeps the hash states for the next use.
type macer struct {
	secret []byte
	pool   sync.Pool
}

type macState struct {
	hash hash.Hash
	in   []byte
	out  [sha256.Size]byte
}

// text returns the HMAC of s alone.
func (m *macer) text(s string) [sha256.Size]byte {
	st := m.state()
	st.in = append(st.in, s...)
	return m.sum(st)
}

// parts returns the HMAC of label and parts, each behind its length (8 bytes, big-endian), so that no
// two lists of parts are the same bytes.
func (m *macer) parts(label string, parts ...[]byte) [sha256.Size]byte {
	st := m.state()
	st.addText(label)
	for _, part := range parts {
		st.addBytes(part)
	}
	return m.sum(st)
}

func (st *macState) addText(s string) {
	st.in = append(binary.BigEndian.AppendUint64(st.in, uint64(len(s))), s...)
}

func (st *macState) addBytes(b []byte) {
	st.in = append(binary.BigEndian.AppendUint64(st.in, uint64(len(b))), b...)
}

func (m *macer) state() *macState {
	if st, ok := m.pool.Get().(*macState); ok {
		return st
	}
	return &macState{hash: hmac.New(sha256.New, m.secret)}
}

// sum finishes st and gives it back to the pool, without what it was fed.
func (m *macer) sum(st *macState) [sha256.Size]byte {
	st.hash.Reset()
	st.hash.Write(st.in)
	st.hash.Sum(st.out[:0])
	out := st.out
	clear(st.in)
	st.in = st.in[:0]
	if cap(st.in) <= scratchMax {
		m.pool.Put(st)
	}
	return out
}
