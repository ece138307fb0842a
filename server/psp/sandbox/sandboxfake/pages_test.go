package sandboxfake_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var buttonNames = regexp.MustCompile(`<button name="mood" value="([a-z_]+)"[^>]*>([^<]+)</button>`)

// Every mood is a button with a label, in each language, and the page says that no money moves.
func TestPage_SpeaksFourLanguages(t *testing.T) {
	t.Parallel()
	p := open(t, &merchant{}, "", 0)
	page := create(t, p, "r1")
	labels := map[string]bool{}
	for lang, banner := range map[string]string{
		"en": "No money moves", "hy": "Գումար չի փոխանցվում", "uk": "Гроші не рухаються", "ru": "Деньги не движутся",
	} {
		shown := browse(t, p, page+"?lang="+lang, nil, nil)
		body := shown.Body.String()
		if shown.Code != http.StatusOK || !strings.Contains(body, "SANDBOX") || !strings.Contains(body, banner) || !strings.Contains(body, `<html lang="`+lang+`"`) {
			t.Errorf("%s is %d %s", lang, shown.Code, body)
		}
		if !strings.Contains(body, "Tea &lt;b&gt;") || strings.Contains(body, "<script") {
			t.Errorf("%s does not escape, or wants JavaScript", lang)
		}
		found := buttonNames.FindAllStringSubmatch(body, -1)
		if len(found) != 18 {
			t.Errorf("%s has %d buttons", lang, len(found))
		}
		for _, button := range found {
			if labels[lang+button[2]] {
				t.Errorf("%s has two buttons %q", lang, button[2])
			}
			labels[lang+button[2]] = true
		}
	}
}

func TestPage_L2_LookingChangesNothing(t *testing.T) {
	t.Parallel()
	p := open(t, &merchant{}, "", 0)
	page := create(t, p, "r1")
	browse(t, p, page+"?mood=pay", nil, nil)
	if got := lookup(t, p, "r1"); got != "created" {
		t.Errorf("the session is %s", got)
	}
}

func TestPage_L2_SendsTheBrowserBack(t *testing.T) {
	t.Parallel()
	p := open(t, &merchant{}, "", 0)
	for mood, want := range map[string]struct {
		status   int
		location string
		state    string
	}{
		"pay":         {http.StatusSeeOther, back, "paid"},
		"decline":     {http.StatusSeeOther, back, "declined"},
		"cancel":      {http.StatusSeeOther, back, "canceled"},
		"return_post": {http.StatusTemporaryRedirect, back, "paid"},
		"no_return":   {http.StatusSeeOther, "/pay/", "paid"},
		"nonsense":    {http.StatusBadRequest, "", "created"},
		"chargeback":  {http.StatusBadRequest, "", "created"},
	} {
		page := create(t, p, mood)
		got := browse(t, p, page, url.Values{"mood": {mood}}, nil)
		if location := got.Header().Get("Location"); got.Code != want.status || !strings.HasPrefix(location, want.location) {
			t.Errorf("%s: %d to %q", mood, got.Code, location)
		}
		if state := lookup(t, p, mood); state != want.state {
			t.Errorf("%s: the session is %s", mood, state)
		}
	}
}

func TestPage_TakesNoFormOfAnotherOrigin(t *testing.T) {
	t.Parallel()
	p := open(t, &merchant{}, "", 0)
	page := create(t, p, "r1")
	for _, path := range []string{page, "/cabinet"} {
		got := browse(t, p, path, url.Values{"mood": {"pay"}}, http.Header{"Sec-Fetch-Site": {"cross-site"}})
		if got.Code != http.StatusForbidden {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
	if got := lookup(t, p, "r1"); got != "created" {
		t.Errorf("the session is %s", got)
	}
}

// A redirect after a form is held to form-action too, so the way back stands in it, and nothing more.
func TestPage_LetsFormsLeadHomeAndBackOnly(t *testing.T) {
	t.Parallel()
	p := open(t, &merchant{}, "", 0)
	policy := browse(t, p, create(t, p, "r1"), nil, nil).Header().Get("Content-Security-Policy")
	if !strings.HasSuffix(policy, "form-action 'self' http://pay.example.test") || !strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("the policy is %s", policy)
	}
}

func TestPage_ShowsWhatIsOver(t *testing.T) {
	t.Parallel()
	p := open(t, &merchant{}, "", 0)
	for mood, want := range map[string]struct {
		text    string
		buttons []string
	}{
		"pay":     {"Paid.", []string{"pay_twice"}},
		"cancel":  {"The payment was cancelled.", []string{"pay_twice", "pay_after_expiry"}},
		"decline": {"The payment was declined.", nil},
	} {
		page := create(t, p, mood)
		act(t, p, mood, mood)
		body := browse(t, p, page, nil, nil).Body.String()
		var buttons []string
		for _, button := range buttonNames.FindAllStringSubmatch(body, -1) {
			buttons = append(buttons, button[1])
		}
		if !strings.Contains(body, want.text) || want.buttons != nil && !slices.Equal(buttons, want.buttons) {
			t.Errorf("%s: %v %s", mood, buttons, body)
		}
	}
	if got := browse(t, p, "/pay/nobody", nil, nil); got.Code != http.StatusNotFound {
		t.Errorf("an unknown payment is %d", got.Code)
	}
}

func TestCabinet_O10_GivesAPartBack(t *testing.T) {
	t.Parallel()
	p := open(t, &merchant{}, "", 0)
	create(t, p, "r1")
	act(t, p, "r1", "pay")
	shown := browse(t, p, "/cabinet", nil, nil).Body.String()
	id := regexp.MustCompile(`name="payment" value="([^"]+)"`).FindStringSubmatch(shown)
	if len(id) != 2 || !strings.Contains(shown, "Tea &lt;b&gt;") {
		t.Fatalf("the cabinet is %s", shown)
	}
	form := url.Values{"mood": {"refund"}, "reference": {"r1"}, "payment": {id[1]}, "currency": {"AMD"}, "amount": {"30.5"}}
	if got := browse(t, p, "/cabinet", form, nil); got.Code != http.StatusSeeOther {
		t.Errorf("a refund: %d %s", got.Code, got.Body)
	}
	_, answer := call(t, p, "/v1/payments/r1", nil)
	payments, _ := answer["payments"].([]any)
	payment, _ := payments[0].(map[string]any)
	if payment["refunded_minor"] != 3050.0 {
		t.Errorf("the payment is %v", payment)
	}
	for _, amount := range []string{"1e2", "70", "-1", "0"} {
		form.Set("amount", amount)
		if got := browse(t, p, "/cabinet", form, nil); got.Code < 400 {
			t.Errorf("%s more: %d", amount, got.Code)
		}
	}
}

func TestAPI_C3_WantsTheKey(t *testing.T) {
	t.Parallel()
	p := open(t, &merchant{}, "", 0)
	for _, path := range []string{"/v1/payments", "/v1/payments/r1/act", "/v1/payments/r1/refunds", "/v1/moods"} {
		got := browse(t, p, path, url.Values{}, http.Header{"Authorization": {"Bearer keys"}})
		if got.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
}

func TestAPI_RefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	p := open(t, &merchant{}, "", 0)
	for field, value := range map[string]any{
		"reference": "with space", "amount_minor": 0, "currency": "DRAM", "description": "", "expires_at": nil,
		"return_url": "javascript:alert(1)", "callback_url": "ftp://x", "colour": "red",
	} {
		ask := terms("r1")
		ask[field] = value
		if status, answer := call(t, p, "/v1/payments", ask); status != http.StatusBadRequest {
			t.Errorf("%s of %v: %d %v", field, value, status, answer)
		}
	}
	for _, mood := range []map[string]any{
		{"operation": "create", "mood": "unknown"},
		{"operation": "sing", "mood": "slow"},
		{"operation": "", "mood": "slow"},
		{"operation": "create", "mood": "slow", "times": -1},
		{"operation": "create", "mood": "slow", "delay_ms": int64(1) << 62},
	} {
		if status, answer := call(t, p, "/v1/moods", mood); status != http.StatusBadRequest {
			t.Errorf("%v: %d %v", mood, status, answer)
		}
	}
	if got := lookup(t, p, "r1"); got != "unknown" {
		t.Errorf("the session is %s", got)
	}
}

func TestMoods_NormalEndsThem(t *testing.T) {
	t.Parallel()
	p := open(t, &merchant{}, "", 0)
	create(t, p, "r1")
	call(t, p, "/v1/moods", map[string]any{"operation": "lookup", "mood": "error"})
	call(t, p, "/v1/moods", map[string]any{"operation": "lookup", "mood": "unknown", "reference": "another"})
	for range 2 {
		if status, _ := call(t, p, "/v1/payments/r1", nil); status != http.StatusInternalServerError {
			t.Errorf("the lookup is %d", status)
		}
	}
	_, answer := call(t, p, "/v1/moods", map[string]any{"mood": "normal"})
	if left, _ := answer["moods"].([]any); len(left) != 0 || lookup(t, p, "r1") != "created" {
		t.Errorf("left is %v", answer)
	}
}
