package payment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/text"
	"github.com/kvitpay/kvit/server/writer"
)

const (
	// offerDefault, offerMin and offerMax bound how long an order is offered (E1).
	offerDefault = 24 * time.Hour
	offerMin     = time.Minute
	offerMax     = 90 * 24 * time.Hour
	// fixedLinkLife is how long a fixed link lives that names no end: E1's longest.
	fixedLinkLife = offerMax
	// methodCreate is the method in idempotency records; it never changes.
	methodCreate = "CreatePaymentLink"
	// commandSize is about what one command writes, in bytes beside its words.
	commandSize = 2 << 10
)

// CreateLink asks for a link, and for the order of a dynamic one.
type CreateLink struct {
	IdempotencyKey string
	Kind           order.Kind
	OrderID        string
	Amount         money.Amount
	Capture        order.Capture
	Customer       order.Customer
	Locale         string
	Details        order.Details
	// ExpiresAt or ExpiresIn end the offer; both zero mean the default.
	ExpiresAt time.Time
	ExpiresIn time.Duration
	// OrderExpiresIn is how long an order of a fixed link is offered; 0 means the default.
	OrderExpiresIn time.Duration
	// Accounts are the only PSP accounts at which payers may pay, in the order in which they see them; none
	// means all of the merchant's. They are no term of the order (O1).
	Accounts     []string
	ValidateOnly bool
}

// CreatedLink is what CreateLink answers. Order is nil for a fixed link.
type CreatedLink struct {
	Link  LinkInfo   `json:"link"`
	Order *OrderInfo `json:"order,omitempty"`
}

// errExists ends the decision for a new order: there is one with this id.
var errExists = errors.New("the order exists")

// CreateLink makes a link (L1, L3, L5), and says whether the answer is a recorded one. An order that
// exists with the same terms comes back, offered again where it expired unpaid (O1).
func (s *Service) CreateLink(ctx context.Context, caller Caller, in CreateLink) (CreatedLink, bool, error) {
	c, err := s.creation(caller, in)
	if err != nil {
		return CreatedLink{}, false, err
	}
	created, replayed, err := c.run(ctx, nil)
	for again := 0; errors.Is(err, errExists) && again < 3; again++ {
		// The order is there, or its link has changed since it was read: decide on what is known now.
		known, readErr := s.store.Order(ctx, store.OrderKey{Merchant: caller.Merchant, ID: in.OrderID})
		if readErr != nil {
			return CreatedLink{}, false, away(readErr)
		}
		created, replayed, err = c.run(ctx, &known)
	}
	if errors.Is(err, errExists) {
		return CreatedLink{}, false, away(err)
	}
	if err != nil {
		return CreatedLink{}, false, err
	}
	if created.Order != nil {
		created.Link.Details = created.Order.Details
	}
	if in.ValidateOnly && created.Link.ID == c.linkID { // It was never made.
		created.Link.ID = ""
		if created.Order != nil {
			created.Order.LinkID = ""
		}
		return created, false, nil
	}
	created.Link.URL = s.address(created.Link.KeyID, created.Link.ID)
	return created, replayed, nil
}

// creation is one CreateLink with everything that is made before it is queued.
type creation struct {
	service  *Service
	caller   Caller
	merchant Merchant
	in       CreateLink
	call     Call
	orderID  order.ID
	terms    order.Terms
	locale   string
	ids      order.IDs
	linkID   string
	keyID    string
	hash     [32]byte
}

func (s *Service) creation(caller Caller, in CreateLink) (*creation, error) {
	merchant, err := s.Merchant(caller)
	if err != nil {
		return nil, err
	}
	c := &creation{service: s, caller: caller, merchant: merchant, in: in, ids: s.newIDs()}
	if in.Kind == order.Dynamic {
		if c.orderID, err = order.ParseID(in.OrderID); err != nil {
			return nil, err
		}
	}
	if err := refuseCards(&in.Details); err != nil {
		return nil, err
	}
	items, err := itemsHash(in.Details.Items)
	if err != nil {
		return nil, err
	}
	if in.Capture == "" {
		in.Capture = order.Automatic
	}
	c.terms = order.Terms{Kind: in.Kind, Amount: in.Amount, Capture: in.Capture, Customer: in.Customer, ItemsHash: items}
	if lang, known := text.LangOf(in.Locale); known { // Else the payer's browser says, and then the merchant.
		c.locale = lang.String()
	}
	c.linkID = c.ids.ID("lnk_", 0)
	token, keyID := s.keys.LinkToken(c.linkID)
	c.keyID, c.hash = keyID, seal.TokenHash(token)
	c.call = Call{Method: methodCreate, Key: in.IdempotencyKey, Fields: c.fields(), ValidateOnly: in.ValidateOnly}
	return c, nil
}

// run queues the command. known is the order that exists already, or nil.
func (c *creation) run(ctx context.Context, known *store.OrderRead) (CreatedLink, bool, error) {
	cmd := writer.Command{Size: commandSize, Keys: store.Keys{
		Links: []store.LinkKey{{Merchant: c.caller.Merchant, ID: c.linkID}},
	}}
	if c.in.Kind == order.Dynamic {
		cmd.Keys.Orders = []store.OrderKey{{Merchant: c.caller.Merchant, ID: c.orderID.String()}}
	}
	if known != nil && known.Link != nil {
		cmd.Keys.Links = append(cmd.Keys.Links, store.LinkKey{Merchant: c.caller.Merchant, ID: known.Link.ID})
	}
	return once(ctx, c.service, c.caller, c.call, cmd, func(v *writer.View) (CreatedLink, error) {
		if err := c.payable(); err != nil {
			return CreatedLink{}, err
		}
		act := order.NewAct(v.Now(), c.caller.actor(), c.ids)
		if c.in.Kind == order.Fixed {
			return c.fixed(v, act)
		}
		return c.dynamic(v, act, known)
	})
}

// fixed makes a template.
func (c *creation) fixed(v *writer.View, act order.Act) (CreatedLink, error) {
	until, err := c.until(act.Now, fixedLinkLife)
	if err != nil {
		return CreatedLink{}, err
	}
	orderLife := c.in.OrderExpiresIn
	switch {
	case orderLife == 0:
		orderLife = offerDefault
	case !offerable(orderLife):
		return CreatedLink{}, fieldFault("order_expires_in", "must be 1 minute to 90 days")
	}
	link, err := order.CreateLink(act, c.linkSpec(until, orderLife, &c.in.Details))
	if err != nil {
		return CreatedLink{}, err
	}
	v.SaveLink(link)
	return CreatedLink{Link: linkInfo(link, &c.in.Details, act.Now)}, nil
}

// dynamic makes an order and its link, or answers for the order that is there (O1).
func (c *creation) dynamic(v *writer.View, act order.Act, known *store.OrderRead) (CreatedLink, error) {
	until, err := c.until(act.Now, offerDefault)
	if err != nil {
		return CreatedLink{}, err
	}
	spec := order.Spec{
		Merchant: c.caller.Merchant, ID: c.orderID, LinkID: c.linkID, Terms: c.terms, Live: c.caller.Live,
		Locale: c.locale, OfferUntil: until, AcceptUntil: until.Add(c.merchant.AcceptAfter), Details: c.in.Details,
	}
	o := v.Order(c.orderID)
	if o == nil {
		return c.newOrder(v, act, spec)
	}
	if o.Live != c.caller.Live {
		// A test order is paid at test accounts only: it must not come back as if it were a live one (A1).
		return CreatedLink{}, fault.New(fault.Conflict, fault.ReasonOrderIDConflict,
			"An order with this order_id was made with a key of the other mode, test or live.", fault.With("changed_fields", fieldMode))
	}
	reopened, err := o.Offer(act, spec)
	if err != nil {
		return CreatedLink{}, err
	}
	if known == nil {
		return CreatedLink{}, errExists // Its words and link are read first, then this is decided again.
	}
	if reopened {
		return c.reopened(v, act, o, known.Order.Details)
	}
	if known.Link == nil || known.Link.ID != o.LinkID {
		return CreatedLink{}, errExists
	}
	link := v.Link(o.LinkID)
	if link == nil {
		return CreatedLink{}, errExists
	}
	return c.answer(o, link, known.Order.Details, act.Now), nil
}

func (c *creation) newOrder(v *writer.View, act order.Act, spec order.Spec) (CreatedLink, error) {
	link, err := order.CreateLink(act, c.linkSpec(spec.OfferUntil, 0, nil))
	if err != nil {
		return CreatedLink{}, err
	}
	o, err := order.Create(act, spec)
	if err != nil {
		return CreatedLink{}, err
	}
	v.SaveLink(link)
	v.SaveOrder(o)
	return c.answer(o, link, &c.in.Details, act.Now), nil
}

func (c *creation) reopened(v *writer.View, act order.Act, o *order.Order, details *order.Details) (CreatedLink, error) {
	link, err := order.CreateLink(act, c.linkSpec(o.OfferUntil, 0, nil))
	if err != nil {
		return CreatedLink{}, err
	}
	v.SaveOrder(o)
	v.SaveLink(link)
	return c.answer(o, link, details, act.Now), nil
}

func (c *creation) answer(o *order.Order, link *order.Link, details *order.Details, now time.Time) CreatedLink {
	info := orderInfo(o, details, now)
	return CreatedLink{Link: linkInfo(link, nil, now), Order: &info}
}

func (c *creation) linkSpec(until time.Time, orderLife time.Duration, details *order.Details) order.LinkSpec {
	return order.LinkSpec{
		Merchant: c.caller.Merchant, ID: c.linkID, Kind: c.in.Kind, OrderID: c.orderID, Amount: c.terms.Amount,
		Capture: c.terms.Capture, Live: c.caller.Live, Locale: c.locale, KeyID: c.keyID, TokenHash: c.hash,
		ExpiresAt: until, OrderExpiresIn: orderLife, Accounts: c.in.Accounts, Details: details,
	}
}

// payable refuses a link that could not be paid as the settings are now. A repeat gets its recorded answer
// whatever became of the accounts (I2).
func (c *creation) payable() error {
	accounts, err := c.service.named(c.caller, c.in.Accounts)
	if err != nil {
		return err
	}
	return payable(accounts, wants{amount: c.terms.Amount, hold: c.terms.Capture == order.Manual, live: c.caller.Live})
}

// until is the end of the offer, by the database's clock (E1).
func (c *creation) until(now time.Time, standard time.Duration) (time.Time, error) {
	switch {
	case !c.in.ExpiresAt.IsZero():
		if !offerable(c.in.ExpiresAt.Sub(now)) {
			return time.Time{}, fieldFault("expires_at", "must lie 1 minute to 90 days ahead")
		}
		return c.in.ExpiresAt.UTC().Truncate(time.Microsecond), nil
	case c.in.ExpiresIn != 0:
		if !offerable(c.in.ExpiresIn) {
			return time.Time{}, fieldFault("expires_in", "must be 1 minute to 90 days")
		}
		return now.Add(c.in.ExpiresIn).Truncate(time.Microsecond), nil
	}
	return now.Add(standard).Truncate(time.Microsecond), nil
}

func offerable(life time.Duration) bool { return life >= offerMin && life <= offerMax }

func fieldFault(path, message string) error {
	return fault.New(fault.Invalid, fault.ReasonRequestInvalid, "The request is not valid: "+path+" "+message+".",
		fault.WithFields(fault.Field{Path: path, Message: message}))
}

// itemsHash is how line items are compared without being kept in the order's row (O1).
func itemsHash(items []order.Item) (string, error) {
	if len(items) == 0 {
		return "", nil
	}
	list, err := json.Marshal(items)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(list)
	return hex.EncodeToString(sum[:16]), nil
}

// fields are the request as sent (I1). A field that was not sent is left out.
func (c *creation) fields() []seal.FieldValue {
	in := &c.in
	f := fields{}
	f.text("kind", string(in.Kind))
	f.text("order_id", in.OrderID)
	f.text("amount.currency_code", in.Amount.Currency().Code())
	f.text("amount.minor_units", strconv.FormatInt(in.Amount.Minor(), 10))
	f.text("capture_mode", string(in.Capture))
	f.text("customer.customer_id", in.Customer.CustomerID)
	f.text("customer.viber.bot", in.Customer.ViberBot)
	f.text("customer.viber.user_id", in.Customer.ViberUserID)
	f.text("customer.name", in.Details.Name)
	f.text("customer.email", in.Details.Email)
	f.text("customer.phone", in.Details.Phone)
	f.text("customer.locale", in.Locale)
	f.text("description", in.Details.Description)
	f.text("success_url", in.Details.SuccessURL)
	f.text("failure_url", in.Details.FailureURL)
	if len(in.Details.Items) > 0 {
		f.text("line_items", c.terms.ItemsHash)
	}
	if len(in.Details.Metadata) > 0 {
		f.metadata(in.Details.Metadata)
	}
	if !in.ExpiresAt.IsZero() {
		f.text("expires_at", in.ExpiresAt.UTC().Format(time.RFC3339Nano))
	}
	if in.ExpiresIn != 0 {
		f.text("expires_in", in.ExpiresIn.String())
	}
	if in.OrderExpiresIn != 0 {
		f.text("order_expires_in", in.OrderExpiresIn.String())
	}
	f.text("psp_accounts", strings.Join(in.Accounts, " "))
	return f
}
