package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
)

// till is a payment room of which tests say what it answers, and ask what it was asked.
type till struct {
	api.Payment

	refund   payment.RefundInfo
	captured payment.OrderInfo
	accounts []payment.Account
	status   payment.OrderStatus
	reply    psp.Reply
	replayed bool
	err      error

	who    payment.Caller
	asked  any
	page   payment.PageRequest
	filter store.RefundFilter
}

func (f *till) RefundOrder(_ context.Context, who payment.Caller, in payment.RefundOrder) (payment.RefundInfo, bool, error) {
	f.who, f.asked = who, in
	return f.refund, f.replayed, f.err
}

func (f *till) Refund(_ context.Context, who payment.Caller, id string) (payment.RefundInfo, error) {
	f.who, f.asked = who, id
	return f.refund, f.err
}

func (f *till) Refunds(_ context.Context, who payment.Caller, filter store.RefundFilter, page payment.PageRequest) ([]payment.RefundInfo, string, error) {
	f.who, f.filter, f.page = who, filter, page
	return []payment.RefundInfo{f.refund, {ID: "ref_0", State: order.RefundInDoubt, Automatic: true, Currency: "UAH"}}, "further", f.err
}

func (f *till) CapturePayment(_ context.Context, who payment.Caller, in payment.CapturePayment) (payment.OrderInfo, bool, error) {
	f.who, f.asked = who, in
	return f.captured, f.replayed, f.err
}

func (f *till) Accounts(payment.Caller) ([]payment.Account, error) { return f.accounts, f.err }

func (f *till) OrderStatus(context.Context, payment.Caller, string) (payment.OrderStatus, error) {
	return f.status, f.err
}

func (f *till) HandleCallback(_ context.Context, in payment.HandleCallback) (psp.Reply, error) {
	f.asked = in
	return f.reply, f.err
}

func atTill(o *till) func(*options) {
	return func(change *options) {
		change.wrap = func(behind api.Payment) api.Payment {
			o.Payment = behind
			return o
		}
	}
}

// asked is when someRefund was asked for.
const asked = 1_795_255_200

func someRefund() payment.RefundInfo {
	return payment.RefundInfo{
		ID: "ref_1", OrderID: "A-1", PaymentID: "pay_1", AmountMinor: 1250, Currency: "UAH", State: order.RefundDone,
		RequestedAt: time.Unix(asked, 0).UTC(),
	}
}

func someRefundMessage() *kvitv1.Refund {
	return &kvitv1.Refund{
		RefundId: "ref_1", OrderId: "A-1", PaymentId: "pay_1", Amount: &kvitv1.Money{CurrencyCode: "UAH", MinorUnits: 1250},
		State: kvitv1.RefundState_REFUND_STATE_POSTED, RequestedAt: &timestamppb.Timestamp{Seconds: asked},
	}
}

// What is asked reaches the use-case whole, and the whole refund comes back (R1).
func TestRefundOrder_R1_AsksAndAnswers(t *testing.T) {
	t.Parallel()
	f := &till{refund: someRefund(), replayed: true}
	h := newHouse(t, atTill(f))
	ctx, info := connect.NewClientContext(t.Context())
	got, err := h.client(withKey(`"k-1"`)).RefundOrder(ctx, &kvitv1.RefundOrderRequest{
		OrderId: "A-1", PaymentId: "pay_1", Amount: &kvitv1.Money{CurrencyCode: "UAH", MinorUnits: 1250}, Reason: "cold coffee",
	})
	must(t, err)
	want := payment.RefundOrder{
		IdempotencyKey: "k-1", OrderID: "A-1", PaymentID: "pay_1", AmountMinor: 1250, Currency: "UAH", Reason: "cold coffee",
	}
	if f.asked != want || f.who.Merchant != merchant || f.who.Live {
		t.Errorf("it was asked %+v by %+v, want %+v", f.asked, f.who, want)
	}
	if !proto.Equal(got.GetRefund(), someRefundMessage()) || info.ResponseHeader().Get("Idempotency-Replayed") != "true" {
		t.Errorf("got %v, replayed %q", got, info.ResponseHeader().Get("Idempotency-Replayed"))
	}
	if !h.logs.within(`"refund_id":"ref_1"`, `"refund_state":"POSTED"`) {
		t.Error("the log does not name the refund")
	}
}

// Without an amount all that is left is meant, and what was only judged has no id.
func TestRefundOrder_AllThatIsLeft(t *testing.T) {
	t.Parallel()
	f := &till{refund: someRefund()}
	h := newHouse(t, atTill(f))
	got, err := h.client().RefundOrder(t.Context(), &kvitv1.RefundOrderRequest{OrderId: "A-1", ValidateOnly: true})
	must(t, err)
	if want := (payment.RefundOrder{OrderID: "A-1", ValidateOnly: true}); f.asked != want {
		t.Errorf("it was asked %+v, want %+v", f.asked, want)
	}
	if got.GetRefund().GetRefundId() != "" || got.GetRefund().GetState() != 0 || got.GetRefund().GetAmount().GetMinorUnits() != 1250 {
		t.Errorf("got %v", got)
	}
}

// A currency that is none is named before anything is asked.
func TestRefundAndCapture_RefuseACurrencyThatIsNone(t *testing.T) {
	t.Parallel()
	f := &till{}
	h := newHouse(t, atTill(f))
	none := &kvitv1.Money{CurrencyCode: "ZZZ", MinorUnits: 1}
	_, err := h.client().RefundOrder(t.Context(), &kvitv1.RefundOrderRequest{IdempotencyKey: "k", OrderId: "A-1", Amount: none})
	oneErrorInfo(t, err, "CURRENCY_UNSUPPORTED")
	_, err = h.client().CapturePayment(t.Context(), &kvitv1.CapturePaymentRequest{IdempotencyKey: "k", OrderId: "A-1", Amount: none})
	oneErrorInfo(t, err, "CURRENCY_UNSUPPORTED")
	if f.asked != nil {
		t.Errorf("it was asked %+v", f.asked)
	}
}

func TestCapturePayment_R3_AsksAndAnswers(t *testing.T) {
	t.Parallel()
	f := &till{captured: payment.OrderInfo{ID: "A-1", View: order.View{State: order.Paid, Currency: "UAH", AmountMinor: 5000, Paid: 1250}}}
	h := newHouse(t, atTill(f))
	got, err := h.client().CapturePayment(t.Context(), &kvitv1.CapturePaymentRequest{
		IdempotencyKey: "k-1", OrderId: "A-1", Amount: &kvitv1.Money{CurrencyCode: "UAH", MinorUnits: 1250}, Reason: "one of four",
	})
	must(t, err)
	want := payment.CapturePayment{IdempotencyKey: "k-1", OrderID: "A-1", AmountMinor: 1250, Currency: "UAH", Reason: "one of four"}
	if f.asked != want {
		t.Errorf("it was asked %+v, want %+v", f.asked, want)
	}
	if o := got.GetOrder(); o.GetState() != kvitv1.OrderState_ORDER_STATE_PAID || o.GetPaidAmount().GetMinorUnits() != 1250 {
		t.Errorf("got %v", o)
	}
}

func TestRefunds_AreReadAndListed(t *testing.T) {
	t.Parallel()
	f := &till{refund: someRefund()}
	h := newHouse(t, atTill(f))
	one, err := h.client().GetRefund(t.Context(), &kvitv1.GetRefundRequest{RefundId: "ref_1"})
	must(t, err)
	if f.asked != "ref_1" || !proto.Equal(one.GetRefund(), someRefundMessage()) {
		t.Errorf("asked for %v, got %v", f.asked, one)
	}
	list, err := h.client().ListRefunds(t.Context(), &kvitv1.ListRefundsRequest{
		OrderId: "A-1", States: []kvitv1.RefundState{kvitv1.RefundState_REFUND_STATE_UNKNOWN, kvitv1.RefundState_REFUND_STATE_SENT},
		PageSize: 7, PageToken: "page",
	})
	must(t, err)
	if len(f.filter.States) != 2 || f.filter.States[0] != order.RefundInDoubt || f.filter.States[1] != order.RefundIsSent ||
		f.filter.OrderID != "A-1" || f.page != (payment.PageRequest{Size: 7, Token: "page"}) {
		t.Errorf("it was asked %+v, %+v", f.filter, f.page)
	}
	if len(list.GetRefunds()) != 2 || list.GetNextPageToken() != "further" || !list.GetRefunds()[1].GetAutomatic() ||
		list.GetRefunds()[1].GetRequestedAt() != nil {
		t.Errorf("got %v", list)
	}
}

func TestListPspAccounts_SaysWhatEachCanDo(t *testing.T) {
	t.Parallel()
	f := &till{accounts: []payment.Account{
		{ID: "liqpay-main", Kind: "liqpay", Name: "LiqPay", Live: true, Currencies: []string{"UAH", "EUR"}, Refunds: true, Captures: true},
		{ID: "play", Kind: "sandbox", Name: "Sandbox", Voids: true},
	}}
	h := newHouse(t, atTill(f))
	got, err := h.client().ListPspAccounts(t.Context(), &kvitv1.ListPspAccountsRequest{})
	must(t, err)
	want := &kvitv1.ListPspAccountsResponse{Accounts: []*kvitv1.PspAccount{
		{
			AccountId: "liqpay-main", Psp: "liqpay", Name: "LiqPay", Mode: kvitv1.Mode_MODE_LIVE, CurrencyCodes: []string{"UAH", "EUR"},
			Refunds: true, Captures: true,
		},
		{AccountId: "play", Psp: "sandbox", Name: "Sandbox", Mode: kvitv1.Mode_MODE_TEST, Voids: true},
	}}
	if !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// An order tells all its money, each sum in the currency in which it came (O8).
func TestGetOrderStatus_O8_TellsThePayments(t *testing.T) {
	t.Parallel()
	f := &till{status: payment.OrderStatus{
		Order: payment.OrderInfo{ID: "A-1", View: order.View{State: order.PartiallyRefunded, Currency: "AMD"}},
		Payments: []order.Payment{
			{
				ID: "pay_1", Account: "liqpay-main", PSPPaymentID: "251", AttemptID: "att_1", Currency: "AMD",
				Captured: 5000, Reserved: 100, Refunded: 200, ChargedBack: 300, Settles: true,
			},
			{ID: "pay_2", Account: "liqpay-main", AttemptID: "att_2", Currency: "UAH", Authorized: 700},
		},
	}}
	h := newHouse(t, atTill(f))
	got, err := h.client().GetOrderStatus(t.Context(), &kvitv1.GetOrderStatusRequest{OrderId: "A-1"})
	must(t, err)
	in := func(currency string, minor int64) *kvitv1.Money {
		return &kvitv1.Money{CurrencyCode: currency, MinorUnits: minor}
	}
	want := []*kvitv1.Payment{
		{
			PaymentId: "pay_1", AccountId: "liqpay-main", PspPaymentId: "251", AttemptId: "att_1", Captured: in("AMD", 5000),
			Authorized: in("AMD", 0), RefundReserved: in("AMD", 100), Refunded: in("AMD", 200), ChargedBack: in("AMD", 300), Settles: true,
		},
		{
			PaymentId: "pay_2", AccountId: "liqpay-main", AttemptId: "att_2", Captured: in("UAH", 0), Authorized: in("UAH", 700),
			RefundReserved: in("UAH", 0), Refunded: in("UAH", 0), ChargedBack: in("UAH", 0),
		},
	}
	if len(got.GetPayments()) != 2 || !proto.Equal(got.GetPayments()[0], want[0]) || !proto.Equal(got.GetPayments()[1], want[1]) {
		t.Errorf("got %v, want %v", got.GetPayments(), want)
	}
}

// A callback reaches the use-case as it came, and the PSP's answer comes back word for word (C2, C3).
func TestHandlePspCallback_C3_IsUntouched(t *testing.T) {
	t.Parallel()
	for name, opts := range protocols() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &till{reply: psp.Reply{Status: 202, ContentType: "text/plain; charset=utf-8", Body: []byte("OK\x00\xff")}}
			h := newHouse(t, atTill(f))
			body := []byte("data=%7B\x00\xff\xfe+&signature=a+b")
			got, err := h.callbacks(h.edge, opts...).HandlePspCallback(t.Context(), &kvitv1.HandlePspCallbackRequest{
				AccountId: "liqpay-main", Secret: "s3cr3t-part", Method: "POST", Query: "a=%2B&b", Body: body, SourceAddress: "203.0.113.9",
				Headers: []*kvitv1.HttpHeader{
					{Name: "x-sign", Values: []string{"one", "two"}}, {Name: "X-SIGN", Values: []string{"three"}}, {Name: "content-type", Values: []string{"text/x"}},
				},
			})
			must(t, err)
			in, ok := f.asked.(payment.HandleCallback)
			if !ok || in.Account != "liqpay-main" || in.Secret != "s3cr3t-part" || in.Method != http.MethodPost || in.Query != "a=%2B&b" ||
				string(in.Body) != string(body) || in.Source != "203.0.113.9" {
				t.Errorf("it was asked %+v", f.asked)
			}
			if len(in.Header) != 2 || strings.Join(in.Header["X-Sign"], " ") != "one two three" || in.HeaderValue("Content-Type") != "text/x" {
				t.Errorf("the headers are %v", in.Header)
			}
			if got.GetStatus() != 202 || string(got.GetBody()) != "OK\x00\xff" || len(got.GetHeaders()) != 1 ||
				got.GetHeaders()[0].GetName() != "Content-Type" || got.GetHeaders()[0].GetValues()[0] != "text/plain; charset=utf-8" {
				t.Errorf("got %v", got)
			}
			if !h.logs.within(`"account_id":"liqpay-main"`, `"reply_status":202`) || contains(h.logs.String(), "s3cr3t-part") {
				t.Errorf("the log says %s", h.logs)
			}
		})
	}
}

// 64 KiB pass in every protocol, a byte more is refused, and what is far too large is not decoded (C3).
func TestHandlePspCallback_C3_TakesAtMost64KiB(t *testing.T) {
	t.Parallel()
	for name, opts := range protocols() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &till{reply: psp.Reply{Status: 200}}
			h := newHouse(t, atTill(f))
			send := func(size int) error {
				_, err := h.callbacks(h.edge, opts...).HandlePspCallback(t.Context(), &kvitv1.HandlePspCallbackRequest{
					AccountId: "a", Secret: "s", Method: "POST", Body: make([]byte, size),
					Headers: []*kvitv1.HttpHeader{{Name: "X", Values: []string{strings.Repeat("x", 8192)}}}, Query: strings.Repeat("q", 8192),
				})
				return err
			}
			must(t, send(psp.BodyMax))
			_, bad, _ := oneErrorInfo(t, send(psp.BodyMax+1), "REQUEST_INVALID")
			if len(bad.GetFieldViolations()) != 1 || bad.GetFieldViolations()[0].GetField() != "body" {
				t.Errorf("the error names %v", bad)
			}
			wantCode(t, send(2*psp.BodyMax), connect.CodeResourceExhausted)
		})
	}
}

// A store that is away is told to the edge, which then claims no success (C1).
func TestHandlePspCallback_C1_FaultsAreAnsweredAsUsual(t *testing.T) {
	t.Parallel()
	f := &till{err: fault.New(fault.Unavailable, fault.ReasonStoreUnavailable, "The database does not answer.")}
	h := newHouse(t, atTill(f))
	_, err := h.callbacks(h.edge).HandlePspCallback(t.Context(), &kvitv1.HandlePspCallbackRequest{AccountId: "a", Secret: "s", Method: "GET"})
	oneErrorInfo(t, err, "STORE_UNAVAILABLE")
	wantCode(t, err, connect.CodeUnavailable)
}

// What a PSP refuses for good is not to be repeated; what never reached it is.
func TestRefundAndCapture_SayWhetherARepeatHelps(t *testing.T) {
	t.Parallel()
	for reason, c := range map[fault.Reason]struct {
		kind fault.Kind
		code connect.Code
	}{
		fault.ReasonPSPRefused:         {fault.Precondition, connect.CodeFailedPrecondition},
		fault.ReasonRefundUnsupported:  {fault.Precondition, connect.CodeFailedPrecondition},
		fault.ReasonCaptureUnsupported: {fault.Precondition, connect.CodeFailedPrecondition},
		fault.ReasonPSPNotAttempted:    {fault.Unavailable, connect.CodeUnavailable},
		fault.ReasonAccountUnavailable: {fault.Unavailable, connect.CodeUnavailable},
	} {
		f := &till{err: fault.New(c.kind, reason, "It did not work.")}
		h := newHouse(t, atTill(f))
		_, err := h.client().RefundOrder(t.Context(), &kvitv1.RefundOrderRequest{IdempotencyKey: "k", OrderId: "A-1"})
		_, _, retry := oneErrorInfo(t, err, string(reason))
		wantCode(t, err, c.code)
		if (retry != nil) != (c.kind == fault.Unavailable) {
			t.Errorf("%s: the advice is %v", reason, retry)
		}
	}
}
