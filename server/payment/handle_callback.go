package payment

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

const (
	// forgedKept is how many callbacks with a wrong signature are kept per account (C1).
	forgedKept = 1000
	// forgedPace and forgedBurst bound how many of them a process keeps per second, of all accounts: a
	// flood is counted whole and kept in samples.
	forgedPace, forgedBurst = 50, 200
	// keepMax bounds how long a callback may take to be kept.
	keepMax = 5 * time.Second
)

// HandleCallback is what an edge received for a PSP account.
type HandleCallback struct {
	// Account and Secret are the two parts of the address that the PSP was given (C3).
	Account, Secret string
	psp.Callback
}

// HandleCallback takes in what a PSP sent, and returns what that PSP expects to hear (C2). What is
// proven is one commit: the raw callback, what makes a repeat recognisable, and the effect. What is
// only a hint is one commit with the lookup that it asks for. The acknowledgement follows the commit (C1).
//
// The faults: ACCOUNT_NOT_FOUND for an address that is not ours, and what the write path has for a
// store that is away; then nothing that claims success may be answered.
func (s *Service) HandleCallback(ctx context.Context, in HandleCallback) (psp.Reply, error) {
	account, known := s.account[in.Account]
	if !known || !s.ownsAddress(in.Account, in.Secret) {
		return psp.Reply{}, fault.New(fault.NotFound, fault.ReasonAccountNotFound, "No PSP account has this callback address.")
	}
	report, reply, readErr := account.Read(ctx, in.Callback)
	raw, err := in.Encode()
	if err != nil {
		return psp.Reply{}, fmt.Errorf("keep the callback: %w", err)
	}
	m := store.Message{
		MessageKey: store.MessageKey{Merchant: account.Merchant(), Account: account.ID(), Digest: digestOf(&in.Callback)},
		ID:         s.newIDs().ID("msg_", 0), Kind: store.CallbackMessage, Ref: report.Ref, Raw: raw,
	}
	// The PSP may hang up; what it said is kept all the same.
	keeping, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepMax)
	defer cancel()
	if errors.Is(readErr, psp.ErrForged) {
		s.keepForged(keeping, m)
		return reply, nil
	}
	t := &taking{service: s, account: account, message: m, report: report}
	if err := t.take(keeping, readErr); err != nil {
		if away := account.Declaration().Away; away.Status != 0 {
			return away, nil
		}
		return psp.Reply{}, err
	}
	return reply, nil
}

// digestOf makes a repeat of a callback recognisable: by everything that it says, and not by how it
// was carried. A repeat may come with other headers; what it says was verified before this is looked at.
func digestOf(c *psp.Callback) [32]byte {
	var in []byte
	for _, part := range [][]byte{[]byte(c.Method), []byte(c.Query), c.Body} {
		in = binary.BigEndian.AppendUint64(in, uint64(len(part)))
		in = append(in, part...)
	}
	return sha256.Sum256(in)
}

// keepForged keeps a callback with a wrong signature among the newest of its account. It leads to
// nothing, so that a store that is away is no reason to answer otherwise (C1).
func (s *Service) keepForged(ctx context.Context, m store.Message) {
	if s.observer.Forged != nil {
		s.observer.Forged(m.Account)
	}
	if m.ReceivedAt = s.now(); !s.forged.AllowN(m.ReceivedAt, 1) {
		return
	}
	if err := s.store.AddForged(ctx, m, forgedKept); err != nil && s.observer.Lost != nil {
		s.observer.Lost("forged callback", err)
	}
}

// taking is one callback that was read.
type taking struct {
	service *Service
	account *psp.Account
	message store.Message
	report  psp.Report
}

// take finds what the callback is about and keeps it with its effect.
func (t *taking) take(ctx context.Context, readErr error) error {
	s := t.service
	attemptID, ours := s.mark.Attempt(t.report.Ref)
	switch {
	case readErr != nil && !errors.Is(readErr, psp.ErrUnreadable):
		return t.failed(ctx, readErr)
	case readErr != nil:
		return t.keep(ctx, store.MessageUnreadable)
	case !ours:
		return t.keep(ctx, store.MessageForeign)
	}
	t.message.AttemptID = attemptID
	orderID, known, err := s.store.OrderOfAttempt(ctx, attemptID, t.message.MessageKey)
	if errors.Is(err, store.ErrNotFound) {
		return t.keep(ctx, store.MessageOrphan)
	}
	if err != nil {
		return away(err)
	}
	if known == store.MessageApplied && t.report.Proven {
		t.observe("") // A repeat: what it says is committed (C1).
		return nil
	}
	t.message.OrderID = orderID
	err = t.apply(ctx)
	if err != nil && fault.KindOf(err) == fault.Internal {
		return t.failed(ctx, err)
	}
	return err
}

// failed keeps a callback that a fault of ours keeps from being taken in, to be replayed (C6). The PSP
// does not hear that all is well.
func (t *taking) failed(ctx context.Context, cause error) error {
	if err := t.keep(ctx, store.MessageFailed); err != nil {
		return err
	}
	return fault.New(fault.Internal, fault.ReasonInternal, "The callback was kept and could not be taken in.", fault.Because(cause))
}

// keep commits the raw callback alone.
func (t *taking) keep(ctx context.Context, outcome store.MessageOutcome) error {
	t.observe(outcome)
	return t.service.writer.Do(ctx, writer.Command{
		Name: "KeepCallback", Merchant: t.message.Merchant, Size: len(t.message.Raw) + commandSize,
		Keys: store.Keys{Messages: []store.MessageKey{t.message.MessageKey}},
		Decide: func(v *writer.View) error {
			if known, ok := v.Message(t.message.Account, t.message.Digest); ok && known.Outcome == outcome {
				return nil // A repeat.
			}
			m := t.message
			m.Outcome, m.ReceivedAt, m.OrderID = outcome, v.Now(), ""
			v.SaveMessage(m)
			return nil
		},
	})
}

// apply commits the raw callback with its effect on the order, or with the lookup that it asks for.
func (t *taking) apply(ctx context.Context) error {
	id, err := order.ParseID(t.message.OrderID)
	if err != nil {
		return err
	}
	key := store.OrderKey{Merchant: t.message.Merchant, ID: t.message.OrderID}
	task := store.TaskKey{Merchant: key.Merchant, ID: t.message.AttemptID}
	ids := t.service.newIDs()
	var outcome store.MessageOutcome
	err = t.service.writer.Do(ctx, writer.Command{
		Name: "HandlePspCallback", Merchant: key.Merchant, Size: len(t.message.Raw) + commandSize,
		Keys: store.Keys{
			Orders: []store.OrderKey{key}, Messages: []store.MessageKey{t.message.MessageKey}, Tasks: []store.TaskKey{task},
			Payments: paymentKeys(t.message.MessageKey, t.report.Findings), Existing: true,
		},
		Decide: func(v *writer.View) error {
			outcome = ""
			known, repeated := v.Message(t.message.Account, t.message.Digest)
			if repeated && known.Outcome == store.MessageApplied {
				return nil
			}
			o := v.Order(id)
			if o == nil {
				return fmt.Errorf("order %s is gone", key.ID)
			}
			if repeated && known.Outcome == store.MessageHint && !t.report.Proven {
				t.hint(v, o) // The same words may be about other news: "something has changed" (C4).
				return nil
			}
			m := t.message
			m.ReceivedAt = v.Now()
			if repeated {
				m.ID, m.ReceivedAt = known.ID, known.ReceivedAt
			}
			m.Outcome = store.MessageHint
			if t.report.Proven {
				m.Outcome = store.MessageApplied
				act := order.NewAct(v.Now(), order.Actor{Kind: order.ByPSP, ID: t.account.ID()}, ids)
				source := sight{source: order.FromCallback, account: t.account, attemptID: m.AttemptID, rawID: m.ID, receivedAt: m.ReceivedAt}
				if err := t.service.applyFindings(v, o, act, source, t.report.Findings); err != nil {
					return err
				}
				v.SaveOrder(o)
				t.settleTask(v, o)
			} else {
				t.hint(v, o)
			}
			v.SaveMessage(m)
			outcome = m.Outcome
			return nil
		},
	})
	if err == nil {
		t.observe(outcome)
	}
	return err
}

// settleTask ends the questions about an attempt that has its final answer, but for the one that a hint asks for.
func (t *taking) settleTask(v *writer.View, o *order.Order) {
	task, open := v.Task(t.message.AttemptID)
	if a := o.Attempt(task.ID); open && !task.Hinted && a != nil && !a.Live() {
		v.FinishTask(task.ID)
	}
}

// hint makes the lookup due that an unproven callback asks for (C4), also where the attempt had its answer.
// The attempt's own account is asked, wherever the hint came in: another one knows nothing of it (O7).
func (t *taking) hint(v *writer.View, o *order.Order) {
	task, open := v.Task(t.message.AttemptID)
	a := o.Attempt(t.message.AttemptID)
	if a == nil {
		return
	}
	if !open {
		task = store.Task{
			TaskKey: store.TaskKey{Merchant: t.message.Merchant, ID: a.ID},
			Kind:    store.AskAttempt, OrderID: t.message.OrderID, Account: a.Account, DueAt: v.Now(),
		}
	}
	soon := v.Now()
	if next := task.AskedAt.Add(askSpacing); !task.AskedAt.IsZero() && next.After(soon) {
		soon = next
	}
	if !open || soon.Before(task.DueAt) || task.LeasedUntil.After(v.Now()) { // Who asks now may be told old news.
		task.DueAt = soon
	}
	task.Hinted = true
	v.SaveTask(task)
}

func (t *taking) observe(outcome store.MessageOutcome) {
	if t.service.observer.Callback == nil {
		return
	}
	if outcome == "" {
		outcome = "REPEATED"
	}
	t.service.observer.Callback(t.account.ID(), string(outcome))
}

// paymentKeys are the names under which a PSP's payments are known.
func paymentKeys(at store.MessageKey, findings []psp.Finding) []store.PaymentKey {
	var keys []store.PaymentKey
	for i := range findings {
		key := store.PaymentKey{Merchant: at.Merchant, Account: at.Account, PSPPaymentID: findings[i].PSPPaymentID}
		if key.PSPPaymentID != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}
