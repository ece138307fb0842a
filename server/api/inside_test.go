package api_test

import (
	"context"
	"testing"

	"connectrpc.com/connect"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
)

// The edge in this process hears what an edge elsewhere hears, and its calls are told in the same way (C2, C3).
func TestInside_C2_IsAnsweredAndLoggedLikeACall(t *testing.T) {
	t.Parallel()
	f := &till{reply: psp.Reply{Status: 202, ContentType: "text/plain", Body: []byte("OK")}}
	h := newHouse(t, atTill(f))
	in := &kvitv1.HandlePspCallbackRequest{AccountId: "liqpay-main", Secret: "s3cr3t-part", Method: "POST", Body: []byte("a=b")}
	got, err := h.api.Callbacks.HandlePspCallback(t.Context(), in)
	must(t, err)
	if got.GetStatus() != 202 || string(got.GetBody()) != "OK" {
		t.Errorf("got %v", got)
	}
	if !h.logs.within(`"method":"CallbackService/HandlePspCallback"`, `"peer":"inside"`) || contains(h.logs.String(), "s3cr3t-part") {
		t.Errorf("the log says %s", h.logs)
	}
	f.err = fault.New(fault.Unavailable, fault.ReasonStoreUnavailable, "The database does not answer.")
	_, err = h.api.Callbacks.HandlePspCallback(t.Context(), in)
	wantCode(t, err, connect.CodeUnavailable)
}

// fallenTill is a till that falls over.
type fallenTill struct{ api.Payment }

func (fallenTill) HandleCallback(context.Context, payment.HandleCallback) (psp.Reply, error) {
	panic("the till fell over")
}

func TestInside_APanicIsItsOwnCallsAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *options) { o.wrap = func(p api.Payment) api.Payment { return fallenTill{p} } })
	_, err := h.api.Callbacks.HandlePspCallback(t.Context(), &kvitv1.HandlePspCallbackRequest{AccountId: "a", Secret: "s", Method: "POST"})
	wantCode(t, err, connect.CodeInternal)
	if contains(err.Error(), "fell over") || !h.logs.within(`"level":"ERROR"`, "fell over") {
		t.Errorf("answered %v, logged %s", err, h.logs)
	}
}
