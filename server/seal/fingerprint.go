package seal

import (
	"slices"
	"strings"
)

// A fingerprint is, in this order:
//
//	1 byte   the version, 1
//	1 byte   length of the key's name
//	n bytes  the key's name
//	then for each field, in the order of their names:
//	  1 byte   length of the field's name
//	  m bytes  the field's name
//	  8 bytes  the beginning of HMAC-SHA256 over the name and the value, each behind its length
const (
	fingerprintVersion = 1
	fieldHashSize      = 8
	fieldNameMax       = 255
)

// FieldValue is one semantic field of a request: the name under which a caller knows it, and its value
// in a form that is the same for the same meaning.
type FieldValue struct {
	// Name is a path as in the proto, "amount.minor_units". It is kept in the clear. Only its first
	// 255 bytes count. Where a name is given twice, the values count together, in their order.
	Name string
	// Value is not kept, only its keyed hash.
	Value []byte
}

// Fingerprint makes a keyed hash per field, under the active key, in a form that can be kept for as
// long as the request's result (I1). A field that is absent and one that is empty differ: leave absent
// ones out. The order of fields does not matter.
func (k *Keyring) Fingerprint(fields []FieldValue) []byte {
	active := k.ring.active
	hashes := active.fieldHashes(fields)
	size := 2 + len(active.name)
	for _, h := range hashes {
		size += 1 + len(h.name) + fieldHashSize
	}
	out := make([]byte, 0, size)
	out = appendName(append(out, fingerprintVersion), active.name)
	for _, h := range hashes {
		out = append(appendName(out, h.name), h.hash[:]...)
	}
	return out
}

// Compare tells whether fields are those of a fingerprint made earlier, under any key of the ring, and
// names the fields that were changed, added or removed, sorted. It fails with [ErrFingerprint] where
// the bytes are none, and [ErrKeyUnknown] where their key is not in the ring.
func (k *Keyring) Compare(fingerprint []byte, fields []FieldValue) (same bool, changed []string, err error) {
	id, before, err := readFingerprint(fingerprint)
	if err != nil {
		return false, nil, err
	}
	maker, ok := k.ring.byName[id]
	if !ok {
		return false, nil, ErrKeyUnknown
	}
	now := maker.fieldHashes(fields)
	// Both lists are sorted by name, and a name stands in each once.
	for len(before) > 0 || len(now) > 0 {
		switch order := compareFirst(before, now); {
		case order < 0:
			changed = append(changed, before[0].name)
			before = before[1:]
		case order > 0:
			changed = append(changed, now[0].name)
			now = now[1:]
		default:
			if now[0].hash != before[0].hash {
				changed = append(changed, now[0].name)
			}
			before, now = before[1:], now[1:]
		}
	}
	return len(changed) == 0, changed, nil
}

// compareFirst orders the first names of two lists; an empty list comes last.
func compareFirst(a, b []fieldHash) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	default:
		return strings.Compare(a[0].name, b[0].name)
	}
}

type fieldHash struct {
	name string
	hash [fieldHashSize]byte
}

// fieldHashes returns one hash per name, sorted by name.
func (k *key) fieldHashes(fields []FieldValue) []fieldHash {
	sorted := slices.Clone(fields)
	for i := range sorted {
		sorted[i].Name = sorted[i].Name[:min(len(sorted[i].Name), fieldNameMax)]
	}
	slices.SortStableFunc(sorted, func(a, b FieldValue) int { return strings.Compare(a.Name, b.Name) })
	hashes := make([]fieldHash, 0, len(sorted))
	for len(sorted) > 0 {
		name, values := sorted[0].Name, 1
		for values < len(sorted) && sorted[values].Name == name {
			values++
		}
		hashes = append(hashes, fieldHash{name: name, hash: k.fieldHash(name, sorted[:values])})
		sorted = sorted[values:]
	}
	return hashes
}

func (k *key) fieldHash(name string, values []FieldValue) [fieldHashSize]byte {
	st := k.fingerprint.state()
	st.addText(name)
	for _, v := range values {
		st.addBytes(v.Value)
	}
	sum := k.fingerprint.sum(st)
	return [fieldHashSize]byte(sum[:fieldHashSize])
}

// readFingerprint takes a stored fingerprint apart. Names must be sorted, each once, as they are made.
func readFingerprint(fingerprint []byte) (string, []fieldHash, error) {
	if len(fingerprint) == 0 || fingerprint[0] != fingerprintVersion {
		return "", nil, ErrFingerprint
	}
	id, rest, ok := cutKeyID(fingerprint[1:])
	if !ok {
		return "", nil, ErrFingerprint
	}
	var hashes []fieldHash
	for len(rest) > 0 {
		n := int(rest[0])
		if len(rest) < 1+n+fieldHashSize {
			return "", nil, ErrFingerprint
		}
		h := fieldHash{name: string(rest[1 : 1+n]), hash: [fieldHashSize]byte(rest[1+n : 1+n+fieldHashSize])}
		if len(hashes) > 0 && hashes[len(hashes)-1].name >= h.name {
			return "", nil, ErrFingerprint
		}
		hashes = append(hashes, h)
		rest = rest[1+n+fieldHashSize:]
	}
	return string(id), hashes, nil
}
