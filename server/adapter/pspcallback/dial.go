package pspcallback

import (
	"context"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
)

// Limits of the connections to a server.
const (
	dialWithin     = 3 * time.Second
	idleMax        = 90 * time.Second
	idlePerHostMax = 64
	// answerMax bounds what a server tells to answer.
	answerMax = 256 << 10
)

// Dial returns a client that delivers to the server at base through transport, with an edge key (A1).
// Redirects are not followed: the key goes nowhere else. It connects with the first call.
func Dial(transport http.RoundTripper, base, edgeKey string) kvitv1connect.CallbackServiceClient {
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return kvitv1connect.NewCallbackServiceClient(client, base,
		connect.WithInterceptors(bearer(edgeKey)),
		connect.WithReadMaxBytes(answerMax),
		connect.WithAcceptCompression("gzip", nil, nil), // Answers are short.
	)
}

// NewTransport makes the connections of an edge that runs by itself.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialWithin}).DialContext,
		TLSHandshakeTimeout: dialWithin,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: idlePerHostMax,
		IdleConnTimeout:     idleMax,
	}
}

// bearer puts the edge key on each call.
func bearer(key string) connect.UnaryInterceptorFunc {
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
			request.Header().Set("Authorization", "Bearer "+key)
			return next(ctx, request)
		}
	}
}
