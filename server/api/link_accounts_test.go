package api_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
)

// linkDesk is a payment room that makes any link.
type linkDesk struct {
	api.Payment

	asked payment.CreateLink
}

func (d *linkDesk) CreateLink(_ context.Context, _ payment.Caller, in payment.CreateLink) (payment.CreatedLink, bool, error) {
	d.asked = in
	return payment.CreatedLink{Link: payment.LinkInfo{ID: "lnk_1", Kind: order.Fixed, Accounts: in.Accounts}}, false, nil
}

// The accounts reach the use-case in their order, and come back in it.
func TestCreatePaymentLink_AsksForItsAccounts(t *testing.T) {
	t.Parallel()
	d := &linkDesk{}
	h := newHouse(t, func(o *options) { o.wrap = func(api.Payment) api.Payment { return d } })
	want := []string{"second", "1_fir-st", "abcdefghijklmnopqrstuvwxyz012345"}
	request := dynamic("A-1")
	request.PspAccounts = want
	got, err := h.client().CreatePaymentLink(t.Context(), request)
	must(t, err)
	if !slices.Equal(d.asked.Accounts, want) || !slices.Equal(got.GetLink().GetPspAccounts(), want) {
		t.Errorf("asked for %v, got %v", d.asked.Accounts, got.GetLink().GetPspAccounts())
	}
}

func TestCreatePaymentLink_RefusesAccountsThatAreNone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, c := range map[string]struct {
		accounts []string
		field    string
	}{
		"not an id":   {[]string{"liqpay", "LiqPay"}, "psp_accounts[1]"},
		"empty":       {[]string{""}, "psp_accounts[0]"},
		"too long":    {[]string{"abcdefghijklmnopqrstuvwxyz0123456"}, "psp_accounts[0]"},
		"twice":       {[]string{"a", "b", "a"}, "psp_accounts"},
		"17 of them":  {[]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q"}, "psp_accounts"},
		"nobody's":    {[]string{"liqpay"}, "psp_accounts[0]"},
		"with spaces": {[]string{"liqpay portmone"}, "psp_accounts[0]"},
	} {
		request := dynamic("A-1")
		request.PspAccounts = c.accounts
		_, err := h.client().CreatePaymentLink(t.Context(), request)
		if got := fieldsOf(t, err); code(t, err) != connect.CodeInvalidArgument || !slices.Equal(got, []string{c.field}) {
			t.Errorf("%s: %v about %v, want %s", name, err, got, c.field)
		}
	}
}

// fieldsOf are the fields that an error's BadRequest names.
func fieldsOf(tb testing.TB, err error) (fields []string) {
	tb.Helper()
	var answered *connect.Error
	if !errors.As(err, &answered) {
		tb.Fatalf("got %v, want an error of Connect", err)
	}
	for _, detail := range answered.Details() {
		value, err := detail.Value()
		must(tb, err)
		if bad, ok := value.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				fields = append(fields, v.GetField())
			}
		}
	}
	return fields
}
