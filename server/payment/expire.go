package payment

import (
	"context"
	"errors"
	"fmt"

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
	var failed error
	for _, keys := range byMerchant(due) {
		n, err := s.expire(ctx, keys)
		failed = errors.Join(failed, err) // One merchant's trouble holds up nobody else's orders.
		expired += n
	}
	return expired, len(due) == sweepBatch && failed == nil, failed
}

// expire ends the orders of one merchant. An order that cannot be ended is left and reported; the
// others are.
func (s *Service) expire(ctx context.Context, keys []store.OrderKey) (int, error) {
	ids := s.newIDs()
	var ended int
	var broken error
	err := s.writer.Do(ctx, writer.Command{
		Name: "ExpireOrders", Merchant: keys[0].Merchant, Keys: store.Keys{Orders: keys, Existing: true},
		Size: commandSize * len(keys), Bulk: true,
		Decide: func(v *writer.View) error {
			ended, broken = 0, nil
			act := order.NewAct(v.Now(), order.Actor{Kind: order.BySystem, ID: "expiry"}, ids)
			for _, key := range keys {
				changed, err := expireOne(v, act, key)
				if err != nil {
					broken = errors.Join(broken, fmt.Errorf("expire order %s: %w", key.ID, err))
				}
				if changed {
					ended++
				}
			}
			return nil
		},
	})
	if err != nil {
		return 0, err // The decision may still be running: what it found is not read.
	}
	return ended, broken
}

func expireOne(v *writer.View, act order.Act, key store.OrderKey) (changed bool, err error) {
	id, err := order.ParseID(key.ID)
	if err != nil {
		return false, err
	}
	o := v.Order(id)
	if o == nil {
		return false, nil
	}
	before := o.Version
	if err := o.Expire(act); err != nil || o.Version == before {
		return false, err
	}
	v.SaveOrder(o)
	return true, nil
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
