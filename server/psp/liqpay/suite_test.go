package liqpay_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/psp/liqpay"
	"github.com/kvitpay/kvit/server/psp/liqpay/liqpayfake"
	"github.com/kvitpay/kvit/server/psp/psptest"
)

func TestSuite_Version3(t *testing.T) { t.Parallel(); psptest.Run(t, harness(liqpayfake.Version3)) }
func TestSuite_Version7(t *testing.T) { t.Parallel(); psptest.Run(t, harness(liqpayfake.Version7)) }

func harness(version int) psptest.Harness {
	const text = "text/plain; charset=utf-8"
	return psptest.Harness{
		Now: now, Can: psptest.Can{Refund: true, Capture: true, Void: true},
		Open: func(tb testing.TB, env psptest.Env) psptest.PSP { tb.Helper(); return atFake(tb, env, version) },
		Replies: psptest.Replies{
			Taken:      psp.Reply{ContentType: text, Body: []byte("ok")},
			Forged:     psp.Reply{Status: http.StatusForbidden, ContentType: text, Body: []byte("wrong signature")},
			Unreadable: psp.Reply{Status: http.StatusBadRequest, ContentType: text, Body: []byte("bad request")},
		},
		Exempt: map[string]string{
			"O9_CallbackBeforeTheCreateAnswer": "starting makes no call: the payer's browser opens the payment",
		},
	}
}

func atFake(tb testing.TB, env psptest.Env, version int) psptest.PSP {
	tb.Helper()
	fake := liqpayfake.New(liqpayfake.Account{PublicKey: publicKey, PrivateKey: privateKey, Version: version, Now: env.Now})
	server := httptest.NewServer(fake)
	tb.Cleanup(server.Close)
	provider, err := liqpay.Open(psp.Settings{Account: "suite", Test: true, Client: env.Client, Now: env.Now, Values: map[string]string{
		"public_key": publicKey, "private_key": privateKey, "api_version": strconv.Itoa(version), "base_url": server.URL,
	}})
	if err != nil {
		tb.Fatal(err)
	}
	pay := func(card string) func(testing.TB, psptest.Visit) {
		return func(tb testing.TB, visit psptest.Visit) {
			tb.Helper()
			form := url.Values{}
			for _, field := range visit.Fields {
				form.Add(field.Name, field.Value)
			}
			page, err := post(tb.Context(), visit.URL, form.Encode())
			if err != nil {
				tb.Fatal(err)
			}
			_ = page.Body.Close()
			button, err := post(tb.Context(), page.Request.URL.String(), url.Values{"do": {"pay"}, "card": {card}}.Encode())
			if err != nil {
				tb.Fatal(err)
			}
			_ = button.Body.Close()
		}
	}
	return psptest.PSP{
		Provider: provider, Secrets: []string{privateKey},
		Pay: pay(liqpayfake.CardSuccess), Decline: pay(liqpayfake.CardNoBalance),
		Payments: func(_ testing.TB, ref string) int { return fake.Payments(ref) },
		Forge: func(tb testing.TB, c psp.Callback) psp.Callback {
			tb.Helper()
			return withBody(tb, c, fake.Forge)
		},
		Alter: func(tb testing.TB, c psp.Callback, change psptest.Alteration) psp.Callback {
			tb.Helper()
			return withBody(tb, c, func(body []byte) ([]byte, error) { return fake.Alter(body, literals(tb, change)) })
		},
	}
}

func withBody(tb testing.TB, c psp.Callback, change func([]byte) ([]byte, error)) psp.Callback {
	tb.Helper()
	body, err := change(c.Body)
	if err != nil {
		tb.Fatal(err)
	}
	c.Body = body
	return c
}

// literals are an alteration in LiqPay's words.
func literals(tb testing.TB, change psptest.Alteration) map[string]string {
	tb.Helper()
	alter := map[string]string{}
	if change.AmountMinor != 0 {
		amount, err := money.New(change.AmountMinor, "UAH")
		if err != nil {
			tb.Fatal(err)
		}
		alter["amount"] = amount.Decimal()
	}
	for name, value := range map[string]string{"currency": change.Currency, "order_id": change.Ref, "status": change.Status} {
		if value != "" {
			alter[name] = strconv.Quote(value)
		}
	}
	if change.OtherPayee {
		alter["public_key"] = `"sandbox_i99999999999"`
	}
	if change.MoreFields {
		alter["moment_part"], alter["new_object"], alter["bonus"] = "true", `{"a":[1.5,null]}`, `-0.0e-5`
	}
	return alter
}
