package psptest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
)

const (
	tinyKey   = "tiny-secret-0123456789"
	tinyPayee = "merchant-1"
)

// tinyPayment is a payment as the tiny PSP writes it, in callbacks and lookups alike.
type tinyPayment struct {
	ID       string    `json:"id"`
	Ref      string    `json:"ref"`
	Payee    string    `json:"payee"`
	Status   string    `json:"status"`
	Amount   string    `json:"amount"`
	Currency string    `json:"currency"`
	Refunded string    `json:"refunded,omitempty"`
	Failure  string    `json:"failure,omitempty"`
	At       time.Time `json:"at"`

	hold bool
	to   string
}

func tinySign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(tinyKey))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// tinyFake is a PSP that does all that the suite asks about.
type tinyFake struct {
	mu       sync.Mutex
	payments []*tinyPayment
	keys     map[string]*tinyPayment // By idempotency key.
	early    bool
	// pending are refunds that wait for Settle.
	later   bool
	pending map[string]string
}

type tinyRequest struct {
	Ref      string `json:"ref"`
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
	Callback string `json:"callback"`
	Hold     bool   `json:"hold"`
}

func (f *tinyFake) find(ref string) *tinyPayment {
	for _, p := range f.payments {
		if p.Ref == ref {
			return p
		}
	}
	return nil
}

func (f *tinyFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var ask tinyRequest
	_ = json.NewDecoder(r.Body).Decode(&ask)
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	f.mu.Lock()
	if len(parts) == 1 {
		p := f.open(r.Header.Get("Idempotency-Key"), ask)
		early := f.early
		f.mu.Unlock()
		if early {
			_ = f.pay(p.Ref)
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"url": "http://" + r.Host + "/page/" + p.ID})
		return
	}
	defer f.mu.Unlock()
	p := f.find(parts[1])
	if p == nil {
		http.Error(w, `{"unknown":true}`, http.StatusNotFound)
		return
	}
	if len(parts) == 3 {
		if !f.change(p, parts[2], ask) {
			http.Error(w, `{"refused":true}`, http.StatusConflict)
			return
		}
		f.mu.Unlock()
		_ = f.tell(p.Ref, func(*tinyPayment) {})
		f.mu.Lock()
	}
	_ = json.NewEncoder(w).Encode(p)
}

func (f *tinyFake) open(key string, ask tinyRequest) *tinyPayment {
	if f.keys[key] == nil {
		p := &tinyPayment{
			ID: "p" + strconv.Itoa(len(f.payments)+1), Ref: ask.Ref, Payee: tinyPayee, Status: "open",
			Amount: ask.Amount, Currency: ask.Currency, hold: ask.Hold, to: ask.Callback,
		}
		f.keys[key] = p
		f.payments = append(f.payments, p)
	}
	return f.keys[key]
}

func (p *tinyPayment) minor(text string) int64 {
	if text == "" {
		return 0
	}
	c, _ := money.CurrencyOf(p.Currency)
	amount, err := money.Parse(text, c)
	if err != nil {
		return -1
	}
	return amount.Minor()
}

func (p *tinyPayment) text(minor int64) string {
	c, _ := money.CurrencyOf(p.Currency)
	return money.Of(minor, c).Decimal()
}

func (f *tinyFake) change(p *tinyPayment, what string, ask tinyRequest) bool {
	amount := p.minor(ask.Amount)
	switch what {
	case "refund":
		total := max(p.minor(p.Refunded), p.minor(f.pending[p.Ref])) + amount
		if p.Status != "paid" || total > p.minor(p.Amount) {
			return false
		}
		if f.later {
			f.pending[p.Ref] = p.text(total)
		} else {
			p.Refunded = p.text(total)
		}
	case "capture":
		if p.Status != "held" || amount > p.minor(p.Amount) {
			return false
		}
		p.Status, p.Amount = "paid", p.text(amount)
	case "void":
		if p.Status != "held" {
			return false
		}
		p.Status = "voided"
	}
	return true
}

// pay and decline change a payment and tell of it over HTTP.
func (f *tinyFake) pay(ref string) error {
	return f.tell(ref, func(p *tinyPayment) {
		p.Status, p.Failure = "paid", ""
		if p.hold {
			p.Status = "held"
		}
	})
}

func (f *tinyFake) decline(ref string) error {
	return f.tell(ref, func(p *tinyPayment) { p.Status, p.Failure = "declined", "no money" })
}

func (f *tinyFake) tell(ref string, change func(p *tinyPayment)) error {
	f.mu.Lock()
	p := f.find(ref)
	if p == nil {
		f.mu.Unlock()
		return fmt.Errorf("no payment %s", ref)
	}
	change(p)
	if p.At.IsZero() {
		p.At = time.Now().UTC().Truncate(time.Second)
	}
	body, _ := json.Marshal(p)
	to := p.to
	f.mu.Unlock()
	request, _ := http.NewRequest(http.MethodPost, to, bytes.NewReader(body))
	request.Header.Set("X-Signature", tinySign(body))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// settle does the refunds that wait.
func (f *tinyFake) settle(ref string) error {
	return f.tell(ref, func(p *tinyPayment) { p.Refunded = f.pending[ref] })
}

func (f *tinyFake) count(ref string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.payments {
		if strings.HasPrefix(p.Ref, ref) {
			n++
		}
	}
	return n
}

func tinyAlter(tb testing.TB, callback psp.Callback, change Alteration) psp.Callback {
	tb.Helper()
	var p tinyPayment
	if err := json.Unmarshal(callback.Body, &p); err != nil {
		tb.Fatal(err)
	}
	if change.AmountMinor != 0 {
		p.Amount = p.text(change.AmountMinor)
	}
	for field, value := range map[*string]string{&p.Currency: change.Currency, &p.Ref: change.Ref, &p.Status: change.Status} {
		if value != "" {
			*field = value
		}
	}
	if change.OtherPayee {
		p.Payee = "merchant-2"
	}
	body, _ := json.Marshal(p)
	if change.MoreFields {
		body = append([]byte(`{"more":[{"x":1}],`), body[1:]...)
	}
	callback.Body = body
	callback.Header = map[string][]string{"X-Signature": {tinySign(body)}}
	return callback
}

// Ways to be right, which take the place of a bug.
const (
	onlyHints    = "callbacks are hints"
	noLookup     = "there is no lookup"
	refundsLater = "refunds are done later"
)

// tinyPlug is the plug. A bug is something that it does wrong; "" is right.
type tinyPlug struct {
	base   string
	client *http.Client
	bug    string

	mu      sync.Mutex
	memory  map[string]int
	started map[string]psp.Intent
	last    string
}

func (p *tinyPlug) Declare() psp.Declaration {
	d := psp.Declaration{
		Kind: "tiny", Name: "Tiny", Test: true, Dialect: psp.DecimalText, Currencies: []string{"UAH", "AMD", "JPY", "BHD"},
		GrainMinor: map[string]int64{"AMD": 100}, RefLengthMax: 32, SessionMax: time.Hour, PaidAtExact: true,
		Schedule: []time.Duration{time.Second}, Origins: []string{p.base},
	}
	d.CannotAsk = p.bug == noLookup
	if p.bug == "declaration changes" {
		p.memory["declare"]++
		d.Grace = time.Duration(p.memory["declare"])
	}
	return d
}

// call makes one request. The error says that nothing happened only where that is certain.
func (p *tinyPlug) call(ctx context.Context, method, path string, ask any, answer any) ([]byte, error) {
	body, _ := json.Marshal(ask)
	if p.bug == "ignores the context" {
		ctx = context.WithoutCancel(ctx)
	}
	request, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if r, ok := ask.(tinyRequest); ok {
		request.Header.Set("Idempotency-Key", r.Ref)
		if p.bug == "opens a second payment" {
			request.Header.Set("Idempotency-Key", newRef())
		}
	}
	response, err := p.client.Do(request)
	switch {
	case err != nil && p.bug == "leaks its key":
		return nil, fmt.Errorf("with key %s: %w", tinyKey, err)
	case err != nil && p.bug == "a refused dial is unknown":
		return nil, fmt.Errorf("call: %s", err.Error())
	case err != nil && p.bug == "a lost answer is not attempted":
		return nil, psp.ErrNotAttempted
	case err != nil:
		return nil, fmt.Errorf("call: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	switch {
	case err != nil && p.bug == "a cut answer is not attempted":
		return nil, psp.ErrNotAttempted
	case err != nil:
		return nil, err
	case response.StatusCode == http.StatusNotFound && p.bug != "unknown is an error":
		return raw, nil
	case response.StatusCode == http.StatusConflict && p.bug != "a refusal is unknown", response.StatusCode == http.StatusInternalServerError && p.bug == "500 is refused":
		return nil, &psp.RefusedError{Failure: "refused by the psp"}
	case response.StatusCode != http.StatusOK:
		return nil, errors.New("status " + response.Status)
	}
	return raw, json.Unmarshal(raw, answer)
}

func (p *tinyPlug) Start(ctx context.Context, intent psp.Intent) (psp.Handoff, error) {
	ref := intent.Ref
	if p.bug == "cuts the reference" {
		ref = ref[:30]
	}
	var answer struct{ URL string }
	_, err := p.call(ctx, http.MethodPost, "/payments", tinyRequest{
		Ref: ref, Amount: intent.Amount.Decimal(), Currency: intent.Amount.Currency().Code(),
		Hold: intent.Hold, Callback: intent.CallbackURL,
	}, &answer)
	if err != nil {
		return psp.Handoff{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started[intent.Ref], p.last = intent, intent.Ref
	handoff := psp.Handoff{URL: answer.URL}
	if p.bug == "hands its key out" {
		handoff.Fields = []psp.Field{{Name: "key", Value: tinyKey}}
	}
	return handoff, nil
}

func (p *tinyPlug) Read(_ context.Context, callback psp.Callback) (psp.Report, psp.Reply, error) {
	if p.bug == "panics on noise" && !bytes.HasPrefix(callback.Body, []byte(`{"`)) {
		panic("noise")
	}
	if p.bug == "believes noise" && !json.Valid(callback.Body) {
		return psp.Report{Proven: true}, psp.Reply{}, nil
	}
	signed := hmac.Equal([]byte(callback.HeaderValue("X-Signature")), []byte(tinySign(callback.Body)))
	if p.bug == "signs the end of the body" {
		signed = callback.HeaderValue("X-Signature") != strings.Repeat("0", 64) && bytes.HasSuffix(callback.Body, []byte("}"))
	}
	if !signed && p.bug != "believes a forged signature" {
		return psp.Report{}, psp.Reply{Status: http.StatusForbidden}, psp.ErrForged
	}
	var message tinyPayment
	decoder := json.NewDecoder(bytes.NewReader(callback.Body))
	if p.bug == "refuses unknown fields" {
		decoder.DisallowUnknownFields()
	}
	if err := decoder.Decode(&message); err != nil {
		return psp.Report{}, psp.Reply{Status: http.StatusBadRequest}, psp.ErrUnreadable
	}
	report := p.report(&message)
	report.Proven = p.bug != "proves nothing"
	if p.bug == onlyHints {
		report = psp.Report{Ref: report.Ref}
	}
	reply := psp.Reply{ContentType: "text/plain", Body: []byte("TAKEN")}
	p.misread(callback, &report, &reply)
	return report, reply, nil
}

// misread are the bugs of a plug that remembers, or knows better than the message.
func (p *tinyPlug) misread(callback psp.Callback, report *psp.Report, reply *psp.Reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	intent, known := p.started[report.Ref]
	p.memory[string(callback.Body)]++
	for i := range report.Findings {
		f := &report.Findings[i]
		switch {
		case p.bug == "takes the amount from its memory" && known:
			f.AmountMinor = intent.Amount.Minor()
		case p.bug == "takes the currency from its memory" && known:
			f.Currency = intent.Amount.Currency().Code()
		}
	}
	switch {
	case p.bug == "takes the reference from its memory" && p.last != "":
		report.Ref = p.last
	case p.bug == "is silent about repeats" && p.memory[string(callback.Body)] > 1:
		report.Findings = nil
	case p.bug == "answers repeats otherwise" && p.memory[string(callback.Body)] > 1:
		reply.Body = []byte("AGAIN")
	case p.bug == "knows finished starts only" && !known:
		report.Findings = nil
	}
}

func (p *tinyPlug) report(m *tinyPayment) psp.Report {
	report := psp.Report{Ref: m.Ref}
	currency, err := money.CurrencyOf(m.Currency)
	amount, amountErr := money.Parse(m.Amount, currency)
	if m.Currency != "" && (err != nil || amountErr != nil) {
		report.Findings = []psp.Finding{{Fact: order.FactUnreadable, Failure: "the amount"}}
		return report
	}
	if p.bug == "rounds amounts" {
		f, _ := strconv.ParseFloat(m.Amount, 32)
		amount = money.Of(int64(f*float64(power(currency.Exponent()))), currency)
	}
	finding := psp.Finding{
		PSPPaymentID: m.ID, AmountMinor: amount.Minor(), Currency: m.Currency,
		PayeeDiffers: m.Payee != tinyPayee && p.bug != "ignores the payee", PaidAt: m.At, Failure: m.Failure,
	}
	if p.bug == "reads times in another zone" {
		finding.PaidAt = m.At.Add(3 * time.Hour)
	}
	if p.bug == "says not why" {
		finding.Failure = ""
	}
	facts := map[string][]order.Fact{
		"": {}, "open": {}, "declined": {order.FactDeclined}, "paid": {order.FactSucceeded},
		"held": {order.FactAuthorized}, "voided": {order.FactAuthorized, order.FactVoided},
	}
	if p.bug == "a hold is a success" {
		facts["held"] = []order.Fact{order.FactSucceeded, order.FactAuthorized}
	}
	if p.bug == "forgets the void" {
		facts["voided"] = nil
	}
	these, known := facts[m.Status]
	if !known && p.bug == "unknown statuses are paid" {
		these, known = facts["paid"], true
	}
	if !known {
		these = []order.Fact{order.FactUnreadable}
	}
	for _, fact := range these {
		finding.Fact = fact
		report.Findings = append(report.Findings, finding)
	}
	if m.Refunded != "" {
		finding.Fact, finding.AmountMinor = order.FactRefunded, m.minor(m.Refunded)
		report.Findings = append(report.Findings, finding)
	}
	report.Unpaid = len(these) == 0 || m.Status == "declined"
	return report
}

func (p *tinyPlug) Ask(ctx context.Context, ref psp.Ref) (psp.Report, error) {
	var m tinyPayment
	raw, err := p.call(ctx, http.MethodGet, "/payments/"+ref.Ref, nil, &m)
	if err != nil {
		return psp.Report{}, err
	}
	report := p.report(&m)
	report.Ref, report.Raw = ref.Ref, raw
	if p.bug == "never says unpaid" {
		report.Unpaid = false
	}
	for i := range report.Findings {
		if p.bug == "names payments in two ways" {
			report.Findings[i].PSPPaymentID += "/1"
		}
	}
	return report, nil
}

func (p *tinyPlug) Refund(ctx context.Context, refund psp.Refund) (psp.Refunded, error) {
	var m tinyPayment
	amount := refund.Amount.Decimal()
	if p.bug == "refunds all" {
		amount = money.Of(refund.CapturedMinor, refund.Amount.Currency()).Decimal()
	}
	raw, err := p.call(ctx, http.MethodPost, "/payments/"+refund.Ref.Ref+"/refund", tinyRequest{Amount: amount}, &m)
	return psp.Refunded{Done: m.Refunded != "" && p.bug != refundsLater, Raw: raw}, err
}

func (p *tinyPlug) Capture(ctx context.Context, capture psp.Capture) (psp.Report, error) {
	return p.move(ctx, capture.Ref.Ref, "capture", capture.Amount.Decimal())
}

func (p *tinyPlug) Void(ctx context.Context, void psp.Void) (psp.Report, error) {
	return p.move(ctx, void.Ref.Ref, "void", "")
}

func (p *tinyPlug) move(ctx context.Context, ref, what, amount string) (psp.Report, error) {
	var m tinyPayment
	raw, err := p.call(ctx, http.MethodPost, "/payments/"+ref+"/"+what, tinyRequest{Amount: amount}, &m)
	report := p.report(&m)
	report.Raw = raw
	return report, err
}

// unable hides the plug's abilities.
type unable struct{ psp.Provider }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// tiny is the harness of a plug with a bug, or without.
func tiny(bug string) Harness {
	return Harness{
		Now: time.Now, Hints: bug == onlyHints, Can: Can{Refund: true, Capture: true, Void: true},
		Replies: Replies{
			Taken:  psp.Reply{ContentType: "text/plain", Body: []byte("TAKEN")},
			Forged: psp.Reply{Status: http.StatusForbidden}, Unreadable: psp.Reply{Status: http.StatusForbidden},
		},
		Open: func(tb testing.TB, env Env) PSP {
			tb.Helper()
			fake := &tinyFake{keys: map[string]*tinyPayment{}, pending: map[string]string{}, later: bug == refundsLater}
			server := httptest.NewServer(fake)
			tb.Cleanup(server.Close)
			plug := &tinyPlug{base: server.URL, client: env.Client, bug: bug, memory: map[string]int{}, started: map[string]psp.Intent{}}
			if bug == "brings its own client" {
				plug.client = &http.Client{}
			}
			var provider psp.Provider = plug
			if bug == "lacks what is promised" {
				provider = unable{plug}
			}
			return PSP{
				Provider: provider, Secrets: []string{tinyKey},
				Pay:      func(tb testing.TB, visit Visit) { tb.Helper(); must(tb, fake.pay(visit.Ref)) },
				Decline:  func(tb testing.TB, visit Visit) { tb.Helper(); must(tb, fake.decline(visit.Ref)) },
				Settle:   func(tb testing.TB, ref string) { tb.Helper(); must(tb, fake.settle(ref)) },
				PayEarly: func(testing.TB) { fake.early = true },
				Payments: func(_ testing.TB, ref string) int { return fake.count(ref) },
				Forge: func(_ testing.TB, callback psp.Callback) psp.Callback {
					callback.Header = map[string][]string{"X-Signature": {strings.Repeat("0", 64)}}
					return callback
				},
				Alter: tinyAlter,
			}
		},
	}
}
