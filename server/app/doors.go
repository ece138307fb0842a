package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/stream"
	"github.com/kvitpay/kvit/server/telemetry"
)

// tracesFlushMax bounds how long the last spans may take at the end.
const tracesFlushMax = 2 * time.Second

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
