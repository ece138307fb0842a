package api

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"connectrpc.com/otelconnect"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/kvitpay/kvit/server/telemetry"
)

// interceptor stands around every handler: it validates the request, turns errors into what a client
// may hear, and keeps a panic to its own call.
type interceptor struct{ validator *validator }

// WrapUnary implements connect.Interceptor.
func (i *interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (response connect.AnyResponse, err error) {
		c := callOf(ctx)
		defer func() {
			if thrown := recover(); thrown != nil {
				response, err = nil, panicked(thrown)
			}
			err = c.end(ctx, err)
		}()
		noteTrace(ctx, c)
		if err := i.validator.check(request.Any()); err != nil {
			return nil, err
		}
		return next(ctx, request)
	}
}

// codeOK is how logs and metrics name the absence of an error.
const codeOK = "ok"

// WrapStreamingHandler implements connect.Interceptor.
func (i *interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) (err error) {
		defer func() {
			if thrown := recover(); thrown != nil {
				err = panicked(thrown)
			}
			err = callOf(ctx).end(ctx, err)
		}()
		noteTrace(ctx, callOf(ctx))
		return next(ctx, &validConn{conn, i.validator})
	}
}

// end notes how a handler ended, and returns what the client hears of it.
func (c *call) end(ctx context.Context, err error) error {
	if err != nil {
		return c.fail(ctx, err)
	}
	c.code = codeOK
	return nil
}

// WrapStreamingClient implements connect.Interceptor. There are no clients here.
func (*interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// validConn validates what a stream's client sends.
type validConn struct {
	connect.StreamingHandlerConn

	validator *validator
}

// Receive implements connect.StreamingHandlerConn.
func (v *validConn) Receive(message any) error {
	if err := v.StreamingHandlerConn.Receive(message); err != nil {
		return err
	}
	return v.validator.check(message)
}

func noteTrace(ctx context.Context, c *call) {
	if id, traced := telemetry.TraceID(ctx); traced {
		c.note(id)
	}
}

// tracingInterceptor makes a span per call, or is nil where nothing is traced.
func tracingInterceptor(provider trace.TracerProvider) (connect.Interceptor, error) {
	if _, off := provider.(noop.TracerProvider); off || provider == nil {
		return nil, nil //nolint:nilnil // No traces, no interceptor.
	}
	tracing, err := otelconnect.NewInterceptor(
		otelconnect.WithTracerProvider(provider), otelconnect.WithoutMetrics(),
		otelconnect.WithoutServerPeerAttributes(), otelconnect.WithoutTraceEvents(),
	)
	if err != nil {
		return nil, fmt.Errorf("make tracing interceptor: %w", err)
	}
	return tracing, nil
}
