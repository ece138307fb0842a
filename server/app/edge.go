package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/adapter/pspcallback"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
)

// newEdge makes the edge inside this process: the same adapter that runs elsewhere too, with a key that
// only the returned Access knows, and a connection that is a function call.
func (a *App) newEdge(who *access.Service) (http.Handler, ownEdge, error) {
	secret, key, err := seal.NewAPIKey(seal.APIKeyEdge, rand.Reader)
	if err != nil {
		return nil, ownEdge{}, fmt.Errorf("make the edge's key: %w", err)
	}
	toSelf := inside(func(w http.ResponseWriter, r *http.Request) { a.api.Public.ServeHTTP(w, r) })
	return pspcallback.New(pspcallback.Needs{
		Server: pspcallback.Dial(toSelf, "http://inside", secret), Logger: a.log, Now: time.Now,
		Delivered: slog.LevelDebug, // The RPC has its own line.
	}), ownEdge{Service: who, secret: []byte(secret), keyID: key.ID}, nil
}

// ownEdge knows one key more than the store: that of the edge inside this process. It is made at start,
// kept nowhere, and delivers callbacks and nothing else (A1).
type ownEdge struct {
	*access.Service

	secret []byte
	keyID  string
}

// Authenticate recognises the edge, or asks the store.
func (o ownEdge) Authenticate(ctx context.Context, secret string) (access.Caller, error) {
	if subtle.ConstantTimeCompare([]byte(secret), o.secret) == 1 {
		return access.Caller{KeyID: o.keyID, Kind: store.EdgeKey, Scopes: []access.Scope{access.CallbacksDeliver}}, nil
	}
	return o.Service.Authenticate(ctx, secret)
}

// inside is a connection to a handler of this process: a request is a call, and its answer is held whole.
type inside http.HandlerFunc

// RoundTrip implements http.RoundTripper.
func (h inside) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer func() { _ = in.Body.Close() }()
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "inside"
	held := &heldAnswer{header: http.Header{}}
	h(held, in)
	return &http.Response{
		StatusCode: max(held.status, http.StatusOK), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: held.header,
		Body: io.NopCloser(&held.body), ContentLength: int64(held.body.Len()), Request: r,
	}, nil
}

// heldAnswer is an http.ResponseWriter in memory.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (h *heldAnswer) Header() http.Header { return h.header }

// WriteHeader implements http.ResponseWriter.
func (h *heldAnswer) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

// Write implements http.ResponseWriter.
func (h *heldAnswer) Write(p []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(p)
}
