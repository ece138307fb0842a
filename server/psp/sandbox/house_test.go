package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/psp/psptest"
	"github.com/kvitpay/kvit/server/psp/sandbox"
	"github.com/kvitpay/kvit/server/psp/sandbox/sandboxfake"
)

// The account of the tests.
const (
	apiKey = "sbx-api-key-of-the-tests"
	secret = "sbx-signing-secret-of-the-tests"
	payee  = "tea-house"
)

// house is a sandbox that listens and sends, and the plug that speaks to it.
type house struct {
	url    string
	fake   *sandboxfake.PSP
	plug   *sandbox.Sandbox
	client *http.Client
}

// newHouse opens a sandbox and a plug. The plug calls by client; nil is one of its own.
func newHouse(tb testing.TB, client *http.Client) *house {
	tb.Helper()
	var front switchboard
	server := httptest.NewServer(&front)
	h := &house{url: server.URL, client: &http.Client{Transport: &http.Transport{}}}
	fake, err := sandboxfake.New(sandboxfake.Options{
		PublicURL: server.URL, APIKey: apiKey, SigningSecret: secret, Merchant: payee, Now: time.Now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	front.set(fake)
	h.fake = fake
	ctx, stop := context.WithCancel(context.Background()) //nolint:usetesting // It ends after the server's last call.
	ended := make(chan error, 1)
	go func() { ended <- fake.Run(ctx) }()
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		stop()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	if client == nil {
		client = h.client
	}
	h.plug = openPlug(tb, server.URL, client)
	return h
}

func openPlug(tb testing.TB, url string, client *http.Client) *sandbox.Sandbox {
	tb.Helper()
	plug, err := sandbox.Open(settings(url, client))
	if err != nil {
		tb.Fatal(err)
	}
	return plug
}

func settings(url string, client *http.Client) psp.Settings {
	return psp.Settings{
		Account: "demo-sandbox", Test: true, Currencies: []string{"AMD", "UAH", "EUR", "JPY", "BHD", "UGX"},
		Values: map[string]string{"url": url, "api_key": apiKey, "signing_secret": secret, "payee": payee},
		Client: client, Now: time.Now,
	}
}

// switchboard is a handler that is known later than its address.
type switchboard struct {
	mu      sync.Mutex
	handler http.Handler
}

func (s *switchboard) set(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = h
}

// ServeHTTP implements http.Handler.
func (s *switchboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	handler := s.handler
	s.mu.Unlock()
	handler.ServeHTTP(w, r)
}

// api makes one call of the sandbox's API and wants it to succeed.
func (h *house) api(tb testing.TB, path string, ask any) []byte {
	tb.Helper()
	status, body := h.try(tb, path, ask)
	if status != http.StatusOK {
		tb.Fatalf("%s: %d %s", path, status, body)
	}
	return body
}

func (h *house) try(tb testing.TB, path string, ask any) (status int, answer []byte) {
	tb.Helper()
	method, body := http.MethodGet, []byte(nil)
	if ask != nil {
		method = http.MethodPost
		body, _ = json.Marshal(ask)
	}
	request, err := http.NewRequestWithContext(tb.Context(), method, h.url+path, bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+apiKey)
	response, err := h.client.Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // It was only read.
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return response.StatusCode, answer
}

// act plays a mood.
func (h *house) act(tb testing.TB, ref, mood string, more ...any) {
	tb.Helper()
	ask := map[string]any{"mood": mood}
	for i := 0; i+1 < len(more); i += 2 {
		ask[fmt.Sprint(more[i])] = more[i+1]
	}
	h.api(tb, "/v1/payments/"+ref+"/act", ask)
}

// trouble makes the next call of an operation fail in a way.
func (h *house) trouble(tb testing.TB, operation, mood string) {
	tb.Helper()
	h.api(tb, "/v1/moods", map[string]any{"operation": operation, "mood": mood, "times": 1})
}

// resign is the callback with another body and a good signature.
func resign(callback psp.Callback, body []byte) psp.Callback {
	header := http.Header(callback.Header).Clone()
	header.Set("Sandbox-Signature", sandboxfake.Sign(secret, header.Get("Sandbox-Timestamp"), body))
	callback.Header, callback.Body = header, body
	return callback
}

// harness is the sandbox as the suite takes it.
func harness() psptest.Harness {
	text := func(status int, body string) psp.Reply {
		return psp.Reply{Status: status, ContentType: "text/plain; charset=utf-8", Body: []byte(body)}
	}
	return psptest.Harness{
		Now: time.Now, Can: psptest.Can{Refund: true, Capture: true, Void: true},
		Replies: psptest.Replies{
			Taken: text(200, "ok\n"), Unreadable: text(401, "signature is wrong\n"), Forged: text(401, "signature is wrong\n"),
		},
		Open: openForSuite,
	}
}

func openForSuite(tb testing.TB, env psptest.Env) psptest.PSP {
	tb.Helper()
	h := newHouse(tb, env.Client)
	player := func(mood string) func(testing.TB, psptest.Visit) {
		return func(tb testing.TB, visit psptest.Visit) {
			tb.Helper()
			h.act(tb, visit.Ref, mood)
		}
	}
	return psptest.PSP{
		Provider: h.plug, Secrets: []string{apiKey, secret}, Pay: player("pay"), Decline: player("decline"),
		PayEarly: func(tb testing.TB) {
			tb.Helper()
			h.trouble(tb, "create", "confirm_first")
		},
		Payments: h.sessions, Forge: forge, Alter: alter,
	}
}

func forge(tb testing.TB, callback psp.Callback) psp.Callback {
	tb.Helper()
	header := http.Header(callback.Header).Clone()
	header.Set("Sandbox-Signature", sandboxfake.Sign("a guess", header.Get("Sandbox-Timestamp"), callback.Body))
	callback.Header = header
	return callback
}

// sessions is how many payments the sandbox has for a reference, 1 for a session that nobody has paid.
func (h *house) sessions(tb testing.TB, ref string) int {
	tb.Helper()
	status, body := h.try(tb, "/v1/payments/"+ref, nil)
	var session struct {
		Payments []any `json:"payments"`
	}
	if err := json.Unmarshal(body, &session); err != nil {
		tb.Fatal(err)
	}
	if status == http.StatusNotFound {
		return 0
	}
	return max(1, len(session.Payments))
}

func alter(tb testing.TB, callback psp.Callback, change psptest.Alteration) psp.Callback {
	tb.Helper()
	decoder := json.NewDecoder(bytes.NewReader(callback.Body))
	decoder.UseNumber()
	event := map[string]any{}
	if err := decoder.Decode(&event); err != nil {
		tb.Fatal(err)
	}
	if change.AmountMinor != 0 {
		event["amount_minor"], event["captured_minor"] = change.AmountMinor, change.AmountMinor
	}
	for name, value := range map[string]string{"currency": change.Currency, "reference": change.Ref, "status": change.Status} {
		if value != "" {
			event[name] = value
		}
	}
	if change.OtherPayee {
		event["payee"] = "coffee-house"
	}
	if change.MoreFields {
		event["fee_minor"], event["card"] = 12, map[string]any{"brand": "test"}
	}
	body, err := json.Marshal(event)
	if err != nil {
		tb.Fatal(err)
	}
	return resign(callback, body)
}
