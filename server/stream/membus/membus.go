// Package membus carries wake-ups within one process.
//
// It is the bus of a server that runs alone, and the local half of a bus between several. Its one idea:
// a wake-up is a token in a channel that holds one, so a subscriber that is slow to look finds one
// wake-up however many were published, and a publisher never waits.
//
// Concurrency: a [Bus] and its subscriptions may be used from many goroutines.
//
// Ordering: none. Wake-ups of one merchant merge.
//
// Failure: nothing is lost within the process.
package membus

import (
	"context"
	"sync"

	"github.com/kvitpay/kvit/server/stream"
)

// Bus connects publishers and subscribers of this process.
type Bus struct {
	mu        sync.RWMutex
	merchants map[string]map[*subscription]struct{}
}

var _ stream.Bus = (*Bus)(nil)

// subscription is one listener. Only its merchant's publishers know its channel.
type subscription struct {
	bus      *Bus
	merchant string
	wake     chan struct{}
}

// New returns a bus without subscribers.
func New() *Bus { return &Bus{merchants: map[string]map[*subscription]struct{}{}} }

// Publish wakes the subscribers of these merchants.
func (b *Bus) Publish(_ context.Context, merchants ...string) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, merchant := range merchants {
		for s := range b.merchants[merchant] {
			s.signal()
		}
	}
}

// PublishAll wakes every subscriber: any of them may have missed something.
func (b *Bus) PublishAll() {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, subscriptions := range b.merchants {
		for s := range subscriptions {
			s.signal()
		}
	}
}

// Subscribe starts listening for one merchant.
func (b *Bus) Subscribe(merchant string) stream.Subscription {
	s := &subscription{bus: b, merchant: merchant, wake: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.merchants[merchant] == nil {
		b.merchants[merchant] = map[*subscription]struct{}{}
	}
	b.merchants[merchant][s] = struct{}{}
	return s
}

// C holds the wake-up.
func (s *subscription) C() <-chan struct{} { return s.wake }

// Close ends the subscription and forgets a merchant that nobody listens for.
func (s *subscription) Close() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	subscriptions := s.bus.merchants[s.merchant]
	delete(subscriptions, s)
	if len(subscriptions) == 0 {
		delete(s.bus.merchants, s.merchant)
	}
}

func (s *subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
