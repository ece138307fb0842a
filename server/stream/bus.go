package stream

import "context"

// Bus carries wake-ups from who committed something to who waits for it. A wake-up names a merchant
// and carries no data: it says "look again". It may be lost, doubled or merged with another.
type Bus interface {
	// Publish wakes every subscription of these merchants, here and in other processes. It neither
	// blocks on the network nor fails: wake-ups are best effort.
	Publish(ctx context.Context, merchants ...string)

	// Subscribe starts listening for one merchant. What is published after it has returned in this
	// process wakes it. The caller closes the subscription.
	Subscribe(merchant string) Subscription
}

// Subscription receives the wake-ups of one merchant.
type Subscription interface {
	// C holds at most one wake-up; further ones are merged with it. It is never closed.
	C() <-chan struct{}

	// Close ends the subscription. A second call does nothing.
	Close()
}
