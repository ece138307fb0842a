package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/adapter/pspcallback"
	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/checkout"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/stream"
	"github.com/kvitpay/kvit/server/telemetry"
)

// tracesFlushMax bounds how long the last spans may take at the end.
const tracesFlushMax = 2 * time.Second

// startTracing makes traces, where they are asked for.
func (a *App) startTracing(ctx context.Context) error {
	if a.settings.Telemetry.Traces != "otlp" {
		return nil
	}
	tracing, flush, err := telemetry.NewTracing(ctx, telemetry.Tracing{
		URL: a.settings.Telemetry.TracesURL.String(), Instance: a.PublicAddress(), Logger: a.log,
	})
	if err != nil {
		return fmt.Errorf("set up traces: %w", err)
	}
	a.tracing = tracing
	a.closers = append(a.closers, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracesFlushMax)
		defer cancel()
		if err := flush(ctx); err != nil {
			a.log.LogAttrs(ctx, slog.LevelWarn, "the last traces were not sent", slog.Any("error", err))
		}
		return nil
	})
	return nil
}

// newAPI makes both doors, and what the public one serves beside the API.
func (a *App) newAPI(who *access.Service, bus stream.Bus, keys *seal.Keyring) error {
	page := checkout.New(checkout.Needs{
		Payment: a.payment, Keys: keys, PublicURL: a.publicURL(), Origins: a.payment.Origins(),
		Random: rand.Reader, Now: time.Now, Logger: a.log,
	})
	doors, err := api.New(api.Needs{
		Payment: a.payment, Access: who, Bus: bus, Ready: a.store.Ping, Metrics: a.metrics, Tracing: a.tracing, Logger: a.log,
		Now: time.Now, NoReflection: !a.settings.Door.Reflection,
		Beside: map[string]http.Handler{pspcallback.Pattern: a.newEdge(), "/pay/": page},
	})
	if err != nil {
		return fmt.Errorf("make the API: %w", err)
	}
	a.api = doors
	a.closers = append(a.closers, func() error { doors.Close(); return nil })
	return nil
}
