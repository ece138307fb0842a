package order_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitpay/kvit/server/order"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The documentation prints the one table (O3). Run with -update after a change of the table.
func TestPrintTransitions_O3_IsTheDocumentation(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "transitions.md")
	if *update {
		if err := os.WriteFile(path, []byte(order.PrintTransitions()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(page), order.PrintTransitions()); diff != "" {
		t.Errorf("docs/transitions.md is not the table; run go test ./server/order -update:\n%s", diff)
	}
}

func TestPrintTransitions_O3_SaysWhatEveryEntryTells(t *testing.T) {
	t.Parallel()
	page := order.PrintTransitions()
	for _, on := range order.Types() {
		_, rest, found := strings.Cut(page, fmt.Sprintf("\n| `%s` | ", on))
		if !found || strings.HasPrefix(rest, " |") {
			t.Errorf("%s has no line in the documentation", on)
		}
	}
}

func row(tr order.Transition) string { return fmt.Sprintf("%q %s %q", tr.From, tr.On, tr.To) }

// Every row of the table is reached by a scenario, every type of entry is written by one, and no
// scenario leaves the table (O3).
func TestTransitions_O3_EveryRowIsReached(t *testing.T) {
	t.Parallel()
	reached, written := map[string]bool{}, map[order.Type]bool{}
	link, _ := createBoth(t)
	if err := link.Deactivate(newScript(t).act()); err != nil {
		t.Fatal(err)
	}
	for _, e := range link.Entries() {
		written[e.Type] = true
	}
	for name, play := range scenarios() {
		s := newScript(t)
		play(s)
		state := order.State("")
		for _, e := range s.o.Entries() {
			written[e.Type] = true
			if e.Change.To != "" {
				reached[row(order.Transition{From: state, On: e.Type, To: e.Change.To})] = true
				state = e.Change.To
			}
		}
		if state != s.o.State {
			t.Errorf("%s: the entries lead to %s, the order is %s", name, state, s.o.State)
		}
	}
	for _, tr := range order.Transitions() {
		if !reached[row(tr)] {
			t.Errorf("no scenario reaches %s", row(tr))
		}
	}
	for _, on := range order.Types() {
		if !written[on] {
			t.Errorf("no scenario writes %s", on)
		}
	}
}

// Every scenario replays from its bytes to the same order (O3).
func TestScenarios_O3_ReplayGivesTheRow(t *testing.T) {
	t.Parallel()
	for name, play := range scenarios() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			play(s)
			s.checkReplay()
		})
	}
}

// A policy, an evidence or a step that is missing from a table would fail here.
func TestTables_O2_EveryStateHasAStep(t *testing.T) {
	t.Parallel()
	for _, state := range order.States() {
		o := &order.Order{State: state, OfferUntil: epoch.AddDate(1, 0, 0)}
		if order.NextStep(o, nil, epoch) == "" {
			t.Errorf("%s has no next step", state)
		}
	}
}
