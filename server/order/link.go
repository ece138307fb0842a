package order

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
)

// LinkState is where a payment link stands.
type LinkState string

// The states of a link. LinkExpired is shown by reads and never stored.
const (
	LinkActive      LinkState = "ACTIVE"
	LinkInactive    LinkState = "DEACTIVATED"
	LinkExpired     LinkState = "EXPIRED"
	tokenHashLength           = 32
)

// Link is an address that a payer can open (L1). A dynamic link belongs to one order; a fixed link is a template.
type Link struct {
	Merchant string
	ID       string
	Kind     Kind
	// OrderID is the order of a dynamic link.
	OrderID ID
	State   LinkState
	Amount  money.Amount
	Capture Capture
	Live    bool
	Locale  string
	// KeyID and TokenHash find and print the address (L1); the token itself is nowhere.
	KeyID     string
	TokenHash [tokenHashLength]byte
	// ExpiresAt ends the offer of a dynamic link, or the use of a fixed one.
	ExpiresAt time.Time
	// OrderExpiresIn is how long an order of a fixed link is offered; 0 on dynamic links.
	OrderExpiresIn time.Duration
	// Accounts are the PSP accounts to which the link is restricted, in the order in which payers see them;
	// none means all of the merchant's.
	Accounts      []string
	CreatedAt     time.Time
	DeactivatedAt time.Time
	Version       int64
	// DetailsID is the entry beside which the words stand: the link's own, or its order's.
	DetailsID string
	// Details are filled in by reads, never by the write path.
	Details *Details

	entries []Entry
}

// LinkFacts are the facts of link.created. The token's hash is no secret: it opens no link (L1).
type LinkFacts struct {
	ID             string        `json:"id"`
	Kind           Kind          `json:"kind"`
	OrderID        string        `json:"order_id,omitempty"`
	AmountMinor    int64         `json:"amount"`
	Currency       string        `json:"currency"`
	Capture        Capture       `json:"capture"`
	Live           bool          `json:"live,omitempty"`
	Locale         string        `json:"locale,omitempty"`
	KeyID          string        `json:"key_id"`
	TokenHash      string        `json:"token_sha256"` // Hex, like every hash in an entry.
	ExpiresAt      time.Time     `json:"expires_at"`
	OrderExpiresIn time.Duration `json:"order_expires_in_ns,omitempty"`
	Accounts       []string      `json:"accounts,omitempty"`
}

// LinkSpec is what a new link is made from. Details are those of a fixed link; a dynamic link shows its order's.
type LinkSpec struct {
	Merchant       string
	ID             string
	Kind           Kind
	OrderID        ID
	Amount         money.Amount
	Capture        Capture
	Live           bool
	Locale         string
	KeyID          string
	TokenHash      [tokenHashLength]byte
	ExpiresAt      time.Time
	OrderExpiresIn time.Duration
	Accounts       []string
	Details        *Details
}

// CreateLink makes a link.
func CreateLink(act Act, spec LinkSpec) (*Link, error) {
	if spec.Amount.Sign() <= 0 {
		return nil, invalidField("amount.minor_units", "must be more than zero")
	}
	if !spec.ExpiresAt.After(act.Now) {
		return nil, invalidField("expires_at", "must lie in the future")
	}
	l := &Link{Merchant: spec.Merchant, ID: spec.ID, OrderID: spec.OrderID}
	err := l.record(act, LinkCreated, &LinkFacts{
		ID: spec.ID, Kind: spec.Kind, OrderID: spec.OrderID.text, AmountMinor: spec.Amount.Minor(),
		Currency: spec.Amount.Currency().Code(), Capture: spec.Capture, Live: spec.Live, Locale: spec.Locale,
		KeyID: spec.KeyID, TokenHash: hex.EncodeToString(spec.TokenHash[:]), ExpiresAt: instant(spec.ExpiresAt), OrderExpiresIn: spec.OrderExpiresIn,
		Accounts: slices.Clone(spec.Accounts),
	}, &Private{Details: spec.Details})
	return l, err
}

// Deactivate closes the link, the only state that a client can set (L3). Repeated, it changes nothing.
func (l *Link) Deactivate(act Act) error {
	if l.State == LinkInactive {
		return nil
	}
	return l.record(act, LinkDeactivated, nil, act.private())
}

// StateAt is the state that a reader sees at now.
func (l *Link) StateAt(now time.Time) LinkState {
	if l.State == LinkActive && !now.Before(l.ExpiresAt) {
		return LinkExpired
	}
	return l.State
}

// Entries returns what was decided since the link was loaded, in order.
func (l *Link) Entries() []Entry { return l.entries }

// Clone returns a copy that shares nothing that a decision changes.
func (l *Link) Clone() *Link {
	c := *l
	c.Accounts, c.entries = slices.Clone(l.Accounts), slices.Clone(l.entries)
	return &c
}

func (l *Link) record(act Act, typ Type, facts *LinkFacts, private *Private) error {
	number, before := *act.Entries, len(l.entries)
	l.entries = append(l.entries, Entry{
		ID: act.IDs.ID("evt_", number), Merchant: l.Merchant, OrderID: l.OrderID.text, LinkID: l.ID, Type: typ,
		Version: l.Version + 1, At: instant(act.Now), Actor: act.Actor, Change: Change{Link: facts},
	})
	e := &l.entries[before]
	err := e.setPrivate(private, act.IDs.salt(number))
	if err == nil {
		err = l.fold(e)
	}
	if err != nil {
		l.entries = l.entries[:before]
		return err
	}
	*act.Entries = number + 1
	return nil
}

// fold changes the link by one entry, when it is written and when it is replayed (O3).
func (l *Link) fold(e *Entry) error {
	if e.Version != l.Version+1 {
		return broken("link entry %s has version %d after %d", e.ID, e.Version, l.Version)
	}
	switch {
	case e.Type == LinkCreated && e.Change.Link != nil && l.Version == 0:
		if err := l.foldCreated(e); err != nil {
			return err
		}
	case e.Type == LinkDeactivated && l.State == LinkActive:
		l.State, l.DeactivatedAt = LinkInactive, e.At
	default:
		return broken("a link in state %q has no %s", l.State, e.Type)
	}
	l.Version = e.Version
	return nil
}

func (l *Link) foldCreated(e *Entry) error {
	f := e.Change.Link
	amount, err := money.New(f.AmountMinor, f.Currency)
	if err != nil {
		return err
	}
	hash, err := hex.DecodeString(f.TokenHash)
	if err != nil || len(hash) != tokenHashLength {
		return broken("link %s has no token hash", f.ID)
	}
	var orderID ID
	if f.OrderID != "" {
		if orderID, err = ParseID(f.OrderID); err != nil {
			return err
		}
	}
	*l = Link{
		Merchant: e.Merchant, ID: f.ID, Kind: f.Kind, OrderID: orderID, State: LinkActive, Amount: amount,
		Capture: f.Capture, Live: f.Live, Locale: f.Locale, KeyID: f.KeyID, TokenHash: [tokenHashLength]byte(hash),
		ExpiresAt: f.ExpiresAt, OrderExpiresIn: f.OrderExpiresIn, Accounts: slices.Clone(f.Accounts), CreatedAt: e.At,
		entries: l.entries,
	}
	if e.TextHash != "" {
		l.DetailsID = e.ID
	}
	return nil
}

// ReplayLink makes a link from its entries, oldest first (O3).
func ReplayLink(entries []Entry) (*Link, error) {
	l := &Link{}
	for i := range entries {
		if err := l.fold(&entries[i]); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Usable reports as a fault why the link offers nothing at now, or nil.
func (l *Link) Usable(now time.Time) error {
	if state := l.StateAt(now); state != LinkActive {
		return fault.New(fault.Precondition, fault.ReasonLinkInactive, "The payment link is no longer offered.",
			fault.With("state", string(state)))
	}
	return nil
}
