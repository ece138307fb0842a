package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// readEvents counts what go test printed, and returns with it what was said.
func readEvents(t *testing.T, strict bool, lines ...string) (tally, string) {
	t.Helper()
	var total tally
	var said strings.Builder
	run := testRun{tally: &total, strict: strict, say: func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }}
	if err := run.read(strings.NewReader(strings.Join(lines, "\n") + "\n")); err != nil {
		t.Fatal(err)
	}
	return total, said.String()
}

func wantTally(t *testing.T, got tally, passed, failed, skipped int) {
	t.Helper()
	if got.passed != passed || got.failed != failed || got.skipped != skipped {
		t.Errorf("counted %d passed, %d failed, %d skipped; want %d, %d, %d", got.passed, got.failed, got.skipped, passed, failed, skipped)
	}
}

func TestRead_CountsATestWithSubtestsAsItsSubtests(t *testing.T) {
	t.Parallel()
	got, _ := readEvents(t, false,
		`{"Action":"start","Package":"p"}`,
		`{"Action":"pass","Package":"p","Test":"TestA/one"}`,
		`{"Action":"fail","Package":"p","Test":"TestA/two"}`,
		`{"Action":"skip","Package":"p","Test":"TestA/three"}`,
		`{"Action":"fail","Package":"p","Test":"TestA"}`,
		`{"Action":"pass","Package":"p","Test":"TestB"}`,
		`{"Action":"fail","Package":"p"}`)
	wantTally(t, got, 2, 1, 1)
	if !slices.Equal(got.failures, []string{"p TestA/two"}) || !slices.Equal(got.skips, []string{"p TestA/three"}) {
		t.Errorf("named %v and %v", got.failures, got.skips)
	}
}

func TestRead_CountsATestThatFailsBesideItsSubtests(t *testing.T) {
	t.Parallel()
	got, _ := readEvents(t, false,
		`{"Action":"pass","Package":"p","Test":"TestA/one"}`,
		`{"Action":"fail","Package":"p","Test":"TestA"}`,
		`{"Action":"fail","Package":"p"}`)
	wantTally(t, got, 1, 1, 0)
}

func TestRead_CountsATestThatNeverEndsAsFailed(t *testing.T) {
	t.Parallel()
	got, said := readEvents(t, false,
		`{"Action":"run","Package":"p","Test":"TestA"}`,
		`{"Action":"output","Package":"p","Test":"TestA","Output":"panic: test timed out\n"}`,
		`{"Action":"fail","Package":"p"}`)
	wantTally(t, got, 0, 1, 0)
	if !strings.Contains(said, "test timed out") {
		t.Errorf("does not show the output of the failed test:\n%s", said)
	}
}

func TestRead_CountsAPackageThatDoesNotBuildAndShowsWhy(t *testing.T) {
	t.Parallel()
	got, said := readEvents(t, false,
		`{"Action":"build-output","ImportPath":"p [p.test]","Output":"p/a.go:1:1: undefined: x\n"}`,
		`{"Action":"build-fail","ImportPath":"p [p.test]"}`,
		`{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}`,
		`{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`,
		`{"Action":"skip","Package":"without/tests"}`)
	wantTally(t, got, 0, 1, 0)
	if !strings.Contains(said, "undefined: x") || strings.Contains(said, "without/tests") {
		t.Errorf("said:\n%s", said)
	}
}

func TestRead_ASkipForWantOfAServerFailsWhereStrict(t *testing.T) {
	t.Parallel()
	lines := []string{
		`{"Action":"output","Package":"p","Test":"TestA","Output":"set KVIT_TEST_POSTGRES_URL\n"}`,
		`{"Action":"skip","Package":"p","Test":"TestA"}`,
		`{"Action":"output","Package":"p","Test":"TestB","Output":"no such rule on this engine\n"}`,
		`{"Action":"skip","Package":"p","Test":"TestB"}`,
		`{"Action":"pass","Package":"p"}`,
	}
	lax, _ := readEvents(t, false, lines...)
	wantTally(t, lax, 0, 0, 2)
	strict, _ := readEvents(t, true, lines...)
	wantTally(t, strict, 0, 1, 1)
}
