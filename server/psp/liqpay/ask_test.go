package liqpay_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/psp/liqpay"
	"github.com/kvitpay/kvit/server/psp/liqpay/liqpayfake"
)

func TestAsk_O7_UnknownPaymentIsUnpaid(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	report := s.ask(t)
	if !report.Unpaid || len(report.Findings) != 0 {
		t.Errorf("%+v", report)
	}
}

// O6: what is not an answer about this payment is no knowledge of it.
func TestAsk_O6_OtherAnswersAreErrors(t *testing.T) {
	t.Parallel()
	s := paidShop(t, false, nil)
	for _, code := range []string{"invalid_signature", "err_auth", "err_api_ip", "payment_err_status", "wait_info", "x<y"} {
		s.fake.Fail(code)
		if report, err := s.Ask(t.Context(), psp.Ref{Ref: "r1"}); err == nil {
			t.Errorf("%s: %+v", code, report)
		}
	}
	for name, literal := range map[string]string{"order_id": `"r2"`, "order_id ": ``} {
		s.fake.Lie(map[string]string{strings.TrimSpace(name): literal})
		if report, err := s.Ask(t.Context(), psp.Ref{Ref: "r1"}); err == nil {
			t.Errorf("order_id %s: %+v", literal, report)
		}
	}
	s.fake.Lie(map[string]string{"public_key": `"sandbox_i2"`, "result": `"error"`})
	same(t, "M4 holds for answers too", lines(s.ask(t)), "SUCCEEDED 12550 UAH of another payee")
	s.fake.Lie(map[string]string{"status": `"quantum_leap"`})
	report := s.ask(t)
	if report.Unpaid {
		t.Error("an unknown status is unpaid")
	}
	same(t, "an unknown status", lines(report), "UNREADABLE: a status that is not known")
}

// A declined payment with an error code is a payment, though its status is "error".
func TestAsk_O4_DeclinedWithStatusErrorIsNoFailedQuestion(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	s.visit(t, s.intent(t, "r1", "125.50"))
	if err := s.fake.Charge(t.Context(), "r1", liqpayfake.CardLimit); err != nil {
		t.Fatal(err)
	}
	s.fake.Lie(map[string]string{"status": `"error"`, "result": `"error"`})
	report := s.ask(t)
	if same(t, "declined", lines(report), "DECLINED: a limit on amounts or payments was reached"); !report.Unpaid {
		t.Error("a declined payment is not unpaid")
	}
}

// J5: the answer is kept byte for byte, for the store to seal; it has no card number.
func TestAsk_J5_RawIsTheAnswer(t *testing.T) {
	t.Parallel()
	s := paidShop(t, false, nil)
	raw := string(s.ask(t).Raw)
	for _, part := range []string{`"amount":125.5,`, `"sender_phone":"380950000001"`, `"sender_card_mask2":"424242*42"`, `"ip":"203.0.113.10"`} {
		if !strings.Contains(raw, part) {
			t.Errorf("%s is not in %s", part, raw)
		}
	}
	if strings.Contains(raw, liqpayfake.CardSuccess) {
		t.Errorf("a card number is in %s", raw)
	}
}

// R2: only a code of the list says that nothing happened.
func TestRefund_R2_CodesAndWhatTheySay(t *testing.T) {
	t.Parallel()
	s := paidShop(t, false, nil)
	refund := psp.Refund{Ref: psp.Ref{Ref: "r1"}, RefundID: "ref_1", Amount: amount(t, "1.00"), CapturedMinor: 12550}
	for code, certain := range map[string]bool{
		"err_auth": true, "invalid_signature": true, "payment_not_found": true, "err_amount_hold": true, "payment_err_status": true,
		"payment_processing": false, "9868": false, "90": false, "a_new_one": false, "": false,
	} {
		s.fake.Fail(code)
		_, err := s.Refund(t.Context(), refund)
		_, refused := errors.AsType[*psp.RefusedError](err)
		if err == nil || refused != certain || errors.Is(err, psp.ErrNotAttempted) {
			t.Errorf("%q: %v, want certain %v", code, err, certain)
		}
	}
	for status, known := range map[string]bool{
		"success": true, "reversed": true, "wait_reserve": true, "failure": false, "error": false, "processing": false, "quantum_leap": false,
	} {
		s.fake.Lie(map[string]string{"status": `"` + status + `"`})
		done, err := s.Refund(t.Context(), refund)
		if (err == nil) != known || done.Done != (known && status != "wait_reserve") {
			t.Errorf("%s: %+v, %v", status, done, err)
		}
	}
	s.fake.Lie(map[string]string{"order_id": `"r2"`})
	if done, err := s.Refund(t.Context(), refund); err == nil {
		t.Errorf("another payment's answer: %+v", done)
	}
	s.fake.Lie(map[string]string{"wait_amount": `"true"`})
	if done, err := s.Refund(t.Context(), refund); err != nil || done.Done {
		t.Errorf("wait_amount as text: %+v, %v", done, err)
	}
}

// I5: without a connection nothing happened; once it was sent, nobody knows. No error tells the key.
func TestCall_I5_WhatAnErrorMeans(t *testing.T) {
	t.Parallel()
	s := paidShop(t, false, nil)
	refund := psp.Refund{Ref: psp.Ref{Ref: "r1"}, Amount: amount(t, "1.00"), CapturedMinor: 12550}
	for _, trouble := range []liqpayfake.Trouble{liqpayfake.Broken, liqpayfake.Cut} {
		s.fake.Trouble(trouble)
		_, err := s.Refund(t.Context(), refund)
		unknown(t, string(trouble), err)
	}
	s.fake.Trouble(liqpayfake.Slow)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Refund(ctx, refund)
	unknown(t, "slow", err)
	s.fake.Trouble(liqpayfake.Fine)
	same(t, "and each has happened", lines(s.ask(t)), "SUCCEEDED 12550 UAH", "REFUNDED 300 UAH")

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	nobody := provider(t, map[string]string{"public_key": publicKey, "private_key": privateKey, "base_url": "http://" + listener.Addr().String()})
	if _, err := nobody.Refund(t.Context(), refund); !errors.Is(err, psp.ErrNotAttempted) {
		t.Errorf("nobody listens: %v", err)
	}
}

func unknown(t *testing.T, name string, err error) {
	t.Helper()
	_, refused := errors.AsType[*psp.RefusedError](err)
	if err == nil || refused || errors.Is(err, psp.ErrNotAttempted) {
		t.Errorf("%s is certain: %v", name, err)
		return
	}
	if strings.Contains(err.Error(), privateKey) || strings.Contains(err.Error(), "signature=") {
		t.Errorf("%s: the error tells too much: %v", name, err)
	}
}

// The signed form is not sent on to where a redirect leads.
func TestCall_NoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the form went elsewhere")
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	p := provider(t, map[string]string{"public_key": publicKey, "private_key": privateKey, "base_url": server.URL})
	_, err := p.Ask(t.Context(), psp.Ref{Ref: "r1"})
	unknown(t, "a redirect", err)
}

// roundTripper answers without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A cancelled caller is let go at once, and what it asked for is unknown.
func TestCall_I5_CancelledCallerIsLetGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		p, err := liqpay.Open(psp.Settings{Account: "acc", Test: true, Client: client, Values: map[string]string{
			"public_key": publicKey, "private_key": privateKey,
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err = p.Ask(ctx, psp.Ref{Ref: "r1"})
		if unknown(t, "cancelled", err); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestCall_AnswersThatAreTooLong(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"err_code":"payment_not_found","info":"` + strings.Repeat("a", 1<<20) + `"}`))
	}))
	defer server.Close()
	p := provider(t, map[string]string{"public_key": publicKey, "private_key": privateKey, "base_url": server.URL})
	_, err := p.Ask(t.Context(), psp.Ref{Ref: "r1"})
	unknown(t, "too long", err)
}
