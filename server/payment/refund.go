package payment

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

const methodRefund = "RefundOrder"

// RefundOrder asks for money to go back.
type RefundOrder struct {
	IdempotencyKey string
	OrderID        string
	// PaymentID names a payment; empty means the settling one (R1).
	PaymentID string
	// AmountMinor is in minor units of Currency, which must be the payment's. Zero means all that is
	// left, and then Currency is empty.
	AmountMinor  int64
	Currency     string
	Reason       string
	ValidateOnly bool
}

// RefundInfo is a refund as it is answered.
type RefundInfo struct {
	ID          string            `json:"refund_id"`
	OrderID     string            `json:"order_id"`
	PaymentID   string            `json:"payment_id"`
	AmountMinor int64             `json:"amount"`
	Currency    string            `json:"currency"`
	State       order.RefundState `json:"state"`
	Automatic   bool              `json:"automatic,omitempty"`
	RequestedAt time.Time         `json:"requested_at"`
}

func refundInfo(o *order.Order, r *order.Refund) RefundInfo {
	info := RefundInfo{
		ID: r.ID, OrderID: o.ID.String(), PaymentID: r.PaymentID, AmountMinor: r.AmountMinor, State: r.State,
		Automatic: r.Automatic, RequestedAt: r.RequestedAt,
	}
	if p := o.Payment(r.PaymentID); p != nil {
		info.Currency = p.Currency
	}
	return info
}

// RefundOrder gives money of a payment back (R1): it reserves and commits the intent with a lease, asks
// the PSP, and posts or releases (I5). It answers with the refund as it stands then, and says whether
// the call was a repeat. An outcome that is not known is no fault: the refund is UNKNOWN, stays
// reserved, and is never blindly sent again (R2).
//
// The faults beside those of writes: ORDER_STATE where there is no such payment, REFUND_EXCEEDS_PAYMENT,
// AMOUNT_GRAIN, REFUND_UNSUPPORTED and ACCOUNT_UNAVAILABLE, and PSP_NOT_ATTEMPTED where the PSP could not
// be reached: the refund is RELEASED, and another call may try again. A refund that the PSP refuses is no
// fault of the call: it is RELEASED too.
func (s *Service) RefundOrder(ctx context.Context, caller Caller, in RefundOrder) (RefundInfo, bool, error) {
	if err := refuseCard("reason", in.Reason); err != nil {
		return RefundInfo{}, false, err
	}
	id, err := order.ParseID(in.OrderID)
	if err != nil {
		return RefundInfo{}, false, err
	}
	r := &refunding{service: s, caller: caller, in: in, id: id, ids: s.newIDs()}
	f := fields{}
	f.text("order_id", in.OrderID)
	f.text("payment_id", in.PaymentID)
	f.amount("amount", in.AmountMinor, in.Currency)
	f.text("reason", in.Reason)
	call := Call{Method: methodRefund, Key: in.IdempotencyKey, Fields: f, ValidateOnly: in.ValidateOnly}
	cmd := writer.Command{Size: commandSize, Keys: store.Keys{
		Orders: []store.OrderKey{r.key()}, Tasks: []store.TaskKey{{Merchant: caller.Merchant, ID: r.ids.ID("ref_", 0)}},
		Existing: true,
	}}
	info, replayed, err := once(ctx, s, caller, call, cmd, r.intend)
	if err != nil || in.ValidateOnly {
		return info, false, err
	}
	if !replayed {
		working, cancel := context.WithTimeout(context.WithoutCancel(ctx), workMax)
		defer cancel()
		task := store.TaskKey{Merchant: caller.Merchant, ID: info.ID}
		if err := s.dispatchRefund(working, work{order: r.key(), task: task, actor: r.account, ids: s.newIDs()}); err != nil {
			return RefundInfo{}, false, err
		}
	}
	now, err := s.Refund(ctx, caller, info.ID)
	return now, replayed, err
}

// refunding is a RefundOrder on its way.
type refunding struct {
	service *Service
	caller  Caller
	in      RefundOrder
	id      order.ID
	ids     order.IDs
	// account is where the money is.
	account string
}

func (r *refunding) key() store.OrderKey {
	return store.OrderKey{Merchant: r.caller.Merchant, ID: r.id.String()}
}

// intend reserves the money, with a lease: whose caller or server is lost before the PSP is asked is sent
// by the resolver (R1).
func (r *refunding) intend(v *writer.View) (RefundInfo, error) {
	o := v.Order(r.id)
	if o == nil {
		return RefundInfo{}, readFailed(store.ErrNotFound, fault.ReasonOrderNotFound, "There is no order "+r.in.OrderID+".")
	}
	if err := sameMode(r.caller, o.Live); err != nil {
		return RefundInfo{}, err
	}
	act := order.NewAct(v.Now(), r.caller.actor(), r.ids)
	act.Reason = r.in.Reason
	amountMinor, account, err := r.check(o)
	if err != nil {
		return RefundInfo{}, err
	}
	refund, err := o.RequestRefund(act, order.RefundSpec{PaymentID: r.in.PaymentID, AmountMinor: amountMinor})
	if err != nil {
		return RefundInfo{}, err
	}
	r.account = account.ID()
	v.SaveOrder(o)
	v.SaveTask(store.Task{
		TaskKey: store.TaskKey{Merchant: o.Merchant, ID: refund.ID}, Kind: store.DoRefund, OrderID: o.ID.String(),
		Account: account.ID(), DueAt: v.Now().Add(workLease), LeasedUntil: v.Now().Add(workLease),
	})
	return refundInfo(o, &refund), nil
}

// check finds how much goes back and from where, and that the account can do it.
func (r *refunding) check(o *order.Order) (amountMinor int64, account *psp.Account, err error) {
	id := r.in.PaymentID
	if id == "" {
		id = o.SettledBy
	}
	p := o.Payment(id)
	if p == nil {
		return r.in.AmountMinor, nil, nothingToRefund(o, id)
	}
	if r.in.Currency != "" && r.in.Currency != p.Currency {
		return 0, nil, fieldFault("amount.currency_code", "must be the payment's currency")
	}
	amountMinor = r.in.AmountMinor
	if amountMinor == 0 && r.in.Currency == "" {
		if amountMinor = p.Refundable(); amountMinor == 0 {
			return 0, nil, fault.New(fault.Precondition, fault.ReasonRefundExceeds, "Nothing of the payment is left to refund.")
		}
	}
	account = r.service.account[p.Account]
	if account == nil {
		return 0, nil, fault.New(fault.Unavailable, fault.ReasonAccountUnavailable, "The account of the payment is not in the settings.",
			fault.With("account_id", p.Account))
	}
	if !account.CanRefund() {
		return 0, nil, fault.New(fault.Precondition, fault.ReasonRefundUnsupported, "The account cannot give money back by a call. Use the PSP's own cabinet.")
	}
	amount, err := money.New(amountMinor, p.Currency)
	if err != nil {
		return 0, nil, err
	}
	return amountMinor, account, account.Declaration().Takes(amount)
}

// nothingToRefund says why there is no such payment, and which there are.
func nothingToRefund(o *order.Order, named string) error {
	var ids []string
	for i := range o.Payments {
		if p := &o.Payments[i]; p.Captured > 0 {
			ids = append(ids, p.ID)
		}
	}
	message := "No money has come for the order; there is nothing to refund."
	switch {
	case len(ids) > 0 && named == "":
		message = "The order has not settled on a payment. Name the one to refund: " + strings.Join(ids, ", ") + "."
	case len(ids) > 0:
		message = "The order has no such payment. It has " + strings.Join(ids, ", ") + "."
	case o.AuthorizedMinor() > 0:
		message = "The money is held and not taken: cancel the order to release it."
	}
	return fault.New(fault.Precondition, fault.ReasonOrderState, message, fault.With("state", string(o.State)))
}

// sendRefund asks the PSP for a refund that was written down as sent, and writes the outcome.
func (s *Service) sendRefund(ctx context.Context, orderID string, task store.TaskKey, fence int64) error {
	key := store.OrderKey{Merchant: task.Merchant, ID: orderID}
	read, err := s.store.Order(ctx, key)
	if err != nil {
		return away(err)
	}
	o := read.Order
	r := o.Refund(task.ID)
	if r == nil || r.State != order.RefundIsSent {
		return nil // A callback overtook us and told the outcome (O9).
	}
	p := o.Payment(r.PaymentID)
	account := s.account[p.Account]
	if account == nil {
		return fault.New(fault.Unavailable, fault.ReasonAccountUnavailable, "The account of the payment is not in the settings.")
	}
	amount, err := money.New(r.AmountMinor, p.Currency)
	if err != nil {
		return err
	}
	answer, refundErr := account.Refund(ctx, psp.Refund{
		Ref:      psp.Ref{Ref: s.mark.Ref(p.AttemptID), PSPPaymentID: p.PSPPaymentID},
		RefundID: r.ID, Amount: amount, CapturedMinor: p.Captured,
	})
	w := work{name: "RefundOrder outcome", order: key, task: task, fence: fence, actor: account.ID(), ids: s.newIDs()}
	heard := s.answered(account, p.AttemptID, psp.Report{Ref: s.mark.Ref(p.AttemptID), Raw: answer.Raw}, w.ids)
	w.keys = heard.keys()
	err = s.finish(ctx, w, func(v *writer.View, o *order.Order, act order.Act, t *held) error {
		if err := concludeRefund(o, act, task.ID, answer.Done, refundErr); err != nil {
			return err
		}
		heard.keep(v, o)
		if t != nil {
			if refundErr == nil {
				t.asked(v.Now()) // The PSP knows of it: from now on it is only asked about.
			}
			t.askSoon(v.Now())
			now := o.Refund(task.ID)
			t.done = now == nil || !now.Open()
		}
		return nil
	})
	if err == nil && errors.Is(refundErr, psp.ErrNotAttempted) {
		return refusal(refundErr)
	}
	return err
}

// concludeRefund posts, releases or doubts a refund by the PSP's answer. A refund that the PSP has only
// taken to do stays sent, and is asked about.
func concludeRefund(o *order.Order, act order.Act, id string, done bool, err error) error {
	switch {
	case err == nil && done:
		return o.PostRefund(act, id)
	case err == nil:
		return nil
	case certainlyNot(err):
		return o.FailRefund(act, id, failureOf(err))
	}
	return o.DoubtRefund(act, id)
}

// refund works on a claimed refund: one that a policy asked for is sent; one whose sender died is in
// doubt, and the PSP is asked what went back (R2).
func (r *resolving) refund(ctx context.Context) error {
	refund := r.order.Refund(r.task.ID)
	switch {
	case refund == nil || !refund.Open():
		return r.end(ctx)
	case refund.State == order.RefundReserved:
		err := r.service.dispatchRefund(ctx, r.work(""))
		if fault.Is(err, fault.ReasonPSPNotAttempted) {
			return nil // It is released, which is on record.
		}
		return err
	}
	p := r.order.Payment(refund.PaymentID)
	report, err := r.ask(ctx, r.order.Attempt(p.AttemptID))
	if err != nil && !errors.Is(err, errCannotAsk) {
		report = psp.Report{}
	}
	w := r.work("ResolveRefund")
	heard := r.service.answered(r.account, p.AttemptID, report, w.ids)
	w.keys = heard.keys()
	return r.service.finish(ctx, w, func(v *writer.View, o *order.Order, act order.Act, t *held) error {
		if err := heard.apply(v, o, act); err != nil {
			return err
		}
		if t == nil {
			return nil
		}
		t.asked(v.Now())
		t.askAfter(v.Now(), refund.RequestedAt, r.account) // It is asked about for as long as it is open.
		if now := o.Refund(r.task.ID); now == nil || !now.Open() {
			t.done = true
			return nil
		}
		if r.task.Asked > 0 && err == nil {
			return nil // It was taken to be done, and is not done yet.
		}
		return o.DoubtRefund(act, r.task.ID)
	})
}

// dispatchRefund writes down that the PSP is about to be asked for a refund that waits, and asks it. Where
// somebody has taken over, it is theirs to send (I5).
func (s *Service) dispatchRefund(ctx context.Context, w work) error {
	w.name = "SendRefund"
	mine := false
	err := s.finish(ctx, w, func(v *writer.View, o *order.Order, act order.Act, t *held) error {
		r := o.Refund(w.task.ID)
		sent := r != nil && r.State == order.RefundIsSent // By this very call, where its commit was unclear.
		if mine = t != nil && r != nil && (sent || r.State == order.RefundReserved); !mine {
			return nil
		}
		t.LeasedUntil = v.Now().Add(workLease)
		t.DueAt = t.LeasedUntil
		if sent {
			return nil
		}
		return o.SendRefund(act, r.ID)
	})
	if err != nil || !mine {
		return err
	}
	return s.sendRefund(ctx, w.order.ID, w.task, w.fence)
}

// Refund reads one refund. The fault of one that is not there is NotFound, REFUND_NOT_FOUND.
func (s *Service) Refund(ctx context.Context, caller Caller, refundID string) (RefundInfo, error) {
	missing := func(err error) error {
		return readFailed(err, fault.ReasonRefundNotFound, "There is no refund "+refundID+".")
	}
	orderID, err := s.store.OrderOfRefund(ctx, caller.Merchant, refundID)
	if err != nil {
		return RefundInfo{}, missing(err)
	}
	read, err := s.store.Order(ctx, store.OrderKey{Merchant: caller.Merchant, ID: orderID})
	if err != nil {
		return RefundInfo{}, missing(err)
	}
	s.nudge(read.Order)
	r := read.Order.Refund(refundID)
	if r == nil {
		return RefundInfo{}, missing(store.ErrNotFound)
	}
	return refundInfo(read.Order, r), nil
}

// Refunds lists refunds, newest first, and names the token of the next page, empty on the last.
func (s *Service) Refunds(ctx context.Context, caller Caller, filter store.RefundFilter, request PageRequest) ([]RefundInfo, string, error) {
	scope := listScope(caller, "refunds", filter)
	page, err := s.page(scope, request)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.store.ListRefunds(ctx, caller.Merchant, filter, page)
	if err != nil {
		return nil, "", away(err)
	}
	rows, more := cut(rows, page.Limit-1)
	list := make([]RefundInfo, len(rows))
	for i := range rows {
		r := &rows[i]
		list[i] = RefundInfo{
			ID: r.ID, OrderID: r.OrderID, PaymentID: r.PaymentID, AmountMinor: r.AmountMinor, Currency: r.Currency,
			State: r.State, Automatic: r.Automatic, RequestedAt: r.RequestedAt,
		}
	}
	if !more {
		return list, "", nil
	}
	last := &list[len(list)-1]
	return list, s.pageToken(scope, last.RequestedAt, last.ID), nil
}
