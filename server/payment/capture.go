package payment

import (
	"context"
	"errors"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

const methodCapture = "CapturePayment"

// CapturePayment asks for held money to be taken.
type CapturePayment struct {
	IdempotencyKey string
	OrderID        string
	// AmountMinor is in minor units of Currency, the order's. Zero means all that is held, and then
	// Currency is empty; what is not taken is released (O10).
	AmountMinor  int64
	Currency     string
	Reason       string
	ValidateOnly bool
}

// CapturePayment takes held money (R3): it writes the intent with a lease, asks the PSP, and writes the
// outcome (I5). It answers with the order as it stands then, and says whether the call was a repeat.
// An outcome that is not known is no fault: the order stays AUTHORIZED, and the resolver finds out.
//
// The faults beside those of writes: ORDER_STATE where no money is held or something else is asked of
// the hold, CAPTURE_UNSUPPORTED, and PSP_REFUSED or PSP_NOT_ATTEMPTED where certainly nothing happened.
func (s *Service) CapturePayment(ctx context.Context, caller Caller, in CapturePayment) (OrderInfo, bool, error) {
	if err := refuseCard("reason", in.Reason); err != nil {
		return OrderInfo{}, false, err
	}
	h, err := s.holding(ctx, caller, in.OrderID)
	if err != nil {
		return OrderInfo{}, false, err
	}
	f := fields{}
	f.text("order_id", in.OrderID)
	f.amount("amount", in.AmountMinor, in.Currency)
	f.text("reason", in.Reason)
	call := Call{Method: methodCapture, Key: in.IdempotencyKey, Fields: f, ValidateOnly: in.ValidateOnly}
	info, replayed, err := once(ctx, s, caller, call, h.command(), func(v *writer.View) (OrderInfo, error) {
		return h.intend(v, in.Reason, func(o *order.Order, act order.Act) (order.Payment, error) {
			if in.Currency != "" && in.Currency != o.Currency().Code() {
				return order.Payment{}, fieldFault("amount.currency_code", "must be the order's currency")
			}
			if err := h.grain(o, in.AmountMinor); err != nil {
				return order.Payment{}, err
			}
			p, _, err := o.RequestCapture(act, in.AmountMinor)
			return p, err
		})
	})
	return h.answer(ctx, info, replayed, in.ValidateOnly, err)
}

// holding is a capture or a void on its way.
type holding struct {
	service *Service
	caller  Caller
	id      order.ID
	missing error
	details *order.Details
	// attemptID is the authorized attempt, whose task is the lease; account is where it is.
	attemptID string
	account   *psp.Account
	ids       order.IDs
	// begun is true where this call has the lease and asks the PSP.
	begun bool
	// voids is true where the hold is to be released.
	voids   bool
	fence   int64
	payment order.Payment
}

// holding reads what the call is about. The decision is made on locked rows. An order that is missing is
// told after a key that was used for another one (I2).
func (s *Service) holding(ctx context.Context, caller Caller, orderID string) (*holding, error) {
	id, err := order.ParseID(orderID)
	if err != nil {
		return nil, err
	}
	h := &holding{service: s, caller: caller, id: id, ids: s.newIDs()}
	read, missing := s.order(ctx, caller, orderID)
	switch {
	case fault.Is(missing, fault.ReasonOrderNotFound):
		h.missing = missing
		return h, nil
	case missing != nil:
		return nil, missing
	}
	h.details = read.Order.Details
	if a := read.Order.LiveAttempt(); a != nil {
		h.attemptID, h.account = a.ID, s.account[a.Account]
	}
	return h, nil
}

func (h *holding) key() store.OrderKey {
	return store.OrderKey{Merchant: h.caller.Merchant, ID: h.id.String()}
}

func (h *holding) taskKey() store.TaskKey {
	return store.TaskKey{Merchant: h.caller.Merchant, ID: h.attemptID}
}

func (h *holding) command() writer.Command {
	cmd := writer.Command{Size: commandSize, Keys: store.Keys{Orders: []store.OrderKey{h.key()}, Existing: true}}
	if h.attemptID != "" {
		cmd.Keys.Tasks = []store.TaskKey{h.taskKey()}
	}
	return cmd
}

// intend commits what is asked of the hold, with a lease on the attempt's task. Where somebody works on
// the attempt just now, the resolver asks as soon as they are done. Where the same was asked before and
// has no answer yet, the resolver looks first: asked blindly, the PSP may refuse what it has done (I5).
func (h *holding) intend(v *writer.View, reason string,
	request func(o *order.Order, act order.Act) (order.Payment, error),
) (OrderInfo, error) {
	h.begun = false
	if h.missing != nil {
		return OrderInfo{}, h.missing
	}
	o := v.Order(h.id)
	if o == nil {
		return OrderInfo{}, readFailed(store.ErrNotFound, fault.ReasonOrderNotFound, "There is no order "+h.id.String()+".")
	}
	if err := sameMode(h.caller, o.Live); err != nil {
		return OrderInfo{}, err
	}
	act := order.NewAct(v.Now(), h.caller.actor(), h.ids)
	act.Reason = reason
	before := o.Version
	p, err := request(o, act)
	if err != nil {
		return OrderInfo{}, err
	}
	if h.account == nil || p.AttemptID != h.attemptID {
		return OrderInfo{}, fault.New(fault.Unavailable, fault.ReasonAccountUnavailable, "The account of the payment cannot be used now.")
	}
	h.payment = p
	v.SaveOrder(o)
	h.lease(v, o, o.Version != before)
	return orderInfo(o, h.details, v.Now()), nil
}

func (h *holding) lease(v *writer.View, o *order.Order, fresh bool) {
	task, open := v.Task(h.attemptID)
	if !open {
		task = store.Task{TaskKey: h.taskKey(), Kind: store.AskAttempt, OrderID: o.ID.String(), Account: h.account.ID()}
	}
	if !fresh || task.LeasedUntil.After(v.Now()) {
		task.DueAt = v.Now()
	} else {
		task.Fence++
		task.LeasedUntil = v.Now().Add(workLease)
		task.DueAt = task.LeasedUntil
		h.begun, h.fence = true, task.Fence
	}
	v.SaveTask(task)
}

// grain refuses an amount that the PSP would have to round (M2).
func (h *holding) grain(o *order.Order, amountMinor int64) error {
	if amountMinor == 0 || h.account == nil {
		return nil
	}
	amount, err := money.New(amountMinor, o.Currency().Code())
	if err != nil {
		return err
	}
	return h.account.Declaration().Takes(amount)
}

// answer asks the PSP where this call has the lease, and returns the order as it stands then.
func (h *holding) answer(ctx context.Context, info OrderInfo, replayed, validated bool, err error) (OrderInfo, bool, error) {
	if err != nil || validated {
		return info, false, err
	}
	var refused error
	if !replayed && h.begun {
		working, cancel := context.WithTimeout(context.WithoutCancel(ctx), workMax)
		defer cancel()
		refused = h.act(working)
	}
	read, err := h.service.order(ctx, h.caller, h.id.String())
	if err != nil {
		return OrderInfo{}, false, err
	}
	return orderInfo(read.Order, read.Order.Details, read.Now), replayed, refused
}

// act asks the PSP and writes what it says. The error is the PSP's no.
func (h *holding) act(ctx context.Context) error {
	s := h.service
	read, err := s.store.Order(ctx, h.key())
	if err != nil {
		return away(err)
	}
	report, asked := s.askHold(ctx, h.account, read.Order, &h.payment)
	w := work{
		name: "CapturePayment outcome", order: h.key(), task: h.taskKey(), fence: h.fence, actor: h.account.ID(), ids: s.newIDs(),
	}
	heard := s.answered(h.account, h.attemptID, report, w.ids)
	w.keys = heard.keys()
	err = s.finish(ctx, w, func(v *writer.View, o *order.Order, act order.Act, t *held) error {
		if err := heard.apply(v, o, act); err != nil {
			return err
		}
		if t != nil {
			t.askSoon(v.Now())
			a := o.Attempt(h.attemptID)
			t.done = (a == nil || !a.Live()) && !t.Hinted
		}
		return failHold(o, act, &h.payment, asked)
	})
	if err != nil {
		return err
	}
	return refusal(asked)
}

// askHold asks the PSP for what is asked of a hold: to take it, or to release it.
func (s *Service) askHold(ctx context.Context, account *psp.Account, o *order.Order, p *order.Payment) (psp.Report, error) {
	ref := s.refOf(o, p.AttemptID)
	heldAmount, err := money.New(p.Authorized, p.Currency)
	if err != nil {
		return psp.Report{}, err
	}
	if p.VoidAsked {
		return account.Void(ctx, psp.Void{Ref: ref, Held: heldAmount})
	}
	amount, err := money.New(p.CaptureAsked, p.Currency)
	if err != nil {
		return psp.Report{}, err
	}
	return account.Capture(ctx, psp.Capture{Ref: ref, Amount: amount, HeldMinor: p.Authorized})
}

// failHold notes that certainly nothing came of what was asked of a hold. An outcome that is not known
// leaves it asked, and the resolver finds out.
func failHold(o *order.Order, act order.Act, p *order.Payment, err error) error {
	if p == nil || !certainlyNot(err) {
		return nil
	}
	if p.VoidAsked {
		return o.FailVoid(act, p.ID, failureOf(err))
	}
	return o.FailCapture(act, p.ID, failureOf(err))
}

// askedHold is the held payment of an attempt of which something is asked, or nil.
func askedHold(o *order.Order, attemptID string) *order.Payment {
	for i := range o.Payments {
		if p := &o.Payments[i]; p.AttemptID == attemptID && (p.CaptureAsked > 0 || p.VoidAsked) {
			return p
		}
	}
	return nil
}

// certainlyNot reports whether nothing happened at the PSP.
func certainlyNot(err error) bool {
	var refused *psp.RefusedError
	return errors.Is(err, psp.ErrNotAttempted) || errors.As(err, &refused)
}

// failureOf is why, in words that may stand in the journal.
func failureOf(err error) string {
	if refused, ok := errors.AsType[*psp.RefusedError](err); ok {
		return refused.Failure
	}
	return "the PSP could not be reached"
}

// refusal is what a caller hears where certainly nothing happened; nil where something did, or may have.
func refusal(err error) error {
	switch {
	case err == nil || !certainlyNot(err):
		return nil
	case errors.Is(err, psp.ErrNotAttempted):
		return fault.New(fault.Unavailable, fault.ReasonPSPNotAttempted, "The PSP could not be reached. Nothing happened; repeat with a new key.", fault.Because(err))
	}
	return fault.New(fault.Precondition, fault.ReasonPSPRefused, "The PSP refused: "+failureOf(err)+". Nothing happened.", fault.Because(err))
}
