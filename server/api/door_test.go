package api_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	pay "github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/store"
)

// answer is what came back over HTTP.
type answer struct {
	status int
	header http.Header
	body   string
}

// fetch calls over HTTP/1.1 and reads the whole answer.
func (d *door) fetch(tb testing.TB, method, path, body string, headers ...string) answer {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), method, doorURL+path, strings.NewReader(body))
	must(tb, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := d.http1.Do(request)
	must(tb, err)
	text, err := io.ReadAll(response.Body)
	must(tb, errors.Join(err, response.Body.Close()))
	return answer{response.StatusCode, response.Header, string(text)}
}

// post sends JSON as curl does.
func (h *house) post(tb testing.TB, procedure, body string, headers ...string) answer {
	tb.Helper()
	headers = append([]string{"Content-Type", "application/json", "Authorization", "bearer " + h.secret}, headers...)
	return h.public.fetch(tb, http.MethodPost, procedure, body, headers...)
}

func TestDoor_AnswersCurl(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	got := h.post(t, pay.PaymentServiceCreatePaymentLinkProcedure,
		`{"idempotencyKey":"k","kind":"LINK_KIND_DYNAMIC","orderId":"A-1","amount":{"currencyCode":"AMD","minorUnits":"125000"}}`)
	var created kvitv1.CreatePaymentLinkResponse
	must(t, protojson.Unmarshal([]byte(got.body), &created))
	if got.status != http.StatusOK || created.GetOrder().GetState() != kvitv1.OrderState_ORDER_STATE_PENDING {
		t.Errorf("got %v", got)
	}
	for procedure, parts := range map[string][]string{
		pay.PaymentServiceGetOrderStatusProcedure: {"NEXT_STEP_ACTION_PAY", made(&created)},
		pay.PaymentServiceExplainOrderProcedure:   {"The order was created"},
		pay.PaymentServiceGetMerchantProcedure:    {"Write to @shop", "MODE_TEST", "http://pay.example"},
	} {
		body := `{"orderId":"A-1"}`
		if procedure == pay.PaymentServiceGetMerchantProcedure {
			body = `{}`
		}
		got := h.post(t, procedure, body)
		for _, part := range parts {
			if !strings.Contains(got.body, part) {
				t.Errorf("%s lacks %s: %s", procedure, part, got.body)
			}
		}
		if control := got.header.Get("Cache-Control"); control != "no-store" {
			t.Errorf("%s: Cache-Control is %q", procedure, control)
		}
	}
}

// made is the address of a link that was made.
func made(r *kvitv1.CreatePaymentLinkResponse) string { return r.GetLink().GetUrl() }

// Orders go through their life by the API alone.
func TestDoor_OrderIsMadeListedAndCancelled(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c := h.client(connect.WithGRPC())
	made, err := c.CreatePaymentLink(t.Context(), dynamic("A-1"))
	must(t, err)
	link, err := c.GetPaymentLink(t.Context(), &kvitv1.GetPaymentLinkRequest{LinkId: made.GetLink().GetId()})
	must(t, err)
	if link.GetLink().String() != made.GetLink().String() {
		t.Errorf("read as %v, made as %v", link.GetLink(), made.GetLink())
	}
	cancelled, err := c.CancelOrder(t.Context(), &kvitv1.CancelOrderRequest{IdempotencyKey: "c", OrderId: "A-1", Reason: "sold out"})
	must(t, err)
	if cancelled.GetOrder().GetState() != kvitv1.OrderState_ORDER_STATE_CANCELLED {
		t.Errorf("cancelled is %v", cancelled)
	}
	orders, err := c.ListOrders(t.Context(), &kvitv1.ListOrdersRequest{States: []kvitv1.OrderState{kvitv1.OrderState_ORDER_STATE_CANCELLED}})
	must(t, err)
	links, err := c.ListPaymentLinks(t.Context(), &kvitv1.ListPaymentLinksRequest{Kind: kvitv1.LinkKind_LINK_KIND_DYNAMIC, OrderId: "A-1"})
	must(t, err)
	if len(orders.GetOrders()) != 1 || len(links.GetLinks()) != 1 {
		t.Errorf("listed %v and %v", orders, links)
	}
	closed, err := c.DeactivatePaymentLink(t.Context(), &kvitv1.DeactivatePaymentLinkRequest{IdempotencyKey: "d", LinkId: made.GetLink().GetId()})
	must(t, err)
	if closed.GetLink().GetState() != kvitv1.LinkState_LINK_STATE_DEACTIVATED || closed.GetLink().GetUrl() != made.GetLink().GetUrl() {
		t.Errorf("closed is %v", closed)
	}
	_, err = h.clientOf(h.key(t, other, "orders:read")).GetOrderStatus(t.Context(), &kvitv1.GetOrderStatusRequest{OrderId: "A-1"})
	oneErrorInfo(t, err, "ORDER_NOT_FOUND")
}

// A request that is too large is refused before it is decoded.
func TestDoor_RefusesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	request := dynamic("A-1")
	request.Description = strings.Repeat("x", 300<<10)
	for _, opts := range protocols() {
		_, err := h.client(opts...).CreatePaymentLink(t.Context(), request)
		wantCode(t, err, connect.CodeResourceExhausted)
	}
	_, err := h.client(connect.WithSendGzip()).CreatePaymentLink(t.Context(), request)
	wantCode(t, err, connect.CodeResourceExhausted)
	if !h.logs.within(`"code":"resource_exhausted"`, "CreatePaymentLink") {
		t.Error("the log does not say so")
	}
	got := h.post(t, pay.PaymentServiceGetOrderStatusProcedure, `{"orderId":`)
	if got.status != http.StatusBadRequest || !strings.Contains(got.body, "invalid_argument") {
		t.Errorf("got %v", got)
	}
}

// The largest request that the rules allow fits.
func TestDoor_TakesTheLargestRequest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	request := dynamic(strings.Repeat("A", 64))
	request.Description = strings.Repeat("ж", 500)
	request.SuccessUrl = "https://shop.example/" + strings.Repeat("s", 2000)
	request.FailureUrl = request.GetSuccessUrl()
	for range 100 {
		request.LineItems = append(request.LineItems, &kvitv1.LineItem{
			Name: strings.Repeat("ж", 200), Quantity: 1_000_000, Amount: &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: 1},
		})
	}
	request.Metadata = map[string]string{}
	for i := range 50 {
		request.Metadata[strings.Repeat("ж", 38)+string(rune('a'+i/26))+string(rune('a'+i%26))] = strings.Repeat("ж", 500)
	}
	for name, opts := range protocols() {
		request.IdempotencyKey = name
		_, err := h.client(opts...).CreatePaymentLink(t.Context(), request)
		must(t, err)
	}
}

// A request is one line in the log, with what operators ask for, without secrets and payers' data.
func TestDoor_LogsOneWideEvent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	request := dynamic("A-1")
	request.Customer = &kvitv1.Customer{Name: "Anahit", Email: "anahit@example.am", Phone: "+37477123456"}
	made, err := h.client().CreatePaymentLink(t.Context(), request)
	must(t, err)
	_, err = h.client().CreatePaymentLink(t.Context(), request)
	must(t, err)
	if !h.logs.within(`"replayed":true`, `"order_id":"A-1"`) {
		t.Error("the replay is not in the log")
	}
	lines := strings.Split(strings.TrimSpace(h.logs.String()), "\n")
	if len(lines) != 2 {
		t.Errorf("got %d lines, want 2", len(lines))
	}
	for _, part := range []string{
		`"method":"PaymentService/CreatePaymentLink"`, `"code":"ok"`, `"merchant":"shop"`, `"key_id":"key_`, `"took"`,
		`"order_id":"A-1"`, `"link_id":"` + made.GetLink().GetId() + `"`, `"request_bytes"`, `"response_bytes"`, `"protocol":"connect"`,
	} {
		if !strings.Contains(lines[0], part) {
			t.Errorf("the line lacks %s: %s", part, lines[0])
		}
	}
	token := made.GetLink().GetUrl()[strings.LastIndex(made.GetLink().GetUrl(), "/")+1:]
	for _, secret := range []string{h.secret, token, "Anahit", "anahit@", "37477123456", "cinema"} {
		if strings.Contains(h.logs.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// blocking keeps its callers until they give up.
type blocking struct{ api.Payment }

func (blocking) Orders(ctx context.Context, _ payment.Caller, _ store.OrderFilter, _ payment.PageRequest) ([]payment.OrderInfo, string, error) {
	<-ctx.Done()
	return nil, "", ctx.Err()
}

func TestDoor_SaysThatTheDeadlineHasPassed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *options) { o.wrap = func(p api.Payment) api.Payment { return blocking{p} } })
		got := h.post(t, pay.PaymentServiceListOrdersProcedure, `{}`, "Connect-Timeout-Ms", "1000")
		if got.status != http.StatusGatewayTimeout || !strings.Contains(got.body, "deadline_exceeded") {
			t.Errorf("got %v", got)
		}
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Second)
			leave()
		}()
		_, err := h.client().ListOrders(ctx, &kvitv1.ListOrdersRequest{})
		wantCode(t, err, connect.CodeCanceled)
		synctest.Wait()
		if !h.logs.within("CANCELLED", "canceled") || !h.logs.within("DEADLINE_EXCEEDED", "deadline_exceeded") {
			t.Errorf("the log says %s", h.logs)
		}
	})
}

func TestProbes(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	h := newHouse(t, func(o *options) {
		o.ready = func(context.Context) error {
			if away.Load() {
				return errors.New("away")
			}
			return nil
		}
	})
	want := func(d *door, path string, status int) {
		t.Helper()
		if got := d.fetch(t, http.MethodGet, path, ""); got.status != status {
			t.Errorf("%s: got %v, want %d", path, got, status)
		}
	}
	for _, d := range []*door{h.public, h.admin} {
		want(d, "/healthz", http.StatusOK)
		want(d, "/readyz", http.StatusOK)
	}
	away.Store(true)
	want(h.public, "/healthz", http.StatusOK)
	want(h.public, "/readyz", http.StatusServiceUnavailable)
	away.Store(false)
	want(h.public, "/readyz", http.StatusOK)
	h.api.EndStreams()
	want(h.public, "/readyz", http.StatusServiceUnavailable)
	want(h.public, "/metrics", http.StatusNotFound)
	want(h.public, "/debug/pprof/", http.StatusNotFound)
	want(h.admin, "/debug/pprof/", http.StatusOK)
	metrics := h.admin.fetch(t, http.MethodGet, "/metrics", "").body
	for _, part := range []string{`kvit_rpc_requests_total{code="unimplemented",method="unknown"}`, "kvit_streams_open 0"} {
		if !strings.Contains(metrics, part) {
			t.Errorf("the metrics lack %s", part)
		}
	}
}

// dialGRPC is grpc-go's own client at the public door.
func dialGRPC(t *testing.T, h *house) *grpc.ClientConn {
	t.Helper()
	transport, ok := h.public.client.Transport.(*http.Transport)
	if !ok {
		t.Fatal("no transport")
	}
	conn, err := grpc.NewClient("passthrough:///kvit.invalid", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return transport.DialContext(ctx, "", "") }))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestHealth_SpeaksToGRPC(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	client := healthv1.NewHealthClient(dialGRPC(t, h))
	for _, service := range []string{"", "kvit.v1.PaymentService"} {
		got, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		must(t, err)
		if got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("%q is %v", service, got)
		}
	}
	_, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: "kvit.v1.Nothing"})
	details := status.Convert(err).Details()
	if len(details) != 1 {
		t.Fatalf("got %v with %v", err, details)
	}
	if info, ok := details[0].(*errdetails.ErrorInfo); !ok || info.GetReason() != "METHOD_NOT_FOUND" {
		t.Errorf("got %v", details)
	}
	watching, err := client.Watch(t.Context(), &healthv1.HealthCheckRequest{})
	must(t, err)
	for _, want := range []healthv1.HealthCheckResponse_ServingStatus{
		healthv1.HealthCheckResponse_SERVING, healthv1.HealthCheckResponse_NOT_SERVING,
	} {
		got, err := watching.Recv()
		must(t, err)
		if got.GetStatus() != want {
			t.Errorf("got %v, want %v", got, want)
		}
		h.api.EndStreams()
	}
	if _, err := watching.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the watch ends with %v", err)
	}
}

// grpc-go reads our errors as its own.
func TestDoor_SpeaksToGRPC(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	conn := dialGRPC(t, h)
	err := conn.Invoke(t.Context(), pay.PaymentServiceGetOrderStatusProcedure, &kvitv1.GetOrderStatusRequest{OrderId: "A-1"}, &kvitv1.GetOrderStatusResponse{})
	if got := status.Convert(err); len(got.Details()) != 1 || got.Code().String() != "Unauthenticated" {
		t.Errorf("got %v with %v", err, got.Details())
	}
}

func TestReflection_DescribesThePublicAPI(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	stream := grpcreflect.NewClient(h.public.client, doorURL, connect.WithGRPC()).NewStream(t.Context())
	names, err := stream.ListServices()
	must(t, err)
	_, _ = stream.Close()
	got := make([]string, len(names))
	for i := range names {
		got[i] = string(names[i])
	}
	slices.Sort(got)
	if want := []string{"grpc.health.v1.Health", "kvit.v1.CallbackService", "kvit.v1.PaymentService"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	silent, err := api.New(api.Needs{
		Payment: h.payment, Access: h.access, Bus: h.bus, Logger: discard(), Now: time.Now, NoReflection: true,
	})
	must(t, err)
	t.Cleanup(silent.Close)
	d := openDoor(t, silent.Public)
	stream = grpcreflect.NewClient(d.client, doorURL, connect.WithGRPC()).NewStream(t.Context())
	if _, err = stream.ListServices(); connect.CodeOf(err) != connect.CodeUnimplemented {
		t.Errorf("got %v", err)
	}
	_, _ = stream.Close()
}

// Streams work over HTTP/1.1 too, and the connection serves further calls.
func TestDoor_StreamsOverHTTP1(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		client := pay.NewPaymentServiceClient(h.public.http1, doorURL, bearing(h.secret))
		stream, err := client.StreamOrderEvents(t.Context(), fromNow)
		must(t, err)
		w := &watcher{stream, t, func() {}}
		w.heartbeat()
		h.create(t, "A-1")
		gapFree(t, w.upTo(2), 1)
		for w.next().GetHeartbeat().GetClosing() == kvitv1.ClosingReason_CLOSING_REASON_UNSPECIFIED {
			continue
		}
		w.end()
		time.Sleep(100 * time.Second) // Longer than a stuck stream is kept, not so long as an idle connection.
		_, err = client.GetMerchant(t.Context(), &kvitv1.GetMerchantRequest{})
		must(t, err)
	})
}

// Nothing is compressed that is small, and what is large is where the client asks for it.
func TestDoor_CompressesLargeAnswersOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	encoding := func(body string) string {
		return h.post(t, pay.PaymentServiceListOrdersProcedure, body, "Accept-Encoding", "gzip").header.Get("Content-Encoding")
	}
	if got := encoding(`{}`); got != "" {
		t.Errorf("a small answer is sent as %q", got)
	}
	for _, id := range []string{"A-1", "A-2", "A-3", "A-4", "A-5", "A-6", "A-7", "A-8"} {
		h.create(t, id)
	}
	if got := encoding(`{}`); got != "gzip" {
		t.Errorf("a large answer is sent as %q", got)
	}
}

// A method that changes something is not reached by GET.
func TestDoor_ChangesNothingByGET(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if got := h.public.fetch(t, http.MethodGet, pay.PaymentServiceCreatePaymentLinkProcedure, ""); got.status != http.StatusMethodNotAllowed {
		t.Errorf("got %v", got)
	}
	if _, err := h.client(connect.WithHTTPGet()).ListOrders(t.Context(), &kvitv1.ListOrdersRequest{}); err != nil {
		t.Errorf("a plain read by GET: %v", err)
	}
}
