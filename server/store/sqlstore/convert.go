package sqlstore

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// micros is an instant in UTC. PostgreSQL has a type for it, SQLite keeps microseconds since 1970,
// and the JSON of both engines is read too. NULL is the zero time.
type micros struct{ time.Time }

// Scan reads a column.
func (m *micros) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		m.Time = time.Time{}
	case time.Time:
		m.Time = v.UTC()
	case int64:
		m.Time = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("a time cannot be a %T", src)
	}
	return nil
}

// UnmarshalJSON reads a column of a child.
func (m *micros) UnmarshalJSON(text []byte) error {
	switch {
	case bytes.Equal(text, []byte("null")):
		m.Time = time.Time{}
		return nil
	case len(text) > 0 && text[0] == '"':
		if err := m.Time.UnmarshalJSON(text); err != nil {
			return fmt.Errorf("read time: %w", err)
		}
		m.Time = m.UTC()
		return nil
	}
	var number int64
	if err := json.Unmarshal(text, &number); err != nil {
		return fmt.Errorf("read time: %w", err)
	}
	m.Time = time.UnixMicro(number).UTC()
	return nil
}

// orNull is the time as a parameter: NULL where there is none.
func (m *micros) orNull() *time.Time {
	if m.IsZero() {
		return nil
	}
	return &m.Time
}

// digest is 32 bytes, in a column or as hex in the JSON of either engine.
type digest [32]byte

// Scan reads a column.
func (d *digest) Scan(src any) error {
	raw, ok := src.([]byte)
	if !ok || len(raw) != len(d) {
		return fmt.Errorf("a hash has %d bytes", len(raw))
	}
	copy(d[:], raw)
	return nil
}

// UnmarshalText reads hex.
func (d *digest) UnmarshalText(text []byte) error {
	text = bytes.TrimPrefix(text, []byte(`\x`))
	if hex.DecodedLen(len(text)) != len(d) {
		return fmt.Errorf("a hash has %d digits", len(text))
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return fmt.Errorf("read hash: %w", err)
	}
	return nil
}

// orderRow is a row of orders.
type orderRow struct {
	Merchant    string `db:"merchant"`
	OrderID     string `db:"order_id"`
	LinkID      string `db:"link_id"`
	TemplateID  string `db:"template_id"`
	Kind        string `db:"kind"`
	Currency    string `db:"currency"`
	Amount      int64  `db:"amount"`
	Capture     string `db:"capture"`
	CustomerID  string `db:"customer_id"`
	ViberBot    string `db:"viber_bot"`
	ViberUserID string `db:"viber_user_id"`
	ItemsHash   string `db:"items_hash"`
	Live        bool   `db:"live"`
	Locale      string `db:"locale"`
	State       string `db:"state"`
	Resume      string `db:"resume"`
	Version     int64  `db:"version"`
	OfferUntil  micros `db:"offer_until"`
	AcceptUntil micros `db:"accept_until"`
	CreatedAt   micros `db:"created_at"`
	UpdatedAt   micros `db:"updated_at"`
	DetailsID   string `db:"details_id"`
	SettledBy   string `db:"settled_by"`
}

func (r *orderRow) key() store.OrderKey { return store.OrderKey{Merchant: r.Merchant, ID: r.OrderID} }

func orderRowOf(o *order.Order) orderRow {
	return orderRow{
		Merchant: o.Merchant, OrderID: o.ID.String(), LinkID: o.LinkID, TemplateID: o.TemplateID,
		Kind: string(o.Terms.Kind), Currency: o.Currency().Code(), Amount: o.Terms.Amount.Minor(),
		Capture: string(o.Terms.Capture), CustomerID: o.Terms.Customer.CustomerID,
		ViberBot: o.Terms.Customer.ViberBot, ViberUserID: o.Terms.Customer.ViberUserID,
		ItemsHash: o.Terms.ItemsHash, Live: o.Live, Locale: o.Locale,
		State: string(o.State), Resume: string(o.Resume), Version: o.Version,
		OfferUntil: micros{o.OfferUntil}, AcceptUntil: micros{o.AcceptUntil},
		CreatedAt: micros{o.CreatedAt}, UpdatedAt: micros{o.UpdatedAt},
		DetailsID: o.DetailsID, SettledBy: o.SettledBy,
	}
}

// order makes the order of its row and its children.
func (r *orderRow) order(children *childrenRow) (*order.Order, error) {
	id, err := order.ParseID(r.OrderID)
	if err != nil {
		return nil, fmt.Errorf("read order %s of %s: %w", r.OrderID, r.Merchant, err)
	}
	amount, err := money.New(r.Amount, r.Currency)
	if err != nil {
		return nil, fmt.Errorf("read order %s of %s: %w", r.OrderID, r.Merchant, err)
	}
	o := &order.Order{
		Merchant: r.Merchant, ID: id, LinkID: r.LinkID, TemplateID: r.TemplateID,
		Terms: order.Terms{
			Kind: order.Kind(r.Kind), Amount: amount, Capture: order.Capture(r.Capture),
			Customer:  order.Customer{CustomerID: r.CustomerID, ViberBot: r.ViberBot, ViberUserID: r.ViberUserID},
			ItemsHash: r.ItemsHash,
		},
		Live: r.Live, Locale: r.Locale, State: order.State(r.State), Resume: order.State(r.Resume), Version: r.Version,
		OfferUntil: r.OfferUntil.Time, AcceptUntil: r.AcceptUntil.Time,
		CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time,
		DetailsID: r.DetailsID, Details: nil, SettledBy: r.SettledBy,
		Attempts: nil, Payments: nil, Refunds: nil, Exceptions: nil,
	}
	if err := children.into(o); err != nil {
		return nil, fmt.Errorf("read order %s of %s: %w", r.OrderID, r.Merchant, err)
	}
	return o, nil
}

// childrenRow holds what stands below an order, each kind as a JSON array in the order of numbers.
type childrenRow struct {
	Attempts   []byte `db:"attempts"`
	Payments   []byte `db:"payments"`
	Refunds    []byte `db:"refunds"`
	Exceptions []byte `db:"exceptions"`
}

func (c *childrenRow) into(o *order.Order) (err error) {
	if c == nil {
		return nil
	}
	if o.Attempts, err = children(c.Attempts, (*attemptRow).attempt); err != nil {
		return err
	}
	if o.Payments, err = children(c.Payments, (*paymentRow).payment); err != nil {
		return err
	}
	if o.Refunds, err = children(c.Refunds, (*refundRow).refund); err != nil {
		return err
	}
	o.Exceptions, err = children(c.Exceptions, (*exceptionRow).exception)
	return err
}

func children[Row, T any](text []byte, convert func(*Row) T) ([]T, error) {
	if len(text) == 0 || string(text) == "[]" {
		return nil, nil
	}
	var rows []Row
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf("read children: %w", err)
	}
	out := make([]T, len(rows))
	for i := range rows {
		out[i] = convert(&rows[i])
	}
	return out, nil
}

// place is where a child stands. It is written, and read only as the order of the rows.
type place struct {
	Merchant string `json:"-"`
	OrderID  string `json:"-"`
	Number   int32  `json:"-"`
}

// attemptRow is a row of attempts.
type attemptRow struct {
	place

	AttemptID    string `json:"attempt_id"`
	Account      string `json:"account"`
	State        string `json:"state"`
	StartedAt    micros `json:"started_at"`
	SessionUntil micros `json:"session_until"`
	GraceNS      int64  `json:"grace_ns"`
	Failure      string `json:"failure"`
	// Seen are the facts, with commas between.
	Seen      string `json:"seen"`
	PaymentID string `json:"payment_id"`
}

func attemptRowOf(at place, a *order.Attempt) attemptRow {
	seen := make([]string, len(a.Seen))
	for i, fact := range a.Seen {
		seen[i] = string(fact)
	}
	return attemptRow{
		place: at, AttemptID: a.ID, Account: a.Account, State: string(a.State),
		StartedAt: micros{a.StartedAt}, SessionUntil: micros{a.SessionUntil}, GraceNS: int64(a.Grace),
		Failure: a.Failure, Seen: strings.Join(seen, ","), PaymentID: a.PaymentID,
	}
}

func (r *attemptRow) attempt() order.Attempt {
	var seen []order.Fact
	if r.Seen != "" {
		for fact := range strings.SplitSeq(r.Seen, ",") {
			seen = append(seen, order.Fact(fact))
		}
	}
	return order.Attempt{
		ID: r.AttemptID, Account: r.Account, State: order.AttemptState(r.State),
		StartedAt: r.StartedAt.Time, SessionUntil: r.SessionUntil.Time, Grace: time.Duration(r.GraceNS),
		Failure: r.Failure, Seen: seen, PaymentID: r.PaymentID,
	}
}

// paymentRow is a row of payments.
type paymentRow struct {
	place

	PaymentID    string `json:"payment_id"`
	Account      string `json:"account"`
	PSPPaymentID string `json:"psp_payment_id"`
	AttemptID    string `json:"attempt_id"`
	Currency     string `json:"currency"`
	Authorized   int64  `json:"authorized"`
	Captured     int64  `json:"captured"`
	Reserved     int64  `json:"reserved"`
	Refunded     int64  `json:"refunded"`
	ChargedBack  int64  `json:"charged_back"`
	CaptureAsked int64  `json:"capture_asked"`
	VoidAsked    bool   `json:"void_asked"`
	Settles      bool   `json:"settles"`
}

func paymentRowOf(at place, p *order.Payment) paymentRow {
	return paymentRow{
		place: at, PaymentID: p.ID, Account: p.Account, PSPPaymentID: p.PSPPaymentID, AttemptID: p.AttemptID,
		Currency: p.Currency, Authorized: p.Authorized, Captured: p.Captured, Reserved: p.Reserved,
		Refunded: p.Refunded, ChargedBack: p.ChargedBack,
		CaptureAsked: p.CaptureAsked, VoidAsked: p.VoidAsked, Settles: p.Settles,
	}
}

func (r *paymentRow) payment() order.Payment {
	return order.Payment{
		ID: r.PaymentID, Account: r.Account, PSPPaymentID: r.PSPPaymentID, AttemptID: r.AttemptID,
		Currency: r.Currency, Authorized: r.Authorized, Captured: r.Captured, Reserved: r.Reserved,
		Refunded: r.Refunded, ChargedBack: r.ChargedBack,
		CaptureAsked: r.CaptureAsked, VoidAsked: r.VoidAsked, Settles: r.Settles,
	}
}

// refundRow is a row of refunds.
type refundRow struct {
	place

	RefundID    string `json:"refund_id"`
	PaymentID   string `json:"payment_id"`
	Amount      int64  `json:"amount"`
	State       string `json:"state"`
	Automatic   bool   `json:"automatic"`
	RequestedAt micros `json:"requested_at"`
}

func refundRowOf(at place, f *order.Refund) refundRow {
	return refundRow{
		place: at, RefundID: f.ID, PaymentID: f.PaymentID, Amount: f.AmountMinor, State: string(f.State),
		Automatic: f.Automatic, RequestedAt: micros{f.RequestedAt},
	}
}

func (r *refundRow) refund() order.Refund {
	return order.Refund{
		ID: r.RefundID, PaymentID: r.PaymentID, AmountMinor: r.Amount, State: order.RefundState(r.State),
		Automatic: r.Automatic, RequestedAt: r.RequestedAt.Time,
	}
}

// exceptionRow is a row of exceptions.
type exceptionRow struct {
	place

	ExceptionID string `json:"exception_id"`
	Kind        string `json:"kind"`
	PaymentID   string `json:"payment_id"`
	AttemptID   string `json:"attempt_id"`
	Amount      int64  `json:"amount"`
	Currency    string `json:"currency"`
	Detail      string `json:"detail"`
	OpenedAt    micros `json:"opened_at"`
	ResolvedAt  micros `json:"resolved_at"`
	Resolution  string `json:"resolution"`
	Policy      string `json:"policy"`
}

func exceptionRowOf(at place, x *order.Exception) exceptionRow {
	return exceptionRow{
		place: at, ExceptionID: x.ID, Kind: string(x.Kind), PaymentID: x.PaymentID, AttemptID: x.AttemptID,
		Amount: x.AmountMinor, Currency: x.Currency, Detail: x.Detail,
		OpenedAt: micros{x.OpenedAt}, ResolvedAt: micros{x.ResolvedAt},
		Resolution: string(x.Resolution), Policy: string(x.Policy),
	}
}

func (r *exceptionRow) exception() order.Exception {
	return order.Exception{
		ID: r.ExceptionID, Kind: order.ExceptionKind(r.Kind), PaymentID: r.PaymentID, AttemptID: r.AttemptID,
		AmountMinor: r.Amount, Currency: r.Currency, Detail: r.Detail,
		OpenedAt: r.OpenedAt.Time, ResolvedAt: r.ResolvedAt.Time,
		Resolution: order.Resolution(r.Resolution), Policy: order.PolicyAction(r.Policy),
	}
}

// linkRow is a row of links.
type linkRow struct {
	Merchant       string `db:"merchant" json:"merchant"`
	LinkID         string `db:"link_id" json:"link_id"`
	Kind           string `db:"kind" json:"kind"`
	OrderID        string `db:"order_id" json:"order_id"`
	State          string `db:"state" json:"state"`
	Currency       string `db:"currency" json:"currency"`
	Amount         int64  `db:"amount" json:"amount"`
	Capture        string `db:"capture" json:"capture"`
	Live           bool   `db:"live" json:"live"`
	Locale         string `db:"locale" json:"locale"`
	KeyID          string `db:"key_id" json:"key_id"`
	TokenHash      digest `db:"token_hash" json:"token_hash"`
	ExpiresAt      micros `db:"expires_at" json:"expires_at"`
	OrderExpiresNS int64  `db:"order_expires_ns" json:"order_expires_ns"`
	// Accounts have spaces between.
	Accounts      string `db:"accounts" json:"accounts"`
	CreatedAt     micros `db:"created_at" json:"created_at"`
	DeactivatedAt micros `db:"deactivated_at" json:"deactivated_at"`
	Version       int64  `db:"version" json:"version"`
	DetailsID     string `db:"details_id" json:"details_id"`
}

func linkRowOf(l *order.Link) linkRow {
	return linkRow{
		Merchant: l.Merchant, LinkID: l.ID, Kind: string(l.Kind), OrderID: l.OrderID.String(), State: string(l.State),
		Currency: l.Amount.Currency().Code(), Amount: l.Amount.Minor(), Capture: string(l.Capture),
		Live: l.Live, Locale: l.Locale, KeyID: l.KeyID, TokenHash: l.TokenHash,
		ExpiresAt: micros{l.ExpiresAt}, OrderExpiresNS: int64(l.OrderExpiresIn),
		Accounts: strings.Join(l.Accounts, " "), CreatedAt: micros{l.CreatedAt}, DeactivatedAt: micros{l.DeactivatedAt},
		Version: l.Version, DetailsID: l.DetailsID,
	}
}

func (r *linkRow) accounts() []string {
	if r.Accounts == "" {
		return nil
	}
	return strings.Split(r.Accounts, " ")
}

func (r *linkRow) link() (*order.Link, error) {
	var id order.ID
	var err error
	if r.OrderID != "" {
		if id, err = order.ParseID(r.OrderID); err != nil {
			return nil, fmt.Errorf("read link %s of %s: %w", r.LinkID, r.Merchant, err)
		}
	}
	amount, err := money.New(r.Amount, r.Currency)
	if err != nil {
		return nil, fmt.Errorf("read link %s of %s: %w", r.LinkID, r.Merchant, err)
	}
	return &order.Link{
		Merchant: r.Merchant, ID: r.LinkID, Kind: order.Kind(r.Kind), OrderID: id, State: order.LinkState(r.State),
		Amount: amount, Capture: order.Capture(r.Capture), Live: r.Live, Locale: r.Locale,
		KeyID: r.KeyID, TokenHash: r.TokenHash,
		ExpiresAt: r.ExpiresAt.Time, OrderExpiresIn: time.Duration(r.OrderExpiresNS),
		Accounts: r.accounts(), CreatedAt: r.CreatedAt.Time, DeactivatedAt: r.DeactivatedAt.Time,
		Version: r.Version, DetailsID: r.DetailsID, Details: nil,
	}, nil
}

// recordRow is a row of records; Result is sealed.
type recordRow struct {
	Merchant    string `db:"merchant"`
	Method      string `db:"method"`
	Key         string `db:"key"`
	Fingerprint []byte `db:"fingerprint"`
	Result      []byte `db:"result"`
	CreatedAt   micros `db:"created_at"`
}

func (r *recordRow) key() store.RecordKey {
	return store.RecordKey{Merchant: r.Merchant, Method: r.Method, Key: r.Key}
}

// messageRow is a row of messages; Sealed is left out where raw bytes are not asked for.
type messageRow struct {
	Merchant   string `db:"merchant"`
	Account    string `db:"account"`
	Digest     digest `db:"digest"`
	MessageID  string `db:"message_id"`
	Kind       string `db:"kind"`
	Outcome    string `db:"outcome"`
	Ref        string `db:"ref"`
	AttemptID  string `db:"attempt_id"`
	OrderID    string `db:"order_id"`
	ReceivedAt micros `db:"received_at"`
	Sealed     []byte `db:"sealed"`
}

func messageRowOf(m *store.Message, sealed []byte) messageRow {
	return messageRow{
		Merchant: m.Merchant, Account: m.Account, Digest: m.Digest, MessageID: m.ID,
		Kind: string(m.Kind), Outcome: string(m.Outcome), Ref: m.Ref, AttemptID: m.AttemptID, OrderID: m.OrderID,
		ReceivedAt: micros{m.ReceivedAt}, Sealed: sealed,
	}
}

func (r *messageRow) key() store.MessageKey {
	return store.MessageKey{Merchant: r.Merchant, Account: r.Account, Digest: r.Digest}
}

// message is the message with its raw bytes, which may be nil.
func (r *messageRow) message(raw []byte) store.Message {
	return store.Message{
		MessageKey: r.key(), ID: r.MessageID, Kind: store.MessageKind(r.Kind), Outcome: store.MessageOutcome(r.Outcome),
		Ref: r.Ref, AttemptID: r.AttemptID, OrderID: r.OrderID, ReceivedAt: r.ReceivedAt.Time, Raw: raw,
	}
}

// taskRow is a row of tasks.
type taskRow struct {
	Merchant    string `db:"merchant"`
	TaskID      string `db:"task_id"`
	Kind        string `db:"kind"`
	OrderID     string `db:"order_id"`
	Account     string `db:"account"`
	DueAt       micros `db:"due_at"`
	LeasedUntil micros `db:"leased_until"`
	Fence       int64  `db:"fence"`
	Asked       int32  `db:"asked"`
	AskedAt     micros `db:"asked_at"`
	Hinted      bool   `db:"hinted"`
}

func taskRowOf(t *store.Task) taskRow {
	return taskRow{
		Merchant: t.Merchant, TaskID: t.ID, Kind: string(t.Kind), OrderID: t.OrderID, Account: t.Account,
		DueAt: micros{t.DueAt}, LeasedUntil: micros{t.LeasedUntil}, Fence: t.Fence,
		Asked: int32(min(t.Asked, math.MaxInt32)), AskedAt: micros{t.AskedAt}, Hinted: t.Hinted, //nolint:gosec // A CHECK keeps it above zero.
	}
}

func (r *taskRow) task() store.Task {
	return store.Task{
		TaskKey: store.TaskKey{Merchant: r.Merchant, ID: r.TaskID}, Kind: store.TaskKind(r.Kind), OrderID: r.OrderID,
		Account: r.Account, DueAt: r.DueAt.Time, LeasedUntil: r.LeasedUntil.Time, Fence: r.Fence,
		Asked: int(r.Asked), AskedAt: r.AskedAt.Time, Hinted: r.Hinted,
	}
}

// handoffRow is a row of handoffs.
type handoffRow struct {
	Merchant  string
	AttemptID string
	Sealed    []byte
}

// entryRow is a row of entries.
type entryRow struct {
	Merchant string
	Position int64
	EntryID  string
	OrderID  string
	LinkID   string
	Type     string
	Bytes    []byte
	Hash     []byte
}

// textRow is a row of texts.
type textRow struct {
	Merchant string `db:"merchant"`
	EntryID  string `db:"entry_id"`
	Sealed   []byte `db:"sealed"`
}

// headRow is a row of heads.
type headRow struct {
	Merchant string `db:"merchant"`
	Position int64  `db:"position"`
	Hash     digest `db:"hash"`
}
