// Package memlock keeps locks in the memory of one process.
//
// It is the lock of a server that runs alone, and the gate in front of a shared service: of many
// callers in one process with one key, only one passes on. Its one idea is a map from key to lease.
// A timer frees a key whose time is over, and a channel that is closed wakes all who wait for it.
//
// Concurrency: a [Lock] and its leases may be used from many goroutines.
//
// Failure: the service is never away; the only errors are lock.ErrHeld and that of an ended context.
package memlock

import (
	"context"
	"sync"
	"time"

	"github.com/kvitpay/kvit/server/lock"
)

// Lock hands out keys within this process.
type Lock struct {
	mu   sync.Mutex
	held map[string]*lease
}

var _ lock.Locker = (*Lock)(nil)

// lease is one holding of a key. Its address is its token: a lease that is no longer in the map
// frees nothing.
type lease struct {
	lock  *Lock
	key   string
	timer *time.Timer
	// freed is closed when the key becomes free. It is made by the first that waits.
	freed chan struct{}
}

// New returns a lock with every key free.
func New() *Lock { return &Lock{held: map[string]*lease{}} }

// Acquire takes key for ttl. A ttl of zero or less is over at once.
func (l *Lock) Acquire(ctx context.Context, key string, ttl time.Duration) (lock.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[key] != nil {
		return nil, lock.ErrHeld
	}
	taken := &lease{lock: l, key: key}
	l.held[key] = taken
	taken.timer = time.AfterFunc(ttl, taken.Release)
	return taken, nil
}

// Wait returns when the holder of key has released it or its time is over, at once where it is free.
func (l *Lock) Wait(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	freed := l.freed(key)
	if freed == nil {
		return nil
	}
	select {
	case <-freed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// freed returns the channel that closes when key becomes free, or nil where it is.
func (l *Lock) freed(key string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	holder := l.held[key]
	if holder == nil {
		return nil
	}
	if holder.freed == nil {
		holder.freed = make(chan struct{})
	}
	return holder.freed
}

// Release frees the key and wakes all who wait for it, unless this lease was freed before.
func (h *lease) Release() {
	l := h.lock
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[h.key] != h {
		return
	}
	delete(l.held, h.key)
	h.timer.Stop()
	if h.freed != nil {
		close(h.freed)
	}
}

// Len returns how many keys are held.
func (l *Lock) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held)
}
