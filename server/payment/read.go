package payment

import (
	"context"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/text"
)

// OrderStatus is where an order stands, what is odd about it, and what to do next.
type OrderStatus struct {
	Order      OrderInfo
	Exceptions []order.Exception
	// Payments are the money that arrived for the order, or is held (O8).
	Payments []order.Payment
	Next     NextStep
}

// NextStep is for bots: a word for programs, a sentence in the customer's language, an address where
// there is one.
type NextStep struct {
	Step order.Step
	Text string
	URL  string
}

// OrderStatus reads one order. It writes nothing and waits for no PSP; where one may know more, it
// nudges the resolver (E1, O6).
func (s *Service) OrderStatus(ctx context.Context, caller Caller, orderID string) (OrderStatus, error) {
	merchant, err := s.Merchant(caller)
	if err != nil {
		return OrderStatus{}, err
	}
	read, err := s.order(ctx, caller, orderID)
	if err != nil {
		return OrderStatus{}, err
	}
	s.nudge(read.Order)
	return OrderStatus{
		Order:      orderInfo(read.Order, read.Order.Details, read.Now),
		Exceptions: read.Order.Exceptions,
		Payments:   read.Order.Payments,
		Next:       s.nextStep(merchant, read),
	}, nil
}

func (s *Service) order(ctx context.Context, caller Caller, orderID string) (store.OrderRead, error) {
	id, err := order.ParseID(orderID)
	if err != nil {
		return store.OrderRead{}, err
	}
	read, err := s.store.Order(ctx, store.OrderKey{Merchant: caller.Merchant, ID: id.String()})
	if err != nil {
		return store.OrderRead{}, readFailed(err, fault.ReasonOrderNotFound, "There is no order "+orderID+".")
	}
	return read, nil
}

func (s *Service) nextStep(merchant Merchant, read store.OrderRead) NextStep {
	step := order.NextStep(read.Order, read.Link, read.Now)
	lang := text.Match(read.Order.Locale, merchant.Locale)
	next := NextStep{Step: step, Text: text.Say(lang, text.NextStep(string(step)),
		text.WithAmount(text.ArgAmount, read.Order.Terms.Amount),
		text.With(text.ArgOrder, read.Order.ID.String()),
		text.With(text.ArgSupport, merchant.Support),
		text.WithInstant(text.ArgUntil, read.Order.OfferUntil, merchant.Location),
	)}
	if (step == order.StepPay || step == order.StepTryAgain || step == order.StepWait) && read.Link != nil {
		next.URL = s.address(read.Link.KeyID, read.Link.ID)
	}
	return next
}

// Link reads one link with its address.
func (s *Service) Link(ctx context.Context, caller Caller, linkID string) (LinkInfo, error) {
	read, err := s.store.Link(ctx, store.LinkKey{Merchant: caller.Merchant, ID: linkID})
	if err != nil {
		return LinkInfo{}, readFailed(err, fault.ReasonLinkNotFound, "There is no payment link "+linkID+".")
	}
	return s.linkAnswer(&read), nil
}

// linkAnswer is a link that was read, with its order's words and its address.
func (s *Service) linkAnswer(read *store.LinkRead) LinkInfo {
	info := linkInfo(read.Link, read.Link.Details, read.Now)
	if read.Order != nil && read.Order.Details != nil {
		info.Details = *read.Order.Details
	}
	info.URL = s.address(info.KeyID, info.ID)
	return info
}
