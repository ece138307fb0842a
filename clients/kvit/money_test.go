package main

import (
	"strconv"
	"strings"
	"testing"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// The idempotency key is said before money moves, and where it is given it is known already.
func TestRefund_I1_SaysTheKeyFirst(t *testing.T) {
	t.Parallel()

	s := &shop{}
	server := s.open(t)
	for _, command := range []string{"refund", "capture"} {
		s.asked = nil
		r := kvitAt(t, server, 80, "order", command, "A-17", "--reason", "r")
		request, ok := s.asked[0].(interface{ GetIdempotencyKey() string })
		if r.code != exitDone || !ok || !strings.HasPrefix(r.stderr, "Idempotency key: "+request.GetIdempotencyKey()+"\n") {
			t.Errorf("%s: got %d saying %q to %v", command, r.code, r.stderr, s.asked[0])
		}
		for _, quiet := range []string{"--idempotency-key=k", "--validate-only", "--json"} {
			if r := kvitAt(t, server, 80, "order", command, "A-17", "--reason", "r", quiet); strings.Contains(r.stderr, "Idempotency key") {
				t.Errorf("%s with %s: it says %q", command, quiet, r.stderr)
			}
		}
	}
}

// A refund that the PSP refused is a failure of the command, one that it has not answered is none (R2).
func TestRefund_R2_SaysWhatBecameOfTheMoney(t *testing.T) {
	t.Parallel()

	for state, want := range map[kvitv1.RefundState]struct {
		code  int
		words string
	}{
		kvitv1.RefundState_REFUND_STATE_POSTED:   {exitDone, ""},
		kvitv1.RefundState_REFUND_STATE_SENT:     {exitDone, "kvit refund get ref_"},
		kvitv1.RefundState_REFUND_STATE_UNKNOWN:  {exitDone, "kvit refund get ref_"},
		kvitv1.RefundState_REFUND_STATE_RELEASED: {exitRefused, "Nothing went back"},
	} {
		server := (&shop{refund: state}).open(t)
		for _, flags := range [][]string{nil, {"--json"}} {
			args := append([]string{"order", "refund", "A-17", "--reason", "r", "--idempotency-key", "k"}, flags...)
			r := kvitAt(t, server, 80, args...)
			if r.code != want.code || !strings.Contains(r.stderr, want.words) || want.words == "" && r.stderr != "" {
				t.Errorf("%s %v: got %d saying %q", state, flags, r.code, r.stderr)
			}
			if !strings.Contains(r.stdout, refundWord(state)) {
				t.Errorf("%s %v: the answer is %q", state, flags, r.stdout)
			}
		}
		if r := kvitAt(t, server, 80, "order", "refund", "A-17", "--reason", "r", "--validate-only"); r.code != exitDone {
			t.Errorf("%s, judged only: got %d saying %q", state, r.code, r.stderr)
		}
	}
}

// A capture that the PSP has not answered says how to follow it.
func TestCapture_R3_SaysThatItIsNotKnownYet(t *testing.T) {
	t.Parallel()

	server := (&shop{state: kvitv1.OrderState_ORDER_STATE_AUTHORIZED}).open(t)
	r := kvitAt(t, server, 80, "order", "capture", "A-17", "--idempotency-key", "k")
	if r.code != exitDone || !strings.Contains(r.stderr, "kvit order watch A-17") || !strings.Contains(r.stdout, "AUTHORIZED") {
		t.Errorf("got %d saying %q with %q", r.code, r.stderr, r.stdout)
	}
}

// A part without a currency is in that of the money, with its decimals and no more (M2).
func TestRefund_M2_ReadsAPartInTheMoneysCurrency(t *testing.T) {
	t.Parallel()

	s := &shop{}
	server := s.open(t)
	for _, c := range []struct{ amount, payment, want string }{
		{"12.50", "", "AMD 1250"},
		{"1 000", "", "AMD 100000"},
		{"12.50", "pay_2", "UAH 1250"},
		{"12 JPY", "pay_2", "JPY 12"},
		{"12.505", "", ""},
	} {
		s.asked = nil
		r := kvitAt(t, server, 80, "order", "refund", "A-17", "--reason", "r", "--amount", c.amount, "--payment", c.payment)
		got := ""
		if request, ok := s.asked[len(s.asked)-1].(*kvitv1.RefundOrderRequest); ok {
			got = request.GetAmount().GetCurrencyCode() + " " + strconv.FormatInt(request.GetAmount().GetMinorUnits(), 10)
		}
		if got != c.want || (r.code == exitUsage) != (c.want == "") {
			t.Errorf("%s of %q: sent %q, want %q, ending with %d", c.amount, c.payment, got, c.want, r.code)
		}
	}
}
