// Package lock is the socket for keeping duplicates from working at the same time.
//
// A lock here is a courtesy (I3): it saves the second of two equal requests its work. It decides
// nothing. Losing every lock, or the service that keeps them, at any instant changes no outcome, only
// how long something takes; uniqueness, order and bounds are held by the database.
//
// There is no renewal. A holder that works longer than its time to live loses the key without being
// told, and what it does from then on is judged by the database like everything else.
//
// Concurrency: a [Locker] and its leases may be used from many goroutines.
//
// Ordering: none is promised among those who wait for one key; whoever acquires first has it.
//
// Failure: a service that does not answer is an error that is not [ErrHeld], and comes quickly. The
// caller goes on without a lock. Plugs pass the suite in locktest.
package lock

import (
	"context"
	"errors"
	"time"
)

// ErrHeld means that somebody else works on the key.
var ErrHeld = errors.New("lock: held by another")

// ErrAway means that the lock service does not answer. Callers go on without a lock.
var ErrAway = errors.New("lock: service is away")

// Locker hands out keys, each to one holder at a time.
type Locker interface {
	// Acquire takes key for ttl if it is free, and says so at once; it never waits for a holder.
	// ErrHeld means that somebody else works on it. Any other error, ErrAway as a rule, means that
	// the service is away or that ctx has ended.
	Acquire(ctx context.Context, key string, ttl time.Duration) (Lease, error)

	// Wait returns nil when key may have become free, also when the service is away, or ctx.Err().
	// The key may be taken again by the time it returns: Acquire tells.
	Wait(ctx context.Context, key string) error
}

// Lease is a key that is held.
type Lease interface {
	// Release gives the key back, unless its time is over and another holds it. It does not wait
	// for the network, and a second call does nothing.
	Release()
}
