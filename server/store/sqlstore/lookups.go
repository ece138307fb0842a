package sqlstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/kvitpay/kvit/server/store"
)

const (
	// lookupsMax is how many lookups share a statement at most.
	lookupsMax = 256
	// lookupPatience is how long a shared statement may take; a caller may leave earlier.
	lookupPatience = 5 * time.Second
)

// lookups share statements: while one is under way, the next gathers, without a timer. A lookup that
// comes alone goes at once.
type lookups[Key comparable, Row any] struct {
	// read finds the rows of keys that are sorted, each once.
	read    func(context.Context, []Key) (map[Key]*Row, error)
	compare func(a, b Key) int

	mu      sync.Mutex
	waiting []*lookup[Key, Row]
	running bool
	closed  bool
	done    sync.WaitGroup
}

type lookup[Key comparable, Row any] struct {
	key Key
	// answered is closed when row and err are set.
	answered chan struct{}
	row      *Row
	err      error
}

func newLookups[Key comparable, Row any](
	compare func(a, b Key) int, read func(context.Context, []Key) (map[Key]*Row, error),
) *lookups[Key, Row] {
	return &lookups[Key, Row]{compare: compare, read: read}
}

func (l *lookups[Key, Row]) find(ctx context.Context, key Key) (*Row, error) {
	one := &lookup[Key, Row]{key: key, answered: make(chan struct{})}
	if err := l.add(ctx, one); err != nil {
		return nil, err
	}
	select {
	case <-one.answered:
	case <-ctx.Done():
		return nil, fmt.Errorf("look up: %w", ctx.Err())
	}
	if one.err == nil && one.row == nil {
		return nil, store.ErrNotFound
	}
	return one.row, one.err
}

func (l *lookups[Key, Row]) add(ctx context.Context, one *lookup[Key, Row]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("look up: %w", errEnded)
	}
	l.waiting = append(l.waiting, one)
	if !l.running {
		l.running = true
		l.done.Go(func() { l.run(context.WithoutCancel(ctx)) })
	}
	return nil
}

// run answers until nobody waits.
func (l *lookups[Key, Row]) run(ctx context.Context) {
	for {
		batch := l.take()
		if len(batch) == 0 {
			return
		}
		l.answer(ctx, batch)
	}
}

func (l *lookups[Key, Row]) take() []*lookup[Key, Row] {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.waiting), lookupsMax)
	batch := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	l.running = n > 0
	return batch
}

func (l *lookups[Key, Row]) answer(ctx context.Context, batch []*lookup[Key, Row]) {
	ctx, cancel := context.WithTimeout(ctx, lookupPatience)
	defer cancel()
	keys := make([]Key, len(batch))
	for i, one := range batch {
		keys[i] = one.key
	}
	found, err := l.read(ctx, unique(keys, l.compare))
	for _, one := range batch {
		one.row, one.err = found[one.key], err
		close(one.answered)
	}
}

// close waits for what is under way; later lookups fail.
func (l *lookups[Key, Row]) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.done.Wait()
}
