package psp_test

import (
	"strings"
	"testing"

	"github.com/kvitpay/kvit/server/psp"
)

const (
	ourMark   = psp.Mark("kv0a9z")
	attemptID = "att_0123456789abcdefghijklmnop"
)

func TestMark_C5_AReferenceLeadsBackToItsAttempt(t *testing.T) {
	t.Parallel()
	ref := ourMark.Ref(attemptID)
	if len(ref) != 32 || strings.Contains(ref, "_") {
		t.Errorf("the reference is %q", ref)
	}
	if id, ours := ourMark.Attempt(ref); !ours || id != attemptID {
		t.Errorf("got %q, %v", id, ours)
	}
}

func TestMark_C5_OthersReferencesAreNotOurs(t *testing.T) {
	t.Parallel()
	ref := ourMark.Ref(attemptID)
	for _, other := range []string{
		"", "order-17", string(ourMark), ref + "0", ref[:31], "kv0a9y" + ref[6:], strings.ToUpper(ref),
		string(ourMark) + strings.Repeat("z", 26), ref[:31] + " ", string(ourMark) + attemptID,
	} {
		if id, ours := ourMark.Attempt(other); ours || id != "" {
			t.Errorf("%q is taken for %q", other, id)
		}
	}
	if _, ours := psp.Mark("").Attempt(strings.TrimPrefix(attemptID, "att_")); ours {
		t.Error("without a mark everything is ours")
	}
}

func FuzzMark_C5_OnlyWhatWeMadeIsOurs(f *testing.F) {
	f.Add(ourMark.Ref(attemptID))
	f.Fuzz(func(t *testing.T, ref string) {
		if id, ours := ourMark.Attempt(ref); ours && ourMark.Ref(id) != ref {
			t.Errorf("%q is taken for %q, whose reference is %q", ref, id, ourMark.Ref(id))
		}
	})
}
