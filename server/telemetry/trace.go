package telemetry

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Tracing says where traces go.
type Tracing struct {
	// URL is a collector's address for traces, OTLP over HTTP. Without it nothing is traced.
	URL string
	// Version and Instance name this process in the traces.
	Version, Instance string
	// Logger hears of spans that could not be sent.
	Logger *slog.Logger
}

// NewTracing returns the provider of tracers, and what must be called at the end so that the last spans
// are sent; it waits no longer than its context. Without a URL both do nothing and cost nothing.
//
// With a URL, the SDK's own environment variables (OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS ...)
// are read too, and the process-wide error handler of OpenTelemetry is set to the logger.
func NewTracing(ctx context.Context, t Tracing) (trace.TracerProvider, func(context.Context) error, error) {
	if t.URL == "" {
		return noop.NewTracerProvider(), func(context.Context) error { return nil }, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(t.URL))
	if err != nil {
		return nil, nil, fmt.Errorf("open trace exporter: %w", err)
	}
	logger := t.Logger
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.LogAttrs(context.WithoutCancel(ctx), slog.LevelWarn, "traces not sent", slog.Any("error", err))
	}))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "kvit"),
			attribute.String("service.version", t.Version),
			attribute.String("service.instance.id", t.Instance),
		)),
	)
	return provider, provider.Shutdown, nil
}

// TraceID returns the attribute that joins a log line to its trace, and false where ctx is not traced.
func TraceID(ctx context.Context) (slog.Attr, bool) {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsSampled() {
		return slog.Attr{}, false
	}
	return slog.String("trace_id", span.TraceID().String()), true
}
