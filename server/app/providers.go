package app

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/kvitpay/kvit/server/config"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/psp/liqpay"
	"github.com/kvitpay/kvit/server/psp/liqpay/liqpayfake"
	"github.com/kvitpay/kvit/server/psp/sandbox"
)

// plug is one PSP that accounts can be at.
type plug struct {
	// Open makes the provider of an account.
	Open func(psp.Settings) (psp.Provider, error)
	// Fake is a PSP that is not real, at an origin, and what an account there has in its settings. Nil where there is none.
	Fake func(origin string) (http.Handler, map[string]string)
}

// plugs is the one table of PSPs, by the word of the settings.
var plugs = map[string]plug{
	"liqpay": {Open: liqpay.Open, Fake: func(origin string) (http.Handler, map[string]string) {
		const public, private = "sandbox_i00000000000", "sandbox_private_key"
		return liqpayfake.New(liqpayfake.Account{
				PublicKey: public, PrivateKey: private, Version: liqpayfake.Version3, Now: time.Now, FirstID: time.Now().UnixMilli(),
			}),
			map[string]string{"public_key": public, "private_key": private, "base_url": origin}
	}},
	sandboxKind: {Open: func(s psp.Settings) (psp.Provider, error) { return sandbox.Open(s) }},
}

// pspWords are the words of the table, sorted, of all PSPs or of those that can be simulated.
func pspWords(simulated bool) string {
	var words []string
	for _, word := range slices.Sorted(maps.Keys(plugs)) {
		if !simulated || plugs[word].Fake != nil {
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}

// opener opens the accounts of the settings.
type opener struct {
	client  *http.Client
	options psp.Options // What all accounts have in common.
	faults  config.FaultsError
}

// openAll opens every account, those of a merchant in their order, or says everything that is wrong with
// all of them: a PSP that is not known, and what each plug says of its settings.
func (o *opener) openAll(merchants []config.Merchant) ([]*psp.Account, error) {
	var accounts []*psp.Account
	for i := range merchants {
		for j := range merchants[i].Accounts {
			if account := o.open(merchants[i].ID, &merchants[i].Accounts[j]); account != nil {
				accounts = append(accounts, account)
			}
		}
	}
	if len(o.faults) > 0 {
		return nil, o.faults
	}
	return accounts, nil
}

// open opens one account. It is nil where there is a fault.
func (o *opener) open(merchant string, a *config.PSPAccount) *psp.Account {
	p, known := plugs[a.PSP]
	if !known {
		o.fault(merchant, a, fmt.Errorf("account %s: there is no PSP %q; expected one of %s", a.ID, a.PSP, pspWords(false)))
		return nil
	}
	values := make(map[string]string, len(a.Settings))
	for name, secret := range a.Settings {
		values[name] = secret.Reveal()
	}
	provider, err := p.Open(psp.Settings{
		Account: a.ID, Test: a.Mode == config.ModeTest, Currencies: a.Currencies, Values: values, Client: o.client, Now: o.options.Now,
	})
	if err != nil {
		o.fault(merchant, a, err)
		return nil
	}
	options := o.options
	options.ID, options.Merchant, options.Live, options.Name, options.Secrets = a.ID, merchant, a.Mode == config.ModeLive, a.Name, a.Secrets()
	account, err := psp.NewAccount(provider, options)
	if err != nil {
		o.fault(merchant, a, err)
		return nil
	}
	return account
}

// fault notes what a plug says; it names the account itself.
func (o *opener) fault(merchant string, a *config.PSPAccount, err error) {
	o.faults = append(o.faults, config.Fault{Name: a.At, Problem: fmt.Sprintf("merchant %s, %v", merchant, err)})
}

// openAccounts opens the accounts of this server.
func (a *App) openAccounts(merchants []config.Merchant) ([]*psp.Account, error) {
	client := newPSPClient()
	a.closers = append(a.closers, func() error { client.CloseIdleConnections(); return nil })
	var tracer trace.Tracer
	if a.tracing != nil {
		tracer = a.tracing.Tracer("github.com/kvitpay/kvit/server/psp")
	}
	o := opener{client: client, options: psp.Options{
		Observer: psp.Observer{Called: a.metrics.PSP.Called, Callback: a.metrics.PSP.Callback},
		Logger:   a.log, Tracer: tracer, Now: time.Now,
	}}
	return o.openAll(merchants)
}

// CheckAccounts says everything that is wrong with the PSP accounts of the settings, and calls no PSP.
func CheckAccounts(settings *config.Settings) error {
	merchants, _ := withSandbox(settings.Merchants.List, sandboxAccess{origin: "http://127.0.0.1", page: "http://127.0.0.1", apiKey: "-", secret: "-"})
	o := opener{client: newPSPClient(), options: psp.Options{Now: time.Now}}
	_, err := o.openAll(merchants)
	return err
}

// Limits of the connections to PSPs. A call's own deadline stands in its context.
const (
	pspDialWithin     = 3 * time.Second
	pspTLSWithin      = 5 * time.Second
	pspIdleMax        = time.Minute
	pspIdlePerHostMax = 32
	pspHeaderBytesMax = 64 << 10
	pspCallMax        = 30 * time.Second
)

// newPSPClient makes the client of all accounts. It follows no redirect: what was signed for a PSP goes nowhere else.
func newPSPClient() *http.Client {
	return &http.Client{
		Timeout:       pspCallMax,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: pspDialWithin}).DialContext,
			TLSHandshakeTimeout:    pspTLSWithin,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    pspIdlePerHostMax,
			IdleConnTimeout:        pspIdleMax,
			MaxResponseHeaderBytes: pspHeaderBytesMax,
		},
	}
}
