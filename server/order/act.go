package order

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// ActorKind says what kind of somebody acted.
type ActorKind string

// The kinds of actor.
const (
	ByKey      ActorKind = "API_KEY"
	BySystem   ActorKind = "SYSTEM"
	ByPSP      ActorKind = "PSP"
	ByPayer    ActorKind = "PAYER"
	ByOperator ActorKind = "OPERATOR"
)

// Actor is who did it (X3): the id of an API key, the name of a worker, a PSP account.
type Actor struct {
	Kind ActorKind `json:"kind"`
	ID   string    `json:"id,omitempty"`
}

// Act is the circumstances of a decision. Everything that is not the order's own comes from here,
// so that running the decision again on fresh rows gives the same ids.
type Act struct {
	// Now is the database's clock, UTC, in microseconds.
	Now   time.Time
	Actor Actor
	// Reason is what the actor said. It is a person's text and stands beside the entry (J3).
	Reason string
	// IDs makes the ids of entries, payments and the rest.
	IDs IDs
	// Entries counts how many entries the command wrote so far, over all its orders and links.
	Entries *int
}

// IDs makes ids that sort by time from a seed that was made before the command was queued.
type IDs struct {
	// Seed is a UUIDv7 in bytes.
	Seed [16]byte
	// Salt is random and secret; it salts the hashes of private texts.
	Salt [16]byte
}

// NewAct returns an act of a command with these ids. Each run of the command starts a new one.
func NewAct(now time.Time, actor Actor, ids IDs) Act {
	return Act{Now: now, Actor: actor, IDs: ids, Entries: new(int)}
}

// idText is unpadded base32hex in lower case: it sorts like the bytes.
var idText = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding) //nolint:gochecknoglobals // A table.

// ID returns the id with this prefix and number: "lnk_06c8...". Numbers differ within a command.
func (s IDs) ID(prefix string, number int) string {
	id := s.Seed
	low := binary.BigEndian.Uint64(id[8:])
	binary.BigEndian.PutUint64(id[8:], low+uint64(number)) //nolint:gosec // Numbers are small counters; wrapping keeps ids distinct.
	return prefix + idText.EncodeToString(id[:])
}

// salt returns the secret salt of the entry with this number.
func (s IDs) salt(number int) [16]byte {
	var in [24]byte
	copy(in[:], s.Salt[:])
	binary.BigEndian.PutUint64(in[16:], uint64(number)) //nolint:gosec // A small counter.
	sum := sha256.Sum256(in[:])
	return [16]byte(sum[:16])
}

func (a Act) private() *Private {
	if a.Reason == "" {
		return nil
	}
	return &Private{Reason: a.Reason}
}

func join(names []string) string { return strings.Join(names, ", ") }
