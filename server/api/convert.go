package api

import (
	"cmp"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/text"
)

// Every message is made by one function here, with every field named.

// Tables from our words to those of the API. A word that is missing becomes UNSPECIFIED; a test walks
// all words.
var (
	orderStates = map[order.State]kvitv1.OrderState{
		order.Pending:           kvitv1.OrderState_ORDER_STATE_PENDING,
		order.Processing:        kvitv1.OrderState_ORDER_STATE_PROCESSING,
		order.Authorized:        kvitv1.OrderState_ORDER_STATE_AUTHORIZED,
		order.Paid:              kvitv1.OrderState_ORDER_STATE_PAID,
		order.Failed:            kvitv1.OrderState_ORDER_STATE_FAILED,
		order.Expired:           kvitv1.OrderState_ORDER_STATE_EXPIRED,
		order.Cancelled:         kvitv1.OrderState_ORDER_STATE_CANCELLED,
		order.Review:            kvitv1.OrderState_ORDER_STATE_MANUAL_REVIEW,
		order.PartiallyRefunded: kvitv1.OrderState_ORDER_STATE_PARTIALLY_REFUNDED,
		order.Refunded:          kvitv1.OrderState_ORDER_STATE_REFUNDED,
		order.ChargedBack:       kvitv1.OrderState_ORDER_STATE_CHARGED_BACK,
	}
	linkStates = map[order.LinkState]kvitv1.LinkState{
		order.LinkActive:   kvitv1.LinkState_LINK_STATE_ACTIVE,
		order.LinkInactive: kvitv1.LinkState_LINK_STATE_DEACTIVATED,
		order.LinkExpired:  kvitv1.LinkState_LINK_STATE_EXPIRED,
	}
	linkKinds = map[order.Kind]kvitv1.LinkKind{
		order.Dynamic: kvitv1.LinkKind_LINK_KIND_DYNAMIC,
		order.Fixed:   kvitv1.LinkKind_LINK_KIND_FIXED,
	}
	captureModes = map[order.Capture]kvitv1.CaptureMode{
		order.Automatic: kvitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC,
		order.Manual:    kvitv1.CaptureMode_CAPTURE_MODE_MANUAL,
	}
	exceptionKinds = map[order.ExceptionKind]kvitv1.ExceptionKind{
		order.Duplicate:     kvitv1.ExceptionKind_EXCEPTION_KIND_DUPLICATE,
		order.Late:          kvitv1.ExceptionKind_EXCEPTION_KIND_LATE,
		order.Underpaid:     kvitv1.ExceptionKind_EXCEPTION_KIND_UNDERPAID,
		order.Overpaid:      kvitv1.ExceptionKind_EXCEPTION_KIND_OVERPAID,
		order.WrongCurrency: kvitv1.ExceptionKind_EXCEPTION_KIND_WRONG_CURRENCY,
		order.WrongMerchant: kvitv1.ExceptionKind_EXCEPTION_KIND_WRONG_MERCHANT,
		order.Orphan:        kvitv1.ExceptionKind_EXCEPTION_KIND_ORPHAN,
		order.Unreadable:    kvitv1.ExceptionKind_EXCEPTION_KIND_UNREADABLE,
		order.Conflicting:   kvitv1.ExceptionKind_EXCEPTION_KIND_CONFLICTING_EVIDENCE,
		order.AfterCancel:   kvitv1.ExceptionKind_EXCEPTION_KIND_AFTER_CANCEL,
		order.OverReturned:  kvitv1.ExceptionKind_EXCEPTION_KIND_OVER_RETURNED,
		order.Stuck:         kvitv1.ExceptionKind_EXCEPTION_KIND_STUCK,
	}
	refundStates = map[order.RefundState]kvitv1.RefundState{
		order.RefundReserved: kvitv1.RefundState_REFUND_STATE_RESERVED,
		order.RefundIsSent:   kvitv1.RefundState_REFUND_STATE_SENT,
		order.RefundDone:     kvitv1.RefundState_REFUND_STATE_POSTED,
		order.RefundReleased: kvitv1.RefundState_REFUND_STATE_RELEASED,
		order.RefundInDoubt:  kvitv1.RefundState_REFUND_STATE_UNKNOWN,
	}
	nextSteps = map[order.Step]kvitv1.NextStepAction{
		order.StepPay:            kvitv1.NextStepAction_NEXT_STEP_ACTION_PAY,
		order.StepWait:           kvitv1.NextStepAction_NEXT_STEP_ACTION_WAIT,
		order.StepFulfill:        kvitv1.NextStepAction_NEXT_STEP_ACTION_FULFILL,
		order.StepTryAgain:       kvitv1.NextStepAction_NEXT_STEP_ACTION_TRY_AGAIN,
		order.StepAskForNewLink:  kvitv1.NextStepAction_NEXT_STEP_ACTION_ASK_FOR_NEW_LINK,
		order.StepContactSupport: kvitv1.NextStepAction_NEXT_STEP_ACTION_CONTACT_SUPPORT,
		order.StepNone:           kvitv1.NextStepAction_NEXT_STEP_ACTION_NONE,
	}
	actorKinds = map[order.ActorKind]kvitv1.ActorKind{
		order.ByKey:      kvitv1.ActorKind_ACTOR_KIND_API_KEY,
		order.BySystem:   kvitv1.ActorKind_ACTOR_KIND_SYSTEM,
		order.ByPSP:      kvitv1.ActorKind_ACTOR_KIND_PSP,
		order.ByPayer:    kvitv1.ActorKind_ACTOR_KIND_PAYER,
		order.ByOperator: kvitv1.ActorKind_ACTOR_KIND_OPERATOR,
	}
	evidenceSources = map[order.Source]kvitv1.EvidenceSource{
		order.FromCallback: kvitv1.EvidenceSource_EVIDENCE_SOURCE_CALLBACK,
		order.FromLookup:   kvitv1.EvidenceSource_EVIDENCE_SOURCE_STATUS_LOOKUP,
		order.FromRegister: kvitv1.EvidenceSource_EVIDENCE_SOURCE_REGISTER,
		order.FromOperator: kvitv1.EvidenceSource_EVIDENCE_SOURCE_OPERATOR,
	}
	resetReasons = map[payment.ResetReason]kvitv1.ResetReason{
		payment.ResetOtherHistory: kvitv1.ResetReason_RESET_REASON_OTHER_HISTORY,
		payment.ResetAhead:        kvitv1.ResetReason_RESET_REASON_AHEAD_OF_JOURNAL,
	}
	keyKinds = map[store.CredentialKind]kvitv1.ApiKeyKind{
		store.MerchantKey: kvitv1.ApiKeyKind_API_KEY_KIND_MERCHANT,
		store.EdgeKey:     kvitv1.ApiKeyKind_API_KEY_KIND_EDGE,
		store.PlatformKey: kvitv1.ApiKeyKind_API_KEY_KIND_PLATFORM,
	}
)

// ours finds our word for one of the API's; empty for UNSPECIFIED.
func ours[W ~string, E comparable](table map[W]E, value E) W {
	for word, other := range table {
		if other == value {
			return word
		}
	}
	return ""
}

func oursAll[W ~string, E comparable](table map[W]E, values []E) []W {
	var words []W
	for _, value := range values {
		words = append(words, ours(table, value))
	}
	return words
}

// instant is absent for the zero time.
func instant(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// span is absent for 0.
func span(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// timeOf is the zero time for what is absent.
// timeOf reads an instant of a request; the zero time where none was sent. So an instant that would be
// taken for none is refused, and one that a Timestamp cannot hold, which would become another.
func timeOf(path string, t *timestamppb.Timestamp) (time.Time, error) {
	if t == nil {
		return time.Time{}, nil
	}
	if at := t.AsTime(); t.IsValid() && !at.IsZero() {
		return at, nil
	}
	return time.Time{}, badRequest(fault.Field{Path: path, Message: "must be an instant after 0001-01-01T00:00:00Z and before the year 10000"})
}

// createdOf reads the bounds of a list.
func createdOf(request interface {
	GetCreatedAfter() *timestamppb.Timestamp
	GetCreatedBefore() *timestamppb.Timestamp
},
) (after, before time.Time, err error) {
	if after, err = timeOf("created_after", request.GetCreatedAfter()); err != nil {
		return time.Time{}, time.Time{}, err
	}
	before, err = timeOf("created_before", request.GetCreatedBefore())
	return after, before, err
}

func modeMessage(live bool) kvitv1.Mode {
	if live {
		return kvitv1.Mode_MODE_LIVE
	}
	return kvitv1.Mode_MODE_TEST
}

func moneyMessage(minor int64, currency string) *kvitv1.Money {
	return &kvitv1.Money{CurrencyCode: currency, MinorUnits: minor}
}

func linkMessage(l *payment.LinkInfo) *kvitv1.Link {
	return &kvitv1.Link{
		Id: l.ID, Url: l.URL, Kind: linkKinds[l.Kind], State: linkStates[l.State],
		Amount: moneyMessage(l.AmountMinor, l.Currency), OrderId: l.OrderID, Description: l.Details.Description,
		ExpiresAt: instant(l.ExpiresAt), CreatedAt: instant(l.CreatedAt), DeactivatedAt: instant(l.DeactivatedAt),
		Metadata: l.Details.Metadata, OrderExpiresIn: span(l.OrderExpiresIn),
		LineItems: itemMessages(l.Details.Items, l.Currency), CaptureMode: captureModes[l.Capture],
		Mode: modeMessage(l.Live), Locale: l.Locale, SuccessUrl: l.Details.SuccessURL, FailureUrl: l.Details.FailureURL,
		PspAccounts: l.Accounts,
	}
}

func itemMessages(items []order.Item, currency string) []*kvitv1.LineItem {
	if len(items) == 0 {
		return nil
	}
	list := make([]*kvitv1.LineItem, len(items))
	for i := range items {
		list[i] = &kvitv1.LineItem{
			Name: items[i].Name, Quantity: items[i].Quantity, Amount: moneyMessage(items[i].AmountMinor, currency),
		}
	}
	return list
}

func orderMessage(o *payment.OrderInfo) *kvitv1.Order {
	return &kvitv1.Order{
		OrderId: o.ID, State: orderStates[o.State], Amount: moneyMessage(o.AmountMinor, o.Currency),
		PaidAmount: moneyMessage(o.Paid, o.Currency), RefundedAmount: moneyMessage(o.Refunded, o.Currency),
		AuthorizedAmount: moneyMessage(o.Authorized, o.Currency), Customer: customerMessage(o),
		Version: o.Version, OfferUntil: instant(o.OfferUntil), AcceptUntil: instant(o.AcceptUntil),
		Kind: linkKinds[o.Kind], CaptureMode: captureModes[o.Capture], Mode: modeMessage(o.Live),
		Description: o.Details.Description, LineItems: itemMessages(o.Details.Items, o.Currency), LinkId: o.LinkID,
		CreatedAt: instant(o.CreatedAt), UpdatedAt: instant(o.UpdatedAt), Metadata: o.Details.Metadata,
		SuccessUrl: o.Details.SuccessURL, FailureUrl: o.Details.FailureURL,
	}
}

// customerMessage is always there: at the least it says the language.
func customerMessage(o *payment.OrderInfo) *kvitv1.Customer {
	return &kvitv1.Customer{
		Viber: viberMessage(o.Customer), CustomerId: o.Customer.CustomerID,
		Name: o.Details.Name, Email: o.Details.Email, Phone: o.Details.Phone, Locale: o.Locale,
	}
}

func viberMessage(c order.Customer) *kvitv1.ViberUser {
	if c.ViberUserID == "" {
		return nil
	}
	return &kvitv1.ViberUser{Bot: c.ViberBot, UserId: c.ViberUserID}
}

func exceptionMessages(exceptions []order.Exception, o *payment.OrderInfo) []*kvitv1.OrderException {
	list := make([]*kvitv1.OrderException, len(exceptions))
	for i := range exceptions {
		x := &exceptions[i]
		list[i] = &kvitv1.OrderException{
			Id: x.ID, Kind: exceptionKinds[x.Kind], State: exceptionState(x),
			OpenedAt: instant(x.OpenedAt), ResolvedAt: instant(x.ResolvedAt),
			Amount: questionedMessage(x.AmountMinor, x.Currency), Detail: exceptionDetail(x, o),
		}
	}
	return list
}

// exceptionDetail is a sentence for an operator.
func exceptionDetail(x *order.Exception, o *payment.OrderInfo) string {
	args := []text.Arg{text.With(text.ArgReason, x.Detail), text.With(text.ArgAttempt, x.AttemptID)}
	if expected, err := money.New(o.AmountMinor, o.Currency); err == nil {
		args = append(args, text.WithAmount(text.ArgExpected, expected))
	}
	if got, err := money.New(x.AmountMinor, x.Currency); err == nil && x.AmountMinor != 0 {
		args = append(args, text.WithAmount(text.ArgAmount, got))
	}
	return text.ExplainException(string(x.Kind), args...)
}

func exceptionState(x *order.Exception) kvitv1.ExceptionState {
	if x.Open() {
		return kvitv1.ExceptionState_EXCEPTION_STATE_OPEN
	}
	return kvitv1.ExceptionState_EXCEPTION_STATE_RESOLVED
}

// questionedMessage is absent where no amount is known.
func questionedMessage(minor int64, currency string) *kvitv1.Money {
	if currency == "" || minor == 0 {
		return nil
	}
	return moneyMessage(minor, currency)
}

func paymentMessages(payments []order.Payment) []*kvitv1.Payment {
	list := make([]*kvitv1.Payment, len(payments))
	for i := range payments {
		p := &payments[i]
		list[i] = &kvitv1.Payment{
			PaymentId: p.ID, AccountId: p.Account, PspPaymentId: p.PSPPaymentID, AttemptId: p.AttemptID,
			Captured: moneyMessage(p.Captured, p.Currency), Authorized: moneyMessage(p.Held(), p.Currency),
			RefundReserved: moneyMessage(p.Reserved, p.Currency), Refunded: moneyMessage(p.Refunded, p.Currency),
			ChargedBack: moneyMessage(p.ChargedBack, p.Currency), Settles: p.Settles,
		}
	}
	return list
}

func refundMessage(r *payment.RefundInfo) *kvitv1.Refund {
	return &kvitv1.Refund{
		RefundId: r.ID, OrderId: r.OrderID, PaymentId: r.PaymentID, Amount: moneyMessage(r.AmountMinor, r.Currency),
		State: refundStates[r.State], Automatic: r.Automatic, RequestedAt: instant(r.RequestedAt),
	}
}

func accountMessage(a *payment.Account) *kvitv1.PspAccount {
	return &kvitv1.PspAccount{
		AccountId: a.ID, Psp: a.Kind, Name: a.Name, Mode: modeMessage(a.Live), CurrencyCodes: a.Currencies,
		Refunds: a.Refunds, Captures: a.Captures, Voids: a.Voids,
	}
}

// replyMessage is what the edge answers a PSP, word for word (C2).
func replyMessage(r *psp.Reply) *kvitv1.HandlePspCallbackResponse {
	var headers []*kvitv1.HttpHeader
	if r.ContentType != "" {
		headers = []*kvitv1.HttpHeader{{Name: "Content-Type", Values: []string{r.ContentType}}}
	}
	return &kvitv1.HandlePspCallbackResponse{
		Status: int32(r.Status), Headers: headers, Body: r.Body, //nolint:gosec // An HTTP status has three digits.
	}
}

func nextStepMessage(n payment.NextStep) *kvitv1.NextStep {
	return &kvitv1.NextStep{Action: nextSteps[n.Step], Text: n.Text, Url: n.URL}
}

func actorMessage(a order.Actor) *kvitv1.Actor {
	return &kvitv1.Actor{Kind: actorKinds[a.Kind], Id: a.ID}
}

func stepMessage(s *payment.ExplainedStep) *kvitv1.OrderStep {
	evidence := make([]*kvitv1.Evidence, len(s.Evidence))
	for i := range s.Evidence {
		e := &s.Evidence[i]
		evidence[i] = &kvitv1.Evidence{
			Source: evidenceSources[e.Source], Summary: e.Summary, ReceivedAt: instant(e.ReceivedAt),
			PspAccount: e.Account, Reference: e.PSPPaymentID,
		}
	}
	return &kvitv1.OrderStep{
		Position: s.Position, OccurredAt: instant(s.At), Type: string(s.Type), Text: s.Text,
		Actor: actorMessage(s.Actor), Evidence: evidence,
	}
}

func eventMessage(e *payment.Event) *kvitv1.OrderEvent {
	linkID := e.LinkID
	if linkID == "" && e.View != nil {
		linkID = e.View.LinkID
	}
	return &kvitv1.OrderEvent{
		Id: e.ID, Position: e.Position, Cursor: e.Cursor.String(), Type: string(e.Type), OrderId: e.OrderID,
		OrderVersion: e.Version, OccurredAt: instant(e.At), Order: viewMessage(e), LinkId: linkID,
		Actor: actorMessage(e.Actor), Detail: detailMessage(e),
	}
}

// detailMessage is what an event is about beside its order; nil where the type says it all.
func detailMessage(e *payment.Event) *kvitv1.EventDetail {
	c := &e.Change
	if c.Evidence == nil && c.Attempt == nil && c.Payment == nil && c.Refund == nil && c.Exception == nil {
		return nil
	}
	d := &kvitv1.EventDetail{
		AttemptId: "", AccountId: "", PaymentId: "", RefundId: "", ExceptionId: "",
		ExceptionKind: kvitv1.ExceptionKind_EXCEPTION_KIND_UNSPECIFIED, Amount: nil,
		Source: kvitv1.EvidenceSource_EVIDENCE_SOURCE_UNSPECIFIED, Reason: "",
	}
	detailPayment(d, c.Payment, e.View)
	detailAttempt(d, c.Attempt)
	detailEvidence(d, c.Evidence)
	detailRefund(d, c.Refund, e.View)
	detailException(d, c.Exception)
	return d
}

func detailAttempt(d *kvitv1.EventDetail, f *order.AttemptFacts) {
	if f == nil {
		return
	}
	d.AttemptId, d.AccountId, d.Reason = f.ID, cmp.Or(f.Account, d.GetAccountId()), f.Failure
	if f.Proof != "" {
		d.Reason = text.ExplainDeath(string(f.Proof))
	}
}

// detailPayment tells sums of the payment that settles or is held, which has the order's currency.
func detailPayment(d *kvitv1.EventDetail, f *order.PaymentFacts, v *order.View) {
	if f == nil {
		return
	}
	d.PaymentId, d.AttemptId, d.AccountId = f.ID, f.AttemptID, f.Account
	if sum := max(f.CaptureAsked, f.Captured); sum > 0 && v != nil {
		d.Amount = moneyMessage(sum, v.Currency)
	}
}

func detailEvidence(d *kvitv1.EventDetail, f *order.Evidence) {
	if f == nil {
		return
	}
	d.AttemptId, d.AccountId, d.Reason = f.AttemptID, f.Account, text.ExplainFact(string(f.Fact), text.With(text.ArgReason, f.Failure))
	d.Source, d.Amount = evidenceSources[f.Source], questionedMessage(f.AmountMinor, f.Currency)
}

func detailRefund(d *kvitv1.EventDetail, f *order.RefundFacts, v *order.View) {
	if f == nil {
		return
	}
	d.RefundId, d.PaymentId, d.Reason = f.ID, f.PaymentID, f.Failure
	if f.AmountMinor > 0 && v != nil {
		d.Amount = moneyMessage(f.AmountMinor, cmp.Or(f.Currency, v.Currency))
	}
}

func detailException(d *kvitv1.EventDetail, f *order.ExceptionFacts) {
	if f == nil {
		return
	}
	d.ExceptionId, d.ExceptionKind, d.PaymentId, d.AttemptId = f.ID, exceptionKinds[f.Kind], f.PaymentID, f.AttemptID
	d.Amount, d.Reason = questionedMessage(f.AmountMinor, f.Currency), f.Detail
}

// viewMessage is the order as of an event. What may be erased one day is left out.
func viewMessage(e *payment.Event) *kvitv1.Order {
	v := e.View
	if v == nil {
		return nil
	}
	return &kvitv1.Order{
		OrderId: e.OrderID, State: orderStates[v.State], Amount: moneyMessage(v.AmountMinor, v.Currency),
		PaidAmount: moneyMessage(v.Paid, v.Currency), RefundedAmount: moneyMessage(v.Refunded, v.Currency),
		AuthorizedAmount: moneyMessage(v.Authorized, v.Currency), Customer: nil,
		Version: e.Version, OfferUntil: instant(v.OfferUntil), AcceptUntil: instant(v.AcceptUntil),
		Kind: linkKinds[v.Kind], CaptureMode: captureModes[v.Capture], Mode: modeMessage(v.Live),
		Description: "", LineItems: nil, LinkId: v.LinkID,
		CreatedAt: nil, UpdatedAt: instant(e.At), Metadata: nil, SuccessUrl: "", FailureUrl: "",
	}
}

func resetMessage(reason payment.ResetReason) *kvitv1.StreamReset {
	return &kvitv1.StreamReset{Reason: resetReasons[reason], OldestCursor: oldestCursor()}
}

func merchantMessage(m payment.Merchant, live bool, publicURL string) *kvitv1.Merchant {
	return &kvitv1.Merchant{
		MerchantId: m.ID, DisplayName: m.Name, Mode: modeMessage(live), DefaultLocale: m.Locale,
		PublicUrl: publicURL, CurrencyCodes: nil, Support: supportMessage(m.Support),
	}
}

// supportMessage is absent where the settings name nothing.
func supportMessage(words string) *kvitv1.Support {
	if words == "" {
		return nil
	}
	return &kvitv1.Support{Text: words, Url: "", Phone: "", Email: ""}
}

func keyMessage(k *access.Key) *kvitv1.ApiKey {
	scopes := make([]string, len(k.Scopes))
	for i, scope := range k.Scopes {
		scopes[i] = string(scope)
	}
	mode := kvitv1.Mode_MODE_UNSPECIFIED
	if k.Kind == store.MerchantKey {
		mode = modeMessage(k.Live)
	}
	return &kvitv1.ApiKey{
		Id: k.ID, Kind: keyKinds[k.Kind], MerchantId: k.Merchant, Mode: mode, Name: k.Name, Scopes: scopes,
		CreatedAt: instant(k.CreatedAt), RevokedAt: instant(k.RevokedAt),
	}
}
