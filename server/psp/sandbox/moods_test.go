package sandbox_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// ear is a merchant's callback address. It reads what comes with the plug and answers what the plug says.
type ear struct {
	url   string
	heard chan heard
}

type heard struct {
	callback psp.Callback
	report   psp.Report
	err      error
}

func (h *house) listen(tb testing.TB) *ear {
	tb.Helper()
	e := &ear{heard: make(chan heard, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			tb.Error(err)
		}
		callback := psp.Callback{Method: r.Method, Header: r.Header, Body: body}
		report, reply, err := h.plug.Read(r.Context(), callback)
		e.heard <- heard{callback, report, err}
		w.WriteHeader(reply.Status)
		_, _ = w.Write(reply.Body)
	}))
	tb.Cleanup(server.Close)
	e.url = server.URL + "/callbacks/psp/demo/secret"
	return e
}

func (e *ear) next(tb testing.TB) heard {
	tb.Helper()
	select {
	case h := <-e.heard:
		return h
	case <-time.After(patience):
		tb.Fatal("no callback comes")
		return heard{}
	}
}

// open starts a payment of 100 drams.
func (h *house) open(tb testing.TB, e *ear, hold bool) psp.Intent {
	tb.Helper()
	amount, err := money.New(10_000, "AMD")
	if err != nil {
		tb.Fatal(err)
	}
	intent := psp.Intent{
		Ref: "kvtest" + strings.ToLower(rand.Text()), Amount: amount, Hold: hold, Description: "Tea", Locale: "hy",
		SessionUntil: time.Now().Add(15 * time.Minute), ReturnURL: "https://pay.example.test/return", CallbackURL: e.url,
	}
	handoff, err := h.plug.Start(tb.Context(), intent)
	if err != nil {
		tb.Fatal(err)
	}
	if !strings.HasPrefix(handoff.URL, h.url+"/pay/") {
		tb.Fatalf("the way leads to %s", handoff.URL)
	}
	return intent
}

func (h *house) ask(tb testing.TB, ref string) psp.Report {
	tb.Helper()
	report, err := h.plug.Ask(tb.Context(), psp.Ref{Ref: ref})
	if err != nil {
		tb.Fatal(err)
	}
	return report
}

// numbers gives payments the numbers of their order in the lookup.
func (h *house) numbers(tb testing.TB, ref string) map[string]int {
	tb.Helper()
	_, body := h.try(tb, "/v1/payments/"+ref, nil)
	var session struct {
		Payments []struct {
			PaymentID string `json:"payment_id"`
		} `json:"payments"`
	}
	if err := json.Unmarshal(body, &session); err != nil {
		tb.Fatal(err)
	}
	numbers := map[string]int{}
	for i, p := range session.Payments {
		numbers[p.PaymentID] = i + 1
	}
	return numbers
}

// lines shows findings: "SUCCEEDED 10000 AMD #1".
func lines(report psp.Report, numbers map[string]int) []string {
	shown := []string{}
	for _, f := range report.Findings {
		line := fmt.Sprintf("%s %d %s #%d", f.Fact, f.AmountMinor, f.Currency, numbers[f.PSPPaymentID])
		if f.PayeeDiffers {
			line += " to another"
		}
		if f.Failure != "" {
			line += ": " + f.Failure
		}
		shown = append(shown, line)
	}
	return shown
}

func same(tb testing.TB, what string, got, want []string) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const (
	paid     = "SUCCEEDED 10000 AMD #1"
	declined = "DECLINED 0 AMD #1: not enough money on the card"
)

// moods says for each mood what callbacks report, one line each, and what a lookup finds then.
var moods = map[string]struct {
	more        []any
	told, found []string
	unpaid      bool
}{
	"pay":                {told: []string{paid}, found: []string{paid}},
	"return_post":        {told: []string{paid}, found: []string{paid}},
	"no_return":          {told: []string{paid}, found: []string{paid}},
	"decline":            {told: []string{declined}, found: []string{declined}, unpaid: true},
	"cancel":             {told: []string{"CLOSED 0 AMD #0"}, found: []string{"CLOSED 0  #0"}, unpaid: true},
	"decline_then_pay":   {told: []string{declined, "SUCCEEDED 10000 AMD #2"}, found: []string{declined, "SUCCEEDED 10000 AMD #2"}},
	"pay_twice":          {told: []string{paid, "SUCCEEDED 10000 AMD #2"}, found: []string{paid, "SUCCEEDED 10000 AMD #2"}},
	"pay_less":           {told: []string{"SUCCEEDED 9000 AMD #1"}, found: []string{"SUCCEEDED 9000 AMD #1"}},
	"pay_more":           {told: []string{"SUCCEEDED 11000 AMD #1"}, found: []string{"SUCCEEDED 11000 AMD #1"}},
	"pay_other_currency": {told: []string{"SUCCEEDED 10000 USD #1"}, found: []string{"SUCCEEDED 10000 USD #1"}},
	"pay_other_payee":    {told: []string{paid + " to another"}, found: []string{paid + " to another"}},
	"pay_after_expiry":   {told: []string{paid}, found: []string{paid}},
	"confirm_late":       {more: []any{"delay_ms", 3_600_000}, found: []string{"PENDING 0 AMD #1"}},
	"confirm_many": {
		told: []string{
			"SUCCEEDED 10000 AMD #2", "SUCCEEDED 10000 AMD #2", "PENDING 0 AMD #2", declined, "SUCCEEDED 10000 AMD #2",
		},
		found: []string{declined, "SUCCEEDED 10000 AMD #2"},
	},
	"contradict":      {told: []string{paid, "DECLINED 0 AMD #1: the payer's bank declined"}, found: []string{paid}},
	"never_confirm":   {found: []string{paid}},
	"wrong_signature": {told: []string{"forged"}, found: []string{paid}},
	"unknown_status": {
		told:  []string{`UNREADABLE 0 AMD #1: the status "under_review" is not known`},
		found: []string{`UNREADABLE 0 AMD #1: the status "under_review" is not known`},
	},
}

func TestMoods_O4_EachIsToldAndFoundAsItWent(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for name, mood := range moods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := h.listen(t)
			intent := h.open(t, e, false)
			h.act(t, intent.Ref, name, mood.more...)
			numbers := h.numbers(t, intent.Ref)
			told := []string{}
			for range mood.told {
				got := e.next(t)
				if errors.Is(got.err, psp.ErrForged) {
					told = append(told, "forged")
					continue
				}
				if got.err != nil || !got.report.Proven || got.report.Ref != intent.Ref {
					t.Errorf("a callback about %q, proven %v: %v", got.report.Ref, got.report.Proven, got.err)
				}
				told = append(told, lines(got.report, numbers)...)
			}
			same(t, "told", told, mood.told)
			report := h.ask(t, intent.Ref)
			same(t, "found", lines(report, numbers), mood.found)
			if report.Unpaid != mood.unpaid {
				t.Errorf("unpaid is %v", report.Unpaid)
			}
		})
	}
}

func TestMoods_NeverConfirmTellsNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	intent := h.open(t, h.listen(t), false)
	h.act(t, intent.Ref, "never_confirm")
	status, body := h.try(t, "/v1/payments/"+intent.Ref+"/act", map[string]any{"mood": "repeat_callback"})
	if status != http.StatusConflict || !strings.Contains(string(body), "nothing_told") {
		t.Errorf("there was a callback to repeat: %d %s", status, body)
	}
}

func TestMoods_E2_PaidAtIsHonest(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	intent := h.open(t, h.listen(t), false)
	h.act(t, intent.Ref, "pay_after_expiry")
	if got := h.ask(t, intent.Ref).Findings[0].PaidAt; !got.After(intent.SessionUntil) {
		t.Errorf("paid at %v, and the session ends at %v", got, intent.SessionUntil)
	}
	intent = h.open(t, h.listen(t), false)
	at := time.Date(2026, 11, 21, 8, 0, 0, 123_456_000, time.UTC)
	h.act(t, intent.Ref, "pay", "paid_at", at)
	if got := h.ask(t, intent.Ref).Findings[0].PaidAt; !got.Equal(at) {
		t.Errorf("paid at %v, want %v", got, at)
	}
}

func TestMoods_C6_ARepeatHasTheSameBytes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	e := h.listen(t)
	intent := h.open(t, e, false)
	h.act(t, intent.Ref, "pay")
	first := e.next(t)
	h.act(t, intent.Ref, "repeat_callback")
	if second := e.next(t); string(second.callback.Body) != string(first.callback.Body) {
		t.Errorf("first %s\nthen %s", first.callback.Body, second.callback.Body)
	}
}

func TestMoods_O7_APaidOrCanceledSessionTakesNoOrdinaryPayment(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	e := h.listen(t)
	for _, row := range []struct{ first, then, code string }{
		{"pay", "pay", "already_paid"},
		{"pay", "decline", "already_paid"},
		{"cancel", "pay", "closed"},
		{"cancel", "pay_after_expiry", ""},
		{"pay", "pay_twice", ""},
		{"decline", "pay", ""},
		{"pay", "nonsense", "invalid_request"},
	} {
		intent := h.open(t, e, false)
		h.act(t, intent.Ref, row.first)
		_, body := h.try(t, "/v1/payments/"+intent.Ref+"/act", map[string]any{"mood": row.then})
		var answer struct {
			Error struct {
				Code string `json:"code"`
			} `json:"error"`
		}
		if err := json.Unmarshal(body, &answer); err != nil || answer.Error.Code != row.code {
			t.Errorf("%s after %s: %s", row.then, row.first, body)
		}
	}
}

func TestCabinet_O10_MoneyGoesBackAndComesAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	e := h.listen(t)
	intent := h.open(t, e, false)
	h.act(t, intent.Ref, "pay")
	e.next(t)
	for _, step := range []struct {
		mood  string
		minor int64
		want  []string
	}{
		{"refund", 3_000, []string{paid, "REFUNDED 3000 AMD #1"}},
		{"chargeback", 5_000, []string{paid, "REFUNDED 3000 AMD #1", "CHARGED_BACK 5000 AMD #1"}},
		{"chargeback_reverse", 0, []string{paid, "REFUNDED 3000 AMD #1", "CHARGEBACK_REVERSED 0 AMD #1"}},
		{"refund", 0, []string{paid, "REFUNDED 10000 AMD #1", "CHARGEBACK_REVERSED 0 AMD #1"}},
	} {
		h.act(t, intent.Ref, step.mood, "amount_minor", step.minor)
		numbers := h.numbers(t, intent.Ref)
		same(t, step.mood+" told", lines(e.next(t).report, numbers), step.want)
		same(t, step.mood+" found", lines(h.ask(t, intent.Ref), numbers), step.want)
	}
	if status, _ := h.try(t, "/v1/payments/"+intent.Ref+"/act", map[string]any{"mood": "refund"}); status != http.StatusConflict {
		t.Errorf("a refund of nothing: %d", status)
	}
}

// troubles says for each way in which the API fails what the plug makes of it, and whether there was an effect.
var troubles = map[string]struct {
	outcome string
	effect  bool
}{
	"slow":        {"unknown", true},
	"slow_before": {"unknown", false},
	"error":       {"unknown", false},
	"error_after": {"unknown", true},
	"cut":         {"unknown", true},
	"cut_before":  {"unknown", false},
	"garbled":     {"unknown", true},
	"refuse":      {"refused", false},
}

func TestTroubles_I5_OnlyARefusalIsCertain(t *testing.T) {
	t.Parallel()
	for mood, want := range troubles {
		t.Run(mood, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			for operation, play := range h.operations(t, h.listen(t)) {
				ctx, cancel := context.WithCancel(t.Context())
				if strings.HasPrefix(mood, "slow") {
					cancel()
					ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
				}
				call, happened := play()
				h.trouble(t, operation, mood)
				if got := outcome(call(ctx)); got != want.outcome {
					t.Errorf("%s: the outcome is %s, want %s", operation, got, want.outcome)
				}
				cancel()
				if got := happened(); got != want.effect {
					t.Errorf("%s: the effect is %v, want %v", operation, got, want.effect)
				}
			}
		})
	}
}

// operations are the calls that move something: made ready, each gives the call and whether it had its effect.
func (h *house) operations(tb testing.TB, e *ear) map[string]func() (call func(context.Context) error, happened func() bool) {
	tb.Helper()
	finds := func(ref string, fact order.Fact) func() bool {
		return func() bool {
			return slices.ContainsFunc(h.ask(tb, ref).Findings, func(f psp.Finding) bool { return f.Fact == fact })
		}
	}
	ready := func(hold bool) (psp.Intent, psp.Ref) {
		intent := h.open(tb, e, hold)
		h.act(tb, intent.Ref, "pay")
		return intent, psp.Ref{Ref: intent.Ref}
	}
	return map[string]func() (func(context.Context) error, func() bool){
		"create": func() (func(context.Context) error, func() bool) {
			intent := h.open(tb, e, false)
			intent.Ref += "2"
			return func(ctx context.Context) error { _, err := h.plug.Start(ctx, intent); return err },
				func() bool { return h.sessions(tb, intent.Ref) > 0 }
		},
		"refund": func() (func(context.Context) error, func() bool) {
			intent, ref := ready(false)
			refund := psp.Refund{Ref: ref, RefundID: "ref_1", Amount: intent.Amount}
			return func(ctx context.Context) error { _, err := h.plug.Refund(ctx, refund); return err }, finds(ref.Ref, order.FactRefunded)
		},
		"capture": func() (func(context.Context) error, func() bool) {
			intent, ref := ready(true)
			capture := psp.Capture{Ref: ref, Amount: intent.Amount}
			return func(ctx context.Context) error { _, err := h.plug.Capture(ctx, capture); return err }, finds(ref.Ref, order.FactSucceeded)
		},
		"void": func() (func(context.Context) error, func() bool) {
			intent, ref := ready(true)
			return func(ctx context.Context) error {
				_, err := h.plug.Void(ctx, psp.Void{Ref: ref, Held: intent.Amount})
				return err
			}, finds(ref.Ref, order.FactVoided)
		},
	}
}

func outcome(err error) string {
	if _, refused := errors.AsType[*psp.RefusedError](err); refused {
		return "refused"
	}
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, psp.ErrNotAttempted):
		return "not attempted"
	}
	return "unknown"
}

func TestTroubles_R2_ARefundAfterALostAnswerIsOne(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	intent := h.open(t, h.listen(t), false)
	h.act(t, intent.Ref, "pay")
	part, err := money.New(4_000, "AMD")
	if err != nil {
		t.Fatal(err)
	}
	refund := psp.Refund{Ref: psp.Ref{Ref: intent.Ref}, RefundID: "ref_1", Amount: part}
	h.trouble(t, "refund", "cut")
	if _, err := h.plug.Refund(t.Context(), refund); outcome(err) != "unknown" {
		t.Errorf("a cut answer: %v", err)
	}
	if done, err := h.plug.Refund(t.Context(), refund); err != nil || !done.Done {
		t.Errorf("the same refund again: %+v %v", done, err)
	}
	same(t, "found", lines(h.ask(t, intent.Ref), h.numbers(t, intent.Ref)), []string{paid, "REFUNDED 4000 AMD #1"})
}

func TestTroubles_R1_ARefundThatIsDoneLater(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	e := h.listen(t)
	intent := h.open(t, e, false)
	h.act(t, intent.Ref, "pay")
	e.next(t)
	h.api(t, "/v1/moods", map[string]any{"operation": "refund", "mood": "later", "delay_ms": 200, "reference": intent.Ref})
	done, err := h.plug.Refund(t.Context(), psp.Refund{Ref: psp.Ref{Ref: intent.Ref}, RefundID: "ref_1", Amount: intent.Amount})
	if err != nil || done.Done || len(done.Raw) == 0 {
		t.Errorf("accepted is %+v %v", done, err)
	}
	same(t, "told", lines(e.next(t).report, h.numbers(t, intent.Ref)), []string{paid, "REFUNDED 10000 AMD #1"})
}

func TestTroubles_O7_ALookupThatDoesNotKnow(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	intent := h.open(t, h.listen(t), false)
	h.act(t, intent.Ref, "pay")
	h.trouble(t, "lookup", "unknown")
	if report := h.ask(t, intent.Ref); !report.Unpaid || len(report.Findings) != 0 || len(report.Raw) == 0 {
		t.Errorf("unknown is %+v", report)
	}
	h.trouble(t, "lookup", "error")
	if _, err := h.plug.Ask(t.Context(), psp.Ref{Ref: intent.Ref}); outcome(err) != "unknown" {
		t.Errorf("500 is %v", err)
	}
	if report := h.ask(t, intent.Ref); report.Unpaid || len(report.Findings) != 1 {
		t.Errorf("afterwards it is %+v", report)
	}
}

func TestTroubles_O9_AMarkerConfirmsBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	e := h.listen(t)
	intent := h.open(t, e, false)
	intent.Ref, intent.Description = intent.Ref+"2", "Tea [sandbox:confirm_first]"
	if _, err := h.plug.Start(t.Context(), intent); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-e.heard:
		same(t, "told", lines(got.report, h.numbers(t, intent.Ref)), []string{paid})
	default:
		t.Error("create answered before the callback")
	}
}

func TestHold_R3_CaptureAndVoid(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	e := h.listen(t)
	intent := h.open(t, e, true)
	ref := psp.Ref{Ref: intent.Ref}
	h.act(t, intent.Ref, "pay")
	numbers := h.numbers(t, intent.Ref)
	paidAt := h.ask(t, intent.Ref).Findings[0].PaidAt
	same(t, "held", lines(e.next(t).report, numbers), []string{"AUTHORIZED 10000 AMD #1"})
	part, err := money.New(4_000, "AMD")
	if err != nil {
		t.Fatal(err)
	}
	captured := []string{"AUTHORIZED 10000 AMD #1", "SUCCEEDED 4000 AMD #1"}
	for range 2 { // The same again changes nothing.
		report, err := h.plug.Capture(t.Context(), psp.Capture{Ref: ref, Amount: part, HeldMinor: 10_000})
		if err != nil || !report.Findings[1].PaidAt.Equal(paidAt) {
			t.Errorf("capture: %+v %v; paid at %v", report, err, paidAt)
		}
		same(t, "captured", lines(report, numbers), captured)
	}
	same(t, "told", lines(e.next(t).report, numbers), captured)
	if _, err := h.plug.Capture(t.Context(), psp.Capture{Ref: ref, Amount: intent.Amount}); outcome(err) != "refused" {
		t.Errorf("another capture: %v", err)
	}
	if _, err := h.plug.Void(t.Context(), psp.Void{Ref: ref, Held: intent.Amount}); outcome(err) != "refused" {
		t.Errorf("a void of captured money: %v", err)
	}
}

func outcomeOfRead(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, psp.ErrForged):
		return "forged"
	case errors.Is(err, psp.ErrUnreadable):
		return "unreadable"
	}
	return err.Error()
}
