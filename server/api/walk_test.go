package api_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	pay "github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
)

// probe is what is known about one method, to try everything that can go wrong with it.
type probe struct {
	admin bool
	// edge is set where edge keys may call, and nobody else.
	edge bool
	// scopes let a key call the method; none means that any key of a merchant may.
	scopes []access.Scope
	call   func(client *http.Client, message proto.Message, opts ...connect.ClientOption) error
	// valid would succeed but for what is not there; invalid breaks a rule of field.
	valid, invalid proto.Message
	field          string
	// absent is the reason where valid names what does not exist.
	absent string
	// changes is set where the method needs an idempotency key.
	changes bool
}

// unary calls a method that answers once.
func unary[Req, Res any](procedure string) func(*http.Client, proto.Message, ...connect.ClientOption) error {
	return func(client *http.Client, message proto.Message, opts ...connect.ClientOption) error {
		request, ok := any(message).(*Req)
		if !ok {
			return errors.New("a message of another method")
		}
		_, err := connect.NewClient[Req, Res](client, doorURL+procedure, opts...).CallUnary(context.Background(), connect.NewRequest(request))
		return err
	}
}

// streaming calls a method that answers many times, and waits for its first answer.
func streaming[Req, Res any](procedure string) func(*http.Client, proto.Message, ...connect.ClientOption) error {
	return func(client *http.Client, message proto.Message, opts ...connect.ClientOption) error {
		request, ok := any(message).(*Req)
		if !ok {
			return errors.New("a message of another method")
		}
		ctx, leave := context.WithCancel(context.Background())
		stream, err := connect.NewClient[Req, Res](client, doorURL+procedure, opts...).CallServerStream(ctx, connect.NewRequest(request))
		defer leave()
		if err != nil {
			return err
		}
		stream.Receive()
		return stream.Err()
	}
}

// probes has an entry for every method of the API.
func probes() map[string]probe {
	const key, unknownOrder, unknownLink = "k-1", "no-such-order", "lnk_none"
	fixed := dynamic("")
	fixed.Kind, fixed.IdempotencyKey = kvitv1.LinkKind_LINK_KIND_FIXED, key
	noAmount := dynamic("A-1")
	noAmount.Amount = nil
	return map[string]probe{
		pay.PaymentServiceCreatePaymentLinkProcedure: {
			scopes: []access.Scope{access.LinksWrite},
			call:   unary[kvitv1.CreatePaymentLinkRequest, kvitv1.CreatePaymentLinkResponse](pay.PaymentServiceCreatePaymentLinkProcedure),
			valid:  fixed, invalid: noAmount, field: "amount", changes: true,
		},
		pay.PaymentServiceGetPaymentLinkProcedure: {
			scopes: []access.Scope{access.LinksWrite, access.OrdersRead},
			call:   unary[kvitv1.GetPaymentLinkRequest, kvitv1.GetPaymentLinkResponse](pay.PaymentServiceGetPaymentLinkProcedure),
			valid:  &kvitv1.GetPaymentLinkRequest{LinkId: unknownLink}, absent: "LINK_NOT_FOUND",
			invalid: &kvitv1.GetPaymentLinkRequest{}, field: "link_id",
		},
		pay.PaymentServiceListPaymentLinksProcedure: {
			scopes:  []access.Scope{access.LinksWrite, access.OrdersRead},
			call:    unary[kvitv1.ListPaymentLinksRequest, kvitv1.ListPaymentLinksResponse](pay.PaymentServiceListPaymentLinksProcedure),
			valid:   &kvitv1.ListPaymentLinksRequest{},
			invalid: &kvitv1.ListPaymentLinksRequest{PageSize: 201}, field: "page_size",
		},
		pay.PaymentServiceDeactivatePaymentLinkProcedure: {
			scopes: []access.Scope{access.LinksWrite},
			call:   unary[kvitv1.DeactivatePaymentLinkRequest, kvitv1.DeactivatePaymentLinkResponse](pay.PaymentServiceDeactivatePaymentLinkProcedure),
			valid:  &kvitv1.DeactivatePaymentLinkRequest{IdempotencyKey: key, LinkId: unknownLink}, absent: "LINK_NOT_FOUND",
			invalid: &kvitv1.DeactivatePaymentLinkRequest{IdempotencyKey: key}, field: "link_id", changes: true,
		},
		pay.PaymentServiceGetOrderStatusProcedure: {
			scopes: []access.Scope{access.OrdersRead},
			call:   unary[kvitv1.GetOrderStatusRequest, kvitv1.GetOrderStatusResponse](pay.PaymentServiceGetOrderStatusProcedure),
			valid:  &kvitv1.GetOrderStatusRequest{OrderId: unknownOrder}, absent: "ORDER_NOT_FOUND",
			invalid: &kvitv1.GetOrderStatusRequest{OrderId: "with space"}, field: "order_id",
		},
		pay.PaymentServiceListOrdersProcedure: {
			scopes:  []access.Scope{access.OrdersRead},
			call:    unary[kvitv1.ListOrdersRequest, kvitv1.ListOrdersResponse](pay.PaymentServiceListOrdersProcedure),
			valid:   &kvitv1.ListOrdersRequest{},
			invalid: &kvitv1.ListOrdersRequest{States: []kvitv1.OrderState{99}}, field: "states[0]",
		},
		pay.PaymentServiceCancelOrderProcedure: {
			scopes: []access.Scope{access.OrdersWrite},
			call:   unary[kvitv1.CancelOrderRequest, kvitv1.CancelOrderResponse](pay.PaymentServiceCancelOrderProcedure),
			valid:  &kvitv1.CancelOrderRequest{IdempotencyKey: key, OrderId: unknownOrder}, absent: "ORDER_NOT_FOUND",
			invalid: &kvitv1.CancelOrderRequest{IdempotencyKey: key, OrderId: "A-1", Reason: "two\nlines"}, field: "reason", changes: true,
		},
		pay.PaymentServiceExplainOrderProcedure: {
			scopes: []access.Scope{access.OrdersRead},
			call:   unary[kvitv1.ExplainOrderRequest, kvitv1.ExplainOrderResponse](pay.PaymentServiceExplainOrderProcedure),
			valid:  &kvitv1.ExplainOrderRequest{OrderId: unknownOrder}, absent: "ORDER_NOT_FOUND",
			invalid: &kvitv1.ExplainOrderRequest{}, field: "order_id",
		},
		pay.PaymentServiceCapturePaymentProcedure: {
			scopes: []access.Scope{access.OrdersWrite},
			call:   unary[kvitv1.CapturePaymentRequest, kvitv1.CapturePaymentResponse](pay.PaymentServiceCapturePaymentProcedure),
			valid:  &kvitv1.CapturePaymentRequest{IdempotencyKey: key, OrderId: unknownOrder}, absent: "ORDER_NOT_FOUND",
			invalid: &kvitv1.CapturePaymentRequest{
				IdempotencyKey: key, OrderId: "A-1", Amount: &kvitv1.Money{CurrencyCode: "AMD"},
			},
			field: "amount", changes: true,
		},
		pay.PaymentServiceRefundOrderProcedure: {
			scopes: []access.Scope{access.RefundsWrite},
			call:   unary[kvitv1.RefundOrderRequest, kvitv1.RefundOrderResponse](pay.PaymentServiceRefundOrderProcedure),
			valid:  &kvitv1.RefundOrderRequest{IdempotencyKey: key, OrderId: unknownOrder}, absent: "ORDER_NOT_FOUND",
			invalid: &kvitv1.RefundOrderRequest{
				IdempotencyKey: key, OrderId: "A-1", Amount: &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: -1},
			},
			field: "amount", changes: true,
		},
		pay.PaymentServiceGetRefundProcedure: {
			scopes: []access.Scope{access.RefundsWrite, access.OrdersRead},
			call:   unary[kvitv1.GetRefundRequest, kvitv1.GetRefundResponse](pay.PaymentServiceGetRefundProcedure),
			valid:  &kvitv1.GetRefundRequest{RefundId: "ref_none"}, absent: "REFUND_NOT_FOUND",
			invalid: &kvitv1.GetRefundRequest{}, field: "refund_id",
		},
		pay.PaymentServiceListRefundsProcedure: {
			scopes:  []access.Scope{access.RefundsWrite, access.OrdersRead},
			call:    unary[kvitv1.ListRefundsRequest, kvitv1.ListRefundsResponse](pay.PaymentServiceListRefundsProcedure),
			valid:   &kvitv1.ListRefundsRequest{},
			invalid: &kvitv1.ListRefundsRequest{States: []kvitv1.RefundState{0}}, field: "states[0]",
		},
		pay.PaymentServiceListPspAccountsProcedure: {
			scopes: []access.Scope{access.LinksWrite, access.OrdersRead, access.RefundsWrite},
			call:   unary[kvitv1.ListPspAccountsRequest, kvitv1.ListPspAccountsResponse](pay.PaymentServiceListPspAccountsProcedure),
			valid:  &kvitv1.ListPspAccountsRequest{},
		},
		pay.CallbackServiceHandlePspCallbackProcedure: {
			edge: true, scopes: []access.Scope{access.CallbacksDeliver},
			call:  unary[kvitv1.HandlePspCallbackRequest, kvitv1.HandlePspCallbackResponse](pay.CallbackServiceHandlePspCallbackProcedure),
			valid: &kvitv1.HandlePspCallbackRequest{AccountId: "no-such-account", Secret: "s", Method: "POST"}, absent: "ACCOUNT_NOT_FOUND",
			invalid: &kvitv1.HandlePspCallbackRequest{AccountId: "a", Secret: "s", Method: "post"}, field: "method",
		},
		pay.PaymentServiceStreamOrderEventsProcedure: {
			scopes: []access.Scope{access.EventsRead},
			call:   streaming[kvitv1.StreamOrderEventsRequest, kvitv1.StreamOrderEventsResponse](pay.PaymentServiceStreamOrderEventsProcedure),
			valid:  fromNow, invalid: &kvitv1.StreamOrderEventsRequest{}, field: "start",
		},
		pay.PaymentServiceListOrderEventsProcedure: {
			scopes: []access.Scope{access.EventsRead},
			call:   unary[kvitv1.ListOrderEventsRequest, kvitv1.ListOrderEventsResponse](pay.PaymentServiceListOrderEventsProcedure),
			valid: &kvitv1.ListOrderEventsRequest{
				Start: &kvitv1.ListOrderEventsRequest_From{From: kvitv1.StreamFrom_STREAM_FROM_BEGINNING},
			},
			invalid: &kvitv1.ListOrderEventsRequest{Start: &kvitv1.ListOrderEventsRequest_From{}}, field: "from",
		},
		pay.PaymentServiceGetMerchantProcedure: {
			call:  unary[kvitv1.GetMerchantRequest, kvitv1.GetMerchantResponse](pay.PaymentServiceGetMerchantProcedure),
			valid: &kvitv1.GetMerchantRequest{},
		},
		pay.AccessServiceCreateApiKeyProcedure: {
			admin: true, scopes: []access.Scope{access.KeysWrite},
			call: unary[kvitv1.CreateApiKeyRequest, kvitv1.CreateApiKeyResponse](pay.AccessServiceCreateApiKeyProcedure),
			valid: &kvitv1.CreateApiKeyRequest{
				IdempotencyKey: key, Name: "till", Kind: kvitv1.ApiKeyKind_API_KEY_KIND_MERCHANT,
				Mode: kvitv1.Mode_MODE_TEST, Scopes: []string{"keys:write"},
			},
			invalid: &kvitv1.CreateApiKeyRequest{
				IdempotencyKey: key, Name: "till", Kind: kvitv1.ApiKeyKind_API_KEY_KIND_MERCHANT, Mode: kvitv1.Mode_MODE_TEST,
			},
			field: "scopes", changes: true,
		},
		pay.AccessServiceListApiKeysProcedure: {
			admin: true, scopes: []access.Scope{access.KeysWrite},
			call:    unary[kvitv1.ListApiKeysRequest, kvitv1.ListApiKeysResponse](pay.AccessServiceListApiKeysProcedure),
			valid:   &kvitv1.ListApiKeysRequest{},
			invalid: &kvitv1.ListApiKeysRequest{PageSize: -1}, field: "page_size",
		},
		pay.AccessServiceRevokeApiKeyProcedure: {
			admin: true, scopes: []access.Scope{access.KeysWrite},
			call:  unary[kvitv1.RevokeApiKeyRequest, kvitv1.RevokeApiKeyResponse](pay.AccessServiceRevokeApiKeyProcedure),
			valid: &kvitv1.RevokeApiKeyRequest{IdempotencyKey: key, ApiKeyId: "key_none"}, absent: "API_KEY_NOT_FOUND",
			invalid: &kvitv1.RevokeApiKeyRequest{IdempotencyKey: key}, field: "api_key_id", changes: true,
		},
	}
}

// eachMethod runs a check for every method over every protocol. Who calls with the house's secret is let in
// everywhere: where only an edge may call, it is the edge's.
func eachMethod(t *testing.T, h *house, check func(t *testing.T, p probe, call func(secret string, message proto.Message) error)) {
	t.Helper()
	for procedure, p := range probes() {
		for protocol, opts := range protocols() {
			t.Run(strings.TrimPrefix(procedure, "/kvit.v1.")+"/"+protocol, func(t *testing.T) {
				t.Parallel()
				d := h.public
				if p.admin {
					d = h.admin
				}
				check(t, p, func(secret string, message proto.Message) error {
					if p.edge && secret == h.secret {
						secret = h.edge
					}
					return p.call(d.client, proto.Clone(message), append(slices.Clone(opts), bearing(secret))...)
				})
			})
		}
	}
}

func TestErrors_HaveOneErrorInfoEach_Unauthenticated(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	eachMethod(t, h, func(t *testing.T, p probe, call func(string, proto.Message) error) {
		t.Helper()
		err := call("", p.valid)
		oneErrorInfo(t, err, "API_KEY_MISSING")
		wantCode(t, err, connect.CodeUnauthenticated)
		last := "x"
		if strings.HasSuffix(h.secret, last) {
			last = "y"
		}
		for _, secret := range []string{"nonsense", h.secret[:len(h.secret)-1] + last} {
			err = call(secret, p.valid)
			oneErrorInfo(t, err, "API_KEY_INVALID")
			wantCode(t, err, connect.CodeUnauthenticated)
		}
	})
}

// Each scope of the table is enough, and no other is (A1). An edge key may deliver callbacks, which no other
// key may, and call nothing else.
func TestErrors_HaveOneErrorInfoEach_Denied(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	secrets := map[access.Scope]string{}
	for _, scope := range access.Scopes() {
		if scope != access.CallbacksDeliver {
			secrets[scope] = h.key(t, merchant, scope)
		}
	}
	eachMethod(t, h, func(t *testing.T, p probe, call func(string, proto.Message) error) {
		t.Helper()
		refused := h.edge
		if p.edge {
			refused = h.platform
			if err := call(h.edge, p.valid); connect.CodeOf(err) == connect.CodePermissionDenied {
				t.Errorf("with an edge key: %v", err)
			}
		}
		err := call(refused, p.valid)
		oneErrorInfo(t, err, "SCOPE_MISSING")
		wantCode(t, err, connect.CodePermissionDenied)
		for scope, secret := range secrets {
			err := call(secret, p.valid)
			if len(p.scopes) == 0 || slices.Contains(p.scopes, scope) {
				if err != nil && connect.CodeOf(err) == connect.CodePermissionDenied {
					t.Errorf("with %s: %v", scope, err)
				}
				continue
			}
			info, _, _ := oneErrorInfo(t, err, "SCOPE_MISSING")
			if info.GetMetadata()["scope"] != string(p.scopes[0]) {
				t.Errorf("with %s: the error names %v, want %s", scope, info.GetMetadata(), p.scopes[0])
			}
		}
	})
}

func TestErrors_HaveOneErrorInfoEach_Invalid(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	eachMethod(t, h, func(t *testing.T, p probe, call func(string, proto.Message) error) {
		t.Helper()
		if p.invalid == nil {
			return // It has no fields.
		}
		err := call(h.secret, p.invalid)
		_, bad, _ := oneErrorInfo(t, err, "REQUEST_INVALID")
		wantCode(t, err, connect.CodeInvalidArgument)
		if len(bad.GetFieldViolations()) != 1 || bad.GetFieldViolations()[0].GetField() != p.field {
			t.Errorf("the error names %v, want %s", bad, p.field)
		}
		if !strings.Contains(err.Error(), p.field) {
			t.Errorf("the sentence %q does not name %s", err, p.field)
		}
	})
}

// What changes something needs an idempotency key (I1).
func TestErrors_HaveOneErrorInfoEach_WithoutIdempotencyKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	eachMethod(t, h, func(t *testing.T, p probe, call func(string, proto.Message) error) {
		t.Helper()
		field := p.valid.ProtoReflect().Descriptor().Fields().ByName("idempotency_key")
		if (field != nil) != p.changes {
			t.Fatalf("has the field: %t, changes something: %t", field != nil, p.changes)
		}
		if !p.changes {
			return
		}
		keyless := proto.Clone(p.valid)
		keyless.ProtoReflect().Clear(field)
		_, bad, _ := oneErrorInfo(t, call(h.secret, keyless), "REQUEST_INVALID")
		if len(bad.GetFieldViolations()) != 1 || bad.GetFieldViolations()[0].GetField() != "idempotency_key" {
			t.Errorf("the error names %v, want idempotency_key", bad)
		}
	})
}

func TestErrors_HaveOneErrorInfoEach_NotFound(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	eachMethod(t, h, func(t *testing.T, p probe, call func(string, proto.Message) error) {
		t.Helper()
		err := call(h.secret, p.valid)
		if p.absent == "" {
			must(t, err)
			return
		}
		oneErrorInfo(t, err, p.absent)
		wantCode(t, err, connect.CodeNotFound)
	})
}

func TestErrors_HaveOneErrorInfoEach_StoreAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	must(t, h.store.Close())
	eachMethod(t, h, func(t *testing.T, p probe, call func(string, proto.Message) error) {
		t.Helper()
		err := call(h.secret, p.valid)
		if readsSettings := strings.Contains(t.Name(), "GetMerchant") || strings.Contains(t.Name(), "ListPspAccounts"); err == nil && readsSettings {
			return // A key that was just recognised is believed for a while, and the settings know the rest.
		}
		if p.edge && connect.CodeOf(err) == connect.CodeNotFound {
			return // The settings know that there is no such account.
		}
		_, _, retry := oneErrorInfo(t, err, "STORE_UNAVAILABLE")
		wantCode(t, err, connect.CodeUnavailable)
		if retry.GetRetryDelay().AsDuration() <= 0 {
			t.Error("there is no advice when to repeat")
		}
	})
}

// hunter is what must never reach a client.
const hunter = "password=hunter2"

// A fault of ours shows an id, the log shows the rest under it, and a panic is no more than that.
func TestErrors_HaveOneErrorInfoEach_Internal(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func(){
		"error": nil, "panic": func() { panic(hunter) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, func(o *options) {
				o.wrap = func(api.Payment) api.Payment { return brokenPayment{broken} }
				o.access = func(keys api.Access) api.Access { return brokenAccess{keys, broken} }
			})
			eachMethod(t, h, func(t *testing.T, p probe, call func(string, proto.Message) error) {
				t.Helper()
				err := call(h.secret, p.valid)
				info, bad, retry := oneErrorInfo(t, err, "INTERNAL")
				wantCode(t, err, connect.CodeInternal)
				id := info.GetMetadata()["error_id"]
				if bad != nil || retry != nil || id == "" || !strings.Contains(err.Error(), id) {
					t.Errorf("got %v with %v", err, info)
				}
				if strings.Contains(err.Error()+info.String(), "hunter2") {
					t.Errorf("the client reads %v", err)
				}
				if !h.logs.within(id, "hunter2") {
					t.Errorf("the log says nothing under %s", id)
				}
			})
		})
	}
}

func wantCode(tb testing.TB, err error, want connect.Code) {
	tb.Helper()
	if got := code(tb, err); got != want {
		tb.Errorf("got the code %s, want %s", got, want)
	}
}

// brokenPayment fails at everything.
type brokenPayment struct{ how func() }

func (b brokenPayment) fail() error {
	if b.how != nil {
		b.how()
	}
	return errors.New(hunter)
}

func (b brokenPayment) CreateLink(context.Context, payment.Caller, payment.CreateLink) (payment.CreatedLink, bool, error) {
	return payment.CreatedLink{}, false, b.fail()
}

func (b brokenPayment) Link(context.Context, payment.Caller, string) (payment.LinkInfo, error) {
	return payment.LinkInfo{}, b.fail()
}

func (b brokenPayment) Links(context.Context, payment.Caller, store.LinkFilter, payment.PageRequest) ([]payment.LinkInfo, string, error) {
	return nil, "", b.fail()
}

func (b brokenPayment) DeactivateLink(context.Context, payment.Caller, payment.DeactivateLink) (payment.LinkInfo, bool, error) {
	return payment.LinkInfo{}, false, b.fail()
}

func (b brokenPayment) OrderStatus(context.Context, payment.Caller, string) (payment.OrderStatus, error) {
	return payment.OrderStatus{}, b.fail()
}

func (b brokenPayment) Orders(context.Context, payment.Caller, store.OrderFilter, payment.PageRequest) ([]payment.OrderInfo, string, error) {
	return nil, "", b.fail()
}

func (b brokenPayment) CancelOrder(context.Context, payment.Caller, payment.CancelOrder) (payment.OrderInfo, bool, error) {
	return payment.OrderInfo{}, false, b.fail()
}

func (b brokenPayment) CapturePayment(context.Context, payment.Caller, payment.CapturePayment) (payment.OrderInfo, bool, error) {
	return payment.OrderInfo{}, false, b.fail()
}

func (b brokenPayment) RefundOrder(context.Context, payment.Caller, payment.RefundOrder) (payment.RefundInfo, bool, error) {
	return payment.RefundInfo{}, false, b.fail()
}

func (b brokenPayment) Refund(context.Context, payment.Caller, string) (payment.RefundInfo, error) {
	return payment.RefundInfo{}, b.fail()
}

func (b brokenPayment) Refunds(context.Context, payment.Caller, store.RefundFilter, payment.PageRequest) ([]payment.RefundInfo, string, error) {
	return nil, "", b.fail()
}

func (b brokenPayment) Accounts(payment.Caller) ([]payment.Account, error) { return nil, b.fail() }

func (b brokenPayment) HandleCallback(context.Context, payment.HandleCallback) (psp.Reply, error) {
	return psp.Reply{}, b.fail()
}

func (b brokenPayment) ExplainOrder(context.Context, payment.Caller, string) (payment.Explanation, error) {
	return payment.Explanation{}, b.fail()
}

func (b brokenPayment) Merchant(payment.Caller) (payment.Merchant, error) {
	return payment.Merchant{}, b.fail()
}

func (b brokenPayment) PublicURL() string { return "" }

func (b brokenPayment) OpenJournal(context.Context, payment.Caller, payment.From) (payment.Place, payment.ResetReason, error) {
	return payment.Place{}, "", b.fail()
}

func (b brokenPayment) Events(context.Context, string, uint64, int) ([]payment.Event, error) {
	return nil, b.fail()
}

func (b brokenPayment) FilteredEvents(context.Context, string, store.EntryFilter, uint64, uint64, int) ([]payment.Event, payment.Place, error) {
	return nil, payment.Place{}, b.fail()
}

func (b brokenPayment) Head(context.Context, string) (payment.Place, error) {
	return payment.Place{}, b.fail()
}

// brokenAccess recognises callers and fails at everything else.
type brokenAccess struct {
	api.Access

	how func()
}

func (b brokenAccess) CreateKey(context.Context, access.Caller, access.CreateKey) (access.CreatedKey, bool, error) {
	return access.CreatedKey{}, false, brokenPayment{b.how}.fail()
}

func (b brokenAccess) ListKeys(context.Context, access.Caller, string, bool, int, string) ([]access.Key, string, error) {
	return nil, "", brokenPayment{b.how}.fail()
}

func (b brokenAccess) RevokeKey(context.Context, access.Caller, string, string, string) (access.Key, error) {
	return access.Key{}, brokenPayment{b.how}.fail()
}

// The walk leaves no method out.
func TestErrors_WalkEveryMethod(t *testing.T) {
	t.Parallel()
	var methods []string
	for _, file := range []protoreflect.FileDescriptor{
		kvitv1.File_kvit_v1_payment_service_proto, kvitv1.File_kvit_v1_callback_service_proto, kvitv1.File_kvit_v1_access_service_proto,
	} {
		service := file.Services().Get(0)
		for i := range service.Methods().Len() {
			methods = append(methods, "/"+string(service.FullName())+"/"+string(service.Methods().Get(i).Name()))
		}
	}
	slices.Sort(methods)
	if walked := slices.Sorted(maps.Keys(probes())); !slices.Equal(walked, methods) {
		t.Errorf("the walk has %v, want %v", walked, methods)
	}
}

// A panic before a message is read is a fault of ours like any other.
func TestErrors_HaveOneErrorInfoEach_PanicOfTheGate(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *options) {
		o.access = func(keys api.Access) api.Access { return panicking{keys} }
	})
	eachMethod(t, h, func(t *testing.T, p probe, call func(string, proto.Message) error) {
		t.Helper()
		err := call(h.secret, p.valid)
		info, _, _ := oneErrorInfo(t, err, "INTERNAL")
		wantCode(t, err, connect.CodeInternal)
		if id := info.GetMetadata()["error_id"]; !h.logs.within(id, "hunter2") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, and the log says nothing under %s", err, id)
		}
	})
}

type panicking struct{ api.Access }

func (panicking) Authenticate(context.Context, string) (access.Caller, error) { panic(hunter) }
