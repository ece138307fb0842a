package psp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/telemetry"
)

const secret = `k3y/with "all"+kinds`

// plug is a provider whose methods are what a test makes them.
type plug struct {
	declaration psp.Declaration
	start       func(context.Context, psp.Intent) (psp.Handoff, error)
	read        func(psp.Callback) (psp.Report, psp.Reply, error)
	ask         func(context.Context, psp.Ref) (psp.Report, error)
}

func (p *plug) Declare() psp.Declaration { return p.declaration }

func (p *plug) Start(ctx context.Context, intent psp.Intent) (psp.Handoff, error) {
	return p.start(ctx, intent)
}

func (p *plug) Read(_ context.Context, callback psp.Callback) (psp.Report, psp.Reply, error) {
	return p.read(callback)
}

func (p *plug) Ask(ctx context.Context, ref psp.Ref) (psp.Report, error) { return p.ask(ctx, ref) }

// ablePlug can do everything.
type ablePlug struct {
	*plug
	err error
}

func (p ablePlug) Refund(context.Context, psp.Refund) (psp.Refunded, error) {
	return psp.Refunded{Done: true}, p.err
}

func (p ablePlug) Capture(_ context.Context, c psp.Capture) (psp.Report, error) {
	return psp.Report{Ref: c.Ref.Ref}, p.err
}

func (p ablePlug) Void(_ context.Context, v psp.Void) (psp.Report, error) {
	return psp.Report{Ref: v.Ref.Ref}, p.err
}

func declaration() psp.Declaration {
	return psp.Declaration{
		Kind: "kind", Name: "Name", Dialect: psp.DecimalText, Currencies: []string{"UAH", "AMD"},
		GrainMinor: map[string]int64{"AMD": 100}, RefLengthMax: 64, SessionMax: time.Hour,
		Schedule: []time.Duration{time.Second}, Origins: []string{"https://psp.example"},
	}
}

// heard is everything that an account tells.
type heard struct {
	log       bytes.Buffer
	calls     []string
	callbacks []string
	spans     *tracetest.InMemoryExporter
}

func (h *heard) all() string {
	return fmt.Sprint(h.log.String(), h.calls, h.callbacks, h.spans.GetSpans())
}

func account(t *testing.T, provider psp.Provider) (*psp.Account, *heard) {
	t.Helper()
	h := &heard{spans: tracetest.NewInMemoryExporter()}
	a, err := psp.NewAccount(provider, psp.Options{
		ID: "acc-1", Merchant: "shop", Live: true, Deadline: time.Second, Secrets: []string{secret, "", "abc"},
		Logger: slog.New(slog.NewTextHandler(&h.log, nil)), Now: func() time.Time { return time.Unix(0, 0) },
		Tracer: sdktrace.NewTracerProvider(sdktrace.WithSyncer(h.spans)).Tracer("test"),
		Observer: psp.Observer{
			Called: func(account, method, outcome string, _ time.Duration) {
				h.calls = append(h.calls, account+" "+method+" "+outcome)
			},
			Callback: func(account, outcome string) { h.callbacks = append(h.callbacks, account+" "+outcome) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a, h
}

func intent(t *testing.T, minor int64, code string) psp.Intent {
	t.Helper()
	amount, err := money.New(minor, code)
	if err != nil {
		t.Fatal(err)
	}
	return psp.Intent{Ref: "kvit00abc", Amount: amount, Description: "tea"}
}

func startWith(err error) *plug {
	return &plug{declaration: declaration(), start: func(context.Context, psp.Intent) (psp.Handoff, error) {
		return psp.Handoff{URL: "https://psp.example/pay?x=1"}, err
	}}
}

func TestAccount_I5_ErrorsSayWhatIsKnown(t *testing.T) {
	t.Parallel()
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for name, c := range map[string]struct {
		err  error
		want psp.Outcome
		is   error
	}{
		"nothing":           {nil, psp.OutcomeOK, nil},
		"not attempted":     {fmt.Errorf("call: %w", psp.ErrNotAttempted), psp.OutcomeNotAttempted, psp.ErrNotAttempted},
		"dial":              {&url.Error{Op: "Post", Err: dial}, psp.OutcomeNotAttempted, psp.ErrNotAttempted},
		"proxy":             {&net.OpError{Op: "proxyconnect", Err: dial}, psp.OutcomeNotAttempted, psp.ErrNotAttempted},
		"name":              {&url.Error{Op: "Post", Err: &net.DNSError{Name: "psp"}}, psp.OutcomeNotAttempted, psp.ErrNotAttempted},
		"cut":               {&url.Error{Op: "Post", Err: &net.OpError{Op: "read", Err: errors.New("reset")}}, psp.OutcomeUnknown, nil},
		"anything":          {errors.New("status 500"), psp.OutcomeUnknown, nil},
		"handoff lost":      {psp.ErrHandoffLost, psp.OutcomeHandoffLost, psp.ErrHandoffLost},
		"refused":           {fmt.Errorf("x: %w", &psp.RefusedError{Failure: "limit"}), psp.OutcomeRefused, nil},
		"deadline of plugs": {context.DeadlineExceeded, psp.OutcomeUnknown, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, h := account(t, startWith(c.err))
			handoff, err := a.Start(t.Context(), intent(t, 100, "UAH"))
			if psp.OutcomeOf(err) != c.want || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if c.want != psp.OutcomeNotAttempted && errors.Is(err, psp.ErrNotAttempted) {
				t.Errorf("believed not attempted: %v", err)
			}
			if refused, ok := errors.AsType[*psp.RefusedError](err); ok != (c.want == psp.OutcomeRefused) || ok && refused.Failure != "limit" {
				t.Errorf("refused is %v", refused)
			}
			if (handoff.URL == "") == (err == nil) {
				t.Errorf("handoff %v with error %v", handoff, err)
			}
			if want := []string{"acc-1 start " + string(c.want)}; !slices.Equal(h.calls, want) {
				t.Errorf("counted %v, want %v", h.calls, want)
			}
			if strings.Count(h.log.String(), "\n") != 1 || !strings.Contains(h.log.String(), "psp_outcome="+string(c.want)) ||
				!strings.Contains(h.log.String(), "psp_reference=kvit00abc") {
				t.Errorf("logged %s", h.log.String())
			}
			if spans := h.spans.GetSpans(); len(spans) != 1 || spans[0].Name != "psp.start" {
				t.Errorf("spans %v", spans)
			}
		})
	}
}

// A dial that fails after a request was sent, after a redirect say, proves nothing.
func TestAccount_I5_DialAfterARequestWasSentIsUnknown(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	redirects := httptest.NewServer(http.RedirectHandler(gone.URL, http.StatusTemporaryRedirect))
	t.Cleanup(redirects.Close)
	for address, want := range map[string]psp.Outcome{
		gone.URL: psp.OutcomeNotAttempted, redirects.URL: psp.OutcomeUnknown,
	} {
		p := startWith(nil)
		p.start = func(ctx context.Context, _ psp.Intent) (psp.Handoff, error) {
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader("x"))
			if err != nil {
				return psp.Handoff{}, err
			}
			response, err := redirects.Client().Do(request)
			if err == nil {
				_ = response.Body.Close()
			}
			return psp.Handoff{}, err
		}
		a, _ := account(t, p)
		if _, err := a.Start(t.Context(), intent(t, 1, "UAH")); psp.OutcomeOf(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestAccount_I5_ContextOverBeforeIsNotAttemptedAndOnTheWayUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		called := false
		p := startWith(nil)
		p.start = func(ctx context.Context, _ psp.Intent) (psp.Handoff, error) {
			called = true
			<-ctx.Done()
			return psp.Handoff{}, fmt.Errorf("%w: %w", psp.ErrNotAttempted, ctx.Err())
		}
		a, _ := account(t, p)
		began := time.Now()
		_, err := a.Start(t.Context(), intent(t, 1, "UAH"))
		if psp.OutcomeOf(err) != psp.OutcomeUnknown || errors.Is(err, psp.ErrNotAttempted) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("the deadline came after %v", took)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		called = false
		_, err = a.Start(over, intent(t, 1, "UAH"))
		if called || !errors.Is(err, psp.ErrNotAttempted) || !errors.Is(err, context.Canceled) {
			t.Errorf("called %v: %v", called, err)
		}
	})
}

func TestAccount_APanicOfAPlugIsAnErrorWithAnID(t *testing.T) {
	t.Parallel()
	p := startWith(nil)
	p.start = func(context.Context, psp.Intent) (psp.Handoff, error) { panic("no " + secret) }
	p.read = func(psp.Callback) (psp.Report, psp.Reply, error) { panic("no " + secret) }
	a, h := account(t, p)
	_, err := a.Start(t.Context(), intent(t, 1, "UAH"))
	_, reply, readErr := a.Read(t.Context(), psp.Callback{})
	if reply.Status != http.StatusServiceUnavailable {
		t.Errorf("C1: the callback is answered with %d", reply.Status)
	}
	for _, err := range []error{err, readErr} {
		call, ok := errors.AsType[*psp.CallError](err)
		if !ok || call.Outcome != psp.OutcomeUnknown || call.ID == "" || !strings.Contains(h.log.String(), "error_id="+call.ID) {
			t.Errorf("got %v, logged %s", err, h.log.String())
		}
	}
	if strings.Contains(h.all(), "with \"all\"") || !strings.Contains(h.log.String(), "stack=") {
		t.Errorf("logged %s", h.log.String())
	}
}

func TestAccount_SecretsDoNotTravelInErrorsLogsAndSpans(t *testing.T) {
	t.Parallel()
	query := url.QueryEscape(secret)
	encoded := base64.StdEncoding.EncodeToString([]byte(secret))
	leak := errors.New("call https://psp.example/?key=" + query + " with " + secret + " and " + encoded + fmt.Sprintf("%q", secret))
	a, h := account(t, ablePlug{startWith(leak), leak})
	p := startWith(nil)
	p.ask = func(context.Context, psp.Ref) (psp.Report, error) { return psp.Report{}, leak }
	p.read = func(psp.Callback) (psp.Report, psp.Reply, error) {
		return psp.Report{Ref: secret, Findings: []psp.Finding{{Fact: order.FactDeclined, Failure: secret}}}, psp.Reply{}, nil
	}
	b, h2 := account(t, p)
	_, e1 := a.Start(t.Context(), intent(t, 1, "UAH"))
	_, e2 := a.Refund(t.Context(), psp.Refund{})
	_, e3 := b.Ask(t.Context(), psp.Ref{Ref: secret})
	refused := ablePlug{startWith(nil), &psp.RefusedError{Failure: secret}}
	c, h3 := account(t, refused)
	_, e4 := c.Void(t.Context(), psp.Void{})
	report, _, _ := b.Read(t.Context(), psp.Callback{})
	var failure *psp.RefusedError
	if !errors.As(e4, &failure) {
		t.Fatal(e4)
	}
	for _, text := range []string{
		h.all(), h2.all(), h3.all(), e1.Error(), e2.Error(), e3.Error(), e4.Error(), failure.Failure, report.Findings[0].Failure,
	} {
		for _, form := range []string{secret, query, encoded, `\"all\"`} {
			if strings.Contains(text, form) {
				t.Errorf("%s stands in %s", form, text)
			}
		}
		if !strings.Contains(text, "[redacted]") {
			t.Errorf("nothing was taken out of %s", text)
		}
	}
	if errors.Is(e1, leak) {
		t.Error("the plug's own error travels on")
	}
}

func TestAccount_L2_AHandoffGoesToADeclaredOrigin(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"https://psp.example/pay": true, "https://psp.example": true, "HTTPS://PSP.example:443/pay": true, "http://psp.example/pay": false,
		"https://psp.example.evil/pay": false, "https://psp.example@evil/pay": false, "https://psp.example:444/": false,
		"javascript:alert(1)": false, "//psp.example/pay": false, "": false, "https://psp.example/%zz": false,
	} {
		p := startWith(nil)
		p.start = func(context.Context, psp.Intent) (psp.Handoff, error) { return psp.Handoff{URL: address}, nil }
		a, _ := account(t, p)
		_, err := a.Start(t.Context(), intent(t, 1, "UAH"))
		if (err == nil) != ok || !ok && psp.OutcomeOf(err) != psp.OutcomeUnknown {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestAccount_M2_WhatTheAccountDoesNotTakeIsNotAttempted(t *testing.T) {
	t.Parallel()
	grain, foreign, none := intent(t, 150, "AMD"), intent(t, 100, "EUR"), intent(t, 0, "UAH")
	hold, long := intent(t, 1, "UAH"), intent(t, 1, "UAH")
	hold.Hold, long.Ref = true, strings.Repeat("a", 65)
	for name, c := range map[string]struct {
		intent psp.Intent
		want   fault.Reason
	}{
		"grain": {grain, fault.ReasonAmountGrain}, "currency": {foreign, fault.ReasonCurrencyUnsupported},
		"zero": {none, fault.ReasonInternal}, "hold": {hold, fault.ReasonInternal}, "reference": {long, fault.ReasonInternal},
	} {
		p := startWith(nil)
		p.start = func(context.Context, psp.Intent) (psp.Handoff, error) {
			t.Errorf("%s: the plug was called", name)
			return psp.Handoff{}, nil
		}
		a, _ := account(t, p)
		_, err := a.Start(t.Context(), c.intent)
		if !errors.Is(err, psp.ErrNotAttempted) || !fault.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAccount_R3_AbilitiesAreFoundOnce(t *testing.T) {
	t.Parallel()
	able, _ := account(t, ablePlug{startWith(nil), nil})
	if !able.CanRefund() || !able.CanCapture() || !able.CanVoid() {
		t.Error("an ability is not found")
	}
	refunded, err := able.Refund(t.Context(), psp.Refund{})
	if err != nil || !refunded.Done {
		t.Errorf("%+v %v", refunded, err)
	}
	captured, err := able.Capture(t.Context(), psp.Capture{Ref: psp.Ref{Ref: "r"}})
	if err != nil || captured.Ref != "r" || !captured.Proven {
		t.Errorf("%+v %v", captured, err)
	}
	if voided, err := able.Void(t.Context(), psp.Void{Ref: psp.Ref{Ref: "r"}}); err != nil || !voided.Proven {
		t.Errorf("%+v %v", voided, err)
	}
	plain, _ := account(t, startWith(nil))
	if plain.CanRefund() || plain.CanCapture() || plain.CanVoid() {
		t.Error("an ability is made up")
	}
	_, e1 := plain.Refund(t.Context(), psp.Refund{})
	_, e2 := plain.Capture(t.Context(), psp.Capture{})
	_, e3 := plain.Void(t.Context(), psp.Void{})
	for reason, errs := range map[fault.Reason][]error{
		fault.ReasonRefundUnsupported: {e1}, fault.ReasonCaptureUnsupported: {e2, e3},
	} {
		for _, err := range errs {
			if !fault.Is(err, reason) || !errors.Is(err, psp.ErrNotAttempted) {
				t.Errorf("got %v, want %s", err, reason)
			}
		}
	}
}

func TestAccount_C5_FindingsThatCannotBeTrueAreUnreadable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		finding psp.Finding
		want    order.Fact
	}{
		"paid":              {psp.Finding{Fact: order.FactSucceeded, AmountMinor: 1, Currency: "UAH"}, order.FactSucceeded},
		"without currency":  {psp.Finding{Fact: order.FactSucceeded, AmountMinor: 1}, order.FactUnreadable},
		"held without":      {psp.Finding{Fact: order.FactAuthorized, AmountMinor: 1}, order.FactUnreadable},
		"below zero":        {psp.Finding{Fact: order.FactRefunded, AmountMinor: -1, Currency: "UAH"}, order.FactUnreadable},
		"unknown":           {psp.Finding{Fact: "PAID"}, order.FactUnreadable},
		"declined":          {psp.Finding{Fact: order.FactDeclined, Failure: "limit"}, order.FactDeclined},
		"already not known": {psp.Finding{Fact: order.FactUnreadable, Failure: "status x"}, order.FactUnreadable},
	} {
		p := startWith(nil)
		p.ask = func(context.Context, psp.Ref) (psp.Report, error) {
			return psp.Report{Findings: []psp.Finding{c.finding}, Unpaid: true}, nil
		}
		p.read = func(psp.Callback) (psp.Report, psp.Reply, error) {
			return psp.Report{Findings: []psp.Finding{c.finding}, Unpaid: true}, psp.Reply{}, nil
		}
		a, h := account(t, p)
		asked, err := a.Ask(t.Context(), psp.Ref{Ref: "r"})
		if err != nil || asked.Findings[0].Fact != c.want || !asked.Proven || asked.Ref != "r" {
			t.Errorf("%s: %+v %v", name, asked, err)
		}
		if asked.Unpaid != (c.want == order.FactDeclined) {
			t.Errorf("O7 %s: unpaid is %v", name, asked.Unpaid)
		}
		read, reply, err := a.Read(t.Context(), psp.Callback{})
		if err != nil || read.Findings[0].Fact != c.want || read.Proven || read.Unpaid || reply.Status != http.StatusOK {
			t.Errorf("%s: %+v %+v %v", name, read, reply, err)
		}
		if !slices.Equal(h.callbacks, []string{"acc-1 ok"}) || !slices.Equal(h.calls, []string{"acc-1 ask ok"}) {
			t.Errorf("%s: counted %v and %v", name, h.calls, h.callbacks)
		}
	}
}

func TestAccount_O7_AnAnswerAboutAnotherPaymentIsNone(t *testing.T) {
	t.Parallel()
	p := startWith(nil)
	p.ask = func(context.Context, psp.Ref) (psp.Report, error) { return psp.Report{Ref: "other", Unpaid: true}, nil }
	a, _ := account(t, p)
	report, err := a.Ask(t.Context(), psp.Ref{Ref: "mine"})
	if psp.OutcomeOf(err) != psp.OutcomeUnknown || report.Unpaid {
		t.Errorf("%+v %v", report, err)
	}
}

func TestAccount_C3_ALongBodyIsNotRead(t *testing.T) {
	t.Parallel()
	p, reads := startWith(nil), 0
	p.read = func(psp.Callback) (psp.Report, psp.Reply, error) {
		reads++
		return psp.Report{}, psp.Reply{}, nil
	}
	a, h := account(t, p)
	_, _, err := a.Read(t.Context(), psp.Callback{Body: make([]byte, psp.BodyMax)})
	if err != nil || reads != 1 {
		t.Errorf("%v, read %d times", err, reads)
	}
	_, reply, err := a.Read(t.Context(), psp.Callback{Body: make([]byte, psp.BodyMax+1)})
	if !errors.Is(err, psp.ErrUnreadable) || reply.Status != http.StatusRequestEntityTooLarge || reads != 1 {
		t.Errorf("%v %+v, read %d times", err, reply, reads)
	}
	if !slices.Equal(h.callbacks, []string{"acc-1 ok", "acc-1 unreadable"}) || h.calls != nil {
		t.Errorf("counted %v and %v", h.callbacks, h.calls)
	}
}

func TestAccount_C1_AForgedCallbackHasNoReportAndThePlugsReply(t *testing.T) {
	t.Parallel()
	for _, sentinel := range []error{psp.ErrForged, psp.ErrUnreadable} {
		p := startWith(nil)
		p.read = func(psp.Callback) (psp.Report, psp.Reply, error) {
			return psp.Report{Ref: "r", Proven: true}, psp.Reply{Status: 418, Body: []byte("no")}, fmt.Errorf("x: %w", sentinel)
		}
		a, _ := account(t, p)
		report, reply, err := a.Read(t.Context(), psp.Callback{})
		if !errors.Is(err, sentinel) || report.Proven || report.Ref != "" || reply.Status != 418 || string(reply.Body) != "no" {
			t.Errorf("%+v %+v %v", report, reply, err)
		}
	}
	p := startWith(nil)
	p.declaration.Away = psp.Reply{Status: 502}
	p.read = func(psp.Callback) (psp.Report, psp.Reply, error) { return psp.Report{}, psp.Reply{}, errors.New("odd") }
	a, _ := account(t, p)
	if _, reply, err := a.Read(t.Context(), psp.Callback{}); reply.Status != 502 || psp.OutcomeOf(err) != psp.OutcomeUnknown {
		t.Errorf("%+v %v", reply, err)
	}
}

func TestAccount_AddsToTheEventThatIsOpen(t *testing.T) {
	t.Parallel()
	a, h := account(t, startWith(nil))
	ctx, event := telemetry.WithEvent(t.Context())
	if _, err := a.Start(ctx, intent(t, 1, "UAH")); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, attr := range event.Close() {
		got[attr.Key] = attr.Value.String()
	}
	want := map[string]string{
		"psp_account": "acc-1", "psp_kind": "kind", "psp_method": "start", "psp_outcome": "ok",
		"psp_took": "0s", "psp_reference": "kvit00abc",
	}
	if !maps.Equal(got, want) || h.log.Len() != 0 {
		t.Errorf("event %v, line %s", got, h.log.String())
	}
}

func TestNewAccount_ABrokenDeclarationIsRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(d *psp.Declaration){
		"no name":        func(d *psp.Declaration) { d.Name = "" },
		"test and live":  func(d *psp.Declaration) { d.Test = true },
		"dialect":        func(d *psp.Declaration) { d.Dialect = "FLOAT" },
		"no currency":    func(d *psp.Declaration) { d.Currencies, d.GrainMinor = nil, nil },
		"currency":       func(d *psp.Declaration) { d.Currencies = append(d.Currencies, "XXQ") },
		"grain":          func(d *psp.Declaration) { d.GrainMinor["AMD"] = 0 },
		"grain of none":  func(d *psp.Declaration) { d.GrainMinor["JPY"] = 1 },
		"short refs":     func(d *psp.Declaration) { d.RefLengthMax = 31 },
		"number refs":    func(d *psp.Declaration) { d.RefAlphabet = "0123456789" },
		"session":        func(d *psp.Declaration) { d.SessionMax = 0 },
		"grace":          func(d *psp.Declaration) { d.Grace = -1 },
		"no schedule":    func(d *psp.Declaration) { d.Schedule = nil },
		"schedule":       func(d *psp.Declaration) { d.Schedule = []time.Duration{0} },
		"no origin":      func(d *psp.Declaration) { d.Origins = nil },
		"plain origin":   func(d *psp.Declaration) { d.Origins[0] = "http://psp.example" },
		"origin + path":  func(d *psp.Declaration) { d.Origins[0] = "https://psp.example/" },
		"origin + CSP":   func(d *psp.Declaration) { d.Origins[0] = "https://*.example" },
		"origin + port":  func(d *psp.Declaration) { d.Origins[0] = "https://psp.example:443" },
		"origin + upper": func(d *psp.Declaration) { d.Origins[0] = "https://PSP.example" },
		"away":           func(d *psp.Declaration) { d.Away.Status = 42 },
	} {
		p := startWith(nil)
		spoil(&p.declaration)
		if a, err := psp.NewAccount(p, psp.Options{ID: "a", Live: true, Now: time.Now}); err == nil || a != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := startWith(nil)
	p.declaration.Origins = []string{"http://127.0.0.1:8080", "http://[::1]:1"}
	a, err := psp.NewAccount(p, psp.Options{ID: "a", Merchant: "m", Live: true, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if a.ID() != "a" || a.Merchant() != "m" || !a.Live() || a.Name() != "Name" || a.Declaration().Kind != "kind" || a.Away().Status != 503 {
		t.Errorf("got %+v", a)
	}
	named, err := psp.NewAccount(p, psp.Options{ID: "a", Live: true, Name: "Cards", Now: time.Now})
	if err != nil || named.Name() != "Cards" {
		t.Errorf("%v %v", named, err)
	}
	if _, err := psp.NewAccount(p, psp.Options{ID: "a", Live: true}); err == nil {
		t.Error("an account without a clock")
	}
	if _, err := psp.NewAccount(p, psp.Options{ID: "a", Now: time.Now}); err == nil {
		t.Error("A1: money moves at an account for tests")
	}
}
