// Package api is the door for programs: it speaks Connect, gRPC and gRPC-Web, and translates each call
// into one use-case.
//
// Its one idea: a file per method that decodes, calls and encodes, and everything else in one place
// each: who may call what in one table ([procedures]), what an error becomes in another ([codes]), one
// log line and one count per request in one wrapper.
//
// What it promises: a caller is recognised before a message is read (A1), a message is validated
// before a use-case sees it, and every error that is ours has exactly one google.rpc.ErrorInfo. The
// text of a cause reaches the log and never a client. What Connect itself answers before a message is
// there (malformed, too large, no such method) has a code and no detail.
//
// Concurrency: an API is used from many goroutines. A stream is one goroutine and no buffer; all
// streams of a merchant share what is read of its journal (S2).
//
// Failure: a panic concerns its own call and is answered as INTERNAL. [API.EndStreams] ends streams
// with a cursor, so that a server can stop without cutting anybody off.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/trace"

	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/stream"
	"github.com/kvitpay/kvit/server/telemetry"
)

const (
	// messageMax bounds a request before it is decoded. The largest that validation lets through, with
	// 100 line items and 50 metadata pairs, is about half of it.
	messageMax = 256 << 10
	// compressMin is from which size answers are compressed; below it costs more than it saves.
	compressMin = 4 << 10
)

// Links are the use-cases of payment links.
type Links interface {
	CreateLink(ctx context.Context, caller payment.Caller, in payment.CreateLink) (payment.CreatedLink, bool, error)
	Link(ctx context.Context, caller payment.Caller, linkID string) (payment.LinkInfo, error)
	Links(ctx context.Context, caller payment.Caller, filter store.LinkFilter, page payment.PageRequest) ([]payment.LinkInfo, string, error)
	DeactivateLink(ctx context.Context, caller payment.Caller, in payment.DeactivateLink) (payment.LinkInfo, bool, error)
}

// Orders are the use-cases of orders.
type Orders interface {
	OrderStatus(ctx context.Context, caller payment.Caller, orderID string) (payment.OrderStatus, error)
	Orders(ctx context.Context, caller payment.Caller, filter store.OrderFilter, page payment.PageRequest) ([]payment.OrderInfo, string, error)
	CancelOrder(ctx context.Context, caller payment.Caller, in payment.CancelOrder) (payment.OrderInfo, bool, error)
	CapturePayment(ctx context.Context, caller payment.Caller, in payment.CapturePayment) (payment.OrderInfo, bool, error)
	ExplainOrder(ctx context.Context, caller payment.Caller, orderID string) (payment.Explanation, error)
	Merchant(caller payment.Caller) (payment.Merchant, error)
	PublicURL() string
}

// Refunds are the use-cases of money that goes back, and of the accounts where money is.
type Refunds interface {
	RefundOrder(ctx context.Context, caller payment.Caller, in payment.RefundOrder) (payment.RefundInfo, bool, error)
	Refund(ctx context.Context, caller payment.Caller, refundID string) (payment.RefundInfo, error)
	Refunds(ctx context.Context, caller payment.Caller, filter store.RefundFilter, page payment.PageRequest) ([]payment.RefundInfo, string, error)
	Accounts(caller payment.Caller) ([]payment.Account, error)
}

// Callbacks is what CallbackService calls. It has no caller: the merchant is the owner of the account (A1).
type Callbacks interface {
	HandleCallback(ctx context.Context, in payment.HandleCallback) (psp.Reply, error)
}

// Journal is what order events are read from.
type Journal interface {
	OpenJournal(ctx context.Context, caller payment.Caller, from payment.From) (payment.Place, payment.ResetReason, error)
	Events(ctx context.Context, merchant string, after uint64, limit int) ([]payment.Event, error)
	FilteredEvents(ctx context.Context, merchant string, filter store.EntryFilter, after, to uint64, limit int) ([]payment.Event, payment.Place, error)
	Head(ctx context.Context, merchant string) (payment.Place, error)
}

// Payment is what PaymentService and CallbackService call. payment.Service is one.
type Payment interface {
	Links
	Orders
	Refunds
	Journal
	Callbacks
}

// Access is what recognises callers, and what AccessService calls. access.Service is one.
type Access interface {
	Authenticate(ctx context.Context, secret string) (access.Caller, error)
	CreateKey(ctx context.Context, caller access.Caller, in access.CreateKey) (access.CreatedKey, bool, error)
	ListKeys(ctx context.Context, caller access.Caller, merchant string, revoked bool, size int, token string) ([]access.Key, string, error)
	RevokeKey(ctx context.Context, caller access.Caller, merchant, id, reason string) (access.Key, error)
}

// Needs is what an API is made from.
type Needs struct {
	Payment Payment
	Access  Access
	// Bus wakes the streams of order events.
	Bus stream.Bus
	// Ready says why this server should get no requests now, or nil. Nil means that it is always ready.
	Ready   func(ctx context.Context) error
	Metrics *telemetry.Metrics
	// Tracing makes spans; nil where traces are off, which then cost nothing.
	Tracing trace.TracerProvider
	Logger  *slog.Logger
	Now     func() time.Time
	// Beside is what else the public port serves, by the patterns of http.ServeMux: the payer's page, and
	// the addresses that PSPs call. It logs for itself.
	Beside map[string]http.Handler
	// NoReflection switches off the description of the API that tools ask for.
	NoReflection bool
	// Streams may be left zero.
	Streams StreamOptions
}

// API is both doors of one server.
type API struct {
	// Public is for bots, CRMs, edges and load balancers: PaymentService, CallbackService, health,
	// reflection, probes.
	Public http.Handler
	// Admin is for operators: AccessService, metrics, profiles, probes.
	Admin http.Handler
	// Callbacks is CallbackService for the edge in this process.
	Callbacks kvitv1connect.CallbackServiceClient

	hub      *stream.Hub[*event]
	stopping context.CancelFunc
}

// New builds the doors. Close ends what it starts.
func New(needs Needs) (*API, error) {
	validator, err := newValidator()
	if err != nil {
		return nil, err
	}
	if needs.Ready == nil {
		needs.Ready = func(context.Context) error { return nil }
	}
	if needs.Metrics == nil {
		needs.Metrics = telemetry.NewMetrics()
	}
	needs.Streams = needs.Streams.orDefaults()
	stopping, stop := context.WithCancel(context.Background())
	hub := stream.NewHub(needs.Bus, source{needs.Payment}, needs.Logger, stream.Options{})
	options, err := handlerOptions(needs, validator)
	if err != nil {
		stop()
		return nil, err
	}
	server := &paymentService{
		payment: needs.Payment, hub: hub, metrics: needs.Metrics.Streams, now: needs.Now,
		streams: needs.Streams, stopping: stopping,
	}
	keys := &accessService{access: needs.Access}
	ready := readiness{check: needs.Ready, stopping: stopping}
	door := newDoor(needs)
	callbacks := &callbackService{needs.Payment}
	services := map[string]http.Handler{}
	_, services[kvitv1connect.PaymentServiceName] = kvitv1connect.NewPaymentServiceHandler(server, options...)
	_, services[kvitv1connect.CallbackServiceName] = kvitv1connect.NewCallbackServiceHandler(
		callbacks, append(slices.Clone(options), connect.WithReadMaxBytes(callbackMax))...)
	_, accesses := kvitv1connect.NewAccessServiceHandler(keys, options...)
	return &API{
		Public:    door.public(services, ready, needs),
		Admin:     door.admin(accesses, ready, needs.Metrics),
		Callbacks: &inside{door, callbacks},
		hub:       hub, stopping: stop,
	}, nil
}

// handlerOptions are the same for every procedure of ours, in both services.
func handlerOptions(needs Needs, validator *validator) ([]connect.HandlerOption, error) {
	interceptors := []connect.Interceptor{}
	if tracing, err := tracingInterceptor(needs.Tracing); err != nil {
		return nil, err
	} else if tracing != nil {
		interceptors = append(interceptors, tracing)
	}
	interceptors = append(interceptors, &interceptor{validator: validator})
	return []connect.HandlerOption{
		connect.WithReadMaxBytes(messageMax),
		connect.WithCompressMinBytes(compressMin),
		connect.WithRequestGate(gate(needs.Access)),
		connect.WithInterceptors(interceptors...),
		connect.WithCodec(strictJSON{"json"}), connect.WithCodec(strictJSON{"json; charset=utf-8"}),
		connect.WithConditionalHandlerOptions(streamOptions),
	}, nil
}

// EndStreams tells every stream to end with a cursor and the reason SHUTDOWN, calls that wait for
// events to answer at once, and load balancers to go elsewhere. It waits for nothing: the HTTP server
// does. A second call does nothing.
func (a *API) EndStreams() { a.stopping() }

// Close ends what follows journals. Call it after the HTTP servers have stopped.
func (a *API) Close() {
	a.stopping()
	a.hub.Close()
}

// caller is who calls, as the use-cases see it.
func caller(ctx context.Context) payment.Caller {
	who := callOf(ctx).caller
	return payment.Caller{Merchant: who.Merchant, KeyID: who.KeyID, Live: who.Live}
}

// oldestCursor is where a journal begins.
func oldestCursor() string { return order.Cursor{}.String() }
