package main

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/psp/liqpay"
)

// What the bench signs must be what the plug reads, or the bench would measure refusals.
func TestCallback_IsWhatThePlugReads(t *testing.T) {
	t.Parallel()

	shop, err := liqpay.Open(psp.Settings{Account: "a", Test: true, Values: map[string]string{
		"public_key": pspShop, "private_key": pspKey, "base_url": pspNowhere,
	}})
	if err != nil {
		t.Fatal(err)
	}
	to := &waiting{ref: "kv0a9z0123456789abcdefghijklmnop", path: "/callbacks/psp/a/secret"}
	for status, want := range map[string]order.Fact{
		statusPaid: order.FactSucceeded, statusConfirm: order.FactPending, statusDeclined: order.FactDeclined,
	} {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(callback(to, status, paymentsFrom+7, 3))))
		if err != nil || r.URL.Path != to.path {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		report, reply, err := shop.Read(t.Context(), psp.Callback{Method: r.Method, Header: r.Header, Body: body})
		if err != nil || reply.Status != http.StatusOK || !report.Proven || report.Ref != to.ref || len(report.Findings) != 1 {
			t.Fatalf("%s: read %+v, %+v (%v)", status, report, reply, err)
		}
		f := report.Findings[0]
		if f.Fact != want || f.PayeeDiffers || f.PSPPaymentID != "2000000007" || want == order.FactSucceeded && f.AmountMinor != 1250000 {
			t.Errorf("%s is %+v, want %s", status, f, want)
		}
	}
}

func TestFire_SendsEachOnceAndEndsWithTheLast(t *testing.T) {
	t.Parallel()

	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.URL.Path]++
	}))
	t.Cleanup(server.Close)
	spec := fireSpec{
		Address: strings.TrimPrefix(server.URL, "http://"), Callers: 3, Once: true, For: time.Minute,
		Requests: [][]byte{pageRequest("/a"), pageRequest("/b"), pageRequest("/c"), pageRequest("/d"), pageRequest("/e")},
	}
	r, err := fire(t.Context(), spec)
	if err != nil || r.Sent != 5 || r.Made != 5 || r.Failed != 0 || r.Span <= 0 || r.Span >= spec.For {
		t.Errorf("%+v (%v)", r, err)
	}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, []string{"/a", "/b", "/c", "/d", "/e"}) || seen["/a"] != 1 {
		t.Errorf("the server saw %v", seen)
	}

	spec.Once, spec.For = false, 50*time.Millisecond
	if r, err = fire(t.Context(), spec); err != nil || r.Sent <= 5 || r.Made != r.Sent || r.Span != spec.For {
		t.Errorf("%+v (%v)", r, err)
	}
}

func TestFire_CountsWhatIsNot200(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	r, err := fire(t.Context(), fireSpec{
		Address: strings.TrimPrefix(server.URL, "http://"), Callers: 1, Once: true, For: time.Minute, Requests: [][]byte{pageRequest("/")},
	})
	if err != nil || r.Failed != 1 || r.Calls != 0 || !strings.Contains(r.Failure, "404") {
		t.Errorf("%+v (%v)", r, err)
	}
}

func TestInputOf_ReadsAHiddenField(t *testing.T) {
	t.Parallel()

	page := `<form><input type="hidden" name="nonce" value="n1"><input type="hidden" name="data" value="e30&#43;/=="></form>`
	if got := inputOf(page, "nonce") + " " + inputOf(page, "data") + inputOf(page, "way"); got != "n1 e30+/==" {
		t.Errorf("read %q", got)
	}
}

// BenchmarkRead is what recognising one callback costs without the rest of the house: form, signature, content.
func BenchmarkRead(b *testing.B) {
	shop, err := liqpay.Open(psp.Settings{Account: "a", Test: true, Values: map[string]string{
		"public_key": pspShop, "private_key": pspKey, "base_url": pspNowhere,
	}})
	if err != nil {
		b.Fatal(err)
	}
	sent := callback(&waiting{ref: "kv0a9z0123456789abcdefghijklmnop", path: "/"}, statusPaid, paymentsFrom, 0)
	_, body, _ := bytes.Cut(sent, []byte("\r\n\r\n"))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := shop.Read(b.Context(), psp.Callback{Method: http.MethodPost, Body: body}); err != nil {
			b.Fatal(err)
		}
	}
}
