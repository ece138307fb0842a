package config_test

import (
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
	return load(t, map[string]string{"m.yaml": yaml}, "KVIT_CONFIG=m.yaml").Merchants.List
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
		"alias":               {strings.Replace(minimal, "id: a", "id: &x a", 1) + "    timezone: *x\n", "m.yaml line 6", "expected a text"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := faultsOf(t, map[string]string{"m.yaml": c.yaml}, "KVIT_CONFIG=m.yaml")
			if len(got) != 1 || !strings.Contains(got[c.line], c.want) {
				t.Errorf("got %v, want %s: %q", got, c.line, c.want)
			}
		})
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
