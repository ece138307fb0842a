package sandbox

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kvitpay/kvit/server/order"
)

// Every status that the document lists has its facts, and no other has.
func TestFacts_C5_AreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../../docs/psp/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(document), "## Statuses")
	section, _, _ = strings.Cut(section, "\n## ")
	listed := map[string][]order.Fact{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|.*\\| ([A-Z_, ]+) \\|$").FindAllStringSubmatch(section, -1) {
		for fact := range strings.SplitSeq(row[2], ", ") {
			listed[row[1]] = append(listed[row[1]], order.Fact(fact))
		}
	}
	if len(listed) == 0 || !maps.EqualFunc(listed, facts, slices.Equal) {
		t.Errorf("the document lists %v, the table %v", listed, facts)
	}
}

// A sum that is 0 did not happen; the last fact is what the status is named after.
func TestFindings_R3_LeaveOutWhatDidNotHappen(t *testing.T) {
	t.Parallel()
	for status, known := range facts {
		all := paymentMessage{Status: status, Payee: "p", Currency: "AMD", HeldMinor: 4, CapturedMinor: 3, RefundedMinor: 2, ChargedBackMinor: 1}
		var got []order.Fact
		for _, f := range all.findings("p") {
			got = append(got, f.Fact)
		}
		if !slices.Equal(got, known) {
			t.Errorf("%s with every sum is %v", status, got)
		}
		bare := paymentMessage{Status: status, Payee: "p", Currency: "AMD"}
		if found := bare.findings("p"); len(found) != 1 || found[0].Fact != known[len(known)-1] {
			t.Errorf("%s without a sum is %+v", status, found)
		}
	}
}

func TestFindings_C5_AnUnknownStatusIsShownShortened(t *testing.T) {
	t.Parallel()
	odd := paymentMessage{Status: strings.Repeat("odd\n", 100), CapturedMinor: 5}
	found := odd.findings("p")
	if len(found) != 1 || found[0].Fact != order.FactUnreadable || found[0].AmountMinor != 0 || len(found[0].Failure) > 100 {
		t.Errorf("found is %+v", found)
	}
}

// Amounts are integers as digits, and nothing else (M1).
func TestReadEvent_M1_AnotherNumberIsUnreadable(t *testing.T) {
	t.Parallel()
	for _, number := range []string{`1e3`, `1.0`, `"5"`, `9223372036854775808`, `[]`} {
		report, err := readEvent([]byte(`{"reference":"kv1","status":"paid","captured_minor":`+number+`}`), "p")
		if err != nil || len(report.Findings) != 1 || report.Findings[0].Fact != order.FactUnreadable {
			t.Errorf("%s is %+v %v", number, report, err)
		}
	}
}
