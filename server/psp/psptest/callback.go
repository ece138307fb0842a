package psptest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
)

var callbackCases = []testCase{
	{"C3_WrongSignatureIsForged", wrongSignature},
	{"C3_NoByteCanBeChanged", noByteCanBeChanged},
	{"C3_TruncatedOversizedAndRandomBodies", brokenBodies},
	{"M4_AlteredAmountIsReportedAsItIs", alteredAmount},
	{"M4_AlteredCurrencyIsReportedAsItIs", alteredCurrency},
	{"M4_AlteredOrderIsReportedAsItIs", alteredOrder},
	{"M4_AlteredPayeeIsSaid", alteredPayee},
	{"C5_UnknownStatusIsNeverPaid", unknownStatus},
	{"C5_UnknownFieldsAreTolerated", unknownFields},
	{"C6_ReplaysInAnyOrderGiveEqualReports", replays},
	{"C2_RepliesAreExact", replies},
}

// read reads a callback, and fails on a panic of the plug.
func (d *desk) read(tb testing.TB, callback psp.Callback) arrival {
	tb.Helper()
	report, reply, err := d.account.Read(tb.Context(), callback)
	if psp.OutcomeOf(err) == psp.OutcomeUnknown {
		tb.Errorf("a callback is read, forged or unreadable, not this: %v", err)
	}
	d.mu.Lock()
	d.told = append(d.told, fmt.Sprint(report.Findings), string(reply.Body))
	d.mu.Unlock()
	return arrival{callback, report, reply, err}
}

// rejected reports whether a callback was taken for forged or for nothing at all.
func (a arrival) rejected() bool {
	return errors.Is(a.err, psp.ErrForged) || errors.Is(a.err, psp.ErrUnreadable)
}

func wrongSignature(tb testing.TB, d *desk) {
	tb.Helper()
	need(tb, d.Forge != nil, "Forge")
	_, a := d.paid(tb)
	forged := d.Forge(tb, a.callback)
	if reflect.DeepEqual(forged, a.callback) {
		tb.Fatal("the harness's forged callback is the true one")
	}
	if got := d.read(tb, forged); !errors.Is(got.err, psp.ErrForged) {
		tb.Errorf("a wrong signature is believed: %+v %v", got.report, got.err)
	}
}

// payload is the part of a callback that holds the message.
func payload(callback psp.Callback) []byte {
	if len(callback.Body) > 0 {
		return callback.Body
	}
	return []byte(callback.Query)
}

func withPayload(callback psp.Callback, payload []byte) psp.Callback {
	if len(callback.Body) > 0 {
		callback.Body = payload
	} else {
		callback.Query = string(payload)
	}
	return callback
}

// Fuzz looks for a body of a callback that makes the plug panic, or that it believes although it is not
// the true one. Seeds are a true callback and parts of it.
func Fuzz(f *testing.F, h Harness) {
	f.Helper()
	d := open(f, h)
	_, a := d.paid(f)
	message := payload(a.callback)
	for _, seed := range [][]byte{message, message[:len(message)/2], []byte("{}"), nil} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, changed []byte) {
		got := d.read(t, withPayload(a.callback, changed))
		if got.err == nil && got.report.Proven && !reflect.DeepEqual(got.report, a.report) {
			t.Errorf("with the signature of another message it is proven that %+v", got.report)
		}
	})
}

// noByteCanBeChanged: whatever bit is wrong, a report that is proven says what the true one says.
func noByteCanBeChanged(tb testing.TB, d *desk) {
	tb.Helper()
	_, a := d.paid(tb)
	message := payload(a.callback)
	random := rand.New(rand.NewPCG(1, uint64(len(message)))) //nolint:gosec // Reproducible on purpose.
	for at := range message {
		changed := bytes.Clone(message)
		changed[at] ^= 1 << random.IntN(7)
		got := d.read(tb, withPayload(a.callback, changed))
		if got.err == nil && got.report.Proven && !reflect.DeepEqual(got.report, a.report) {
			tb.Fatalf("with byte %d changed from %q to %q it is proven that %+v", at, message[at], changed[at], got.report)
		}
	}
}

func brokenBodies(tb testing.TB, d *desk) {
	tb.Helper()
	_, a := d.paid(tb)
	message := payload(a.callback)
	unbelieved := func(what string, changed []byte) {
		tb.Helper()
		got := d.read(tb, withPayload(a.callback, changed))
		if !got.rejected() && (got.report.Proven || hasMoney(got.report)) {
			tb.Errorf("%s is believed: %+v", what, got.report)
		}
	}
	for length := range message {
		if length%7 == 0 || length > len(message)-20 {
			unbelieved("a truncated body", message[:length])
		}
	}
	random := rand.New(rand.NewPCG(2, 3)) //nolint:gosec // Reproducible on purpose.
	for range 200 {
		noise := make([]byte, random.IntN(300))
		for i := range noise {
			noise[i] = byte(random.Uint32() >> 24)
		}
		unbelieved("noise", noise)
	}
	for _, text := range []string{"{}", "[]", "null", "0", `""`, "<a/>", "a=b", "=&=", "%", strings.Repeat("[", psp.BodyMax), strings.Repeat("a", psp.BodyMax)} {
		unbelieved("no message", []byte(text))
	}
	d.read(tb, psp.Callback{Method: http.MethodPost})
	d.read(tb, psp.Callback{Method: http.MethodGet, Query: "a=%zz;b"})
	long := a.callback
	long.Body = append(bytes.Clone(a.callback.Body), make([]byte, psp.BodyMax)...)
	if got := d.read(tb, long); !errors.Is(got.err, psp.ErrUnreadable) || got.reply.Status != http.StatusRequestEntityTooLarge {
		tb.Errorf("a body of %d bytes: %v, %d", len(long.Body), got.err, got.reply.Status)
	}
}

// altered reads the callback of a paid payment with one change under a good signature. It is nil for a
// hint, which proves nothing whatever it says.
func (d *desk) altered(tb testing.TB, change Alteration) (Visit, *psp.Finding, psp.Report) {
	tb.Helper()
	need(tb, d.Alter != nil, "Alter")
	visit, a := d.paid(tb)
	got := d.read(tb, d.Alter(tb, a.callback, change))
	if d.harness.Hints {
		if got.report.Proven {
			tb.Errorf("C4: proven is %+v", got.report)
		}
		return visit, nil, got.report
	}
	if got.err != nil || !got.report.Proven {
		tb.Fatalf("well signed, and yet: %+v %v", got.report, got.err)
	}
	if len(got.report.Findings) == 0 {
		tb.Fatal("a fact is lost")
	}
	return visit, &got.report.Findings[len(got.report.Findings)-1], got.report
}

func alteredAmount(tb testing.TB, d *desk) {
	tb.Helper()
	less := d.major(tb, 99).Minor()
	if _, f, _ := d.altered(tb, Alteration{AmountMinor: less}); f != nil && (f.Fact != order.FactSucceeded || f.AmountMinor != less) {
		tb.Errorf("reported is %+v, the message says %d", f, less)
	}
}

func alteredCurrency(tb testing.TB, d *desk) {
	tb.Helper()
	other := "EUR"
	if d.currency(tb).Code() == other {
		other = "USD"
	}
	if _, f, _ := d.altered(tb, Alteration{Currency: other}); f != nil && (f.Fact != order.FactSucceeded || f.Currency != other) {
		tb.Errorf("reported is %+v, the message says %s", f, other)
	}
}

func alteredOrder(tb testing.TB, d *desk) {
	tb.Helper()
	other := newRef()
	if _, f, report := d.altered(tb, Alteration{Ref: other}); f != nil && report.Ref != other {
		tb.Errorf("reported is %q, the message says %q", report.Ref, other)
	}
}

func alteredPayee(tb testing.TB, d *desk) {
	tb.Helper()
	if _, f, _ := d.altered(tb, Alteration{OtherPayee: true}); f != nil && !f.PayeeDiffers {
		tb.Errorf("another merchant's money is reported as ours: %+v", f)
	}
}

func unknownStatus(tb testing.TB, d *desk) {
	tb.Helper()
	for _, status := range []string{"quantum_leap", "SUCCEEDED!", " "} {
		visit, f, report := d.altered(tb, Alteration{Status: status})
		if f == nil {
			continue
		}
		if report.Ref != visit.Ref || len(report.Findings) != 1 || f.Fact != order.FactUnreadable {
			tb.Errorf("the status %q is %+v", status, report)
		}
	}
}

func unknownFields(tb testing.TB, d *desk) {
	tb.Helper()
	if visit, f, report := d.altered(tb, Alteration{MoreFields: true}); f != nil {
		shows(tb, "the callback with more fields", report, order.FactSucceeded, visit.Intent)
	}
}

func replays(tb testing.TB, d *desk) {
	tb.Helper()
	need(tb, d.Decline != nil, "Decline")
	visit := d.started(tb)
	d.Decline(tb, visit)
	_, a := d.paid(tb)
	if d.account.CanRefund() {
		d.refund(tb, d.refOf(tb, a), d.major(tb, 30), d.major(tb, 100))
	}
	d.mu.Lock()
	came := slices.Clone(d.arrivals)
	d.mu.Unlock()
	slices.Reverse(came)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for _, first := range came {
				got := d.read(tb, first.callback)
				if !reflect.DeepEqual(got.report, first.report) || !reflect.DeepEqual(got.reply, first.reply) || psp.OutcomeOf(got.err) != psp.OutcomeOf(first.err) {
					tb.Errorf("first %+v %+v, then %+v %+v", first.report, first.reply, got.report, got.reply)
				}
			}
		})
	}
	group.Wait()
}

func replies(tb testing.TB, d *desk) {
	tb.Helper()
	expect := func(what string, got, want psp.Reply) {
		tb.Helper()
		if want.Status == 0 {
			want.Status = http.StatusOK
		}
		if got.Status != want.Status || got.ContentType != want.ContentType || !bytes.Equal(got.Body, want.Body) {
			tb.Errorf("%s is answered with %d %q %q, the PSP expects %d %q %q",
				what, got.Status, got.ContentType, got.Body, want.Status, want.ContentType, want.Body)
		}
	}
	visit, a := d.paid(tb)
	expect("a callback", a.reply, d.harness.Replies.Taken)
	expect("its repeat", d.read(tb, a.callback).reply, d.harness.Replies.Taken)
	if d.Alter != nil {
		expect("an unknown status", d.read(tb, d.Alter(tb, a.callback, Alteration{Status: "quantum_leap"})).reply, d.harness.Replies.Taken)
		expect("another's order", d.read(tb, d.Alter(tb, a.callback, Alteration{Ref: "web-shop-" + visit.Ref[:8]})).reply, d.harness.Replies.Taken)
	}
	if d.Forge != nil {
		expect("a forged callback", d.read(tb, d.Forge(tb, a.callback)).reply, d.harness.Replies.Forged)
	}
	nothing := d.read(tb, withPayload(a.callback, []byte("no message")))
	if !nothing.rejected() {
		tb.Errorf("no message is %+v", nothing.report)
	}
	expect("no message", nothing.reply, d.harness.Replies.Unreadable)
}
