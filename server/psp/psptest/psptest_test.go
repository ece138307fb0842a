package psptest

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestRun_ARightPlugPasses(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"", onlyHints, noLookup, refundsLater} {
		t.Run(strings.ReplaceAll(way, " ", "_"), func(t *testing.T) {
			t.Parallel()
			Run(t, tiny(way))
		})
	}
}

func FuzzRead_ARightPlugPasses(f *testing.F) { Fuzz(f, tiny("")) }

// recorder is a test whose failures are looked at.
type recorder struct {
	testing.TB

	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (r *recorder) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, text)
}

func (r *recorder) Error(args ...any)                 { r.note(fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) { r.note(fmt.Sprintf(format, args...)) }
func (r *recorder) Log(...any)                        {}
func (r *recorder) Logf(string, ...any)               {}
func (r *recorder) Cleanup(f func())                  { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Fatal(args ...any) {
	r.note(fmt.Sprint(args...))
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.note(fmt.Sprintf(format, args...))
	runtime.Goexit()
}

// failures runs a case and returns what it says.
func failures(tb testing.TB, h Harness, c testCase) []string {
	tb.Helper()
	r := &recorder{TB: tb}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runCase(r, h, c)
	}()
	<-done
	for _, clean := range slices.Backward(r.cleanups) {
		clean()
	}
	return r.failures
}

// bugs are what a plug can do wrong, and the cases that must catch it.
var bugs = map[string][]string{
	"declaration changes":                {"DeclarationHoldsAndNeverChanges"},
	"lacks what is promised":             {"R3_AbilitiesAreThoseThatTheDocumentsPromise"},
	"proves nothing":                     {"C1_RoundTripToPaid"},
	"brings its own client":              {"C1_RoundTripToPaid", "I5_RefusedConnectionIsNotAttempted"},
	"hands its key out":                  {"C1_RoundTripToPaid"},
	"cuts the reference":                 {"C5_OurReferenceComesBackAsItWas"},
	"opens a second payment":             {"O7_SameIntentTwiceIsOnePayment", "O7_ManyStartsAtOnceAreOnePayment", "I5_StartAfterALostAnswerOpensNoSecondPayment"},
	"never says unpaid":                  {"O7_OpenPaymentIsUnpaid"},
	"unknown is an error":                {"O7_UnknownReferenceIsAnEmptyUnpaidReport"},
	"says not why":                       {"O4_DeclineIsNoSuccessAndMayBeFollowedByOne"},
	"knows finished starts only":         {"O9_CallbackBeforeTheCreateAnswer"},
	"names payments in two ways":         {"X1_LookupAndCallbackAgree"},
	"reads times in another zone":        {"E2_PaidAtIsThereWhereItIsExact"},
	"believes a forged signature":        {"C3_WrongSignatureIsForged", "C2_RepliesAreExact"},
	"signs the end of the body":          {"C3_NoByteCanBeChanged"},
	"panics on noise":                    {"C3_TruncatedOversizedAndRandomBodies"},
	"believes noise":                     {"C3_TruncatedOversizedAndRandomBodies"},
	"ignores the context":                {"I5_CancelledContextReturnsPromptly"},
	"takes the amount from its memory":   {"M4_AlteredAmountIsReportedAsItIs"},
	"takes the currency from its memory": {"M4_AlteredCurrencyIsReportedAsItIs"},
	"takes the reference from its memory": {
		"M4_AlteredOrderIsReportedAsItIs",
	},
	"ignores the payee":              {"M4_AlteredPayeeIsSaid"},
	"unknown statuses are paid":      {"C5_UnknownStatusIsNeverPaid"},
	"refuses unknown fields":         {"C5_UnknownFieldsAreTolerated"},
	"is silent about repeats":        {"C6_ReplaysInAnyOrderGiveEqualReports"},
	"answers repeats otherwise":      {"C2_RepliesAreExact"},
	"a cut answer is not attempted":  {"I5_SlowCutAndBrokenAnswersAreUnknownOutcomes"},
	"500 is refused":                 {"I5_SlowCutAndBrokenAnswersAreUnknownOutcomes"},
	"a lost answer is not attempted": {"I5_SlowCutAndBrokenAnswersAreUnknownOutcomes", "I5_StartAfterALostAnswerOpensNoSecondPayment"},
	"leaks its key":                  {"I5_SlowCutAndBrokenAnswersAreUnknownOutcomes"},
	"a refused dial is unknown":      {"I5_RefusedConnectionIsNotAttempted"},
	"rounds amounts":                 {"M1_AmountsAreExact"},
	"refunds all":                    {"R1_RefundOfAPartAndOfTheRest"},
	"a refusal is unknown":           {"R1_RefundOfMoreThanCapturedIsRefused", "R3_CaptureOfMoreThanHeldIsRefused"},
	"a hold is a success":            {"R3_HoldIsAuthorizedAndAPartIsCaptured"},
	"forgets the void":               {"O10_VoidReleasesTheHold"},
}

func TestRun_EachBugIsCaught(t *testing.T) {
	t.Parallel()
	for bug, names := range bugs {
		t.Run(strings.ReplaceAll(bug, " ", "_"), func(t *testing.T) {
			t.Parallel()
			for _, c := range cases() {
				if !slices.Contains(names, c.name) {
					continue
				}
				if said := failures(t, tiny(bug), c); len(said) == 0 {
					t.Errorf("%s does not see it", c.name)
				} else {
					t.Logf("%s: %s", c.name, said[0])
				}
			}
		})
	}
}

// byTheAccount are the cases that no plug can fail, because the account around it holds the promise.
var byTheAccount = []string{"M2_OtherCurrenciesAndGrainsAreRefused"}

func TestRun_EachCaseCatchesABug(t *testing.T) {
	t.Parallel()
	caught := slices.Concat(slices.Concat(slices.Collect(maps.Values(bugs))...), byTheAccount)
	for _, c := range cases() {
		if !slices.Contains(caught, c.name) {
			t.Errorf("no bug is known that %s catches", c.name)
		}
	}
	for _, name := range caught {
		if !slices.ContainsFunc(cases(), func(c testCase) bool { return c.name == name }) {
			t.Errorf("there is no case %s", name)
		}
	}
}

func TestRun_AMissingDriverIsAFailureAndAnExemptionIsNot(t *testing.T) {
	t.Parallel()
	h := tiny("")
	whole := h.Open
	h.Open = func(tb testing.TB, env Env) PSP {
		tb.Helper()
		p := whole(tb, env)
		p.PayEarly = nil
		return p
	}
	c := testCase{"O9_CallbackBeforeTheCreateAnswer", early}
	if said := failures(t, h, c); len(said) == 0 {
		t.Error("the case is skipped in silence")
	}
	h.Exempt = map[string]string{c.name: "the payer's browser opens the payment"}
	if said := failures(t, h, c); len(said) != 0 {
		t.Errorf("exempt, and yet: %v", said)
	}
}
