package order

import (
	"encoding/base64"
	"encoding/binary"
	"math"

	"github.com/kvitpay/kvit/server/fault"
)

// cursorFormat is the first byte of a cursor.
const cursorFormat = 1

// cursorProof is how many bytes of the chain's hash a cursor holds.
const cursorProof = 8

// cursorLength is how many characters a cursor has.
const cursorLength = 23

// Cursor is a place in a merchant's journal: a position and the first bytes of the chain's hash
// there, so that a restored backup or another installation is recognised (J6). The zero Cursor is
// the beginning.
type Cursor struct {
	position uint64
	proof    [cursorProof]byte
}

// CursorAt is the place after the entry at position, where the chain's hash is head.
func CursorAt(position uint64, head Hash) Cursor {
	c := Cursor{position: position}
	copy(c.proof[:], head[:])
	return c
}

// ParseCursor reads what String wrote. The fault is Invalid, CURSOR_INVALID.
func ParseCursor(text string) (Cursor, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	whole := err == nil && len(text) == cursorLength && len(raw) == 1+8+cursorProof // The decoder skips line ends.
	if !whole || raw[0] != cursorFormat || raw[1] > math.MaxInt8 {                  // A position fits int64.
		return Cursor{}, fault.New(fault.Invalid, fault.ReasonCursorInvalid, "The cursor cannot be read.")
	}
	c := Cursor{position: binary.BigEndian.Uint64(raw[1:9])}
	copy(c.proof[:], raw[9:])
	return c, nil
}

// String is the cursor as clients keep it: opaque, 23 characters.
func (c Cursor) String() string {
	var raw [1 + 8 + cursorProof]byte
	raw[0] = cursorFormat
	binary.BigEndian.PutUint64(raw[1:9], c.position)
	copy(raw[9:], c.proof[:])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// Position is the last entry that the holder has seen; 0 is none.
func (c Cursor) Position() uint64 { return c.position }

// Fits reports whether the chain's hash at the cursor's position is head.
func (c Cursor) Fits(head Hash) bool { return c.proof == [cursorProof]byte(head[:cursorProof]) }
