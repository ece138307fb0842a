package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
)

const (
	// payersMax is how many payers press Pay at a time while a stock is made.
	payersMax = 32
	// stockStep is how many orders are made before the server's own questions about them are put off:
	// less than it makes in the 5 seconds after which it asks for the first time.
	stockStep = 500
	// askedLater is how far they are put off.
	askedLater = time.Hour
)

// waiting is an order whose payer was sent to the PSP: its first proven callback pays it.
type waiting struct {
	merchant, order string
	// ref is what the PSP calls the payment, path where its callbacks go.
	ref, path string
}

// stocker makes orders that wait for their callback, through the doors that payers use.
type stocker struct {
	stage   *stage
	client  *http.Client
	api     kvitv1connect.PaymentServiceClient
	request *kvitv1.CreatePaymentLinkRequest
	// run marks its orders in their names, count counts them.
	run   int
	count atomic.Int64
}

func newStocker(s *stage) (*stocker, error) {
	t, err := newTemplate()
	if err != nil {
		return nil, err
	}
	s.runs++
	m := &stocker{
		stage: s, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: payersMax}},
		request: &kvitv1.CreatePaymentLinkRequest{}, run: runFirst + s.runs,
	}
	if err := proto.Unmarshal(t.body, m.request); err != nil {
		return nil, err
	}
	m.api = kvitv1connect.NewPaymentServiceClient(m.client, m.base())
	inHryvnias(m.request)
	return m, nil
}

// inHryvnias asks for the same number of kopecks, which LiqPay takes.
func inHryvnias(request *kvitv1.CreatePaymentLinkRequest) {
	request.Amount.CurrencyCode = "UAH"
	for _, item := range request.GetLineItems() {
		item.Amount.CurrencyCode = "UAH"
	}
}

func (m *stocker) base() string { return "http://" + m.stage.server.public }

// make makes n orders of so many merchants in turn. The server will not ask the PSP about them.
func (m *stocker) make(ctx context.Context, merchants, n int) ([]waiting, error) {
	made := make([]waiting, n)
	for from := 0; from < n; from += stockStep {
		step := made[from:min(from+stockStep, n)]
		errs := make([]error, payersMax)
		var working sync.WaitGroup
		for payer := range payersMax {
			working.Go(func() {
				for i := payer; i < len(step) && errs[payer] == nil; i += payersMax {
					step[i], errs[payer] = m.one(ctx, (from+i)%merchants)
				}
			})
		}
		working.Wait()
		if err := errors.Join(errs...); err != nil {
			return nil, fmt.Errorf("make orders that wait for their callback: %w", err)
		}
		if err := m.stage.pg.putOff(ctx, askedLater); err != nil {
			return nil, err
		}
	}
	m.client.CloseIdleConnections()
	return made, nil
}

// one creates an order, opens its page and presses Pay.
func (m *stocker) one(ctx context.Context, merchant int) (waiting, error) {
	page, order, err := m.create(ctx, merchant)
	if err != nil {
		return waiting{}, err
	}
	shown, err := m.page(ctx, http.MethodGet, page, nil)
	if err != nil {
		return waiting{}, err
	}
	nonce, way := inputOf(shown, "nonce"), inputOf(shown, "way")
	sent, err := m.page(ctx, http.MethodPost, page+"/start", url.Values{"nonce": {nonce}, "way": {way}})
	if err != nil {
		return waiting{}, err
	}
	var opened struct {
		OrderID   string `json:"order_id"`
		ServerURL string `json:"server_url"`
	}
	text, err := base64.StdEncoding.DecodeString(inputOf(sent, "data"))
	if err == nil {
		err = json.Unmarshal(text, &opened)
	}
	if err != nil {
		return waiting{}, fmt.Errorf("read the form for the PSP: %w", err)
	}
	callbacks, err := url.Parse(opened.ServerURL)
	if err != nil {
		return waiting{}, err
	}
	return waiting{merchant: merchantID(merchant), order: order, ref: opened.OrderID, path: callbacks.Path}, nil
}

// offer makes an order and returns the path of its page.
func (m *stocker) offer(ctx context.Context) (string, error) {
	page, _, err := m.create(ctx, 0)
	return strings.TrimPrefix(page, m.base()), err
}

// create makes an order and returns the address of its page.
func (m *stocker) create(ctx context.Context, merchant int) (page, order string, err error) {
	request := proto.CloneOf(m.request)
	request.OrderId = fmt.Sprintf("o%05d%018d", m.run, m.count.Add(1))
	request.IdempotencyKey = "k" + request.GetOrderId()
	ctx, info := connect.NewClientContext(ctx)
	info.RequestHeader().Set("Authorization", "Bearer "+m.stage.server.apiKeys[merchant])
	created, err := m.api.CreatePaymentLink(ctx, request)
	if err != nil {
		return "", "", err
	}
	address, err := url.Parse(created.GetLink().GetUrl())
	if err != nil {
		return "", "", err
	}
	return m.base() + address.Path, request.GetOrderId(), nil
}

// page asks for a page of the payer's.
func (m *stocker) page(ctx context.Context, method, address string, form url.Values) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("User-Agent", "Mobile")
	response, err := m.client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s of a payer's page: %s", method, response.Status)
	}
	return string(body), err
}

// inputOf is the value of a form's hidden field; empty where there is none.
func inputOf(page, name string) string {
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}
