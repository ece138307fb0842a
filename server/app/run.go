package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/store"
)

const (
	// sweepEvery is how often offers that ran out are looked for (E1).
	sweepEvery = time.Second
	// resolveEvery is how often tasks that are due are looked for: what hints ask for is asked within a second (C4).
	resolveEvery = 500 * time.Millisecond
	// orphansEvery is how often callbacks are looked at that came before their attempt (C5).
	orphansEvery = 2 * time.Second
	// recordsKeptFor is how long recorded results are kept; I6 asks for at least 30 days.
	recordsKeptFor = 31 * 24 * time.Hour
	// forgetEvery and forgetBatch pace the deletion of old records.
	forgetEvery = time.Hour
	forgetBatch = 1000
)

// Run serves until ctx ends, then stops in reverse order. It closes everything that New opened.
func (a *App) Run(ctx context.Context) error {
	defer func() { _ = a.close() }()
	// Services outlive the doors: requests under way still need them.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, failed := errgroup.WithContext(serving)
	runServices(failed, group, a.services)
	doors := append([]*door{
		{name: "public", listener: a.public, server: api.NewHTTPServer(a.api.Public, a.log)},
		{name: "admin", listener: a.admin, server: api.NewHTTPServer(a.api.Admin, a.log)},
	}, a.doors...)
	for _, d := range doors {
		group.Go(d.serve)
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "serving", slog.String("public", a.PublicAddress()), slog.String("admin", a.AdminAddress()))

	select {
	case <-ctx.Done():
	case <-failed.Done():
	}
	a.stop(context.WithoutCancel(ctx), doors)
	stop()
	return group.Wait()
}

// runServices starts services, which end with ctx; the group hears of the first that fails.
func runServices(ctx context.Context, group *errgroup.Group, services []service) {
	for _, s := range services {
		group.Go(func() error {
			if err := s.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			return nil
		})
	}
}

// door is one port.
type door struct {
	name     string
	listener net.Listener
	server   *http.Server
}

func (d *door) serve() error {
	if err := d.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s port: %w", d.name, err)
	}
	return nil
}

// stop ends streams with a cursor (S3), then waits for requests under way within the grace.
func (a *App) stop(ctx context.Context, doors []*door) {
	ctx, cancel := context.WithTimeout(ctx, a.settings.Process.ShutdownGrace)
	defer cancel()
	a.log.LogAttrs(ctx, slog.LevelInfo, "stopping", slog.Duration("grace", a.settings.Process.ShutdownGrace))
	a.api.EndStreams()
	for _, d := range doors {
		d.shut(ctx, a.log)
	}
}

// shut waits for the requests under way, and cuts those that outlast ctx.
func (d *door) shut(ctx context.Context, log *slog.Logger) {
	if err := d.server.Shutdown(ctx); err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "requests were cut", slog.String("port", d.name), slog.Any("error", err))
		_ = d.server.Close()
	}
}

// expire ends offers that ran out (E1), on every server; the database decides who does which.
func (a *App) expire(ctx context.Context) error {
	return every(ctx, sweepEvery, func() bool {
		started := time.Now()
		expired, more, err := a.payment.ExpireOrders(ctx)
		a.metrics.Expiry.Swept(expired, time.Since(started), err)
		if err != nil && ctx.Err() == nil {
			a.log.LogAttrs(ctx, slog.LevelWarn, "expiry sweep failed", slog.Any("error", err))
		}
		return more && err == nil
	})
}

// resolve asks PSPs about what is not final (O6), on every server; leases decide who does which.
func (a *App) resolve(ctx context.Context) error {
	defer a.payment.Resolved()
	failed := func(err error) {
		a.log.LogAttrs(ctx, slog.LevelWarn, "the resolver could not finish a task", slog.Any("error", err))
	}
	return every(ctx, resolveEvery, func() bool {
		_, more, err := a.payment.ResolveDue(ctx, failed)
		if err != nil && ctx.Err() == nil {
			a.log.LogAttrs(ctx, slog.LevelWarn, "the resolver found nothing to do", slog.Any("error", err))
		}
		return more && err == nil
	})
}

// takeOrphans takes in callbacks that came before their attempt (C5).
func (a *App) takeOrphans(ctx context.Context) error {
	return every(ctx, orphansEvery, func() bool {
		applied, more, err := a.payment.ApplyOrphans(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.LogAttrs(ctx, slog.LevelWarn, "orphaned callbacks were not taken in", slog.Any("error", err))
		}
		return more && applied > 0 && err == nil
	})
}

// forget deletes recorded results that are older than their time (I6).
func (a *App) forget(ctx context.Context) error {
	var records store.Records = a.store
	return every(ctx, forgetEvery, func() bool {
		n, err := records.ForgetRecords(ctx, time.Now().Add(-recordsKeptFor), forgetBatch)
		if err != nil && ctx.Err() == nil {
			a.log.LogAttrs(ctx, slog.LevelWarn, "old records were not deleted", slog.Any("error", err))
		}
		return n == forgetBatch
	})
}

// every runs work at once and then once per period, and again at once while it says so.
func every(ctx context.Context, period time.Duration, work func() (more bool)) error {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		for work() {
			if ctx.Err() != nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
