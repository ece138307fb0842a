package stream

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// ErrClosed means that the hub was closed: nothing more comes from it.
var ErrClosed = errors.New("stream: hub is closed")

// Defaults of Options.
const (
	defaultItemsMax = 4096
	defaultBytesMax = 4 << 20
	defaultPoll     = time.Second
)

// Source reads journals.
type Source[E any] interface {
	// Head returns the position of the newest event of the merchant's journal, 0 where there is none.
	Head(ctx context.Context, merchant string) (uint64, error)
	// Read returns up to limit events that follow position after, oldest first, none where after is
	// the head. The slice is not kept; the values are.
	Read(ctx context.Context, merchant string, after uint64, limit int) ([]Item[E], error)
}

// Options are what may be chosen; zero values stand for the defaults.
type Options struct {
	// ItemsMax and BytesMax bound the ring of one merchant: 4,096 items and 4 MiB by default. The
	// newest chunk of up to 64 items stays whatever its size.
	ItemsMax, BytesMax int
	// Poll is how often a tail looks without a wake-up, 1 s by default.
	Poll time.Duration
}

// Hub runs one tail for each merchant that somebody subscribes to: it starts with the first
// subscriber and stops after the last.
type Hub[E any] struct {
	bus    Bus
	source Source[E]
	log    *slog.Logger
	opts   Options

	mu     sync.Mutex
	tails  map[string]*tail[E]
	closed bool
	// running counts the goroutines of tails, also of those that nobody subscribes to any more.
	running sync.WaitGroup
}

// NewHub returns a hub that reads journals from source when bus says so. Close ends it.
func NewHub[E any](bus Bus, source Source[E], log *slog.Logger, opts Options) *Hub[E] {
	if opts.ItemsMax <= 0 {
		opts.ItemsMax = defaultItemsMax
	}
	if opts.BytesMax <= 0 {
		opts.BytesMax = defaultBytesMax
	}
	if opts.Poll <= 0 {
		opts.Poll = defaultPoll
	}
	return &Hub[E]{bus: bus, source: source, log: log, opts: opts, tails: map[string]*tail[E]{}}
}

// Subscribe starts following a merchant's journal. It waits for nothing: the first Next does.
// The caller closes the subscriber.
func (h *Hub[E]) Subscribe(merchant string) *Subscriber[E] {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tails[merchant]
	if t == nil {
		t = h.start(merchant)
	}
	t.subscribers++
	return &Subscriber[E]{hub: h, tail: t}
}

// start makes the merchant's tail. The caller holds mu.
func (h *Hub[E]) start(merchant string) *tail[E] {
	t := &tail[E]{
		merchant: merchant,
		source:   h.source,
		log:      h.log,
		poll:     h.opts.Poll,
		ring:     ring[E]{itemsMax: h.opts.ItemsMax, bytesMax: h.opts.BytesMax},
		epoch:    1,
		stop:     func() {},
	}
	t.show(h.closed)
	if h.closed {
		return t
	}
	ctx, cancel := context.WithCancel(context.Background()) //nolint:gosec // Leave and Close call it.
	t.stop = cancel
	h.tails[merchant] = t
	// The bus comes before the first read, so that nothing falls between the two.
	wakeUps := h.bus.Subscribe(merchant)
	h.running.Go(func() { t.follow(ctx, wakeUps) })
	return t
}

// leave takes one subscriber away, and stops a tail that has no more. The caller holds mu.
func (h *Hub[E]) leave(t *tail[E]) {
	t.subscribers--
	if t.subscribers > 0 {
		return
	}
	t.stop()
	if h.tails[t.merchant] == t {
		delete(h.tails, t.merchant)
	}
}

// Close ends every tail and waits for them. Subscribers hear ErrClosed from then on; they still close
// themselves. A second call does nothing.
func (h *Hub[E]) Close() {
	h.mu.Lock()
	h.closed = true
	for _, t := range h.tails {
		t.stop()
	}
	h.mu.Unlock()
	h.running.Wait()
}

// Subscriber reads one merchant's items from the shared ring. It belongs to one goroutine.
type Subscriber[E any] struct {
	hub   *Hub[E]
	tail  *tail[E]
	epoch uint64
	left  bool
}

// Next waits until there is something after the position, and returns up to limit items that follow
// it, oldest first; at least one, often fewer than are there, so the caller asks again. The slice is
// shared and must not be changed; the items in it stay alive for as long as it is kept.
//
// Behind means that the ring does not hold what follows: the caller reads from the store, and comes
// back with the position that it reached. A position beyond the newest just waits.
//
// The error is ctx's, or ErrClosed.
func (s *Subscriber[E]) Next(ctx context.Context, after uint64, limit int) (items []Item[E], behind bool, err error) {
	for {
		v := s.tail.shown.Load()
		if v.closed {
			return nil, false, ErrClosed
		}
		if begunAnew := s.adopt(v.epoch); begunAnew || (v.started && after < v.base) {
			return nil, true, nil
		}
		if items = v.after(after, limit); len(items) > 0 {
			return items, false, nil
		}
		select {
		case <-v.changed:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// adopt takes over the tail's epoch and reports whether the tail has begun anew since the last call.
func (s *Subscriber[E]) adopt(epoch uint64) bool {
	begunAnew := s.epoch != 0 && s.epoch != epoch
	s.epoch = epoch
	return begunAnew
}

// Close ends the subscription. A second call does nothing.
func (s *Subscriber[E]) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if !s.left {
		s.left = true
		s.hub.leave(s.tail)
	}
}
