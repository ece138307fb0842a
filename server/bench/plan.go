package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"
)

// sample is one measurement of one contestant.
type sample struct {
	// Rate is per second: calls, transactions, deliveries.
	Rate float64 `json:"rate,omitempty"`
	// Bytes is memory per stream.
	Bytes    float64       `json:"bytes,omitempty"`
	P50, P99 time.Duration `json:",omitempty"`
	// Share is how much of what was published was delivered.
	Share float64 `json:"share,omitempty"`
	// ServerCPU and LoadCPU are processor time per call or delivery, of the server and of who loads it.
	ServerCPU time.Duration `json:"server_cpu,omitempty"`
	LoadCPU   time.Duration `json:"load_cpu,omitempty"`
}

// contestant is something that is measured once per round.
type contestant struct {
	name string
	run  func(ctx context.Context) (sample, error)
	// of names the yardsticks that its rate is divided by; the first has the target.
	of []string
	// latencyOf names the yardstick that its p50 is divided by, in place of of.
	latencyOf string
	// target is the ratio to reach; with most it is one not to exceed. For a value without a
	// yardstick it is the value itself, in the unit of its column.
	target float64
	most   bool
	// same names a contestant whose samples are looked at once more, instead of measuring.
	same string
}

// group is contestants that are measured in turn, in rounds, with what they need around them.
type group struct {
	name string
	// open makes what the group needs and returns what lets it go.
	open        func(ctx context.Context) (closing func() error, err error)
	contestants []*contestant
	// explain says what the server has to say about a failure.
	explain func() string
	// profiles opens a stage and returns the loads that are worth a profile; nil where there are none.
	profiles func(ctx context.Context, s *stage) ([]profiled, error)
	// after checks the group when all rounds are done, and notes what it saw.
	after func(ctx context.Context) (notes []string, err error)
}

// results are the samples of each contestant, one per round.
type results map[string][]sample

// plan runs groups.
type plan struct {
	pairs int
	only  *regexp.Regexp
	log   io.Writer
	began time.Time
}

func (p *plan) say(format string, args ...any) {
	took := time.Since(p.began)
	_, _ = fmt.Fprintf(p.log, "%02d:%02d  %s\n", int(took.Minutes()), int(took.Seconds())%60, fmt.Sprintf(format, args...))
}

// run measures every group that is asked for, and returns what their ends noted.
func (p *plan) run(ctx context.Context, groups []*group) (results, []string, error) {
	found := results{}
	var notes []string
	for _, g := range groups {
		g.contestants = p.chosen(g.contestants)
		if len(g.contestants) == 0 {
			continue
		}
		said, err := p.runGroup(ctx, g, found)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", g.name, err)
		}
		notes = append(notes, said...)
	}
	return found, notes, nil
}

func (p *plan) runGroup(ctx context.Context, g *group, found results) (notes []string, err error) {
	p.say("%s: %d x %d", g.name, p.pairs, len(g.contestants))
	closing, err := g.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closing()) }()
	for round := range p.pairs {
		turn := slices.Clone(g.contestants)
		if round%2 == 1 { // What drifts meanwhile then favours nobody.
			slices.Reverse(turn)
		}
		for _, c := range turn {
			if c.run == nil {
				continue
			}
			s, err := c.run(ctx)
			if err != nil {
				if g.explain != nil {
					err = fmt.Errorf("%w\n%s", err, g.explain())
				}
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			found[c.name] = append(found[c.name], s)
		}
		p.say("%s: round %d of %d", g.name, round+1, p.pairs)
	}
	if g.after == nil {
		return nil, nil
	}
	return g.after(ctx)
}

// chosen are the contestants that were asked for, and those that they are compared with.
func (p *plan) chosen(all []*contestant) []*contestant {
	wanted := map[string]bool{}
	for _, c := range all {
		if !p.only.MatchString(c.name) {
			continue
		}
		wanted[c.name] = true
		for _, other := range append([]string{c.latencyOf, c.same}, c.of...) {
			wanted[other] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(c *contestant) bool { return !wanted[c.name] })
}
