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

// CancelOrder stops an order's offer (O10), and says whether the answer is a recorded one.
func (s *Service) CancelOrder(ctx context.Context, caller Caller, in CancelOrder) (OrderInfo, bool, error) {
	if err := refuseCard("reason", in.Reason); err != nil {
		return OrderInfo{}, false, err
	}
	id, err := order.ParseID(in.OrderID)
	if err != nil {
		return OrderInfo{}, false, err
	}
	// Its words; the decision is made on locked rows. A key that was used for another order is told first (I2).
	read, missing := s.order(ctx, caller, in.OrderID)
	if missing != nil && !fault.Is(missing, fault.ReasonOrderNotFound) {
		return OrderInfo{}, false, missing
	}
	f := fields{}
	f.text("order_id", in.OrderID)
	f.text("reason", in.Reason)
	call := Call{Method: methodCancel, Key: in.IdempotencyKey, Fields: f, ValidateOnly: in.ValidateOnly}
	cmd := writer.Command{Size: commandSize, Keys: store.Keys{Orders: []store.OrderKey{{Merchant: caller.Merchant, ID: id.String()}}}}
	ids := s.newIDs()
	return once(ctx, s, caller, call, cmd, func(v *writer.View) (OrderInfo, error) {
		if missing != nil {
			return OrderInfo{}, missing
		}
		o := v.Order(id)
		if o == nil {
			return OrderInfo{}, readFailed(store.ErrNotFound, fault.ReasonOrderNotFound, "There is no order "+in.OrderID+".")
		}
		if err := sameMode(caller, o.Live); err != nil {
			return OrderInfo{}, err
		}
		act := order.NewAct(v.Now(), caller.actor(), ids)
		act.Reason = in.Reason
		if err := o.Cancel(act); err != nil {
			return OrderInfo{}, err
		}
		v.SaveOrder(o)
		return orderInfo(o, read.Order.Details, v.Now()), nil
	})
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
