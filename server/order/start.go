package order

import (
	"time"

	"github.com/kvitpay/kvit/server/fault"
)

// AttemptSpec is what a new attempt is made from.
type AttemptSpec struct {
	ID      string
	Account string
	// SessionUntil is when the PSP's session would end; it is cut to the offer (E1).
	SessionUntil time.Time
	// Grace is how long after the session the provider may still tell (O7, E2).
	Grace time.Duration
}

// StartAttempt writes the intent to pay (I5). A second tap on the same account joins the live
// attempt; another account is refused while that one is not proven dead (O7).
func (o *Order) StartAttempt(act Act, spec AttemptSpec) (attempt Attempt, joined bool, err error) {
	switch o.StateAt(act.Now) {
	case Pending, Failed, Processing:
	case Authorized, Paid, Expired, Cancelled, Review, PartiallyRefunded, Refunded, ChargedBack:
		return Attempt{}, false, o.refuse(act.Now, "The order is not offered for payment.")
	}
	if !act.Now.Before(o.OfferUntil) {
		return Attempt{}, false, o.refuse(act.Now, "The offer has run out.")
	}
	if live := o.LiveAttempt(); live != nil {
		if live.Account == spec.Account {
			return *live, true, nil
		}
		return Attempt{}, false, fault.New(fault.Precondition, fault.ReasonAttemptInProgress,
			"A payment is under way at another account and may still succeed.",
			fault.With("account", live.Account), fault.With("until", live.deadline().Format(time.RFC3339)))
	}
	session := spec.SessionUntil
	if session.After(o.OfferUntil) {
		session = o.OfferUntil
	}
	session = instant(session)
	err = o.record(act, AttemptStarted, Change{Attempt: &AttemptFacts{
		ID: spec.ID, Account: spec.Account, SessionUntil: &session, Grace: spec.Grace,
	}}, nil)
	if err == nil && o.State != Processing {
		err = o.record(act, OrderProcessing, Change{To: Processing}, nil)
	}
	if err != nil {
		return Attempt{}, false, err
	}
	return *o.Attempt(spec.ID), false, nil
}

// Awaited reports whether the order waits for a payment by its live attempt: it was not cancelled, and
// no other money came for it.
func (o *Order) Awaited() bool {
	return (o.State == Processing || o.State == Failed) && o.LiveAttempt() != nil
}

// HandOff notes that the payer was given the way to the PSP. Evidence may have overtaken it (O9):
// an attempt that is further on is left as it is.
func (o *Order) HandOff(act Act, attemptID string) error {
	a := o.Attempt(attemptID)
	if a == nil {
		return broken("no attempt %s to hand off", attemptID)
	}
	if a.State != AttemptCreated && a.State != AttemptUncertain {
		return nil
	}
	return o.record(act, AttemptHandedOff, Change{Attempt: &AttemptFacts{ID: attemptID}}, nil)
}

// Doubt notes that the PSP was asked and no answer came: not knowing is a state (O6).
func (o *Order) Doubt(act Act, attemptID string) error {
	a := o.Attempt(attemptID)
	if a == nil {
		return broken("no attempt %s to doubt", attemptID)
	}
	if a.State != AttemptCreated && a.State != AttemptHanded {
		return nil
	}
	return o.record(act, AttemptUnknown, Change{Attempt: &AttemptFacts{ID: attemptID}}, nil)
}

// Bury notes the proof that an attempt can no longer be paid (O7). The order can be tried again, or
// expires where its offer ran out meanwhile (E1).
func (o *Order) Bury(act Act, attemptID string, proof DeathProof) error {
	a := o.Attempt(attemptID)
	if a == nil {
		return broken("no attempt %s to bury", attemptID)
	}
	if !a.Live() {
		return nil
	}
	if err := o.refuseBurial(act, a, proof); err != nil {
		return err
	}
	unseen := proof == DeadNotAttempted || proof == DeadNeverHandedOff
	if unseen && a.State != AttemptCreated && a.State != AttemptUncertain {
		return nil // Evidence overtook our own knowledge of the start (O9).
	}
	change := Change{Attempt: &AttemptFacts{ID: attemptID, Proof: proof}}
	if o.State == Processing {
		change.To = Pending
	}
	var private *Private
	if proof == DeadByOperator {
		private = act.private()
	}
	if err := o.record(act, AttemptDead, change, private); err != nil {
		return err
	}
	if err := o.unstick(act, attemptID); err != nil {
		return err
	}
	return o.Expire(act)
}

// refuseBurial says what speaks against the proof.
func (o *Order) refuseBurial(act Act, a *Attempt, proof DeathProof) error {
	switch {
	case proof == DeadSessionOver && act.Now.Before(a.deadline()):
		return broken("attempt %s may be paid until %s", a.ID, a.deadline())
	case proof == DeadByOperator && act.Reason == "":
		return invalidField("reason", "must say why")
	case proof != DeadVoided && o.heldOf(a.ID) != nil:
		return o.refuse(act.Now, "The attempt holds money: it is voided or captured at the PSP first.")
	}
	return nil
}

// Stick opens STUCK for an attempt whose schedule of questions has ended without a final answer (O6).
func (o *Order) Stick(act Act, attemptID string) error {
	a := o.Attempt(attemptID)
	if a == nil {
		return broken("no attempt %s to be stuck", attemptID)
	}
	if !a.Live() || o.openException(Stuck, attemptID) != nil {
		return nil
	}
	if err := o.Doubt(act, attemptID); err != nil {
		return err
	}
	return o.open(act, &ExceptionFacts{Kind: Stuck, AttemptID: attemptID, Detail: "the PSP never said what became of it"})
}

// unstick ends STUCK once something final is known about the attempt.
func (o *Order) unstick(act Act, attemptID string) error {
	x := o.openException(Stuck, attemptID)
	if x == nil {
		return nil
	}
	return o.resolve(act, x.ID, ResolvedDismissed)
}

func (o *Order) openException(kind ExceptionKind, attemptID string) *Exception {
	for i := range o.Exceptions {
		x := &o.Exceptions[i]
		if x.Open() && x.Kind == kind && x.AttemptID == attemptID {
			return x
		}
	}
	return nil
}

func (o *Order) open(act Act, facts *ExceptionFacts) error {
	facts.ID = act.IDs.ID("exc_", *act.Entries)
	return o.record(act, ExceptionOpened, Change{Exception: facts}, nil)
}

func (o *Order) resolve(act Act, id string, how Resolution) error {
	return o.record(act, ExceptionResolved, Change{Exception: &ExceptionFacts{ID: id, Resolution: how}}, act.private())
}
