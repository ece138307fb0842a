package app_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/psp/liqpay/liqpayfake"
)

// LiqPay through the real server: a process with an account of each version of LiqPay's protocol, a fake
// of LiqPay for each, and nothing but the doors that merchants, payers and LiqPay have. Each scenario
// prints its order's history; `go test -v -run LiqPay ./server/app` reads as a transcript.
func TestLiqPay(t *testing.T) {
	t.Parallel()
	m := newLiqPayMarket(t)
	t.Cleanup(m.checkStream) // After both versions.
	for _, shop := range m.shops {
		t.Run(fmt.Sprintf("v%d", shop.version), func(t *testing.T) {
			t.Parallel()
			for _, scenario := range liqPayScenarios() {
				t.Run(scenario.name, func(t *testing.T) { // One after the other: they share their LiqPay's mood.
					scenario.play(&liqPayScene{t, shop})
				})
			}
		})
	}
}

type liqPayScenario struct {
	name string
	play func(s *liqPayScene)
}

func liqPayScenarios() []liqPayScenario {
	return []liqPayScenario{
		{"C1_Paid", (*liqPayScene).paid},
		{"O4_DeclinedThenPaid", (*liqPayScene).declinedThenPaid},
		{"O10_HeldAndCapturedInPart", (*liqPayScene).heldAndCaptured},
		{"O10_HeldAndVoided", (*liqPayScene).heldAndVoided},
		{"R1_PartlyRefundedTwice", (*liqPayScene).refundedTwice},
		{"O10_RefundedInTheCabinet", (*liqPayScene).refundedInTheCabinet},
		{"C1_Forged", (*liqPayScene).forged},
		{"M4_LessPaid", (*liqPayScene).lessPaid},
		{"M4_MorePaid", (*liqPayScene).morePaid},
		{"M4_AnotherCurrency", (*liqPayScene).anotherCurrency},
		{"M4_AnotherPublicKey", (*liqPayScene).anotherPublicKey},
		{"C5_AnotherShopsOrder", (*liqPayScene).anotherShopsOrder},
		{"C5_OursUnknown", (*liqPayScene).oursUnknown},
		{"O8_AnotherOrderOfOurs", (*liqPayScene).anotherOrderOfOurs},
		{"C1_RepeatedFiftyTimesAtOnce", (*liqPayScene).repeated},
		{"L2_CallbackAfterTheReturn", (*liqPayScene).callbackAfterReturn},
		{"O6_CallbackLost", (*liqPayScene).callbackLost},
		{"O6_LiqPayDown", (*liqPayScene).liqPayDown},
	}
}

// What every order of these scenarios costs, and what its first events are.
const liqPayPrice = 15_000

var (
	liqPayBegun = []string{"link.created", "order.created", "attempt.started", "order.processing", "attempt.handed_off"}
	liqPaySold  = []string{"evidence.noted", "order.paid"}
)

func (s *liqPayScene) paid() {
	p := s.open("paid", false)
	if state := p.back(p.decide("pay")); state != "PAID" {
		s.t.Errorf("the payer returns and reads %s", state)
	}
	p.history(liqPaySold...).from("CALLBACK").is("PAID", 15_000, 0)
}

func (s *liqPayScene) declinedThenPaid() {
	p := s.open("declined", false)
	if state := p.back(p.decide("decline")); state != "FAILED" {
		s.t.Errorf("the payer returns and reads %s", state)
	}
	declined := []string{"evidence.noted", "attempt.declined", "order.payment_failed"}
	p.history(declined...).is("FAILED", 0, 0)
	if why := s.events.reason(p.orderID, "attempt.declined"); why != "there is not enough money on the card" {
		s.t.Errorf("the stream says that it was declined because %q", why)
	}
	p.decide("pay") // With another card, on the page that is still open.
	p.history(slices.Concat(declined, liqPaySold)...).from("CALLBACK", "CALLBACK").is("PAID", 15_000, 0)
}

func (s *liqPayScene) heldAndCaptured() {
	p := s.open("captured", true)
	if state := p.back(p.decide("pay")); state != "AUTHORIZED" {
		s.t.Errorf("the payer returns and reads %s", state)
	}
	held := []string{"evidence.noted", "order.authorized"}
	p.history(held...).is("AUTHORIZED", 0, 0)
	_, err := s.client.Payments.CapturePayment(s.t.Context(), &kvitv1.CapturePaymentRequest{
		IdempotencyKey: "capture-" + p.orderID, OrderId: p.orderID, Amount: hryvnia(12_050),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	captured := slices.Concat(held, []string{"capture.requested", "evidence.noted", "order.captured", "order.paid"})
	p.history(captured...).is("PAID", 12_050, 0)
	// LiqPay says "reversed" of this and of a hold that was released; only the first is a refund.
	if refund, err := p.refund(0, 12_050); err != nil || refund.GetState() != kvitv1.RefundState_REFUND_STATE_POSTED {
		s.t.Errorf("the refund is %s, %v", refund.GetState(), err)
	}
	back := []string{"refund.requested", "refund.sent", "evidence.noted", "refund.posted", "order.refunded"}
	p.history(slices.Concat(captured, back)...).is("REFUNDED", 12_050, 12_050)
}

func (s *liqPayScene) heldAndVoided() {
	p := s.open("voided", true)
	p.back(p.decide("pay"))
	_, err := s.client.Payments.CancelOrder(s.t.Context(), &kvitv1.CancelOrderRequest{
		IdempotencyKey: "cancel-" + p.orderID, OrderId: p.orderID, Reason: "out of stock",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	p.history("evidence.noted", "order.authorized", "void.requested", "evidence.noted", "order.cancelled", "attempt.dead").is("CANCELLED", 0, 0)
	if status := s.fake.Status(p.ref); status != "reversed" {
		s.t.Errorf("at LiqPay the hold is %s", status)
	}
}

func (s *liqPayScene) refundedTwice() {
	p := s.open("refunded", false)
	p.back(p.decide("pay"))
	back := []string{"refund.requested", "refund.sent", "evidence.noted", "refund.posted", "order.partially_refunded"}
	for n, minor := range []int64{5_000, 2_550} {
		refund, err := p.refund(n, minor)
		if err != nil || refund.GetState() != kvitv1.RefundState_REFUND_STATE_POSTED {
			s.t.Fatalf("refund %d is %s, %v", n, refund.GetState(), err)
		}
	}
	if _, err := p.refund(2, 7_451); kvit.Reason(err) != "REFUND_EXCEEDS_PAYMENT" {
		s.t.Errorf("more than is left goes back with %v", err)
	} else {
		s.t.Logf("74.51 UAH of the 74.50 UAH that are left: %v", err)
	}
	p.history(slices.Concat(liqPaySold, back, back)...).is("PARTIALLY_REFUNDED", 15_000, 7_550)
}

func (s *liqPayScene) refundedInTheCabinet() {
	p := s.open("cabinet", false)
	p.back(p.decide("pay"))
	if err := s.fake.Refund(s.t.Context(), p.ref, "40.00"); err != nil {
		s.t.Fatal(err)
	}
	partly := slices.Concat(liqPaySold, []string{"evidence.noted", "refund.posted", "order.partially_refunded"})
	p.history(partly...).is("PARTIALLY_REFUNDED", 15_000, 4_000)
	if err := s.fake.Refund(s.t.Context(), p.ref, "110.00"); err != nil {
		s.t.Fatal(err)
	}
	p.history(slices.Concat(partly, []string{"evidence.noted", "refund.posted", "order.refunded"})...).is("REFUNDED", 15_000, 15_000)
}

// Somebody who does not know the key says that the order is paid. Then the payer pays.
func (s *liqPayScene) forged() {
	p := s.open("forged", false)
	before := s.became("FORGED")
	success := map[string]string{"status": `"success"`}
	good, err := s.fake.Callback(p.ref)
	if err != nil {
		s.t.Fatal(err)
	}
	said, err := s.fake.Alter(good, success)
	if err != nil {
		s.t.Fatal(err)
	}
	strangers, err := s.fake.Forge(said)
	if err != nil {
		s.t.Fatal(err)
	}
	form, other := formOf(s.t, said), formOf(s.t, good)
	form.Set("signature", other.Get("signature")) // Of what LiqPay did say.
	twin := liqpayfake.New(liqpayfake.Account{PublicKey: s.public, PrivateKey: s.private, Version: 10 - s.version, Now: time.Now})
	hashed := twin.Sign(dataOf(s.t, formOf(s.t, said))) // With the hash of the other version.
	ours := p.handoff                                   // Signed with the same key, and no callback.
	forgeries := []string{string(strangers), form.Encode(), hashed.Encode(), ours.Encode()}
	for i, body := range forgeries {
		if code, text := p.tell(body); code != http.StatusForbidden || text != "wrong signature" {
			s.t.Errorf("forgery %d is answered %d %q", i, code, text)
		}
	}
	if got := s.became("FORGED") - before; got != len(forgeries) {
		s.t.Errorf("%d of %d forgeries are counted", got, len(forgeries))
	}
	s.t.Logf("%d forgeries were answered 403 and counted; the order hears nothing of them", len(forgeries))
	p.history().is("PROCESSING", 0, 0)
	p.back(p.decide("pay"))
	p.history(liqPaySold...).is("PAID", 15_000, 0)
}

func (s *liqPayScene) lessPaid() {
	s.altered("less", map[string]string{"amount": "1.5"}).is("MANUAL_REVIEW", 0, 0, "UNDERPAID 150 UAH")
}

func (s *liqPayScene) morePaid() {
	s.altered("more", map[string]string{"amount": `"150.01"`}).is("MANUAL_REVIEW", 0, 0, "OVERPAID 15001 UAH")
}

func (s *liqPayScene) anotherCurrency() {
	s.altered("currency", map[string]string{"currency": `"USD"`}).is("MANUAL_REVIEW", 0, 0, "WRONG_CURRENCY 15000 USD")
}

func (s *liqPayScene) anotherPublicKey() {
	s.altered("payee", map[string]string{"public_key": `"sandbox_i99999999999"`}).is("MANUAL_REVIEW", 0, 0, "WRONG_MERCHANT 15000 UAH")
}

// altered lets LiqPay sign something else than what the order asks for: the signature is good, and
// a person looks (M4).
func (s *liqPayScene) altered(name string, alter map[string]string) *liqPayPayer {
	s.t.Helper()
	p := s.open(name, false)
	s.mood(liqpayfake.Mood{Alter: alter})
	if state := p.back(p.decide("pay")); state != "MANUAL_REVIEW" {
		s.t.Errorf("the payer returns and reads %s", state)
	}
	s.answered(p.ref, http.StatusOK, "ok")
	return p.history("evidence.noted", "exception.opened", "order.review_required")
}

// The account is shared with a web shop: what is not ours is kept and changes nothing.
func (s *liqPayScene) anotherShopsOrder() {
	s.notOurs("foreign", "FOREIGN", func(*liqPayPayer) string { return "web-shop-1017" })
}

// The reference has our mark, and no attempt has it.
func (s *liqPayScene) oursUnknown() {
	s.notOurs("orphan", "ORPHAN", func(p *liqPayPayer) string { return p.ref[:len(p.ref)-26] + strings.Repeat("0", 26) })
}

// notOurs says of another order_id, with a good signature, that it is paid; then the payer pays.
func (s *liqPayScene) notOurs(name, became string, orderID func(*liqPayPayer) string) {
	s.t.Helper()
	p := s.open(name, false)
	before := s.became(became)
	alter := map[string]string{"status": `"success"`, "order_id": strconv.Quote(orderID(p)), "payment_id": `"777"`}
	for range 2 {
		if code, text := p.tell(p.altered(alter)); code != http.StatusOK || text != "ok" {
			s.t.Errorf("it is answered %d %q", code, text)
		}
	}
	if got := s.became(became) - before; got != 2 {
		s.t.Errorf("%d of 2 callbacks became %s", got, became)
	}
	s.t.Logf("a callback about order_id %s, twice, was answered 200 and counted as %s", orderID(p), became)
	p.history().is("PROCESSING", 0, 0)
	p.back(p.decide("pay"))
	p.history(liqPaySold...).is("PAID", 15_000, 0)
}

// A payment that one order has is said to be another's: the same money is never two payments.
func (s *liqPayScene) anotherOrderOfOurs() {
	owner, p := s.open("owner", false), s.open("claimant", false)
	owner.decide("pay")
	if code, text := p.tell(owner.altered(map[string]string{"order_id": strconv.Quote(p.ref)})); code != http.StatusOK || text != "ok" {
		s.t.Errorf("it is answered %d %q", code, text)
	}
	conflict := []string{"evidence.noted", "exception.opened"}
	p.history(conflict...).is("PROCESSING", 0, 0, "CONFLICTING_EVIDENCE 15000 UAH")
	p.decide("pay")
	p.history(slices.Concat(conflict, liqPaySold)...).is("PAID", 15_000, 0, "CONFLICTING_EVIDENCE 15000 UAH")
	owner.history(liqPaySold...).is("PAID", 15_000, 0)
}

func (s *liqPayScene) repeated() {
	const times = 50
	p := s.open("repeated", false)
	s.mood(liqpayfake.Mood{Never: true})
	p.decide("pay")
	body := p.altered(nil)
	applied, repeated := s.became("APPLIED"), s.became("REPEATED")
	var telling sync.WaitGroup
	for range times {
		telling.Go(func() {
			if code, text, err := post(s.t.Context(), p.callback, body); err != nil || code != http.StatusOK || text != "ok" {
				s.t.Errorf("it is answered %d %q, %v", code, text, err)
			}
		})
	}
	telling.Wait()
	if applied, repeated = s.became("APPLIED")-applied, s.became("REPEATED")-repeated; applied != 1 || repeated != times-1 {
		s.t.Errorf("%d callbacks had an effect, %d were repeats", applied, repeated)
	}
	s.t.Logf("%d callbacks at once: 200 each, %d with an effect, %d repeats", times, applied, repeated)
	p.back(p.returnURL)
	p.history(liqPaySold...).from("CALLBACK").is("PAID", 15_000, 0)
}

// The payer leaves LiqPay's page, goes back to it, pays, and returns before LiqPay tells of it.
func (s *liqPayScene) callbackAfterReturn() {
	p := s.open("after", false)
	s.mood(liqpayfake.Mood{Late: true})
	if state := p.back(p.decide("abandon")); state != "PROCESSING" {
		s.t.Errorf("the payer leaves and reads %s", state)
	}
	eventually(s.t, "asked about", func() bool { return s.asked(p.ref, "status") == 1 })
	if state := p.back(p.decide("pay")); state != "PROCESSING" { // It is not asked about again within 10 s (O6).
		s.t.Errorf("the payer returns before the callback and reads %s", state)
	}
	s.fake.Tell(s.t.Context())
	s.answered(p.ref, http.StatusOK, "ok")
	if state := p.back(p.returnURL); state != "PAID" {
		s.t.Errorf("the payer reads %s after the callback", state)
	}
	p.history(liqPaySold...).from("CALLBACK").is("PAID", 15_000, 0)
}

// The callback is lost, and the payer's return makes us ask. When it comes after all, it says nothing new.
func (s *liqPayScene) callbackLost() {
	p := s.open("lost", false)
	s.mood(liqpayfake.Mood{Late: true})
	p.back(p.decide("pay"))
	s.events.await(s.t, p.orderID, "order.paid")
	if state := p.back(p.returnURL); state != "PAID" {
		s.t.Errorf("the payer reads %s", state)
	}
	s.fake.Tell(s.t.Context())
	s.answered(p.ref, http.StatusOK, "ok")
	p.history(liqPaySold...).from("STATUS_LOOKUP").is("PAID", 15_000, 0)
}

// Callbacks are lost and LiqPay does not answer: not knowing is a state, and the truth is found later. A
// refund whose outcome is not known is asked about and never sent again (R2).
func (s *liqPayScene) liqPayDown() {
	paid, p := s.open("unsure", false), s.open("down", false)
	paid.back(paid.decide("pay"))
	s.mood(liqpayfake.Mood{Never: true})
	s.fake.Trouble(map[int]liqpayfake.Trouble{liqpayfake.Version3: liqpayfake.Broken, liqpayfake.Version7: liqpayfake.Cut}[s.version])
	defer s.fake.Trouble(liqpayfake.Fine)
	p.back(p.decide("pay"))
	s.events.await(s.t, p.orderID, "attempt.unknown")
	if state := p.back(p.returnURL); state != "PROCESSING" {
		s.t.Errorf("the payer reads %s", state)
	}
	p.history("attempt.unknown").is("PROCESSING", 0, 0)
	refund, err := paid.refund(0, 5_000)
	if err != nil || refund.GetState() != kvitv1.RefundState_REFUND_STATE_UNKNOWN {
		s.t.Errorf("the refund is %s, %v", refund.GetState(), err)
	}
	unsure := slices.Concat(liqPaySold, []string{"refund.requested", "refund.sent", "refund.unknown"})
	paid.history(unsure...).is("PAID", 15_000, 0)
	s.fake.Trouble(liqpayfake.Fine)
	s.events.await(s.t, p.orderID, "order.paid")
	p.history(slices.Concat([]string{"attempt.unknown"}, liqPaySold)...).from("STATUS_LOOKUP").is("PAID", 15_000, 0)
	s.events.await(s.t, paid.orderID, "order.partially_refunded")
	paid.history(slices.Concat(unsure, []string{"evidence.noted", "refund.posted", "order.partially_refunded"})...).
		from("CALLBACK", "STATUS_LOOKUP").is("PARTIALLY_REFUNDED", 15_000, 5_000)
	if n := s.asked(paid.ref, "refund"); n != 1 {
		s.t.Errorf("LiqPay was asked %d times to give money back", n)
	}
}

// liqPayMarket is one server with an account at each of two LiqPays, and a stream that was opened first.
type liqPayMarket struct {
	t      *testing.T
	server *process
	client *kvit.Client
	events *eventLog
	shops  []*liqPayShop
}

// liqPayShop is one of the merchant's accounts, and LiqPay.
type liqPayShop struct {
	*liqPayMarket
	version                          int
	account, public, private, origin string
	fake                             *liqpayfake.Fake
}

// liqPayScene is one scenario at a shop.
type liqPayScene struct {
	t *testing.T
	*liqPayShop
}

func newLiqPayMarket(t *testing.T) *liqPayMarket {
	t.Helper()
	m := &liqPayMarket{t: t, events: &eventLog{changed: make(chan struct{}), told: map[string][]string{}, wanted: map[string][]string{}, reasons: map[string]string{}}}
	config := bytes.NewBufferString("merchants:\n  - id: tea\n    name: Tea house\n    mode: test\n    locale: uk\n    psp_accounts:\n")
	path := filepath.Join(t.TempDir(), "merchants.yaml")
	environ := []string{"KVIT_DATA_DIR=" + t.TempDir(), "KVIT_CONFIG=" + path}
	for _, version := range []int{liqpayfake.Version3, liqpayfake.Version7} {
		s := &liqPayShop{
			liqPayMarket: m, version: version, account: fmt.Sprintf("liqpay-v%d", version),
			public: fmt.Sprintf("sandbox_i0000000000%d", version), private: fmt.Sprintf("sandbox_private_key_%d", version),
		}
		s.fake = liqpayfake.New(liqpayfake.Account{PublicKey: s.public, PrivateKey: s.private, Version: version, Now: time.Now})
		door := httptest.NewServer(s.fake)
		t.Cleanup(door.Close)
		s.origin = door.URL
		_, _ = fmt.Fprintf(config, "      - {id: %s, psp: liqpay, mode: test, settings: {public_key: %s, private_key: 'env:KEY_%d', api_version: '%d', base_url: %q}}\n",
			s.account, s.public, version, version, s.origin)
		environ = append(environ, fmt.Sprintf("KEY_%d=%s", version, s.private))
		m.shops = append(m.shops, s)
	}
	if err := os.WriteFile(path, config.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	platform := platformKey(t)
	m.server = newProcess(t, append(environ, "KVIT_BOOTSTRAP_API_KEY="+platform)...)
	m.server.start()
	m.client = connectTo(t, m.server.url(), m.merchantKey(platform))
	m.watch()
	return m
}

func (m *liqPayMarket) merchantKey(platform string) string {
	m.t.Helper()
	admin := connectTo(m.t, "http://"+m.server.admin, platform)
	made, err := admin.Access.CreateApiKey(m.t.Context(), &kvitv1.CreateApiKeyRequest{
		IdempotencyKey: "key", MerchantId: "tea", Name: "test", Kind: kvitv1.ApiKeyKind_API_KEY_KIND_MERCHANT, Mode: kvitv1.Mode_MODE_TEST,
		Scopes: []string{"links:write", "orders:read", "orders:write", "refunds:write", "events:read"},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return made.GetSecret()
}

// mood changes how LiqPay tells of payments, until the scenario ends.
func (s *liqPayScene) mood(mood liqpayfake.Mood) {
	s.t.Helper()
	s.fake.Mood(mood)
	s.t.Cleanup(func() { s.fake.Mood(liqpayfake.Mood{}) })
}

// became reads from the admin port how many callbacks of the account became that.
func (s *liqPayScene) became(what string) int {
	s.t.Helper()
	page, _ := privateBrowser(s.t).fetch(http.MethodGet, "http://"+s.server.admin+"/metrics", nil)
	line := fmt.Sprintf(`kvit_psp_callbacks_became_total\{account="%s",became="%s"\} (\d+)`, s.account, what)
	found := regexp.MustCompile(line).FindStringSubmatch(page)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// answered checks what LiqPay's last callback about a payment was answered with.
func (s *liqPayScene) answered(ref string, code int, body string) {
	s.t.Helper()
	for _, told := range slices.Backward(s.fake.Told()) {
		if told.OrderID == ref {
			if told.Code != code || told.Body != body || told.Err != nil {
				s.t.Errorf("LiqPay's callback was answered %d %q, %v", told.Code, told.Body, told.Err)
			}
			return
		}
	}
	s.t.Error("LiqPay told nothing")
}

// asked counts the requests for an action at a payment.
func (s *liqPayShop) asked(ref, action string) int {
	n := 0
	for _, request := range s.fake.Requests() {
		if request["action"] == strconv.Quote(action) && request["order_id"] == strconv.Quote(ref) {
			n++
		}
	}
	return n
}

// liqPayPayer is an order and a browser without JavaScript that pays it.
type liqPayPayer struct {
	t       *testing.T
	shop    *liqPayShop
	browser *browser
	orderID string
	// handoff is the form that leads to LiqPay; ref and callback are what it tells LiqPay.
	handoff                        url.Values
	ref, callback, page, returnURL string
}

// open makes an order, opens its page, presses Pay, and lets the browser post the form to LiqPay.
func (s *liqPayScene) open(name string, hold bool) *liqPayPayer {
	s.t.Helper()
	p := &liqPayPayer{t: s.t, shop: s.liqPayShop, browser: privateBrowser(s.t), orderID: fmt.Sprintf("%s-%d", name, s.version)}
	request := &kvitv1.CreatePaymentLinkRequest{
		IdempotencyKey: "key-" + p.orderID, Kind: kvitv1.LinkKind_LINK_KIND_DYNAMIC, OrderId: p.orderID, Amount: hryvnia(liqPayPrice), Description: "Чай, 1 кг",
	}
	if hold {
		request.CaptureMode = kvitv1.CaptureMode_CAPTURE_MODE_MANUAL
	}
	created, err := s.client.Payments.CreatePaymentLink(s.t.Context(), request)
	if err != nil {
		s.t.Fatal(err)
	}
	link := created.GetLink().GetUrl()
	press := p.browser.form(link)
	press.Set("way", s.account) // The page has a button for each account.
	sent, _ := p.browser.fetch(http.MethodPost, link+"/start", press)
	if !strings.Contains(sent, `<form method="post" action="`+s.origin+`/api/3/checkout"`) {
		s.t.Fatalf("the page does not lead to LiqPay:\n%s", sent)
	}
	p.handoff = fieldsOf(sent, "data", "signature")
	var told struct {
		OrderID   string `json:"order_id"`
		ServerURL string `json:"server_url"`
		ResultURL string `json:"result_url"`
	}
	if err := json.Unmarshal(dataOf(s.t, p.handoff), &told); err != nil {
		s.t.Fatal(err)
	}
	p.ref, p.callback, p.returnURL = told.OrderID, told.ServerURL, told.ResultURL
	_, at := p.browser.fetch(http.MethodPost, s.origin+"/api/3/checkout", p.handoff)
	if at == "" || strings.Contains(at, "throw_error") {
		s.t.Fatalf("LiqPay's checkout leads to %q", at)
	}
	p.page = s.origin + at
	return p
}

// decide presses a button of LiqPay's page, and says where the browser is sent to.
func (p *liqPayPayer) decide(button string) string {
	p.t.Helper()
	_, to := p.browser.fetch(http.MethodPost, p.page, url.Values{"do": {button}})
	if to != p.returnURL {
		p.t.Errorf("LiqPay sends the browser to %q", to)
	}
	return to
}

var shownState = regexp.MustCompile(`data-state="([A-Z_]+)"`)

// back opens the page that LiqPay sends the browser to, and says what state it shows.
func (p *liqPayPayer) back(to string) string {
	p.t.Helper()
	page, _ := p.browser.fetch(http.MethodGet, to, nil)
	state := shownState.FindStringSubmatch(page)
	if state == nil {
		p.t.Fatalf("the page shows no state:\n%s", page)
	}
	return state[1]
}

// tell posts a body to the callback address.
func (p *liqPayPayer) tell(body string) (code int, text string) {
	p.t.Helper()
	code, text, err := post(p.t.Context(), p.callback, body)
	if err != nil {
		p.t.Fatal(err)
	}
	return code, text
}

// altered is the callback that tells of the payment, with members replaced, signed by LiqPay.
func (p *liqPayPayer) altered(alter map[string]string) string {
	p.t.Helper()
	good, err := p.shop.fake.Callback(p.ref)
	if err != nil {
		p.t.Fatal(err)
	}
	body, err := p.shop.fake.Alter(good, alter)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(body)
}

func (p *liqPayPayer) refund(n int, minor int64) (*kvitv1.Refund, error) {
	res, err := p.shop.client.Payments.RefundOrder(p.t.Context(), &kvitv1.RefundOrderRequest{
		IdempotencyKey: fmt.Sprintf("refund-%d-%s", n, p.orderID), OrderId: p.orderID, Amount: hryvnia(minor), Reason: "came broken",
	})
	return res.GetRefund(), err
}

// history checks that the order's journal is what every order begins with and these events, and that
// the stream told of each.
func (p *liqPayPayer) history(after ...string) *liqPayPayer {
	p.t.Helper()
	explained := p.explained()
	var types []string
	for _, step := range explained.GetSteps() {
		types = append(types, step.GetType())
	}
	if want := slices.Concat(liqPayBegun, after); !slices.Equal(types, want) {
		p.t.Errorf("%s: the journal has\n%q, want\n%q", p.orderID, types, want)
	}
	p.shop.events.want(p.t, p.orderID, types)
	return p
}

// from checks where the order's evidence came from, in order.
func (p *liqPayPayer) from(sources ...string) *liqPayPayer {
	p.t.Helper()
	var got []string
	for _, step := range p.explained().GetSteps() {
		if step.GetType() != "evidence.noted" {
			continue // What follows from evidence names it again.
		}
		for _, ev := range step.GetEvidence() {
			got = append(got, strings.TrimPrefix(ev.GetSource().String(), "EVIDENCE_SOURCE_"))
		}
	}
	if !slices.Equal(got, sources) {
		p.t.Errorf("%s: evidence is from %q, want %q", p.orderID, got, sources)
	}
	return p
}

// is checks the order's state, sums and open exceptions, and prints its history.
func (p *liqPayPayer) is(state string, paidMinor, refundedMinor int64, exceptions ...string) {
	p.t.Helper()
	p.print()
	res, err := p.shop.client.Payments.GetOrderStatus(p.t.Context(), &kvitv1.GetOrderStatusRequest{OrderId: p.orderID})
	if err != nil {
		p.t.Fatal(err)
	}
	o := res.GetOrder()
	if o.GetState().String() != "ORDER_STATE_"+state || o.GetPaidAmount().GetMinorUnits() != paidMinor || o.GetRefundedAmount().GetMinorUnits() != refundedMinor {
		p.t.Errorf("%s is %s, paid %s, refunded %s", p.orderID, o.GetState(), o.GetPaidAmount(), o.GetRefundedAmount())
	}
	var odd []string
	for _, x := range res.GetExceptions() {
		odd = append(odd, fmt.Sprintf("%s %d %s", strings.TrimPrefix(x.GetKind().String(), "EXCEPTION_KIND_"), x.GetAmount().GetMinorUnits(), x.GetAmount().GetCurrencyCode()))
	}
	if !slices.Equal(odd, exceptions) {
		p.t.Errorf("%s: exceptions %q, want %q", p.orderID, odd, exceptions)
	}
}

func (p *liqPayPayer) explained() *kvitv1.ExplainOrderResponse {
	p.t.Helper()
	res, err := p.shop.client.Payments.ExplainOrder(p.t.Context(), &kvitv1.ExplainOrderRequest{OrderId: p.orderID})
	if err != nil {
		p.t.Fatal(err)
	}
	return res
}

// print writes the order's history as a person reads it.
func (p *liqPayPayer) print() {
	p.t.Helper()
	explained := p.explained()
	text := &strings.Builder{}
	for _, step := range explained.GetSteps() {
		_, _ = fmt.Fprintf(text, "\n  #%-4d %-25s %s", step.GetPosition(), step.GetType(), step.GetText())
		for _, ev := range step.GetEvidence() {
			_, _ = fmt.Fprintf(text, " [%s]", ev.GetSummary())
		}
	}
	p.t.Logf("%s: %s%s", p.orderID, explained.GetSummary(), text)
}

// eventLog is what the stream told.
type eventLog struct {
	mu      sync.Mutex
	last    uint64
	told    map[string][]string // The types of an order's events.
	wanted  map[string][]string // What was compared last.
	reasons map[string]string   // Why, by order and type.
	changed chan struct{}
	err     error
}

// watch opens the stream before anything happens, and keeps it open until the test ends.
func (m *liqPayMarket) watch() {
	m.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(m.t.Context()))
	var reading sync.WaitGroup
	m.t.Cleanup(func() {
		stop()
		reading.Wait()
	})
	stream, err := m.client.Payments.StreamOrderEvents(ctx, &kvitv1.StreamOrderEventsRequest{
		Start: &kvitv1.StreamOrderEventsRequest_From{From: kvitv1.StreamFrom_STREAM_FROM_NOW},
	})
	if err != nil || !stream.Receive() { // The first message is a heartbeat.
		m.t.Fatal("the stream did not open", err)
	}
	reading.Go(func() {
		defer func() { _ = stream.Close() }()
		for stream.Receive() {
			m.events.add(stream.Msg().GetEvents().GetEvents())
		}
	})
}

func (l *eventLog) add(events []*kvitv1.OrderEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		if e.GetPosition() != l.last+1 && l.err == nil {
			l.err = fmt.Errorf("position %d came after %d", e.GetPosition(), l.last)
		}
		l.last = e.GetPosition()
		if id := e.GetOrderId(); id != "" {
			l.told[id] = append(l.told[id], e.GetType())
			l.reasons[id+" "+e.GetType()] = e.GetDetail().GetReason()
		}
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// reason is why something happened, by the last event of that type.
func (l *eventLog) reason(orderID, kind string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reasons[orderID+" "+kind]
}

// until waits until the stream has told what is wanted of an order.
func (l *eventLog) until(t *testing.T, orderID string, holds func(types []string) bool) []string {
	t.Helper()
	late := time.After(60 * time.Second)
	for {
		l.mu.Lock()
		types, changed := slices.Clone(l.told[orderID]), l.changed
		l.mu.Unlock()
		if holds(types) {
			return types
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("of %s the stream told only %q", orderID, types)
		}
	}
}

func (l *eventLog) await(t *testing.T, orderID, kind string) {
	t.Helper()
	l.until(t, orderID, func(types []string) bool { return slices.Contains(types, kind) })
}

// want waits for as many events of an order, and compares.
func (l *eventLog) want(t *testing.T, orderID string, want []string) {
	t.Helper()
	got := l.until(t, orderID, func(types []string) bool { return len(types) >= len(want) })
	l.mu.Lock()
	l.wanted[orderID] = want
	l.mu.Unlock()
	if !slices.Equal(got, want) {
		t.Errorf("of %s the stream told %q, want %q", orderID, got, want)
	}
}

// checkStream compares what the stream has told with the journal as it is at the end (J2), and that
// nothing was added to an order after its scenario.
func (m *liqPayMarket) checkStream() {
	m.t.Helper()
	m.events.mu.Lock()
	last, ids, err := m.events.last, len(m.events.told), m.events.err
	if !maps.EqualFunc(m.events.told, m.events.wanted, slices.Equal) {
		m.t.Errorf("at the end the stream has told %q, want %q", m.events.told, m.events.wanted)
	}
	m.events.mu.Unlock()
	list, listErr := m.client.Payments.ListOrderEvents(context.WithoutCancel(m.t.Context()), &kvitv1.ListOrderEventsRequest{
		Start: &kvitv1.ListOrderEventsRequest_From{From: kvitv1.StreamFrom_STREAM_FROM_NOW},
	})
	if err != nil || listErr != nil || list.GetScannedTo() != last {
		m.t.Errorf("the stream told of positions 1 to %d (%v), the journal ends at %d (%v)", last, err, list.GetScannedTo(), listErr)
	}
	m.t.Logf("the stream told of %d events of %d orders, without a gap", last, ids)
}

func hryvnia(minor int64) *kvitv1.Money { return &kvitv1.Money{CurrencyCode: "UAH", MinorUnits: minor} }

func formOf(t *testing.T, body []byte) url.Values {
	t.Helper()
	form, err := url.ParseQuery(string(body))
	if err != nil {
		t.Fatal(err)
	}
	return form
}

// dataOf is what a form's signature covers, decoded.
func dataOf(t *testing.T, form url.Values) []byte {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(form.Get("data"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// privateTransport has connections that no other test uses: a test server that closes breaks the shared ones.
var privateTransport = &http.Transport{DisableKeepAlives: true}

func privateBrowser(t *testing.T) *browser {
	t.Helper()
	b := newBrowser(t)
	b.client.Transport = privateTransport
	return b
}

// post sends a form as LiqPay's servers do.
func post(ctx context.Context, to, body string) (code int, text string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := (&http.Client{Transport: privateTransport, Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, string(answer), err
}

// eventually waits for something that no door tells of.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("it is never %s", what)
		}
	}
}
