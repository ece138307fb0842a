package payment

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

// payersOrderPrefix begins the order ids that we make for payers of fixed links.
const payersOrderPrefix = "kv_"

// payersOrder makes the order of a payer who pressed Pay on a fixed link, with a link of its own, or
// finds the one that the same page made before: it is keyed by link and page nonce (L5).
func (s *Service) payersOrder(ctx context.Context, template *store.LinkRead, nonce string) (store.LinkRead, error) {
	from := template.Link
	ids := s.payersIDs(from, nonce)
	id, err := order.ParseID(ids.ID(payersOrderPrefix, 0))
	if err != nil {
		return store.LinkRead{}, err
	}
	linkID := ids.ID("lnk_", 0)
	link := store.LinkKey{Merchant: from.Merchant, ID: linkID}
	token, keyID := s.keys.LinkToken(linkID)
	err = s.writer.Do(ctx, writer.Command{
		Name: "MakePayersOrder", Merchant: from.Merchant, Size: commandSize,
		Keys: store.Keys{
			Orders: []store.OrderKey{{Merchant: from.Merchant, ID: id.String()}},
			Links:  []store.LinkKey{{Merchant: from.Merchant, ID: from.ID}, link},
		},
		Decide: func(v *writer.View) error {
			if v.Order(id) != nil {
				return nil // A double tap, a back button, a repeated POST.
			}
			l := v.Link(from.ID)
			if l == nil {
				return fmt.Errorf("link %s is gone", from.ID)
			}
			if err := l.Usable(v.Now()); err != nil {
				return err
			}
			act := order.NewAct(v.Now(), order.Actor{Kind: order.ByPayer}, ids)
			until := v.Now().Add(from.OrderExpiresIn)
			o, err := order.Create(act, order.Spec{
				Merchant: from.Merchant, ID: id, LinkID: linkID, TemplateID: from.ID, Live: from.Live, Locale: from.Locale,
				Terms:      order.Terms{Kind: order.Fixed, Amount: from.Amount, Capture: from.Capture},
				OfferUntil: until, AcceptUntil: until.Add(s.merchants[from.Merchant].AcceptAfter), Details: words(from.Details),
			})
			if err != nil {
				return err
			}
			own, err := order.CreateLink(act, order.LinkSpec{
				Merchant: from.Merchant, ID: linkID, Kind: order.Dynamic, OrderID: id, Amount: from.Amount, Capture: from.Capture,
				Live: from.Live, Locale: from.Locale, KeyID: keyID, TokenHash: seal.TokenHash(token), ExpiresAt: until,
				Accounts: from.Accounts,
			})
			if err != nil {
				return err
			}
			v.SaveLink(own)
			v.SaveOrder(o)
			return nil
		},
	})
	if err != nil {
		return store.LinkRead{}, err
	}
	read, err := s.store.Link(ctx, link)
	if errors.Is(err, store.ErrNotFound) {
		return store.LinkRead{}, fault.New(fault.Internal, fault.ReasonInternal, "The order was made and is not there.", fault.Because(err))
	}
	if err != nil {
		return store.LinkRead{}, away(err)
	}
	return read, nil
}

// payersIDs are what a page's order and link are named by. They come from the key that the template's
// address was made with, which stays while a key is exchanged for a newer one: servers of which some have
// it already make one order, not two.
func (s *Service) payersIDs(from *order.Link, nonce string) order.IDs {
	parts := [][]byte{[]byte("order"), []byte(from.ID), []byte(nonce)}
	seed, known := s.keys.MACWith(from.KeyID, seal.PurposeNonce, parts...)
	if !known {
		seed = s.keys.MAC(seal.PurposeNonce, parts...)
	}
	return order.IDs{Seed: [16]byte(seed[:16]), Salt: [16]byte(seed[16:])}
}

// words are a template's words for an order of its own.
func words(d *order.Details) order.Details {
	if d == nil {
		return order.Details{}
	}
	return *d
}
