package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// serverVariables begins the names of the settings by which tests find servers. A skip that names one
// is a skip for want of a server.
const serverVariables = "KVIT_TEST_"

// tally counts tests as go test reports them. A test with subtests is its subtests; a package that
// fails without a failed test (it does not build, it panics at start) counts as one failure.
type tally struct {
	passed, failed, skipped int
	failures, skips         []string
}

// event is one line of go test -json (go doc test2json).
type event struct {
	Action      string  `json:"Action"`
	Package     string  `json:"Package"`
	ImportPath  string  `json:"ImportPath"`  // what was built, of build-output
	FailedBuild string  `json:"FailedBuild"` // the ImportPath that kept a package from running
	Test        string  `json:"Test"`
	Output      string  `json:"Output"`
	Elapsed     float64 `json:"Elapsed"`
}

// outcome is what is known of one test.
type outcome struct {
	action string // pass, fail, skip; empty while it runs
	output []string
}

// testRun reads one go test. Where strict, a test that skipped for want of a server has failed.
type testRun struct {
	tally  *tally
	strict bool
	say    func(format string, args ...any)

	packages map[string]map[string]*outcome // by package and test; under the empty name the package itself
	builds   map[string][]string            // what the compiler said, by ImportPath
}

// read counts the events of one go test. It says one line per package, with the output of what failed.
func (r *testRun) read(stdout io.Reader) error {
	r.packages, r.builds = map[string]map[string]*outcome{}, map[string][]string{}
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read go test: %w", err)
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			r.say("%s", strings.TrimSpace(string(line)))
			continue
		}
		r.take(e)
	}
}

// take notes one event, and counts a package when it has ended.
func (r *testRun) take(e event) {
	if e.Action == "build-output" {
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], e.Output)
		return
	}
	tests := r.packages[e.Package]
	if tests == nil {
		tests = map[string]*outcome{}
		r.packages[e.Package] = tests
	}
	if tests[e.Test] == nil {
		tests[e.Test] = &outcome{}
	}
	switch e.Action {
	case "output":
		tests[e.Test].output = append(tests[e.Test].output, e.Output)
	case "pass", "fail", "skip":
		tests[e.Test].action = e.Action
		if e.Test == "" && e.Action != "skip" { // a package that skips has no tests
			r.count(e, tests)
		}
	}
}

// count adds one package that has ended, and shows it.
func (r *testRun) count(end event, tests map[string]*outcome) {
	t, before := r.tally, *r.tally
	var shown []string
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		if name == "" {
			continue
		}
		switch r.verdict(tests, name) {
		case "pass":
			t.passed++
		case "skip":
			t.skipped++
			t.skips = append(t.skips, end.Package+" "+name)
		case "fail":
			t.fail(end.Package + " " + name)
			shown = append(shown, tests[name].output...)
		}
	}
	if end.Action == "fail" && t.failed == before.failed {
		t.fail(end.Package)
		shown = append(tests[""].output, r.builds[end.FailedBuild]...)
	}
	verdict := "ok    "
	if t.failed > before.failed {
		verdict = "FAILED"
	}
	r.say("  %s %s: %d passed, %d failed, %d skipped, %.1fs", verdict, end.Package,
		t.passed-before.passed, t.failed-before.failed, t.skipped-before.skipped, end.Elapsed)
	for _, line := range shown {
		if !strings.HasPrefix(line, "=== ") {
			r.say("    %s", strings.TrimRight(line, "\n"))
		}
	}
}

// verdict is how a test counts: pass, fail, skip, or empty where its subtests count for it.
// A test that was begun and did not end has failed.
func (r *testRun) verdict(tests map[string]*outcome, name string) string {
	var subtests, failed int
	for other, sub := range tests {
		if strings.HasPrefix(other, name+"/") {
			subtests++
			if sub.action != "pass" && sub.action != "skip" {
				failed++
			}
		}
	}
	test := tests[name]
	switch {
	case test.action == "skip" && r.strict && strings.Contains(strings.Join(test.output, ""), serverVariables):
		return "fail"
	case test.action == "pass" || test.action == "skip":
		if subtests > 0 {
			return ""
		}
		return test.action
	case failed > 0:
		return ""
	default:
		return "fail"
	}
}

// fail counts one failure under a name.
func (t *tally) fail(name string) {
	t.failed++
	t.failures = append(t.failures, name)
}
