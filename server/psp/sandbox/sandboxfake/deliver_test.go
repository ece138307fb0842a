package sandboxfake_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvitpay/kvit/server/psp/sandbox/sandboxfake"
)

func TestRun_RepeatsWithGrowingDelaysUntil200(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &merchant{answers: []int{500, 0, 302, 204, 404}}
		p := open(t, m, "", 0)
		defer run(t, p)()
		create(t, p, "r1")
		act(t, p, "r1", "pay")
		time.Sleep(2 * time.Hour)
		want := []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second}
		if got := m.gaps(); !slices.Equal(got, want) {
			t.Errorf("repeated after %v, want %v", got, want)
		}
		if bodies := m.told(); slices.ContainsFunc(bodies, func(body string) bool { return body != bodies[0] }) {
			t.Error("a repeat has other bytes")
		}
	})
}

func TestRun_GivesUpAfterAboutThreeDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &merchant{answers: slices.Repeat([]int{503}, 1000)}
		p := open(t, m, "", 0)
		defer run(t, p)()
		create(t, p, "r1")
		act(t, p, "r1", "pay")
		time.Sleep(30 * 24 * time.Hour)
		if got := len(m.told()); got != 80 {
			t.Errorf("sent %d times", got)
		}
		var took time.Duration
		for _, gap := range m.gaps() {
			took += gap
		}
		if took < 60*time.Hour || took > 80*time.Hour {
			t.Errorf("gave up after %v", took)
		}
	})
}

// While one callback of a session waits for its repeat the next ones are sent, and other sessions' too.
func TestRun_OneDeadAddressHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &merchant{answers: []int{500}}
		p := open(t, m, "", 0)
		defer run(t, p)()
		create(t, p, "r1")
		act(t, p, "r1", "decline_then_pay")
		create(t, p, "r2")
		act(t, p, "r2", "decline")
		synctest.Wait()
		if got := m.came(t); len(got) != 3 {
			t.Errorf("at once came %v", got)
		}
		time.Sleep(2 * time.Second)
		got := m.came(t)
		slices.Sort(got)
		if want := []string{"declined 1", "declined 1", "declined 1", "paid 2"}; !slices.Equal(got, want) {
			t.Errorf("came %v, want %v", got, want)
		}
	})
}

func TestRun_E2_ConfirmLateIsPendingUntilThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &merchant{}
		p := open(t, m, "", 0)
		defer run(t, p)()
		create(t, p, "r1")
		paid := time.Now().UTC().Format(time.RFC3339Nano)
		act(t, p, "r1", "confirm_late")
		time.Sleep(59 * time.Second)
		if got := lookup(t, p, "r1"); got != "pending" || len(m.came(t)) != 0 {
			t.Errorf("before a minute has passed: %s, %v", got, m.came(t))
		}
		time.Sleep(2 * time.Second)
		if got := lookup(t, p, "r1"); got != "paid" || !slices.Equal(m.came(t), []string{"paid 1"}) {
			t.Errorf("after a minute: %s, %v", got, m.came(t))
		}
		if body := m.told()[0]; !strings.Contains(body, `"paid_at":"`+paid+`"`) {
			t.Errorf("paid at %s, told %s", paid, body)
		}
	})
}

func TestNew_J1_ARestartKeepsAllAndSendsWhatWaits(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sandbox.jsonl")
	m := &merchant{arrived: make(chan struct{}, 10)}
	first := open(t, m, file, 0)
	page := create(t, first, "r1")
	act(t, first, "r1", "decline_then_pay")
	create(t, first, "r2")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	// The process died while it wrote: the line was never answered for.
	tear(t, file, `{"id":"torn","reference":"r3","amou`)
	second := open(t, m, file, 0)
	if got := lookup(t, second, "r1") + " " + lookup(t, second, "r2") + " " + lookup(t, second, "r3"); got != "paid created unknown" {
		t.Errorf("after the restart: %s", got)
	}
	if again := create(t, second, "r1"); again != page {
		t.Errorf("the page was %s and is %s", page, again)
	}
	stop := run(t, second)
	<-m.arrived
	<-m.arrived
	stop()
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if got := m.came(t); !slices.Equal(got, []string{"declined 1", "paid 2"}) {
		t.Errorf("came %v", got)
	}
}

func TestNew_ADamagedFileIsNotThrownAway(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sandbox.jsonl")
	tear(t, file, "no state\n")
	if _, err := sandboxfake.New(options(&merchant{}, file, 0)); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a damaged file: %v", err)
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "no state\n" {
		t.Errorf("the file is %q %v", content, err)
	}
}

func tear(t *testing.T, file, text string) {
	t.Helper()
	out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAPI_AStateThatCannotBeWrittenChangesNothing(t *testing.T) {
	t.Parallel()
	p := open(t, &merchant{}, filepath.Join(t.TempDir(), "sandbox.jsonl"), 0)
	create(t, p, "r1")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _ := call(t, p, "/v1/payments/r1/act", map[string]any{"mood": "pay"}); status != http.StatusInternalServerError {
		t.Errorf("answered with %d", status)
	}
	if got := lookup(t, p, "r1"); got != "created" {
		t.Errorf("the session is %s", got)
	}
}

func TestNew_WantsWhatItNeeds(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*sandboxfake.Options){
		func(o *sandboxfake.Options) { o.PublicURL = "sandbox" },
		func(o *sandboxfake.Options) { o.PublicURL = origin + "/below" },
		func(o *sandboxfake.Options) { o.APIKey = "" },
		func(o *sandboxfake.Options) { o.SigningSecret = "" },
		func(o *sandboxfake.Options) { o.Merchant = "" },
		func(o *sandboxfake.Options) { o.Now = nil },
		func(o *sandboxfake.Options) { o.StateFile = t.TempDir() },
	} {
		o := options(&merchant{}, "", 0)
		change(&o)
		if _, err := sandboxfake.New(o); err == nil {
			t.Errorf("opened with %+v", o)
		}
	}
}

func TestState_IsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := open(t, &merchant{}, "", 4)
		defer run(t, p)()
		for reference := range strings.SplitSeq("a b c d e f g h", " ") {
			create(t, p, reference)
			if reference != "b" {
				act(t, p, reference, "pay")
			}
			synctest.Wait()
		}
		for reference, want := range map[string]string{"a": "unknown", "b": "created", "c": "unknown", "h": "paid"} {
			if got := lookup(t, p, reference); got != want {
				t.Errorf("%s is %s, want %s", reference, got, want)
			}
		}
		full := 0
		for i := range 20 {
			if status, _ := call(t, p, "/v1/payments", terms("open"+string(rune('a'+i)))); status == http.StatusServiceUnavailable {
				full++
			}
		}
		if full == 0 {
			t.Error("open sessions are not bounded")
		}
	})
}
