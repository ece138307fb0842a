package payment

import (
	"context"
	"errors"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

const (
	methodCancel     = "CancelOrder"
	methodDeactivate = "DeactivatePaymentLink"
)

// CancelOrder asks to stop an offer.
type CancelOrder struct {
	IdempotencyKey string
	OrderID        string
	Reason         string
	ValidateOnly   bool
}

// CancelOrder stops an order's offer (O10), and says whether the answer is a recorded one. Money that is
// held for the order is released at the PSP first: the intent is written, the PSP asked, and the outcome
// written (I5). Where the outcome is not known the order stays AUTHORIZED, and the resolver finds out.
func (s *Service) CancelOrder(ctx context.Context, caller Caller, in CancelOrder) (OrderInfo, bool, error) {
	if err := refuseCard("reason", in.Reason); err != nil {
		return OrderInfo{}, false, err
	}
	h, err := s.holding(ctx, caller, in.OrderID)
	if err != nil {
		return OrderInfo{}, false, err
	}
	f := fields{}
	f.text("order_id", in.OrderID)
	f.text("reason", in.Reason)
	call := Call{Method: methodCancel, Key: in.IdempotencyKey, Fields: f, ValidateOnly: in.ValidateOnly}
	info, replayed, err := once(ctx, s, caller, call, h.command(), func(v *writer.View) (OrderInfo, error) {
		if o := h.order(v); o != nil && o.State == order.Authorized {
			return h.intend(v, in.Reason, h.void)
		}
		return h.stop(v, in.Reason)
	})
	if err != nil || !h.voids && info.State != order.Authorized { // A repeat of a void is answered as that stands by now.
		return info, replayed, err
	}
	return h.answer(ctx, info, replayed, in.ValidateOnly, err)
}

// order is the order that the call is about, where it is there and its caller may change it.
func (h *holding) order(v *writer.View) *order.Order {
	if h.missing != nil {
		return nil
	}
	return v.Order(h.id)
}

// void asks for the release of the hold.
func (h *holding) void(o *order.Order, act order.Act) (order.Payment, error) {
	h.voids = true
	if h.account != nil && !h.account.CanVoid() {
		return order.Payment{}, fault.New(fault.Precondition, fault.ReasonCaptureUnsupported,
			"The account cannot release held money by a call. Use the PSP's own cabinet.")
	}
	return o.RequestVoid(act)
}

// stop ends the offer of an order for which no money is held.
func (h *holding) stop(v *writer.View, reason string) (OrderInfo, error) {
	h.voids = false
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
	if err := o.Cancel(act); err != nil {
		return OrderInfo{}, err
	}
	v.SaveOrder(o)
	return orderInfo(o, h.details, v.Now()), nil
}

// sameMode keeps a test key from changing what is live, and a live key from changing tests (A1).
func sameMode(caller Caller, live bool) error {
	if caller.Live == live {
		return nil
	}
	return fault.New(fault.Denied, fault.ReasonModeDiffers, "A test key changes nothing live, and a live key no test.")
}

// DeactivateLink asks to close a link.
type DeactivateLink struct {
	IdempotencyKey string
	LinkID         string
	Reason         string
}

// DeactivateLink closes a link for good (L3), and says whether the answer is a recorded one.
func (s *Service) DeactivateLink(ctx context.Context, caller Caller, in DeactivateLink) (LinkInfo, bool, error) {
	if err := refuseCard("reason", in.Reason); err != nil {
		return LinkInfo{}, false, err
	}
	missing := func(err error) error {
		return readFailed(err, fault.ReasonLinkNotFound, "There is no payment link "+in.LinkID+".")
	}
	read, err := s.store.Link(ctx, store.LinkKey{Merchant: caller.Merchant, ID: in.LinkID})
	known := err == nil
	if !known && !errors.Is(err, store.ErrNotFound) {
		return LinkInfo{}, false, missing(err)
	}
	var words order.Details
	if known { // Where not, a key that was used for another link is told first (I2).
		words = s.linkAnswer(&read).Details
	}
	f := fields{}
	f.text("link_id", in.LinkID)
	f.text("reason", in.Reason)
	call := Call{Method: methodDeactivate, Key: in.IdempotencyKey, Fields: f}
	cmd := writer.Command{Size: commandSize, Keys: store.Keys{Links: []store.LinkKey{{Merchant: caller.Merchant, ID: in.LinkID}}}}
	ids := s.newIDs()
	info, replayed, err := once(ctx, s, caller, call, cmd, func(v *writer.View) (LinkInfo, error) {
		l := v.Link(in.LinkID)
		if !known || l == nil {
			return LinkInfo{}, missing(store.ErrNotFound)
		}
		if err := sameMode(caller, l.Live); err != nil {
			return LinkInfo{}, err
		}
		act := order.NewAct(v.Now(), caller.actor(), ids)
		act.Reason = in.Reason
		if err := l.Deactivate(act); err != nil {
			return LinkInfo{}, err
		}
		v.SaveLink(l)
		info := linkInfo(l, nil, v.Now())
		info.Details = words
		return info, nil
	})
	if err != nil {
		return LinkInfo{}, false, err
	}
	info.URL = s.address(info.KeyID, info.ID)
	return info, replayed, nil
}
