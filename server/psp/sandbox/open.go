package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/psp"
)

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
