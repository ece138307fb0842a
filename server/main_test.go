package main

import (
	"errors"
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
