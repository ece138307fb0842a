package app_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/kvitpay/kvit/server/app"
	"github.com/kvitpay/kvit/server/config"
)

// withMerchants loads a merchants' file.
func withMerchants(t *testing.T, yaml string, environ ...string) *config.Settings {
	t.Helper()
	settings, err := config.Load(config.Source{
		Environ: append([]string{
			"KVIT_LISTEN=127.0.0.1:0", "KVIT_ADMIN_LISTEN=127.0.0.1:0", "KVIT_SANDBOX_LISTEN=127.0.0.1:0",
			"KVIT_DATA_DIR=" + t.TempDir(), "KVIT_CONFIG=m.yaml",
		}, environ...),
		ReadFile: func(path string) ([]byte, error) {
			if path == "m.yaml" {
				return []byte(yaml), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
		Cores: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

const oddAccounts = `merchants:
  - id: coffee
    name: Coffee
    mode: live
    locale: hy
    psp_accounts:
      - {id: one, psp: sandbocs}
      - {id: two, psp: sandbox, mode: test, settings: {url: 'http://127.0.0.1:1', signing_secret: 'env:ODD_KEY', api_key: 'env:ODD_KEY', payee: p, colour: red}}
      - {id: three, psp: sandbox}
  - id: tea
    name: Tea
    mode: test
    locale: en
    psp_accounts:
      - {id: four, psp: sandbox, settings: {url: 'http://127.0.0.1:1', signing_secret: 'env:ODD_KEY', payee: p}}
`

// What is wrong with all accounts is said at once, each with its line, its merchant and its account, and
// without a secret; the server does not start, and check says the same.
func TestAccounts_S4_AllFaultsOfAllAccountsTogether(t *testing.T) {
	t.Parallel()
	settings := withMerchants(t, oddAccounts, "ODD_KEY=hunter2")
	_, starting := app.New(t.Context(), settings, io.Discard)
	for name, err := range map[string]error{"start": starting, "check": app.CheckAccounts(settings)} {
		faults, ok := errors.AsType[config.FaultsError](err)
		if !ok || len(faults) != 4 {
			t.Fatalf("%s: %v", name, err)
		}
		for i, want := range [][]string{
			{"m.yaml line 7", "merchant coffee", "account one", `there is no PSP "sandbocs"; expected one of `},
			{"m.yaml line 8", "merchant coffee", "account two", "colour is not known"},
			{"m.yaml line 9", "merchant coffee", "account three", "never for live keys"},
			{"m.yaml line 15", "merchant tea", "account four", "api_key is missing"},
		} {
			if faults[i].Name != want[0] {
				t.Errorf("%s: fault %d is at %s, want %s", name, i, faults[i].Name, want[0])
			}
			for _, part := range want[1:] {
				if !strings.Contains(faults[i].Problem, part) {
					t.Errorf("%s: %q does not say %q", name, faults[i].Problem, part)
				}
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a secret is in %v", name, err)
		}
	}
}

// The example of the settings' page is one that starts.
func TestAccounts_S4_TheExampleOpens(t *testing.T) {
	t.Parallel()
	if err := app.CheckAccounts(withMerchants(t, config.Example, "COFFEE_LIQPAY_KEY=x")); app.Knows("liqpay") && err != nil {
		t.Fatal(err) // The example has an account at LiqPay, which may be taken out (law 5).
	}
	demo, err := config.Load(config.Source{ReadFile: os.ReadFile, Cores: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := app.CheckAccounts(demo); err != nil {
		t.Fatal(err)
	}
}

// The sandbox's port is opened where an account is at the built-in sandbox, and nowhere else.
func TestSandbox_OpenedOnlyWhereItIsNeeded(t *testing.T) {
	t.Parallel()
	const merchant = "merchants:\n  - {id: a, name: A, mode: test, locale: en, psp_accounts: [%]}\n"
	elsewhere := "{id: x, psp: sandbox, settings: {url: 'http://127.0.0.1:1', api_key: 'env:K', signing_secret: 'env:K', payee: p}}"
	for account, want := range map[string]bool{"": false, "{id: x, psp: sandbox}": true, elsewhere: false} {
		settings := withMerchants(t, strings.Replace(merchant, "%", account, 1), "K=k")
		house, err := app.New(t.Context(), settings, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if got := house.SandboxAddress() != ""; got != want {
			t.Errorf("with [%s] the sandbox is open: %v", account, got)
		}
		runToEnd(t, house)
	}
}
