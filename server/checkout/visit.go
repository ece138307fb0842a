package checkout

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/telemetry"
)

// visit is one request while it runs: it sees what is answered, for one log line at its end.
type visit struct {
	http.ResponseWriter

	door  *door
	r     *http.Request
	event *telemetry.Event
	began time.Time
	// name is the route, one of ours and never a text of the caller's.
	name string
	// token is the link's, empty where the address has none. It is never logged (L1).
	token  string
	failed *fault.Error
	// code is the status that was answered, 0 before.
	code int
	sent int
}

// open begins a request. Every answer has the headers that protect the payer.
func (d *door) open(w http.ResponseWriter, r *http.Request) *visit {
	ctx, event := telemetry.WithEvent(r.Context())
	v := &visit{ResponseWriter: w, door: d, r: r.WithContext(ctx), event: event, began: d.now(), name: "unknown"}
	d.protect(w.Header())
	return v
}

// close ends a request, whatever became of it. It is deferred, to see panics.
func (v *visit) close() {
	if thrown := recover(); thrown != nil {
		v.recovered(thrown)
	}
	attrs := append([]slog.Attr{
		slog.String("route", v.name), slog.String("method", v.r.Method), slog.Int("status", v.code),
		slog.Int("response_bytes", v.sent), slog.Float64("duration_ms", float64(v.door.now().Sub(v.began).Microseconds())/1000),
	}, v.event.Close()...)
	if v.failed != nil {
		attrs = append(attrs, slog.String("reason", string(v.failed.Reason())))
		if v.level() > slog.LevelInfo {
			attrs = append(attrs, slog.Any("error", v.failed))
		}
	}
	v.door.log.LogAttrs(v.r.Context(), v.level(), "pay page answered", attrs...)
}

// level is how loud a request is: assets and polls are quiet, what the payer can cause is ordinary.
func (v *visit) level() slog.Level {
	switch {
	case v.failed == nil && (v.name == "asset" || v.name == "status"):
		return slog.LevelDebug
	case v.failed == nil || v.r.Context().Err() != nil:
		return slog.LevelInfo
	}
	switch v.failed.Kind() { //nolint:exhaustive // Everything else is what the payer can cause.
	case fault.Internal:
		return slog.LevelError
	case fault.Unavailable, fault.Unknown, fault.Exhausted:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// recovered answers for a panic, which net/http compares like this when it is its own.
func (v *visit) recovered(thrown any) {
	if thrown == http.ErrAbortHandler { //nolint:errorlint // A thrown value is no error to unwrap.
		return
	}
	v.failed = fault.As(fmt.Errorf("panic: %v\n%s", thrown, debug.Stack()))
	if v.code == 0 {
		v.message(http.StatusInternalServerError, seesDown)
	}
}

// note puts what a page is about on the log line.
func (v *visit) note(page payment.Page) {
	v.event.Add(slog.String("merchant", page.Merchant.ID), slog.String("link_id", page.Link.ID))
	if page.Order != nil {
		v.event.Add(slog.String("order_id", page.Order.ID), slog.String("state", string(page.Order.State)))
	}
}

// WriteHeader implements http.ResponseWriter.
func (v *visit) WriteHeader(code int) {
	if v.code == 0 {
		v.code = code
	}
	v.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (v *visit) Write(p []byte) (int, error) {
	n, err := v.ResponseWriter.Write(p)
	v.sent += n
	return n, err
}
