package liqpay_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/psp/liqpay"
	"github.com/kvitpay/kvit/server/psp/liqpay/liqpayfake"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
	}
}

func TestStart_TheFormThatIsPosted(t *testing.T) {
	t.Parallel()
	for version, name := range map[string]string{"3": "checkout_v3.txt", "7": "checkout_v7.txt"} {
		p := provider(t, map[string]string{"public_key": publicKey, "private_key": privateKey, "api_version": version})
		intent := (&shop{callbacks: "https://pay.example.test/callbacks/psp/liqpay/secret?a=1&b=<2>"}).intent(t, "kv0a9z0123456789abcdefghijklmnop", "125.50")
		intent.Hold = version == "7"
		handoff, err := p.Start(t.Context(), intent)
		if err != nil {
			t.Fatal(err)
		}
		content, err := base64.StdEncoding.DecodeString(handoff.Fields[0].Value)
		if err != nil || len(handoff.Fields) != 2 {
			t.Fatal(handoff, err)
		}
		text := []string{handoff.URL}
		for _, field := range handoff.Fields {
			text = append(text, field.Name+"="+field.Value)
		}
		golden(t, name, strings.Join(append(text, string(content), ""), "\n"))
		again, err := p.Start(t.Context(), intent)
		if err != nil || !reflect.DeepEqual(again, handoff) {
			t.Errorf("the same intent gives another form: %v, %v", again, err)
		}
	}
}

// I5: where nothing was sent, nothing happened.
func TestStart_I5_WhatIsNotTakenIsNotAttempted(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	good := s.intent(t, "r1", "1.00")
	for name, change := range map[string]func(*psp.Intent){
		"no amount":     func(i *psp.Intent) { i.Amount, _ = i.Amount.Sub(i.Amount) },
		"below zero":    func(i *psp.Intent) { i.Amount, _ = i.Amount.Neg() },
		"no reference":  func(i *psp.Intent) { i.Ref = "" },
		"long address":  func(i *psp.Intent) { i.CallbackURL = "https://a.test/" + strings.Repeat("a", 510) },
		"long return":   func(i *psp.Intent) { i.ReturnURL = "https://a.test/" + strings.Repeat("a", 510) },
		"long ref":      func(i *psp.Intent) { i.Ref = strings.Repeat("a", 256) },
		"no UAH at all": func(i *psp.Intent) { i.Amount = drams(t) },
	} {
		intent := good
		change(&intent)
		if _, err := s.Start(t.Context(), intent); !errors.Is(err, psp.ErrNotAttempted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func drams(t *testing.T) money.Amount {
	t.Helper()
	thousand, err := money.New(100_000, "AMD")
	if err != nil {
		t.Fatal(err)
	}
	return thousand
}

func TestStart_LanguagesThatLiqPayHas(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	for locale, want := range map[string]string{"uk": `"uk"`, "en": `"en"`, "ru": `"uk"`, "hy": `"en"`, "fr": `"uk"`, "": `"uk"`} {
		intent := s.intent(t, "r-"+locale, "1.00")
		intent.Locale = locale
		s.visit(t, intent)
		asked := s.fake.Requests()
		if got := asked[len(asked)-1]["language"]; got != want {
			t.Errorf("%q: %s, want %s", locale, got, want)
		}
	}
}

func TestOpen_A1_RefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	good := map[string]string{"public_key": publicKey, "private_key": "the-secret-of-the-shop"}
	for name, change := range map[string]func(*psp.Settings){
		"a sandbox key at a live account": func(s *psp.Settings) { s.Test = false },
		"a live key at a test account":    func(s *psp.Settings) { s.Values["public_key"] = "i00000000001" },
		"no private key":                  func(s *psp.Settings) { delete(s.Values, "private_key") },
		"another version":                 func(s *psp.Settings) { s.Values["api_version"] = "5" },
		"an unknown setting":              func(s *psp.Settings) { s.Values["pubic_key"] = "x" },
		"http far away":                   func(s *psp.Settings) { s.Values["base_url"] = "http://liqpay.example" },
		"a path":                          func(s *psp.Settings) { s.Values["base_url"] = "https://www.liqpay.ua/api" },
		"a password":                      func(s *psp.Settings) { s.Values["base_url"] = "https://user:pw@www.liqpay.ua" },
		"a currency that is not taken":    func(s *psp.Settings) { s.Currencies = []string{"AMD"} },
	} {
		settings := psp.Settings{Account: "acc", Test: true, Values: map[string]string{}}
		maps.Copy(settings.Values, good)
		change(&settings)
		opened, err := liqpay.Open(settings)
		if err == nil || opened != nil || strings.Contains(err.Error(), "the-secret-of-the-shop") {
			t.Errorf("%s: %v, %v", name, opened, err)
		}
	}
	settings := psp.Settings{Account: "acc", Test: true, Values: good, Currencies: []string{"UAH"}}
	opened, err := liqpay.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	d := opened.Declare()
	if !d.Test || !slices.Equal(d.Currencies, []string{"UAH"}) || !slices.Equal(d.Origins, []string{"https://www.liqpay.ua"}) {
		t.Errorf("%+v", d)
	}
}

func TestPayment_O4_DeclinedThenPaid(t *testing.T) {
	t.Parallel()
	for _, version := range []int{liqpayfake.Version3, liqpayfake.Version7} {
		s := openShop(t, func(a *liqpayfake.Account) { a.Version = version })
		s.visit(t, s.intent(t, "r1", "125.50"))
		if report := s.ask(t); !report.Unpaid || len(report.Findings) != 0 {
			t.Errorf("an open payment is %+v", report)
		}
		if err := s.fake.Decline(t.Context(), "r1"); err != nil {
			t.Fatal(err)
		}
		same(t, "declined", s.facts(), "DECLINED: there is not enough money on the card")
		report := s.ask(t)
		same(t, "declined, asked", lines(report), "DECLINED: there is not enough money on the card")
		if !report.Unpaid {
			t.Error("O7: a declined payment is not unpaid")
		}
		if err := s.fake.Charge(t.Context(), "r1", liqpayfake.Card3DS); err != nil {
			t.Fatal(err)
		}
		same(t, "paid", s.facts(), "PENDING", "SUCCEEDED 12550 UAH")
		report = s.ask(t)
		same(t, "paid, asked", lines(report), "SUCCEEDED 12550 UAH")
		if f := report.Findings[0]; !f.PaidAt.Equal(began) || f.PSPPaymentID != "2119468018" || report.Unpaid {
			t.Errorf("%+v", report)
		}
	}
}

// O4: money of a shop that is not verified yet is not there; then it is.
func TestPayment_O4_WaitsAndIsPaid(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.visit(t, s.intent(t, "r1", "125.50"))
	for _, status := range []string{"processing", "wait_accept"} {
		if err := s.fake.Show(t.Context(), "r1", status); err != nil {
			t.Fatal(err)
		}
		if same(t, status, s.facts(), "PENDING"); s.ask(t).Unpaid {
			t.Errorf("%s is unpaid", status)
		}
	}
	if err := s.fake.Pay(t.Context(), "r1"); err != nil {
		t.Fatal(err)
	}
	same(t, "paid", s.facts(), "SUCCEEDED 12550 UAH")
	if err := s.fake.Refund(t.Context(), "r1", "125.5"); err != nil {
		t.Fatal(err)
	}
	same(t, "refunded in the cabinet", s.facts(), "SUCCEEDED 12550 UAH", "REFUNDED 12550 UAH")
}

func TestCapture_R3_AllAndAPart(t *testing.T) {
	t.Parallel()
	for take, want := range map[string]string{"125.50": "SUCCEEDED 12550 UAH", "100.00": "SUCCEEDED 10000 UAH"} {
		s := paidShop(t, true, nil)
		same(t, "held", s.facts(), "AUTHORIZED 12550 UAH")
		same(t, "held, asked", lines(s.ask(t)), "AUTHORIZED 12550 UAH")
		ref := psp.Ref{Ref: "r1"}
		report, err := s.Capture(t.Context(), psp.Capture{Ref: ref, Amount: amount(t, take), HeldMinor: 12550})
		if err != nil || !report.Proven {
			t.Fatal(report, err)
		}
		same(t, "captured", lines(report), want)
		same(t, "captured, told", s.facts(), want)
		same(t, "captured, asked", lines(s.ask(t)), want)
		_, err = s.Capture(t.Context(), psp.Capture{Ref: ref, Amount: amount(t, take), HeldMinor: 12550})
		if refused, ok := errors.AsType[*psp.RefusedError](err); !ok || refused.Failure != "the payment's state does not allow it" {
			t.Errorf("captured twice: %v", err)
		}
	}
}

func TestCapture_R3_MoreThanHeldIsRefused(t *testing.T) {
	t.Parallel()
	s := paidShop(t, true, nil)
	_, err := s.Capture(t.Context(), psp.Capture{Ref: psp.Ref{Ref: "r1"}, Amount: amount(t, "125.51"), HeldMinor: 12550})
	if refused, ok := errors.AsType[*psp.RefusedError](err); !ok || refused.Failure != "the amount is more than is held" {
		t.Errorf("%v", err)
	}
}

func TestVoid_O10_HoldIsReleased(t *testing.T) {
	t.Parallel()
	s := paidShop(t, true, nil)
	s.facts()
	report, err := s.Void(t.Context(), psp.Void{Ref: psp.Ref{Ref: "r1", PSPPaymentID: "2119468018"}, Held: amount(t, "125.50")})
	if err != nil || !report.Proven || len(report.Raw) == 0 {
		t.Fatal(report, err)
	}
	same(t, "voided", lines(report), "VOIDED 12550 UAH")
	same(t, "voided, told", s.facts(), "VOIDED 12550 UAH")
	same(t, "voided, asked", lines(s.ask(t)), "VOIDED 12550 UAH")
}

// R3: what went back after a capture is a refund, though the action is still "hold".
func TestRefund_R3_AfterCaptureIsNoVoid(t *testing.T) {
	t.Parallel()
	s := paidShop(t, true, nil)
	if _, err := s.Capture(t.Context(), psp.Capture{Ref: psp.Ref{Ref: "r1"}, Amount: amount(t, "100.00"), HeldMinor: 12550}); err != nil {
		t.Fatal(err)
	}
	s.facts()
	if _, err := s.Refund(t.Context(), psp.Refund{Ref: psp.Ref{Ref: "r1"}, Amount: amount(t, "100.00"), CapturedMinor: 10000}); err != nil {
		t.Fatal(err)
	}
	same(t, "refunded", s.facts(), "SUCCEEDED 10000 UAH", "REFUNDED 10000 UAH")
}

// R3, with both statuses that a partly refunded payment may have: the documents do not say which.
func TestRefund_R3_PartlyTwice(t *testing.T) {
	t.Parallel()
	for _, reverses := range []bool{false, true} {
		s := paidShop(t, false, func(a *liqpayfake.Account) { a.PartialReverses = reverses })
		s.facts()
		for _, want := range []string{"REFUNDED 2550 UAH", "REFUNDED 12550 UAH"} {
			back := map[string]string{"REFUNDED 2550 UAH": "25.50", "REFUNDED 12550 UAH": "100.00"}[want]
			done, err := s.Refund(t.Context(), psp.Refund{Ref: psp.Ref{Ref: "r1"}, RefundID: "ref_1", Amount: amount(t, back), CapturedMinor: 12550})
			if err != nil || !done.Done || len(done.Raw) == 0 {
				t.Fatal(done, err)
			}
			same(t, "told", s.facts(), "SUCCEEDED 12550 UAH", want)
			report := s.ask(t)
			same(t, "asked", lines(report), "SUCCEEDED 12550 UAH", want)
			if f := report.Findings; !f[0].PaidAt.IsZero() || !f[1].PaidAt.Equal(began) {
				t.Errorf("E2: end_date after a refund is no time of payment: %v", f)
			}
		}
		_, err := s.Refund(t.Context(), psp.Refund{Ref: psp.Ref{Ref: "r1"}, Amount: amount(t, "0.01"), CapturedMinor: 12550})
		if _, ok := errors.AsType[*psp.RefusedError](err); !ok {
			t.Errorf("refunded beyond the payment: %v", err)
		}
	}
}

func TestRefund_R2_FromFutureReceiptsIsNotDone(t *testing.T) {
	t.Parallel()
	s := paidShop(t, false, func(a *liqpayfake.Account) { a.RefundsWait = true })
	s.facts()
	done, err := s.Refund(t.Context(), psp.Refund{Ref: psp.Ref{Ref: "r1"}, Amount: amount(t, "25.50"), CapturedMinor: 12550})
	if err != nil || done.Done {
		t.Fatal(done, err)
	}
	same(t, "waiting", lines(s.ask(t)), "SUCCEEDED 12550 UAH")
	s.fake.PayRefunds(t.Context())
	same(t, "done", s.facts(), "SUCCEEDED 12550 UAH", "REFUNDED 2550 UAH")
}

func TestRequests_GoldenForEveryAction(t *testing.T) {
	t.Parallel()
	s := paidShop(t, true, nil)
	ref, part := psp.Ref{Ref: "r1"}, amount(t, "100.50")
	if _, err := s.Ask(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Capture(t.Context(), psp.Capture{Ref: ref, Amount: part, HeldMinor: 12550}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Refund(t.Context(), psp.Refund{Ref: ref, Amount: amount(t, "0.30"), CapturedMinor: 10050}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Void(t.Context(), psp.Void{Ref: ref, Held: amount(t, "100.20")}); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, fields := range s.fake.Requests()[1:] { // The first opened the payment.
		line := map[string]json.RawMessage{}
		for name, literal := range fields {
			line[name] = json.RawMessage(literal)
		}
		content, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(content, '\n'))
	}
	golden(t, "requests.txt", text.String())
}

func TestDeclare_TimesAndMoney(t *testing.T) {
	t.Parallel()
	d := openShop(t, nil).Declare()
	var all time.Duration
	for i, wait := range d.Schedule {
		if i > 0 && wait < d.Schedule[i-1] {
			t.Errorf("the schedule goes back at %v", wait)
		}
		all += wait
	}
	if d.Schedule[0] > 10*time.Second || all < 24*time.Hour || d.PaidAtExact || d.DeclineCloses || d.CannotAsk {
		t.Errorf("%+v", d)
	}
}
