package psp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/psp"
)

func TestDeclaration_M2_AGrainRefusesAndNeverRounds(t *testing.T) {
	t.Parallel()
	d := declaration()
	for _, c := range []struct {
		minor int64
		code  string
		want  fault.Reason
	}{
		{1, "UAH", ""},
		{100, "AMD", ""},
		{12_300, "AMD", ""},
		{150, "AMD", fault.ReasonAmountGrain},
		{1, "AMD", fault.ReasonAmountGrain},
		{100, "EUR", fault.ReasonCurrencyUnsupported},
	} {
		err := d.Takes(intent(t, c.minor, c.code).Amount)
		if (err == nil) != (c.want == "") || err != nil && !fault.Is(err, c.want) {
			t.Errorf("%d %s: %v, want %q", c.minor, c.code, err, c.want)
		}
	}
}

func TestDeclaration_O6_TheScheduleEndsAndItsLastWaitStays(t *testing.T) {
	t.Parallel()
	d := psp.Declaration{Schedule: []time.Duration{time.Second, time.Minute}}
	for asked, want := range []time.Duration{time.Second, time.Minute, time.Minute, time.Minute} {
		if wait, more := d.Wait(asked); wait != want || more != (asked < 2) {
			t.Errorf("after %d questions: %v, %v", asked, wait, more)
		}
	}
}

func TestSettings_FaultsAreToldTogetherAndWithoutValues(t *testing.T) {
	t.Parallel()
	s := psp.Settings{Account: "acc-1", Values: map[string]string{"key": "", "kye": "hunter2", "url": "x"}}
	err := s.Check([]string{"key", "shop"}, []string{"url"})
	if err == nil || err.Error() != "account acc-1: key is missing; kye is not known; shop is missing" || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	if err := s.Check([]string{"url"}, []string{"key", "kye"}); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestCallback_HeaderValueIsTheFirst(t *testing.T) {
	t.Parallel()
	c := psp.Callback{Header: map[string][]string{"X-Signature": {"a", "b"}}}
	if c.HeaderValue("X-Signature") != "a" || c.HeaderValue("x-signature") != "" {
		t.Error("a header is not found by its name as net/http writes it")
	}
}
