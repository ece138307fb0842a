package sandbox_test

import (
	"bytes"
	"flag"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/psp/psptest"
	"github.com/kvitpay/kvit/server/psp/sandbox"
	"github.com/kvitpay/kvit/server/psp/sandbox/sandboxfake"
)

var update = flag.Bool("update", false, "write the golden files")

func TestSuite(t *testing.T) {
	t.Parallel()
	psptest.Run(t, harness())
}

func TestOpen_A1_NeverForLiveKeysAndOnlyWhole(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*psp.Settings){
		"never for live keys":           func(s *psp.Settings) { s.Test = false },
		"api_key is missing":            func(s *psp.Settings) { delete(s.Values, "api_key") },
		"signing_secret is missing":     func(s *psp.Settings) { s.Values["signing_secret"] = "" },
		"colour is not known":           func(s *psp.Settings) { s.Values["colour"] = "red" },
		"must be origins":               func(s *psp.Settings) { s.Values["url"] = "https://sandbox.example.com/api" },
		"page_url must be origins":      func(s *psp.Settings) { s.Values["page_url"] = "sandbox.example.com" },
		`currency "DRAM"`:               func(s *psp.Settings) { s.Currencies = []string{"DRAM"} },
		"account demo-sandbox: url and": func(s *psp.Settings) { s.Values["url"] = "http://user:" + apiKey + "@sandbox" },
	} {
		changed := settings("https://sandbox.example.com", nil)
		changed.Values = maps.Clone(changed.Values)
		change(&changed)
		_, err := sandbox.Open(changed)
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), apiKey) || strings.Contains(err.Error(), secret) {
			t.Errorf("want %q, got: %v", name, err)
		}
	}
}

func TestOpen_TakesEveryCurrencyUnlessNarrowed(t *testing.T) {
	t.Parallel()
	whole := settings("https://sandbox.example.com/", nil)
	whole.Currencies, whole.Values["page_url"] = nil, "https://pay.example.com"
	plug, err := sandbox.Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	declared := plug.Declare()
	if len(declared.Currencies) != len(money.Currencies()) || declared.Origins[0] != "https://pay.example.com" || !declared.Test {
		t.Errorf("declared is %+v", declared)
	}
	if narrow := openPlug(t, "https://sandbox.example.com", nil).Declare(); len(narrow.Currencies) != 6 {
		t.Errorf("declared are %v", narrow.Currencies)
	}
}

func TestStart_C3_ARefusedKeyIsARefusalAndNotShown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	wrong := settings(h.url, h.client)
	wrong.Values = maps.Clone(wrong.Values)
	wrong.Values["api_key"] = "another-key-of-the-tests"
	plug, err := sandbox.Open(wrong)
	if err != nil {
		t.Fatal(err)
	}
	_, err = plug.Ask(t.Context(), psp.Ref{Ref: "kvtest1"})
	if outcome(err) != "refused" || strings.Contains(err.Error(), "another-key") {
		t.Errorf("a wrong key is %v", err)
	}
}

// What there is under a reference cannot be what we asked for: certainly nothing is too much to say.
func TestStart_I5_OtherTermsUnderTheReferenceAreUnknown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	intent := h.open(t, h.listen(t), false)
	intent.Hold = true
	if _, err := h.plug.Start(t.Context(), intent); outcome(err) != "unknown" {
		t.Errorf("other terms are %v", err)
	}
}

func TestStart_O7_ASessionThatIsOverBeforeItBeginsIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	intent := h.open(t, h.listen(t), false)
	intent.Ref, intent.SessionUntil = intent.Ref+"2", time.Now().Add(-time.Second)
	if _, err := h.plug.Start(t.Context(), intent); outcome(err) != "refused" || h.sessions(t, intent.Ref) != 0 {
		t.Errorf("a session in the past is %v", err)
	}
}

func TestRequests_Golden(t *testing.T) {
	t.Parallel()
	var sent bytes.Buffer
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		sent.WriteString(r.Method + " " + r.URL.EscapedPath() + "\nAuthorization: " + r.Header.Get("Authorization") +
			"\nContent-Type: " + r.Header.Get("Content-Type") + "\n" + string(body) + "\n\n")
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(server.Close)
	plug := openPlug(t, server.URL, server.Client())
	amount, err := money.New(12_550, "UAH")
	if err != nil {
		t.Fatal(err)
	}
	ref := psp.Ref{Ref: "kv0a9z04000000000000680000000004", PSPPaymentID: "sbx_1"}
	ctx := t.Context()
	_, start := plug.Start(ctx, psp.Intent{
		Ref: ref.Ref, Amount: amount, Hold: true, Description: "Чай & кава", Locale: "uk",
		SessionUntil: time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("", 7200)),
		ReturnURL:    "https://pay.example.com/pay/t/return/1", CallbackURL: "https://pay.example.com/callbacks/psp/a/s",
	})
	_, ask := plug.Ask(ctx, ref)
	_, refund := plug.Refund(ctx, psp.Refund{Ref: ref, RefundID: "ref_1", Amount: amount, CapturedMinor: 12_550})
	_, capture := plug.Capture(ctx, psp.Capture{Ref: ref, Amount: amount, HeldMinor: 12_550})
	_, void := plug.Void(ctx, psp.Void{Ref: ref, Held: amount})
	for i, err := range []error{start, ask, refund, capture, void} {
		if outcome(err) != "unknown" {
			t.Errorf("call %d, answered with 500, is %v", i, err)
		}
	}
	golden(t, "testdata/requests.golden", sent.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s says:\n%s\nnow it is:\n%s", name, want, got)
	}
}

// FuzzRead looks for a body that is believed without a signature, or that a good signature turns into nonsense.
func FuzzRead(f *testing.F) {
	for _, body := range []string{
		`{"event_id":"evt_1","sequence":1,"reference":"kv1","payment_id":"sbx_1","payee":"tea-house","status":"paid","currency":"AMD","captured_minor":10000,"paid_at":"2026-11-21T08:00:00Z"}`,
		`{"reference":"kv1","status":"refunded","captured_minor":1e3}`, `{"reference":"kv1","captured_minor":1.5}`,
		`{"reference":""}`, `{}`, `[]`, `null`, ``, `{"reference":"kv1","status":"\u0000"}`,
	} {
		f.Add([]byte(body), "1790000000")
	}
	plug := openPlug(f, "https://sandbox.example.com", nil)
	f.Fuzz(func(t *testing.T, body []byte, timestamp string) {
		callback := psp.Callback{Method: http.MethodPost, Body: body, Header: map[string][]string{
			"Sandbox-Timestamp": {timestamp}, "Sandbox-Signature": {strings.Repeat("00", 32)},
		}}
		if report, _, err := plug.Read(t.Context(), callback); outcomeOfRead(err) != "forged" || report.Proven {
			t.Fatalf("without a signature: %+v %v", report, err)
		}
		report, reply, err := plug.Read(t.Context(), resign(callback, body))
		switch outcomeOfRead(err) {
		case "forged":
			if timestamp != "" && len(timestamp) <= 20 && len(body) <= psp.BodyMax {
				t.Fatal("a good signature is wrong")
			}
		case "unreadable":
			if report.Ref != "" || reply.Status != http.StatusOK {
				t.Fatalf("unreadable is %+v, answered with %d", report, reply.Status)
			}
		case "ok":
			if report.Ref == "" || !report.Proven || len(report.Findings) == 0 || reply.Status != http.StatusOK {
				t.Fatalf("read is %+v, answered with %d", report, reply.Status)
			}
		default:
			t.Fatalf("another error: %v", err)
		}
	})
}

// Old timestamps are good: a stored callback replays (C6).
func TestRead_C6_AnOldTimestampIsGood(t *testing.T) {
	t.Parallel()
	plug := openPlug(t, "https://sandbox.example.com", nil)
	body := []byte(`{"reference":"kv1","payment_id":"sbx_1","payee":"tea-house","status":"paid","currency":"AMD","captured_minor":5}`)
	old := psp.Callback{Header: map[string][]string{"Sandbox-Timestamp": {"1000000000"}, "Sandbox-Signature": {""}}}
	report, _, err := plug.Read(t.Context(), resign(old, body))
	if err != nil || report.Findings[0].AmountMinor != 5 {
		t.Errorf("read is %+v %v", report, err)
	}
}

// The vector is what openssl dgst -sha256 -hmac sbx-signing-secret-of-the-tests makes of
// 1790000000.{"reference":"kv1"}.
func TestSign_C3_TheVectorOfTheDocument(t *testing.T) {
	t.Parallel()
	const want = "5c4dd859fa867202008f1153950101e120827fb1652fd2cfa4f47afb365fc8e3"
	if got := sandboxfake.Sign(secret, "1790000000", []byte(`{"reference":"kv1"}`)); got != want {
		t.Errorf("the sandbox signs %s", got)
	}
	plug := openPlug(t, "https://sandbox.example.com", nil)
	report, _, err := plug.Read(t.Context(), psp.Callback{
		Body:   []byte(`{"reference":"kv1"}`),
		Header: map[string][]string{"Sandbox-Timestamp": {"1790000000"}, "Sandbox-Signature": {want}},
	})
	if err != nil || report.Ref != "kv1" {
		t.Errorf("the plug reads %+v %v", report, err)
	}
}
