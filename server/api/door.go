package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/telemetry"
)

// door is what all requests pass through: it opens a [call], and closes it with one log line and one count.
type door struct {
	metrics *telemetry.RPCMetrics
	log     *slog.Logger
	now     func() time.Time
	errors  *connect.ErrorWriter
}

func newDoor(needs Needs) *door {
	return &door{metrics: needs.Metrics.RPC, log: needs.Logger, now: needs.Now, errors: connect.NewErrorWriter()}
}

// public mounts what bots, CRMs, edges and load balancers need, and what is served beside the API.
func (d *door) public(services map[string]http.Handler, ready readiness, needs Needs) http.Handler {
	mux := http.NewServeMux()
	d.mount(mux, services)
	mountHealth(mux, ready)
	mountProbes(mux, ready)
	if !needs.NoReflection {
		mountReflection(mux)
	}
	for pattern, next := range needs.Beside {
		mux.Handle(pattern, next)
	}
	return mux
}

// admin mounts what operators need.
func (d *door) admin(accesses http.Handler, ready readiness, metrics *telemetry.Metrics) http.Handler {
	mux := http.NewServeMux()
	d.mount(mux, map[string]http.Handler{kvitv1connect.AccessServiceName: accesses})
	mountProbes(mux, ready)
	mux.Handle("GET /metrics", metrics.Handler())
	mountProfiles(mux)
	return mux
}

// mount mounts the procedures of services by their names, and an answer with a reason where there is none.
func (d *door) mount(mux *http.ServeMux, services map[string]http.Handler) {
	for procedure := range procedures {
		service := procedure[1:strings.LastIndexByte(procedure, '/')]
		if next, here := services[service]; here {
			mux.Handle(procedure, d.wrap(shortName(procedure), next))
		}
	}
	mux.Handle("/", d.wrap(methodUnknown, http.HandlerFunc(d.noMethod)))
}

// methodUnknown is the method of requests that name none of ours.
const methodUnknown = "unknown"

// shortName is how logs and metrics name a procedure: "PaymentService/CreatePaymentLink".
func shortName(procedure string) string {
	return procedure[strings.LastIndexByte(procedure, '.')+1:]
}

// noStore keeps answers out of caches: orders change, and links are secrets.
var noStore = []string{"no-store"}

func (d *door) wrap(method string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{ResponseWriter: w, door: d, method: method}
		r = c.open(r)
		defer c.close(r)
		next.ServeHTTP(c, r)
	})
}

// open begins a request.
func (c *call) open(r *http.Request) *http.Request {
	c.Header()["Cache-Control"] = noStore
	return r.WithContext(c.begin(r.Context()))
}

// begin starts the request's clock and its log line.
func (c *call) begin(ctx context.Context) context.Context {
	c.began = c.door.now()
	c.door.metrics.Began()
	ctx, c.event = telemetry.WithEvent(ctx)
	return context.WithValue(ctx, callKey{}, c)
}

// close ends a request, whatever became of it. It is deferred, to see panics.
func (c *call) close(r *http.Request) {
	if thrown := recover(); thrown != nil {
		c.recovered(r, thrown)
	}
	c.finish(r.Context(), c.answeredCode(r.Context()), wire{protocolOf(r), r.RemoteAddr, r.ContentLength})
}

// finish counts the request and writes its line.
func (c *call) finish(ctx context.Context, code string, from wire) {
	took := c.door.now().Sub(c.began)
	c.door.metrics.Ended(c.method, code, took)
	c.log(ctx, from, code, took)
}

// recovered answers for a panic that no interceptor saw.
func (c *call) recovered(r *http.Request, thrown any) {
	err := c.fail(r.Context(), panicked(thrown))
	if c.status == 0 {
		_ = c.door.errors.Write(c, r, err) // The client may be gone.
	}
}

// noMethod answers where nothing is mounted.
func (d *door) noMethod(w http.ResponseWriter, r *http.Request) {
	if !d.errors.IsSupported(r) || r.Method != http.MethodPost {
		callOf(r.Context()).code = connect.CodeUnimplemented.String()
		http.NotFound(w, r)
		return
	}
	err := callOf(r.Context()).fail(r.Context(), fault.New(fault.NotFound, fault.ReasonMethodNotFound,
		"There is no such method on this port."))
	_ = d.errors.Write(w, r, err) // The client may be gone.
}

// panicked is the fault of a panic, with its stack for the log.
func panicked(thrown any) error {
	if thrown == http.ErrAbortHandler { //nolint:errorlint // net/http compares it like this.
		return context.Canceled
	}
	return fmt.Errorf("panic: %v\n%s", thrown, debug.Stack())
}
