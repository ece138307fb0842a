// Package sandbox is the plug for the sandbox, a payment service provider of our own where no money
// moves: what make run pays with, and what end-to-end tests drive. The provider itself is sandboxfake.
//
// Its one idea: it speaks to the sandbox as any plug speaks to a real provider, over HTTP with a key and
// signed callbacks, so that a demo and a test go the whole way.
//
// What it promises: it opens for test accounts only, never for live keys. A callback is Proven by an
// HMAC over its timestamp and raw body, checked before the body is parsed. How old the timestamp is does
// not matter: a stored callback replays (C6), and a repeat of a known one has no effect (O4).
//
// Concurrency: a Sandbox is used from many goroutines.
//
// Failure: a refusal that docs/psp/sandbox.md lists is a [psp.RefusedError], a connection that could not
// be made is [psp.ErrNotAttempted]; after any other error the outcome is unknown.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/psp"
)

// Kind is the plug's name.
const Kind = "sandbox"

// The settings of an account, by name.
const (
	// settingURL is the origin of the sandbox's API.
	settingURL = "url"
	// settingPageURL is the origin of its payment page, where browsers reach it at another one.
	settingPageURL       = "page_url"
	settingAPIKey        = "api_key"
	settingSigningSecret = "signing_secret"
	// settingPayee is the merchant as it stands in the sandbox's messages.
	settingPayee = "payee"
)

// Times of the declaration: short, so that a demo shows how attempts end.
const (
	sessionMax = 20 * time.Minute
	grace      = time.Minute
	// refLengthMax is how long a reference may be, per docs/psp/sandbox.md.
	refLengthMax = 64
)

// schedule is when lookups follow each other.
var schedule = []time.Duration{
	5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute,
	5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour,
}

// Sandbox is one account at a sandbox. It is a psp.Provider with every ability.
type Sandbox struct {
	declaration psp.Declaration
	url, page   string
	key, payee  string
	secret      []byte
	client      *http.Client
}

var (
	_ psp.Provider = (*Sandbox)(nil)
	_ psp.Refunder = (*Sandbox)(nil)
	_ psp.Capturer = (*Sandbox)(nil)
	_ psp.Voider   = (*Sandbox)(nil)
)

// Open returns the account that the settings describe. An account that is not for tests is an error.
func Open(settings psp.Settings) (*Sandbox, error) {
	if !settings.Test {
		return nil, fmt.Errorf("account %s: no money moves at the sandbox: it is never for live keys", settings.Account)
	}
	required := []string{settingURL, settingAPIKey, settingSigningSecret, settingPayee}
	if err := settings.Check(required, []string{settingPageURL}); err != nil {
		return nil, err
	}
	values := settings.Values
	api, err := origin(values[settingURL])
	page, pageErr := origin(cmp.Or(values[settingPageURL], values[settingURL]))
	if err := errors.Join(err, pageErr); err != nil {
		return nil, fmt.Errorf("account %s: url and page_url must be origins, like https://sandbox.example.com", settings.Account)
	}
	currencies, err := currenciesOf(settings.Currencies)
	if err != nil {
		return nil, fmt.Errorf("account %s: %w", settings.Account, err)
	}
	return &Sandbox{
		declaration: declare(currencies, page),
		url:         api, page: page, key: values[settingAPIKey], payee: values[settingPayee],
		secret: []byte(values[settingSigningSecret]), client: cmp.Or(settings.Client, http.DefaultClient),
	}, nil
}

func declare(currencies []string, page string) psp.Declaration {
	return psp.Declaration{
		Kind: Kind, Name: "Sandbox", Test: true,
		Dialect: psp.MinorInteger, Currencies: currencies,
		RefLengthMax: refLengthMax,
		SessionMax:   sessionMax, Grace: grace, PaidAtExact: true, Schedule: schedule,
		Origins: []string{page},
	}
}

// origin returns the origin of an address that is nothing more than one.
func origin(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("not an origin")
	}
	return u.Scheme + "://" + u.Host, nil
}

// currenciesOf are the wanted currencies, or all.
func currenciesOf(wanted []string) ([]string, error) {
	for _, code := range wanted {
		if _, err := money.CurrencyOf(code); err != nil {
			return nil, fmt.Errorf("currency %q: %w", code, err)
		}
	}
	if len(wanted) > 0 {
		return wanted, nil
	}
	var all []string
	for _, c := range money.Currencies() {
		all = append(all, c.Code())
	}
	return all, nil
}

// Declare implements psp.Provider.
func (s *Sandbox) Declare() psp.Declaration { return s.declaration }

// Start implements psp.Provider. The sandbox repeats the way to a session, so that no handoff is lost.
func (s *Sandbox) Start(ctx context.Context, intent psp.Intent) (psp.Handoff, error) {
	var answer sessionAnswer
	_, err := s.call(ctx, http.MethodPost, "/v1/payments", newCreate(intent), &answer)
	if err != nil {
		return psp.Handoff{}, err
	}
	page, err := url.Parse(answer.URL)
	if err != nil || answer.Reference != intent.Ref || page.Scheme+"://"+page.Host != s.page {
		return psp.Handoff{}, errors.New("sandbox: the answer is about another reference, or leads to another origin")
	}
	return psp.Handoff{URL: answer.URL}, nil
}

// Ask implements psp.Provider.
func (s *Sandbox) Ask(ctx context.Context, ref psp.Ref) (psp.Report, error) {
	var answer sessionAnswer
	raw, err := s.call(ctx, http.MethodGet, paymentPath(ref.Ref, ""), nil, &answer)
	if errors.Is(err, errUnknownReference) {
		return psp.Report{Ref: ref.Ref, Proven: true, Unpaid: true, Raw: raw}, nil
	}
	return s.reportOf(ref, &answer, raw, err)
}

// Refund implements psp.Refunder. The sandbox refunds once per refund id.
func (s *Sandbox) Refund(ctx context.Context, refund psp.Refund) (psp.Refunded, error) {
	ask := refundCall{RefundID: refund.RefundID, PaymentID: refund.PSPPaymentID, AmountMinor: refund.Amount.Minor()}
	var answer sessionAnswer
	raw, err := s.call(ctx, http.MethodPost, paymentPath(refund.Ref.Ref, "/refunds"), ask, &answer)
	switch {
	case err != nil:
		return psp.Refunded{}, err
	case answer.Refund == nil || answer.Refund.RefundID != refund.RefundID:
		return psp.Refunded{}, errors.New("sandbox: the answer is about another refund")
	}
	return psp.Refunded{Done: answer.Refund.Status == refundDone, Raw: raw}, nil
}

// Capture implements psp.Capturer.
func (s *Sandbox) Capture(ctx context.Context, capture psp.Capture) (psp.Report, error) {
	ask := holdCall{PaymentID: capture.PSPPaymentID, AmountMinor: capture.Amount.Minor()}
	return s.hold(ctx, capture.Ref, "/capture", ask)
}

// Void implements psp.Voider.
func (s *Sandbox) Void(ctx context.Context, void psp.Void) (psp.Report, error) {
	return s.hold(ctx, void.Ref, "/void", holdCall{PaymentID: void.PSPPaymentID})
}

func (s *Sandbox) hold(ctx context.Context, ref psp.Ref, verb string, ask holdCall) (psp.Report, error) {
	var answer sessionAnswer
	raw, err := s.call(ctx, http.MethodPost, paymentPath(ref.Ref, verb), ask, &answer)
	return s.reportOf(ref, &answer, raw, err)
}

func (s *Sandbox) reportOf(ref psp.Ref, answer *sessionAnswer, raw []byte, err error) (psp.Report, error) {
	switch {
	case err != nil:
		return psp.Report{}, err
	case answer.Reference != ref.Ref:
		return psp.Report{}, errors.New("sandbox: the answer is about another reference")
	}
	report := answer.report(s.payee)
	report.Raw = raw
	return report, nil
}
