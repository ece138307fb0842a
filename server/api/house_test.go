package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/lock/memlock"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/store/sqlstore"
	"github.com/kvitpay/kvit/server/stream"
	"github.com/kvitpay/kvit/server/stream/membus"
	"github.com/kvitpay/kvit/server/telemetry"
	"github.com/kvitpay/kvit/server/writer"
)

const (
	merchant = "shop"
	other    = "other"
)

// house is a server with everything but the wiring: its doors stand in memory, its store in a file.
type house struct {
	store   store.Store
	payment *payment.Service
	access  *access.Service
	api     *api.API
	bus     stream.Bus
	// platform is the secret of a platform key, edge of an edge key, secret one of the merchant's test key
	// with every scope.
	platform, edge, secret string
	public, admin          *door
	logs                   *lines
}

// options change what a house is made from.
type options struct {
	streams api.StreamOptions
	// wrap stands between the doors and the use-cases.
	wrap   func(api.Payment) api.Payment
	access func(api.Access) api.Access
	ready  func(context.Context) error
}

func newHouse(tb testing.TB, change ...func(*options)) *house {
	tb.Helper()
	var o options
	for _, f := range change {
		f(&o)
	}
	h := &house{bus: membus.New(), logs: &lines{}}
	logger := telemetry.NewLogger(h.logs, slog.LevelInfo, telemetry.FormatJSON)
	text, err := seal.Generate("k1", rand.Reader)
	must(tb, err)
	keys, err := seal.Parse(text)
	must(tb, err)
	h.store, err = sqlstore.Open(tb.Context(), sqlstore.Settings{
		URL: filepath.Join(tb.TempDir(), "kvit.db"), Sealer: keys, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	must(tb, err)
	tb.Cleanup(func() { _ = h.store.Close() })
	must(tb, h.store.EnsureMerchants(tb.Context(), []string{merchant, other}))
	commands := writer.New(h.store, writer.Options{
		Now: time.Now, Logger: logger, Publish: func(m []string) { h.bus.Publish(context.WithoutCancel(tb.Context()), m...) },
	})
	running, stop := context.WithCancel(context.WithoutCancel(tb.Context())) // The test's own ends before its cleanup.
	var services sync.WaitGroup
	services.Go(func() { _ = commands.Run(running) })
	tb.Cleanup(func() { stop(); services.Wait() })
	h.payment = payment.New(payment.Needs{
		Store: h.store, Writer: commands, Locks: memlock.New(), Keys: keys, IDs: newIDs,
		Merchants: []payment.Merchant{
			{ID: merchant, Name: "The shop", Locale: "hy", AcceptAfter: 24 * time.Hour, Location: time.UTC, Support: "Write to @shop"},
			{ID: other, Name: "Another", Locale: "uk", AcceptAfter: 24 * time.Hour, Location: time.UTC},
		},
		PublicURL: "http://pay.example",
	})
	h.access = access.New(access.Needs{
		Store: h.store, Keys: keys, IDs: newIDs, Random: rand.Reader, Now: time.Now, Merchants: []string{merchant, other},
	})
	h.platform, _, err = seal.NewAPIKey(seal.APIKeyPlatform, rand.Reader)
	must(tb, err)
	must(tb, h.access.Bootstrap(tb.Context(), h.platform))
	h.secret = h.key(tb, merchant,
		access.LinksWrite, access.OrdersRead, access.OrdersWrite, access.RefundsWrite, access.EventsRead, access.KeysWrite)
	h.edge = h.edgeKey(tb)

	h.open(tb, o, logger)
	return h
}

func (h *house) open(tb testing.TB, o options, logger *slog.Logger) {
	tb.Helper()
	var use api.Payment = h.payment
	if o.wrap != nil {
		use = o.wrap(use)
	}
	var keys api.Access = h.access
	if o.access != nil {
		keys = o.access(keys)
	}
	var err error
	h.api, err = api.New(api.Needs{
		Payment: use, Access: keys, Bus: h.bus, Logger: logger, Now: time.Now, Streams: o.streams, Ready: o.ready,
	})
	must(tb, err)
	tb.Cleanup(h.api.Close)
	h.public, h.admin = openDoor(tb, h.api.Public), openDoor(tb, h.api.Admin)
}

// key makes a test key of a merchant and returns its secret.
func (h *house) key(tb testing.TB, of string, scopes ...access.Scope) string {
	tb.Helper()
	made, _, err := h.access.CreateKey(tb.Context(), access.Caller{KeyID: "key_test", Kind: store.PlatformKey}, access.CreateKey{
		IdempotencyKey: uuid.NewString(), Merchant: of, Kind: store.MerchantKey, Name: "test", Scopes: scopes,
	})
	must(tb, err)
	return made.Secret
}

// edgeKey makes an edge key and returns its secret.
func (h *house) edgeKey(tb testing.TB) string {
	tb.Helper()
	made, _, err := h.access.CreateKey(tb.Context(), access.Caller{KeyID: "key_test", Kind: store.PlatformKey}, access.CreateKey{
		IdempotencyKey: uuid.NewString(), Kind: store.EdgeKey, Name: "edge", Scopes: []access.Scope{access.CallbacksDeliver},
	})
	must(tb, err)
	return made.Secret
}

// client speaks to the public door as the merchant.
func (h *house) client(opts ...connect.ClientOption) kvitv1connect.PaymentServiceClient {
	return h.clientOf(h.secret, opts...)
}

func (h *house) clientOf(secret string, opts ...connect.ClientOption) kvitv1connect.PaymentServiceClient {
	return kvitv1connect.NewPaymentServiceClient(h.public.client, doorURL, append(opts, bearing(secret))...)
}

func (h *house) keys(secret string, opts ...connect.ClientOption) kvitv1connect.AccessServiceClient {
	return kvitv1connect.NewAccessServiceClient(h.admin.client, doorURL, append(opts, bearing(secret))...)
}

// callbacks speaks to the public door as an edge.
func (h *house) callbacks(secret string, opts ...connect.ClientOption) kvitv1connect.CallbackServiceClient {
	return kvitv1connect.NewCallbackServiceClient(h.public.client, doorURL, append(opts, bearing(secret))...)
}

// create makes a dynamic link of the merchant past the doors, and so one journal entry for the link and
// one for the order.
func (h *house) create(tb testing.TB, orderID string) payment.CreatedLink {
	tb.Helper()
	created, _, err := h.payment.CreateLink(tb.Context(), payment.Caller{Merchant: merchant, KeyID: "key_test"}, payment.CreateLink{
		IdempotencyKey: "create-" + orderID, Kind: order.Dynamic, OrderID: orderID, Amount: amount(tb, 125000),
	})
	must(tb, err)
	return created
}

// bearing sends a key with every call; none where it is empty.
func bearing(secret string) connect.ClientOption {
	return connect.WithInterceptors(header{"Authorization", "Bearer " + secret, secret != ""})
}

// withKey sends an Idempotency-Key header with every call.
func withKey(value string) connect.ClientOption {
	return connect.WithInterceptors(header{"Idempotency-Key", value, true})
}

type header struct {
	name, value string
	send        bool
}

func (h header) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		if h.send {
			request.Header().Set(h.name, h.value)
		}
		return next(ctx, request)
	}
}

func (h header) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		if h.send {
			conn.RequestHeader().Set(h.name, h.value)
		}
		return conn
	}
}

func (header) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// doorURL is where a door's own client finds it.
const doorURL = "http://kvit.invalid"

// door is one port in memory, served as app does it.
type door struct {
	client *http.Client
	// http1 speaks HTTP/1.1; client HTTP/2 without TLS.
	http1  *http.Client
	server *http.Server
}

func openDoor(tb testing.TB, handler http.Handler) *door {
	tb.Helper()
	listener := &pipes{connections: make(chan net.Conn), closed: make(chan struct{})}
	d := &door{server: api.NewHTTPServer(handler, slog.New(slog.DiscardHandler))}
	var serving sync.WaitGroup
	serving.Go(func() { _ = d.server.Serve(listener) })
	client := func(protocol func(*http.Protocols)) *http.Client {
		protocols := new(http.Protocols)
		protocol(protocols)
		transport := &http.Transport{DialContext: listener.dial, Protocols: protocols, DisableCompression: true}
		tb.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	tb.Cleanup(func() {
		_ = d.server.Close()
		serving.Wait()
	})
	d.client = client(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
	d.http1 = client(func(p *http.Protocols) { p.SetHTTP1(true) })
	return d
}

// pipes is a listener whose connections are in memory, so that tests may run in a bubble of their own time.
type pipes struct {
	connections chan net.Conn
	once        sync.Once
	closed      chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.connections <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (*pipes) Addr() net.Addr { return &net.TCPAddr{} }

// lines collects what is logged.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// within reports whether a line has both parts. A request's line is written after its answer, so it waits.
func (l *lines) within(one, two string) bool {
	for range 1000 {
		for line := range strings.Lines(l.String()) {
			if strings.Contains(line, one) && strings.Contains(line, two) {
				return true
			}
		}
		runtime.Gosched()
	}
	return false
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newIDs() order.IDs {
	var ids order.IDs
	ids.Seed = uuid.Must(uuid.NewV7())
	_, _ = rand.Read(ids.Salt[:])
	return ids
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// code is the code of an error that a client got.
func code(tb testing.TB, err error) connect.Code {
	tb.Helper()
	var answered *connect.Error
	if !errors.As(err, &answered) {
		tb.Fatalf("got %v, want an error of Connect", err)
	}
	return answered.Code()
}

func dynamic(orderID string) *kvitv1.CreatePaymentLinkRequest {
	return &kvitv1.CreatePaymentLinkRequest{
		IdempotencyKey: "create-" + orderID, Kind: kvitv1.LinkKind_LINK_KIND_DYNAMIC, OrderId: orderID,
		Amount: &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: 125000}, Description: "Two cinema tickets",
	}
}

func amount(tb testing.TB, minor int64) money.Amount {
	tb.Helper()
	a, err := money.New(minor, "AMD")
	must(tb, err)
	return a
}
