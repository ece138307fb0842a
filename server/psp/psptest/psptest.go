// Package psptest is the suite that every provider passes.
//
// Its one idea: the suite stands where the server stands. It puts a [psp.Account] around the plug, takes
// callbacks over real HTTP as the server does, and owns the plug's HTTP client, so that it can make the
// PSP slow, cut its answers or refuse connections. A plug gives its fake and a few drivers: what a payer
// does, and how a callback is forged or altered. Amounts, times and references come from the plug's own
// declaration.
//
// Each case names the rule that it checks. What a PSP cannot be asked is an exemption with a reason;
// abilities that are not claimed are checked to be absent. Besides its own subject every case checks
// that no secret stands in an error, a log line or a handoff.
//
// Concurrency: cases run in parallel, each with a fresh provider and fake.
package psptest

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/psp"
)

// Harness is a plug as the suite takes it.
type Harness struct {
	// Open returns a fresh provider at a fresh fake. It is called once for each case.
	Open func(tb testing.TB, env Env) PSP
	// Now is the clock of intents; the fake's must agree with it.
	Now func() time.Time
	// Replies are the exact bytes that this PSP expects to hear (C2).
	Replies Replies
	// Can says what the PSP's documents promise; the plug must be able to do just that.
	Can Can
	// Hints is true for a PSP whose callbacks prove nothing (C4): facts then come from lookups.
	Hints bool
	// Exempt gives the reason for each case that does not apply, by the case's name.
	Exempt map[string]string
}

// Env is what the suite gives a plug and its fake.
type Env struct {
	// Client must make every call of the plug, and none of the fake: the suite breaks it.
	Client *http.Client
	// CallbackURL is where the fake reports to, the same as in each Intent.
	CallbackURL string
	Now         func() time.Time
}

// PSP is one account at a fake, fresh for one case. A driver that is nil is an error in the cases that
// need it, unless they are exempt. Drivers stop the test where the fake fails.
type PSP struct {
	Provider psp.Provider
	// Secrets must not appear in errors, logs and handoffs: keys, passwords, tokens.
	Secrets []string

	// Pay lets the payer who was handed off pay, or hold where the intent says so, and Decline lets the
	// payer's bank refuse. The fake then reports to the CallbackURL over HTTP.
	Pay, Decline func(tb testing.TB, visit Visit)
	// PayEarly makes the next payment that is started be paid, and reported, before Start is answered (O9).
	PayEarly func(tb testing.TB)
	// Settle does what the PSP does in its own time: refunds that were accepted and not done. It may be nil.
	Settle func(tb testing.TB, ref string)
	// Payments counts the payments that the fake has for a reference of ours, paid or not.
	Payments func(tb testing.TB, ref string) int
	// Forge is the callback with a wrong signature, as somebody without the key would make it.
	Forge func(tb testing.TB, callback psp.Callback) psp.Callback
	// Alter is the callback with one thing changed and a good signature by the fake's own code.
	Alter func(tb testing.TB, callback psp.Callback, change Alteration) psp.Callback
}

// Visit is a payer at the PSP.
type Visit struct {
	psp.Intent
	psp.Handoff
}

// Alteration is what is changed in a callback; zero fields stay as they are.
type Alteration struct {
	AmountMinor           int64
	Currency, Ref, Status string
	// OtherPayee makes the money another merchant's. MoreFields adds members that no document names.
	OtherPayee, MoreFields bool
}

// Can are a PSP's abilities.
type Can struct{ Refund, Capture, Void bool }

// Replies are what a PSP expects to hear; a status of 0 is 200.
type Replies struct {
	// Taken answers a good callback, and each repeat of it.
	Taken psp.Reply
	// Forged answers a wrong signature, Unreadable what is no message at all.
	Forged, Unreadable psp.Reply
}

// testCase is one promise.
type testCase struct {
	name string
	run  func(tb testing.TB, d *desk)
}

// cases are all promises, in the order of a payment's life.
func cases() []testCase {
	return slices.Concat(declarationCases, paymentCases, callbackCases, troubleCases, moneyCases)
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	all := cases()
	for name, reason := range h.Exempt {
		known := slices.ContainsFunc(all, func(c testCase) bool { return c.name == name })
		if !known || reason == "" {
			t.Errorf("the exemption of %q names no case or has no reason", name)
		}
	}
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			runCase(t, h, c)
		})
	}
}

func runCase(tb testing.TB, h Harness, c testCase) {
	tb.Helper()
	if reason, ok := h.Exempt[c.name]; ok {
		tb.Logf("exempt: %s", reason)
		return
	}
	d := open(tb, h)
	defer d.keptSecrets(tb)
	c.run(tb, d)
}
