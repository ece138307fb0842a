// Package kvit is the companion of Kvit's generated client: what every caller needs and no generator writes.
//
// Its one idea: the network may fail at any moment, and a caller should not have to think about it. New opens a client that is
// set up well. Follow reads order events for as long as wanted, through cut connections, restarts and proxies, and hands each
// to a function in order, without a gap and without a repeat (S4). Retry calls again with the same idempotency key, so that
// what may have happened cannot happen twice (I1, I2). Reason, ChangedFields and Violations read an error's details.
//
// It keeps nothing: the place in the journal belongs to the caller, beside what the events changed. An event whose place was
// not kept before a crash comes again, so a handler that must act once compares OrderEvent.id or keeps the place in the
// transaction of its own change.
//
// Concurrency: a Client may be used by many goroutines. Follow calls its functions one at a time, on the caller's goroutine.
//
// Failure: errors are connect errors with a google.rpc.ErrorInfo, as the API documents them; only those that end a Follow for
// a reason of its own are ResetError and GapError.
package kvit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"connectrpc.com/connect"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
)

// Limits of a connection.
const (
	dialTimeout       = 10 * time.Second
	idleTimeout       = 90 * time.Second
	idlePerHostMax    = 64
	pingAfter         = 15 * time.Second
	pingTimeout       = 15 * time.Second
	keepAliveInterval = 30 * time.Second
)

// Client calls one installation with one API key.
type Client struct {
	// Payments makes links, reads orders and brings their events.
	Payments kvitv1connect.PaymentServiceClient
	// Access makes and ends API keys. The server has it on its admin listener, so it needs WithAdminURL.
	Access kvitv1connect.AccessServiceClient

	transports []*http.Transport
}

// Option changes how New connects.
type Option func(*settings)

type settings struct {
	adminURL   string
	httpClient connect.HTTPClient
	protocol   []connect.ClientOption
	grpc       bool
}

// WithGRPC speaks gRPC instead of the Connect protocol. It needs HTTP/2 all the way to the server.
func WithGRPC() Option {
	return func(s *settings) { s.protocol, s.grpc = []connect.ClientOption{connect.WithGRPC()}, true }
}

// WithGRPCWeb speaks gRPC-Web instead of the Connect protocol.
func WithGRPCWeb() Option {
	return func(s *settings) { s.protocol, s.grpc = []connect.ClientOption{connect.WithGRPCWeb()}, false }
}

// WithHTTPClient sends every request, streams too, through client instead of the transports that New makes.
func WithHTTPClient(client connect.HTTPClient) Option {
	return func(s *settings) { s.httpClient = client }
}

// WithAdminURL says where the admin listener is. Without it Access calls the base address.
func WithAdminURL(adminURL string) Option {
	return func(s *settings) { s.adminURL = adminURL }
}

// New opens a client for the installation at baseURL, such as https://pay.example.com, whose calls carry apiKey. It connects
// with the first call.
//
// To an http address, single calls go over kept-alive HTTP/1.1 connections, which cost the server least, and streams share an
// HTTP/2 connection without TLS (h2c); where something between speaks no h2c, Follow goes on with single calls. To an https
// address both take what the server offers. Answers are not compressed: they are small, and compression costs more than it
// saves. Redirects are not followed, so that the key goes nowhere else.
func New(baseURL, apiKey string, opts ...Option) (*Client, error) {
	s := settings{adminURL: baseURL}
	for _, opt := range opts {
		opt(&s)
	}
	for _, address := range []string{baseURL, s.adminURL} {
		if err := checkAddress(address); err != nil {
			return nil, err
		}
	}
	client := &Client{}
	calls, streams := s.httpClient, s.httpClient
	if s.httpClient == nil {
		streamTransport := transport(strings.HasPrefix(baseURL, "http://"))
		client.transports = append(client.transports, streamTransport)
		streams = noRedirects(streamTransport)
		calls = streams
		if !s.grpc {
			callTransport := transport(false)
			client.transports = append(client.transports, callTransport)
			calls = noRedirects(callTransport)
		}
	}
	options := connect.WithClientOptions(append(s.protocol,
		connect.WithAcceptCompression("gzip", nil, nil),
		connect.WithInterceptors(bearer(apiKey)))...)
	base, admin := strings.TrimRight(baseURL, "/"), strings.TrimRight(s.adminURL, "/")
	client.Payments = payments{
		PaymentServiceClient: kvitv1connect.NewPaymentServiceClient(calls, base, options),
		streams:              kvitv1connect.NewPaymentServiceClient(streams, base, options),
	}
	client.Access = kvitv1connect.NewAccessServiceClient(calls, admin, options)
	return client, nil
}

// Close ends the idle connections of the transports that New made. Calls under way go on.
func (c *Client) Close() {
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}

// payments sends streams another way than single calls.
type payments struct {
	kvitv1connect.PaymentServiceClient

	streams kvitv1connect.PaymentServiceClient
}

func (p payments) StreamOrderEvents(
	ctx context.Context, req *kvitv1.StreamOrderEventsRequest,
) (*connect.ServerStreamForClient[kvitv1.StreamOrderEventsResponse], error) {
	return p.streams.StreamOrderEvents(ctx, req)
}

func checkAddress(address string) error {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
		return fmt.Errorf("address of the server %q: want http://host or https://host", address)
	}
	if parsed.RawQuery != "" || parsed.Fragment != "" || parsed.User != nil {
		return errors.New("address of the server: want no user, query or fragment")
	}
	return nil
}

// transport keeps connections alive and notices dead ones. With h2c it speaks HTTP/2 without TLS and nothing else.
func transport(h2c bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2c)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(h2c)
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAliveInterval}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: idlePerHostMax,
		IdleConnTimeout:     idleTimeout,
		Protocols:           protocols,
		// A connection that died without a word would otherwise be offered to the next stream.
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}

func noRedirects(t *http.Transport) *http.Client {
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bearer puts an API key on every call.
type bearer string

func (b bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		b.sign(req.Header())
		return next(ctx, req)
	}
}

func (b bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		b.sign(conn.RequestHeader())
		return conn
	}
}

func (b bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

func (b bearer) sign(header http.Header) {
	if b != "" {
		header.Set("Authorization", "Bearer "+string(b))
	}
}
