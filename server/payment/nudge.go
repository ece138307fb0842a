package payment

import (
	"context"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

const (
	// nudgesMax is how many nudges wait at most; more are dropped, as the schedule asks anyway.
	nudgesMax = 1024
	// askSpacing is the least time between two questions about one attempt (O6).
	askSpacing = 10 * time.Second
)

// nudge asks for a question to the PSP as soon as may be, where one can tell more (O6). It never waits.
func (s *Service) nudge(o *order.Order) {
	if o == nil || !unsettled(o) {
		return
	}
	select {
	case s.nudges <- store.OrderKey{Merchant: o.Merchant, ID: o.ID.String()}:
	default:
	}
}

// unsettled reports whether the PSP may know more than we do.
func unsettled(o *order.Order) bool {
	if live := o.LiveAttempt(); live != nil && live.State != order.AttemptCreated {
		return true
	}
	for i := range o.Refunds {
		if o.Refunds[i].Open() {
			return true
		}
	}
	return false
}

// RunNudges passes nudges on until ctx ends, each order once for those that come together.
func (s *Service) RunNudges(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case first := <-s.nudges:
			for key := range s.gathered(first) {
				// A nudge that is lost is no harm: the schedule asks anyway.
				_ = s.store.NudgeTasks(ctx, key, askSpacing)
			}
		}
	}
}

func (s *Service) gathered(first store.OrderKey) map[store.OrderKey]struct{} {
	keys := map[store.OrderKey]struct{}{first: {}}
	for range nudgesMax {
		select {
		case key := <-s.nudges:
			keys[key] = struct{}{}
		default:
			return keys
		}
	}
	return keys
}
