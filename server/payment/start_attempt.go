package payment

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

const (
	// workLease is how long who works at a PSP is left alone; then the resolver takes over (I5).
	workLease = 30 * time.Second
	// workMax bounds the work at a PSP with its commits. It is shorter than the lease.
	workMax = 25 * time.Second
	// joinWait is how long a second tap waits for the first one's way to the PSP.
	joinWait = 8 * time.Second
	// joinPause is how often it looks.
	joinPause = 150 * time.Millisecond
)

// StartAttempt is a payer who presses Pay.
type StartAttempt struct {
	// Token is the token of the page, which the payer opened.
	Token string
	// Account is the way that the payer chose; empty means the only one.
	Account string
	// Nonce is the page's nonce, which the page has checked. A fixed link's order is keyed by it (L5).
	Nonce string
	// Locale is the language that the payer chose on the page: hy, uk, ru or en; empty where they chose none.
	Locale string
}

// Started is how it goes on.
type Started struct {
	// Token is that of the order's own page: another one than the payer's for a fixed link (L5).
	Token string
	// AttemptID is the attempt that was started or joined.
	AttemptID string
	// Handoff is the way to the PSP; nil where it is not known: the page then shows the status.
	Handoff *psp.Handoff
}

// StartAttempt writes the intent to pay, asks the PSP for the way there, and writes the outcome (I5).
// A second tap joins the live attempt and gets the same way (O7).
//
// The faults beside those of reads: LINK_INACTIVE, ORDER_STATE, ATTEMPT_IN_PROGRESS, ACCOUNT_UNAVAILABLE
// for an account that is not there, is none of the link's or cannot take the order, and PSP_NOT_ATTEMPTED
// where certainly nothing happened and the payer may try again. An unknown outcome is no fault.
func (s *Service) StartAttempt(ctx context.Context, in StartAttempt) (Started, error) {
	read, err := s.linkByToken(ctx, in.Token)
	if err != nil {
		return Started{}, err
	}
	if _, known := s.merchants[read.Link.Merchant]; !known {
		return Started{}, fault.New(fault.NotFound, fault.ReasonLinkNotFound, "There is no such payment link.", fault.Because(errNoMerchant))
	}
	account, err := s.choose(&read, in.Account)
	if err != nil {
		return Started{}, err
	}
	if read.Order == nil {
		if read, err = s.payersOrder(ctx, &read, in.Nonce); err != nil {
			return Started{}, err
		}
	}
	t := &start{service: s, account: account, read: &read, locale: in.Locale, ids: s.newIDs()}
	t.token, _ = s.keys.LinkTokenWith(read.Link.KeyID, read.Link.ID)
	if err := t.intend(ctx); err != nil {
		return Started{}, err
	}
	// The payer may go away; what was begun at the PSP is written down all the same.
	working, cancel := context.WithTimeout(context.WithoutCancel(ctx), workMax)
	defer cancel()
	if t.joined {
		return t.join(working)
	}
	return t.call(working)
}

// choose finds the account that the payer wants to pay at.
func (s *Service) choose(read *store.LinkRead, id string) (*psp.Account, error) {
	var able []*psp.Account
	for _, a := range s.accountsAt(read.Link) {
		if takes(a, wantsOf(read.Link)) == nil && (id == "" || a.ID() == id) {
			able = append(able, a)
		}
	}
	if len(able) == 0 || id == "" && len(able) > 1 {
		return nil, fault.New(fault.Unavailable, fault.ReasonAccountUnavailable, "This way to pay is not available for the order. Choose another one.")
	}
	return able[0], nil
}

// start is one press of Pay on an order.
type start struct {
	service *Service
	account *psp.Account
	read    *store.LinkRead
	// locale is the language that the payer chose, empty where none.
	locale string
	ids    order.IDs
	// token is that of the order's own page.
	token string

	// attempt is the live one after intend: a new one of ours, or one that is joined.
	attempt order.Attempt
	joined  bool
	// fence is the take-over of the attempt's task by which we work (I5).
	fence int64
}

func (t *start) orderKey() store.OrderKey {
	return store.OrderKey{Merchant: t.read.Order.Merchant, ID: t.read.Order.ID.String()}
}

func (t *start) taskKey() store.TaskKey {
	return store.TaskKey{Merchant: t.read.Order.Merchant, ID: t.attempt.ID}
}

// intend commits the intent with its lease, or finds the attempt that is under way.
func (t *start) intend(ctx context.Context) error {
	s, key := t.service, t.orderKey()
	id := t.ids.ID("att_", 0)
	declared := t.account.Declaration()
	return s.writer.Do(ctx, writer.Command{
		Name: "StartAttempt", Merchant: key.Merchant, Size: commandSize,
		Keys: store.Keys{
			Orders: []store.OrderKey{key}, Links: []store.LinkKey{{Merchant: key.Merchant, ID: t.read.Link.ID}},
			Tasks: []store.TaskKey{{Merchant: key.Merchant, ID: id}}, Existing: true,
		},
		Decide: func(v *writer.View) (err error) {
			o, l := v.Order(t.read.Order.ID), v.Link(t.read.Link.ID)
			if o == nil || l == nil {
				return fmt.Errorf("order %s or its link is gone", key.ID)
			}
			if err := l.Usable(v.Now()); err != nil {
				return err
			}
			act := order.NewAct(v.Now(), order.Actor{Kind: order.ByPayer}, t.ids)
			t.attempt, t.joined, err = o.StartAttempt(act, order.AttemptSpec{
				ID: id, Account: t.account.ID(), SessionUntil: v.Now().Add(declared.SessionMax), Grace: declared.Grace,
			})
			if err != nil || t.joined {
				return err
			}
			v.SaveOrder(o)
			v.SaveTask(store.Task{
				TaskKey: store.TaskKey{Merchant: key.Merchant, ID: id}, Kind: store.AskAttempt, OrderID: key.ID, Account: t.account.ID(),
				DueAt: v.Now().Add(workLease), LeasedUntil: v.Now().Add(workLease),
			})
			return nil
		},
	})
}

// call asks the PSP for the way there, and writes the outcome.
func (t *start) call(ctx context.Context) (Started, error) {
	handoff, err := t.account.Start(ctx, t.intent())
	var refused *psp.RefusedError
	switch {
	case err == nil:
		return t.handOff(ctx, handoff)
	case errors.Is(err, psp.ErrNotAttempted), errors.As(err, &refused):
		return Started{}, t.bury(ctx, order.DeadNotAttempted, err)
	case errors.Is(err, psp.ErrHandoffLost):
		return Started{}, t.bury(ctx, order.DeadNeverHandedOff, err)
	}
	started := Started{Token: t.token, AttemptID: t.attempt.ID}
	return started, t.outcome(ctx, func(v *writer.View, o *order.Order, act order.Act, task *held) error {
		if task != nil {
			task.askSoon(v.Now())
		}
		return o.Doubt(act, t.attempt.ID)
	})
}

func (t *start) intent() psp.Intent {
	s, o := t.service, t.read.Order
	description := s.merchants[o.Merchant].Name + " " + o.ID.String()
	if o.Details != nil && o.Details.Description != "" {
		description = o.Details.Description
	}
	back := s.publicURL + "/pay/" + t.token + "/return/" + t.attempt.ID
	if t.locale != "" {
		back += "?lang=" + url.QueryEscape(t.locale)
	}
	return psp.Intent{
		Ref: s.mark.Ref(t.attempt.ID), Amount: o.Terms.Amount, Hold: o.Terms.Capture == order.Manual,
		Description: description, Locale: cmp.Or(t.locale, o.Locale, s.merchants[o.Merchant].Locale), SessionUntil: t.attempt.SessionUntil,
		ReturnURL: back, CallbackURL: s.callbackURL(t.account.ID()),
	}
}

// handOff commits that the payer is given the way, before the payer is. Where somebody took over
// meanwhile, theirs is the way (I5). Where nothing is to be paid by now, the way is given to nobody.
func (t *start) handOff(ctx context.Context, handoff psp.Handoff) (Started, error) {
	data, err := json.Marshal(handoff)
	if err != nil {
		return Started{}, fmt.Errorf("keep the way to the PSP: %w", err)
	}
	var closed, overtaken bool
	err = t.outcome(ctx, func(v *writer.View, o *order.Order, act order.Act, task *held) error {
		a := o.Attempt(t.attempt.ID)
		closed, overtaken = !a.Live() || !o.Awaited(), task == nil
		switch {
		case closed && (overtaken || !a.Live()):
			return nil
		case closed:
			return t.end(v, o, act, task, order.DeadNeverHandedOff)
		case !overtaken:
			v.SaveHandoff(store.Handoff{Merchant: o.Merchant, AttemptID: a.ID, Data: data})
			task.askAfter(v.Now(), a.StartedAt, t.account)
		}
		return o.HandOff(act, a.ID)
	})
	started := Started{Token: t.token, AttemptID: t.attempt.ID}
	switch {
	case err != nil:
		return Started{}, err
	case closed:
		return started, nil // The order was paid or cancelled meanwhile (O9, O10): the page shows the status.
	case overtaken:
		return t.join(ctx)
	}
	started.Handoff = &handoff
	return started, nil
}

// bury commits that nothing can come of the attempt, and says so. Where somebody took over meanwhile,
// they know better (I5).
func (t *start) bury(ctx context.Context, proof order.DeathProof, cause error) error {
	err := t.outcome(ctx, func(v *writer.View, o *order.Order, act order.Act, task *held) error {
		if task == nil {
			return nil
		}
		return t.end(v, o, act, task, proof)
	})
	if err != nil {
		return err
	}
	return fault.New(fault.Unavailable, fault.ReasonPSPNotAttempted,
		"The payment could not be started at the PSP. Nothing was charged; try again.", fault.Because(cause))
}

// end notes that nothing can come of the attempt, and ends its task unless a hint asks for a lookup (C4).
func (t *start) end(v *writer.View, o *order.Order, act order.Act, task *held, proof order.DeathProof) error {
	task.askSoon(v.Now())
	err := o.Bury(act, t.attempt.ID, proof)
	task.done = !o.Attempt(t.attempt.ID).Live() && !task.Hinted
	return err
}

// outcome writes what the PSP said. The task is nil where somebody else has taken over (I5).
func (t *start) outcome(ctx context.Context,
	decide func(v *writer.View, o *order.Order, act order.Act, task *held) error,
) error {
	work := work{order: t.orderKey(), task: t.taskKey(), fence: t.fence, actor: t.account.ID(), ids: t.service.newIDs(), name: "StartAttempt outcome"}
	return t.service.finish(ctx, work, decide)
}

// join waits for the way that the first tap was given. Where the first tap's server died before it had
// one, this one takes over and asks for it: the PSP opens no second payment for the same reference.
func (t *start) join(ctx context.Context) (Started, error) {
	started := Started{Token: t.token, AttemptID: t.attempt.ID}
	waiting, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	for {
		var err error
		if started.Handoff, err = t.way(ctx); err != nil || started.Handoff != nil {
			return started, err
		}
		taken, err := t.service.store.ClaimTask(ctx, t.taskKey(), workLease)
		if err == nil {
			t.fence = taken.Fence
			return t.takeOver(ctx)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return Started{}, away(err)
		}
		if !pause(waiting, joinPause) {
			return started, nil
		}
	}
}

// takeOver goes on where the first tap was left. The lease may be free because the first tap has just
// come to its end: then its way is there by now.
func (t *start) takeOver(ctx context.Context) (Started, error) {
	way, err := t.way(ctx)
	if err != nil {
		return Started{}, err
	}
	if way == nil {
		return t.call(ctx)
	}
	err = t.outcome(ctx, func(*writer.View, *order.Order, order.Act, *held) error { return nil }) // It gives the lease back.
	return Started{Token: t.token, AttemptID: t.attempt.ID, Handoff: way}, err
}

// way is the committed way to the PSP, nil where there is none.
func (t *start) way(ctx context.Context) (*psp.Handoff, error) {
	data, err := t.service.store.Handoff(ctx, t.orderKey().Merchant, t.attempt.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // No way yet.
	}
	if err != nil {
		return nil, away(err)
	}
	way := &psp.Handoff{}
	if err := json.Unmarshal(data, way); err != nil {
		return nil, fmt.Errorf("read the way to the PSP: %w", err)
	}
	return way, nil
}
