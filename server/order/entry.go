package order

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/kvitpay/kvit/server/fault"
)

// entryFormat is the first byte of an entry's stored bytes (J3). The rest is one JSON object.
const entryFormat = 1

// Entry is one line of a merchant's journal, and one order event as the outside sees it.
//
// What stands in the JSON is frozen in its bytes; Position, Bytes and the private text stand beside.
type Entry struct {
	ID       string `json:"id"`
	Merchant string `json:"merchant"`
	Type     Type   `json:"type"`
	// OrderID is empty for entries of fixed links, LinkID for entries of orders.
	OrderID string `json:"order_id,omitempty"`
	LinkID  string `json:"link_id,omitempty"`
	// Version is the order's version after this entry (or the link's, for link entries): 1, 2, 3 ...
	Version int64     `json:"version"`
	At      time.Time `json:"at"`
	Actor   Actor     `json:"actor"`
	Change  Change    `json:"change"`
	// View is the order as of this entry; nil for link entries.
	View *View `json:"order,omitempty"`
	// TextHash is the hex SHA-256 of salt and private text, empty where there is none (J3).
	TextHash string `json:"text_sha256,omitempty"`

	// Position is the entry's place in the merchant's journal, 1, 2, 3 ... (J2); 0 until written.
	Position uint64 `json:"-"`
	// Private is the erasable text beside the entry: salt, then JSON of Private; nil where there is none.
	Private []byte `json:"-"`
}

// View is an order as of one entry, without personal text. Amounts are minor units of Currency.
type View struct {
	State       State     `json:"state"`
	Kind        Kind      `json:"kind"`
	Capture     Capture   `json:"capture"`
	Live        bool      `json:"live,omitempty"`
	Currency    string    `json:"currency"`
	AmountMinor int64     `json:"amount"`
	Authorized  int64     `json:"authorized,omitempty"`
	Paid        int64     `json:"paid,omitempty"`
	Refunded    int64     `json:"refunded,omitempty"`
	LinkID      string    `json:"link_id"`
	OfferUntil  time.Time `json:"offer_until"`
	AcceptUntil time.Time `json:"accept_until"`
}

// Change is what an entry changes. Which parts are set follows from the entry's type.
type Change struct {
	// To is the state that the order enters; empty where the state stays.
	To State `json:"to,omitempty"`

	Order     *OfferFacts     `json:"facts,omitempty"`
	Link      *LinkFacts      `json:"link,omitempty"`
	Attempt   *AttemptFacts   `json:"attempt,omitempty"`
	Evidence  *Evidence       `json:"evidence,omitempty"`
	Payment   *PaymentFacts   `json:"payment,omitempty"`
	Refund    *RefundFacts    `json:"refund,omitempty"`
	Exception *ExceptionFacts `json:"exception,omitempty"`
}

// OfferFacts are the facts of order.created and order.reopened (the latter: link and times only).
type OfferFacts struct {
	LinkID      string    `json:"link_id"`
	TemplateID  string    `json:"template_id,omitempty"`
	Kind        Kind      `json:"kind,omitempty"`
	AmountMinor int64     `json:"amount,omitempty"`
	Currency    string    `json:"currency,omitempty"`
	Capture     Capture   `json:"capture,omitempty"`
	ItemsHash   string    `json:"items_sha256,omitempty"`
	Live        bool      `json:"live,omitempty"`
	Locale      string    `json:"locale,omitempty"`
	OfferUntil  time.Time `json:"offer_until"`
	AcceptUntil time.Time `json:"accept_until"`
}

// Private is what stands beside an entry and can be erased.
type Private struct {
	Details  *Details  `json:"details,omitempty"`
	Customer *Customer `json:"customer,omitempty"`
	Reason   string    `json:"reason,omitempty"`
}

func (p *Private) empty() bool {
	return p == nil || p.Reason == "" && (p.Customer == nil || *p.Customer == Customer{}) && p.Details.empty()
}

func (d *Details) empty() bool {
	return d == nil || d.Description == "" && d.Name == "" && d.Email == "" && d.Phone == "" &&
		len(d.Items) == 0 && len(d.Metadata) == 0 && d.SuccessURL == "" && d.FailureURL == ""
}

// saltLength is how many random bytes stand before a private text.
const saltLength = 16

// setPrivate puts the text beside the entry and its salted hash into it.
func (e *Entry) setPrivate(p *Private, salt [saltLength]byte) error {
	if p.empty() {
		return nil
	}
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode private text: %w", err)
	}
	e.Private = append(salt[:], text...)
	sum := sha256.Sum256(e.Private)
	e.TextHash = hex.EncodeToString(sum[:])
	return nil
}

// OpenPrivate reads the text beside an entry: the bytes of Entry.Private, as stored. No bytes give
// an empty Private: the text was erased, or there never was one.
func OpenPrivate(text []byte) (Private, error) {
	var p Private
	if len(text) == 0 {
		return p, nil
	}
	if len(text) < saltLength {
		return p, fault.New(fault.Internal, fault.ReasonInternal, "A private text is too short.")
	}
	if err := json.Unmarshal(text[saltLength:], &p); err != nil {
		return p, fmt.Errorf("decode private text: %w", err)
	}
	return p, nil
}

// TextFits reports whether text is the private text that the entry was written with. No text fits
// every entry: it was erased, or there never was one.
func (e *Entry) TextFits(text []byte) bool {
	if len(text) == 0 {
		return true
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]) == e.TextHash
}

// withoutView hides an entry's View from the encoder, without a copy of the entry.
type withoutView struct {
	*Entry
	View *View `json:"order,omitempty"`
}

// Encode returns the bytes to store. They are what the chain covers and are never made again (J3).
func (e *Entry) Encode() ([]byte, error) {
	var b bytes.Buffer
	b.Grow(768)
	b.WriteByte(entryFormat)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	var kept any = e
	if e.Type == OrderCreated {
		kept = withoutView{Entry: e} // Its facts are the view.
	}
	if err := enc.Encode(kept); err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Decode reads stored bytes. Unknown fields are kept out silently: a newer server may have written them.
func Decode(stored []byte) (Entry, error) {
	var e Entry
	if len(stored) == 0 || stored[0] != entryFormat {
		return e, fault.New(fault.Internal, fault.ReasonInternal, "A journal entry has a format that this server does not know.")
	}
	if err := json.Unmarshal(stored[1:], &e); err != nil {
		return e, fmt.Errorf("decode entry: %w", err)
	}
	if e.Type == OrderCreated {
		var o Order
		if err := o.fold(&e); err != nil {
			return e, err
		}
		e.View = o.View()
	}
	return e, nil
}

// Hash is a link of the journal's chain.
type Hash [sha256.Size]byte

// Digest is d of J3: the hash of an entry's stored bytes.
func Digest(stored []byte) Hash { return sha256.Sum256(stored) }

// Next is h[p] of J3: SHA-256(h[p-1] ‖ be64(p) ‖ d). The chain begins with the zero Hash at position 0.
func (h Hash) Next(position uint64, digest Hash) Hash {
	var in [2*sha256.Size + 8]byte
	copy(in[:], h[:])
	binary.BigEndian.PutUint64(in[sha256.Size:], position)
	copy(in[sha256.Size+8:], digest[:])
	return sha256.Sum256(in[:])
}

// View is the order as it stands, without personal text.
func (o *Order) View() *View {
	return &View{
		State: o.State, Kind: o.Terms.Kind, Capture: o.Terms.Capture, Live: o.Live,
		Currency: o.Currency().Code(), AmountMinor: o.Terms.Amount.Minor(),
		Authorized: o.AuthorizedMinor(), Paid: o.Paid(), Refunded: o.Refunded(),
		LinkID: o.LinkID, OfferUntil: o.OfferUntil, AcceptUntil: o.AcceptUntil,
	}
}

// record writes an entry: it folds the change in and keeps the entry to be saved.
func (o *Order) record(act Act, typ Type, change Change, private *Private) error {
	number, before := *act.Entries, len(o.entries)
	o.entries = append(o.entries, Entry{
		ID: act.IDs.ID("evt_", number), Merchant: o.Merchant, OrderID: o.ID.text, Type: typ,
		Version: o.Version + 1, At: instant(act.Now), Actor: act.Actor, Change: change,
	})
	e := &o.entries[before]
	err := e.setPrivate(private, act.IDs.salt(number))
	if err == nil {
		err = o.fold(e)
	}
	if err != nil {
		o.entries = o.entries[:before]
		return err
	}
	e.View = o.View()
	*act.Entries = number + 1
	return nil
}
