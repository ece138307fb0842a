package checkout_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/checkout"
	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/seal"
)

const (
	keyOld = "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
	keyNew = "k2 ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8\n"

	publicURL = "https://pay.example"
	pspOrigin = "https://psp.example"
)

// tokenOf is a token for a word: tests read better with words.
func tokenOf(word string) string {
	sum := sha256.Sum256([]byte(word))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:seal.TokenLength]
}

// noon is the time of the tests' clock, in Yerevan.
func noon() time.Time { return time.Date(2026, time.March, 5, 12, 0, 0, 0, yerevan()) }

func yerevan() *time.Location { return time.FixedZone("AMT", 4*60*60) }

// fake stands for the use-cases: a page per token, and what a press of Pay answers.
type fake struct {
	mu      sync.Mutex
	pages   map[string]payment.Page
	started []payment.StartAttempt
	nudged  []string
	opened  int
	// answer is what a press of Pay does; nil answers with a redirect to the PSP.
	answer func(payment.StartAttempt) (payment.Started, error)
	// readErr is what every read answers with.
	readErr error
	changed chan struct{}
}

func newFake() *fake { return &fake{pages: map[string]payment.Page{}, changed: make(chan struct{})} }

// put sets the page of a token, and wakes who waits for it.
func (f *fake) put(token string, page payment.Page) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages[token] = page
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) read(token string) (payment.Page, <-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened++
	page, ok := f.pages[token]
	switch {
	case f.readErr != nil:
		return payment.Page{}, nil, f.readErr
	case !ok:
		return payment.Page{}, nil, fault.New(fault.NotFound, fault.ReasonLinkNotFound, "There is no such payment link.")
	}
	return page, f.changed, nil
}

func (f *fake) OpenPage(_ context.Context, token string) (payment.Page, error) {
	page, _, err := f.read(token)
	return page, err
}

func (f *fake) StartAttempt(_ context.Context, in payment.StartAttempt) (payment.Started, error) {
	f.mu.Lock()
	f.started = append(f.started, in)
	answer := f.answer
	f.mu.Unlock()
	if answer != nil {
		return answer(in)
	}
	return payment.Started{Token: in.Token, AttemptID: "at_1", Handoff: &psp.Handoff{URL: pspOrigin + "/checkout/1"}}, nil
}

func (f *fake) PayerReturned(ctx context.Context, token, attemptID string) (payment.Page, error) {
	f.mu.Lock()
	f.nudged = append(f.nudged, attemptID)
	f.mu.Unlock()
	return f.OpenPage(ctx, token)
}

func (f *fake) WaitForChange(ctx context.Context, token string, version int64) (payment.Page, error) {
	page, changed, err := f.read(token)
	if err != nil || page.Order == nil || page.Order.Version > version {
		return page, err
	}
	select {
	case <-ctx.Done():
		return payment.Page{}, ctx.Err()
	case <-changed:
	case <-time.After(2 * time.Second):
	}
	return f.OpenPage(ctx, token)
}

func (f *fake) presses() []payment.StartAttempt {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]payment.StartAttempt(nil), f.started...)
}

// house is a door with a fake behind it, and a clock and a log that tests look at.
type house struct {
	*fake

	door http.Handler
	log  *bytes.Buffer
	now  time.Time
	keys *seal.Keyring
}

func newHouse(tb testing.TB) *house {
	tb.Helper()
	h := &house{fake: newFake(), log: &bytes.Buffer{}, now: noon()}
	h.rekey(tb, keyOld)
	return h
}

// rekey opens the door again with other keys, and zeros for randomness, as golden files want it.
func (h *house) rekey(tb testing.TB, keys string) {
	tb.Helper()
	ring, err := seal.Parse([]byte(keys))
	if err != nil {
		tb.Fatal(err)
	}
	h.keys = ring
	h.door = h.open(bytes.NewReader(make([]byte, 64<<10)))
}

// open makes a door.
func (h *house) open(random io.Reader) http.Handler {
	return checkout.New(checkout.Needs{
		Payment: h.fake, Keys: h.keys, PublicURL: publicURL, Origins: []string{pspOrigin, "https://bank.example"},
		Random: random, Now: func() time.Time { return h.now },
		Logger: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

// option changes a request.
type option func(*http.Request)

func header(name, value string) option { return func(r *http.Request) { r.Header.Set(name, value) } }

func (h *house) do(tb testing.TB, method, target, body string, options ...option) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, change := range options {
		change(r)
	}
	w := httptest.NewRecorder()
	h.door.ServeHTTP(w, r)
	return w
}

func (h *house) get(tb testing.TB, target string, options ...option) *httptest.ResponseRecorder {
	tb.Helper()
	return h.do(tb, http.MethodGet, target, "", options...)
}

var nonceField = regexp.MustCompile(`name="nonce" value="([^"]*)"`)

// nonce opens a page and returns its form's nonce.
func (h *house) nonce(tb testing.TB, token string) string {
	tb.Helper()
	found := nonceField.FindStringSubmatch(h.get(tb, "/pay/"+token).Body.String())
	if found == nil {
		tb.Fatal("the page has no nonce")
	}
	return found[1]
}

// press presses Pay.
func (h *house) press(tb testing.TB, token, nonce string, options ...option) *httptest.ResponseRecorder {
	tb.Helper()
	form := url.Values{"nonce": {nonce}, "way": {"liqpay-main"}}
	return h.do(tb, http.MethodPost, "/pay/"+token+"/start", form.Encode(), options...)
}

// offered is the page of a dynamic link that can be paid in two ways.
func offered() payment.Page {
	return payment.Page{
		Link: payment.LinkInfo{
			ID: "ln_1", Kind: order.Dynamic, State: order.LinkActive, OrderID: "A-1042", Currency: "AMD", AmountMinor: 1250000,
			Live: true, ExpiresAt: noon().Add(2 * time.Hour),
		},
		Order: &payment.OrderInfo{
			ID: "A-1042", Version: 1,
			View: order.View{
				State: order.Pending, Kind: order.Dynamic, Live: true, Currency: "AMD", AmountMinor: 1250000,
				OfferUntil: noon().Add(2 * time.Hour), AcceptUntil: noon().Add(26 * time.Hour),
			},
			Details: order.Details{
				Description: "Two tickets, Saturday evening",
				SuccessURL:  "https://shop.example/thanks", FailureURL: "https://shop.example/again",
				Items: []order.Item{{Name: "Ticket", Quantity: 2, AmountMinor: 1200000}, {Name: "Delivery", Quantity: 1, AmountMinor: 50000}},
			},
		},
		Merchant: payment.Merchant{ID: "m1", Name: "Ararat Tickets", Live: true, Support: "+374 10 000000", Location: yerevan()},
		Ways:     []payment.Way{{Account: "liqpay-main", Kind: "liqpay", Name: "LiqPay"}, {Account: "portmone-main", Kind: "portmone", Name: "Portmone"}},
		Now:      noon(),
	}
}

// inState is offered in another state, with what belongs to it.
func inState(state order.State) payment.Page {
	page := offered()
	page.Order.State = state
	page.Order.Version = 5
	switch state {
	case order.Pending:
	case order.Processing:
		page.Live = &payment.PageAttempt{ID: "at_1", Account: "liqpay-main", State: order.AttemptHanded, Until: noon().Add(25 * time.Minute)}
		page.Ways[0].Joins = true
	case order.Failed:
		page.Live = &payment.PageAttempt{ID: "at_1", Account: "liqpay-main", State: order.AttemptRefused, Until: noon().Add(25 * time.Minute)}
		page.Ways[0].Joins = true
		page.Failure = "there is not enough money on the card"
	case order.Authorized:
		page.Ways, page.Order.Authorized = nil, 1250000
	case order.Paid, order.Review, order.ChargedBack:
		page.Ways, page.Order.Paid = nil, 1250000
	case order.PartiallyRefunded:
		page.Ways, page.Order.Paid, page.Order.Refunded = nil, 1250000, 50000
	case order.Refunded:
		page.Ways, page.Order.Paid, page.Order.Refunded = nil, 1250000, 1250000
	case order.Expired, order.Cancelled:
		page.Ways = nil
	}
	return page
}

// unknown is an attempt that was asked about and has no answer.
func unknown() payment.Page {
	page := inState(order.Processing)
	page.Live.State = order.AttemptUncertain
	page.Live.Until = noon().Add(30 * time.Hour)
	return page
}

// fixed is the page of a fixed link.
func fixed() payment.Page {
	page := offered()
	page.Link.Kind, page.Link.OrderID, page.Link.ExpiresAt = order.Fixed, "", noon().Add(60*24*time.Hour)
	page.Link.Details = page.Order.Details
	page.Link.Details.Items = nil
	page.Order = nil
	return page
}

// linkIn is the page of a link that is not active.
func linkIn(state order.LinkState) payment.Page {
	page := offered()
	page.Link.State, page.Ways = state, nil
	return page
}
