// Package liqpayfake is LiqPay as its documents and recorded traffic show it, for tests and simulations:
// a checkout that payers are sent to, the API for status, refund and capture, and signed callbacks over
// real HTTP.
//
// Its one idea: it is written from that alone, with its own signing and its own arithmetic, and
// never imports the plug, so that the two agree only where both are right. One order_id is one payment.
// How it behaves is data: a [Mood] for callbacks, an [Account] for how amounts and statuses are shown, a
// [Trouble] for the API's answers.
//
// It keeps no card numbers: a number decides the outcome and leaves a mask.
//
// Concurrency: a Fake may be used from many goroutines. Callbacks are sent by the goroutine that caused
// them, one after the other, before the method returns.
//
// Failure: a callback that cannot be delivered is kept in [Fake.Told] with its error and not sent again.
package liqpayfake

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// The protocol versions, which differ in the hash of the signature.
const (
	Version3 = 3
	Version7 = 7
)

// Account is the shop at LiqPay.
type Account struct {
	PublicKey, PrivateKey string
	// Version is 3 or 7: the hash that callbacks are signed with. Requests say theirs.
	Version int
	// Now is the clock. It is required.
	Now func() time.Time
	// Client sends callbacks; nil is a client of its own.
	Client *http.Client

	// FirstID is the payment_id of the first payment; 0 is one of the size that LiqPay's are. A fake that
	// forgets its payments and meets a database that does not begins elsewhere each time.
	FirstID int64
	// Exponents prints amounts from 10^7 on as "1.0E7", as programs that hold them as floats do.
	Exponents bool
	// PartialReverses shows a partly refunded payment as "reversed" and not as "success": the
	// documents do not say which it is.
	PartialReverses bool
	// RefundsWait takes refunds from future receipts: they are accepted with wait_amount and done by
	// [Fake.PayRefunds].
	RefundsWait bool
	// ReturnByPost sends browsers back with a signed form and not by a redirect.
	ReturnByPost bool
	// IgnoreExpiry takes payments after expired_date.
	IgnoreExpiry bool
}

// Fake is one LiqPay with one shop.
type Fake struct {
	account Account
	client  *http.Client
	mux     *http.ServeMux

	mu       sync.Mutex
	opened   int64
	payments map[string]*payment // By order_id.
	pages    map[string]string   // order_id by page.
	mood     Mood
	waiting  []message
	told     []Told
	requests []map[string]string
	trouble  Trouble
	failures []string
	lie      map[string]string
}

// New makes a LiqPay without payments.
func New(account Account) *Fake {
	f := &Fake{
		account: account, client: account.Client, mux: http.NewServeMux(),
		payments: map[string]*payment{}, pages: map[string]string{},
	}
	if f.client == nil {
		// A connection for each callback: one that the shop closes in between would lose the next.
		f.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	}
	f.mux.HandleFunc("/api/3/checkout", f.checkout)
	f.mux.HandleFunc("POST /api/request", f.request)
	f.mux.HandleFunc("GET "+pagePath+"{page}", f.showPage)
	f.mux.HandleFunc("POST "+pagePath+"{page}", f.pressButton)
	f.mux.HandleFunc("GET "+errorPath, f.showError)
	return f
}

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.mux.ServeHTTP(w, r) }

// rememberedMax is how many requests and callbacks are kept for tests to look at.
const rememberedMax = 10_000

// remember appends, and forgets the older half where there are too many.
func remember[T any](all []T, one T) []T {
	if len(all) >= rememberedMax {
		all = slices.Clone(all[len(all)/2:])
	}
	return append(all, one)
}

// Requests are the decoded contents of what came to the checkout and the API with a good signature,
// oldest first, as JSON literals by name.
func (f *Fake) Requests() []map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Payments counts the payments of an order_id, paid or not.
func (f *Fake) Payments(orderID string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.payments[orderID] == nil {
		return 0
	}
	return 1
}

// Status is the status of a payment, empty where there is none.
func (f *Fake) Status(orderID string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.payments[orderID]; p != nil {
		return p.status
	}
	return ""
}

// Forget loses a payment, as if it had never been opened.
func (f *Fake) Forget(orderID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.payments, orderID)
}
