package psptest

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
)

var declarationCases = []testCase{
	{"DeclarationHoldsAndNeverChanges", declarationHolds},
	{"R3_AbilitiesAreThoseThatTheDocumentsPromise", abilitiesAreThosePromised},
}

var paymentCases = []testCase{
	{"C1_RoundTripToPaid", roundTrip},
	{"C5_OurReferenceComesBackAsItWas", referenceComesBack},
	{"O7_SameIntentTwiceIsOnePayment", sameIntentTwice},
	{"O7_ManyStartsAtOnceAreOnePayment", startsAtOnce},
	{"O7_OpenPaymentIsUnpaid", openIsUnpaid},
	{"O7_UnknownReferenceIsAnEmptyUnpaidReport", unknownReference},
	{"O4_DeclineIsNoSuccessAndMayBeFollowedByOne", declineThenPay},
	{"O9_CallbackBeforeTheCreateAnswer", early},
	{"X1_LookupAndCallbackAgree", lookupAndCallbackAgree},
	{"E2_PaidAtIsThereWhereItIsExact", paidAt},
}

// declarationHolds: the account was opened with it, which checked it (M2, O6, L2).
func declarationHolds(tb testing.TB, d *desk) {
	tb.Helper()
	first := d.Provider.Declare()
	if _, err := d.account.Start(tb.Context(), d.intent(d.major(tb, 100))); err != nil {
		tb.Errorf("start: %v", err)
	}
	if second := d.Provider.Declare(); !reflect.DeepEqual(first, second) {
		tb.Errorf("the declaration changed from %+v to %+v", first, second)
	}
}

func abilitiesAreThosePromised(tb testing.TB, d *desk) {
	tb.Helper()
	can := Can{Refund: d.account.CanRefund(), Capture: d.account.CanCapture(), Void: d.account.CanVoid()}
	if can != d.harness.Can {
		tb.Errorf("the plug can %+v, the documents promise %+v", can, d.harness.Can)
	}
}

// shows checks that a report shows a fact about all of an intent's money.
func shows(tb testing.TB, where string, report psp.Report, fact order.Fact, intent psp.Intent) {
	tb.Helper()
	f := one(report, fact)
	if f == nil {
		tb.Fatalf("%s does not show %s: %+v", where, fact, report.Findings)
	}
	if f.AmountMinor != intent.Amount.Minor() || f.Currency != intent.Amount.Currency().Code() {
		tb.Errorf("%s says %d %s of %s", where, f.AmountMinor, f.Currency, intent.Amount)
	}
	if f.PayeeDiffers {
		tb.Errorf("%s says that the money is another merchant's", where)
	}
	if f.PSPPaymentID == "" {
		tb.Errorf("%s names no payment id", where)
	}
	if !report.Proven || report.Ref != intent.Ref {
		tb.Errorf("%s is about %q, proven %v", where, report.Ref, report.Proven)
	}
}

func roundTrip(tb testing.TB, d *desk) {
	tb.Helper()
	visit, a := d.paid(tb)
	if a.report.Proven == d.harness.Hints {
		tb.Errorf("C4: the callback is proven: %v, and a hint: %v", a.report.Proven, d.harness.Hints)
	}
	shows(tb, "the callback", d.learn(tb, a), order.FactSucceeded, visit.Intent)
	if !d.canAsk() {
		return
	}
	d.wire.breaks(none)
	report := d.ask(tb, psp.Ref{Ref: visit.Ref})
	shows(tb, "the lookup", report, order.FactSucceeded, visit.Intent)
	if report.Unpaid || len(report.Raw) == 0 {
		tb.Errorf("J5: the lookup is unpaid: %v, with %d raw bytes", report.Unpaid, len(report.Raw))
	}
	if d.wire.count() == 0 {
		tb.Error("the lookup does not use the client that it was given")
	}
}

func referenceComesBack(tb testing.TB, d *desk) {
	tb.Helper()
	need(tb, d.Pay != nil, "Pay")
	for range 3 {
		visit, a := d.paid(tb)
		if _, ours := mark.Attempt(a.report.Ref); !ours || a.report.Ref != visit.Ref {
			tb.Errorf("sent %q, came back %q", visit.Ref, a.report.Ref)
		}
	}
}

func sameIntentTwice(tb testing.TB, d *desk) {
	tb.Helper()
	need(tb, d.Payments != nil && d.Pay != nil, "Payments or no Pay")
	visit := d.started(tb)
	again := visit
	switch handoff, err := d.account.Start(tb.Context(), visit.Intent); {
	case err == nil:
		again.Handoff = handoff
	case !errors.Is(err, psp.ErrHandoffLost):
		tb.Fatalf("the second start: %v", err)
	}
	d.Pay(tb, again)
	a := d.await(tb, visit.Ref, order.FactSucceeded)
	shows(tb, "the callback", d.learn(tb, a), order.FactSucceeded, visit.Intent)
	if n := d.Payments(tb, visit.Ref); n != 1 {
		tb.Errorf("the PSP has %d payments", n)
	}
	if _, err := d.account.Start(tb.Context(), visit.Intent); err != nil && psp.OutcomeOf(err) == psp.OutcomeNotAttempted {
		tb.Errorf("a paid payment was not attempted, it says: %v", err)
	}
	if n := d.Payments(tb, visit.Ref); n != 1 {
		tb.Errorf("after a start of the paid payment the PSP has %d", n)
	}
}

func startsAtOnce(tb testing.TB, d *desk) {
	tb.Helper()
	need(tb, d.Payments != nil, "Payments")
	intent := d.intent(d.major(tb, 100))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := d.account.Start(tb.Context(), intent); err != nil && !errors.Is(err, psp.ErrHandoffLost) {
				tb.Errorf("start: %v", err)
			}
		})
	}
	group.Wait()
	if n := d.Payments(tb, intent.Ref); n > 1 {
		tb.Errorf("the PSP has %d payments", n)
	}
}

func openIsUnpaid(tb testing.TB, d *desk) {
	tb.Helper()
	if !d.canAsk() {
		tb.Log("the PSP has no lookup")
		return
	}
	visit := d.started(tb)
	report := d.ask(tb, psp.Ref{Ref: visit.Ref})
	if !report.Unpaid || hasMoney(report) {
		tb.Errorf("an open payment is %+v", report)
	}
	paid, _ := d.paid(tb)
	if d.ask(tb, psp.Ref{Ref: paid.Ref}).Unpaid {
		tb.Error("a paid payment is unpaid")
	}
}

func unknownReference(tb testing.TB, d *desk) {
	tb.Helper()
	if !d.canAsk() {
		tb.Log("the PSP has no lookup")
		return
	}
	report := d.ask(tb, psp.Ref{Ref: newRef()})
	if len(report.Findings) != 0 || !report.Unpaid {
		tb.Errorf("a payment that was never opened is %+v", report)
	}
}

func declineThenPay(tb testing.TB, d *desk) {
	tb.Helper()
	need(tb, d.Decline != nil && d.Pay != nil, "Decline or no Pay")
	visit := d.started(tb)
	d.Decline(tb, visit)
	var report psp.Report
	if d.canAsk() {
		report = d.ask(tb, psp.Ref{Ref: visit.Ref})
	} else {
		report = d.await(tb, visit.Ref, order.FactDeclined).report
	}
	came, _ := d.came(visit.Ref)
	for _, a := range append(came, arrival{report: report}) {
		if hasMoney(a.report) {
			tb.Errorf("a declined payment is paid: %+v", a.report)
		}
	}
	if f := one(report, order.FactDeclined); f == nil || f.Failure == "" || f.Failure != strings.TrimSpace(f.Failure) {
		tb.Errorf("the decline, or why, is not reported: %+v", report.Findings)
	}
	if d.account.Declaration().DeclineCloses {
		return
	}
	d.Pay(tb, visit)
	a := d.await(tb, visit.Ref, order.FactSucceeded)
	shows(tb, "the callback after another card", d.learn(tb, a), order.FactSucceeded, visit.Intent)
}

func early(tb testing.TB, d *desk) {
	tb.Helper()
	need(tb, d.PayEarly != nil, "PayEarly")
	d.PayEarly(tb)
	intent := d.intent(d.major(tb, 100))
	_, err := d.account.Start(tb.Context(), intent)
	if err != nil && !errors.Is(err, psp.ErrHandoffLost) {
		tb.Errorf("start: %v", err)
	}
	came, _ := d.came(intent.Ref)
	if len(came) == 0 {
		tb.Fatal("no callback came before the answer")
	}
	shows(tb, "the early callback", d.learn(tb, came[len(came)-1]), order.FactSucceeded, intent)
}

func lookupAndCallbackAgree(tb testing.TB, d *desk) {
	tb.Helper()
	if !d.canAsk() || d.harness.Hints {
		tb.Log("there is one source only")
		return
	}
	visit, a := d.paid(tb)
	said := one(a.report, order.FactSucceeded)
	for _, ref := range []psp.Ref{{Ref: visit.Ref}, d.refOf(tb, a)} {
		found := one(d.ask(tb, ref), order.FactSucceeded)
		if found == nil {
			tb.Fatalf("the lookup by %+v does not find the payment", ref)
		}
		if found.PSPPaymentID != said.PSPPaymentID || found.AmountMinor != said.AmountMinor ||
			found.Currency != said.Currency || !found.PaidAt.Equal(said.PaidAt) {
			tb.Errorf("the callback says %+v, the lookup by %+v says %+v", said, ref, found)
		}
	}
}

func paidAt(tb testing.TB, d *desk) {
	tb.Helper()
	_, a := d.paid(tb)
	f := one(d.learn(tb, a), order.FactSucceeded)
	if f == nil {
		tb.Fatal("the payment is not shown")
	}
	const hour = 3600
	off := f.PaidAt.Sub(d.harness.Now()).Seconds()
	switch {
	case f.PaidAt.IsZero() && d.account.Declaration().PaidAtExact:
		tb.Error("the time of payment is declared exact and not told")
	case !f.PaidAt.IsZero() && (off > hour/2 || off < -hour/2):
		tb.Errorf("paid %v seconds from now: a time zone is wrong", off)
	}
}
