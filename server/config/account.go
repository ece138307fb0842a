package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// PSPAccount is one contract of a merchant with a PSP, as the settings describe it. Which PSPs there
// are, and what each wants to know, is not config's to say: app asks the plug.
type PSPAccount struct {
	// ID is of [a-z0-9_-], 1 to 32 characters, unique in the installation.
	ID string
	// PSP is the plug's word: "liqpay".
	PSP string
	// Name is what payers read; empty means the PSP's own name.
	Name string
	// Mode is test where no money moves. Test orders pay at test accounts only (A1).
	Mode Mode
	// Currencies are the ISO 4217 codes that the account takes; none means all that the PSP takes.
	Currencies []string
	// Settings are the plug's own, by name. All are hidden, for secrets are among them.
	Settings map[string]Secret
	// At is where the account stands, as faults name it: the file with its line.
	At string

	// referred are the names of the settings that were given as a reference.
	referred []string
}

// Secrets are the values that must not be printed: those that were given as a reference, and those
// whose names say so.
func (a *PSPAccount) Secrets() []string {
	var all []string
	for name, value := range a.Settings {
		if SecretName(name) || slices.Contains(a.referred, name) {
			all = append(all, value.Reveal())
		}
	}
	slices.Sort(all)
	return all
}

// SecretName reports whether a plug's setting of this name is a secret, and so is taken by reference only.
func SecretName(name string) bool {
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// Limits and forms of an account.
const (
	accountsMax      = 100
	settingMax       = 2000
	formPSP          = "the word of a PSP, such as liqpay"
	formSettingName  = "the name of a setting, such as public_key"
	problemReference = "is a secret and does not stand in this file: expected env:NAME or file:PATH"
)

// secretWords are parts of names whose values are secrets, and are taken by reference only.
var secretWords = []string{"secret", "password", "private", "token", "api_key"}

// accounts reads a merchant's accounts. Their ids are unique in the installation: others are the merchants above.
func (d *document) accounts(n *yaml.Node, path string, others []Merchant) (list []PSPAccount) {
	taken := func(id string) bool {
		same := func(a PSPAccount) bool { return a.ID == id }
		return id != "" && (slices.ContainsFunc(list, same) ||
			slices.ContainsFunc(others, func(m Merchant) bool { return slices.ContainsFunc(m.Accounts, same) }))
	}
	d.sequence(n, path, accountsMax, func(n *yaml.Node, path string) {
		list = append(list, d.account(n, path, taken))
	})
	return list
}

func (d *document) account(n *yaml.Node, path string, taken func(id string) bool) PSPAccount {
	a := PSPAccount{At: d.at(n)}
	d.mapping(n, path, fields{
		"id": func(n *yaml.Node, path string) {
			if a.ID = d.id(n, path); taken(a.ID) {
				d.fault(n, path, "an account "+quote(a.ID)+" stands above; ids are unique in the installation")
			}
		},
		"psp": func(n *yaml.Node, path string) {
			a.PSP = d.matching(n, path, regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`), formPSP)
		},
		"name":       func(n *yaml.Node, path string) { a.Name = d.text(n, path, merchantNameMax) },
		"mode":       func(n *yaml.Node, path string) { a.Mode = Mode(d.oneOf(n, path, string(ModeTest), string(ModeLive))) },
		"currencies": func(n *yaml.Node, path string) { a.Currencies = d.currencies(n, path) },
		"settings":   func(n *yaml.Node, path string) { d.settings(n, path, &a) },
	}, "id", "psp")
	return a
}

// settings reads a plug's settings: one value each, or a reference to it.
func (d *document) settings(n *yaml.Node, path string, a *PSPAccount) {
	a.Settings = map[string]Secret{}
	known := fields{}
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			name := n.Content[i].Value
			known[name] = func(value *yaml.Node, path string) {
				a.Settings[name] = d.setting(value, path, name)
				if isReference(value.Value) {
					a.referred = append(a.referred, name)
				}
			}
		}
	}
	d.mapping(n, path, known)
}

func (d *document) setting(n *yaml.Node, path, name string) Secret {
	if !regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`).MatchString(name) {
		d.fault(n, path, quote(name)+" is not "+formSettingName)
		return Secret{}
	}
	if !isReference(n.Value) && SecretName(name) {
		d.fault(n, path, problemReference) // Before anything that shows a value.
		return Secret{}
	}
	text := d.text(n, path, settingMax)
	if text == "" {
		return Secret{}
	}
	value, err := d.resolve(text)
	if err != nil {
		d.fault(n, path, err.Error())
	}
	return NewSecret(value)
}

// modes gives accounts without a mode the merchant's, and refuses real money for a test merchant. It
// comes after all keys, which may stand in any order.
func (d *document) modes(m *Merchant) {
	for i := range m.Accounts {
		a := &m.Accounts[i]
		if a.Mode == "" {
			a.Mode = m.Mode
		}
		if m.Mode == ModeTest && a.Mode == ModeLive {
			d.faults = append(d.faults, Fault{
				Name:    a.At,
				Problem: fmt.Sprintf("the account %s is live and its merchant %s is not: no order could be paid there", quote(a.ID), quote(m.ID)),
			})
		}
	}
}
