package checkout_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/kvitpay/kvit/server/checkout"
	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
)

// ready is a house with a page at tokenOf("page"), and a good nonce of it.
func ready(t *testing.T, page payment.Page) (*house, string) {
	t.Helper()
	h := newHouse(t)
	h.put(tokenOf("page"), page)
	return h, h.nonce(t, tokenOf("page"))
}

func TestStart_L5_PressStartsAndRedirects(t *testing.T) {
	t.Parallel()
	h, nonce := ready(t, offered())
	answer := h.press(t, tokenOf("page"), nonce, header("Sec-Fetch-Site", "same-origin"))
	if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != pspOrigin+"/checkout/1" {
		t.Errorf("answered %d %v", answer.Code, answer.Header())
	}
	want := payment.StartAttempt{Token: tokenOf("page"), Account: "liqpay-main", Nonce: nonce}
	if got := h.presses(); len(got) != 1 || got[0] != want {
		t.Errorf("started %v, want %v", got, want)
	}
}

// Only a POST with the page's nonce starts an attempt. Previewers, scanners and forwards do not.
func TestStart_L2_NothingElseStarts(t *testing.T) {
	t.Parallel()
	h, nonce := ready(t, offered())
	page := "/pay/" + tokenOf("page")
	for _, path := range []string{"", "/start", "/start?nonce=" + nonce + "&way=liqpay-main", "/status", "/return/at_1", "/return/at_1?status=success"} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodPatch} {
			h.do(t, method, page+path, "")
		}
	}
	h.do(t, http.MethodPost, page, "nonce="+nonce)
	h.do(t, http.MethodPost, page+"/status", "nonce="+nonce)
	h.do(t, http.MethodPost, page+"/return/at_1", "nonce="+nonce+"&way=liqpay-main")
	h.do(t, http.MethodPost, page+"/start?nonce="+nonce, "")
	if got := h.presses(); len(got) != 0 {
		t.Errorf("started %v", got)
	}
	if answer := h.get(t, page+"/start"); answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != page {
		t.Errorf("GET start: %d %v", answer.Code, answer.Header())
	}
	if answer := h.do(t, http.MethodPut, page, ""); answer.Code != http.StatusMethodNotAllowed || answer.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("PUT: %d %v", answer.Code, answer.Header())
	}
}

func TestStart_L2_OnlyFromOurOwnPage(t *testing.T) {
	t.Parallel()
	for _, site := range []string{"cross-site", "same-site", "none", "nonsense"} {
		h, nonce := ready(t, offered())
		if answer := h.press(t, tokenOf("page"), nonce, header("Sec-Fetch-Site", site)); answer.Code != http.StatusForbidden || len(h.presses()) != 0 {
			t.Errorf("%s: answered %d, started %v", site, answer.Code, h.presses())
		}
	}
}

func TestStart_BodyIsBounded(t *testing.T) {
	t.Parallel()
	h, nonce := ready(t, offered())
	form := url.Values{"nonce": {nonce}, "way": {strings.Repeat("x", 4<<10)}}
	answer := h.do(t, http.MethodPost, "/pay/"+tokenOf("page")+"/start", form.Encode())
	if answer.Code != http.StatusForbidden || len(h.presses()) != 0 {
		t.Errorf("answered %d, started %v", answer.Code, h.presses())
	}
}

// A form for the PSP sends itself, has a button where it does not, and stays in no history.
func TestStart_L2_FormHandoff(t *testing.T) {
	t.Parallel()
	h, nonce := ready(t, offered())
	h.answer = func(in payment.StartAttempt) (payment.Started, error) {
		return payment.Started{Token: in.Token, AttemptID: "at_1", Handoff: &psp.Handoff{
			URL: pspOrigin + "/api/3/checkout", Fields: []psp.Field{{Name: "data", Value: `eyJ<"&`}, {Name: "signature", Value: "a+b/c=="}},
		}}, nil
	}
	answer := h.press(t, tokenOf("page"), nonce)
	if answer.Code != http.StatusOK {
		t.Fatalf("answered %d", answer.Code)
	}
	golden(t, "handoff.html", answer.Body.String())
}

// A fixed link's payer goes to the page of the order that was made, and pays there: back from the PSP
// leads to it (L5).
func TestStart_L5_FixedLinkLeadsToItsOrder(t *testing.T) {
	t.Parallel()
	h, nonce := ready(t, fixed())
	own := tokenOf("own")
	h.answer = func(payment.StartAttempt) (payment.Started, error) {
		return payment.Started{Token: own, AttemptID: "at_1", Handoff: &psp.Handoff{URL: pspOrigin + "/checkout/1"}}, nil
	}
	for range 2 { // A double tap, a repeated POST: the same nonce, which joins the same order.
		answer := h.press(t, tokenOf("page"), nonce)
		if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/pay/"+own+"#pay" {
			t.Errorf("answered %d %v", answer.Code, answer.Header())
		}
	}
	if got := h.presses(); len(got) != 2 || got[0] != got[1] || got[0].Nonce != nonce {
		t.Errorf("started %v", got)
	}
}

// Not knowing is a state and no error: the payer sees where the order stands (O6).
func TestStart_O6_UnknownOutcomeShowsTheStatus(t *testing.T) {
	t.Parallel()
	for _, page := range []payment.Page{offered(), fixed()} {
		h, nonce := ready(t, page)
		h.answer = func(payment.StartAttempt) (payment.Started, error) {
			return payment.Started{Token: tokenOf("own"), AttemptID: "at_1"}, nil
		}
		answer := h.press(t, tokenOf("page"), nonce)
		if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/pay/"+tokenOf("own")+"/status" {
			t.Errorf("answered %d %v", answer.Code, answer.Header())
		}
	}
}

// A payer is sent to origins that a provider has declared, and to no other.
func TestStart_HandoffStaysInDeclaredOrigins(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"https://evil.example/x", "http://psp.example/x", "https://psp.example.evil.example/", "//psp.example/x", "javascript:alert(1)",
		"https://psp.example:444/", "https://user@evil.example/", "%", "",
	} {
		h, nonce := ready(t, offered())
		h.answer = func(in payment.StartAttempt) (payment.Started, error) {
			return payment.Started{Token: in.Token, AttemptID: "at_1", Handoff: &psp.Handoff{URL: address}}, nil
		}
		answer := h.press(t, tokenOf("page"), nonce)
		if answer.Code != http.StatusInternalServerError || answer.Header().Get("Location") != "" || !strings.Contains(h.log.String(), "level=ERROR") {
			t.Errorf("%q: answered %d %v\n%s", address, answer.Code, answer.Header(), h.log)
		}
	}
}

// A refused press shows what is so, and never loses the payer.
func TestStart_RefusalsKeepThePayer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		code   int
		notice string
	}{
		{fault.New(fault.Precondition, fault.ReasonOrderState, ""), http.StatusSeeOther, ""},
		{fault.New(fault.Precondition, fault.ReasonLinkInactive, ""), http.StatusSeeOther, ""},
		{fault.New(fault.Precondition, fault.ReasonAttemptInProgress, ""), http.StatusSeeOther, ""},
		{fault.New(fault.NotFound, fault.ReasonLinkNotFound, ""), http.StatusNotFound, "There is no such page"},
		{fault.New(fault.Unavailable, fault.ReasonPSPNotAttempted, ""), http.StatusServiceUnavailable, "nothing was charged"},
		{fault.New(fault.Unavailable, fault.ReasonAccountUnavailable, ""), http.StatusServiceUnavailable, "nothing was charged"},
		{fault.New(fault.Invalid, fault.ReasonRequestInvalid, ""), http.StatusBadRequest, "nothing was charged"},
		{fault.New(fault.Unavailable, fault.ReasonStoreUnavailable, ""), http.StatusServiceUnavailable, "nothing is charged twice"},
		{fault.New(fault.Exhausted, fault.ReasonRateLimited, ""), http.StatusTooManyRequests, "nothing is charged twice"},
		{errors.New("password=hunter2"), http.StatusInternalServerError, "nothing is charged twice"},
	} {
		h, nonce := ready(t, offered())
		h.answer = func(payment.StartAttempt) (payment.Started, error) { return payment.Started{}, c.err }
		answer := h.press(t, tokenOf("page"), nonce)
		body := answer.Body.String()
		if answer.Code != c.code || !strings.Contains(body, c.notice) || strings.Contains(body, "hunter2") {
			t.Errorf("%v: answered %d\n%s", c.err, answer.Code, body)
		}
		// What may have begun is joined by the next press: the nonce is the same (L5).
		if c.code != http.StatusSeeOther && c.code != http.StatusNotFound && !strings.Contains(body, nonce) {
			t.Errorf("%v: the nonce is another one", c.err)
		}
	}
}

func TestStart_EachKindHasAStatus(t *testing.T) {
	t.Parallel()
	for _, kind := range fault.AllKinds() {
		if checkout.StatusOf(kind) < http.StatusBadRequest {
			t.Errorf("%s has none", kind)
		}
	}
}
