package sandboxfake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/psp/sandbox/sandboxfake"
)

// The sandbox of the tests and its merchant.
const (
	origin   = "http://sandbox.example.test"
	callback = "http://pay.example.test/callbacks/psp/a/s"
	back     = "http://pay.example.test/pay/token/return/1"
)

// merchant answers callbacks, in memory and on the clock of the test.
type merchant struct {
	mu sync.Mutex
	// answers are the statuses of the next answers; after them it is 200. 0 is no answer.
	answers []int
	bodies  []string
	at      []time.Time
	// arrived is told of each callback, where it is set.
	arrived chan struct{}
}

// RoundTrip implements http.RoundTripper.
func (m *merchant) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bodies, m.at = append(m.bodies, string(body)), append(m.at, time.Now())
	status := http.StatusOK
	if len(m.answers) > 0 {
		status, m.answers = m.answers[0], m.answers[1:]
	}
	if m.arrived != nil {
		m.arrived <- struct{}{}
	}
	if status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Location": {callback}}, Body: io.NopCloser(strings.NewReader("")), Request: r,
	}, nil
}

// told are the bodies of the callbacks so far.
func (m *merchant) told() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.bodies)
}

// came are the callbacks so far: "status sequence".
func (m *merchant) came(tb testing.TB) []string {
	tb.Helper()
	var came []string
	for _, body := range m.told() {
		var event struct {
			Status   string `json:"status"`
			Sequence int    `json:"sequence"`
		}
		if err := json.Unmarshal([]byte(body), &event); err != nil {
			tb.Fatal(err)
		}
		came = append(came, fmt.Sprint(event.Status, " ", event.Sequence))
	}
	return came
}

// gaps are the times between callbacks.
func (m *merchant) gaps() []time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	var gaps []time.Duration
	for i := 1; i < len(m.at); i++ {
		gaps = append(gaps, m.at[i].Sub(m.at[i-1]))
	}
	return gaps
}

func open(tb testing.TB, m *merchant, stateFile string, sessionsMax int) *sandboxfake.PSP {
	tb.Helper()
	p, err := sandboxfake.New(options(m, stateFile, sessionsMax))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func options(m *merchant, stateFile string, sessionsMax int) sandboxfake.Options {
	return sandboxfake.Options{
		StateFile: stateFile, PublicURL: origin, APIKey: "key", SigningSecret: "secret", Merchant: "tea-house",
		Client: &http.Client{Transport: m}, Now: time.Now, SessionsMax: sessionsMax,
	}
}

// run keeps a sandbox sending until stop.
func run(tb testing.TB, p *sandboxfake.PSP) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background()) //nolint:usetesting // It ends when the test says so.
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return func() {
		tb.Helper()
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	}
}

// call makes one call of the API.
func call(tb testing.TB, p http.Handler, path string, ask map[string]any) (status int, answer map[string]any) {
	tb.Helper()
	method, body := http.MethodGet, []byte(nil)
	if ask != nil {
		method = http.MethodPost
		body, _ = json.Marshal(ask)
	}
	request := httptest.NewRequestWithContext(tb.Context(), method, origin+path, bytes.NewReader(body))
	request.Header.Set("Authorization", "Bearer key")
	recorder := httptest.NewRecorder()
	p.ServeHTTP(recorder, request)
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
		tb.Fatalf("%s: %s", path, recorder.Body)
	}
	return recorder.Code, answer
}

// create opens a session of 100 drams and returns the path of its page.
func create(tb testing.TB, p http.Handler, reference string) string {
	tb.Helper()
	status, answer := call(tb, p, "/v1/payments", terms(reference))
	if status != http.StatusCreated && status != http.StatusOK {
		tb.Fatalf("create %s: %d %v", reference, status, answer)
	}
	return strings.TrimPrefix(fmt.Sprint(answer["url"]), origin)
}

func terms(reference string) map[string]any {
	return map[string]any{
		"reference": reference, "amount_minor": 10_000, "currency": "AMD", "description": "Tea <b>", "locale": "en",
		"expires_at": time.Now().Add(20 * time.Minute), "return_url": back, "callback_url": callback,
	}
}

func act(tb testing.TB, p http.Handler, reference, mood string) {
	tb.Helper()
	if status, answer := call(tb, p, "/v1/payments/"+reference+"/act", map[string]any{"mood": mood}); status != http.StatusOK {
		tb.Fatalf("%s: %d %v", mood, status, answer)
	}
}

// lookup is the status of a session.
func lookup(tb testing.TB, p http.Handler, reference string) string {
	tb.Helper()
	status, answer := call(tb, p, "/v1/payments/"+reference, nil)
	if status == http.StatusNotFound {
		return "unknown"
	}
	return fmt.Sprint(answer["status"])
}

// browse opens a page, or posts a form to it.
func browse(tb testing.TB, p http.Handler, path string, form url.Values, header http.Header) *httptest.ResponseRecorder {
	tb.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	request := httptest.NewRequestWithContext(tb.Context(), method, origin+path, strings.NewReader(form.Encode()))
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	maps.Copy(request.Header, header)
	recorder := httptest.NewRecorder()
	p.ServeHTTP(recorder, request)
	return recorder
}
