package psptest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
)

const (
	// patience is how long a case waits for what must happen.
	patience = 20 * time.Second
	// deadline is how long a call may take, hurry how long where the answer is slow on purpose.
	deadline = 10 * time.Second
	hurry    = 200 * time.Millisecond
	// promptly is how long a call may go on after its context was cancelled.
	promptly = 2 * time.Second
	// mark begins our references (C5).
	mark psp.Mark = "kv0a9z"
)

// desk is what stands around one provider in one case.
type desk struct {
	PSP

	harness Harness
	account *psp.Account
	wire    *wire
	// callbackURL is where arrivals come in.
	callbackURL string

	mu       sync.Mutex
	log      bytes.Buffer
	told     []string
	arrivals []arrival
	arrived  chan struct{} // Closed at each arrival, and made anew.
}

// arrival is a callback that came in, and what the plug made of it.
type arrival struct {
	callback psp.Callback
	report   psp.Report
	reply    psp.Reply
	err      error
}

func open(tb testing.TB, h Harness) *desk {
	tb.Helper()
	d := &desk{harness: h, wire: newWire(tb), arrived: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(d.receive))
	tb.Cleanup(server.Close)
	d.callbackURL = server.URL + "/callbacks/psp/suite/an-unguessable-part"
	d.PSP = h.Open(tb, Env{Client: d.wire.client(), CallbackURL: d.callbackURL, Now: h.Now})
	d.account = d.around(tb, deadline)
	return d
}

// around makes an account without the secrets, so that what the plug itself lets out is seen.
func (d *desk) around(tb testing.TB, deadline time.Duration) *psp.Account {
	tb.Helper()
	account, err := psp.NewAccount(d.Provider, psp.Options{
		ID: "suite", Merchant: "suite", Live: !d.Provider.Declare().Test, Deadline: deadline, Now: d.harness.Now,
		Logger: slog.New(slog.NewJSONHandler(d, nil)),
	})
	if err != nil {
		tb.Fatalf("the declaration: %v", err)
	}
	return account
}

// Write takes the account's log.
func (d *desk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(p)
}

// receive takes a callback as the server does.
func (d *desk) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, psp.BodyMax))
	if err != nil {
		http.Error(w, "cut", http.StatusBadRequest)
		return
	}
	callback := psp.Callback{Method: r.Method, Header: r.Header, Query: r.URL.RawQuery, Body: body, Source: r.RemoteAddr}
	reply := d.take(r.Context(), callback)
	if reply.ContentType != "" {
		w.Header().Set("Content-Type", reply.ContentType)
	}
	w.WriteHeader(reply.Status)
	_, _ = w.Write(reply.Body)
}

func (d *desk) take(ctx context.Context, callback psp.Callback) psp.Reply {
	report, reply, err := d.account.Read(ctx, callback)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arrivals = append(d.arrivals, arrival{callback, report, reply, err})
	d.told = append(d.told, fmt.Sprint(report.Findings), string(reply.Body))
	close(d.arrived)
	d.arrived = make(chan struct{})
	return reply
}

// came are the callbacks so far that tell of a reference.
func (d *desk) came(ref string) (found []arrival, next <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.arrivals {
		if a.report.Ref == ref {
			found = append(found, a)
		}
	}
	return found, d.arrived
}

// await waits for a callback that shows a fact. A hint shows none, and the first one that names the
// payment will do.
func (d *desk) await(tb testing.TB, ref string, fact order.Fact) arrival {
	tb.Helper()
	return d.awaitThat(tb, ref, string(fact), func(a arrival) bool { return d.harness.Hints || one(a.report, fact) != nil })
}

// awaitThat waits for a callback about a payment that will do.
func (d *desk) awaitThat(tb testing.TB, ref, what string, will func(a arrival) bool) arrival {
	tb.Helper()
	over := time.After(patience)
	for {
		found, next := d.came(ref)
		for _, a := range found {
			if will(a) {
				return a
			}
		}
		select {
		case <-next:
		case <-over:
			tb.Fatalf("no callback shows %s of %s: %s", what, ref, d.summary())
		}
	}
}

// summary is what came in, for failures.
func (d *desk) summary() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []string
	for _, a := range d.arrivals {
		lines = append(lines, fmt.Sprintf("%q %+v: %v", a.report.Ref, a.report.Findings, a.err))
	}
	return "[" + strings.Join(lines, "; ") + "]"
}

// one is the last finding with a fact, or nil.
func one(report psp.Report, fact order.Fact) *psp.Finding {
	for i := len(report.Findings) - 1; i >= 0; i-- {
		if report.Findings[i].Fact == fact {
			return &report.Findings[i]
		}
	}
	return nil
}

// hasMoney reports whether a report shows money that arrived or is held.
func hasMoney(report psp.Report) bool {
	return one(report, order.FactSucceeded) != nil || one(report, order.FactAuthorized) != nil
}

// newRef makes a reference as the server does.
func newRef() string {
	const alphabet, length = "0123456789abcdefghijklmnopqrstuv", 26
	random := make([]byte, length)
	_, _ = rand.Read(random) // It never fails.
	for i := range random {
		random[i] = alphabet[int(random[i])%len(alphabet)]
	}
	return mark.Ref("att_" + string(random))
}

// currency is the one in which cases pay when it does not matter.
func (d *desk) currency(tb testing.TB) money.Currency {
	tb.Helper()
	return currencyOf(tb, d.account.Declaration().Currencies[0])
}

func currencyOf(tb testing.TB, code string) money.Currency {
	tb.Helper()
	currency, err := money.CurrencyOf(code)
	if err != nil {
		tb.Fatal(err)
	}
	return currency
}

// major is a whole number of major units, which every grain allows.
func (d *desk) major(tb testing.TB, units int64) money.Amount {
	tb.Helper()
	currency := d.currency(tb)
	return money.Of(units*power(currency.Exponent()), currency)
}

func power(exponent int) int64 {
	unit := int64(1)
	for range exponent {
		unit *= 10
	}
	return unit
}

func (d *desk) intent(amount money.Amount) psp.Intent {
	until := d.harness.Now().Add(d.account.Declaration().SessionMax).Truncate(time.Second)
	return psp.Intent{
		Ref: newRef(), Amount: amount, Description: "Tea & кава №42", Locale: "uk", SessionUntil: until,
		ReturnURL: "https://pay.example.test/pay/token/return/1", CallbackURL: d.callbackURL,
	}
}

func (d *desk) start(tb testing.TB, intent psp.Intent) Visit {
	tb.Helper()
	handoff, err := d.account.Start(tb.Context(), intent)
	if err != nil {
		tb.Fatalf("start: %v", err)
	}
	d.noteHandoff(handoff)
	return Visit{intent, handoff}
}

func (d *desk) noteHandoff(handoff psp.Handoff) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, fmt.Sprint(handoff))
}

// started is an open payment of 100 major units.
func (d *desk) started(tb testing.TB) Visit {
	tb.Helper()
	return d.start(tb, d.intent(d.major(tb, 100)))
}

// paid is a payment of 100 major units, and the callback that says so.
func (d *desk) paid(tb testing.TB) (Visit, arrival) {
	tb.Helper()
	return d.pay(tb, d.intent(d.major(tb, 100)))
}

func (d *desk) pay(tb testing.TB, intent psp.Intent) (Visit, arrival) {
	tb.Helper()
	need(tb, d.Pay != nil, "Pay")
	visit := d.start(tb, intent)
	d.Pay(tb, visit)
	fact := order.FactSucceeded
	if intent.Hold {
		fact = order.FactAuthorized
	}
	return visit, d.await(tb, intent.Ref, fact)
}

// held is a hold of 100 major units.
func (d *desk) held(tb testing.TB) (Visit, arrival) {
	tb.Helper()
	intent := d.intent(d.major(tb, 100))
	intent.Hold = true
	return d.pay(tb, intent)
}

func (d *desk) ask(tb testing.TB, ref psp.Ref) psp.Report {
	tb.Helper()
	report, err := d.account.Ask(tb.Context(), ref)
	if err != nil {
		tb.Fatalf("ask: %v", err)
	}
	return report
}

func (d *desk) canAsk() bool { return !d.account.Declaration().CannotAsk }

// learn is what the server learns from a callback: what it proves, or else what the lookup says.
func (d *desk) learn(tb testing.TB, a arrival) psp.Report {
	tb.Helper()
	if d.harness.Hints {
		return d.ask(tb, psp.Ref{Ref: a.report.Ref})
	}
	return a.report
}

// refOf names a payment with the PSP's own id, as the server does once it has seen it.
func (d *desk) refOf(tb testing.TB, a arrival) psp.Ref {
	tb.Helper()
	report := d.learn(tb, a)
	ref := psp.Ref{Ref: report.Ref}
	for _, f := range report.Findings {
		if f.PSPPaymentID != "" {
			ref.PSPPaymentID = f.PSPPaymentID
		}
	}
	return ref
}

// need stops a case whose driver is missing.
func need(tb testing.TB, given bool, driver string) {
	tb.Helper()
	if !given {
		tb.Fatalf("the harness has no %s: give it, or exempt the case with a reason", driver)
	}
}

// certainlyNothing reports whether an error says that nothing happened.
func certainlyNothing(err error) bool {
	_, refused := errors.AsType[*psp.RefusedError](err)
	return refused || errors.Is(err, psp.ErrNotAttempted)
}

// keptSecrets looks for secrets in everything that was logged or handed out. The log holds every error.
func (d *desk) keptSecrets(tb testing.TB) {
	tb.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	said := slices.Concat(d.told, strings.Split(d.log.String(), "\n"))
	for _, secret := range d.Secrets {
		leak := func(text string) bool { return strings.Contains(text, secret) }
		if at := slices.IndexFunc(said, leak); at >= 0 {
			tb.Errorf("a secret stands in a handoff, an error or the log: %s", strings.ReplaceAll(said[at], secret, "[SECRET]"))
		}
	}
}
