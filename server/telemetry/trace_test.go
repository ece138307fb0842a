package telemetry_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/kvitpay/kvit/server/telemetry"
)

func TestNewTracing_IsOffWithoutAURL(t *testing.T) {
	t.Parallel()
	provider, shutdown, err := telemetry.NewTracing(t.Context(), telemetry.Tracing{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := provider.Tracer("test").Start(t.Context(), "work")
	if span.IsRecording() {
		t.Error("a span is recorded")
	}
	if _, ok := telemetry.TraceID(ctx); ok {
		t.Error("there is a trace")
	}
	span.End()
	if err := shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNewTracing_SendsTheLastSpansAtShutdown(t *testing.T) {
	t.Parallel()
	received := make(chan string, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		received <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type")
	}))
	t.Cleanup(collector.Close)
	provider, shutdown, err := telemetry.NewTracing(t.Context(), telemetry.Tracing{
		URL: collector.URL + "/v1/traces", Version: "test", Instance: "one", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := provider.Tracer("test").Start(t.Context(), "work")
	if id, ok := telemetry.TraceID(ctx); !ok || id.Value.String() != span.SpanContext().TraceID().String() {
		t.Errorf("trace id %v, %v", id, ok)
	}
	span.End()
	if err := shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-received:
		if got != "POST /v1/traces application/x-protobuf" {
			t.Errorf("the collector got %s", got)
		}
	default:
		t.Error("the shutdown did not wait for the spans")
	}
}
