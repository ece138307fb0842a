package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// perStreamConnection is how many streams share a connection.
const perStreamConnection = 100

// audience is one fan-out: how many subscribers, and how many events per second they are offered.
type audience struct{ streams, rate int }

// audiences are offered more than the obvious design can deliver, so that the rate that is reached is a limit.
var audiences = []audience{{1, 2000}, {100, 4000}, {1000, 1000}, {10000, 60}}

// paced is offered what both can deliver; what counts is the latency, of which latencyTarget is the most
// that 99 % may take, in milliseconds.
func paced() audience { return audience{100, 100} }

const latencyTarget = 20

// streamGroup is the fan-out of StreamOrderEvents beside a channel per subscriber.
func streamGroup(w *workshop, pg *postgres, seconds int) *group {
	s := &stage{workshop: w, pg: pg, seconds: seconds}
	g := &group{name: "events", explain: s.complaints}
	g.open = func(ctx context.Context) (func() error, error) { return s.close, s.open(ctx, house{}) }
	add := func(name, yardstick string, a audience, target float64, most bool) {
		ours := &contestant{name: name, of: []string{yardstick}, target: target, most: most, run: func(ctx context.Context) (sample, error) {
			return s.fanOut(ctx, a, false)
		}}
		if most { // It is judged by its own latency, not by a ratio.
			ours.of = nil
		}
		g.contestants = append(g.contestants, ours, &contestant{name: yardstick, run: func(ctx context.Context) (sample, error) {
			return s.fanOut(ctx, a, true)
		}})
	}
	for _, a := range audiences {
		target := 0.0
		if a.streams == 1000 {
			target = 2
		}
		add(fmt.Sprintf("events %5d streams, %4d/s offered", a.streams, a.rate), fmt.Sprintf("chan@%d", a.streams), a, target, false)
	}
	p := paced()
	add(fmt.Sprintf("latency %4d streams, %d/s", p.streams, p.rate), fmt.Sprintf("chan latency %d streams", p.streams), p, latencyTarget, true)
	return g
}

// fanOut measures one audience of ours, or of the obvious design.
func (s *stage) fanOut(ctx context.Context, a audience, obvious bool) (sample, error) {
	s.runs++
	spec := watchSpec{
		Address: s.server.public, APIKey: s.server.apiKeys[0], Streams: a.streams, PerConnection: perStreamConnection,
		Run: runFirst + s.runs, Rate: a.rate, For: time.Duration(s.seconds) * time.Second,
	}
	server := s.server.id()
	if obvious {
		spec.Address, spec.Publish, server = s.floorAt, s.floorAt+pathPublish, s.floor.id()
	}
	before := cpuOf(server)
	r, err := ask[watchResult](ctx, "watch", spec)
	if err != nil {
		return sample{}, err
	}
	if r.Failed > 0 {
		return sample{}, fmt.Errorf("%d connections failed: %s", r.Failed, r.Failure)
	}
	if !obvious && r.Gaps > 0 {
		return sample{}, fmt.Errorf("%d gaps in an unfiltered stream (J2)", r.Gaps)
	}
	if r.Delivered == 0 {
		return sample{}, errors.New("nothing was delivered")
	}
	delivered := time.Duration(r.Delivered)
	return sample{
		Rate: float64(r.Delivered) / r.Took.Seconds(), P50: r.P50, P99: r.P99, Share: float64(r.Delivered) / float64(r.Wanted),
		ServerCPU: (cpuOf(server) - before) / delivered, LoadCPU: r.CPU / delivered,
	}, nil
}

// memoryGroup is what an idle stream costs, in a fresh server each time.
func memoryGroup(w *workshop, pg *postgres) *group {
	g := &group{name: "memory"}
	g.open = func(context.Context) (func() error, error) { return func() error { return nil }, nil }
	for _, layout := range []struct {
		streams, each int
		target        float64
	}{{2000, perStreamConnection, 30}, {1000, 1, 0}} {
		g.contestants = append(g.contestants, &contestant{
			name: fmt.Sprintf("idle stream, %d per connection", layout.each), target: layout.target, most: layout.target > 0,
			run: func(ctx context.Context) (sample, error) {
				s := &stage{workshop: w, pg: pg}
				return s.idle(ctx, layout.streams, layout.each)
			},
		})
	}
	return g
}

// idle opens streams on which nothing happens, and divides what they added to the server's memory.
func (s *stage) idle(ctx context.Context, streams, each int) (_ sample, err error) {
	if s.server, err = s.startKvit(ctx, house{}); err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	before, err := s.resident(ctx)
	if err != nil {
		return sample{}, err
	}
	watching, err := startChild(ctx, "watch", watchSpec{
		Address: s.server.public, APIKey: s.server.apiKeys[0], Streams: streams, PerConnection: each,
	})
	if err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, watching.end()) }()
	var opened string
	if err := watching.hear(&opened); err != nil {
		return sample{}, err
	}
	after, err := s.resident(ctx)
	return sample{Bytes: float64(after-before) / float64(streams)}, err
}

// resident is the server's memory after its garbage was collected.
func (s *stage) resident(ctx context.Context) (int, error) {
	if err := s.server.collect(ctx); err != nil {
		return 0, err
	}
	return residentOf(s.server.id())
}
