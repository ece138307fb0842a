package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

const (
	// quietMax is how long nothing may arrive before a fan-out counts as over; drainMax bounds it whatever arrives.
	quietMax = 1500 * time.Millisecond
	drainMax = 4 * time.Second
	openMax  = 20 * time.Second
	// The first events are two; their orders have names of their own.
	firstRate      = 100
	firstFor       = 20 * time.Millisecond
	runFirstEvents = 50000

	envelopeSize = 5
	envelopeEnd  = 0x2
)

// watchSpec says what a watching process does: subscribers of StreamOrderEvents over HTTP/2.
type watchSpec struct {
	Address       string
	APIKey        string
	Streams       int
	PerConnection int
	// Run makes the names of the orders made here differ from those of others.
	Run int
	// Rate is how many events per second are published for For; 0 means that the streams are only held.
	Rate int
	For  time.Duration
	// Publish is the address that makes the floor's server publish; empty where orders are created.
	Publish string
}

// watchResult is what the subscribers saw.
type watchResult struct {
	Published int
	// Wanted is what everybody would see if nothing were lost.
	Wanted, Delivered int
	// Took is the time from the first publication to the last arrival.
	Took     time.Duration
	P50, P99 time.Duration
	Gaps     int
	Failed   int
	Failure  string
	CPU      time.Duration
}

// watcher is the subscribers of one connection.
type watcher struct {
	h2      *h2conn
	streams map[uint32]*subscription
	latency histogram
	gaps    int

	ready     atomic.Int64
	delivered atomic.Int64
	lastSeen  atomic.Int64 // Unix nanoseconds
	// from is when the measured time began: latencies of events before it do not count.
	from    atomic.Int64
	failure atomic.Pointer[string]
}

// subscription is one stream.
type subscription struct {
	last  uint64
	rest  []byte // the beginning of a message whose end has not come
	ready bool
}

// watch opens the streams, calls opened, and where the spec says so publishes and waits for what comes.
func watch(ctx context.Context, spec watchSpec, opened func() error) (watchResult, error) {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	watchers, err := openStreams(ctx, spec, &running)
	if err != nil {
		return watchResult{}, err
	}
	if err := opened(); err != nil || spec.Rate == 0 {
		return watchResult{}, err
	}
	if err := firstEvents(ctx, spec, watchers); err != nil {
		return watchResult{}, err
	}
	began := time.Now()
	for _, w := range watchers {
		w.from.Store(began.UnixNano())
	}
	r := watchResult{Delivered: -delivered(watchers)}
	if r.Published, err = publish(ctx, spec); err != nil {
		return watchResult{}, err
	}
	r.Wanted = r.Published * spec.Streams
	settle(ctx, watchers, r.Wanted-r.Delivered)
	stop()
	running.Wait()

	var all histogram
	last := began
	r.Delivered += delivered(watchers)
	for _, w := range watchers {
		all.merge(&w.latency)
		r.Gaps += w.gaps
		if seen := time.Unix(0, w.lastSeen.Load()); seen.After(last) {
			last = seen
		}
		if failure := w.failure.Load(); failure != nil {
			r.Failed++
			r.Failure = *failure
		}
	}
	r.Took, r.P50, r.P99, r.CPU = last.Sub(began), all.quantile(0.50), all.quantile(0.99), ownCPU()
	return r, nil
}

// openStreams returns when every stream has heard from the server.
func openStreams(ctx context.Context, spec watchSpec, running *sync.WaitGroup) ([]*watcher, error) {
	request, err := proto.Marshal(&kvitv1.StreamOrderEventsRequest{
		Start: &kvitv1.StreamOrderEventsRequest_From{From: kvitv1.StreamFrom_STREAM_FROM_NOW},
	})
	if err != nil {
		return nil, err
	}
	body := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(request))) //nolint:gosec // A few bytes.
	body = append(body, request...)
	headers := headerBlock([2]string{":path", pathStream}, [2]string{":authority", spec.Address},
		[2]string{"content-type", "application/connect+proto"}, [2]string{"connect-protocol-version", "1"},
		[2]string{"authorization", "Bearer " + spec.APIKey})
	var watchers []*watcher
	for left := spec.Streams; left > 0; left -= spec.PerConnection {
		h2, err := dialH2(ctx, spec.Address)
		if err != nil {
			return nil, err
		}
		w := &watcher{h2: h2, streams: map[uint32]*subscription{}}
		watchers = append(watchers, w)
		for range min(left, spec.PerConnection) {
			w.streams[h2.request(headers, body)] = &subscription{}
		}
		context.AfterFunc(ctx, func() { _ = h2.conn.Close() })
		running.Go(w.run)
	}
	deadline := time.Now().Add(openMax)
	for {
		ready := 0
		for _, w := range watchers {
			ready += int(w.ready.Load())
			if failure := w.failure.Load(); failure != nil {
				return nil, errors.New(*failure)
			}
		}
		if ready == spec.Streams {
			return watchers, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%d of %d streams are open after %s", ready, spec.Streams, openMax)
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// firstEvents publishes a few events that are not measured, and waits until everybody saw them: a
// subscriber that just came may still have to catch up.
func firstEvents(ctx context.Context, spec watchSpec, watchers []*watcher) error {
	spec.Run += runFirstEvents
	spec.Rate, spec.For = firstRate, firstFor
	published, err := publish(ctx, spec)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(openMax); delivered(watchers) < published*spec.Streams; {
		if time.Now().After(deadline) {
			return fmt.Errorf("of %d first events %d arrived within %s", published*spec.Streams, delivered(watchers), openMax)
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func delivered(watchers []*watcher) int {
	n := 0
	for _, w := range watchers {
		n += int(w.delivered.Load())
	}
	return n
}

// settle waits until everything arrived, or nothing does any more.
func settle(ctx context.Context, watchers []*watcher, wanted int) {
	ended := time.Now()
	for time.Since(ended) < drainMax {
		last := ended.UnixNano()
		for _, w := range watchers {
			last = max(last, w.lastSeen.Load())
		}
		if delivered(watchers) >= wanted || time.Now().UnixNano()-last > int64(quietMax) || pause(ctx, 5*time.Millisecond) != nil {
			return
		}
	}
}

// pause waits, unless the context ends first.
func pause(ctx context.Context, span time.Duration) error {
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run reads until the connection ends. That an ended test closes it is no failure.
func (w *watcher) run() {
	for {
		f, err := w.h2.read()
		if err == nil {
			err = w.take(f)
		}
		if err == nil {
			continue
		}
		if w.ready.Load() < int64(len(w.streams)) || !errors.Is(err, net.ErrClosed) {
			text := err.Error()
			w.failure.Store(&text)
		}
		return
	}
}

func (w *watcher) take(f frame) error {
	s := w.streams[f.stream]
	switch {
	case s == nil:
		return nil
	case f.kind == frameHeaders && !f.ok() && !f.end:
		return fmt.Errorf("a stream was refused: %q", f.payload)
	case f.end || f.kind == frameReset:
		return fmt.Errorf("a stream ended: %q", f.payload)
	case f.kind != frameData:
		return nil
	}
	now := time.Now()
	data := f.payload
	if len(s.rest) > 0 {
		s.rest = append(s.rest, data...)
		data = s.rest
	}
	events := 0
	for len(data) >= envelopeSize {
		size := envelopeSize + int(binary.BigEndian.Uint32(data[1:]))
		if len(data) < size {
			break
		}
		if data[0]&envelopeEnd != 0 {
			return fmt.Errorf("a stream ended: %s", data[envelopeSize:size])
		}
		n, err := w.message(s, data[envelopeSize:size], now)
		if err != nil {
			return err
		}
		events += n
		data = data[size:]
	}
	s.rest = append(s.rest[:0], data...)
	if events > 0 {
		w.delivered.Add(int64(events))
		w.lastSeen.Store(now.UnixNano())
	}
	return nil
}
