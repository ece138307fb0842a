package checkout_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/checkout"
	"github.com/kvitpay/kvit/server/checkout/browsertest"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/seal"
)

// The page in a real browser: small phones, no JavaScript, accessibility, what follows an order live.
func TestBrowser_L2_PageOnAPhone(t *testing.T) {
	t.Parallel()
	browsertest.Need(t)
	stage := newStage(t)
	browsertest.Run(t, "checkout.mjs", stage.URL)
}

// stage is the page over HTTP, a PSP at another origin, and a control for the script.
type stage struct {
	*httptest.Server

	fake *fake
	// slow, form and own say how a press of a token's page goes on.
	slow, form map[string]bool
	own        map[string]string
	psp        string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	keys, err := seal.Parse([]byte(keyOld))
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{fake: newFake(), slow: map[string]bool{}, form: map[string]bool{}, own: map[string]string{}}
	provider := httptest.NewServer(http.HandlerFunc(payAtPSP))
	t.Cleanup(provider.Close)
	s.psp = provider.URL
	mux := http.NewServeMux()
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	mux.Handle("/pay/", checkout.New(checkout.Needs{
		Payment: s.fake, Keys: keys, PublicURL: s.URL, Origins: []string{s.psp}, Random: rand.Reader, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler),
	}))
	mux.HandleFunc("GET /control/sights", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(browserSights()) })
	mux.HandleFunc("POST /control/fresh", s.fresh)
	mux.HandleFunc("POST /control/move", s.move)
	mux.HandleFunc("POST /control/presses", s.presses)
	s.fake.answer = s.pressed
	return s
}

// browserSights are the pages that the script knows by name.
func browserSights() map[string]payment.Page {
	short := offered()
	short.Order.OfferUntil = short.Now.Add(3 * time.Second)
	many := map[string]payment.Page{
		"offer": offered(), "fixed": fixed(), "short": short, "unknown": unknown(), "link-off": linkIn(order.LinkInactive), "long": long(),
	}
	for _, state := range order.States() {
		if state != order.Pending {
			many[strings.ToLower(string(state))] = inState(state)
		}
	}
	return many
}

// long is a page whose texts are as long as they get.
func long() payment.Page {
	page := offered()
	page.Link.Live = false
	page.Merchant.Name = "Հայաստանի գեղարվեստական արհեստների և ձեռագործ աշխատանքների խանութ-սրահ"
	page.Merchant.Support = "https://support.example/a/rather/long/address/of/a/page/that/helps"
	page.Order.ID = strings.Repeat("A1b2C3d4", 8)
	page.Order.Details.Description = strings.Repeat("A description that goes on, and names everything that there is. ", 4)
	page.Order.AmountMinor, page.Link.AmountMinor = 98765432100, 98765432100
	page.Order.Details.Items[0].Name = strings.Repeat("Տոմստոմս", 12)
	page.Ways[0].Name = "Միջազգային և տեղական քարտեր"
	return page
}

// fresh makes a page of its own for a sight, and answers with its token.
func (s *stage) fresh(w http.ResponseWriter, r *http.Request) {
	token := tokenOf(rand.Text())
	page := browserSights()[r.FormValue("sight")]
	s.fake.mu.Lock()
	s.slow[token], s.form[token] = r.FormValue("slow") != "", r.FormValue("form") != ""
	s.fake.mu.Unlock()
	s.fake.put(token, page)
	_, _ = io.WriteString(w, token)
}

// move shows another sight at a token, as a later version of its order.
func (s *stage) move(_ http.ResponseWriter, r *http.Request) {
	page := browserSights()[r.FormValue("sight")]
	page.Order.Version = 6
	s.fake.put(r.FormValue("token"), page)
}

// presses answers how many presses of Pay a page has seen.
func (s *stage) presses(w http.ResponseWriter, r *http.Request) {
	count := 0
	for _, press := range s.fake.presses() {
		if press.Token == r.FormValue("token") {
			count++
		}
	}
	_, _ = fmt.Fprint(w, count)
}

// pressed begins an attempt: at a fixed link's page, one of an order of its own for each nonce.
func (s *stage) pressed(in payment.StartAttempt) (payment.Started, error) {
	page, _ := s.fake.OpenPage(context.Background(), in.Token)
	s.fake.mu.Lock()
	slow, form, token := s.slow[in.Token], s.form[in.Token], in.Token
	if page.Order == nil {
		if s.own[in.Nonce] == "" {
			s.own[in.Nonce] = tokenOf(rand.Text())
		}
		token = s.own[in.Nonce]
	}
	s.fake.mu.Unlock()
	if slow {
		time.Sleep(time.Second)
	}
	s.fake.put(token, inState(order.Processing))
	way := &psp.Handoff{URL: s.psp + "/psp/1"}
	if form {
		way.Fields = []psp.Field{{Name: "signature", Value: "a+b/c=="}}
	}
	return payment.Started{Token: token, AttemptID: "at_" + token, Handoff: way}, nil
}

// payAtPSP is the PSP's page.
func payAtPSP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><title>PSP</title><link rel="icon" href="data:,"><h1>PSP</h1><p>posted signature=%s, referer %q`,
		r.PostFormValue("signature"), r.Referer())
}
