package checkout

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/text"
)

const (
	// formMax bounds the body of a press of Pay.
	formMax = 4 << 10
	// startWithin bounds a press of Pay, whose PSP may be slow. It does not end with the browser's
	// patience: what has begun is finished, and the next press joins it (O7).
	startWithin = 30 * time.Second
)

// start is a press of Pay, the only request that changes anything (L2).
func (v *visit) start() {
	if v.r.Method != http.MethodPost {
		v.goTo(v.address(""))
		return
	}
	v.r.Body = http.MaxBytesReader(v, v.r.Body, formMax)
	nonce := v.r.PostFormValue("nonce") // Empty where the form cannot be read.
	if !sameOrigin(v.r) || !v.door.nonces.valid(v.token, nonce) {
		v.event.Add(slog.String("outcome", "nonce_refused"))
		v.again(http.StatusForbidden, "", text.PageStale)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.r.Context()), startWithin)
	defer cancel()
	in := payment.StartAttempt{Token: v.token, Account: v.r.PostFormValue("way"), Nonce: nonce, Locale: chosen(v.r)}
	started, err := v.door.pay.StartAttempt(ctx, in)
	if err != nil {
		v.refused(nonce, err)
		return
	}
	v.event.Add(slog.String("attempt_id", started.AttemptID))
	v.handOff(started, in.Account)
}

// handOff sends the payer on: to the PSP, or to the page of the order that a fixed link has made.
func (v *visit) handOff(started payment.Started, account string) {
	own := started.Token == v.token
	v.token = started.Token
	switch way := started.Handoff; {
	case way == nil:
		v.outcome("outcome_unknown")
		v.goTo(v.address("/status"))
	case !own:
		// Going back from the PSP must lead to the order's own page, so it comes before the PSP (L5).
		v.outcome("order_made")
		v.goTo(v.address("") + "#pay")
	case !v.door.leadsTo(way.URL):
		v.failed = fault.As(fmt.Errorf("the way to the PSP leaves its declared origins: attempt %s", started.AttemptID))
		v.again(http.StatusInternalServerError, "", text.PageWayDown)
	case len(way.Fields) == 0:
		v.outcome("redirected")
		v.goTo(way.URL)
	default:
		v.outcome("form")
		v.handoffForm(way, account)
	}
}

// handoffForm answers with a form for the PSP, which sends itself, and has a button where it does not.
func (v *visit) handoffForm(way *psp.Handoff, account string) {
	page, err := v.door.pay.OpenPage(v.r.Context(), v.token)
	if err != nil {
		v.fail(err)
		return
	}
	v.note(page)
	s := v.scene(page)
	shown := v.frame(s)
	shown.Heading, shown.Text = text.Say(s.lang, text.PageSendingTitle), text.Say(s.lang, text.PageSending)
	shown.Handoff, shown.Self = way, v.address("")
	shown.Go = text.Say(s.lang, text.PageGo, text.With(text.ArgPSP, nameOf(page, account)))
	v.html(http.StatusOK, "handoff.html", shown)
}

// nameOf is what payers read of an account; empty where it is not known.
func nameOf(page payment.Page, account string) string {
	for _, way := range page.Ways {
		if way.Account == account {
			return way.Name
		}
	}
	return ""
}

// leadsTo reports whether an address is of an origin that a provider has declared.
func (d *door) leadsTo(address string) bool {
	u, err := url.Parse(address)
	return err == nil && slices.Contains(d.origins, u.Scheme+"://"+u.Host)
}

// refused answers for a press of Pay that did not begin an attempt, or may not have.
func (v *visit) refused(nonce string, err error) {
	v.failed = fault.As(err)
	switch notice, code := notices[v.failed.Reason()], statuses[v.failed.Kind()]; {
	case v.failed.Reason() == fault.ReasonLinkNotFound:
		v.notFound()
	case notice == seeThePage:
		v.goTo(v.address(""))
	case notice == "":
		v.again(code, nonce, text.PageBusy)
	default:
		v.again(code, nonce, notice)
	}
}

// seeThePage stands for a refusal that the page itself explains, as it is now.
const seeThePage text.Key = "see the page"

// notices are what a payer reads after a refusal. Every other reason is PageBusy.
var notices = map[fault.Reason]text.Key{
	fault.ReasonOrderState:          seeThePage,
	fault.ReasonLinkInactive:        seeThePage,
	fault.ReasonAttemptInProgress:   seeThePage,
	fault.ReasonPSPNotAttempted:     text.PageWayDown,
	fault.ReasonPSPRefused:          text.PageWayDown,
	fault.ReasonAccountUnavailable:  text.PageWayDown,
	fault.ReasonAccountNotFound:     text.PageWayDown,
	fault.ReasonCurrencyUnsupported: text.PageWayDown,
	fault.ReasonAmountGrain:         text.PageWayDown,
	fault.ReasonRequestInvalid:      text.PageWayDown,
}

// again shows the page with a notice, and with the nonce that was good, so that another press joins
// what may have begun; a new one where there is none.
func (v *visit) again(code int, nonce string, notice text.Key) {
	page, err := v.door.pay.OpenPage(v.r.Context(), v.token)
	if err != nil {
		v.fail(err)
		return
	}
	s := v.scene(page)
	s.nonce, s.notice = nonce, notice
	v.page(code, s)
}

// outcome says on the log line how a press of Pay went on.
func (v *visit) outcome(word string) { v.event.Add(slog.String("outcome", word)) }
