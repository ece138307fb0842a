package main

import (
	"bufio"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// fireSpec says what a load process does that sends whole requests which were made before: callers who
// take the next one, send it over HTTP/1.1 and wait for its answer.
type fireSpec struct {
	Address  string
	Callers  int
	Requests [][]byte
	// Once means that each request is sent once, and that the load ends with the last; otherwise they
	// are sent again and again.
	Once bool
	// Warm is how long the load runs before For is measured.
	Warm, For time.Duration
}

// fireResult is what the load saw.
type fireResult struct {
	loadResult

	// Sent is how many of the requests were sent, from the first.
	Sent int
	// Span is the time that was measured: For, or less where the requests ended before it did.
	Span time.Duration
}

// firing is one load under way.
type firing struct {
	spec  fireSpec
	ready sync.WaitGroup
	start chan struct{}
	next  atomic.Int64
	// from and until bound the measured time, in nanoseconds since 1970; from is set before start, and
	// until moves once, when the requests end.
	from, until atomic.Int64
}

// fire runs one load, in the load process.
func fire(ctx context.Context, spec fireSpec) (fireResult, error) {
	if len(spec.Requests) == 0 {
		return fireResult{}, errors.New("there is nothing to send")
	}
	f := &firing{spec: spec, start: make(chan struct{})}
	tallies := make([]*tally, spec.Callers)
	var running sync.WaitGroup
	f.ready.Add(spec.Callers)
	for i := range tallies {
		tallies[i] = &tally{}
		running.Go(func() { f.caller(ctx, tallies[i]) })
	}
	f.ready.Wait()
	from := time.Now().Add(spec.Warm)
	f.from.Store(from.UnixNano())
	f.until.Store(from.Add(spec.For).UnixNano())
	close(f.start)
	running.Wait()
	return fireResult{
		loadResult: sum(tallies), Sent: f.sent(), Span: time.Duration(f.until.Load() - f.from.Load()),
	}, nil
}

func (f *firing) sent() int {
	sent := int(f.next.Load())
	if f.spec.Once {
		sent = min(sent, len(f.spec.Requests))
	}
	return sent
}

// caller is one caller on a connection of its own, kept alive.
func (f *firing) caller(ctx context.Context, t *tally) {
	conn, err := dial(ctx, f.spec.Address)
	f.ready.Done()
	if err != nil {
		t.fail("%v", err)
		return
	}
	h := &h1conn{conn: conn, r: bufio.NewReaderSize(conn, 4<<10)}
	defer h.close()
	<-f.start
	for {
		sent := time.Now()
		if sent.UnixNano() >= f.until.Load() {
			return
		}
		if h.request = f.take(sent); h.request == nil {
			return
		}
		if _, err := h.call(); err != nil {
			t.fail("%v", err)
			if !errors.Is(err, errRefused) {
				return
			}
			continue
		}
		t.made++
		if done := time.Now(); done.UnixNano() >= f.from.Load() && done.UnixNano() < f.until.Load() {
			t.latency.add(done.Sub(sent))
		}
	}
}

// take is the next request; nil where none is left, and then the measured time has ended.
func (f *firing) take(now time.Time) []byte {
	i := int(f.next.Add(1) - 1)
	if i < len(f.spec.Requests) || !f.spec.Once {
		return f.spec.Requests[i%len(f.spec.Requests)]
	}
	for until := f.until.Load(); now.UnixNano() < until; until = f.until.Load() {
		if f.until.CompareAndSwap(until, now.UnixNano()) {
			break
		}
	}
	return nil
}
