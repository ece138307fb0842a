package psptest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// trouble is what goes wrong between the plug and the PSP. In all but refused the request arrives.
type trouble string

const (
	none    trouble = ""
	refused trouble = "refused"
	slow    trouble = "slow"
	// lost is a connection that ends before the answer, cut one that ends within it.
	lost trouble = "lost"
	cut  trouble = "cut"
	// failing is a 500, babble a 200 that is no answer.
	failing trouble = "500"
	babble  trouble = "babble"
)

// wire is the plug's way to the PSP.
type wire struct {
	good, dead *http.Transport

	mu       sync.Mutex
	trouble  trouble
	requests int
	// stuck is told of each request that a slow wire holds, until mended is closed.
	stuck, mended chan struct{}
}

func newWire(tb testing.TB) *wire {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	nobody := listener.Addr().String()
	if err := listener.Close(); err != nil {
		tb.Fatal(err)
	}
	w := &wire{
		good: &http.Transport{}, stuck: make(chan struct{}, 100), mended: make(chan struct{}),
		dead: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, nobody)
		}},
	}
	tb.Cleanup(w.good.CloseIdleConnections)
	return w
}

func (w *wire) client() *http.Client { return &http.Client{Transport: w} }

// breaks changes what goes wrong from now on, and counts requests anew.
func (w *wire) breaks(t trouble) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble, w.requests = t, 0
	close(w.mended)
	w.mended = make(chan struct{})
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.requests
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests++
	now, mended := w.trouble, w.mended
	w.mu.Unlock()
	if now == refused {
		return w.dead.RoundTrip(request)
	}
	answer, err := w.good.RoundTrip(request)
	if err != nil || now == none {
		return answer, err
	}
	body, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	switch now {
	case slow:
		w.stuck <- struct{}{}
		select {
		case <-request.Context().Done():
			return nil, request.Context().Err()
		case <-mended: // The plug does not listen to its context.
			return nil, io.ErrUnexpectedEOF
		case <-time.After(patience):
			return nil, io.ErrUnexpectedEOF
		}
	case lost:
		return nil, io.ErrUnexpectedEOF
	case cut:
		answer.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:len(body)/2]), broken{}))
	case failing:
		return instead(answer, http.StatusInternalServerError, "<html><h1>Internal Server Error</h1>"), nil
	case babble:
		return instead(answer, http.StatusOK, "<html><h1>We will be back soon</h1>"), nil
	case none, refused:
	}
	return answer, nil
}

// broken is the end of a connection that was cut.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func instead(answer *http.Response, status int, page string) *http.Response {
	answer.StatusCode, answer.Status = status, http.StatusText(status)
	answer.Header = http.Header{"Content-Type": {"text/html"}}
	answer.ContentLength = int64(len(page))
	answer.Body = io.NopCloser(strings.NewReader(page))
	return answer
}
