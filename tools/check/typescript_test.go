package main

import "testing"

func TestTypescript_CountsWhatNodeCounted(t *testing.T) {
	t.Parallel()

	c := &check{}
	output := "✔ pass 99\nℹ tests 9\nℹ suites 2\nℹ pass 5\nℹ fail 1\nℹ cancelled 2\nℹ skipped 1\nℹ todo 0\n"
	if failed := c.countNode([]byte(output)); failed != 3 {
		t.Errorf("counted %d failures, want 3", failed)
	}
	if c.tally.passed != 5 || c.tally.failed != 3 || c.tally.skipped != 1 {
		t.Errorf("counted %+v", c.tally)
	}
}

func TestTypescript_KnowsWhichNodeIsNewEnough(t *testing.T) {
	t.Parallel()

	for version, want := range map[string]bool{
		"v20.20.2\n": true, "v22.1.0\n": true, "v18.19.0\n": false, "": false, "20.1.1": false, "v2.20.0": false,
	} {
		if got := newEnough(version); got != want {
			t.Errorf("%q: got %t, want %t", version, got, want)
		}
	}
}
