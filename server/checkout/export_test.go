package checkout

import (
	"io"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/seal"
)

// Nonces are the page's nonces, for the fuzz target.
type Nonces struct{ inner nonces }

// NewNonces makes them.
func NewNonces(keys *seal.Keyring, random io.Reader, now func() time.Time) Nonces {
	return Nonces{nonces{keys: keys, random: random, now: now}}
}

// Make makes a nonce.
func (n Nonces) Make(token string) (string, error) { return n.inner.make(token) }

// Valid checks a nonce.
func (n Nonces) Valid(token, nonce string) bool { return n.inner.valid(token, nonce) }

// HasCard reports whether a state has a card.
func HasCard(state order.State) bool { _, ok := cards[sight(state)]; return ok }

// StatusOf is the code of a kind of fault, 0 where the table has forgotten it.
func StatusOf(kind fault.Kind) int { return statuses[kind] }

// CodePath draws the code of an address.
func CodePath(address string) (size int, path string) {
	drawn := newCode(address)
	return drawn.Size, drawn.Path
}
