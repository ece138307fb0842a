package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/config"
)

const minimal = `merchants:
  - id: a
    name: A
    mode: test
    locale: en
`

func merchantsOf(t *testing.T, yaml string) []config.Merchant {
	t.Helper()
	return load(t, map[string]string{"m.yaml": yaml}, "KVIT_CONFIG=m.yaml", "COFFEE_LIQPAY_KEY=hunter2").Merchants.List
}

func TestMerchants_S4_ExampleIsRead(t *testing.T) {
	t.Parallel()
	list := merchantsOf(t, config.Example)
	if len(list) != 2 {
		t.Fatalf("got %+v", list)
	}
	m := list[0]
	if m.ID != "coffee" || m.Name != "Coffee House" || m.Mode != config.ModeLive || m.Locale != "hy" ||
		m.Timezone.String() != "Asia/Yerevan" || m.AcceptAfter != 24*time.Hour || !slices.Equal(m.Currencies, []string{"AMD", "EUR"}) {
		t.Errorf("got %+v", m)
	}
	want := config.Support{Text: "Write to us in the chat.", URL: "https://coffee.example/help", Phone: "+37410123456", Email: "help@coffee.example"}
	if m.Support != want {
		t.Errorf("support %+v", m.Support)
	}
	if len(m.Accounts) != 2 || len(list[1].Accounts) != 0 {
		t.Fatalf("accounts %+v and %+v", m.Accounts, list[1].Accounts)
	}
	card, sandbox := m.Accounts[0], m.Accounts[1]
	if card.ID != "coffee-liqpay" || card.PSP != "liqpay" || card.Name != "Card" || card.Mode != config.ModeLive ||
		!slices.Equal(card.Currencies, []string{"EUR"}) || card.At != "m.yaml line 15" {
		t.Errorf("got %+v", card)
	}
	if card.Settings["public_key"].Reveal() != "i00000000" || card.Settings["private_key"].Reveal() != "hunter2" || len(card.Settings) != 2 {
		t.Errorf("settings %q, %q", card.Settings["public_key"].Reveal(), card.Settings["private_key"].Reveal())
	}
	if sandbox.ID != "coffee-sandbox" || sandbox.PSP != "sandbox" || sandbox.Mode != config.ModeTest || sandbox.Name != "" || len(sandbox.Settings) != 0 {
		t.Errorf("got %+v", sandbox)
	}
}

func TestMerchants_S4_DefaultsAreThere(t *testing.T) {
	t.Parallel()
	m := merchantsOf(t, minimal)[0]
	if m.Timezone != time.UTC || m.AcceptAfter != 24*time.Hour || m.Currencies != nil || m.Support != (config.Support{}) {
		t.Errorf("got %+v", m)
	}
	if m := merchantsOf(t, minimal+"    accept_after: 0s\n")[0]; m.AcceptAfter != 0 {
		t.Errorf("accept_after %s, want none", m.AcceptAfter)
	}
}

func TestMerchants_S4_FaultsNameTheLineAndWhatIsExpected(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ yaml, line, want string }{
		"empty file":          {"", "m.yaml", "the file is empty"},
		"only comments":       {"# nothing\n", "m.yaml", "the file is empty"},
		"no YAML":             {"merchants:\n\t- id: a\n", "m.yaml line 2", "is not YAML"},
		"two documents":       {minimal + "---\n" + minimal, "m.yaml line 6", "second document"},
		"no mapping":          {"- a\n", "m.yaml line 1", "expected keys"},
		"no merchants":        {"merchants: []\n", "m.yaml line 1", "at least one merchant"},
		"merchants missing":   {"{}\n", "m.yaml line 1", "the key merchants is missing"},
		"unknown at the root": {minimal + "merchant: x\n", "m.yaml line 6", "merchant: there is no such key; did you mean merchants?"},
		"unknown below":       {minimal + "    timezon: UTC\n", "m.yaml line 6", "merchants[0].timezon: there is no such key; did you mean timezone?"},
		"not yet":             {minimal + "psp_accounts: []\n", "m.yaml line 6", "psp_accounts: there is no such key"},
		"key twice":           {minimal + "    name: B\n", "m.yaml line 6", "merchants[0].name: stands above already"},
		"missing keys":        {"merchants:\n  - id: a\n    name: A\n    mode: test\n", "m.yaml line 2", "the key locale is missing"},
		"id":                  {strings.Replace(minimal, "id: a", "id: A b", 1), "m.yaml line 2", `merchants[0].id: "A b" is not 1 to 32`},
		"id twice":            {minimal + strings.TrimPrefix(minimal, "merchants:\n"), "m.yaml line 6", `a merchant "a" stands above`},
		"name":                {strings.Replace(minimal, "name: A", "name: ''", 1), "m.yaml line 3", "one line of 1 to 100 bytes"},
		"name of two lines":   {strings.Replace(minimal, "name: A", `name: "A\nB"`, 1), "m.yaml line 3", "one line of 1 to 100 bytes"},
		"name is no text":     {strings.Replace(minimal, "name: A", "name: [A]", 1), "m.yaml line 3", "expected a text"},
		"name is null":        {strings.Replace(minimal, "name: A", "name:", 1), "m.yaml line 3", "expected a text"},
		"mode":                {strings.Replace(minimal, "mode: test", "mode: prod", 1), "m.yaml line 4", `"prod" is not one of test, live`},
		"locale":              {strings.Replace(minimal, "locale: en", "locale: am", 1), "m.yaml line 5", `"am" is not one of hy, uk, ru, en`},
		"timezone":            {minimal + "    timezone: Mars/Base\n", "m.yaml line 6", "a time zone such as Asia/Yerevan"},
		"timezone of machine": {minimal + "    timezone: Local\n", "m.yaml line 6", "a time zone such as Asia/Yerevan"},
		"accept_after":        {minimal + "    accept_after: 1 day\n", "m.yaml line 6", "a duration such as 24h"},
		"accept_after below":  {minimal + "    accept_after: -1h\n", "m.yaml line 6", "a duration such as 24h"},
		"accept_after above":  {minimal + "    accept_after: 2161h\n", "m.yaml line 6", "a duration such as 24h"},
		"currencies":          {minimal + "    currencies: AMD\n", "m.yaml line 6", "expected a list"},
		"currency":            {minimal + "    currencies: [AMD, dram]\n", "m.yaml line 6", `merchants[0].currencies[1]: "dram" is not a currency code`},
		"currency twice":      {minimal + "    currencies: [AMD, AMD]\n", "m.yaml line 6", "stands above already"},
		"support url":         {minimal + "    support: {url: 'http://a.example'}\n", "m.yaml line 6", "merchants[0].support.url: \"http://a.example\" is not an https URL"},
		"support phone":       {minimal + "    support: {phone: 010123456}\n", "m.yaml line 6", "a phone number such as"},
		"support email":       {minimal + "    support: {email: nobody}\n", "m.yaml line 6", "an e-mail address"},
		"support unknown":     {minimal + "    support: {telegram: x}\n", "m.yaml line 6", "support.telegram: there is no such key"},
		"accounts":            {minimal + "    psp_accounts: {}\n", "m.yaml line 6", "merchants[0].psp_accounts: expected a list"},
		"account unknown":     {minimal + "    psp_accounts: [{id: x, psp: y, secret: z}]\n", "m.yaml line 6", "psp_accounts[0].secret: there is no such key"},
		"account no psp":      {minimal + "    psp_accounts: [{id: x}]\n", "m.yaml line 6", "the key psp is missing"},
		"account id":          {minimal + "    psp_accounts: [{id: X, psp: y}]\n", "m.yaml line 6", `psp_accounts[0].id: "X" is not 1 to 32`},
		"account twice":       {minimal + "    psp_accounts:\n      - {id: x, psp: y}\n      - {id: x, psp: z}\n", "m.yaml line 8", `an account "x" stands above`},
		"account psp":         {minimal + "    psp_accounts: [{id: x, psp: LiqPay}]\n", "m.yaml line 6", `"LiqPay" is not the word of a PSP`},
		"account mode":        {minimal + "    psp_accounts: [{id: x, psp: y, mode: prod}]\n", "m.yaml line 6", `"prod" is not one of test, live`},
		"account live (A1)":   {minimal + "    psp_accounts: [{id: x, psp: y, mode: live}]\n", "m.yaml line 6", `the account "x" is live and its merchant "a" is not`},
		"account currency":    {minimal + "    psp_accounts: [{id: x, psp: y, currencies: [amd]}]\n", "m.yaml line 6", `"amd" is not a currency code`},
		"settings":            {minimal + "    psp_accounts: [{id: x, psp: y, settings: []}]\n", "m.yaml line 6", "psp_accounts[0].settings: expected keys"},
		"setting name":        {minimal + "    psp_accounts: [{id: x, psp: y, settings: {Key: 1}}]\n", "m.yaml line 6", `"Key" is not the name of a setting`},
		"setting twice":       {minimal + "    psp_accounts: [{id: x, psp: y, settings: {k: 1, k: 2}}]\n", "m.yaml line 6", "settings.k: stands above already"},
		"setting empty":       {minimal + "    psp_accounts: [{id: x, psp: y, settings: {k: ''}}]\n", "m.yaml line 6", "one line of 1 to 2000 bytes"},
		"setting a list":      {minimal + "    psp_accounts: [{id: x, psp: y, settings: {k: [1]}}]\n", "m.yaml line 6", "settings.k: expected a text"},
		"no such variable":    {minimal + "    psp_accounts: [{id: x, psp: y, settings: {k: 'env:NOT_THERE'}}]\n", "m.yaml line 6", `settings.k: refers to the variable "NOT_THERE", which is not set`},
		"no such file":        {minimal + "    psp_accounts: [{id: x, psp: y, settings: {k: 'file:nowhere'}}]\n", "m.yaml line 6", "settings.k: cannot be read"},
		"secret in the open":  {minimal + "    psp_accounts: [{id: x, psp: y, settings: {private_key: hunter2}}]\n", "m.yaml line 6", "settings.private_key: is a secret and does not stand in this file: expected env:NAME or file:PATH"},
		"secret of two lines": {minimal + "    psp_accounts: [{id: x, psp: y, settings: {api_token: \"hunter2\\nB\"}}]\n", "m.yaml line 6", "settings.api_token: is a secret"},
		"alias":               {strings.Replace(minimal, "id: a", "id: &x a", 1) + "    timezone: *x\n", "m.yaml line 6", "expected a text"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := faultsOf(t, map[string]string{"m.yaml": c.yaml}, "KVIT_CONFIG=m.yaml")
			if len(got) != 1 || !strings.Contains(got[c.line], c.want) {
				t.Errorf("got %v, want %s: %q", got, c.line, c.want)
			}
			if strings.Contains(got[c.line], "hunter2") {
				t.Errorf("a secret is in the fault: %v", got)
			}
		})
	}
}

// Ids of accounts are unique in the installation: the address of a callback names the account alone.
func TestMerchants_A1_AccountsOfTwoMerchantsHaveTwoIDs(t *testing.T) {
	t.Parallel()
	account := "    psp_accounts: [{id: x, psp: y}]\n"
	other := strings.Replace(strings.TrimPrefix(minimal, "merchants:\n"), "id: a", "id: b", 1)
	got := faultsOf(t, map[string]string{"m.yaml": minimal + account + other + account}, "KVIT_CONFIG=m.yaml")
	if len(got) != 1 || !strings.Contains(got["m.yaml line 11"], `an account "x" stands above`) {
		t.Errorf("got %v", got)
	}
}

// The mode of an account is its merchant's, whichever stands first; a live merchant may have test accounts.
func TestMerchants_A1_ModeOfAnAccountIsTheMerchantsUnlessItSays(t *testing.T) {
	t.Parallel()
	list := merchantsOf(t, "merchants:\n  - psp_accounts: [{id: x, psp: y}, {id: z, psp: y, mode: test}]\n    id: a\n    name: A\n    locale: en\n    mode: live\n")
	if got := list[0].Accounts; got[0].Mode != config.ModeLive || got[1].Mode != config.ModeTest {
		t.Errorf("got %+v", got)
	}
}

// What an account refers to is known, hidden wherever it is printed, and may come from a file of many lines.
func TestMerchants_S4_SettingsOfAnAccountAreHidden(t *testing.T) {
	t.Parallel()
	yaml := minimal + "    psp_accounts: [{id: x, psp: y, settings: {private_key: 'env:KVIT_MY_SECRET', pem: 'file:pem', version: 3}}]\n"
	s := load(t, map[string]string{"m.yaml": yaml, "pem": "-----\nhunter2\n-----\n"}, "KVIT_CONFIG=m.yaml", "KVIT_MY_SECRET=hunter2")
	account := s.Merchants.List[0].Accounts[0]
	if account.Settings["private_key"].Reveal() != "hunter2" || account.Settings["pem"].Reveal() != "-----\nhunter2\n-----" ||
		account.Settings["version"].Reveal() != "3" {
		t.Errorf("got %v", account)
	}
	if secrets := account.Secrets(); !slices.Equal(secrets, []string{"-----\nhunter2\n-----", "hunter2"}) {
		t.Errorf("%d secrets, want the two that are referred to", len(secrets))
	}
	if text := fmt.Sprintf("%v %+v %#v", s, account, account); strings.Contains(text, "hunter2") {
		t.Errorf("printed: %s", text)
	}
}

func TestMerchants_S4_AllFaultsOfTheFileAndTheEnvironmentTogether(t *testing.T) {
	t.Parallel()
	yaml := "merchants:\n  - id: A\n    name: A\n    mode: x\n    locale: x\n"
	got := faultsOf(t, map[string]string{"m.yaml": yaml}, "KVIT_CONFIG=m.yaml", "KVIT_LISTEN=x")
	for _, name := range []string{"KVIT_LISTEN", "m.yaml line 2", "m.yaml line 4", "m.yaml line 5"} {
		if got[name] == "" {
			t.Errorf("no fault for %s: %v", name, got)
		}
	}
}

func TestMerchants_S4_TooBigAFileIsRefused(t *testing.T) {
	t.Parallel()
	got := faultsOf(t, map[string]string{"m.yaml": strings.Repeat("#\n", 1<<20)}, "KVIT_CONFIG=m.yaml")
	if !strings.Contains(got["KVIT_CONFIG"], "more than") {
		t.Errorf("got %v", got)
	}
}

func FuzzMerchants(f *testing.F) {
	f.Add(config.Example)
	f.Add(minimal)
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, yaml string) {
		s, err := config.Load(source(map[string]string{"m": yaml}, "KVIT_CONFIG=m"))
		if (s == nil) == (err == nil) {
			t.Fatalf("got %v, %v", s, err)
		}
		if err != nil {
			return
		}
		for _, m := range s.Merchants.List {
			if m.ID == "" || m.Name == "" || m.Mode == "" || m.Locale == "" || m.Timezone == nil {
				t.Errorf("a merchant without its parts: %+v", m)
			}
		}
	})
}
