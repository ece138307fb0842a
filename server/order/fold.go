package order

import (
	"fmt"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
)

// broken is a fault of ours: the journal says what cannot be.
func broken(format string, args ...any) error {
	return fault.New(fault.Internal, fault.ReasonInternal, "The order's history does not fit together.",
		fault.Because(fmt.Errorf(format, args...)))
}

// folds says for every type of order entry what it changes beside the state. The state itself is
// changed by fold, by the table of transitions.
var folds = map[Type]func(*Order, *Entry) error{
	OrderCreated:           (*Order).foldCreated,
	OrderReopened:          (*Order).foldReopened,
	OrderProcessing:        nothingElse,
	OrderAuthorized:        (*Order).foldAuthorized,
	OrderCaptured:          nothingElse,
	OrderPaid:              (*Order).foldPaid,
	OrderPaymentFailed:     nothingElse,
	OrderExpired:           nothingElse,
	OrderCancelled:         nothingElse,
	OrderReviewRequired:    (*Order).foldReviewRequired,
	OrderReviewResolved:    (*Order).foldReviewResolved,
	OrderPartiallyRefunded: nothingElse,
	OrderRefunded:          nothingElse,
	OrderChargedBack:       nothingElse,
	OrderChargebackUndone:  nothingElse,
	AttemptStarted:         (*Order).foldAttemptStarted,
	AttemptHandedOff:       foldAttempt(AttemptHanded),
	AttemptDeclined:        foldAttempt(AttemptRefused),
	AttemptUnknown:         foldAttempt(AttemptUncertain),
	AttemptDead:            foldAttempt(AttemptOver),
	EvidenceNoted:          (*Order).foldEvidence,
	CaptureRequested:       (*Order).foldHold,
	CaptureFailed:          (*Order).foldHold,
	VoidRequested:          (*Order).foldHold,
	VoidFailed:             (*Order).foldHold,
	RefundRequested:        (*Order).foldRefundRequested,
	RefundSent:             (*Order).foldRefundSent,
	RefundPosted:           (*Order).foldRefundPosted,
	RefundFailed:           (*Order).foldRefundFailed,
	RefundUnknown:          (*Order).foldRefundUnknown,
	ExceptionOpened:        (*Order).foldExceptionOpened,
	ExceptionResolved:      (*Order).foldExceptionResolved,
}

func nothingElse(*Order, *Entry) error { return nil }

// fold changes the order by one entry, when it is decided and when it is replayed (O3).
func (o *Order) fold(e *Entry) error {
	if e.Version != o.Version+1 {
		return broken("entry %s has version %d after %d", e.ID, e.Version, o.Version)
	}
	change, known := folds[e.Type]
	if !known {
		return broken("entry %s has the unknown type %q", e.ID, e.Type)
	}
	from := o.State
	if err := change(o, e); err != nil {
		return err
	}
	if e.Change.To == "" && moves(e.Type) {
		return broken("entry %s is a %s that leads nowhere", e.ID, e.Type)
	}
	if e.Change.To != "" {
		if !allowed(from, e.Type, e.Change.To) {
			return broken("no %s leads from %q to %q", e.Type, from, e.Change.To)
		}
		o.State = e.Change.To
	}
	if o.State == Review { // The state behind the review goes on.
		o.Resume = o.carried(o.Resume)
	}
	o.Version, o.UpdatedAt = e.Version, e.At
	return nil
}

// Replay makes an order from its entries, oldest first (O3). The customer's ids come from the
// private text of order.created and are not part of it.
func Replay(entries []Entry) (*Order, error) {
	o := &Order{}
	for i := range entries {
		if entries[i].Type == LinkCreated || entries[i].Type == LinkDeactivated {
			continue
		}
		if err := o.fold(&entries[i]); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (o *Order) foldCreated(e *Entry) error {
	f := e.Change.Order
	if f == nil || o.Version != 0 {
		return broken("entry %s creates nothing", e.ID)
	}
	id, err := ParseID(e.OrderID)
	if err != nil {
		return err
	}
	amount, err := money.New(f.AmountMinor, f.Currency)
	if err != nil {
		return err
	}
	o.Merchant, o.ID, o.LinkID, o.TemplateID = e.Merchant, id, f.LinkID, f.TemplateID
	o.Terms.Kind, o.Terms.Amount, o.Terms.Capture, o.Terms.ItemsHash = f.Kind, amount, f.Capture, f.ItemsHash
	o.Live, o.Locale = f.Live, f.Locale
	o.OfferUntil, o.AcceptUntil = f.OfferUntil, f.AcceptUntil
	o.CreatedAt = e.At
	if e.TextHash != "" {
		o.DetailsID = e.ID
	}
	return nil
}

func (o *Order) foldReopened(e *Entry) error {
	f := e.Change.Order
	if f == nil {
		return broken("entry %s reopens without facts", e.ID)
	}
	o.LinkID, o.OfferUntil, o.AcceptUntil = f.LinkID, f.OfferUntil, f.AcceptUntil
	return nil
}

func (o *Order) foldPaid(e *Entry) error {
	if e.Change.Payment == nil || o.SettledBy != "" {
		return broken("entry %s settles nothing, or twice", e.ID)
	}
	p := o.Payment(e.Change.Payment.ID)
	if p == nil || p.Captured == 0 || p.Currency != o.Currency().Code() {
		return broken("entry %s settles on no payment", e.ID)
	}
	p.Settles = true
	o.SettledBy, o.Resume = p.ID, ""
	return nil
}

// foldAuthorized takes a good hold under the state that a review interrupted.
func (o *Order) foldAuthorized(e *Entry) error {
	if e.Change.To == Review {
		o.Resume = Authorized
	}
	return nil
}

// foldReviewRequired keeps the state to go back to.
func (o *Order) foldReviewRequired(*Entry) error {
	o.Resume = o.State
	return nil
}

// carried is the state that is left of one whose hold or attempt may be gone by now.
func (o *Order) carried(state State) State {
	if state == Authorized && !o.held() {
		state = Processing
	}
	if state == Processing && o.LiveAttempt() == nil {
		state = Pending
	}
	return state
}

func (o *Order) foldReviewResolved(e *Entry) error {
	if e.Change.To != o.Resume {
		return broken("entry %s resumes %q, not %q", e.ID, e.Change.To, o.Resume)
	}
	o.Resume = ""
	return nil
}

func (o *Order) foldAttemptStarted(e *Entry) error {
	f := e.Change.Attempt
	if f == nil || f.SessionUntil == nil || o.LiveAttempt() != nil || o.Attempt(f.ID) != nil {
		return broken("entry %s starts an attempt beside a live one, or none", e.ID)
	}
	o.Attempts = append(o.Attempts, Attempt{
		ID: f.ID, Account: f.Account, State: AttemptCreated, StartedAt: e.At,
		SessionUntil: *f.SessionUntil, Grace: f.Grace,
	})
	return nil
}

// foldAttempt returns the fold of an entry that moves one attempt to a state.
func foldAttempt(to AttemptState) func(*Order, *Entry) error {
	return func(o *Order, e *Entry) error {
		if e.Change.Attempt == nil {
			return broken("entry %s is about no attempt", e.ID)
		}
		a := o.Attempt(e.Change.Attempt.ID)
		if a == nil || a.State == AttemptSucceeded {
			return broken("entry %s moves an attempt that is not there or succeeded", e.ID)
		}
		a.State = to
		if e.Change.Attempt.Failure != "" {
			a.Failure = e.Change.Attempt.Failure
		}
		if to == AttemptRefused && o.Resume == Processing {
			o.Resume = Failed
		}
		return nil
	}
}

// foldEvidence keeps what evidence showed: the payment's sums and the attempt's success.
func (o *Order) foldEvidence(e *Entry) error {
	ev := e.Change.Evidence
	if ev == nil {
		return broken("entry %s notes no evidence", e.ID)
	}
	a := o.Attempt(ev.AttemptID)
	if a == nil {
		return broken("entry %s is about the unknown attempt %s", e.ID, ev.AttemptID)
	}
	f := e.Change.Payment
	if o.believed(ev, f) && !a.saw(ev.Fact) {
		a.Seen = append(a.Seen, ev.Fact)
	}
	if f == nil {
		return nil
	}
	return o.foldSums(e, a, f)
}

// believed reports whether evidence counts as seen of its attempt. News of another merchant's account
// does only where the payment is known to be that merchant's.
func (o *Order) believed(ev *Evidence, f *PaymentFacts) bool {
	if !ev.PayeeDiffers || f != nil {
		return true
	}
	p := o.paymentOf(ev)
	return p != nil && o.wrongMerchant(p.ID)
}

// foldSums keeps a payment's sums after evidence, and what they say of its attempt.
func (o *Order) foldSums(e *Entry, a *Attempt, f *PaymentFacts) error {
	p := o.Payment(f.ID)
	if p == nil {
		o.Payments = append(o.Payments, Payment{
			ID: f.ID, Account: f.Account, AttemptID: f.AttemptID, Currency: f.Currency,
		})
		p = &o.Payments[len(o.Payments)-1]
	}
	if f.Authorized < 0 || f.ChargedBack < 0 || f.Captured < p.Captured {
		return broken("entry %s takes back what payment %s has captured", e.ID, p.ID)
	}
	p.PSPPaymentID = f.PSPPaymentID
	p.Authorized, p.Captured, p.ChargedBack = f.Authorized, f.Captured, f.ChargedBack
	if !p.onHold() { // Whatever was asked of the hold has happened, or no longer can.
		p.CaptureAsked, p.VoidAsked = 0, false
	}
	switch {
	case p.Captured > 0 && e.Change.Evidence.Fact == FactSucceeded && a.State != AttemptSucceeded:
		a.State, a.PaymentID = AttemptSucceeded, p.ID
	case p.onHold() && a.State != AttemptSucceeded && a.State != AttemptOver:
		a.State, a.PaymentID = AttemptAuthorized, p.ID
	}
	return nil
}

func (o *Order) foldRefundRequested(e *Entry) error {
	f := e.Change.Refund
	if f == nil {
		return broken("entry %s requests no refund", e.ID)
	}
	p := o.Payment(f.PaymentID)
	if p == nil || f.AmountMinor <= 0 || f.AmountMinor > p.Refundable() {
		return broken("entry %s refunds more than is left", e.ID)
	}
	p.Reserved += f.AmountMinor
	o.Refunds = append(o.Refunds, Refund{
		ID: f.ID, PaymentID: f.PaymentID, AmountMinor: f.AmountMinor, State: RefundReserved,
		Automatic: f.Automatic, RequestedAt: e.At,
	})
	return nil
}

func (o *Order) foldRefundSent(e *Entry) error    { return o.moveRefund(e, RefundIsSent) }
func (o *Order) foldRefundUnknown(e *Entry) error { return o.moveRefund(e, RefundInDoubt) }

func (o *Order) foldRefundFailed(e *Entry) error {
	if err := o.moveRefund(e, RefundReleased); err != nil {
		return err
	}
	r := o.Refund(e.Change.Refund.ID)
	o.Payment(r.PaymentID).Reserved -= r.AmountMinor
	return nil
}

func (o *Order) foldRefundPosted(e *Entry) error {
	f := e.Change.Refund
	if f == nil {
		return broken("entry %s posts no refund", e.ID)
	}
	if f.AtPSP { // Money that went back without us: it is a refund of its own, posted at once (O10).
		p := o.Payment(f.PaymentID)
		if p == nil || f.AmountMinor <= 0 || f.AmountMinor > p.left() {
			return broken("entry %s posts more than is left", e.ID)
		}
		p.Refunded += f.AmountMinor
		o.Refunds = append(o.Refunds, Refund{
			ID: f.ID, PaymentID: f.PaymentID, AmountMinor: f.AmountMinor, State: RefundDone, RequestedAt: e.At,
		})
		return nil
	}
	if err := o.moveRefund(e, RefundDone); err != nil {
		return err
	}
	r := o.Refund(f.ID)
	p := o.Payment(r.PaymentID)
	p.Reserved -= r.AmountMinor
	p.Refunded += r.AmountMinor
	return nil
}

func (o *Order) moveRefund(e *Entry, to RefundState) error {
	if e.Change.Refund == nil {
		return broken("entry %s is about no refund", e.ID)
	}
	r := o.Refund(e.Change.Refund.ID)
	if r == nil || !r.Open() || o.Payment(r.PaymentID) == nil {
		return broken("entry %s moves a refund that is not open", e.ID)
	}
	r.State = to
	return nil
}

// Refund finds a refund by its id, or nil.
func (o *Order) Refund(id string) *Refund {
	for i := range o.Refunds {
		if o.Refunds[i].ID == id {
			return &o.Refunds[i]
		}
	}
	return nil
}

func (o *Order) foldExceptionOpened(e *Entry) error {
	f := e.Change.Exception
	if f == nil || f.ID == "" {
		return broken("entry %s opens no exception", e.ID)
	}
	o.Exceptions = append(o.Exceptions, Exception{
		ID: f.ID, Kind: f.Kind, PaymentID: f.PaymentID, AttemptID: f.AttemptID, AmountMinor: f.AmountMinor,
		Currency: f.Currency, Detail: f.Detail, OpenedAt: e.At, Policy: f.Policy,
	})
	return nil
}

func (o *Order) foldExceptionResolved(e *Entry) error {
	f := e.Change.Exception
	if f == nil || f.Resolution == "" {
		return broken("entry %s resolves no exception", e.ID)
	}
	x := o.Exception(f.ID)
	if x == nil || !x.Open() {
		return broken("entry %s resolves an exception that is not open", e.ID)
	}
	x.Resolution, x.ResolvedAt = f.Resolution, e.At
	return nil
}

// Exception finds an exception by its id, or nil.
func (o *Order) Exception(id string) *Exception {
	for i := range o.Exceptions {
		if o.Exceptions[i].ID == id {
			return &o.Exceptions[i]
		}
	}
	return nil
}

// Attempt finds an attempt by its id, or nil.
func (o *Order) Attempt(id string) *Attempt {
	for i := range o.Attempts {
		if o.Attempts[i].ID == id {
			return &o.Attempts[i]
		}
	}
	return nil
}

// LiveAttempt is the one attempt that may still bring money in the ordinary way, or nil (O7).
func (o *Order) LiveAttempt() *Attempt {
	for i := range o.Attempts {
		if o.Attempts[i].Live() {
			return &o.Attempts[i]
		}
	}
	return nil
}
