// Package order holds what Kvit is about: payment links, orders, attempts, payments, refunds,
// exceptions and the journal entries that tell their story.
//
// Its one idea: every change is first an [Entry], and one function, fold, turns entries into state.
// A decision (Create, Cancel, Apply ...) looks at an order, refuses or writes entries, and each
// entry is folded in as it is written. Replaying the journal therefore gives the row (O3), because
// there is no other way to make one.
//
// The room is pure: no clock, no randomness, no I/O. The time, the actor, ids and salts arrive in
// an [Act], made before the command is queued, so that a decision that runs twice decides the same.
//
// Concurrency: an Order is a value that one goroutine holds. Clone it before deciding on a shared one.
package order

import (
	"slices"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
)

// idLengthMax is how long an order id may be.
const idLengthMax = 64

// ID is the merchant's name of an order: 1 to 64 of A-Z a-z 0-9 . _ : -. It is unique per merchant, for ever (O1).
type ID struct{ text string }

// ParseID reads an order id. The fault is Invalid, REQUEST_INVALID, for the field order_id.
func ParseID(text string) (ID, error) {
	if text == "" || len(text) > idLengthMax {
		return ID{}, invalidField("order_id", "must have 1 to 64 characters")
	}
	for i := range len(text) {
		if !idCharacter(text[i]) {
			return ID{}, invalidField("order_id", "may hold only letters, digits and . _ : -")
		}
	}
	return ID{text}, nil
}

// String returns the id as the merchant wrote it.
func (id ID) String() string { return id.text }

// IsZero reports whether there is no id.
func (id ID) IsZero() bool { return id.text == "" }

func idCharacter(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	default:
		return c == '.' || c == '_' || c == ':' || c == '-'
	}
}

func invalidField(path, message string) error {
	return fault.New(fault.Invalid, fault.ReasonRequestInvalid, "The request is not valid: "+path+" "+message+".",
		fault.WithFields(fault.Field{Path: path, Message: message}))
}

// Kind says whether a link belongs to one order or makes one for each payer.
type Kind string

// The kinds of link and order.
const (
	Dynamic Kind = "DYNAMIC"
	Fixed   Kind = "FIXED"
)

// Capture says when the money is taken.
type Capture string

// The capture modes.
const (
	Automatic Capture = "AUTOMATIC"
	Manual    Capture = "MANUAL"
)

// Customer is whom an order is for, by ids that the merchant and Viber gave. The zero value binds nobody.
type Customer struct {
	CustomerID  string `json:"customer_id,omitempty"`
	ViberBot    string `json:"viber_bot,omitempty"`
	ViberUserID string `json:"viber_user_id,omitempty"`
}

// Terms are what an order is about. They never change (L3), and the same order_id with other terms is refused (O1).
type Terms struct {
	Kind     Kind
	Amount   money.Amount
	Capture  Capture
	Customer Customer
	// ItemsHash is the SHA-256 of the line items, empty where there are none; the items are Details.
	ItemsHash string
}

// Differences names the terms in which two orders differ, as the fields of CreatePaymentLinkRequest.
func (t Terms) Differences(other Terms) []string {
	var names []string
	note := func(differs bool, name string) {
		if differs {
			names = append(names, name)
		}
	}
	note(t.Kind != other.Kind, "kind")
	note(t.Amount.Minor() != other.Amount.Minor(), "amount.minor_units")
	note(t.Amount.Currency() != other.Amount.Currency(), "amount.currency_code")
	note(t.Capture != other.Capture, "capture_mode")
	note(t.Customer.CustomerID != other.Customer.CustomerID, "customer.customer_id")
	note(t.Customer.ViberBot != other.Customer.ViberBot || t.Customer.ViberUserID != other.Customer.ViberUserID, "customer.viber")
	note(t.ItemsHash != other.ItemsHash, "line_items")
	return names
}

// Details are an order's or a fixed link's words: shown to people, compared with nothing, and kept
// out of the journal's bytes, so that they can be erased (J3).
type Details struct {
	Description string            `json:"description,omitempty"`
	Name        string            `json:"name,omitempty"`
	Email       string            `json:"email,omitempty"`
	Phone       string            `json:"phone,omitempty"`
	Items       []Item            `json:"items,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	SuccessURL  string            `json:"success_url,omitempty"`
	FailureURL  string            `json:"failure_url,omitempty"`
}

// Item is one line of what is sold. AmountMinor is the line's total in minor units of the order's currency.
type Item struct {
	Name        string `json:"name"`
	Quantity    int64  `json:"quantity"`
	AmountMinor int64  `json:"amount_minor"`
}

// Order is one thing to be paid, with everything that happened to it.
//
// All amounts are minor units of the order's currency. Version counts the order's entries.
type Order struct {
	Merchant string
	ID       ID
	LinkID   string
	// TemplateID is the fixed link that the order came from; empty for orders of dynamic links (L5).
	TemplateID string
	Terms      Terms
	// Live is false for test orders, which pay at test accounts only (A1).
	Live   bool
	Locale string
	State  State
	// Resume is the state to go back to from MANUAL_REVIEW (O2); empty elsewhere.
	Resume  State
	Version int64
	// OfferUntil ends the offer, AcceptUntil the asking (E1).
	OfferUntil  time.Time
	AcceptUntil time.Time
	CreatedAt   time.Time
	UpdatedAt   time.Time
	// DetailsID is the id of the entry beside which the Details stand.
	DetailsID string
	// Details are filled in by reads, never by the write path.
	Details *Details
	// SettledBy is the payment on which the order settled, empty before.
	SettledBy string

	Attempts   []Attempt
	Payments   []Payment
	Refunds    []Refund
	Exceptions []Exception

	entries []Entry
}

// Entries returns what was decided since the order was loaded, in order.
func (o *Order) Entries() []Entry { return o.entries }

// Clone returns a copy that shares nothing that a decision changes. Entries not yet written come along.
func (o *Order) Clone() *Order {
	c := *o
	c.Attempts = slices.Clone(o.Attempts)
	for i := range c.Attempts {
		c.Attempts[i].Seen = slices.Clone(c.Attempts[i].Seen)
	}
	c.Payments = slices.Clone(o.Payments)
	c.Refunds = slices.Clone(o.Refunds)
	c.Exceptions = slices.Clone(o.Exceptions)
	c.entries = slices.Clone(o.entries)
	return &c
}

// Spec is what a new order is made from.
type Spec struct {
	Merchant    string
	ID          ID
	LinkID      string
	TemplateID  string
	Terms       Terms
	Live        bool
	Locale      string
	OfferUntil  time.Time
	AcceptUntil time.Time
	Details     Details
}

// Create makes an order. The terms were validated by the door; the amount must be positive (M1).
func Create(act Act, spec Spec) (*Order, error) {
	if spec.Terms.Amount.Sign() <= 0 {
		return nil, invalidField("amount.minor_units", "must be more than zero")
	}
	if !spec.OfferUntil.After(act.Now) || spec.AcceptUntil.Before(spec.OfferUntil) {
		return nil, invalidField("expires_at", "must lie in the future")
	}
	o := &Order{Merchant: spec.Merchant, ID: spec.ID}
	details, customer := spec.Details, spec.Terms.Customer // Copies, so that the rest of spec stays off the heap.
	err := o.record(act, OrderCreated, Change{
		To: Pending, Order: &OfferFacts{
			LinkID: spec.LinkID, TemplateID: spec.TemplateID, Kind: spec.Terms.Kind, AmountMinor: spec.Terms.Amount.Minor(),
			Currency: spec.Terms.Amount.Currency().Code(), Capture: spec.Terms.Capture,
			ItemsHash: spec.Terms.ItemsHash, Live: spec.Live, Locale: spec.Locale,
			OfferUntil: instant(spec.OfferUntil), AcceptUntil: instant(spec.AcceptUntil),
		},
	}, &Private{Details: &details, Customer: &customer})
	o.Terms.Customer = spec.Terms.Customer
	return o, err
}

// Offer answers a repeated create for an order that exists (O1): other terms are refused with the
// differences named; an expired, unpaid order without a live attempt is offered again with the new
// link and expiry; everything else is the order as it is. It reports whether it was reopened.
func (o *Order) Offer(act Act, spec Spec) (reopened bool, err error) {
	if diff := o.Terms.Differences(spec.Terms); len(diff) > 0 {
		return false, fault.New(fault.Conflict, fault.ReasonOrderIDConflict,
			"An order with this order_id exists with other terms: "+join(diff)+".",
			fault.With("changed_fields", join(diff)))
	}
	if o.StateAt(act.Now) != Expired || o.LiveAttempt() != nil {
		return false, nil
	}
	if !spec.OfferUntil.After(act.Now) || spec.AcceptUntil.Before(spec.OfferUntil) {
		return false, invalidField("expires_at", "must lie in the future")
	}
	if o.State != Expired {
		if err := o.Expire(act); err != nil {
			return false, err
		}
	}
	return true, o.record(act, OrderReopened, Change{
		To: Pending, Order: &OfferFacts{
			LinkID: spec.LinkID, OfferUntil: instant(spec.OfferUntil), AcceptUntil: instant(spec.AcceptUntil),
		},
	}, nil)
}

// StateAt is the state that a reader sees at now: an offer that ran out shows as expired before the
// sweeper has written it (E1).
func (o *Order) StateAt(now time.Time) State {
	if o.expirable(now) {
		return Expired
	}
	return o.State
}

func (o *Order) expirable(now time.Time) bool {
	return (o.State == Pending || o.State == Failed) && !now.Before(o.OfferUntil) && o.LiveAttempt() == nil
}

// Expire ends an offer that ran out. It does nothing where the order cannot expire now (E1).
func (o *Order) Expire(act Act) error {
	if !o.expirable(act.Now) {
		return nil
	}
	return o.record(act, OrderExpired, Change{To: Expired}, nil)
}

// Cancel stops the offer (O10). Repeated, it changes nothing. An authorized order is voided at the
// PSP first; money that is already here is refunded, not cancelled.
func (o *Order) Cancel(act Act) error {
	switch o.StateAt(act.Now) {
	case Cancelled:
		return nil
	case Pending, Processing, Failed:
		return o.record(act, OrderCancelled, Change{To: Cancelled}, act.private())
	case Expired:
		return o.refuse(act.Now, "The order has expired and cannot be cancelled.")
	case Authorized:
		return o.refuse(act.Now, "Money is held for the order: it is voided at the PSP, then cancelled.")
	case Paid, PartiallyRefunded, Refunded, ChargedBack, Review:
		return o.refuse(act.Now, "Money has arrived for the order: refund it instead.")
	}
	return o.refuse(act.Now, "The order cannot be cancelled.")
}

// refuse is a fault that names the state as a reader sees it now.
func (o *Order) refuse(now time.Time, message string) error {
	return fault.New(fault.Precondition, fault.ReasonOrderState, message,
		fault.With("state", string(o.StateAt(now))))
}

// Currency is the currency of all the order's amounts.
func (o *Order) Currency() money.Currency { return o.Terms.Amount.Currency() }

// Paid is what the settling payment captured, in minor units.
func (o *Order) Paid() int64 { return o.settling().Captured }

// Refunded is what went back of the settling payment, in minor units.
func (o *Order) Refunded() int64 { return o.settling().Refunded }

// AuthorizedMinor is what is held and not yet captured, over all payments in the order's currency.
func (o *Order) AuthorizedMinor() int64 {
	var sum int64
	for i := range o.Payments {
		p := &o.Payments[i]
		if p.Currency == o.Currency().Code() && p.onHold() {
			sum += p.Authorized
		}
	}
	return sum
}

func (o *Order) settling() Payment {
	if p := o.Payment(o.SettledBy); p != nil {
		return *p
	}
	return Payment{}
}

// Payment finds a payment by its id, or nil.
func (o *Order) Payment(id string) *Payment {
	for i := range o.Payments {
		if o.Payments[i].ID == id && id != "" {
			return &o.Payments[i]
		}
	}
	return nil
}
