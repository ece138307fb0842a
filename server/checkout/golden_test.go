package checkout_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
)

var update = flag.Bool("update", false, "write the golden files")

// assetHash is the part of an address that changes with each change of a style or a script.
var assetHash = regexp.MustCompile(`/pay/assets/[0-9a-f]+`)

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = assetHash.ReplaceAllString(got, "/pay/assets/0")
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs: look at it, then run with -update\n%s", name, got)
	}
}

// sights are the pages in each state, by the name of their golden file.
func sights() map[string]payment.Page {
	test := offered()
	test.Link.Live = false
	many := map[string]payment.Page{
		"fixed": fixed(), "link-deactivated": linkIn(order.LinkInactive), "link-expired": linkIn(order.LinkExpired), "unknown": unknown(), "test": test,
	}
	for _, state := range order.States() {
		many["state-"+strings.ToLower(string(state))] = inState(state)
	}
	return many
}

// Each state has a named text and a next step (L2, O2): what a payer sees in each.
func TestPage_O2_EveryStateAndItsNextStep(t *testing.T) {
	t.Parallel()
	for name, page := range sights() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.put(tokenOf("page"), page)
			golden(t, name+".html", h.get(t, "/pay/"+tokenOf("page")).Body.String())
		})
	}
}

// The payer's page in each language, where the most is said: paying, and coming back.
func TestPage_EveryLanguage(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"hy", "uk", "ru", "en"} {
		for name, page := range map[string]payment.Page{"pay": offered(), "failed": inState(order.Failed), "unknown": unknown()} {
			t.Run(name+" "+lang, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				page.Order.Locale = lang
				h.put(tokenOf("page"), page)
				golden(t, "lang-"+lang+"-"+name+".html", h.get(t, "/pay/"+tokenOf("page")+"/status", header("User-Agent", "Mobile")).Body.String())
			})
		}
	}
}

// A payer who came back waits for the answer; the button to go on stands back.
func TestReturn_L2_PageThatWaits(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.put(tokenOf("page"), inState(order.Processing))
	golden(t, "returned.html", h.get(t, "/pay/"+tokenOf("page")+"/return/at_1").Body.String())
	golden(t, "status.json", h.get(t, "/pay/"+tokenOf("page")+"/status?follow", header("Accept", "application/json")).Body.String())
}

func TestPage_NotFoundAndDown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	golden(t, "not-found.html", h.get(t, "/pay/"+tokenOf("nobody"), header("Accept-Language", "uk")).Body.String())
	h.readErr = os.ErrDeadlineExceeded
	golden(t, "down.html", h.get(t, "/pay/"+tokenOf("page"), header("Accept-Language", "hy")).Body.String())
}

// The time that is left is written from the database's clock, in the merchant's zone (E1).
func TestPage_E1_TimeLeft(t *testing.T) {
	t.Parallel()
	page := offered()
	for _, c := range []struct {
		left time.Duration
		want string
	}{
		{90 * time.Minute, `Pay by 13:30 · time left <b id="left" data-ms="5400000">1` + "\u00a0hour 30\u00a0minutes</b>"},
		{26 * time.Hour, `Pay by 6 March 2026, 14:00 · time left <b id="left" data-ms="93600000">1` + "\u00a0day 2\u00a0hours</b>"},
	} {
		h := newHouse(t)
		page.Order.OfferUntil = page.Now.Add(c.left)
		h.put(tokenOf("page"), page)
		if body := h.get(t, "/pay/"+tokenOf("page")).Body.String(); !strings.Contains(body, c.want) {
			t.Errorf("after %s: no %q in\n%s", c.left, c.want, body)
		}
	}
}
