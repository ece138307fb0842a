package payment

import (
	"context"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

// sweepBatch is how many orders one sweep ends at most; there is another one when it was full.
const sweepBatch = 100

// ExpireOrders ends offers that ran out (E1), at most one batch of them, oldest first, and counts
// them. Several servers may do it at once: who comes second finds the order expired.
func (s *Service) ExpireOrders(ctx context.Context) (expired int, more bool, err error) {
	due, err := s.store.DueOrders(ctx, sweepBatch)
	if err != nil {
		return 0, false, away(err)
	}
	for _, keys := range byMerchant(due) {
		n, err := s.expire(ctx, keys)
		if err != nil {
			return expired, false, err
		}
		expired += n
	}
	return expired, len(due) == sweepBatch, nil
}

func (s *Service) expire(ctx context.Context, keys []store.OrderKey) (expired int, err error) {
	ids := s.newIDs()
	err = s.writer.Do(ctx, writer.Command{
		Name: "ExpireOrders", Merchant: keys[0].Merchant, Keys: store.Keys{Orders: keys},
		Size: commandSize * len(keys), Bulk: true,
		Decide: func(v *writer.View) error {
			expired = 0
			act := order.NewAct(v.Now(), order.Actor{Kind: order.BySystem, ID: "expiry"}, ids)
			for _, key := range keys {
				id, err := order.ParseID(key.ID)
				if err != nil {
					return err
				}
				o := v.Order(id)
				if o == nil {
					continue
				}
				before := o.Version
				if err := o.Expire(act); err != nil {
					return err
				}
				if o.Version != before {
					v.SaveOrder(o)
					expired++
				}
			}
			return nil
		},
	})
	return expired, err
}

// byMerchant parts keys into runs of one merchant each.
func byMerchant(keys []store.OrderKey) [][]store.OrderKey {
	places := map[string]int{}
	var parts [][]store.OrderKey
	for _, key := range keys {
		place, ok := places[key.Merchant]
		if !ok {
			place = len(parts)
			places[key.Merchant] = place
			parts = append(parts, nil)
		}
		parts[place] = append(parts[place], key)
	}
	return parts
}
