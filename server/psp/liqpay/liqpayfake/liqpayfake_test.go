package liqpayfake_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/psp/liqpay/liqpayfake"
)

const (
	publicKey  = "sandbox_i00000000001"
	privateKey = "sandbox_TESTprivKEY0123456789abcdefABCDEF"
)

var began = time.Date(2026, time.September, 21, 14, 13, 20, 0, time.UTC)

// town is a fake, a shop that hears callbacks and sees returning browsers, and a payer.
type town struct {
	*liqpayfake.Fake
	address, shop string

	mu    sync.Mutex
	heard []string // Statuses of callbacks, and "return GET" or "return POST".
	forms []url.Values
}

func openTown(t *testing.T, account liqpayfake.Account) *town {
	t.Helper()
	account.PublicKey, account.PrivateKey = publicKey, privateKey
	if account.Version == 0 {
		account.Version = liqpayfake.Version3
	}
	if account.Now == nil {
		account.Now = func() time.Time { return began }
	}
	place := &town{Fake: liqpayfake.New(account)}
	server := httptest.NewServer(place.Fake)
	t.Cleanup(server.Close)
	shop := httptest.NewServer(http.HandlerFunc(place.hear))
	t.Cleanup(shop.Close)
	place.address, place.shop = server.URL, shop.URL
	return place
}

func (p *town) hear(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.URL.Path == "/return" {
		p.heard = append(p.heard, "return "+r.Method)
		return
	}
	p.heard, p.forms = append(p.heard, said(r.PostForm, "status")), append(p.forms, r.PostForm)
	_, _ = w.Write([]byte("ok"))
}

// said is a member of a form's content.
func said(form url.Values, name string) string {
	text, _ := base64.StdEncoding.DecodeString(form.Get("data"))
	var content map[string]json.RawMessage
	_ = json.Unmarshal(text, &content)
	return strings.Trim(string(content[name]), `"`)
}

func (p *town) hears(t *testing.T, want string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if got := strings.Join(p.heard, ", "); got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
	p.heard = nil
}

func (p *town) content(orderID, action, amount, more string) string {
	return `{"version":3,"public_key":"` + publicKey + `","action":"` + action + `","amount":` + amount + `,"currency":"UAH","description":"<tea>",` +
		`"order_id":"` + orderID + `","server_url":"` + p.shop + `/hook","result_url":"` + p.shop + `/return"` + more + `}`
}

// browser has connections of its own: closing a test server breaks the shared ones.
var browser = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// do sends a form and returns where the browser ended and what it saw.
func do(t *testing.T, method, to string, form url.Values) (at *url.URL, body string) {
	t.Helper()
	sent := io.Reader(http.NoBody)
	if method == http.MethodPost {
		sent = strings.NewReader(form.Encode())
	} else if len(form) > 0 {
		to += "?" + form.Encode()
	}
	request, err := http.NewRequestWithContext(t.Context(), method, to, sent)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // It was read.
	seen, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Request.URL, string(seen)
}

// opened is the page of a payment, and what is on it.
func (p *town) opened(t *testing.T, content string) (page, seen string) {
	t.Helper()
	at, body := do(t, http.MethodPost, p.address+"/api/3/checkout", p.Sign([]byte(content)))
	return at.String(), body
}

func TestSign_EveryVector(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	if err := json.Unmarshal(text, &all); err != nil || len(all) != 9 {
		t.Fatal(len(all), err)
	}
	for _, v := range all {
		for version, want := range map[int]string{liqpayfake.Version3: v["v3"], liqpayfake.Version7: v["v7"]} {
			if want == "" || v["json"] == "" {
				continue
			}
			fake := liqpayfake.New(liqpayfake.Account{PrivateKey: v["key"], Version: version})
			if form := fake.Sign([]byte(v["json"])); form.Get("signature") != want || form.Get("data") != v["data"] {
				t.Errorf("%s, version %d: %v", v["name"], version, form)
			}
		}
	}
}

func TestCheckout_TheButtonsOfThePage(t *testing.T) {
	t.Parallel()
	for button, want := range map[string]string{
		"pay": "success, return GET", "decline": "failure, return GET", "abandon": "return GET", "decline_then_pay": "failure, success, return GET",
	} {
		p := openTown(t, liqpayfake.Account{})
		page, seen := p.opened(t, p.content("o1", "pay", "125.50", ""))
		if !strings.Contains(seen, "&lt;tea&gt;") || !strings.Contains(seen, "125.5 UAH") {
			t.Errorf("the page is %s", seen)
		}
		do(t, http.MethodPost, page, url.Values{"do": {button}})
		p.hears(t, want)
	}
}

func TestCheckout_ByLinkAndBackByPost(t *testing.T) {
	t.Parallel()
	p := openTown(t, liqpayfake.Account{ReturnByPost: true})
	at, _ := do(t, http.MethodGet, p.address+"/api/3/checkout", p.Sign([]byte(p.content("o1", "pay", "7.34", ""))))
	_, back := do(t, http.MethodPost, at.String(), url.Values{"do": {"pay"}, "card": {liqpayfake.CardSuccess}})
	if !strings.Contains(back, `method="post" action="`+p.shop+`/return"`) || !strings.Contains(back, `name="signature"`) {
		t.Errorf("the way back is %s", back)
	}
	p.hears(t, "success")
}

func TestCheckout_Errors(t *testing.T) {
	t.Parallel()
	p := openTown(t, liqpayfake.Account{})
	good := p.content("o1", "pay", "10.00", "")
	page, _ := p.opened(t, good)
	again, _ := p.opened(t, good)
	if !strings.Contains(page, "/uk/checkout/p") || !strings.Contains(again, "/uk/checkout/p") || p.Payments("o1") != 1 {
		t.Errorf("%s, %s: %d payments", page, again, p.Payments("o1"))
	}
	for content, code := range map[string]string{
		p.content("o1", "pay", "10.01", ""):                                   "order_id_duplicate",
		p.content("o2", "pay", "0", ""):                                       "err_wrong",
		p.content("o2", "pay", "1.005", ""):                                   "err_wrong",
		p.content("o2", "auth", "1", ""):                                      "err_api_action",
		strings.Replace(good, "UAH", "AMD", 1):                                "err_wrong_currency",
		strings.Replace(good, publicKey, "sandbox_i2", 1):                     "public_key_not_found",
		strings.Replace(good, `"version":3`, `"version":7`, 1):                "invalid_signature", // Version 7 with SHA-1.
		strings.Replace(good, `"version":3,`, ``, 1):                          "err_missing",
		p.content("o3", "pay", "1", `,"expired_date":"2026-09-21 14:13:19"`):  "110",
		p.content("o3", "pay", "1", `,"expired_date":"2026-09-21T14:13:19Z"`): "err_wrong",
		strings.Replace(good, `"order_id":"o1",`, ``, 1):                      "order_id_empty",
	} {
		if at, _ := p.opened(t, content); !strings.HasSuffix(at, "err_code="+code) {
			t.Errorf("%s leads to %s, want %s", content, at, code)
		}
	}
	if err := p.Pay(t.Context(), "o1"); err != nil {
		t.Fatal(err)
	}
	if at, _ := p.opened(t, good); !strings.HasSuffix(at, "order_id_duplicate") {
		t.Errorf("a paid payment leads to %s", at)
	}
	if err := p.Pay(t.Context(), "o1"); err == nil {
		t.Error("one payment is paid twice")
	}
}

func TestCharge_TheSandboxsCards(t *testing.T) {
	t.Parallel()
	for card, want := range map[string]string{
		liqpayfake.CardSuccess: "success", liqpayfake.Card3DS: "3ds_verify, success", liqpayfake.CardOTP: "otp_verify, success",
		liqpayfake.CardCVV: "cvv_verify, success", liqpayfake.CardLimit: "failure", liqpayfake.CardNoBalance: "failure", "1": "failure",
	} {
		p := openTown(t, liqpayfake.Account{})
		p.opened(t, p.content("o1", "pay", "10.00", ""))
		if err := p.Charge(t.Context(), "o1", card); err != nil {
			t.Fatal(err)
		}
		p.hears(t, want)
		for _, form := range p.forms {
			if content, _ := base64.StdEncoding.DecodeString(form.Get("data")); len(card) > 1 && strings.Contains(string(content), card) {
				t.Errorf("a card number is told: %s", content)
			}
		}
	}
}

func TestMood_HowPaymentsAreToldOf(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		mood         liqpayfake.Mood
		before, then string
	}{
		{liqpayfake.Mood{}, "failure, success", ""},
		{liqpayfake.Mood{Repeat: 1}, "failure, " + "failure, success, " + "success", ""},
		{liqpayfake.Mood{Never: true}, "", ""},
		{liqpayfake.Mood{Late: true}, "", "failure, success"},
		{liqpayfake.Mood{Late: true, Backwards: true}, "", "success, failure"},
		{liqpayfake.Mood{Alter: map[string]string{"status": `"odd"`}}, "odd, odd", ""},
	} {
		p := openTown(t, liqpayfake.Account{})
		p.opened(t, p.content("o1", "pay", "10.00", ""))
		p.Mood(row.mood)
		for _, step := range []error{p.Decline(t.Context(), "o1"), p.Pay(t.Context(), "o1")} {
			if step != nil {
				t.Fatal(step)
			}
		}
		p.hears(t, row.before)
		p.Tell(t.Context())
		p.hears(t, row.then)
	}
}

func TestMood_ForgedIsSignedByAnother(t *testing.T) {
	t.Parallel()
	p := openTown(t, liqpayfake.Account{})
	p.opened(t, p.content("o1", "pay", "10.00", ""))
	p.Mood(liqpayfake.Mood{Forge: true})
	if err := p.Pay(t.Context(), "o1"); err != nil {
		t.Fatal(err)
	}
	form := p.forms[0]
	text, _ := base64.StdEncoding.DecodeString(form.Get("data"))
	if p.Sign(text).Get("signature") == form.Get("signature") {
		t.Error("the signature is right")
	}
}

func TestRequest_EveryAction(t *testing.T) {
	t.Parallel()
	p := openTown(t, liqpayfake.Account{RefundsWait: true, Exponents: true})
	ask := func(orderID, action, amount string) string {
		t.Helper()
		_, body := do(t, http.MethodPost, p.address+"/api/request", p.Sign([]byte(p.content(orderID, action, amount, ""))))
		return body
	}
	p.opened(t, p.content("o1", "hold", "1000000000", ""))
	expect := func(what, body string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(body, part) || !json.Valid([]byte(body)) {
				t.Errorf("%s: %s is not in %s", what, part, body)
			}
		}
	}
	expect("a status", ask("o1", "status", "1"), `"status":"prepared"`, `"amount":1.0E9,`)
	expect("too early", ask("o1", "hold_completion", "1"), `"err_code":"payment_err_status"`)
	if err := p.Pay(t.Context(), "o1"); err != nil {
		t.Fatal(err)
	}
	expect("more than held", ask("o1", "hold_completion", "1000000000.01"), `"err_code":"err_amount_hold"`)
	expect("a part of a hold back", ask("o1", "refund", "1"), `"err_code":"err_wrong"`)
	expect("a capture", ask("o1", "hold_completion", "125.5"), `"result":"ok"`, `"status":"success"`, `"amount":125.5,`, `"completion_date":1790000000000`)
	expect("a refund", ask("o1", "refund", "25"), `"status":"success"`, `"wait_amount":true`)
	expect("not yet", ask("o1", "status", "1"), `"status":"success"`, `"amount":125.5`)
	expect("more than is left", ask("o1", "refund", "100.51"), `"err_code":"err_wrong"`)
	p.PayRefunds(t.Context())
	expect("now", ask("o1", "status", "1"), `"refund_amount":25.0`)
	expect("nobody's", ask("o2", "status", "1"), `"err_code":"payment_not_found"`)
	expect("another action", ask("o1", "unhold", "1"), `"err_code":"err_api_action"`)
	p.Fail("err_access")
	expect("as told", ask("o1", "status", "1"), `"err_code":"err_access"`)
	p.Forget("o1")
	expect("forgotten", ask("o1", "status", "1"), `"err_code":"payment_not_found"`)
	p.hears(t, "hold_wait, success, success")
}

// What nobody has opened, and pages that are none, are said so.
func TestFake_WhatIsNotThere(t *testing.T) {
	t.Parallel()
	p := openTown(t, liqpayfake.Account{})
	ctx := t.Context()
	_, err := p.Callback("o1")
	for name, err := range map[string]error{
		"pay": p.Pay(ctx, "o1"), "show": p.Show(ctx, "o1", "success"), "refund": p.Refund(ctx, "o1", "1"), "callback": err,
	} {
		if err == nil {
			t.Errorf("%s of nothing", name)
		}
	}
	page, _ := p.opened(t, p.content("o1", "pay", "1", `,"expired_date":"2026-09-21 14:13:21"`))
	for to, form := range map[string]url.Values{page + "x": {"do": {"pay"}}, page: {"do": {"dance"}}} {
		do(t, http.MethodPost, to, form)
	}
	if p.Status("o1") != "prepared" || p.Status("o2") != "" {
		t.Errorf("%q, %q", p.Status("o1"), p.Status("o2"))
	}
	p.hears(t, "")
}

func TestCharge_NotAfterTheDeadline(t *testing.T) {
	t.Parallel()
	for _, ignored := range []bool{false, true} {
		now := began
		p := openTown(t, liqpayfake.Account{Now: func() time.Time { return now }, IgnoreExpiry: ignored})
		p.opened(t, p.content("o1", "pay", "1", `,"expired_date":"2026-09-21 14:13:21"`))
		now = began.Add(2 * time.Second)
		if err := p.Pay(t.Context(), "o1"); (err == nil) != ignored {
			t.Errorf("ignored %v: %v", ignored, err)
		}
	}
}

// A callback that nobody takes is on record, and the payment stands.
func TestTold_WhatCouldNotBeDelivered(t *testing.T) {
	t.Parallel()
	p := openTown(t, liqpayfake.Account{})
	p.opened(t, strings.ReplaceAll(p.content("o1", "pay", "1", ""), p.shop, "http://127.0.0.1:1"))
	if err := p.Pay(t.Context(), "o1"); err != nil {
		t.Fatal(err)
	}
	if told := p.Told(); len(told) != 1 || told[0].Err == nil || p.Status("o1") != "success" {
		t.Errorf("%+v", told)
	}
}
