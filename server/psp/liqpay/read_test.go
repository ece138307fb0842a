package liqpay_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/psp/liqpay/liqpayfake"
)

// callback is what LiqPay's server sends of "r1", with members altered under a good signature.
func (s *shop) callback(tb testing.TB, alter map[string]string) psp.Callback {
	tb.Helper()
	body, err := s.fake.Callback("r1")
	if err == nil {
		body, err = s.fake.Alter(body, alter)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return psp.Callback{Method: http.MethodPost, Body: body}
}

// reads are the facts of a callback that is well signed.
func (s *shop) reads(tb testing.TB, alter map[string]string) []string {
	tb.Helper()
	report, reply, err := s.Read(tb.Context(), s.callback(tb, alter))
	if err != nil || !report.Proven || reply.Status != http.StatusOK || report.Raw != nil || report.Unpaid {
		tb.Fatalf("%v: %+v, %d, %v", alter, report, reply.Status, err)
	}
	return lines(report)
}

// The callbacks of the reference, signed by nobody of this house.
func TestRead_PublishedSamples(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"Success": {"SUCCEEDED 12550 UAH"}, "Refund": {"SUCCEEDED 12550 UAH", "REFUNDED 12550 UAH"},
		"Failure": {"DECLINED: there is not enough money on the card"},
	}
	for _, sample := range all {
		for _, version := range []string{"3", "7"} {
			if want[sample["name"]] == nil {
				continue
			}
			p := provider(t, map[string]string{"public_key": publicKey, "private_key": sample["key"], "api_version": version})
			form := url.Values{"data": {sample["data"]}, "signature": {sample["v"+version]}}
			report, _, err := p.Read(t.Context(), psp.Callback{Method: http.MethodPost, Body: []byte(form.Encode())})
			if err != nil || !report.Proven || !strings.HasPrefix(report.Ref, "pl-000") {
				t.Errorf("%s, version %s: %+v, %v", sample["name"], version, report, err)
			}
			same(t, sample["name"], lines(report), want[sample["name"]]...)
		}
	}
}

// C5: each documented status of a payment, and what it says. None but these is ever "paid".
func TestRead_C5_EveryStatus(t *testing.T) {
	t.Parallel()
	s := paidShop(t, false, nil)
	const pending, subscription = "PENDING", "UNREADABLE: a subscription, which is never asked for"
	want := map[string]string{
		"success": "SUCCEEDED 12550 UAH", "wait_compensation": "SUCCEEDED 12550 UAH", "sandbox": "SUCCEEDED 12550 UAH",
		"wait_reserve": "SUCCEEDED 12550 UAH", "reversed": "SUCCEEDED 12550 UAH; REFUNDED 12550 UAH",
		"failure": "DECLINED: declined without a reason", "error": "DECLINED: declined without a reason",
		"hold_wait": "AUTHORIZED 12550 UAH", "subscribed": subscription, "unsubscribed": subscription,
		"prepared": "", "try_again": "",
	}
	for status := range strings.FieldsSeq(`wait_accept wait_secure wait_card wait_lc processing cash_wait invoice_wait 3ds_verify
		otp_verify cvv_verify pin_verify password_verify captcha_verify ivr_verify phone_verify sender_verify receiver_verify
		senderapp_verify wait_qr wait_sender p24_verify mp_verify`) {
		want[status] = pending
	}
	for status, facts := range want {
		// result decides nothing, whatever it says.
		for _, result := range []string{`"ok"`, `"error"`, ``} {
			got := s.reads(t, map[string]string{"status": `"` + status + `"`, "result": result})
			if strings.Join(got, "; ") != facts {
				t.Errorf("%s, result %s: %q, want %q", status, result, got, facts)
			}
		}
	}
	for _, status := range []string{`"SUCCESS"`, `"success "`, `"paid"`, `""`, `1`, `true`, `["success"]`, `{"a":"success"}`} {
		same(t, status, s.reads(t, map[string]string{"status": status}), "UNREADABLE: a status that is not known")
	}
}

// A1: a payment of the old sandbox is no money at a live account.
func TestRead_A1_SandboxStatusAtALiveAccount(t *testing.T) {
	t.Parallel()
	fake := liqpayfake.New(liqpayfake.Account{PublicKey: "i00000000001", PrivateKey: "live", Version: liqpayfake.Version3, Now: now})
	form := fake.Sign([]byte(`{"public_key":"i00000000001","order_id":"r1","action":"pay","status":"sandbox","amount":5.0,"currency":"UAH","payment_id":1}`))
	p := provider(t, map[string]string{"public_key": "i00000000001", "private_key": "live"})
	report, _, err := p.Read(t.Context(), psp.Callback{Method: http.MethodPost, Body: []byte(form.Encode())})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "sandbox", lines(report), "UNREADABLE: a test payment at an account that is not for tests")
}

// M4: what a good signature covers is reported as it stands, for the comparison that is order's.
func TestRead_M4_WhatTheMessageSaysIsReported(t *testing.T) {
	t.Parallel()
	s := paidShop(t, false, nil)
	for _, row := range []struct{ name, literal, want string }{
		{"amount", `125.49`, "SUCCEEDED 12549 UAH"},
		{"amount", `"125.50"`, "SUCCEEDED 12550 UAH"},
		{"amount", `1.0E9`, "SUCCEEDED 100000000000 UAH"},
		{"amount_credit", `1.00`, "SUCCEEDED 12550 UAH"}, // Not the amount that is compared.
		{"sender_commission", `7.5`, "SUCCEEDED 12550 UAH"},
		{"currency", `"EUR"`, "SUCCEEDED 12550 EUR"},
		{"public_key", `"sandbox_i2"`, "SUCCEEDED 12550 UAH of another payee"},
		{"public_key", ``, "SUCCEEDED 12550 UAH of another payee"},
		{"payment_id", `"2119468018"`, "SUCCEEDED 12550 UAH"},
		{"wait_reserve_status", `"true"`, "SUCCEEDED 12550 UAH"},
		{"refund_amount", `25.5`, "SUCCEEDED 12550 UAH; REFUNDED 2550 UAH"},
		{"refund_amount", `0.0`, "SUCCEEDED 12550 UAH"},
		{"refund_amount", `null`, "SUCCEEDED 12550 UAH"},
		{"refund_amount", `"all"`, "SUCCEEDED 12550 UAH; UNREADABLE: a refunded amount that cannot be read"},
		{"amount", `125.505`, "UNREADABLE: an amount that cannot be read"},
		{"amount", `-125.50`, "UNREADABLE: an amount that cannot be read"},
		{"amount", `0.0`, "UNREADABLE: an amount that cannot be read"},
		{"amount", `null`, "UNREADABLE: an amount that cannot be read"},
		{"amount", ``, "UNREADABLE: an amount that cannot be read"},
		{"amount", `1e400`, "UNREADABLE: an amount that cannot be read"},
		{"currency", `"uah"`, "UNREADABLE: a currency that is not known"},
		{"currency", ``, "UNREADABLE: a currency that is not known"},
		{"action", `"auth"`, "UNREADABLE: an action that is no payment of ours"},
		{"action", `"regular"`, "UNREADABLE: an action that is no payment of ours"},
		{"action", ``, "UNREADABLE: an action that is no payment of ours"},
		{"payment_id", `"<1>"`, "UNREADABLE: a payment_id that cannot be one"},
	} {
		got := strings.Join(s.reads(t, map[string]string{row.name: row.literal}), "; ")
		if got != row.want {
			t.Errorf("%s %s: %q, want %q", row.name, row.literal, got, row.want)
		}
	}
	report, _, err := s.Read(t.Context(), s.callback(t, map[string]string{"order_id": `"web-shop-17"`}))
	if err != nil || report.Ref != "web-shop-17" || !report.Proven {
		t.Errorf("C5: another's order: %+v, %v", report, err)
	}
}

// A hold that went back before its capture was released; after it, refunded.
func TestRead_O10_ReversedHold(t *testing.T) {
	t.Parallel()
	s := paidShop(t, true, nil)
	for _, row := range []struct {
		alter map[string]string
		want  string
	}{
		{nil, "VOIDED 12550 UAH"},
		{map[string]string{"refund_amount": `125.5`}, "VOIDED 12550 UAH"},
		{map[string]string{"action": `"pay"`, "type": `"hold"`}, "VOIDED 12550 UAH"},
		{map[string]string{"completion_date": `1790000009999`}, "SUCCEEDED 12550 UAH; REFUNDED 12550 UAH"},
		{map[string]string{"action": `"pay"`}, "SUCCEEDED 12550 UAH; REFUNDED 12550 UAH"},
		{map[string]string{"status": `"wait_reserve"`}, "PENDING 12550 UAH"},
	} {
		alter := map[string]string{"status": `"reversed"`}
		maps.Copy(alter, row.alter)
		if got := strings.Join(s.reads(t, alter), "; "); got != row.want {
			t.Errorf("%v: %q, want %q", alter, got, row.want)
		}
	}
}

func TestRead_C3_ForgedIsForged(t *testing.T) {
	t.Parallel()
	s := paidShop(t, false, nil)
	true3 := s.callback(t, nil)
	forged, err := s.fake.Forge(true3.Body)
	if err != nil {
		t.Fatal(err)
	}
	form, err := url.ParseQuery(string(true3.Body))
	if err != nil {
		t.Fatal(err)
	}
	other := openShop(t, func(a *liqpayfake.Account) { a.Version = liqpayfake.Version7 })
	text, _ := base64.StdEncoding.DecodeString(form.Get("data"))
	for name, body := range map[string]string{
		"another key":            string(forged),
		"version 7's signature":  other.fake.Sign(text).Encode(),
		"no signature":           url.Values{"data": form["data"], "signature": {""}}.Encode(),
		"data that was changed":  url.Values{"data": {"A" + form.Get("data")[1:]}, "signature": form["signature"]}.Encode(),
		"a plus that was a gap":  "data=" + strings.ReplaceAll(url.QueryEscape(form.Get("data")), "3D", "3D%20") + "&signature=" + url.QueryEscape(form.Get("signature")),
		"no data":                url.Values{"data": {""}, "signature": form["signature"]}.Encode(),
		"data that is no base64": "data=%00&signature=x",
	} {
		report, reply, err := s.Read(t.Context(), psp.Callback{Method: http.MethodPost, Body: []byte(body)})
		if !errors.Is(err, psp.ErrForged) || reply.Status != http.StatusForbidden || len(report.Findings) > 0 || report.Proven {
			t.Errorf("%s: %+v, %d, %v", name, report, reply.Status, err)
		}
		if err != nil && strings.Contains(err.Error(), form.Get("signature")) {
			t.Errorf("%s: the expected signature is told", name)
		}
	}
}

// C3: the payer has our own signed form and knows the callback's address from it.
func TestRead_C3_OurOwnRequestIsNoCallback(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	intent := s.intent(t, "r1", "125.50")
	intent.Description = `","status":"success","payment_id":1,"x":"`
	handoff, err := s.Start(t.Context(), intent)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"data": {handoff.Fields[0].Value}, "signature": {handoff.Fields[1].Value}}
	report, reply, err := s.Read(t.Context(), psp.Callback{Method: http.MethodPost, Body: []byte(form.Encode())})
	if !errors.Is(err, psp.ErrForged) || reply.Status != http.StatusForbidden || !reflect.DeepEqual(report, psp.Report{}) {
		t.Errorf("%+v, %d, %v", report, reply.Status, err)
	}
}

func TestRead_C5_WhatIsNoMessage(t *testing.T) {
	t.Parallel()
	s := paidShop(t, false, nil)
	good := s.callback(t, nil)
	for name, callback := range map[string]psp.Callback{
		"a GET":         {Method: http.MethodGet, Query: string(good.Body)},
		"a PUT":         {Method: http.MethodPut, Body: good.Body},
		"nothing":       {Method: http.MethodPost},
		"JSON":          {Method: http.MethodPost, Body: []byte(`{"data":"e30=","signature":"x"}`)},
		"a third field": {Method: http.MethodPost, Body: append(bytes.Clone(good.Body), "&status=success"...)},
		"data twice":    {Method: http.MethodPost, Body: append(bytes.Clone(good.Body), "&data=e30%3D"...)},
		"a bad escape":  {Method: http.MethodPost, Body: append(bytes.Clone(good.Body), "%zz"...)},
		"too long":      {Method: http.MethodPost, Body: append(bytes.Clone(good.Body), make([]byte, psp.BodyMax)...)},
	} {
		report, reply, err := s.Read(t.Context(), callback)
		if !errors.Is(err, psp.ErrUnreadable) || reply.Status != http.StatusBadRequest || !reflect.DeepEqual(report, psp.Report{}) {
			t.Errorf("%s: %+v, %d, %v", name, report, reply.Status, err)
		}
	}
	for _, content := range []string{
		``, `[]`, `{}`, `{"status":"success"}`, `{"order_id":null}`, `{"order_id":"a","order_id":"b"}`, `{"order_id":"a"} {}`,
		`{"status":"success","order_id":"a\u0000b"}`, `{"status":"success","order_id":"` + strings.Repeat("a", 256) + `"}`,
		`{"status":"success","order_id":["a"]}`,
	} {
		body := []byte(s.fake.Sign([]byte(content)).Encode())
		_, reply, err := s.Read(t.Context(), psp.Callback{Method: http.MethodPost, Body: body})
		if !errors.Is(err, psp.ErrUnreadable) || reply.Status != http.StatusOK {
			t.Errorf("%q: %d, %v", content, reply.Status, err)
		}
	}
}

// C6: a repeat reads the same, in any order.
func TestRead_C6_RepeatsLateAndBackwards(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.visit(t, s.intent(t, "r1", "125.50"))
	s.fake.Mood(liqpayfake.Mood{Late: true, Backwards: true, Repeat: 2})
	for _, step := range []func() error{
		func() error { return s.fake.Decline(t.Context(), "r1") },
		func() error { return s.fake.Pay(t.Context(), "r1") },
		func() error { return s.fake.Refund(t.Context(), "r1", "5.5") },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "before they are told", s.facts())
	s.fake.Tell(t.Context())
	back, paid, no := "SUCCEEDED 12550 UAH; REFUNDED 550 UAH", "SUCCEEDED 12550 UAH", "DECLINED: there is not enough money on the card"
	same(t, "told", s.facts(), back, back, back, paid, paid, paid, no, no, no)
	for _, told := range s.fake.Told() {
		if told.Err != nil || told.Code != http.StatusOK || told.Body != "ok" {
			t.Errorf("C2: %+v", told)
		}
	}
}

func FuzzRead(f *testing.F) {
	s := paidShop(f, false, nil)
	good, err := s.fake.Callback("r1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, []byte(`{"order_id":"r1","status":"success","action":"pay","amount":1.0E9,"currency":"UAH","payment_id":1}`))
	f.Add([]byte("data=e30%3D&signature="), []byte(`{"order_id":"r1","status":"reversed","action":"hold","amount":"0.01","currency":"UAH"}`))
	f.Add([]byte("data=%zz"), []byte(`{"order_id":"a","order_id":"b"}`))
	f.Fuzz(func(t *testing.T, body, content []byte) {
		report, _, err := s.Read(t.Context(), psp.Callback{Method: http.MethodPost, Body: body})
		if err == nil && !bytes.Equal(body, good) && report.Ref != "r1" {
			t.Errorf("%q is believed: %+v", body, report)
		}
		signed := []byte(s.fake.Sign(content).Encode())
		report, reply, err := s.Read(t.Context(), psp.Callback{Method: http.MethodPost, Body: signed})
		if reply.Status == 0 || err != nil && report.Proven {
			t.Errorf("%q, well signed: %+v, %v", content, report, err)
		}
		for _, finding := range report.Findings {
			money := finding.Fact == order.FactSucceeded || finding.Fact == order.FactAuthorized || finding.Fact == order.FactRefunded
			if money && (finding.AmountMinor <= 0 || len(finding.Currency) != 3) {
				t.Errorf("%q is money of %d %q", content, finding.AmountMinor, finding.Currency)
			}
		}
	})
}
