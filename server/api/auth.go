package api

import (
	"context"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/store"
)

// procedure says who may call a method.
type procedure struct {
	// scopes of which the key must have one; none means that any merchant's key may call.
	scopes []access.Scope
	// installation is set where a platform key may call that stands for no merchant.
	installation bool
	// edge is set where edge keys may call, and nobody else.
	edge bool
}

// procedures is the one table of who may call what (A1). What is not in it cannot be called.
var procedures = map[string]procedure{
	kvitv1connect.PaymentServiceCreatePaymentLinkProcedure:     {scopes: []access.Scope{access.LinksWrite}},
	kvitv1connect.PaymentServiceGetPaymentLinkProcedure:        {scopes: []access.Scope{access.LinksWrite, access.OrdersRead}},
	kvitv1connect.PaymentServiceListPaymentLinksProcedure:      {scopes: []access.Scope{access.LinksWrite, access.OrdersRead}},
	kvitv1connect.PaymentServiceDeactivatePaymentLinkProcedure: {scopes: []access.Scope{access.LinksWrite}},
	kvitv1connect.PaymentServiceGetOrderStatusProcedure:        {scopes: []access.Scope{access.OrdersRead}},
	kvitv1connect.PaymentServiceListOrdersProcedure:            {scopes: []access.Scope{access.OrdersRead}},
	kvitv1connect.PaymentServiceCancelOrderProcedure:           {scopes: []access.Scope{access.OrdersWrite}},
	kvitv1connect.PaymentServiceExplainOrderProcedure:          {scopes: []access.Scope{access.OrdersRead}},
	kvitv1connect.PaymentServiceCapturePaymentProcedure:        {scopes: []access.Scope{access.OrdersWrite}},
	kvitv1connect.PaymentServiceRefundOrderProcedure:           {scopes: []access.Scope{access.RefundsWrite}},
	kvitv1connect.PaymentServiceGetRefundProcedure:             {scopes: []access.Scope{access.RefundsWrite, access.OrdersRead}},
	kvitv1connect.PaymentServiceListRefundsProcedure:           {scopes: []access.Scope{access.RefundsWrite, access.OrdersRead}},
	kvitv1connect.PaymentServiceListPspAccountsProcedure:       {scopes: []access.Scope{access.LinksWrite, access.OrdersRead, access.RefundsWrite}},
	kvitv1connect.PaymentServiceStreamOrderEventsProcedure:     {scopes: []access.Scope{access.EventsRead}},
	kvitv1connect.PaymentServiceListOrderEventsProcedure:       {scopes: []access.Scope{access.EventsRead}},
	kvitv1connect.PaymentServiceGetMerchantProcedure:           {},

	kvitv1connect.CallbackServiceHandlePspCallbackProcedure: {scopes: []access.Scope{access.CallbacksDeliver}, edge: true},

	kvitv1connect.AccessServiceCreateApiKeyProcedure: {scopes: []access.Scope{access.KeysWrite}, installation: true},
	kvitv1connect.AccessServiceListApiKeysProcedure:  {scopes: []access.Scope{access.KeysWrite}, installation: true},
	kvitv1connect.AccessServiceRevokeApiKeyProcedure: {scopes: []access.Scope{access.KeysWrite}, installation: true},
}

// gate recognises the caller and asks what they may do, before a message is read (A1).
func gate(keys Access) connect.RequestGateFunc {
	return func(ctx context.Context, spec connect.Spec, _ connect.Peer, header http.Header) (context.Context, error) {
		c := callOf(ctx)
		who, err := keys.Authenticate(ctx, bearer(header))
		if err != nil {
			return ctx, c.fail(ctx, err)
		}
		c.caller = who
		if err := allowed(spec.Procedure, who); err != nil {
			return ctx, c.fail(ctx, err)
		}
		return ctx, nil
	}
}

// bearer reads "Authorization: Bearer <key>"; empty where there is none. The scheme's case does not matter (RFC 9110).
func bearer(header http.Header) string {
	scheme, secret, ok := strings.Cut(header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

// allowed reports as a fault that the caller may not call the procedure.
func allowed(name string, who access.Caller) error {
	p, known := procedures[name]
	switch {
	case !known:
		return denied("This method cannot be called.", "")
	case who.Kind == store.EdgeKey && !p.edge:
		return denied("An edge key may deliver callbacks and nothing else.", p.first())
	case p.edge && who.Kind != store.EdgeKey:
		return denied("Only an edge key may deliver callbacks.", p.first())
	case who.Merchant == "" && !p.installation && !p.edge:
		return denied("The API key stands for no merchant. Use a key of the merchant.", p.first())
	case len(p.scopes) == 0:
		return nil
	}
	return who.Need(p.scopes...)
}

func (p procedure) first() access.Scope {
	if len(p.scopes) == 0 {
		return ""
	}
	return p.scopes[0]
}

func denied(message string, scope access.Scope) error {
	if scope == "" {
		return fault.New(fault.Denied, fault.ReasonScopeMissing, message)
	}
	return fault.New(fault.Denied, fault.ReasonScopeMissing, message, fault.With("scope", string(scope)))
}
