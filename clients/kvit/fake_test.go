package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
)

var update = flag.Bool("update", false, "write the golden files and docs/cli.md anew")

// golden compares a text with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()

	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s\nWrite it anew with go test ./clients/kvit -update", path, got, want)
	}
}

// noon is the time at which every test runs.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(after time.Duration) *timestamppb.Timestamp { return timestamppb.New(noon.Add(after)) }

func dram(minor int64) *kvitv1.Money { return &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: minor} }

// ran is what a command line did.
type ran struct {
	code           int
	stdout, stderr string
}

// kvitAt runs a command line against a server, on a terminal of that width (0: none).
func kvitAt(t *testing.T, server string, width int, args ...string) ran {
	t.Helper()

	var stdout, stderr bytes.Buffer
	code := run(t.Context(), append([]string{"--server", server, "--admin", server, "--key", "kvit_test_key"}, args...), &world{
		stdout: &stdout, stderr: &stderr, width: width, now: func() time.Time { return noon },
		zone: time.FixedZone("+04", 4*60*60), waitFirst: time.Millisecond,
	})
	return ran{code, stdout.String(), stderr.String()}
}

// shop is a server with a few things in it.
type shop struct {
	kvitv1connect.UnimplementedPaymentServiceHandler
	kvitv1connect.UnimplementedAccessServiceHandler

	mu sync.Mutex
	// failures are answered first, one to each call; nil is none.
	failures []error
	// replayed marks answers as recorded ones.
	replayed bool
	// asked are the requests, in the order in which they came.
	asked []proto.Message
	// onStream answers streams.
	onStream func(ctx context.Context, number int, request *kvitv1.StreamOrderEventsRequest, send func(*kvitv1.StreamOrderEventsResponse)) error
	streams  int
	// refund is the state in which a refund comes back.
	refund kvitv1.RefundState
	// made changes what a created link comes back as.
	made func(link *kvitv1.Link, order *kvitv1.Order)
	// state is that of order A-17.
	state kvitv1.OrderState
	reset *kvitv1.StreamReset
}

// open starts the shop and says its address.
func (s *shop) open(t *testing.T) string {
	t.Helper()

	mux := http.NewServeMux()
	mux.Handle(kvitv1connect.NewPaymentServiceHandler(s))
	mux.Handle(kvitv1connect.NewAccessServiceHandler(s))
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// came notes a request, and fails if a failure is due.
func (s *shop) came(ctx context.Context, request proto.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, request)
	if info, ok := connect.CallInfoForHandlerContext(ctx); ok && s.replayed {
		info.ResponseHeader().Set("Idempotency-Replayed", "true")
	}
	if len(s.failures) > 0 {
		var failure error
		failure, s.failures = s.failures[0], s.failures[1:]
		return failure
	}
	return nil
}

func (s *shop) CreatePaymentLink(ctx context.Context, r *kvitv1.CreatePaymentLinkRequest) (*kvitv1.CreatePaymentLinkResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	link := dynamicLink()
	link.Amount, link.OrderId, link.LineItems, link.Metadata = r.GetAmount(), r.GetOrderId(), r.GetLineItems(), r.GetMetadata()
	link.Description, link.PspAccounts = r.GetDescription(), r.GetPspAccounts()
	if r.GetKind() == kvitv1.LinkKind_LINK_KIND_FIXED {
		link.Kind, link.OrderExpiresIn = r.GetKind(), durationpb.New(24*time.Hour)
		return &kvitv1.CreatePaymentLinkResponse{Link: link}, nil
	}
	order := order17(kvitv1.OrderState_ORDER_STATE_PENDING)
	order.OrderId = r.GetOrderId()
	if s.made != nil {
		s.made(link, order)
	}
	return &kvitv1.CreatePaymentLinkResponse{Link: link, Order: order}, nil
}

func (s *shop) GetPaymentLink(ctx context.Context, r *kvitv1.GetPaymentLinkRequest) (*kvitv1.GetPaymentLinkResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	link := dynamicLink()
	link.PspAccounts = []string{"terminal", "liqpay-main"}
	return &kvitv1.GetPaymentLinkResponse{Link: link}, nil
}

func (s *shop) DeactivatePaymentLink(ctx context.Context, r *kvitv1.DeactivatePaymentLinkRequest) (*kvitv1.DeactivatePaymentLinkResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	link := dynamicLink()
	link.State, link.DeactivatedAt = kvitv1.LinkState_LINK_STATE_DEACTIVATED, at(0)
	return &kvitv1.DeactivatePaymentLinkResponse{Link: link}, nil
}

// ListPaymentLinks brings seven links, in pages.
func (s *shop) ListPaymentLinks(ctx context.Context, r *kvitv1.ListPaymentLinksRequest) (*kvitv1.ListPaymentLinksResponse, error) {
	if err := s.came(ctx, proto.Clone(r)); err != nil {
		return nil, err
	}
	first, size := 0, min(int(r.GetPageSize()), 3)
	_, _ = fmt.Sscanf(r.GetPageToken(), "page-%d", &first)
	all := links()
	answer := &kvitv1.ListPaymentLinksResponse{Links: all[first:min(first+size, len(all))]}
	if first+size < len(all) {
		answer.NextPageToken = fmt.Sprintf("page-%d", first+size)
	}
	return answer, nil
}

func (s *shop) GetOrderStatus(ctx context.Context, r *kvitv1.GetOrderStatusRequest) (*kvitv1.GetOrderStatusResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	if s.state == kvitv1.OrderState_ORDER_STATE_PENDING {
		return &kvitv1.GetOrderStatusResponse{Order: order17(s.state), NextStep: &kvitv1.NextStep{
			Action: kvitv1.NextStepAction_NEXT_STEP_ACTION_PAY, Text: "Խնդրում ենք վճարել։", Url: "https://pay.example.com/pay/Jq3",
		}}, nil
	}
	order := order17(kvitv1.OrderState_ORDER_STATE_PAID)
	order.PaidAmount = dram(150000)
	return &kvitv1.GetOrderStatusResponse{
		Order: order,
		Exceptions: []*kvitv1.OrderException{{
			Id: "exc_1", Kind: kvitv1.ExceptionKind_EXCEPTION_KIND_DUPLICATE, State: kvitv1.ExceptionState_EXCEPTION_STATE_OPEN,
			OpenedAt: at(-time.Minute), Amount: dram(150000), Detail: "A second payment of a paid order.",
		}},
		NextStep: &kvitv1.NextStep{Action: kvitv1.NextStepAction_NEXT_STEP_ACTION_FULFILL, Text: "Дякуємо, оплату отримано."},
		Payments: payments(),
	}, nil
}

func (s *shop) ListOrders(ctx context.Context, r *kvitv1.ListOrdersRequest) (*kvitv1.ListOrdersResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	return &kvitv1.ListOrdersResponse{Orders: orders()}, nil
}

func (s *shop) CancelOrder(ctx context.Context, r *kvitv1.CancelOrderRequest) (*kvitv1.CancelOrderResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	return &kvitv1.CancelOrderResponse{Order: order17(kvitv1.OrderState_ORDER_STATE_CANCELLED)}, nil
}

func (s *shop) CapturePayment(ctx context.Context, r *kvitv1.CapturePaymentRequest) (*kvitv1.CapturePaymentResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	order := order17(kvitv1.OrderState_ORDER_STATE_PAID)
	order.PaidAmount = dram(150000)
	if s.state == kvitv1.OrderState_ORDER_STATE_AUTHORIZED {
		order = order17(s.state)
		order.AuthorizedAmount = dram(150000)
	}
	return &kvitv1.CapturePaymentResponse{Order: order}, nil
}

func (s *shop) RefundOrder(ctx context.Context, r *kvitv1.RefundOrderRequest) (*kvitv1.RefundOrderResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	refund := refunds()[0]
	if r.GetAmount() != nil {
		refund.Amount = r.GetAmount()
	}
	if s.refund != 0 {
		refund.State = s.refund
	}
	return &kvitv1.RefundOrderResponse{Refund: refund}, nil
}

func (s *shop) GetRefund(ctx context.Context, r *kvitv1.GetRefundRequest) (*kvitv1.GetRefundResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	return &kvitv1.GetRefundResponse{Refund: refunds()[0]}, nil
}

func (s *shop) ListRefunds(ctx context.Context, r *kvitv1.ListRefundsRequest) (*kvitv1.ListRefundsResponse, error) {
	if err := s.came(ctx, proto.Clone(r)); err != nil {
		return nil, err
	}
	return &kvitv1.ListRefundsResponse{Refunds: refunds()}, nil
}

func (s *shop) ListPspAccounts(ctx context.Context, r *kvitv1.ListPspAccountsRequest) (*kvitv1.ListPspAccountsResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	return &kvitv1.ListPspAccountsResponse{Accounts: []*kvitv1.PspAccount{
		{
			AccountId: "liqpay-main", Psp: "liqpay", Name: "LiqPay", Mode: kvitv1.Mode_MODE_LIVE,
			CurrencyCodes: []string{"UAH", "EUR", "USD"}, Refunds: true, Captures: true, Voids: true,
		},
		{
			AccountId: "sandbox", Psp: "sandbox", Name: "Փորձնական վճարում", Mode: kvitv1.Mode_MODE_TEST, Refunds: true,
			CurrencyCodes: []string{"AMD", "EUR", "GBP", "JPY", "PLN", "RON", "UAH", "USD", "BHD", "CLF", "GEL", "KZT"},
		},
		{AccountId: "terminal", Psp: "portmone", Name: "Portmone", Mode: kvitv1.Mode_MODE_TEST, CurrencyCodes: []string{"UAH"}},
	}}, nil
}

func (s *shop) ExplainOrder(ctx context.Context, r *kvitv1.ExplainOrderRequest) (*kvitv1.ExplainOrderResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	return &kvitv1.ExplainOrderResponse{
		Order:   order17(kvitv1.OrderState_ORDER_STATE_PAID),
		Summary: "The order is paid: 1,500 AMD arrived on a verified callback, and nothing is left to do but to hand over what was bought.",
		Steps: []*kvitv1.OrderStep{
			{
				Position: 12, OccurredAt: at(-time.Hour), Type: "order.created",
				Text:  "The order was created for 1,500 AMD by key_18X and is offered until 22 November 2026.",
				Actor: &kvitv1.Actor{Kind: kvitv1.ActorKind_ACTOR_KIND_API_KEY, Id: "key_18X"},
			},
			{
				Position: 15, OccurredAt: at(-time.Minute), Type: "order.paid", Text: "The order was paid with 1,500 AMD.",
				Actor: &kvitv1.Actor{Kind: kvitv1.ActorKind_ACTOR_KIND_PSP, Id: "liqpay-main"},
				Evidence: []*kvitv1.Evidence{{
					Source:  kvitv1.EvidenceSource_EVIDENCE_SOURCE_CALLBACK,
					Summary: "A verified callback of liqpay-main says that 1,500 AMD were captured", ReceivedAt: at(-time.Minute),
					PspAccount: "liqpay-main", Reference: "2519284400",
				}},
			},
		},
	}, nil
}

func (s *shop) ListOrderEvents(ctx context.Context, r *kvitv1.ListOrderEventsRequest) (*kvitv1.ListOrderEventsResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	return &kvitv1.ListOrderEventsResponse{NextCursor: "at-0", Reset_: s.reset}, nil
}

func (s *shop) StreamOrderEvents(
	ctx context.Context, r *kvitv1.StreamOrderEventsRequest, stream *connect.ServerStream[kvitv1.StreamOrderEventsResponse],
) error {
	s.mu.Lock()
	s.streams++
	number := s.streams
	s.mu.Unlock()
	return s.onStream(ctx, number, r, func(message *kvitv1.StreamOrderEventsResponse) { _ = stream.Send(message) })
}

//nolint:revive // The name is the generated interface's.
func (s *shop) CreateApiKey(ctx context.Context, r *kvitv1.CreateApiKeyRequest) (*kvitv1.CreateApiKeyResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	return &kvitv1.CreateApiKeyResponse{ApiKey: keys()[0], Secret: "kvit_test_shown_once"}, nil
}

//nolint:revive // The name is the generated interface's.
func (s *shop) ListApiKeys(ctx context.Context, r *kvitv1.ListApiKeysRequest) (*kvitv1.ListApiKeysResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	return &kvitv1.ListApiKeysResponse{ApiKeys: keys()}, nil
}

//nolint:revive // The name is the generated interface's.
func (s *shop) RevokeApiKey(ctx context.Context, r *kvitv1.RevokeApiKeyRequest) (*kvitv1.RevokeApiKeyResponse, error) {
	if err := s.came(ctx, r); err != nil {
		return nil, err
	}
	key := keys()[0]
	key.RevokedAt = at(0)
	return &kvitv1.RevokeApiKeyResponse{ApiKey: key}, nil
}

func dynamicLink() *kvitv1.Link {
	return &kvitv1.Link{
		Id: "lnk_06gvosbivhrut3r3ecifhsvgp8", Url: "https://pay.example.com/pay/JNUcbTuPxgH4tUQs5lfZNn",
		Kind: kvitv1.LinkKind_LINK_KIND_DYNAMIC, State: kvitv1.LinkState_LINK_STATE_ACTIVE, Amount: dram(150000),
		OrderId: "A-17", Description: "Երկու սուրճ", ExpiresAt: at(24 * time.Hour), CreatedAt: at(0),
		CaptureMode: kvitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC, Mode: kvitv1.Mode_MODE_TEST,
	}
}

func links() []*kvitv1.Link {
	texts := []string{
		"Երկու սուրճ և մեկ գաթա, առաքմամբ", "Сирник і кава з собою", "", "Two coffees", "コーヒー二つ", "e\u0301clair", "\x1b[31mred\u202e",
	}
	all := make([]*kvitv1.Link, len(texts))
	for i, text := range texts {
		all[i] = dynamicLink()
		all[i].Id = fmt.Sprintf("lnk_06gvosbivhrut3r3ecifhsvg%02d", i)
		all[i].OrderId = fmt.Sprintf("A-%d", 17+i)
		all[i].Description = text
		all[i].Amount = dram(int64(i) * 12345600)
	}
	all[3].Kind, all[3].OrderId, all[3].State = kvitv1.LinkKind_LINK_KIND_FIXED, "", kvitv1.LinkState_LINK_STATE_DEACTIVATED
	return all
}

func order17(state kvitv1.OrderState) *kvitv1.Order {
	return &kvitv1.Order{
		OrderId: "A-17", State: state, Amount: dram(150000), PaidAmount: dram(0), RefundedAmount: dram(0), AuthorizedAmount: dram(0),
		Customer: &kvitv1.Customer{
			Viber: &kvitv1.ViberUser{Bot: "coffee", UserId: "01234567890A="}, CustomerId: "c-9", Name: "Олена Ткаченко", Locale: "uk",
		},
		Version: 4, OfferUntil: at(24 * time.Hour), AcceptUntil: at(48 * time.Hour), Kind: kvitv1.LinkKind_LINK_KIND_DYNAMIC,
		CaptureMode: kvitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC, Mode: kvitv1.Mode_MODE_TEST, Description: "Երկու սուրճ",
		LineItems: []*kvitv1.LineItem{{Name: "Սուրճ", Quantity: 2, Amount: dram(150000)}},
		LinkId:    "lnk_06gvosbivhrut3r3ecifhsvgp8", CreatedAt: at(-time.Hour), UpdatedAt: at(-time.Minute),
		Metadata: map[string]string{"table": "7", "chat": "viber"},
	}
}

func orders() []*kvitv1.Order {
	paid, refunded, fixed := order17(kvitv1.OrderState_ORDER_STATE_PAID), order17(kvitv1.OrderState_ORDER_STATE_PARTIALLY_REFUNDED),
		order17(kvitv1.OrderState_ORDER_STATE_PENDING)
	paid.PaidAmount = dram(150000)
	refunded.OrderId, refunded.PaidAmount, refunded.RefundedAmount = "A-18", dram(150000), dram(50000)
	fixed.OrderId, fixed.Customer, fixed.Amount = "f_06gvosbivhrut3r3ecifhsvgp8", nil, &kvitv1.Money{CurrencyCode: "JPY", MinorUnits: 1200}
	fixed.Mode = kvitv1.Mode_MODE_LIVE
	return []*kvitv1.Order{paid, refunded, fixed}
}

func keys() []*kvitv1.ApiKey {
	return []*kvitv1.ApiKey{
		{
			Id: "key_0Ji4NQSbv0lXGxFF3", Kind: kvitv1.ApiKeyKind_API_KEY_KIND_MERCHANT, MerchantId: "demo", Mode: kvitv1.Mode_MODE_TEST,
			Name: "Կայքի խանութը", Scopes: []string{"events:read", "links:write", "orders:read"}, CreatedAt: at(-time.Hour),
		},
		{
			Id: "key_1Ji4NQSbv0lXGxFF3", Kind: kvitv1.ApiKeyKind_API_KEY_KIND_EDGE, Name: "Viber adapter of the first shop of all",
			Scopes: []string{"callbacks:deliver"}, CreatedAt: at(-2 * time.Hour), RevokedAt: at(-time.Hour),
		},
	}
}

func payments() []*kvitv1.Payment {
	none, hryvnia := dram(0), &kvitv1.Money{CurrencyCode: "UAH", MinorUnits: 70000}
	return []*kvitv1.Payment{
		{
			PaymentId: "pay_06gvosbivhrut3r3ecifhsvgp8", AccountId: "liqpay-main", PspPaymentId: "2519284400", AttemptId: "att_1", Settles: true,
			Captured: dram(150000), Authorized: none, RefundReserved: dram(20000), Refunded: dram(50000), ChargedBack: none,
		},
		{PaymentId: "pay_2", AccountId: "terminal", AttemptId: "att_2", Captured: hryvnia, Refunded: &kvitv1.Money{CurrencyCode: "UAH"}},
	}
}

func refunds() []*kvitv1.Refund {
	all := make([]*kvitv1.Refund, 3)
	for i, state := range []kvitv1.RefundState{
		kvitv1.RefundState_REFUND_STATE_POSTED, kvitv1.RefundState_REFUND_STATE_UNKNOWN, kvitv1.RefundState_REFUND_STATE_RELEASED,
	} {
		all[i] = &kvitv1.Refund{
			RefundId: fmt.Sprintf("ref_06gvosbivhrut3r3ecifhsvgp%d", 8-i), OrderId: "A-17", PaymentId: "pay_06gvosbivhrut3r3ecifhsvgp8",
			Amount: dram(50000), State: state, Automatic: i == 2, RequestedAt: at(-time.Duration(i) * time.Hour),
		}
	}
	return all
}

// refusal is an error as the server makes it.
func refusal(code connect.Code, reason, message string, metadata map[string]string, more ...proto.Message) error {
	err := connect.NewError(code, errors.New(message))
	info := &errdetails.ErrorInfo{Reason: reason, Domain: "kvit.v1", Metadata: metadata}
	for _, detail := range append([]proto.Message{info}, more...) {
		d, failure := connect.NewErrorDetail(detail)
		if failure != nil {
			return failure
		}
		err.AddDetail(d)
	}
	return err
}

// soon asks to come again soon.
func soon() proto.Message { return &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)} }

// section is one part of a golden file: a command line and what it did.
func section(args []string, r ran) string {
	var out strings.Builder
	fmt.Fprintf(&out, "$ kvit %s\n%s", strings.Join(args, " "), r.stdout)
	for line := range strings.Lines(r.stderr) {
		out.WriteString("2> " + line)
	}
	fmt.Fprintf(&out, "= %d\n\n", r.code)
	return out.String()
}
