package psp

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kvitpay/kvit/server/money"
)

// check reports everything in a declaration that cannot hold for an account that is live or not.
func (d *Declaration) check(live bool) error {
	var faults []error
	wrong := func(when bool, what string) {
		if when {
			faults = append(faults, errors.New(what))
		}
	}
	wrong(d.Kind == "" || d.Name == "", "the plug has no kind or no name")
	wrong(live == d.Test, "a test account is not live, and one that is not live is a test account")
	wrong(!slices.Contains([]Dialect{MinorInteger, DecimalText, DecimalNumber}, d.Dialect), "the money dialect is not known")
	wrong(len(d.Currencies) == 0, "there are no currencies")
	for _, code := range d.Currencies {
		_, err := money.CurrencyOf(code)
		wrong(err != nil, "currency "+code+" is not known")
	}
	for code, grain := range d.GrainMinor {
		wrong(grain < 1 || !slices.Contains(d.Currencies, code), "the grain of "+code+" is below 1, or of no currency of the account")
	}
	wrong(!d.takesRef(Mark(refIDAlphabet[:MarkLength]).Ref(refIDAlphabet[:refIDLength])), "our references do not fit")
	wrong(d.SessionMax <= 0, "a session has no length")
	wrong(d.Grace < 0, "the grace is below zero")
	wrong(len(d.Schedule) == 0, "the schedule of questions is empty")
	wrong(slices.ContainsFunc(d.Schedule, func(wait time.Duration) bool { return wait <= 0 }), "the schedule has a wait of nothing")
	wrong(len(d.Origins) == 0, "there is no origin")
	for _, origin := range d.Origins {
		wrong(!isOrigin(origin, live), "the origin "+origin+" is not one")
	}
	wrong(d.Away.Status != 0 && (d.Away.Status < 100 || d.Away.Status > 599), "the answer while we are away has no HTTP status")
	return errors.Join(faults...)
}

// takesRef reports whether a reference keeps the PSP's rules.
func (d *Declaration) takesRef(ref string) bool {
	if ref == "" || len(ref) > d.RefLengthMax {
		return false
	}
	for _, r := range ref {
		if r <= ' ' || r > '~' || d.RefAlphabet != "" && !strings.ContainsRune(d.RefAlphabet, r) {
			return false
		}
	}
	return true
}

// isOrigin reports whether text is an origin as browsers write it. Live money goes by https, but for
// a PSP on this very machine.
func isOrigin(text string, live bool) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || text != originOf(u) {
		return false
	}
	// Characters with a meaning in a CSP end the directive or open it to others.
	if strings.ContainsAny(text, " ;,'\"*") {
		return false
	}
	local := net.ParseIP(u.Hostname()).IsLoopback() || u.Hostname() == "localhost"
	return u.Scheme == "https" || u.Scheme == "http" && (!live || local)
}
