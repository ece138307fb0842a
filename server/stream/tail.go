package stream

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// Limits of reading.
const (
	// readMax is how many items one read asks for.
	readMax = 512
	// readTimeout is how long one read may take.
	readTimeout = 5 * time.Second
	// backoffFirst is the pause after a read that failed, backoffMax the longest that it grows to.
	backoffFirst = 100 * time.Millisecond
	backoffMax   = 5 * time.Second
)

// errGap means that positions were not consecutive.
var errGap = errors.New("stream: positions are not consecutive")

// tail follows one merchant's journal into a ring. Its goroutine owns everything but the view.
type tail[E any] struct {
	merchant string
	source   Source[E]
	log      *slog.Logger
	poll     time.Duration

	ring    ring[E]
	epoch   uint64
	started bool

	// shown is the newest view.
	shown atomic.Pointer[view[E]]

	// subscribers and stop belong to the hub and are guarded by its mutex.
	subscribers int
	stop        context.CancelFunc
}

// follow keeps the ring up to date until ctx ends.
func (t *tail[E]) follow(ctx context.Context, wakeUps Subscription) {
	defer t.show(true)
	defer wakeUps.Close()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	failures := 0
	for look := true; ; {
		err := t.catchUp(ctx, look)
		if ctx.Err() != nil {
			return
		}
		t.tell(ctx, failures > 0, err)
		woken, wait := wakeUps.C(), t.poll
		if err != nil {
			// While the source is away wake-ups do not hurry it.
			woken, wait = nil, pause(failures)
			failures++
		} else {
			failures = 0
		}
		alarm.Reset(wait)
		select {
		case <-woken:
			look = false
		case <-alarm.C:
			look = true
		case <-ctx.Done():
			return
		}
	}
}

// catchUp reads what is new. With look it asks for the head first, which is cheap where nothing is
// new, and shows when the journal went back.
func (t *tail[E]) catchUp(ctx context.Context, look bool) error {
	if look || !t.started {
		if behind, err := t.compare(ctx); err != nil || !behind {
			return err
		}
	}
	for {
		items, err := t.read(ctx)
		if err != nil || len(items) == 0 {
			return err
		}
		if !t.ring.add(items) {
			t.forget()
			return errGap
		}
		t.show(false)
		if len(items) < readMax {
			return nil
		}
	}
}

// forget gives up what the ring holds, and where the journal's head was.
func (t *tail[E]) forget() {
	t.ring.restart(0)
	t.started = false
	t.epoch++
	t.show(false)
}

// compare asks for the head of the journal, begins there if it must, and reports whether there is
// something to read.
func (t *tail[E]) compare(ctx context.Context) (behind bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	head, err := t.source.Head(ctx, t.merchant)
	if err != nil {
		return false, err
	}
	if t.started && head >= t.ring.last {
		return head > t.ring.last, nil
	}
	if t.started {
		t.epoch++
		t.log.LogAttrs(ctx, slog.LevelWarn, "journal went back, its tail begins anew",
			slog.String("merchant", t.merchant), slog.Uint64("position", t.ring.last), slog.Uint64("head", head))
	}
	t.started = true
	t.ring.restart(head)
	t.show(false)
	return false, nil
}

func (t *tail[E]) read(ctx context.Context) ([]Item[E], error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return t.source.Read(ctx, t.merchant, t.ring.last, readMax)
}

// show gives subscribers a new view and wakes them.
func (t *tail[E]) show(closed bool) {
	newest := &view[E]{
		epoch:   t.epoch,
		started: t.started,
		base:    t.ring.base,
		last:    t.ring.last,
		chunks:  slices.Clone(t.ring.chunks),
		changed: make(chan struct{}),
		closed:  closed,
	}
	if old := t.shown.Swap(newest); old != nil {
		close(old.changed)
	}
}

// tell logs when reading begins to fail and when it works again.
func (t *tail[E]) tell(ctx context.Context, failing bool, err error) {
	switch {
	case err != nil && !failing:
		t.log.LogAttrs(ctx, slog.LevelWarn, "journal tail cannot read",
			slog.String("merchant", t.merchant), slog.Any("error", err))
	case err == nil && failing:
		t.log.LogAttrs(ctx, slog.LevelInfo, "journal tail reads again", slog.String("merchant", t.merchant))
	}
}

// pause returns how long to wait after one more failure, with a random part so that tails do not
// come all at once.
func pause(failures int) time.Duration {
	full := min(backoffMax, backoffFirst<<min(failures, 10))
	return full/2 + rand.N(full/2) //nolint:gosec // A pause is no secret.
}
