package app

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/kvitpay/kvit/server/adapter/pspcallback"
	"github.com/kvitpay/kvit/server/config"
)

// upstreamWithin bounds the question whether the server behind an adapter is ready.
const upstreamWithin = 2 * time.Second

// NewAdapter makes an adapter that runs by itself (-role=adapter): it takes callbacks and delivers them
// with an edge key. It opens no database and no Redis, and no secret of a PSP is among its settings.
func NewAdapter(ctx context.Context, settings *config.Settings, logs io.Writer) (*Single, error) {
	s, err := newSingle(ctx, settings, settings.Door.Listen, logs)
	if err != nil {
		return nil, err
	}
	upstream, transport := settings.Edge.Upstream.String(), pspcallback.NewTransport()
	server := pspcallback.Dial(transport, upstream, settings.Edge.Key.Reveal())
	mux := withHealth(http.NotFoundHandler())
	mux.Handle(pspcallback.Pattern, pspcallback.New(pspcallback.Needs{Server: server, Logger: s.log, Now: time.Now}))
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		probed(w, reached(r.Context(), &http.Client{Transport: transport}, upstream+"/readyz"))
	})
	s.handler, s.banner = mux, "Kvit's adapter delivers callbacks to "+upstream+";\nPSPs reach it"
	return s, nil
}

// withHealth serves /healthz, which says that the process lives, before everything else.
func withHealth(next http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { probed(w, true) })
	mux.Handle("/", next)
	return mux
}

// probed answers a load balancer.
func probed(w http.ResponseWriter, well bool) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	text := "ok\n"
	if !well {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = "not ready\n"
	}
	_, _ = io.WriteString(w, text) // Who asked may be gone.
}

// reached reports whether a page answers with 200.
func reached(ctx context.Context, client *http.Client, page string) bool {
	ctx, cancel := context.WithTimeout(ctx, upstreamWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, http.NoBody)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
