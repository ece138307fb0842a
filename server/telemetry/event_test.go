package telemetry_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/kvitpay/kvit/server/telemetry"
)

func TestEvent_GathersWhatRoomsKnowAndIsWrittenOnce(t *testing.T) {
	t.Parallel()
	ctx, event := telemetry.WithEvent(t.Context())
	if !telemetry.HasEvent(ctx) || telemetry.HasEvent(t.Context()) {
		t.Error("the event is not seen, or seen where there is none")
	}
	telemetry.Add(ctx, slog.String("merchant", "a"), slog.Int("attempt", 1))
	below, cancel := context.WithCancel(ctx)
	cancel()
	telemetry.Add(below, slog.String("order_id", "o-1"), slog.Int("attempt", 2))
	if got := fmt.Sprint(event.Close()); got != "[merchant=a attempt=2 order_id=o-1]" {
		t.Errorf("got %s", got)
	}
	telemetry.Add(ctx, slog.String("late", "x"))
	if got := event.Close(); got != nil {
		t.Errorf("written again: %v", got)
	}
}

func TestEvent_WithoutOneNothingHappens(t *testing.T) {
	t.Parallel()
	telemetry.Add(t.Context(), slog.String("merchant", "a"))
}

func TestEvent_InnerEventIsItsOwn(t *testing.T) {
	t.Parallel()
	outerCtx, outer := telemetry.WithEvent(t.Context())
	innerCtx, inner := telemetry.WithEvent(outerCtx)
	telemetry.Add(innerCtx, slog.Int("a", 1))
	if len(inner.Close()) != 1 || len(outer.Close()) != 0 {
		t.Error("events are mixed")
	}
}

func TestEvent_IsBoundedAndSafeForManyGoroutines(t *testing.T) {
	t.Parallel()
	ctx, event := telemetry.WithEvent(t.Context())
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			for j := range 10 {
				telemetry.Add(ctx, slog.Int(fmt.Sprintf("a%d_%d", i, j), j))
			}
		})
	}
	all.Wait()
	attrs := event.Close()
	if last := attrs[len(attrs)-1]; len(attrs) != 65 || last.Key != "attrs_left_out" || last.Value.Int64() != 36 {
		t.Errorf("%d attributes, the last is %v", len(attrs), last)
	}
}
