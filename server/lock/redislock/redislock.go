// Package redislock keeps locks in Redis, for several servers over one database.
//
// A key is taken with SET NX PX and a token of its holder, and given back by a script that compares the
// token first. Its one idea is coalescing without a timer: while one pipeline is in flight, what callers
// want next gathers, and goes out together. Takes, releases and questions stand in one queue in the
// order in which they were asked for, so a key released here is free for the next caller here. In
// front stands a lock of this process: of many callers with one key, one goes to Redis.
//
// It promises to cost little when Redis is away: the first failure, or an answer later than
// [Options.Timeout], opens a circuit. From then on callers hear lock.ErrAway without a wait on the
// network, and one probe per [Options.ProbeEvery] looks whether the service is back.
//
// Concurrency: a [Lock] and its leases may be used from many goroutines. [Lock.Run] is the only
// goroutine that speaks to Redis; the caller starts it once, and waits for it.
//
// Ordering: requests of one process reach Redis in the order of the calls. Between processes there is none.
//
// Failure: keys that Redis lost are free (I3). A release that could not be sent is kept until Redis is
// back, within a bound; beyond it the time to live frees the key. A take whose answer was lost is
// released again, so that a key is not held by nobody.
package redislock

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kvitpay/kvit/server/lock"
)

// Limits of the defaults and of waiting.
const (
	defaultPrefix     = "kvit:lock:"
	defaultTimeout    = 250 * time.Millisecond
	defaultProbeEvery = time.Second
	defaultBatchMax   = 256

	// pollFirst is the first pause between two looks at a key that another process holds, pollMax the longest.
	pollFirst = 5 * time.Millisecond
	pollMax   = 50 * time.Millisecond
	// watchMax is how long one caller looks on behalf of all before they try again.
	watchMax = 5 * time.Second
)

// Options are what may be chosen; zero values stand for the defaults.
type Options struct {
	// Prefix stands before every key, "kvit:lock:" by default. Keys have no hash tag, so that a
	// cluster spreads them.
	Prefix string
	// Timeout is how long a caller waits for Redis, 250 ms by default.
	Timeout time.Duration
	// ProbeEvery is how often a service that is away is asked whether it is back, 1 s by default.
	ProbeEvery time.Duration
	// BatchMax is how many requests one pipeline carries, 256 by default.
	BatchMax int
	// Observer hears what happens.
	Observer Observer
}

// Observer hears what happens, for metrics and logs. Fields may be nil. The functions are called on
// the callers' way and must be quick.
type Observer struct {
	// StateChanged is called once per change: up false with the failure, up true with nil.
	StateChanged func(up bool, err error)
	// Acquired counts keys taken, Held those found taken, Away the calls that went without an answer.
	Acquired, Held, Away func()
}

// Lock is a lock service in Redis. Run must be running for it to answer.
type Lock struct {
	client      redis.UniversalClient
	local       lock.Locker
	opts        Options
	queue       *queue
	releaseHash string
	// tokens begins every token of this process; sequence ends it.
	tokens   string
	sequence atomic.Uint64
}

var _ lock.Locker = (*Lock)(nil)

// New returns a lock over client. Local is this process's own lock, memlock as a rule, and is used by
// nobody else. The client belongs to the caller; [Open] makes one that honours deadlines.
func New(client redis.UniversalClient, local lock.Locker, opts Options) *Lock {
	if opts.Prefix == "" {
		opts.Prefix = defaultPrefix
	}
	if opts.Timeout <= 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.ProbeEvery <= 0 {
		opts.ProbeEvery = defaultProbeEvery
	}
	if opts.BatchMax <= 0 {
		opts.BatchMax = defaultBatchMax
	}
	opts.Observer = opts.Observer.filled()
	return &Lock{
		client:      client,
		local:       local,
		opts:        opts,
		queue:       newQueue(opts.Prefix+"probe", opts.Observer.StateChanged),
		releaseHash: redis.NewScript(releaseScript).Hash(),
		tokens:      rand.Text() + ".",
	}
}

// Acquire takes key in this process and then in Redis. It answers within Options.Timeout.
func (l *Lock) Acquire(ctx context.Context, key string, ttl time.Duration) (lock.Lease, error) {
	local, err := l.local.Acquire(ctx, key, ttl)
	if err != nil {
		l.count(err)
		return nil, err
	}
	take := newTake(l.opts.Prefix+key, l.token(), ttl)
	free, err := l.ask(ctx, take)
	if err == nil && !free {
		err = lock.ErrHeld
	}
	l.count(err)
	if err != nil {
		local.Release()
		return nil, err
	}
	return &lease{queue: l.queue, local: local, release: take.undo()}, nil
}

// Wait returns when key may have become free, also when Redis is away. One caller of a process looks
// on behalf of all who wait for the same key.
func (l *Lock) Wait(ctx context.Context, key string) error {
	if err := l.local.Wait(ctx, key); err != nil {
		return err
	}
	watch, err := l.local.Acquire(ctx, watchKey(key), watchMax)
	if errors.Is(err, lock.ErrHeld) {
		return l.local.Wait(ctx, watchKey(key))
	}
	if err != nil {
		return err
	}
	defer watch.Release()
	return l.poll(ctx, key)
}

// watchKey names the local lock of the one that looks. No caller's key starts with a zero byte.
func watchKey(key string) string { return "\x00watch\x00" + key }

// poll asks for key until it is free, Redis is away, or the others had better try for themselves.
func (l *Lock) poll(ctx context.Context, key string) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	spent := time.Duration(0)
	for wait := pollFirst; spent < watchMax; wait = min(2*wait, pollMax) {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		held, err := l.ask(ctx, newLook(l.opts.Prefix+key))
		if err != nil || !held {
			return ctx.Err()
		}
		jittered := wait/2 + mathrand.N(wait) //nolint:gosec // A pause is no secret.
		spent += jittered
		pause.Reset(jittered)
	}
	return nil
}

// ask queues r and waits for its answer, no longer than the timeout.
func (l *Lock) ask(ctx context.Context, r *request) (bool, error) {
	if !l.queue.put(r) {
		return false, lock.ErrAway
	}
	timeout := time.NewTimer(l.opts.Timeout)
	defer timeout.Stop()
	select {
	case a := <-r.answered:
		return a.yes, a.err
	case <-timeout.C:
		l.queue.trip(fmt.Errorf("no answer from Redis within %s", l.opts.Timeout), r.key)
		return r.giveUp(lock.ErrAway)
	case <-ctx.Done():
		return r.giveUp(ctx.Err())
	}
}

// token returns a word that no other holding of a key has, in this process or in another.
func (l *Lock) token() string {
	return l.tokens + strconv.FormatUint(l.sequence.Add(1), 36)
}

// count tells the observer how an Acquire ended. A caller that went away by itself is not counted.
func (l *Lock) count(err error) {
	switch {
	case err == nil:
		l.opts.Observer.Acquired()
	case errors.Is(err, lock.ErrHeld):
		l.opts.Observer.Held()
	case errors.Is(err, lock.ErrAway):
		l.opts.Observer.Away()
	}
}

// filled returns the observer with no field nil.
func (o Observer) filled() Observer {
	if o.StateChanged == nil {
		o.StateChanged = func(bool, error) {}
	}
	for _, f := range []*func(){&o.Acquired, &o.Held, &o.Away} {
		if *f == nil {
			*f = func() {}
		}
	}
	return o
}

// lease is a key held here and in Redis.
type lease struct {
	queue   *queue
	local   lock.Lease
	release *request
	done    atomic.Bool
}

// Release queues the release and returns.
func (h *lease) Release() {
	if h.done.Swap(true) {
		return
	}
	// The queue comes first: the next local holder's take then stands behind this release.
	h.queue.put(h.release)
	h.local.Release()
}
