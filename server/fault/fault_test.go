package fault_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/fault"
)

func TestAs_ErrorWithoutKindIsInternalAndTellsNothing(t *testing.T) {
	t.Parallel()
	e := fault.As(errors.New("password=hunter2"))
	if e.Kind() != fault.Internal || e.Reason() != fault.ReasonInternal {
		t.Fatalf("got %v %v, want internal", e.Kind(), e.Reason())
	}
	if regexp.MustCompile("hunter2").MatchString(e.Message()) {
		t.Fatalf("the cause is shown: %q", e.Message())
	}
}

func TestAs_FindsTheFaultBelowWraps(t *testing.T) {
	t.Parallel()
	inner := fault.New(fault.Precondition, fault.ReasonOrderState, "The order is paid.",
		fault.With("state", "PAID"), fault.RetryAfter(time.Second),
		fault.WithFields(fault.Field{Path: "order_id", Message: "m"}), fault.Because(errors.New("low")))
	err := fmt.Errorf("cancel order: %w", inner)
	e := fault.As(err)
	if e.Kind() != fault.Precondition || e.Metadata()["state"] != "PAID" ||
		e.RetryDelay() != time.Second || len(e.Fields()) != 1 || e.Unwrap() == nil {
		t.Fatalf("lost a part: %+v", e)
	}
	if !fault.Is(err, fault.ReasonOrderState) || fault.Is(nil, fault.ReasonOrderState) {
		t.Fatal("Is does not tell the reason")
	}
	if fault.As(nil) != nil {
		t.Fatal("As(nil) is not nil")
	}
}

func TestReasons_EachIsUpperSnakeAndExplained(t *testing.T) {
	t.Parallel()
	for reason, meaning := range fault.Reasons() {
		if !regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`).MatchString(string(reason)) {
			t.Errorf("%q is not UPPER_SNAKE", reason)
		}
		if len(meaning) < 10 {
			t.Errorf("%s is not explained", reason)
		}
	}
}

// The list of reasons is part of the documented API.
func TestReasons_AreThoseOfTheDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "<!-- reasons:")
	if !found {
		t.Fatal("docs/api.md has no table of reasons")
	}
	rows := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| (.+) \\|$").FindAllStringSubmatch(table, -1)
	documented := map[fault.Reason]string{}
	for _, row := range rows {
		documented[fault.Reason(row[1])] = row[2]
	}
	if !maps.Equal(documented, fault.Reasons()) {
		for reason, meaning := range fault.Reasons() {
			if documented[reason] != meaning {
				t.Errorf("docs/api.md says %q of %s, not %q", documented[reason], reason, meaning)
			}
			delete(documented, reason)
		}
		t.Errorf("docs/api.md has beside them: %v", documented)
	}
}

func TestKinds_EachHasAName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, kind := range fault.AllKinds() {
		if seen[kind.String()] {
			t.Errorf("kind %d shares the name %q", kind, kind.String())
		}
		seen[kind.String()] = true
	}
}
