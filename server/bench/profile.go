package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// profileSeconds is how long the server is watched; the load beside it runs a little longer.
const profileSeconds = 4

// profiles loads the server once more and writes where its time goes: NAME.pprof for go tool pprof,
// NAME.txt with the functions that take most, and NAME.metrics with what the server counted until then.
func profiles(ctx context.Context, p *plan, w *workshop, pg *postgres, dir string) (err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	s := &stage{workshop: w, pg: pg, seconds: profileSeconds + 1}
	if err := s.open(ctx, false); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, task := range []struct {
		name string
		load func() error
	}{
		{"create-64", func() error { _, err := s.load(ctx, call{protocol: overH1, callers: 64, merchants: 1}); return err }},
		{"create-256", func() error { _, err := s.load(ctx, call{protocol: overH1, callers: 256, merchants: 1}); return err }},
		{"replay-64", func() error { _, err := s.replay(ctx, call{protocol: overH1, callers: 64, merchants: 1}); return err }},
		{"events-1000", func() error { _, err := s.fanOut(ctx, audience{1000, 300}, false); return err }},
	} {
		p.say("profile %s", task.name)
		loaded := make(chan error, 1)
		go func() { loaded <- task.load() }()
		taken, err := s.server.get(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", profileSeconds))
		if err := errors.Join(err, <-loaded); err != nil {
			return fmt.Errorf("profile %s: %w", task.name, err)
		}
		metrics, err := s.server.get(ctx, "/metrics")
		if err == nil {
			err = errors.Join(os.WriteFile(filepath.Join(dir, task.name+".metrics"), metrics, 0o600), writeProfile(ctx, filepath.Join(dir, task.name), taken))
		}
		if err != nil {
			return err
		}
	}
	return nil
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
