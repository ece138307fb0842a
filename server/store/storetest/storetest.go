// Package storetest is the suite that every store passes.
//
// It names the promise of the socket that each case checks, with the rule behind it. What belongs to
// one engine (locks that wait, constraints that only SQL can try to break) is tested beside that engine.
package storetest

import (
	"testing"

	"github.com/kvitpay/kvit/server/store"
)

// Run runs the suite. open returns a fresh store that is closed with the test.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	cases := []struct {
		name string
		run  func(t *testing.T, s store.Store)
	}{
		{"Reload_O3_GivesEveryField", reloadGivesEveryField},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}
