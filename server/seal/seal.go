// Package seal holds the installation's keys, and everything that is done with them (A2).
//
// A key is a name and a root of 32 random bytes. From the root one key per purpose is derived with
// HKDF-SHA256, so that a sealed text, a link's token, a fingerprint and a page's nonce never share a key:
//
//   - [Keyring.Seal] and [Keyring.Open]: raw evidence and recorded results, bound to their row (J5);
//   - [Keyring.LinkToken]: the secret part of a link's address (L1);
//   - [Keyring.Fingerprint] and [Keyring.Compare]: whether a repeated request is the same (I1);
//   - [Keyring.MAC]: nonces, checkpoints, page tokens, each with a purpose of its own;
//   - [Keyring.CheckValues] and [Keyring.Fits]: whether these keys are the database's keys.
//
// The keys of a ring are ordered. The first is active: it makes what is new. The others still open and
// recognise what they made, so a key is rotated by writing a new line above the old ones. Beside the
// keys the package makes and reads the secrets of callers ([NewAPIKey], [ParseAPIKey]; A1).
//
// The formats are frozen: the golden tests hold their bytes.
//
// The package promises that a [Keyring] never prints a key, and that no error of it holds a key or a
// secret. It does not promise to keep keys out of a memory dump.
//
// Concurrency: a Keyring does not change after [Parse] and may be used from many goroutines.
//
// Failure: what cannot be opened is [ErrUnopened] or [ErrKeyUnknown]; nothing is ever opened in part.
package seal

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Limits of the key text.
const (
	rootSize     = 32
	nameMax      = 16
	keysMax      = 64
	keysTextMax  = 64 << 10
	redactedText = "[redacted]"
)

// Errors that callers may tell apart.
var (
	// ErrKeyUnknown means that the key that made this is not in the ring.
	ErrKeyUnknown = errors.New("the key that made this is not among the installation's keys")
	// ErrUnopened means that this is damaged, belongs to another row, or was never sealed by these keys.
	ErrUnopened = errors.New("sealed text cannot be opened: damaged, or of another row")
	// ErrFingerprint means that a stored fingerprint cannot be read.
	ErrFingerprint = errors.New("fingerprint cannot be read")
)

// Keyring is the installation's keys. The zero Keyring has none; make one with [Parse].
type Keyring struct {
	// ring is a pointer so that no printing of a struct that holds a Keyring reaches the keys.
	ring *ring
}

type ring struct {
	active *key
	order  []string
	byName map[string]*key
}

// Parse reads the text of KVIT_KEYS: one key per line, its name and its root, the active key first.
//
//	# 2026-11: the new key
//	k2 0f3v...43 characters of base64url, which are 32 bytes...
//	k1 pQ9x...
//
// Names are of [a-z0-9-]{1,16}. Empty lines and lines that begin with # are skipped. All faults are
// reported together; each names its line and never a key.
func Parse(text []byte) (*Keyring, error) {
	if len(text) > keysTextMax {
		return nil, fmt.Errorf("keys: more than %d bytes", keysTextMax)
	}
	r := &ring{byName: map[string]*key{}}
	var faults []error
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if err := r.add(line); err != nil {
			faults = append(faults, fmt.Errorf("keys line %d: %w", number, err))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if len(r.order) == 0 {
		return nil, errors.New("keys: there is no key; each line is a name and 32 bytes in base64url")
	}
	r.active = r.byName[r.order[0]]
	return &Keyring{ring: r}, nil
}

// add takes one line into the ring. Its errors never hold the line.
func (r *ring) add(line []byte) error {
	fields := bytes.Fields(line)
	if len(fields) != 2 {
		return fmt.Errorf("want a name and a key with a space between, not %d words", len(fields))
	}
	name := string(fields[0])
	if !validName(name) {
		return fmt.Errorf("the name must be 1 to %d of a-z, 0-9 and -", nameMax)
	}
	encoding := base64.RawURLEncoding.Strict()
	root, err := encoding.DecodeString(string(fields[1]))
	if err != nil || len(root) != rootSize {
		return fmt.Errorf("the key must be %d bytes in base64url without padding (%d characters)",
			rootSize, encoding.EncodedLen(rootSize))
	}
	if _, ok := r.byName[name]; ok {
		return errors.New("a key of this name stands above")
	}
	for _, other := range r.byName {
		if subtle.ConstantTimeCompare(other.root, root) == 1 {
			return errors.New("the same key stands above under another name")
		}
	}
	if len(r.order) == keysMax {
		return fmt.Errorf("more than %d keys", keysMax)
	}
	k, err := newKey(name, root)
	if err != nil {
		return err
	}
	r.order = append(r.order, name)
	r.byName[name] = k
	return nil
}

// Generate makes the text of a new key, for [Parse] and for a file that only the server may read.
// To rotate, put it above the text of the keys before.
func Generate(name string, random io.Reader) ([]byte, error) {
	if !validName(name) {
		return nil, fmt.Errorf("generate key: the name must be 1 to %d of a-z, 0-9 and -", nameMax)
	}
	root := make([]byte, rootSize)
	if _, err := io.ReadFull(random, root); err != nil {
		return nil, fmt.Errorf("generate key %s: %w", name, err)
	}
	return fmt.Appendf(nil, "%s %s\n", name, base64.RawURLEncoding.EncodeToString(root)), nil
}

func validName(name string) bool {
	if name == "" || len(name) > nameMax {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// ActiveID returns the name of the key that makes what is new.
func (k *Keyring) ActiveID() string { return k.ring.active.name }

// IDs returns the names of all keys, the active one first.
func (k *Keyring) IDs() []string { return append([]string(nil), k.ring.order...) }

// Format prints [redacted] for every verb.
func (k *Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedText) }

// String returns [redacted].
func (k *Keyring) String() string { return redactedText }

// LogValue makes slog print [redacted].
func (k *Keyring) LogValue() slog.Value { return slog.StringValue(redactedText) }

// MarshalText makes JSON, YAML and the like print [redacted].
func (k *Keyring) MarshalText() ([]byte, error) { return []byte(redactedText), nil }
