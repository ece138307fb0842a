package psp

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http/httptrace"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/kvitpay/kvit/server/telemetry"
)

// what is which call, about which payment.
type what struct{ method, ref string }

// run makes one call to the PSP: deadline, span, count, log line, and an error that says what is known.
func run[T any](ctx context.Context, a *Account, w what, do func(context.Context) (T, error)) (T, error) {
	began := a.options.Now()
	ctx, span := a.options.Tracer.Start(ctx, "psp."+w.method, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	result, err := try(ctx, a, w, do)
	took := a.options.Now().Sub(began)
	outcome := OutcomeOf(err)
	if a.options.Observer.Called != nil {
		a.options.Observer.Called(a.options.ID, w.method, string(outcome), took)
	}
	a.tell(ctx, span, w, took, err)
	if err != nil {
		var none T
		return none, err
	}
	return result, nil
}

// try calls the plug within the deadline. Its error is nil or a *CallError.
func try[T any](ctx context.Context, a *Account, w what, do func(context.Context) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, a.failed(w, OutcomeNotAttempted, ErrNotAttempted, err)
	}
	ctx, cancel := context.WithTimeout(ctx, a.options.Deadline)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	result, err := guard(ctx, do)
	if err == nil {
		return result, nil
	}
	return none, a.judge(ctx, w, err, sent.Load())
}

// panicError is a plug that panicked.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("the plug panicked: %v", e.value) }

// guard makes a panic an error.
func guard[T any](ctx context.Context, do func(context.Context) (T, error)) (result T, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = &panicError{thrown, debug.Stack()}
		}
	}()
	return do(ctx)
}

// tell writes what became of the call: to the event that is open, or on a line of its own.
func (a *Account) tell(ctx context.Context, span trace.Span, w what, took time.Duration, err error, more ...slog.Attr) {
	outcome := OutcomeOf(err)
	attrs := append([]slog.Attr{
		slog.String("psp_account", a.options.ID), slog.String("psp_kind", a.declaration.Kind),
		slog.String("psp_method", w.method), slog.String("psp_outcome", string(outcome)),
		slog.Duration("psp_took", took), slog.String("psp_reference", a.shown(w.ref)),
	}, more...)
	if err != nil {
		attrs = append(attrs, slog.String("psp_error", err.Error()))
		span.SetStatus(codes.Error, err.Error())
	}
	span.SetAttributes(
		attribute.String("psp.account", a.options.ID), attribute.String("psp.kind", a.declaration.Kind),
		attribute.String("psp.outcome", string(outcome)),
	)
	if telemetry.HasEvent(ctx) {
		telemetry.Add(ctx, attrs...)
		return
	}
	a.options.Logger.LogAttrs(ctx, levelOf(outcome), "psp call", attrs...)
}

// levelOf warns where the outcome asks for a look.
func levelOf(outcome Outcome) slog.Level {
	if outcome == OutcomeUnknown || outcome == OutcomeNotAttempted {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// refShownMax is how much of a reference is logged: one from outside may be anything.
const refShownMax = 64

func (a *Account) shown(ref string) string {
	ref = a.scrub.Replace(ref)
	if len(ref) > refShownMax {
		ref = ref[:refShownMax]
	}
	return ref
}

// logPanic writes where a plug panicked, and returns the id by which it is found.
func (a *Account) logPanic(ctx context.Context, w what, p *panicError) string {
	id := "err_" + rand.Text()[:16]
	a.options.Logger.LogAttrs(ctx, slog.LevelError, "psp plug panicked",
		slog.String("error_id", id), slog.String("psp_account", a.options.ID), slog.String("psp_kind", a.declaration.Kind),
		slog.String("psp_method", w.method), slog.String("error", a.scrub.Replace(p.Error())),
		slog.String("stack", a.scrub.Replace(string(p.stack))))
	return id
}
