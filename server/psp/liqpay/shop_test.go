package liqpay_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/psp/liqpay"
	"github.com/kvitpay/kvit/server/psp/liqpay/liqpayfake"
)

const (
	publicKey  = "sandbox_i00000000001"
	privateKey = "sandbox_TESTprivKEY0123456789abcdefABCDEF"
)

var began = time.Date(2026, time.September, 21, 14, 13, 20, 0, time.UTC)

func now() time.Time { return began }

// shop is a provider at a fake, and a server that takes callbacks.
type shop struct {
	*liqpay.Provider
	fake *liqpayfake.Fake
	// address is the fake's, callbacks the shop's own.
	address, callbacks string

	mu      sync.Mutex
	heard   []psp.Callback
	reports []psp.Report
	errs    []error
}

// openShop lets change what differs in a case; nil changes nothing.
func openShop(tb testing.TB, change func(*liqpayfake.Account)) *shop {
	tb.Helper()
	account := liqpayfake.Account{PublicKey: publicKey, PrivateKey: privateKey, Version: liqpayfake.Version3, Now: now}
	if change != nil {
		change(&account)
	}
	s := &shop{fake: liqpayfake.New(account)}
	server := httptest.NewServer(s.fake)
	tb.Cleanup(server.Close)
	hook := httptest.NewServer(http.HandlerFunc(s.hear))
	tb.Cleanup(hook.Close)
	s.address, s.callbacks = server.URL, hook.URL+"/callbacks/psp/liqpay/secret?a=1&b=<2>"
	s.Provider = provider(tb, map[string]string{
		"public_key": publicKey, "private_key": privateKey, "base_url": server.URL, "api_version": strconv.Itoa(account.Version),
	})
	return s
}

func provider(tb testing.TB, values map[string]string) *liqpay.Provider {
	tb.Helper()
	opened, err := liqpay.Open(psp.Settings{
		Account: "acc", Test: strings.HasPrefix(values["public_key"], "sandbox_"), Values: values, Client: &http.Client{Transport: alone}, Now: now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	p, ok := opened.(*liqpay.Provider)
	if !ok {
		tb.Fatalf("Open returns a %T", opened)
	}
	return p
}

func (s *shop) hear(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, psp.BodyMax+1))
	callback := psp.Callback{Method: r.Method, Header: r.Header, Query: r.URL.RawQuery, Body: body}
	report, reply, err := s.Read(r.Context(), callback)
	s.mu.Lock()
	s.heard, s.reports, s.errs = append(s.heard, callback), append(s.reports, report), append(s.errs, err)
	s.mu.Unlock()
	w.WriteHeader(reply.Status)
	_, _ = w.Write(reply.Body)
}

// facts are what callbacks have shown since the last call, one line each: "SUCCEEDED 12550 UAH".
func (s *shop) facts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for i, report := range s.reports {
		if s.errs[i] != nil {
			all = append(all, s.errs[i].Error())
		}
		all = append(all, lines(report)...)
	}
	s.reports, s.errs = nil, nil
	return all
}

func lines(report psp.Report) []string {
	var all []string
	for _, f := range report.Findings {
		line := string(f.Fact)
		if f.AmountMinor > 0 {
			line += fmt.Sprintf(" %d %s", f.AmountMinor, f.Currency)
		}
		if f.PayeeDiffers {
			line += " of another payee"
		}
		if f.Failure != "" {
			line += ": " + f.Failure
		}
		all = append(all, line)
	}
	return all
}

// same compares facts as text, in order.
func same(tb testing.TB, what string, got []string, want ...string) {
	tb.Helper()
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		tb.Errorf("%s: %q, want %q", what, got, want)
	}
}

func amount(tb testing.TB, text string) money.Amount {
	tb.Helper()
	uah, err := money.CurrencyOf("UAH")
	if err != nil {
		tb.Fatal(err)
	}
	parsed, err := money.Parse(text, uah)
	if err != nil {
		tb.Fatal(err)
	}
	return parsed
}

func (s *shop) intent(tb testing.TB, ref, text string) psp.Intent {
	tb.Helper()
	return psp.Intent{
		Ref: ref, Amount: amount(tb, text), Description: "Оплата замовлення №42 <tea & co>", Locale: "uk",
		SessionUntil: began.Add(15*time.Minute + 999*time.Millisecond).In(time.FixedZone("Kyiv", 3*60*60)),
		ReturnURL:    "https://pay.example.test/pay/token/return/1", CallbackURL: s.callbacks,
	}
}

// visit starts a payment and lets the payer's browser post the form.
func (s *shop) visit(tb testing.TB, intent psp.Intent) {
	tb.Helper()
	handoff, err := s.Start(tb.Context(), intent)
	if err != nil {
		tb.Fatal(err)
	}
	form := url.Values{}
	for _, field := range handoff.Fields {
		form.Add(field.Name, field.Value)
	}
	answer, err := post(tb.Context(), handoff.URL, form.Encode())
	if err != nil {
		tb.Fatal(err)
	}
	_ = answer.Body.Close()
	if strings.Contains(answer.Request.URL.Path, "throw_error") {
		tb.Fatalf("the checkout led to %s", answer.Request.URL)
	}
}

func post(ctx context.Context, to, body string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return browser.Do(request)
}

// alone has connections that nobody else uses: closing a test server breaks the shared ones.
var alone = &http.Transport{DisableKeepAlives: true}

// browser follows redirects, but for those to the shop: nobody is there.
var browser = &http.Client{Transport: alone, CheckRedirect: func(next *http.Request, _ []*http.Request) error {
	if next.URL.Hostname() == "pay.example.test" {
		return http.ErrUseLastResponse
	}
	return nil
}}

// paid is a shop with one payment "r1" of 125.50 UAH that is paid, or held.
func paidShop(tb testing.TB, hold bool, change func(*liqpayfake.Account)) *shop {
	tb.Helper()
	s := openShop(tb, change)
	intent := s.intent(tb, "r1", "125.50")
	intent.Hold = hold
	s.visit(tb, intent)
	if err := s.fake.Pay(tb.Context(), "r1"); err != nil {
		tb.Fatal(err)
	}
	return s
}

// ask are the facts of a lookup.
func (s *shop) ask(tb testing.TB) psp.Report {
	tb.Helper()
	report, err := s.Ask(tb.Context(), psp.Ref{Ref: "r1"})
	if err != nil {
		tb.Fatal(err)
	}
	if !report.Proven || report.Ref != "r1" || len(report.Raw) == 0 {
		tb.Errorf("the lookup is %+v", report)
	}
	return report
}
