package checkout_test

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rsc.io/qr"

	"github.com/kvitpay/kvit/server/checkout"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
)

// everyAnswer visits each kind of answer of the page.
func everyAnswer(t *testing.T, visit func(name string, header http.Header, body string)) {
	t.Helper()
	h, nonce := ready(t, offered())
	page := "/pay/" + tokenOf("page")
	for _, target := range []string{page, page + "/start", page + "/status", page + "/return/at_1", "/pay/nobody", "/pay", "/pay/", "/pay/assets/0.css", page + "/nothing"} {
		answer := h.get(t, target)
		visit("GET "+target, answer.Header(), answer.Body.String())
	}
	answer := h.get(t, page+"/status", header("Accept", "application/json"))
	visit("JSON", answer.Header(), answer.Body.String())
	answer = h.press(t, tokenOf("page"), nonce)
	visit("press", answer.Header(), answer.Body.String())
	answer = h.press(t, tokenOf("page"), "bad")
	visit("bad nonce", answer.Header(), answer.Body.String())
	answer = h.do(t, http.MethodPost, page+"/return/at_1", "x=1")
	visit("POST return", answer.Header(), answer.Body.String())
}

// No answer can be framed, kept, indexed, scripted by others or told to them by a Referer, and none sets a cookie.
func TestHeaders_L2_EveryAnswerProtectsThePayer(t *testing.T) {
	t.Parallel()
	policy := "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; " +
		"form-action 'self' https://psp.example https://bank.example; base-uri 'none'; frame-ancestors 'none'"
	everyAnswer(t, func(name string, header http.Header, body string) {
		for key, want := range map[string]string{
			"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
			"Cross-Origin-Opener-Policy": "same-origin", "X-Robots-Tag": "noindex, nofollow", "Cache-Control": "no-store", "Set-Cookie": "",
		} {
			if got := header.Get(key); got != want {
				t.Errorf("%s: %s is %q, want %q", name, key, got, want)
			}
		}
		if header.Get("Permissions-Policy") == "" {
			t.Errorf("%s: no Permissions-Policy", name)
		}
		if found := inline.FindString(body); found != "" {
			t.Errorf("%s: has %q, which the policy refuses", name, found)
		}
	})
}

// inline is what a page with our policy must not have: scripts, styles and handlers inside of it.
var inline = regexp.MustCompile(`<script>|<style|\sstyle=|\son[a-z]+=|javascript:`)

// A fixed link's page may be shown again when the payer goes back to it, so that its nonce stays (L5).
func TestPage_L5_FixedPageMayBeShownAgain(t *testing.T) {
	t.Parallel()
	h, _ := ready(t, fixed())
	if got := h.get(t, "/pay/"+tokenOf("page")).Header().Get("Cache-Control"); got != "private, max-age=0, must-revalidate" {
		t.Errorf("Cache-Control is %q", got)
	}
}

func TestAssets_AreKeptForEver(t *testing.T) {
	t.Parallel()
	h, _ := ready(t, offered())
	body := h.get(t, "/pay/"+tokenOf("page")).Body.String()
	found := regexp.MustCompile(`/pay/assets/[0-9a-f]{16}\.(css|js)`).FindAllString(body, -1)
	if len(found) != 2 {
		t.Fatalf("found %v", found)
	}
	total := len(body)
	for _, address := range found {
		answer := h.get(t, address)
		total += answer.Body.Len()
		if answer.Code != http.StatusOK || !strings.Contains(answer.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", address, answer.Code, answer.Header())
		}
		zipped := h.get(t, address, header("Accept-Encoding", "gzip, br"))
		if zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Body.Len() >= answer.Body.Len() {
			t.Errorf("%s: is not compressed", address)
		}
	}
	const totalMax = 18 << 10
	if total > totalMax {
		t.Errorf("page, style and script have %d bytes, more than %d", total, totalMax)
	}
}

// What merchants, PSPs and addresses say is text and never markup.
func TestPage_TextsAreNeverMarkup(t *testing.T) {
	t.Parallel()
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>' </title>{{.}}`
	page := inState(order.Failed)
	page.Merchant.Name, page.Merchant.Support, page.Failure = evil, evil, evil
	page.Order.ID = evil
	page.Order.Details = order.Details{
		Description: evil, Name: evil, Email: evil, Phone: evil, Metadata: map[string]string{evil: evil},
		SuccessURL: "javascript:alert(1)", FailureURL: "javascript:alert(1)", Items: []order.Item{{Name: evil, Quantity: 1, AmountMinor: 1}},
	}
	page.Ways[0] = payment.Way{Account: evil, Name: evil, Joins: true}
	page.Live.ID = evil
	h, _ := ready(t, page)
	if body := h.get(t, "/pay/"+tokenOf("page")).Body.String(); strings.Count(body, "&lt;script&gt;alert(1)&lt;/script&gt;") < 8 {
		t.Errorf("the texts are not there:\n%s", body)
	}
	for _, answer := range []string{
		h.get(t, "/pay/"+tokenOf("page")+"?lang="+evil[:3]).Body.String(),
		h.get(t, "/pay/"+tokenOf("page")+"/status?n=%22%3E%3Cscript%3E&lang=%22%3E%3Cscript%3E").Body.String(),
		h.get(t, "/pay/%22%3E%3Cscript%3Ealert(1)%3C/script%3E", header("Accept-Language", evil)).Body.String(),
	} {
		if strings.Contains(answer, "<script>") || strings.Contains(answer, "<img") || strings.Contains(answer, "javascript:alert") {
			t.Errorf("markup came through:\n%s", answer)
		}
	}
}

// A chat's preview says to whom and how much, in the link's language, and nothing personal.
func TestPage_L2_PreviewHasNothingPersonal(t *testing.T) {
	t.Parallel()
	page := offered()
	page.Order.Locale = "uk"
	page.Order.Details.Name, page.Order.Details.Description = "Anahit", "Ultrasound for Anahit"
	h, _ := ready(t, page)
	body := h.get(t, "/pay/"+tokenOf("page")).Body.String()
	head, _, _ := strings.Cut(body, "</head>")
	if !strings.Contains(head, `<meta property="og:title" content="Оплата для Ararat Tickets: 12`+"\u00a0"+`500`+"\u00a0"+`֏">`) {
		t.Errorf("no preview in\n%s", head)
	}
	if strings.Contains(head, "Anahit") || strings.Contains(head, "A-1042") || strings.Contains(head, tokenOf("page")) {
		t.Errorf("the preview says too much:\n%s", head)
	}
}

// The language: what the payer chose, the customer's, the link's, the browser's, the merchant's.
func TestPage_LanguageGoesByChoiceCustomerLinkBrowserMerchant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ query, customer, link, browser, merchant, want string }{
		{"?lang=ru", "hy", "uk", "en", "en", "ru"},
		{"?lang=xx", "hy", "uk", "en", "en", "hy"},
		{"", "hy", "uk", "ru", "en", "hy"},
		{"", "", "uk", "ru", "en", "uk"},
		{"", "", "", "fr, ru;q=0.5", "uk", "ru"},
		{"", "", "", "fr", "uk", "uk"},
		{"", "", "", "", "", "en"},
	} {
		page := offered()
		page.Order.Locale, page.Link.Locale, page.Merchant.Locale = c.customer, c.link, c.merchant
		h, _ := ready(t, page)
		answer := h.get(t, "/pay/"+tokenOf("page")+c.query, header("Accept-Language", c.browser))
		if got := answer.Header().Get("Content-Language"); got != c.want || !strings.Contains(answer.Body.String(), `<html lang="`+c.want+`">`) {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestPage_InAppBrowserGetsAHint(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Linux; Android 14) Mobile Viber/23.1":           "does not open in Viber,",
		"Mozilla/5.0 (iPhone) Mobile/15E148 [FBAN/FBIOS;FBAV/450.0]":  "does not open in Facebook,",
		"Mozilla/5.0 (iPhone) Mobile/15E148 Instagram 300.0":          "does not open in Instagram,",
		"Mozilla/5.0 (Linux; Android 14) Mobile Telegram-Android/11":  "does not open in Telegram,",
		"Mozilla/5.0 (Linux; Android 14; SM-A105F; wv) Mobile Safari": "does not open, copy",
		"Mozilla/5.0 (Linux; Android 14) Chrome/120 Mobile Safari":    "",
	} {
		h, _ := ready(t, offered())
		body := h.get(t, "/pay/"+tokenOf("page"), header("User-Agent", agent)).Body.String()
		hint := strings.Contains(body, `value="`+publicURL+"/pay/"+tokenOf("page")+`"`)
		if hint != (want != "") || !strings.Contains(body, want) || !strings.Contains(body, "Pay with LiqPay") {
			t.Errorf("%s: hint %v", agent, hint)
		}
		if strings.Contains(body, "<aside>") {
			t.Errorf("%s: a code to scan on a phone", agent)
		}
	}
}

// The code is drawn as it was encoded.
func TestPage_CodeIsTheAddress(t *testing.T) {
	t.Parallel()
	address := publicURL + "/pay/" + tokenOf("page")
	want, err := qr.Encode(address, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	size, path := checkout.CodePath(address)
	dark := map[[2]int]bool{}
	x, y := 0, 0
	for _, m := range regexp.MustCompile(`m(-?\d+) (-?\d+)h(\d+)`).FindAllStringSubmatch(path, -1) {
		dx, _ := strconv.Atoi(m[1])
		dy, _ := strconv.Atoi(m[2])
		run, _ := strconv.Atoi(m[3])
		x, y = x+dx, y+dy
		for range run {
			dark[[2]int{x, y}] = true
			x++
		}
	}
	for row := range size {
		for column := range size {
			if dark[[2]int{column, row}] != want.Black(column-4, row-4) {
				t.Fatalf("module %d, %d is wrong", column, row)
			}
		}
	}
}

func TestCards_O2_EveryStateHasOne(t *testing.T) {
	t.Parallel()
	for _, state := range order.States() {
		if !checkout.HasCard(state) {
			t.Errorf("%s has none", state)
		}
	}
}

// Beside an attempt under way no other way can be chosen, and the page says until when (O7).
func TestPage_O7_OtherWaysWait(t *testing.T) {
	t.Parallel()
	h, _ := ready(t, inState(order.Processing))
	body := h.get(t, "/pay/"+tokenOf("page")).Body.String()
	if strings.Count(body, "<form") != 1 || !strings.Contains(body, "Continue with LiqPay") || !strings.Contains(body, "<b>Portmone</b> Opens after 12:25 ") {
		t.Errorf("the page offers\n%s", body)
	}
}

func TestPage_SupportIsALinkWhereItCanBe(t *testing.T) {
	t.Parallel()
	for support, want := range map[string]string{
		"help@shop.example":          `<a href="mailto:help@shop.example" rel="noreferrer">help@shop.example</a>`,
		"https://shop.example/help":  `<a href="https://shop.example/help" rel="noreferrer">shop.example/help</a>`,
		"(010) 12-34-56":             `<a href="tel:010123456">(010) 12-34-56</a>`,
		"@ararat in Viber":           `<b>@ararat in Viber</b>`,
		"http://shop.example":        `<b>http://shop.example</b>`,
		"help@shop.example?bcc=evil": `<b>help@shop.example?bcc=evil</b>`,
		"":                           `<span>Write to the seller in the chat where you got the link.</span>`,
	} {
		page := offered()
		page.Merchant.Support = support
		h, _ := ready(t, page)
		if body := h.get(t, "/pay/"+tokenOf("page")).Body.String(); !strings.Contains(body, want) {
			t.Errorf("%q: no %s", support, want)
		}
	}
}

// The log has a line for each request, with what it was about and never the token (L1).
func TestLog_L1_OneLineWithoutTheToken(t *testing.T) {
	t.Parallel()
	h, nonce := ready(t, offered())
	h.log.Reset()
	h.press(t, tokenOf("page"), nonce)
	line := h.log.String()
	if strings.Count(line, "\n") != 1 || !strings.Contains(line, "route=start") || !strings.Contains(line, "attempt_id=at_1") {
		t.Errorf("logged %q", line)
	}
	h.get(t, "/pay/"+tokenOf("page"))
	h.get(t, "/pay/"+tokenOf("nobody"))
	all := h.log.String()
	if strings.Count(all, "\n") != 3 || !strings.Contains(all, "link_id=ln_1") || !strings.Contains(all, "order_id=A-1042") || !strings.Contains(all, "reason=LINK_NOT_FOUND") {
		t.Errorf("logged %q", all)
	}
	if strings.Contains(all, tokenOf("page")) || strings.Contains(all, tokenOf("nobody")) || strings.Contains(all, nonce) {
		t.Errorf("a secret is in %q", all)
	}
}

func TestPage_APanicIsAPageToo(t *testing.T) {
	t.Parallel()
	h, nonce := ready(t, offered())
	h.answer = func(payment.StartAttempt) (payment.Started, error) { panic("password=hunter2") }
	answer := h.press(t, tokenOf("page"), nonce)
	if answer.Code != http.StatusInternalServerError || !strings.Contains(answer.Body.String(), "The page is not available") || strings.Contains(answer.Body.String(), "hunter2") {
		t.Errorf("answered %d\n%s", answer.Code, answer.Body)
	}
	if !strings.Contains(h.log.String(), "level=ERROR") {
		t.Error("nothing was logged")
	}
}
