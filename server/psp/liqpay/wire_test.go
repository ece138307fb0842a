package liqpay

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// The statuses of LiqPay's documents. The table has these and no others.
const documented = `success failure error reversed subscribed unsubscribed sandbox
hold_wait wait_accept wait_compensation wait_reserve wait_secure wait_card wait_lc processing prepared try_again
cash_wait invoice_wait 3ds_verify otp_verify cvv_verify pin_verify password_verify captcha_verify ivr_verify phone_verify
sender_verify receiver_verify senderapp_verify wait_qr wait_sender p24_verify mp_verify`

func TestStatuses_C5_EveryDocumentedOne(t *testing.T) {
	t.Parallel()
	want, got := strings.Fields(documented), slices.Collect(maps.Keys(statuses))
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("the table has %q, want %q", got, want)
	}
	for status, what := range statuses {
		if what == unknown {
			t.Errorf("%s has no meaning", status)
		}
	}
}

// A final no always has words of ours.
func TestReasons_NoRefusalWithoutWords(t *testing.T) {
	t.Parallel()
	for code := range nothingHappened {
		if reasons[code] == "" {
			t.Errorf("%s has no words", code)
		}
	}
	for code, words := range reasons {
		if words == "" || strings.ToLower(words[:1]) != words[:1] || strings.HasSuffix(words, ".") || !codeShape.MatchString(code) {
			t.Errorf("%s: %q is no short lower-case sentence", code, words)
		}
	}
}

// R2: codes of a payment that may be under way, and of banks, leave the outcome open.
func TestNothingHappened_R2_NotWhereMoneyMayMove(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"", "payment_processing", "err_payment_create", "wait_info", "err_cache", "err_look", "90", "9854", "9868", "9872", "decline"} {
		if nothingHappened[code] {
			t.Errorf("%q says that nothing happened", code)
		}
	}
}

func TestFailure_RepeatsNothingOfLiqPays(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		`"9859"`: "there is not enough money on the card", `9859`: "there is not enough money on the card",
		`"77777"`: "declined with the code 77777", `"<b>4242 4242 4242 4242</b>"`: "declined without a reason", `null`: "declined without a reason",
	} {
		m := message{"err_code": code, "err_description": `"4242424242424242 said no"`}
		if got := m.failure(); got != want {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
	}
	if got := (message{"err_erc": `"limit"`}).failure(); got != reasons["limit"] {
		t.Errorf("the misspelt code: %q", got)
	}
}
