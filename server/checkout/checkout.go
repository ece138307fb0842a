// Package checkout is the payer's page: what opens at a payment link.
//
// Its one idea: the page shows what the use-cases say and decides nothing. Each request reads one
// [payment.Page], a table turns its state into words, an icon and a next step (cards.go), and one
// template writes it in the payer's language. A press of Pay is the only request that changes
// anything: a POST with the page's nonce (L2, L5).
//
// What it promises: GET and HEAD change nothing; "paid" is never concluded from an address or a body;
// the page works without JavaScript and without cookies, and asks no third party for anything; the
// link's token is in no log and no Referer (L1). What it does not: that the payer is the customer whom
// the link was made for. Who has the address can pay.
//
// Concurrency: the handler is used from many goroutines.
//
// Failure: whatever goes wrong, the payer reads a page in their language with something to do next;
// after a failed press it is the same page with a notice, and the same nonce, so that pressing again
// joins what may have begun.
package checkout

import (
	"context"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/seal"
)

// Payments is what the page needs of the use-cases.
type Payments interface {
	// OpenPage reads what a page shows and writes nothing. The fault of an unknown token is LINK_NOT_FOUND.
	OpenPage(ctx context.Context, token string) (payment.Page, error)
	// StartAttempt is a payer who presses Pay. A nil Handoff without an error: how it ended is not known yet.
	StartAttempt(ctx context.Context, in payment.StartAttempt) (payment.Started, error)
	// PayerReturned is OpenPage, and nudges who asks the PSP.
	PayerReturned(ctx context.Context, token, attemptID string) (payment.Page, error)
	// WaitForChange is OpenPage once the order's version is higher, or a few seconds later with what stands.
	WaitForChange(ctx context.Context, token string, version int64) (payment.Page, error)
}

// Needs is what the page is made from.
type Needs struct {
	Payment Payments
	// Keys make and check nonces: the first makes, all check.
	Keys *seal.Keyring
	// PublicURL is how payers reach us: scheme and host, without a path.
	PublicURL string
	// Origins are where the enabled providers send browsers: the page's forms may go there and nowhere else.
	Origins []string
	Random  io.Reader
	Now     func() time.Time
	Logger  *slog.Logger
}

// door serves everything under /pay.
type door struct {
	pay       Payments
	nonces    nonces
	publicURL string
	origins   []string
	log       *slog.Logger
	now       func() time.Time
	pages     *template.Template
	assets    assets
	policy    string
}

// New returns the handler of everything under /pay.
func New(needs Needs) http.Handler {
	files := loadAssets()
	return &door{
		pay: needs.Payment, nonces: nonces{keys: needs.Keys, random: needs.Random, now: needs.Now},
		publicURL: strings.TrimSuffix(needs.PublicURL, "/"), origins: needs.Origins,
		log: needs.Logger, now: needs.Now, pages: template.Must(template.ParseFS(templates, "assets/*.html")),
		assets: files, policy: contentPolicy(needs.Origins),
	}
}

// ServeHTTP implements http.Handler.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := d.open(w, r)
	defer v.close() //nolint:contextcheck // A visit holds its request, and that the context.
	v.route()       //nolint:contextcheck // As above.
}

// route finds what an address asks for.
func (v *visit) route() {
	rest, _ := strings.CutPrefix(v.r.URL.Path, "/pay/")
	parts := strings.Split(rest, "/")
	switch {
	case len(parts) == 2 && parts[0] == "assets":
		v.serve("asset", func() { v.asset(parts[1]) })
		return
	case !seal.ValidToken(parts[0]):
		v.notFound()
		return
	}
	v.token = parts[0]
	switch last := strings.Join(parts[1:], "/"); {
	case last == "":
		v.serve("page", v.show)
	case last == "start":
		v.serve("start", v.start, http.MethodPost)
	case last == "status":
		v.serve("status", v.status)
	case len(parts) == 3 && parts[1] == "return":
		v.serve("return", func() { v.returned(parts[2]) }, http.MethodPost)
	default:
		v.notFound()
	}
}

// serve answers with what, if the method is GET, HEAD or one of more.
func (v *visit) serve(route string, what func(), more ...string) {
	v.name = route
	allowed := append([]string{http.MethodGet, http.MethodHead}, more...)
	if slices.Contains(allowed, v.r.Method) {
		what()
		return
	}
	v.Header().Set("Allow", strings.Join(allowed, ", "))
	v.message(http.StatusMethodNotAllowed, seesNothing)
}
