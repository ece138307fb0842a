package payment

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/text"
)

// Explanation is an order's history in plain words.
type Explanation struct {
	Order   OrderInfo
	Steps   []ExplainedStep
	Summary string
}

// ExplainedStep is one entry in plain words, with the evidence that it rests on.
type ExplainedStep struct {
	Position uint64
	At       time.Time
	Type     order.Type
	Text     string
	Actor    order.Actor
	Evidence []ExplainedEvidence
}

// ExplainedEvidence is one piece of evidence in plain words.
type ExplainedEvidence struct {
	order.Evidence
	Summary string
}

// ExplainOrder tells what happened to an order, and on what evidence, from its journal alone (O3).
func (s *Service) ExplainOrder(ctx context.Context, caller Caller, orderID string) (Explanation, error) {
	merchant, err := s.Merchant(caller)
	if err != nil {
		return Explanation{}, err
	}
	read, err := s.order(ctx, caller, orderID)
	if err != nil {
		return Explanation{}, err
	}
	stored, err := s.store.OrderEntries(ctx, store.OrderKey{Merchant: caller.Merchant, ID: orderID})
	if err != nil {
		return Explanation{}, away(err)
	}
	events, err := decode(stored)
	if err != nil {
		return Explanation{}, err
	}
	texts, err := s.texts(ctx, caller.Merchant, events)
	if err != nil {
		return Explanation{}, err
	}
	explained := Explanation{
		Order: orderInfo(read.Order, read.Order.Details, read.Now),
		Steps: make([]ExplainedStep, len(events)),
	}
	teller := teller{order: read.Order, location: merchant.Location, latest: map[string]*order.Evidence{}}
	for i := range events {
		explained.Steps[i] = teller.step(&events[i], texts[events[i].ID])
	}
	explained.Summary = text.Say(text.EN, text.State(string(explained.Order.State)),
		text.WithAmount(text.ArgAmount, read.Order.Terms.Amount), text.With(text.ArgOrder, orderID),
		text.WithInstant(text.ArgUntil, read.Order.OfferUntil, merchant.Location))
	return explained, nil
}

// texts reads the private texts beside entries. Erased ones are left out: the history stays true without them (J3).
func (s *Service) texts(ctx context.Context, merchant string, events []Event) (map[string]order.Private, error) {
	var ids []string
	for i := range events {
		if events[i].TextHash != "" {
			ids = append(ids, events[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil //nolint:nilnil // No texts are an empty map.
	}
	stored, err := s.store.Texts(ctx, merchant, ids)
	if err != nil {
		return nil, away(err)
	}
	texts := make(map[string]order.Private, len(stored))
	for i := range events {
		raw, ok := stored[events[i].ID]
		if !ok {
			continue
		}
		if !events[i].TextFits(raw) {
			return nil, errors.New("the private text of entry " + events[i].ID + " is not the one it was written with")
		}
		if texts[events[i].ID], err = order.OpenPrivate(raw); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// teller knows, while it walks through the entries, what was said before.
type teller struct {
	order    *order.Order
	location *time.Location
	// latest is the last evidence per attempt: what the entries after it rest on.
	latest map[string]*order.Evidence
	last   *order.Evidence
}

func (t *teller) step(e *Event, private order.Private) ExplainedStep {
	step := ExplainedStep{Position: e.Position, At: e.At, Type: e.Type, Actor: e.Actor}
	step.Text = text.Explain(string(e.Type), t.args(e, private)...)
	if x := e.Change.Exception; x != nil && x.Kind != "" {
		step.Text += " " + text.ExplainException(string(x.Kind), t.exceptionArgs(x)...)
	}
	if ev := e.Change.Evidence; ev != nil {
		t.last = ev
		t.latest[ev.AttemptID] = ev
	}
	if ev := t.restsOn(e); ev != nil {
		step.Evidence = []ExplainedEvidence{{Evidence: *ev, Summary: t.summary(ev)}}
	}
	return step
}

// factTypes are the entries that a fact about money leads to.
var factTypes = []order.Type{
	order.OrderPaid, order.OrderAuthorized, order.OrderCaptured, order.OrderReviewRequired,
	order.OrderChargedBack, order.OrderChargebackUndone,
}

// restsOn is the evidence behind an entry: its own, or for what a fact led to, the last one.
func (t *teller) restsOn(e *Event) *order.Evidence {
	if e.Change.Evidence != nil {
		return e.Change.Evidence
	}
	if e.Change.Attempt != nil {
		if ev, ok := t.latest[e.Change.Attempt.ID]; ok && e.Type != order.AttemptStarted {
			return ev
		}
		return nil
	}
	if slices.Contains(factTypes, e.Type) {
		return t.last
	}
	return nil
}

func (t *teller) summary(ev *order.Evidence) string {
	return text.ExplainSource(string(ev.Source), text.With(text.ArgPSP, ev.Account)) + ": " +
		text.ExplainFact(string(ev.Fact), t.evidenceArgs(ev)...)
}

func (t *teller) evidenceArgs(ev *order.Evidence) []text.Arg {
	return []text.Arg{
		amountArg(ev.AmountMinor, ev.Currency),
		text.With(text.ArgPSP, ev.Account),
		text.With(text.ArgReason, ev.Failure),
		text.With(text.ArgSource, text.ExplainSource(string(ev.Source), text.With(text.ArgPSP, ev.Account))),
		text.With(text.ArgFact, text.ExplainFact(string(ev.Fact), text.With(text.ArgReason, ev.Failure))),
		text.With(text.ArgAttempt, ev.AttemptID),
	}
}

func (t *teller) exceptionArgs(x *order.ExceptionFacts) []text.Arg {
	return []text.Arg{
		amountArg(x.AmountMinor, x.Currency), text.WithAmount(text.ArgExpected, t.order.Terms.Amount),
		text.With(text.ArgReason, x.Detail), text.With(text.ArgAttempt, x.AttemptID),
	}
}

// args are all that is known about an entry; the sentence takes what it has a place for.
func (t *teller) args(e *Event, private order.Private) []text.Arg {
	args := []text.Arg{text.With(text.ArgOrder, e.OrderID), text.With(text.ArgLink, e.LinkID), text.With(text.ArgReason, private.Reason)}
	if e.Actor.Kind == order.ByKey || e.Actor.Kind == order.ByOperator {
		args = append(args, text.With(text.ArgActor, e.Actor.ID))
	}
	c := &e.Change
	if c.Order != nil {
		args = append(args, amountArg(c.Order.AmountMinor, c.Order.Currency), text.WithInstant(text.ArgUntil, c.Order.OfferUntil, t.location))
	}
	if c.Link != nil {
		args = append(args, amountArg(c.Link.AmountMinor, c.Link.Currency), text.With(text.ArgKind, kindWord(c.Link.Kind)))
	}
	if c.Attempt != nil {
		args = append(args, t.attemptArgs(c.Attempt)...)
	}
	if c.Evidence != nil {
		args = append(args, t.evidenceArgs(c.Evidence)...)
	}
	if c.Refund != nil {
		args = append(args, t.refundArgs(c.Refund)...)
	}
	if c.Exception != nil {
		args = append(args, amountArg(c.Exception.AmountMinor, c.Exception.Currency), text.With(text.ArgKind, string(c.Exception.Kind)))
	}
	if c.Payment != nil && c.Evidence == nil {
		args = append(args, t.paymentArgs(e)...)
	}
	return args
}

// paymentArgs are what an entry says of a payment without evidence of its own: what is asked, what was
// taken, what the order was paid, and what is held for it.
func (t *teller) paymentArgs(e *Event) []text.Arg {
	f, currency := e.Change.Payment, t.order.Currency().Code()
	args := []text.Arg{amountArg(f.CaptureAsked, currency), amountArg(f.Captured, currency)}
	if e.View != nil {
		args = append(args, amountArg(e.View.Paid, currency), amountArg(e.View.Authorized, currency))
	}
	if p := t.order.Payment(f.ID); p != nil {
		args = append(args, text.With(text.ArgPSP, p.Account))
	}
	return args
}

// refundArgs are what is known of a refund: entries after its request name it alone.
func (t *teller) refundArgs(f *order.RefundFacts) []text.Arg {
	args := []text.Arg{text.With(text.ArgReason, f.Failure)}
	r := t.order.Refund(f.ID)
	if r == nil {
		return args
	}
	currency := t.order.Currency().Code()
	if p := t.order.Payment(r.PaymentID); p != nil {
		currency = p.Currency
		args = append(args, text.With(text.ArgPSP, p.Account))
	}
	return append(args, amountArg(r.AmountMinor, currency))
}

func (t *teller) attemptArgs(f *order.AttemptFacts) []text.Arg {
	account := f.Account
	if a := t.order.Attempt(f.ID); a != nil {
		account = a.Account
	}
	reason := f.Failure
	if f.Proof != "" {
		reason = text.ExplainDeath(string(f.Proof))
	}
	return []text.Arg{text.With(text.ArgAttempt, f.ID), text.With(text.ArgPSP, account), text.With(text.ArgReason, reason)}
}

func amountArg(minor int64, currency string) text.Arg {
	amount, err := money.New(minor, currency)
	if err != nil || minor == 0 {
		return text.With(text.ArgAmount, "")
	}
	return text.WithAmount(text.ArgAmount, amount)
}

func kindWord(kind order.Kind) string {
	if kind == order.Fixed {
		return "fixed"
	}
	return "dynamic"
}
