package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// A table is never wider than its terminal as long as its ids fit, and never loses an id.
func TestTable_FitsTheTerminal(t *testing.T) {
	t.Parallel()

	columns := []column{
		{title: "ID"},
		{title: "NUMBER", right: true, optional: 1},
		{title: "TEXT", optional: 2, flexible: true},
		{title: "ALWAYS", flexible: true},
	}
	rows := [][]string{
		{"id-1", "1", "Երկու սուրճ և մեկ գաթա, առաքմամբ Երևանում", "kept"},
		{"id-22", "1 000", "コーヒー二つとケーキ", strings.Repeat("e\u0301", 30)},
		{"id-333", "-7", "", "\U0001F600\u200d"},
	}
	for width := 20; width <= 140; width++ {
		var out bytes.Buffer
		a := &app{world: &world{stdout: &out, width: width}}
		if err := a.table(columns, rows); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if got := display(strings.TrimSuffix(line, "\n")); got > width {
				t.Errorf("%d columns on a terminal of %d: %s", got, width, line)
			}
		}
		for _, id := range []string{"id-1", "id-22", "id-333"} {
			if !strings.Contains(out.String(), id) {
				t.Errorf("width %d: lost %s", width, id)
			}
		}
	}
}

// Width is what a terminal shows, in every script.
func TestDisplay_CountsColumns(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]int{"": 0, "abc": 3, "սուրճ": 5, "кава": 4, "e\u0301": 1, "コーヒー": 8, "1 500 ֏": 7, "\u200bx": 1} {
		if got := display(text); got != want {
			t.Errorf("%q: got %d columns, want %d", text, got, want)
		}
	}
	if got := cut("コーヒー", 6); got != "コー…" || display(got) > 6 {
		t.Errorf("cut: got %q", got)
	}
}

// Texts of others cannot write what they like on a terminal.
func TestClean_TakesOutControl(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"a\x1b[2Jb": "a\ufffd[2Jb", "a\r\nb": "a\ufffd\ufffdb", "\u202eabc\u2069": "\ufffdabc\ufffd", "\u0085": "\ufffd", "Київ ֏": "Київ ֏",
	} {
		if got := clean(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// A span is told in its two greatest units.
func TestShort_TellsTheGreatestUnits(t *testing.T) {
	t.Parallel()

	for span, want := range map[time.Duration]string{
		0: "0 ms", 250 * time.Millisecond: "250 ms", 90 * time.Second: "1 min 30 s", time.Hour: "1 h", 26 * time.Hour: "1 d 2 h",
		25*time.Hour + 59*time.Minute: "1 d 1 h", 89*24*time.Hour + 23*time.Hour: "89 d 23 h",
	} {
		if got := short(span); got != want {
			t.Errorf("%s: got %q, want %q", span, got, want)
		}
	}
}
