package checkout_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/kvitpay/kvit/server/order"
)

const asJSON = "application/json"

type progress struct {
	Version                             int64
	State, Follow, Title, Heading, HTML string
}

func (h *house) progress(t *testing.T, query string) progress {
	t.Helper()
	answer := h.get(t, "/pay/"+tokenOf("page")+"/status"+query, header("Accept", asJSON))
	var p progress
	if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil || answer.Code != http.StatusOK {
		t.Fatalf("answered %d %v\n%s", answer.Code, err, answer.Body)
	}
	return p
}

// What a PSP gives the browser for its return proves nothing, whatever it says (L2).
func TestReturn_L2_NeverBelievesAnAddressOrABody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"status=success&paid=1", "RESULT=0&BILL_AMOUNT=12500.00", strings.Repeat("status=success&", 20_000), "\x00\xff%zz=%", "nonce=x&lang=%3Cscript%3E",
	} {
		h, _ := ready(t, inState(order.Processing))
		answer := h.do(t, http.MethodPost, "/pay/"+tokenOf("page")+"/return/at_1?status=success&paid=true", body, header("Sec-Fetch-Site", "cross-site"))
		text := answer.Body.String()
		if answer.Code != http.StatusOK || !strings.Contains(text, `data-state="PROCESSING"`) || strings.Contains(text, "Thank you") {
			t.Errorf("answered %d\n%s", answer.Code, text)
		}
		if len(h.presses()) != 0 || len(h.nudged) != 1 || h.nudged[0] != "at_1" {
			t.Errorf("started %v, nudged %v", h.presses(), h.nudged)
		}
	}
}

func TestReturn_OfNoAttemptShowsTheStatus(t *testing.T) {
	t.Parallel()
	for _, attempt := range []string{"%20", "a%22b", strings.Repeat("a", 65)} {
		h, _ := ready(t, inState(order.Failed))
		answer := h.get(t, "/pay/"+tokenOf("page")+"/return/"+attempt)
		if answer.Code != http.StatusOK || len(h.nudged) != 0 {
			t.Errorf("%s: answered %d, nudged %v", attempt, answer.Code, h.nudged)
		}
	}
}

// The page without JavaScript looks again by itself, less and less often, and ends (L2).
func TestStatus_L2_RefreshBacksOff(t *testing.T) {
	t.Parallel()
	h, _ := ready(t, inState(order.Processing))
	address := "/pay/" + tokenOf("page") + "/status"
	for query, want := range map[string]string{
		"": `content="3; url=` + address + `?n=1"`, "?n=5": `content="8; url=` + address + `?n=6"`,
		"?n=14": `content="60; url=` + address + `?n=15"`, "?n=15": "", "?n=-1": "", "?lang=uk": `content="3; url=` + address + `?lang=uk&amp;n=1"`,
	} {
		body := h.get(t, address+query).Body.String()
		if !strings.Contains(body, want) || want == "" && strings.Contains(body, "refresh") {
			t.Errorf("%q: no %s in\n%s", query, want, body)
		}
		if !strings.Contains(body, `<a href="`+address) {
			t.Errorf("%q: nothing to press", query)
		}
	}
	h.put(tokenOf("page"), inState(order.Paid))
	if strings.Contains(h.get(t, address).Body.String(), "refresh") {
		t.Error("a paid page goes on refreshing")
	}
}

// The script is answered when the order has changed, with the page's inside.
func TestStatus_L2_WaitsForAChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := ready(t, inState(order.Processing))
		if p := h.progress(t, ""); p.State != "PROCESSING" || p.Version != 5 || p.Follow != "fast" {
			t.Errorf("at once: %+v", p)
		}
		answered := make(chan progress)
		go func() { answered <- h.progress(t, "?v=5") }()
		synctest.Wait()
		select {
		case p := <-answered:
			t.Errorf("did not wait: %+v", p)
		default:
		}
		paid := inState(order.Paid)
		paid.Order.Version = 6
		h.put(tokenOf("page"), paid)
		if p := <-answered; p.State != "PAID" || p.Version != 6 || p.Follow != "slow" || p.Heading != "Paid" || p.Title != "Paid · Ararat Tickets" || !strings.Contains(p.HTML, "Thank you!") {
			t.Errorf("then: %+v", p)
		}
	})
}

func TestStatus_FaultsAreCodes(t *testing.T) {
	t.Parallel()
	h, _ := ready(t, offered())
	if answer := h.get(t, "/pay/"+tokenOf("nobody")+"/status", header("Accept", asJSON)); answer.Code != http.StatusNotFound || answer.Body.String() != "{}" {
		t.Errorf("answered %d %s", answer.Code, answer.Body)
	}
	h.readErr = context.DeadlineExceeded
	if answer := h.get(t, "/pay/"+tokenOf("page")+"/status?v=1", header("Accept", asJSON)); answer.Code != http.StatusInternalServerError || answer.Body.String() != "{}" {
		t.Errorf("answered %d %s", answer.Code, answer.Body)
	}
}

// A fixed link has no order to follow: its status is its page.
func TestStatus_L5_FixedLinkIsItsPage(t *testing.T) {
	t.Parallel()
	h, _ := ready(t, fixed())
	for _, part := range []string{"/status", "/return/at_1"} {
		answer := h.get(t, "/pay/"+tokenOf("page")+part)
		if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/pay/"+tokenOf("page") {
			t.Errorf("%s: answered %d %v", part, answer.Code, answer.Header())
		}
	}
	if p := h.progress(t, ""); p.Follow != "no" || p.State != "ACTIVE" {
		t.Errorf("answered %+v", p)
	}
}
