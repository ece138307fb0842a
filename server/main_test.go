package main

import (
	"errors"
	"slices"
	"testing"

	"github.com/kvitpay/kvit/server/config"
)

// kong joins the error of a command with its own.
func TestExitCode(t *testing.T) {
	t.Parallel()
	faults := config.FaultsError{{Name: "KVIT_LISTEN", Problem: "is not host:port"}}
	if code := exitCode(errors.Join(faults, nil)); code != exitSettings {
		t.Errorf("wrong settings end with %d, want %d", code, exitSettings)
	}
	if code := exitCode(errors.New("the port is taken")); code != exitFailed {
		t.Errorf("a failure ends with %d, want %d", code, exitFailed)
	}
}

// The documents write -role=adapter; kong's long flags have two dashes.
func TestLongFlags(t *testing.T) {
	t.Parallel()
	for _, c := range [][2][]string{
		{{"-role=adapter", "-upstream=http://x"}, {"--role=adapter", "--upstream=http://x"}},
		{{"-role", "adapter", "--listen=:1"}, {"--role", "adapter", "--listen=:1"}},
		{{"check", "-h", "-", "--", "-role"}, {"check", "-h", "-", "--", "-role"}},
		{{"keys", "installation", "--name", "-x"}, {"keys", "installation", "--name", "-x"}},
	} {
		if got := longFlags(c[0]); !slices.Equal(got, c[1]) {
			t.Errorf("%v became %v, want %v", c[0], got, c[1])
		}
	}
}
