package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp/sandbox/sandboxfake"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
)

const (
	payingAPIKey = "sandbox-api-key"
	payingSecret = "sandbox-signing-secret"
)

// balancer sends each request to the next server that takes it, as a load balancer does.
type balancer struct {
	servers []*process
	next    atomic.Uint64
	url     string
}

func newBalancer(t *testing.T) *balancer {
	t.Helper()
	b := &balancer{}
	door := httptest.NewServer(b)
	t.Cleanup(door.Close)
	b.url = door.URL
	return b
}

// ServeHTTP implements http.Handler.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	turn := b.next.Add(1)
	for i := range len(b.servers) {
		p := b.servers[(turn+uint64(i))%uint64(len(b.servers))]
		out, err := http.NewRequestWithContext(r.Context(), r.Method, p.url()+r.URL.RequestURI(), bytes.NewReader(body))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out.Header, out.Host = r.Header.Clone(), r.Host
		res, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			continue // It is down.
		}
		maps.Copy(w.Header(), res.Header)
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
		_ = res.Body.Close()
		return
	}
	http.Error(w, "no server", http.StatusBadGateway)
}

// tab opens pages and presses buttons, as a browser without JavaScript does.
type tab struct {
	t      *testing.T
	client *http.Client
}

func newTab(t *testing.T) *tab {
	t.Helper()
	return &tab{t: t, client: &http.Client{
		Timeout:       60 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

var (
	nonceField = regexp.MustCompile(`name="nonce" value="([^"]+)"`)
	wayField   = regexp.MustCompile(`name="way" value="([^"]+)"`)
)

// nonce opens the page and returns what its form holds.
func (p *tab) form(page string) (url.Values, error) {
	res, err := p.client.Get(page)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	nonce, way := nonceField.FindSubmatch(text), wayField.FindSubmatch(text)
	if nonce == nil || way == nil {
		return nil, fmt.Errorf("the page has no form (%d): %s", res.StatusCode, title(text))
	}
	return url.Values{"nonce": {string(nonce[1])}, "way": {string(way[1])}}, nil
}

func title(page []byte) string {
	text := string(page)
	if i := strings.Index(text, "<title>"); i >= 0 {
		text = text[i:]
	}
	return text[:min(len(text), 200)]
}

// press presses Pay and returns where the browser is sent; "" where the page shows the status.
func (p *tab) press(page string, form url.Values) (string, error) {
	res, err := p.client.PostForm(page+"/start", form)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.Header.Get("Location"), nil
}

// act plays a mood of the sandbox.
func act(t *testing.T, origin, ref string, mood map[string]any) error {
	t.Helper()
	return call(t, origin+"/v1/payments/"+ref+"/act", mood)
}

func call(t *testing.T, address string, body any) error {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+payingAPIKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	answer, _ := io.ReadAll(res.Body)
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s: %d %s", address, res.StatusCode, answer)
	}
	return nil
}

// town is three servers over one PostgreSQL and one Redis behind a balancer, and a sandbox PSP.
type town struct {
	t       *testing.T
	front   *balancer
	sandbox *httptest.Server
	client  *kvit.Client
	store   store.Store
}

func newTown(t *testing.T) *town {
	t.Helper()
	database, redis := freshSchema(t), needURL(t, "KVIT_TEST_REDIS_URL")
	w := &town{t: t, front: newBalancer(t)}
	var fake *sandboxfake.PSP
	w.sandbox = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { fake.ServeHTTP(rw, r) }))
	t.Cleanup(w.sandbox.Close)
	fake, err := sandboxfake.New(sandboxfake.Options{
		PublicURL: w.sandbox.URL, APIKey: payingAPIKey, SigningSecret: payingSecret, Merchant: "shop-1", Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- fake.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	keys, err := seal.Generate("first", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, config := platformKey(t), filepath.Join(t.TempDir(), "merchants.yaml")
	err = os.WriteFile(config, fmt.Appendf(nil, `merchants:
  - {id: demo, name: Demo shop, mode: test, locale: uk, psp_accounts: [
      {id: shop, psp: sandbox, settings: {url: %q, api_key: "env:SANDBOX_KEY", signing_secret: "env:SANDBOX_SECRET", payee: shop-1}}]}
`, w.sandbox.URL), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.front.servers = append(w.front.servers, newProcess(t,
			"KVIT_DATABASE_URL="+database, "KVIT_REDIS_URL="+redis, "KVIT_KEYS=env:HOUSE_KEYS", "HOUSE_KEYS="+string(keys),
			"KVIT_BOOTSTRAP_API_KEY="+secret, "KVIT_DATABASE_POOL=8", "KVIT_CONFIG="+config, "KVIT_PUBLIC_URL="+w.front.url,
			"SANDBOX_KEY="+payingAPIKey, "SANDBOX_SECRET="+payingSecret))
	}
	for _, p := range w.front.servers {
		p.start()
	}
	w.client = w.merchantKey(secret)
	w.store = openStore(t, database, keys)
	return w
}

// merchantKey makes a key of the merchant with the platform key.
func (w *town) merchantKey(platform string) *kvit.Client {
	w.t.Helper()
	admin, err := kvit.New("http://"+w.front.servers[0].admin, platform)
	if err != nil {
		w.t.Fatal(err)
	}
	made, err := admin.Access.CreateApiKey(w.t.Context(), &kvitv1.CreateApiKeyRequest{
		IdempotencyKey: "key", MerchantId: "demo", Name: "test", Kind: kvitv1.ApiKeyKind_API_KEY_KIND_MERCHANT, Mode: kvitv1.Mode_MODE_TEST,
		Scopes: []string{"links:write", "orders:read", "orders:write", "refunds:write", "events:read"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	client, err := kvit.New(w.front.url, made.GetSecret())
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

// link makes an order and returns the address of its page.
func (w *town) link(orderID string) string {
	w.t.Helper()
	created, err := w.client.Payments.CreatePaymentLink(w.t.Context(), &kvitv1.CreatePaymentLinkRequest{
		IdempotencyKey: "key-" + orderID, Kind: kvitv1.LinkKind_LINK_KIND_DYNAMIC, OrderId: orderID,
		Amount: &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: 500_000}, Description: "A lesson",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return created.GetLink().GetUrl()
}

func (w *town) order(orderID string) *order.Order {
	w.t.Helper()
	read, err := w.store.Order(w.t.Context(), store.OrderKey{Merchant: "demo", ID: orderID})
	if err != nil {
		w.t.Fatal(err)
	}
	return read.Order
}

// until waits for something about an order.
func (w *town) until(orderID, what string, holds func(o *order.Order) bool) *order.Order {
	w.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		o := w.order(orderID)
		if holds(o) {
			return o
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("order %s is never %s: %s, attempts %+v, payments %+v", orderID, what, o.State, o.Attempts, o.Payments)
		}
		<-tick.C
	}
}

// mark is the installation's, read from a reference that the PSP was given.
func (w *town) ref(attemptID string) string {
	w.t.Helper()
	mark, err := w.store.EnsureMark(w.t.Context(), "never1")
	if err != nil {
		w.t.Fatal(err)
	}
	return mark + strings.TrimPrefix(attemptID, "att_")
}

// A server is killed between the intent and the PSP's answer: nobody was sent to the PSP, the resolver
// of another server finds the truth there, and the payer pays with the next press (I5, O6, O7).
func TestPay_I5_AServerIsKilledBetweenIntentAndAnswer(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	slow := map[string]any{"operation": "create", "mood": "slow", "times": 1, "delay_ms": 60_000}
	if err := call(t, w.sandbox.URL+"/v1/moods", slow); err != nil {
		t.Fatal(err)
	}
	page := w.link("A-1")
	p := newTab(t)
	victim := w.front.servers[1]
	form, err := p.form(victim.url() + strings.TrimPrefix(page, w.front.url))
	if err != nil {
		t.Fatal(err)
	}
	pressed := make(chan error, 1)
	go func() {
		_, err := p.press(victim.url()+strings.TrimPrefix(page, w.front.url), form)
		pressed <- err
	}()
	begun := w.until("A-1", "processing", func(o *order.Order) bool { return o.State == order.Processing })
	victim.kill()
	if err := <-pressed; err == nil {
		t.Error("the killed server answered the payer")
	}
	first := begun.Attempts[0]
	if first.State != order.AttemptCreated {
		t.Fatalf("the server was killed too late: %+v", first)
	}
	// The session is open at the PSP by now, and nobody knows the way there: it is asked for, and found unpaid.
	dead := w.until("A-1", "found out", func(o *order.Order) bool { return !o.Attempts[0].Live() })
	if dead.State != order.Pending || dead.Attempts[0].State != order.AttemptOver {
		t.Fatalf("%s, %+v", dead.State, dead.Attempts)
	}
	form, err = p.form(page)
	if err != nil {
		t.Fatal(err)
	}
	way, err := p.press(page, form)
	if err != nil || !strings.HasPrefix(way, w.sandbox.URL) {
		t.Fatalf("the next press leads to %q, %v", way, err)
	}
	second := w.order("A-1").Attempts[1]
	if err := act(t, w.sandbox.URL, w.ref(second.ID), map[string]any{"mood": "pay"}); err != nil {
		t.Fatal(err)
	}
	paid := w.until("A-1", "paid", func(o *order.Order) bool { return o.State == order.Paid })
	if len(paid.Payments) != 1 || paid.Payments[0].AttemptID != second.ID || len(paid.Exceptions) != 0 {
		t.Errorf("%+v, %+v", paid.Payments, paid.Exceptions)
	}
	victim.start()
}

// The PSP confirms before it answers, and the server is killed meanwhile: another one hears of the
// payment, and the order is paid once (O9).
func TestPay_O9_TheConfirmationOutlivesTheServerThatAsked(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	if err := call(t, w.sandbox.URL+"/v1/moods", map[string]any{"operation": "create", "mood": "confirm_first", "times": 1}); err != nil {
		t.Fatal(err)
	}
	page := w.link("A-1")
	p := newTab(t)
	form, err := p.form(page)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.press(page, form); err != nil {
		t.Fatal(err)
	}
	paid := w.until("A-1", "paid", func(o *order.Order) bool { return o.State == order.Paid })
	if len(paid.Payments) != 1 || len(paid.Exceptions) != 0 {
		t.Errorf("%+v, %+v", paid.Payments, paid.Exceptions)
	}
}

// Two tabs press at once, on different servers, again and again: one attempt, one session, one payment (O7).
func TestPay_O7_TwoTabsOnThreeServers(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	for n := range 10 {
		id := fmt.Sprintf("T-%d", n)
		page := w.link(id)
		path := strings.TrimPrefix(page, w.front.url)
		ways := make([]string, 6)
		var tabs sync.WaitGroup
		for i := range ways {
			p := newTab(t)
			at := w.front.servers[i%3].url() + path
			form, err := p.form(at)
			if err != nil {
				t.Fatal(err)
			}
			tabs.Go(func() {
				way, err := p.press(at, form)
				if err != nil {
					t.Error(err)
				}
				ways[i] = way
			})
		}
		tabs.Wait()
		for _, way := range ways {
			if way != ways[0] || !strings.HasPrefix(way, w.sandbox.URL) {
				t.Errorf("tabs were sent to %q", ways)
				break
			}
		}
		if o := w.order(id); len(o.Attempts) != 1 {
			t.Errorf("%d attempts", len(o.Attempts))
		}
	}
}

// Payers press and pay with all moods while servers are killed: every payment of the PSP settles its
// order or is an exception of it, and no order is paid without one (X1, O8).
func TestKill_ThreeServers_NoPaymentIsLostOrDoubled(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	moods := []string{"pay", "pay", "decline_then_pay", "pay_twice", "confirm_many", "never_confirm", "pay_less", "pay"}
	const orders = 32
	pages := make([]string, orders)
	for n := range pages {
		pages[n] = w.link(fmt.Sprintf("K-%d", n))
	}
	paying, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	var payers sync.WaitGroup
	var donePaying atomic.Int64
	for worker := range 4 {
		payers.Go(func() {
			p := newTab(t)
			for n := worker; n < orders; n += 4 {
				if w.pay(paying, p, fmt.Sprintf("K-%d", n), pages[n], moods[n%len(moods)]) {
					donePaying.Add(1)
				}
			}
		})
	}
	for kill := range 4 {
		for donePaying.Load() < int64((kill+1)*orders/6) && paying.Err() == nil {
			pauseFor(20 * time.Millisecond)
		}
		victim := w.front.servers[kill%3]
		victim.kill()
		victim.start()
	}
	payers.Wait()
	if n := donePaying.Load(); n != orders {
		t.Fatalf("only %d of %d payers could pay", n, orders)
	}
	for n := range orders {
		mood := moods[n%len(moods)]
		w.until(fmt.Sprintf("K-%d", n), "explained after "+mood, func(o *order.Order) bool { return explained(o, mood) })
	}
}

func pauseFor(d time.Duration) { <-time.After(d) }

// explained reports whether an order says all that its mood brought (X1).
func explained(o *order.Order, mood string) bool {
	kinds := map[order.ExceptionKind]int{}
	for i := range o.Exceptions {
		kinds[o.Exceptions[i].Kind]++
	}
	switch mood {
	case "pay_less":
		return o.State == order.Review && len(o.Payments) == 1 && kinds[order.Underpaid] == 1
	case "pay_twice":
		return o.State == order.Paid && len(o.Payments) == 2 && kinds[order.Duplicate] == 1
	}
	return o.State == order.Paid && len(o.Payments) == 1 && len(o.Exceptions) == 0
}

// pay presses Pay until it leads to the PSP, and plays the mood there.
func (w *town) pay(ctx context.Context, p *tab, orderID, page, mood string) bool {
	for ctx.Err() == nil {
		form, err := p.form(page)
		if err == nil {
			if way, err := p.press(page, form); err == nil && strings.HasPrefix(way, w.sandbox.URL) {
				attempts := w.order(orderID).Attempts
				last := attempts[len(attempts)-1]
				return act(w.t, w.sandbox.URL, w.ref(last.ID), map[string]any{"mood": mood}) == nil
			}
		}
		pauseFor(200 * time.Millisecond)
	}
	return false
}
