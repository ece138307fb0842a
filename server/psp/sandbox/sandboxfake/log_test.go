package sandboxfake

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStateLog_IsWrittenAnewWhenItHasGrown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sandbox.jsonl")
	log, _, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	log.growMin = 2000
	s := &session{ID: "i", createRequest: createRequest{Reference: "r"}}
	all := func() []*session { return []*session{s} }
	for i := range 100 {
		s.Sequence = int64(i)
		if err := log.append(s, all); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 3000 {
		t.Errorf("the file has %d bytes: %v", info.Size(), err)
	}
	if err := log.close(); err != nil {
		t.Fatal(err)
	}
	again, kept, err := openLog(path)
	if err != nil || len(kept) != 1 || kept[0].Sequence != 99 {
		t.Errorf("kept are %d sessions: %v", len(kept), err)
	}
	if err := again.close(); err != nil {
		t.Fatal(err)
	}
}
