package order_test

import (
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
)

func TestDecline_O5_CanBePaidAgain(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactDeclined, a, closes)
	s.state(order.Failed)
	if s.o.Attempt(a).State != order.AttemptOver {
		t.Errorf("a decline that closes the session leaves the attempt %s (O7)", s.o.Attempt(a).State)
	}
	s.hear(order.FactSucceeded, s.start("ipay"))
	s.state(order.Paid)
}

func TestDecline_O5_ExpiresInTheEnd(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactDeclined, a)
	s.wait(2 * time.Hour)
	s.state(order.Failed)
	s.must(s.o.Bury(s.act(), a, order.DeadSessionOver))
	s.state(order.Expired)
}

func TestDoubt_O6_NotKnowingIsAState(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.must(s.o.Doubt(s.act(), a))
	s.must(s.o.Doubt(s.act(), a))
	s.state(order.Processing)
	if got := s.o.Attempt(a).State; got != order.AttemptUncertain || len(s.o.Entries()) != 5 {
		t.Errorf("the attempt is %s after %d entries", got, len(s.o.Entries()))
	}
	s.hear(order.FactPending, a, by(order.FromLookup))
	if got := s.o.Attempt(a).State; got != order.AttemptHanded {
		t.Errorf("the PSP knows it, and the attempt is %s", got)
	}
}

func TestStick_O6_OpensOnceAndStaysUnknown(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.must(s.o.Stick(s.act(), a)) // The PSP said "pending" to the end.
	s.must(s.o.Stick(s.act(), a))
	s.open(order.Stuck)
	s.state(order.Processing)
	if got := s.o.Attempt(a).State; got != order.AttemptUncertain {
		t.Errorf("the attempt is %s", got)
	}
}

func TestStick_O6_EndsWithAFinalFact(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*script, string){
		"paid":     func(s *script, a string) { s.hear(order.FactSucceeded, a) },
		"held":     func(s *script, a string) { s.hear(order.FactAuthorized, a) },
		"declined": func(s *script, a string) { s.hear(order.FactDeclined, a) },
		"closed":   func(s *script, a string) { s.hear(order.FactClosed, a) },
		"answered": func(s *script, a string) { s.hear(order.FactPending, a) },
		"buried":   func(s *script, a string) { s.must(s.o.Bury(s.act(), a, order.DeadByOperator)) },
		"operator": func(s *script, _ string) { s.resolve(order.DecideDismiss) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			a := s.start("liqpay")
			s.must(s.o.Doubt(s.act(), a))
			s.must(s.o.Stick(s.act(), a))
			end(s, a)
			s.noneOpen()
		})
	}
}

// A declined attempt that nobody can bury would keep its order for ever, unseen.
func TestStick_O6_SeesADeclinedSession(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactDeclined, a)
	s.must(s.o.Stick(s.act(), a))
	s.open(order.Stuck)
	if got := s.o.Attempt(a).State; got != order.AttemptRefused {
		t.Errorf("the decline was forgotten: %s", got)
	}
	s.must(s.o.Bury(s.act(), a, order.DeadByOperator))
	s.noneOpen()
}

func TestStartAttempt_O7_SecondTapJoins(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	entries := len(s.o.Entries())
	got, joined, err := s.o.StartAttempt(s.act(), order.AttemptSpec{ID: "a9", Account: "liqpay", SessionUntil: s.now.Add(time.Hour)})
	s.must(err)
	if !joined || got.ID != a || len(s.o.Entries()) != entries {
		t.Errorf("joined %t, attempt %s", joined, got.ID)
	}
}

func TestStartAttempt_O7_AnotherAccountIsToldUntilWhen(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start("liqpay")
	_, _, err := s.o.StartAttempt(s.act(), order.AttemptSpec{ID: "a9", Account: "ipay", SessionUntil: s.now.Add(time.Hour)})
	s.refused(err, fault.ReasonAttemptInProgress)
	want := s.now.Add(15*time.Minute + grace).Format(time.RFC3339)
	if got := fault.As(err).Metadata(); got["until"] != want || got["account"] != "liqpay" {
		t.Errorf("told %v, want until %s", got, want)
	}
}

func TestStartAttempt_E1_NotAfterTheOffer(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.hear(order.FactDeclined, s.start("liqpay")) // FAILED, with a session that lives.
	s.wait(time.Hour)
	_, _, err := s.o.StartAttempt(s.act(), order.AttemptSpec{ID: "a9", Account: "liqpay", SessionUntil: s.now.Add(time.Hour)})
	s.refused(err, fault.ReasonOrderState)
}

func TestBury_O7_EachProofFreesTheOrder(t *testing.T) {
	t.Parallel()
	buried := func(proof order.DeathProof) func(*script) {
		return func(s *script) { s.must(s.o.Bury(s.act(), "a1", proof)) }
	}
	for name, row := range map[string]struct {
		die   func(*script)
		proof order.DeathProof
	}{
		"the PSP confirmed a cancel":    {func(s *script) { s.hear(order.FactClosed, "a1") }, order.DeadCancelConfirmed},
		"a decline that closes":         {func(s *script) { s.hear(order.FactDeclined, "a1", closes) }, order.DeadDeclineCloses},
		"the session is over":           {func(s *script) { s.wait(20 * time.Minute); buried(order.DeadSessionOver)(s) }, order.DeadSessionOver},
		"the start was never attempted": {buried(order.DeadNotAttempted), order.DeadNotAttempted},
		"the handoff never left us":     {buried(order.DeadNeverHandedOff), order.DeadNeverHandedOff},
		"an operator says so":           {buried(order.DeadByOperator), order.DeadByOperator},
		"voided":                        {func(s *script) { s.hear(order.FactVoided, "a1") }, order.DeadVoided},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			_, _, err := s.o.StartAttempt(s.act(), order.AttemptSpec{ID: "a1", Account: "liqpay", SessionUntil: s.now.Add(15 * time.Minute), Grace: grace})
			s.must(err)
			row.die(s)
			if s.o.LiveAttempt() != nil {
				t.Fatal("it lives")
			}
			entries := s.o.Entries()
			if got := entries[len(entries)-1].Change.Attempt.Proof; got != row.proof {
				t.Errorf("the proof is %s", got)
			}
			s.start("ipay")
			s.state(order.Processing)
		})
	}
}

func TestBury_O7_NotBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.wait(15*time.Minute + grace - 1)
	s.refused(s.o.Bury(s.act(), a, order.DeadSessionOver), fault.ReasonInternal)
}

func TestBury_O7_NotWithoutAReason(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	act := s.act()
	act.Reason = ""
	s.refused(s.o.Bury(act, a, order.DeadByOperator), fault.ReasonRequestInvalid)
}

// An attempt that holds money is not dead: an order would stay AUTHORIZED and nobody would ask.
func TestBury_O7_NotWhileMoneyIsHeld(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.hear(order.FactAuthorized, a)
	s.wait(time.Hour)
	s.refused(s.o.Bury(s.act(), a, order.DeadSessionOver), fault.ReasonOrderState)
	s.refused(s.o.Bury(s.act(), a, order.DeadByOperator), fault.ReasonOrderState)
}

func TestBury_O9_EvidenceOvertookOurOwnFailure(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	_, _, err := s.o.StartAttempt(s.act(), order.AttemptSpec{ID: "a1", Account: "liqpay", SessionUntil: s.now.Add(time.Hour)})
	s.must(err)
	s.hear(order.FactPending, "a1")
	s.must(s.o.Bury(s.act(), "a1", order.DeadNotAttempted))
	if got := s.o.Attempt("a1").State; got != order.AttemptHanded {
		t.Errorf("the PSP knows the attempt, and it is %s", got)
	}
}

func TestApply_O7_SuccessOfADeadAttemptIsLate(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.must(s.o.Bury(s.act(), a, order.DeadByOperator))
	s.hear(order.FactSucceeded, a)
	s.open(order.Late)
	s.state(order.Review)
}

func TestApply_O7_SuccessOfADeadAttemptIsDuplicate(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.must(s.o.Bury(s.act(), a, order.DeadByOperator))
	s.hear(order.FactSucceeded, s.start("ipay"), payment("q1"))
	s.hear(order.FactSucceeded, a)
	s.open(order.Duplicate)
	s.state(order.Paid)
}

// Nobody asks about a dead attempt: a hold that it reports must be seen by a person.
func TestApply_O7_HoldOfADeadAttemptIsSeen(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	a := s.start("liqpay")
	s.must(s.o.Bury(s.act(), a, order.DeadByOperator))
	s.hear(order.FactAuthorized, a, paidExactly(s.now))
	s.open(order.Late)
	s.state(order.Pending)
	s.hear(order.FactClosed, a)
	s.noneOpen()
}

func TestApply_O9_EvidenceBeforeTheHandOff(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	_, _, err := s.o.StartAttempt(s.act(), order.AttemptSpec{ID: "a1", Account: "liqpay", SessionUntil: s.now.Add(time.Hour)})
	s.must(err)
	s.hear(order.FactSucceeded, "a1")
	version := s.o.Version
	s.must(s.o.HandOff(s.act(), "a1"))
	s.must(s.o.Doubt(s.act(), "a1"))
	s.must(s.o.Bury(s.act(), "a1", order.DeadNotAttempted))
	s.state(order.Paid)
	if s.o.Version != version || s.o.Attempt("a1").State != order.AttemptSucceeded {
		t.Error("what we learned later about our start undid the evidence")
	}
}
