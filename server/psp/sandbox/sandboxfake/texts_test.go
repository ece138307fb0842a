package sandboxfake

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// No text lacks a language, no mood a label, and none of them its place in the document.
func TestTexts_NothingIsMissing(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../../../docs/psp/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, m := range moods {
		names = append(names, m.name)
		if moodNames[m.name] == [4]string{} {
			t.Errorf("%s has no label", m.name)
		}
	}
	if len(moodNames) != len(moods) {
		t.Errorf("%d labels for %d moods", len(moodNames), len(moods))
	}
	for _, m := range cabinetMoods {
		names = append(names, m.name)
	}
	for _, own := range troublesOf {
		names = append(names, own...)
	}
	for _, name := range names {
		if !strings.Contains(string(document), "`"+name+"`") {
			t.Errorf("the document does not tell of %s", name)
		}
	}
	for _, table := range []map[string][4]string{sentences, moodNames} {
		for name, sentence := range table {
			if slices.Contains(sentence[:], "") {
				t.Errorf("%s lacks a language", name)
			}
		}
	}
}
