package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/stream"
	"github.com/kvitpay/kvit/server/telemetry"
)

// tracesFlushMax bounds how long the last spans may take at the end.
const tracesFlushMax = 2 * time.Second

const (
	// headerTimeout and headerMax bound what is read before a request is known.
	headerTimeout = 10 * time.Second
	headerMax     = 32 << 10
	// idleTimeout ends connections that carry nothing.
	idleTimeout = 2 * time.Minute
	// streamsPerConnection is how many calls share an HTTP/2 connection: a watcher may hold many streams.
	streamsPerConnection = 1000
)

// newServer serves HTTP/1.1 and HTTP/2 without TLS on one port. It has no timeout that would cut a
// stream: unary calls are bounded by their callers and by the writer.
func (a *App) newServer(handler http.Handler) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: handler, Protocols: &protocols, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: headerMax, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: streamsPerConnection},
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
}

// newAPI makes both doors, and traces where they are asked for.
func (a *App) newAPI(ctx context.Context, who *access.Service, bus stream.Bus) error {
	needs := api.Needs{
		Payment: a.payment, Access: who, Bus: bus, Ready: a.store.Ping, Metrics: a.metrics, Logger: a.log,
		Now: time.Now, NoReflection: !a.settings.Door.Reflection,
	}
	if a.settings.Telemetry.Traces == "otlp" {
		tracing, flush, err := telemetry.NewTracing(ctx, telemetry.Tracing{
			URL: a.settings.Telemetry.TracesURL.String(), Instance: a.PublicAddress(), Logger: a.log,
		})
		if err != nil {
			return fmt.Errorf("set up traces: %w", err)
		}
		needs.Tracing = tracing
		a.closers = append(a.closers, func() error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracesFlushMax)
			defer cancel()
			if err := flush(ctx); err != nil {
				a.log.LogAttrs(ctx, slog.LevelWarn, "the last traces were not sent", slog.Any("error", err))
			}
			return nil
		})
	}
	doors, err := api.New(needs)
	if err != nil {
		return fmt.Errorf("make the API: %w", err)
	}
	a.api = doors
	a.closers = append(a.closers, func() error { doors.Close(); return nil })
	return nil
}
