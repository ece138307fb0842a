package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// profileSeconds is how long the server is watched; the load beside it runs a little longer.
const profileSeconds = 4

// profiles loads a server once more for each group that was measured and writes where its time goes:
// NAME.pprof for go tool pprof, NAME.txt with the functions that take most, NAME-allocs.pprof with what was
// allocated meanwhile, and NAME.metrics with what it counted until then.
func profiles(ctx context.Context, p *plan, w *workshop, pg *postgres, groups []*group, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for _, g := range groups {
		if len(g.contestants) == 0 || g.profiles == nil {
			continue
		}
		s := &stage{workshop: w, pg: pg, seconds: profileSeconds + 1}
		tasks, err := g.profiles(ctx, s)
		for _, task := range tasks {
			if err == nil {
				p.say("profile %s", task.name)
				err = s.profile(ctx, task, dir)
			}
		}
		if err = errors.Join(err, s.close()); err != nil {
			return fmt.Errorf("profile %s: %w", g.name, err)
		}
	}
	return nil
}

// profiled is a load that is profiled. It calls start when the load begins.
type profiled struct {
	name string
	load func(start func()) error
}

// profileCreates are the loads of CreatePaymentLink and of its events.
func profileCreates(ctx context.Context, s *stage) ([]profiled, error) {
	create := func(callers int) func(func()) error {
		return func(start func()) error {
			start()
			_, err := s.load(ctx, call{protocol: overH1, callers: callers, merchants: 1})
			return err
		}
	}
	return []profiled{
		{"create-64", create(64)},
		{"create-256", create(256)},
		{"replay-64", func(start func()) error {
			start()
			_, err := s.replay(ctx, call{protocol: overH1, callers: 64, merchants: 1})
			return err
		}},
		{"events-1000", func(start func()) error {
			start()
			_, err := s.fanOut(ctx, audience{1000, 300}, false)
			return err
		}},
	}, s.open(ctx, house{})
}

// profileCallbacks are the loads of what payers and PSPs do.
func profileCallbacks(ctx context.Context, s *stage) ([]profiled, error) {
	t := &till{stage: s}
	first := func(callers int) func(func()) error {
		return func(start func()) error {
			t.before = start
			_, err := t.first(ctx, callers, 1)
			return err
		}
	}
	return []profiled{
		{"callback-64", first(64)},
		{"callback-256", first(256)},
		{"page-64", func(start func()) error {
			t.before = start
			_, err := t.page(ctx, 64, false)
			return err
		}},
	}, t.open(ctx)
}

// profile runs one load and writes what the server did meanwhile.
func (s *stage) profile(ctx context.Context, task profiled, dir string) error {
	begun, loaded := make(chan struct{}), make(chan error, 1)
	start := sync.OnceFunc(func() { close(begun) })
	go func() {
		defer start() // Where it failed before.
		loaded <- task.load(start)
	}()
	<-begun
	var allocated []byte
	counted := make(chan error, 1)
	go func() {
		var err error
		allocated, err = s.server.get(ctx, fmt.Sprintf("/debug/pprof/allocs?seconds=%d", profileSeconds))
		counted <- err
	}()
	taken, err := s.server.get(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", profileSeconds))
	if err := errors.Join(err, <-counted, <-loaded); err != nil {
		return fmt.Errorf("%s: %w", task.name, err)
	}
	metrics, err := s.server.get(ctx, "/metrics")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, task.name)
	return errors.Join(os.WriteFile(name+".metrics", metrics, 0o600), os.WriteFile(name+"-allocs.pprof", allocated, 0o600),
		writeProfile(ctx, name, taken))
}

func writeProfile(ctx context.Context, name string, profile []byte) error {
	if err := os.WriteFile(name+".pprof", profile, 0o600); err != nil {
		return err
	}
	top := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-cum", "-nodecount=120", name+".pprof")
	text, err := top.Output()
	if err != nil {
		return fmt.Errorf("read the profile: %w", err)
	}
	return os.WriteFile(name+".txt", text, 0o600)
}
