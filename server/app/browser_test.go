package app_test

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// browser is one without JavaScript that follows no redirect by itself.
type browser struct {
	t      *testing.T
	client *http.Client
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	return &browser{t: t, client: &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// fetch returns a page, and where it leads if it is a redirect.
func (p *browser) fetch(method, address string, form url.Values) (body, location string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := p.client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	page, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= http.StatusBadRequest {
		p.t.Fatalf("%s %s answered %d (%v): %s", method, address, res.StatusCode, err, page)
	}
	return string(page), res.Header.Get("Location")
}

// start opens a link's page, presses the button, and returns the PSP's page.
func (p *browser) start(link string) string {
	p.t.Helper()
	_, location := p.fetch(http.MethodPost, link+"/start", p.form(link))
	if location == "" {
		p.t.Fatal("the payer was not sent to the PSP")
	}
	return location
}

// form is what a link's page posts when its button is pressed.
func (p *browser) form(link string) url.Values {
	p.t.Helper()
	page, _ := p.fetch(http.MethodGet, link, nil)
	form := fieldsOf(page, "nonce", "way")
	if form.Get("nonce") == "" || form.Get("way") == "" {
		p.t.Fatalf("the page offers no way to pay:\n%s", page)
	}
	return form
}

// fieldsOf reads hidden fields of a page's forms.
func fieldsOf(page string, names ...string) url.Values {
	form := url.Values{}
	for _, input := range regexp.MustCompile(`name="([a-z]+)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if slices.Contains(names, input[1]) {
			form.Set(input[1], html.UnescapeString(input[2]))
		}
	}
	return form
}

// choose presses a button of the sandbox's page.
func (p *browser) choose(page, mood string) {
	p.fetch(http.MethodPost, page, url.Values{"mood": {mood}})
}

// create makes an order of 5,000 AMD with a link and returns the link's address.
func create(t *testing.T, client *kvit.Client, orderID string) string {
	t.Helper()
	return createIn(t, client, orderID, "AMD", 500_000)
}

func createIn(t *testing.T, client *kvit.Client, orderID, currency string, minor int64) string {
	t.Helper()
	created, err := client.Payments.CreatePaymentLink(t.Context(), &kvitv1.CreatePaymentLinkRequest{
		IdempotencyKey: "key-" + orderID, Kind: kvitv1.LinkKind_LINK_KIND_DYNAMIC, OrderId: orderID,
		Amount: &kvitv1.Money{CurrencyCode: currency, MinorUnits: minor}, Description: "A lesson",
	})
	if err != nil {
		t.Fatal(err)
	}
	return created.GetLink().GetUrl()
}

// events follows a journal from the beginning, and tells when that order has that event.
func events(ctx context.Context, client *kvit.Client, orderID, kind string) <-chan error {
	seen := make(chan error, 1)
	go func() {
		var found bool
		err := kvit.Follow(ctx, client.Payments, kvit.FromBeginning(), kvit.Filter{}, func(_ context.Context, e *kvitv1.OrderEvent) error {
			if found = e.GetOrderId() == orderID && e.GetType() == kind; found {
				return io.EOF
			}
			return nil
		})
		if found {
			err = nil
		}
		seen <- err
	}()
	return seen
}

// await waits until a stream has told what it was opened for.
func await(t *testing.T, seen <-chan error) {
	t.Helper()
	select {
	case err := <-seen:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the stream told nothing")
	}
}

func connectTo(t *testing.T, base, key string, options ...kvit.Option) *kvit.Client {
	t.Helper()
	client, err := kvit.New(base, key, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
