package psptest

import (
	"errors"
	"testing"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
)

var moneyCases = []testCase{
	{"M1_AmountsAreExact", amountsAreExact},
	{"M2_OtherCurrenciesAndGrainsAreRefused", grainIsRefused},
	{"R1_RefundOfAPartAndOfTheRest", refundPartAndRest},
	{"R1_RefundOfMoreThanCapturedIsRefused", refundTooMuch},
	{"R3_HoldIsAuthorizedAndAPartIsCaptured", holdAndCapture},
	{"R3_CaptureOfMoreThanHeldIsRefused", captureTooMuch},
	{"O10_VoidReleasesTheHold", void},
}

// exact are amounts at which floats, roundings and short integers go wrong, in hundredths of a major
// unit: the smallest, the next, sums that no binary float holds, more than 32 bits, and 10^9 major units.
var exact = []int64{1, 10, 29, 115, 435, 820, 12_550, 100_001, 4_294_967_297, 99_999_999_999, 100_000_000_000}

// amountsAreExact pays each amount in each currency, written in the plug's own dialect.
func amountsAreExact(tb testing.TB, d *desk) {
	tb.Helper()
	for _, code := range d.account.Declaration().Currencies {
		currency := currencyOf(tb, code)
		for _, hundredths := range exact {
			minor := hundredths
			if currency.Exponent() != 2 {
				minor = max(1, hundredths/100) * power(currency.Exponent())
			}
			amount := money.Of(minor, currency)
			if d.account.Declaration().Takes(amount) != nil {
				continue
			}
			visit, a := d.pay(tb, d.intent(amount))
			shows(tb, "the callback of "+amount.String(), d.learn(tb, a), order.FactSucceeded, visit.Intent)
			if d.canAsk() {
				shows(tb, "the lookup of "+amount.String(), d.ask(tb, psp.Ref{Ref: visit.Ref}), order.FactSucceeded, visit.Intent)
			}
		}
	}
}

func grainIsRefused(tb testing.TB, d *desk) {
	tb.Helper()
	declared := d.account.Declaration()
	for _, currency := range money.Currencies() {
		if declared.Takes(money.Of(100*power(currency.Exponent()), currency)) == nil {
			continue
		}
		d.wire.breaks(none)
		_, err := d.account.Start(tb.Context(), d.intent(money.Of(100, currency)))
		if !errors.Is(err, psp.ErrNotAttempted) || !fault.Is(err, fault.ReasonCurrencyUnsupported) || d.wire.count() > 0 {
			tb.Fatalf("%s, which is not declared: %v, %d requests", currency, err, d.wire.count())
		}
	}
	for code, grain := range declared.GrainMinor {
		if grain < 2 {
			continue
		}
		_, err := d.account.Start(tb.Context(), d.intent(money.Of(grain+1, currencyOf(tb, code))))
		if !errors.Is(err, psp.ErrNotAttempted) || !fault.Is(err, fault.ReasonAmountGrain) {
			tb.Errorf("%d %s is not refused: %v", grain+1, code, err)
		}
	}
}

func refundOf(ref psp.Ref, amount, captured money.Amount) psp.Refund {
	return psp.Refund{Ref: ref, RefundID: "ref_" + newRef()[psp.MarkLength:], Amount: amount, CapturedMinor: captured.Minor()}
}

// refund gives a part back and waits until it went.
func (d *desk) refund(tb testing.TB, ref psp.Ref, amount, captured money.Amount) {
	tb.Helper()
	refunded, err := d.account.Refund(tb.Context(), refundOf(ref, amount, captured))
	if err != nil {
		tb.Fatalf("refund %s: %v", amount, err)
	}
	if len(refunded.Raw) == 0 {
		tb.Error("J5: the answer to a refund is not kept")
	}
	if !refunded.Done {
		need(tb, d.Settle != nil, "Settle")
		d.Settle(tb, ref.Ref)
	}
}

// seen checks that a fact with an amount is shown by a lookup, or by a callback where there is none.
func (d *desk) seen(tb testing.TB, ref psp.Ref, fact order.Fact, amount money.Amount) {
	tb.Helper()
	right := func(report psp.Report) bool {
		f := one(report, fact)
		return f != nil && f.AmountMinor == amount.Minor() && f.Currency == amount.Currency().Code() && f.PSPPaymentID == ref.PSPPaymentID
	}
	if !d.canAsk() {
		d.awaitThat(tb, ref.Ref, string(fact)+" "+amount.String(), func(a arrival) bool { return right(a.report) })
		return
	}
	if report := d.ask(tb, ref); !right(report) {
		tb.Errorf("%s %s of %s is not shown: %+v", fact, amount, ref.PSPPaymentID, report.Findings)
	}
}

func refundPartAndRest(tb testing.TB, d *desk) {
	tb.Helper()
	if !d.account.CanRefund() {
		tb.Log("the PSP gives nothing back by a call")
		return
	}
	visit, a := d.paid(tb)
	ref := d.refOf(tb, a)
	for _, step := range []struct{ part, total int64 }{{30, 30}, {20, 50}, {50, 100}} {
		d.refund(tb, ref, d.major(tb, step.part), visit.Amount)
		d.seen(tb, ref, order.FactRefunded, d.major(tb, step.total))
	}
	_, err := d.account.Refund(tb.Context(), refundOf(ref, d.smallest(tb), visit.Amount))
	if err == nil || !certainlyNothing(err) {
		tb.Errorf("all went back, and a further refund is no refusal: %v", err)
	}
}

// smallest is the smallest amount that the account takes in its first currency.
func (d *desk) smallest(tb testing.TB) money.Amount {
	tb.Helper()
	currency := d.currency(tb)
	return money.Of(max(1, d.account.Declaration().GrainMinor[currency.Code()]), currency)
}

func refundTooMuch(tb testing.TB, d *desk) {
	tb.Helper()
	if !d.account.CanRefund() {
		tb.Log("the PSP gives nothing back by a call")
		return
	}
	visit, a := d.paid(tb)
	_, err := d.account.Refund(tb.Context(), refundOf(d.refOf(tb, a), d.more(tb, visit.Amount), visit.Amount))
	if err == nil || !certainlyNothing(err) {
		tb.Errorf("more than was captured is no refusal: %v", err)
	}
	if d.canAsk() {
		if f := one(d.ask(tb, d.refOf(tb, a)), order.FactRefunded); f != nil {
			tb.Errorf("and yet went back %+v", f)
		}
	}
}

// more is a little more than an amount.
func (d *desk) more(tb testing.TB, amount money.Amount) money.Amount {
	tb.Helper()
	sum, err := amount.Add(d.smallest(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return sum
}

func holdAndCapture(tb testing.TB, d *desk) {
	tb.Helper()
	if !d.account.CanCapture() {
		tb.Log("the PSP holds no money")
		return
	}
	visit, a := d.held(tb)
	shows(tb, "the callback of a hold", d.learn(tb, a), order.FactAuthorized, visit.Intent)
	if one(d.learn(tb, a), order.FactSucceeded) != nil {
		tb.Error("a hold is no success")
	}
	ref, part := d.refOf(tb, a), d.major(tb, 30)
	report, err := d.account.Capture(tb.Context(), psp.Capture{Ref: ref, Amount: part, HeldMinor: visit.Amount.Minor()})
	if err != nil {
		tb.Fatalf("capture: %v", err)
	}
	if f := one(report, order.FactSucceeded); f == nil || f.AmountMinor != part.Minor() || f.Currency != part.Currency().Code() || f.PSPPaymentID != ref.PSPPaymentID {
		tb.Errorf("captured is %s, the answer shows %+v", part, report.Findings)
	}
	d.seen(tb, ref, order.FactSucceeded, part)
}

func captureTooMuch(tb testing.TB, d *desk) {
	tb.Helper()
	if !d.account.CanCapture() {
		tb.Log("the PSP holds no money")
		return
	}
	visit, a := d.held(tb)
	ref := d.refOf(tb, a)
	_, err := d.account.Capture(tb.Context(), psp.Capture{Ref: ref, Amount: d.more(tb, visit.Amount), HeldMinor: visit.Amount.Minor()})
	if err == nil || !certainlyNothing(err) {
		tb.Errorf("more than is held is no refusal: %v", err)
	}
	d.seen(tb, ref, order.FactAuthorized, visit.Amount)
}

func void(tb testing.TB, d *desk) {
	tb.Helper()
	if !d.account.CanVoid() {
		tb.Log("the PSP releases nothing by a call")
		return
	}
	visit, a := d.held(tb)
	ref := d.refOf(tb, a)
	report, err := d.account.Void(tb.Context(), psp.Void{Ref: ref, Held: visit.Amount})
	if err != nil {
		tb.Fatalf("void: %v", err)
	}
	if one(report, order.FactVoided) == nil {
		tb.Errorf("the answer does not show it: %+v", report.Findings)
	}
	if d.canAsk() {
		after := d.ask(tb, ref)
		if one(after, order.FactVoided) == nil || one(after, order.FactSucceeded) != nil {
			tb.Errorf("released money is %+v", after.Findings)
		}
	}
}
