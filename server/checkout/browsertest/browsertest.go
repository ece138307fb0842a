// Package browsertest runs the scripts of tools/browser against a server under test, in a real browser.
//
// A script prints a line for each promise, "ok ..." or "not ok ..." with the reason, and fails where one
// does not hold. docs/checkout.md says what its environment means. Tests of rooms right below server, such
// as server/checkout and server/app, may use it: the scripts are found from there.
package browsertest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const (
	tools    = "../../tools/browser"
	chromium = "/usr/bin/chromium"
	within   = 5 * time.Minute
)

// Need skips a test where there is no browser to run it in; under CI=true it fails.
func Need(tb testing.TB) {
	tb.Helper()
	browser := os.Getenv("KVIT_BROWSER")
	if browser == "" {
		browser = chromium
	}
	for _, program := range []string{"node", "npm", "bash", browser} {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			tb.Fatalf("%s is needed: install Node 20 and Chromium (on Debian: apt-get install nodejs npm chromium)", program)
		}
		tb.Skipf("%s is not here", program)
	}
}

// Run runs a script against the server at address, logs its report, and fails the test where a promise
// does not hold. The environment is the test's own and what more says: "NAME=value".
func Run(tb testing.TB, script, address string, more ...string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), within)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(tools, "run.sh"), script) //nolint:gosec // A script of ours.
	command.Env = append(append(command.Environ(), "KVIT_PAGE_URL="+address), more...)
	said, err := command.CombinedOutput()
	if err != nil {
		tb.Errorf("%s: %v\n%s", script, err, said)
		return
	}
	tb.Logf("%s", said)
}
