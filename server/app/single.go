package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/config"
	"github.com/kvitpay/kvit/server/telemetry"
)

// Single is a process with one door and no house behind it: an adapter, or a PSP that is not real.
type Single struct {
	settings *config.Settings
	log      *slog.Logger
	listener net.Listener
	handler  http.Handler
	services []service
	closers  []func() error
	// banner is what a person reads at start, without the address.
	banner string
}

// newSingle listens, so that the address is known before anything runs.
func newSingle(ctx context.Context, settings *config.Settings, address config.Listen, logs io.Writer) (*Single, error) {
	s := &Single{
		settings: settings,
		log:      telemetry.NewLogger(logs, settings.Telemetry.LogLevel, telemetry.Format(settings.Telemetry.LogFormat)),
	}
	for _, warning := range settings.Warnings {
		s.log.LogAttrs(ctx, slog.LevelWarn, "settings", slog.String("warning", warning))
	}
	listener, err := listenAt(ctx, address, "-listen")
	if err != nil {
		return nil, err
	}
	s.listener = listener
	return s, nil
}

// failed closes what was opened, and returns err.
func (s *Single) failed(err error) error { return errors.Join(err, s.listener.Close()) }

// Address is where the process listens.
func (s *Single) Address() string { return s.listener.Addr().String() }

// Banner tells a person what runs here, and where.
func (s *Single) Banner(w io.Writer) error {
	_, err := fmt.Fprintf(w, "\n%s at http://%s\n\n", s.banner, s.Address())
	return err
}

// Run serves until ctx ends, then waits for requests under way within the grace.
func (s *Single) Run(ctx context.Context) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, failed := errgroup.WithContext(serving)
	runServices(failed, group, s.services)
	d := &door{name: "public", listener: s.listener, server: api.NewHTTPServer(s.handler, s.log)}
	group.Go(d.serve)
	s.log.LogAttrs(ctx, slog.LevelInfo, "serving", slog.String("public", s.Address()))
	select {
	case <-ctx.Done():
	case <-failed.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.settings.Process.ShutdownGrace)
	defer cancel()
	s.log.LogAttrs(ctx, slog.LevelInfo, "stopping", slog.Duration("grace", s.settings.Process.ShutdownGrace))
	d.shut(grace, s.log)
	stop()
	errs := []error{group.Wait()}
	for _, undo := range s.closers {
		errs = append(errs, undo())
	}
	return errors.Join(errs...)
}
