package config

import (
	"net/url"
	"regexp"
	"slices"
	"time"
	_ "time/tzdata" // A merchant's time zone is known on machines that have no table of their own.

	"go.yaml.in/yaml/v3"
)

// Mode is whether a merchant's money is real.
type Mode string

// The modes.
const (
	// ModeTest means that orders pay at test accounts only.
	ModeTest Mode = "test"
	// ModeLive means real money.
	ModeLive Mode = "live"
)

// Merchant is one merchant of KVIT_CONFIG.
type Merchant struct {
	// ID is of [a-z0-9_-], 1 to 32 characters, and never changes.
	ID string
	// Name is what payers read.
	Name string
	Mode Mode
	// Locale is the language of a payer whose own is not known: hy, uk, ru or en.
	Locale string
	// Timezone is where the merchant's days begin and end. The default is UTC.
	Timezone *time.Location
	Support  Support
	// AcceptAfter is how long after the end of an offer money is still asked for (E1). The default is 24 h.
	AcceptAfter time.Duration
	// Currencies are the ISO 4217 codes that the merchant takes; none means all.
	Currencies []string
	// Accounts are where the merchant is paid, in the order in which payers see them.
	Accounts []PSPAccount
}

// Support is where payers turn to. Each part may be empty.
type Support struct {
	Text  string
	URL   string
	Phone string
	Email string
}

// Limits of a merchants' file.
const (
	merchantsMax       = 1000
	merchantNameMax    = 100
	supportTextMax     = 500
	acceptAfterDefault = 24 * time.Hour
	acceptAfterMax     = 90 * 24 * time.Hour
)

// The forms of what stands in a merchants' file, and what to say of a value that has not the form.
const (
	formID          = "1 to 32 of a-z, 0-9, _ and -, beginning with a letter or digit"
	formAcceptAfter = "a duration such as 24h, from 0s to 2160h"
	formTimezone    = "a time zone such as Asia/Yerevan"
	formCurrency    = "a currency code such as AMD"
	formURL         = "an https URL"
	formPhone       = "a phone number such as +37410123456"
	formEmail       = "an e-mail address"
)

// locales lists the languages that payers read.
func locales() []string { return []string{"hy", "uk", "ru", "en"} }

// demoMerchant is who is paid where there is no KVIT_CONFIG.
func demoMerchant() Merchant {
	return Merchant{
		ID: "demo", Name: "Demo shop", Mode: ModeTest, Locale: "en", Timezone: time.UTC,
		Support:     Support{Text: "This is a demo shop. Nothing is sold and no money moves."},
		AcceptAfter: acceptAfterDefault,
		Accounts:    []PSPAccount{{ID: "sandbox", PSP: "sandbox", Mode: ModeTest, At: "the demo merchant"}},
	}
}

// merchants reads KVIT_CONFIG, or puts the demo merchant in its place.
func (l *loader) merchants() {
	m := &l.settings.Merchants
	if m.File == "" {
		m.List, m.Demo = []Merchant{demoMerchant()}, true
		return
	}
	content, err := l.file(m.File)
	if err != nil {
		l.fault(nameConfig, "%v", err)
		return
	}
	list, faults := parseMerchants(m.File, []byte(content), l.resolve)
	m.List = list
	l.faults = append(l.faults, faults...)
}

// parseMerchants reads the text of a merchants' file. Every fault names its line.
func parseMerchants(file string, content []byte, resolve func(text string) (string, error)) ([]Merchant, FaultsError) {
	d := &document{file: file, resolve: resolve}
	root := d.parse(content)
	if root == nil {
		return nil, d.faults
	}
	var list []Merchant
	d.mapping(root, "", fields{
		"merchants": func(n *yaml.Node, path string) {
			d.sequence(n, path, merchantsMax, func(n *yaml.Node, path string) {
				list = append(list, d.merchant(n, path, list))
			})
		},
	}, "merchants")
	if len(list) == 0 && len(d.faults) == 0 {
		d.fault(root, "merchants", "at least one merchant is needed")
	}
	return list, d.faults
}

// merchant reads one merchant; others are those above it.
func (d *document) merchant(n *yaml.Node, path string, others []Merchant) Merchant {
	m := Merchant{Timezone: time.UTC, AcceptAfter: acceptAfterDefault}
	d.mapping(n, path, fields{
		"id": func(n *yaml.Node, path string) {
			m.ID = d.id(n, path)
			if slices.ContainsFunc(others, func(o Merchant) bool { return m.ID != "" && o.ID == m.ID }) {
				d.fault(n, path, "a merchant "+quote(m.ID)+" stands above")
			}
		},
		"name":     func(n *yaml.Node, path string) { m.Name = d.text(n, path, merchantNameMax) },
		"mode":     func(n *yaml.Node, path string) { m.Mode = Mode(d.oneOf(n, path, string(ModeTest), string(ModeLive))) },
		"locale":   func(n *yaml.Node, path string) { m.Locale = d.oneOf(n, path, locales()...) },
		"timezone": func(n *yaml.Node, path string) { m.Timezone = d.timezone(n, path) },
		"support":  func(n *yaml.Node, path string) { m.Support = d.support(n, path) },
		"accept_after": func(n *yaml.Node, path string) {
			m.AcceptAfter = d.duration(n, path, acceptAfterMax, formAcceptAfter)
		},
		"currencies":   func(n *yaml.Node, path string) { m.Currencies = d.currencies(n, path) },
		"psp_accounts": func(n *yaml.Node, path string) { m.Accounts = d.accounts(n, path, others) },
	}, "id", "name", "mode", "locale")
	d.modes(&m)
	return m
}

// id reads the id of a merchant or an account.
func (d *document) id(n *yaml.Node, path string) string {
	return d.matching(n, path, regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`), formID)
}

func (d *document) support(n *yaml.Node, path string) (s Support) {
	d.mapping(n, path, fields{
		"text": func(n *yaml.Node, path string) { s.Text = d.text(n, path, supportTextMax) },
		"url": func(n *yaml.Node, path string) {
			s.URL = d.text(n, path, supportTextMax)
			if u, err := url.Parse(s.URL); s.URL != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil) {
				d.wrong(n, path, formURL)
			}
		},
		"phone": func(n *yaml.Node, path string) {
			s.Phone = d.matching(n, path, regexp.MustCompile(`^\+[0-9]{7,15}$`), formPhone)
		},
		"email": func(n *yaml.Node, path string) {
			s.Email = d.matching(n, path, regexp.MustCompile(`^[^@\s<>]{1,64}@[^@\s<>]{1,189}$`), formEmail)
		},
	})
	return s
}

func (d *document) timezone(n *yaml.Node, path string) *time.Location {
	name := d.text(n, path, merchantNameMax)
	if name == "" {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		d.wrong(n, path, formTimezone)
		return time.UTC
	}
	return zone
}

func (d *document) currencies(n *yaml.Node, path string) (codes []string) {
	d.sequence(n, path, merchantsMax, func(n *yaml.Node, path string) {
		code := d.matching(n, path, regexp.MustCompile(`^[A-Z]{3}$`), formCurrency)
		if code != "" && slices.Contains(codes, code) {
			d.fault(n, path, "stands above already")
		}
		codes = append(codes, code)
	})
	return codes
}
