package pspcallback_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
	"github.com/kvitpay/kvit/server/adapter/pspcallback"
)

const (
	secret  = "s3cret-of-the-address"
	address = "/callbacks/psp/acme-liqpay/" + secret
	edgeKey = "kvit_edge_of_a_test"
)

// server is the CallbackService that the edge delivers to.
type server struct {
	mu       sync.Mutex
	got      []*kvitv1.HandlePspCallbackRequest
	keys     []string
	response *kvitv1.HandlePspCallbackResponse
	err      error
}

func (s *server) HandlePspCallback(ctx context.Context, in *kvitv1.HandlePspCallbackRequest) (*kvitv1.HandlePspCallbackResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	call, _ := connect.CallInfoForHandlerContext(ctx)
	s.got, s.keys = append(s.got, in), append(s.keys, call.RequestHeader().Get("Authorization"))
	return s.response, s.err
}

func (s *server) requests() []*kvitv1.HandlePspCallbackRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

// log is what the edge wrote, without the redaction of telemetry: the secret must not come this far.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// edge is a handler with its server and its log.
type edge struct {
	t       *testing.T
	server  *server
	log     *log
	handler http.Handler
}

// newEdge makes an edge that delivers through transport; nil is a real connection to a server that answers "ok".
func newEdge(t *testing.T, transport http.RoundTripper) *edge {
	t.Helper()
	e := &edge{t: t, log: &log{}, server: &server{response: told(http.StatusOK, "text/plain", "ok")}}
	base := "http://kvit.example"
	if transport == nil {
		_, handler := kvitv1connect.NewCallbackServiceHandler(e.server)
		upstream := httptest.NewServer(handler)
		t.Cleanup(upstream.Close)
		own := pspcallback.NewTransport()
		t.Cleanup(own.CloseIdleConnections)
		transport, base = own, upstream.URL
	}
	logger := slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	mux := http.NewServeMux()
	mux.Handle(pspcallback.Pattern, pspcallback.New(pspcallback.Needs{
		Server: pspcallback.Dial(transport, base, edgeKey), Logger: logger, Now: time.Now,
	}))
	e.handler = mux
	return e
}

func told(status int32, contentType, body string) *kvitv1.HandlePspCallbackResponse {
	out := &kvitv1.HandlePspCallbackResponse{Status: status, Body: []byte(body)}
	if contentType != "" {
		out.Headers = []*kvitv1.HttpHeader{{Name: "Content-Type", Values: []string{contentType}}}
	}
	return out
}

// ask sends a request and returns what the PSP hears.
func (e *edge) ask(r *http.Request) *httptest.ResponseRecorder {
	e.t.Helper()
	recorder := httptest.NewRecorder()
	e.handler.ServeHTTP(recorder, r)
	return recorder
}

func (e *edge) post(body string) *httptest.ResponseRecorder {
	return e.ask(httptest.NewRequest(http.MethodPost, address, strings.NewReader(body)))
}

// claimsNothing checks an answer that is no success, and that the log has one line with no secret.
func (e *edge) claimsNothing(res *httptest.ResponseRecorder, status int, outcome string) {
	e.t.Helper()
	if res.Code != status {
		e.t.Errorf("answered %d, want %d", res.Code, status)
	}
	if again := res.Header().Get("Retry-After") != ""; again != (status == http.StatusServiceUnavailable) {
		e.t.Errorf("Retry-After is %q with %d", res.Header().Get("Retry-After"), status)
	}
	line := e.log.String()
	if strings.Count(line, "\n") != 1 || !strings.Contains(line, "outcome="+outcome) || !strings.Contains(line, fmt.Sprintf("status=%d", status)) {
		e.t.Errorf("logged %q, want one line with the outcome %s", line, outcome)
	}
	if strings.Contains(line, secret) || strings.Contains(line, edgeKey) {
		e.t.Errorf("a secret is in the log: %s", line)
	}
}

func TestCallback_C3_RawBytesAreDeliveredAsTheyCame(t *testing.T) {
	t.Parallel()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		e := newEdge(t, nil)
		r := httptest.NewRequest(method, address+"?b=2&a=%31&&x", bytes.NewReader(every))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header["X-Twice"] = []string{"one", "two"}
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		r.Header.Set("X-Bytes", "\xff\xfe")
		r.RemoteAddr = "[2001:db8::1]:4711"
		if res := e.ask(r); res.Code != http.StatusOK {
			t.Fatalf("%s: answered %d: %s", method, res.Code, e.log)
		}
		got := e.server.requests()[0]
		if got.GetMethod() != method || got.GetAccountId() != "acme-liqpay" || got.GetSecret() != secret ||
			got.GetQuery() != "b=2&a=%31&&x" || !bytes.Equal(got.GetBody(), every) {
			t.Errorf("%s: delivered %v", method, got)
		}
		if got.GetSourceAddress() != "2001:db8::1" {
			t.Errorf("the source is %q: a proxy's word is no source", got.GetSourceAddress())
		}
		headers := map[string]string{}
		for _, h := range got.GetHeaders() {
			headers[h.GetName()] = strings.Join(h.GetValues(), "|")
		}
		if headers["X-Twice"] != "one|two" || headers["Content-Type"] != "application/x-www-form-urlencoded" ||
			headers["X-Forwarded-For"] != "198.51.100.7" || headers["X-Bytes"] != "\uFFFD" {
			t.Errorf("%s: headers %v", method, headers)
		}
	}
}

func TestCallback_C2_AnsweredExactlyAsTold(t *testing.T) {
	t.Parallel()
	for _, want := range []*kvitv1.HandlePspCallbackResponse{
		told(200, "text/plain", "OK"),
		told(200, "", ""),
		told(200, "", "<html>is not guessed</html>"),
		told(200, "application/xml; charset=windows-1251", "<r>\xcf</r>\n"),
		told(204, "", ""),
		told(400, "application/json", `{"error":"signature"}`),
		told(503, "", "later"),
	} {
		e := newEdge(t, nil)
		e.server.response = want
		edge := httptest.NewServer(e.handler)
		t.Cleanup(edge.Close)
		res, err := http.Post(edge.URL+address, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != int(want.GetStatus()) || string(body) != string(want.GetBody()) {
			t.Errorf("answered %d %q (%v), want %d %q", res.StatusCode, body, err, want.GetStatus(), want.GetBody())
		}
		contentType := ""
		if len(want.GetHeaders()) > 0 {
			contentType = want.GetHeaders()[0].GetValues()[0]
		}
		if strings.Join(res.Header["Content-Type"], "|") != contentType {
			t.Errorf("content type %q, want %q", res.Header["Content-Type"], contentType)
		}
	}
}

// A repeat is delivered and answered like the first: the edge remembers nothing (C2, I4).
func TestCallback_C2_RepeatsAreDeliveredToo(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	for range 3 {
		if res := e.post("same"); res.Code != http.StatusOK {
			t.Errorf("answered %d", res.Code)
		}
	}
	if n := len(e.server.requests()); n != 3 {
		t.Errorf("%d of 3 were delivered", n)
	}
	for _, key := range e.server.keys {
		if key != "Bearer "+edgeKey {
			t.Errorf("delivered with %q (A1)", key)
		}
	}
	if lines := strings.Count(e.log.String(), "msg=callback"); lines != 3 {
		t.Errorf("%d lines for 3 callbacks", lines)
	}
}

func TestCallback_C3_BodyOf64KiBAtMost(t *testing.T) {
	t.Parallel()
	const most = 64 << 10
	e := newEdge(t, nil)
	if res := e.post(strings.Repeat("x", most)); res.Code != http.StatusOK || len(e.server.requests()[0].GetBody()) != most {
		t.Errorf("64 KiB: answered %d", res.Code)
	}
	for name, length := range map[string]int64{"announced": most + 1, "not announced": -1} {
		e := newEdge(t, nil)
		r := httptest.NewRequest(http.MethodPost, address, strings.NewReader(strings.Repeat("x", most+1)))
		r.ContentLength = length
		e.claimsNothing(e.ask(r), http.StatusRequestEntityTooLarge, "too_large")
		if n := len(e.server.requests()); n != 0 {
			t.Errorf("%s: a body that is too large was delivered", name)
		}
	}
}

func TestCallback_C3_HeadersAreBounded(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *http.Request){
		"all together": func(r *http.Request) {
			for i := range 3 {
				r.Header.Set(fmt.Sprintf("X-Long-%d", i), strings.Repeat("x", 6<<10))
			}
		},
		"one":    func(r *http.Request) { r.Header.Set("X-Long", strings.Repeat("x", 8<<10+1)) },
		"number": func(r *http.Request) { many(r.Header, 101) },
		"values": func(r *http.Request) { r.Header["X-Many"] = make([]string, 17) },
		"name":   func(r *http.Request) { r.Header[strings.Repeat("X", 129)] = []string{"x"} },
		"query":  func(r *http.Request) { r.URL.RawQuery = strings.Repeat("x", 8<<10+1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, nil)
			r := httptest.NewRequest(http.MethodPost, address, http.NoBody)
			change(r)
			e.claimsNothing(e.ask(r), http.StatusRequestHeaderFieldsTooLarge, "too_large")
			if len(e.server.requests()) != 0 {
				t.Error("delivered all the same")
			}
		})
	}
}

func many(header http.Header, n int) {
	for i := range n {
		header.Set(fmt.Sprintf("X-%d", i), "x")
	}
}

// What cannot be an address of ours, and a method that is none, reach no server.
func TestCallback_C3_AddressesThatCannotBeAreNotFound(t *testing.T) {
	t.Parallel()
	for path, status := range map[string]int{
		"/callbacks/psp/acme%2Fx/" + secret:                http.StatusNotFound,
		"/callbacks/psp/acme%0Ax/" + secret:                http.StatusNotFound,
		"/callbacks/psp/" + strings.Repeat("a", 65) + "/x": http.StatusNotFound,
		"/callbacks/psp/acme/%20":                          http.StatusNotFound,
		"/callbacks/psp/acme/" + strings.Repeat("a", 129):  http.StatusNotFound,
	} {
		e := newEdge(t, nil)
		e.claimsNothing(e.ask(httptest.NewRequest(http.MethodPost, path, http.NoBody)), status, "no_such_address")
		if len(e.server.requests()) != 0 {
			t.Errorf("%s was delivered", path)
		}
	}
	e := newEdge(t, nil)
	r := httptest.NewRequest(http.MethodPost, address, http.NoBody)
	r.Method = "lower"
	e.claimsNothing(e.ask(r), http.StatusMethodNotAllowed, "invalid")
}

// A body that comes too slowly or is cut is not delivered, and nothing is claimed.
func TestCallback_C1_BodiesThatDoNotArriveAreNotDelivered(t *testing.T) {
	t.Parallel()
	for name, half := range map[string]struct {
		close   bool
		outcome string
	}{"slow": {false, "too_slow"}, "cut": {true, "cut"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, nil)
			edge := httptest.NewUnstartedServer(e.handler)
			edge.Config.ReadTimeout = 200 * time.Millisecond
			edge.Start()
			t.Cleanup(edge.Close)
			conn, err := net.Dial("tcp", edge.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", address); err != nil {
				t.Fatal(err)
			}
			if tcp, ok := conn.(*net.TCPConn); ok && half.close {
				_ = tcp.CloseWrite()
			}
			if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
				if res.StatusCode < 400 {
					t.Errorf("answered %d", res.StatusCode)
				}
				_ = res.Body.Close()
			}
			edge.Close() // Waits for the handler, and so for its line.
			if line := e.log.String(); !strings.Contains(line, "outcome="+half.outcome) || len(e.server.requests()) != 0 {
				t.Errorf("%d delivered, logged %q", len(e.server.requests()), line)
			}
		})
	}
}

func TestCallback_C1_NoAnswerOfTheServerClaimsASuccess(t *testing.T) {
	t.Parallel()
	for code, want := range map[connect.Code]struct {
		status  int
		outcome string
	}{
		connect.CodeUnavailable:       {http.StatusServiceUnavailable, "not_delivered"},
		connect.CodeDeadlineExceeded:  {http.StatusServiceUnavailable, "not_delivered"},
		connect.CodeInternal:          {http.StatusServiceUnavailable, "not_delivered"},
		connect.CodeUnknown:           {http.StatusServiceUnavailable, "not_delivered"},
		connect.CodeUnimplemented:     {http.StatusServiceUnavailable, "not_delivered"},
		connect.CodeInvalidArgument:   {http.StatusServiceUnavailable, "not_delivered"},
		connect.CodeResourceExhausted: {http.StatusServiceUnavailable, "not_delivered"},
		connect.CodeUnauthenticated:   {http.StatusServiceUnavailable, "edge_key_refused"},
		connect.CodePermissionDenied:  {http.StatusServiceUnavailable, "edge_key_refused"},
		connect.CodeNotFound:          {http.StatusNotFound, "no_such_address"},
	} {
		e := newEdge(t, nil)
		e.server.response, e.server.err = nil, connect.NewError(code, errors.New("no"))
		e.claimsNothing(e.post("x"), want.status, want.outcome)
		if n := len(e.server.requests()); n != 1 {
			t.Errorf("%s: delivered %d times", code, n)
		}
	}
	for _, status := range []int32{0, 100, 199, 600, -1} {
		e := newEdge(t, nil)
		e.server.response = told(status, "", "")
		e.claimsNothing(e.post("x"), http.StatusServiceUnavailable, "not_delivered")
	}
}

// roundTrip is a connection to a server in a test's hands.
type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func refusal() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

func TestCallback_C1_OneMoreTryWhereTheConnectionWasRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fail  func(try int) error
		tries int
	}{
		"refused for good": {func(int) error { return refusal() }, 2},
		"cut":              {func(int) error { return io.ErrUnexpectedEOF }, 1}, // It may have been delivered.
		"timed out":        {func(int) error { return &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded} }, 1},
	} {
		tries := 0
		e := newEdge(t, roundTrip(func(*http.Request) (*http.Response, error) {
			tries++
			return nil, c.fail(tries)
		}))
		e.claimsNothing(e.post("x"), http.StatusServiceUnavailable, "not_delivered")
		if tries != c.tries {
			t.Errorf("%s: tried %d times, want %d", name, tries, c.tries)
		}
	}

	tries := 0
	service := &server{response: told(http.StatusOK, "", "ok")}
	_, handler := kvitv1connect.NewCallbackServiceHandler(service)
	e := newEdge(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		if tries++; tries == 1 {
			return nil, refusal()
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, r)
		return recorder.Result(), nil
	}))
	if res := e.post("x"); res.Code != http.StatusOK || len(service.requests()) != 1 {
		t.Errorf("answered %d after %d tries", res.Code, tries)
	}
}

func TestCallback_C1_AServerThatIsGoneIs503(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.NotFoundHandler())
	upstream.Close()
	var lines log
	client := pspcallback.Dial(pspcallback.NewTransport(), upstream.URL, edgeKey)
	e := &edge{t: t, server: &server{}, log: &lines}
	mux := http.NewServeMux()
	mux.Handle(pspcallback.Pattern, pspcallback.New(pspcallback.Needs{
		Server: client, Logger: slog.New(slog.NewTextHandler(&lines, nil)), Now: time.Now,
	}))
	e.handler = mux
	e.claimsNothing(e.post("x"), http.StatusServiceUnavailable, "not_delivered")
}

// A server that says nothing is waited for 8 seconds, not longer than the PSP's patience.
func TestCallback_C1_AServerThatHangsIs503WithinEightSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		began := time.Now()
		e.claimsNothing(e.post("x"), http.StatusServiceUnavailable, "not_delivered")
		if took := time.Since(began); took != 8*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// The edge key goes to the server that was named, and to nobody that it points to.
func TestDial_A1_RedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	asked := 0
	e := newEdge(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		asked++
		return &http.Response{
			StatusCode: http.StatusTemporaryRedirect, Header: http.Header{"Location": {"http://elsewhere.example/"}},
			Body: http.NoBody, Request: r,
		}, nil
	}))
	e.claimsNothing(e.post("x"), http.StatusServiceUnavailable, "not_delivered")
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// A stranger's account goes into the log cut, on one line.
func TestCallback_C3_TheLogIsNoStrangersToWrite(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	res := e.ask(httptest.NewRequest(http.MethodPost, "/callbacks/psp/x%0Amsg=forged"+strings.Repeat("y", 9000)+"/"+secret, http.NoBody))
	e.claimsNothing(res, http.StatusNotFound, "no_such_address")
	if len(e.log.String()) > 500 {
		t.Errorf("a line of %d bytes", len(e.log.String()))
	}
}
