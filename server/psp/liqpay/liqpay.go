// Package liqpay is the plug for LiqPay, the Ukrainian payment service provider.
//
// Its one idea: LiqPay signs the whole content of a message, in both directions, so its callbacks are
// proven, and a payment is opened without asking it: [Provider.Start] signs a form that the payer's
// browser posts. The signature covers one text, "data", and is checked over that text as it came,
// before anything is read from it (C3).
//
// What it promises: amounts are read from their literal text and never rounded (M1); the amount that is
// compared is "amount" (M4); a status or an action that is not in the tables is UNREADABLE and never
// "paid" (C5). What it does not: answers of LiqPay's API are not signed, so lookups rest on TLS alone.
//
// Concurrency: a Provider may be used from many goroutines.
//
// Failure: an answer that says no with a code after which certainly nothing happened is a
// [psp.RefusedError]; a request that never left is [psp.ErrNotAttempted]; everything else is unknown.
package liqpay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kvitpay/kvit/server/psp"
)

// The settings of an account.
const (
	settingPublicKey  = "public_key"
	settingPrivateKey = "private_key"
	settingVersion    = "api_version"
	settingBaseURL    = "base_url"

	baseURLDefault = "https://www.liqpay.ua"
	// sandboxPrefix begins the public keys of test shops.
	sandboxPrefix = "sandbox_"
)

// Limits of LiqPay's.
const (
	orderIDLengthMax = 255
	urlLengthMax     = 510
)

// Times. LiqPay publishes none: a session lives as long as we ask for, and grace and schedule are our choice.
const (
	sessionMax = 20 * time.Minute
	grace      = 10 * time.Minute
)

// schedule is when a payment without a final answer is asked about: callbacks get lost (O6).
var schedule = []time.Duration{
	5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second,
	time.Minute, 2 * time.Minute, 3 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// currencies are those of LiqPay's documents. Others are taken by agreement only.
var currencies = []string{"UAH", "USD", "EUR"}

// languages are what LiqPay's page is shown in for our languages. It has Ukrainian and English only:
// the Russian of older documents is no longer listed, and there is no Armenian.
var languages = map[string]string{"uk": "uk", "en": "en", "ru": "uk", "hy": "en"}

// Provider is one shop at LiqPay.
type Provider struct {
	publicKey  string
	signer     signer
	test       bool
	baseURL    string
	currencies []string
	client     *http.Client
}

// Open makes the provider of an account. Its settings are public_key, private_key, and optionally
// api_version ("3" or "7") and base_url. No error holds a value of them.
func Open(settings psp.Settings) (psp.Provider, error) {
	if err := settings.Check([]string{settingPublicKey, settingPrivateKey}, []string{settingVersion, settingBaseURL}); err != nil {
		return nil, err
	}
	p := &Provider{
		publicKey: settings.Values[settingPublicKey], test: settings.Test,
		baseURL: baseURLDefault, currencies: currencies, client: straight(settings.Client),
	}
	var err error
	if strings.HasPrefix(p.publicKey, sandboxPrefix) != settings.Test {
		err = errors.New("public_key begins with sandbox_ at a test account, and at no other")
	}
	if base := settings.Values[settingBaseURL]; base != "" {
		p.baseURL = strings.TrimSuffix(base, "/")
		err = errors.Join(err, checkBaseURL(p.baseURL))
	}
	signer, bad := newSigner(settings.Values[settingVersion], settings.Values[settingPrivateKey])
	p.signer = signer
	if len(settings.Currencies) > 0 {
		p.currencies = slices.Clone(settings.Currencies)
	}
	if err = errors.Join(err, bad, checkCurrencies(p.currencies)); err != nil {
		return nil, fmt.Errorf("account %s: %w", settings.Account, err)
	}
	return p, nil
}

// straight is a client that follows no redirect: the signed form goes where it was sent to and nowhere else.
func straight(client *http.Client) *http.Client {
	if client == nil {
		client = http.DefaultClient
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// checkBaseURL takes an https origin, and http on this machine.
func checkBaseURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || text != u.Scheme+"://"+strings.ToLower(u.Host) {
		return errors.New("base_url is no origin like https://www.liqpay.ua")
	}
	local := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return errors.New("base_url is not https")
	}
	return nil
}

func checkCurrencies(codes []string) error {
	for _, code := range codes {
		if !slices.Contains(currencies, code) {
			return errors.New("LiqPay does not take " + code)
		}
	}
	return nil
}

// Declare implements [psp.Provider].
//
// PaidAtExact is false: end_date is when the payment was last changed, which is later than the payment
// after a refund, a check or the shop's approval.
func (p *Provider) Declare() psp.Declaration {
	return psp.Declaration{
		Kind: "liqpay", Name: "LiqPay", Test: p.test,
		Dialect: psp.DecimalNumber, Currencies: slices.Clone(p.currencies),
		RefLengthMax: orderIDLengthMax,
		SessionMax:   sessionMax, Grace: grace, PaidAtExact: false,
		DeclineCloses: false, // Another card on the same page is normal.
		Schedule:      slices.Clone(schedule),
		Origins:       []string{p.baseURL},
	}
}

// Start implements [psp.Provider]. It makes no call: the same intent gives the same form, and LiqPay
// knows one payment per order_id.
func (p *Provider) Start(ctx context.Context, intent psp.Intent) (psp.Handoff, error) {
	if err := errors.Join(ctx.Err(), p.refuses(intent)); err != nil {
		return psp.Handoff{}, fmt.Errorf("%w: %w", psp.ErrNotAttempted, err)
	}
	form, err := p.signer.form(checkout{
		Version: p.signer.version, PublicKey: p.publicKey, Action: actionOf(intent.Hold),
		Amount: decimal(intent.Amount), Currency: intent.Amount.Currency().Code(),
		Description: intent.Description, OrderID: intent.Ref, Language: languageOf(intent.Locale),
		ExpiredDate: expiredDate(intent.SessionUntil), ResultURL: intent.ReturnURL, ServerURL: intent.CallbackURL,
	})
	if err != nil {
		return psp.Handoff{}, fmt.Errorf("%w: %w", psp.ErrNotAttempted, err)
	}
	return psp.Handoff{URL: p.baseURL + "/api/3/checkout", Fields: form}, nil
}

// refuses says what of an intent LiqPay would not take.
func (p *Provider) refuses(intent psp.Intent) error {
	d := p.Declare()
	switch {
	case intent.Amount.Sign() <= 0:
		return errors.New("the amount is not above zero")
	case intent.Ref == "" || len(intent.Ref) > orderIDLengthMax:
		return errors.New("the reference is empty or too long")
	case len(intent.ReturnURL) > urlLengthMax || len(intent.CallbackURL) > urlLengthMax:
		return errors.New("an address is longer than LiqPay takes")
	}
	return d.Takes(intent.Amount)
}

func actionOf(hold bool) string {
	if hold {
		return actionHold
	}
	return actionPay
}

func languageOf(locale string) string {
	if language, known := languages[locale]; known {
		return language
	}
	return "uk"
}

// expiredDate is in UTC and whole seconds, never later than asked for.
func expiredDate(until time.Time) string {
	if until.IsZero() {
		return ""
	}
	return until.UTC().Format(time.DateTime)
}
