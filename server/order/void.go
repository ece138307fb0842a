package order

// applyClosed takes in that the PSP has closed the session: nothing can come of it any more (O7).
func (o *Order) applyClosed(act Act, ev *Evidence, policy Policy) error {
	a := o.Attempt(ev.AttemptID)
	named := a.State != AttemptSucceeded || ev.PSPPaymentID != ""
	if named && o.heldBy(ev) != nil {
		return o.applyVoided(act, ev, policy)
	}
	switch a.State {
	case AttemptSucceeded, AttemptAuthorized:
		return o.voidNothing(act, ev)
	case AttemptOver:
		return nil
	case AttemptCreated, AttemptHanded, AttemptRefused, AttemptUncertain:
	}
	if err := o.note(act, ev, nil); err != nil {
		return err
	}
	return o.Bury(act, ev.AttemptID, DeadCancelConfirmed)
}

// applyVoided takes in the release of a hold. Where we asked for it, the order is cancelled (O10).
func (o *Order) applyVoided(act Act, ev *Evidence, _ Policy) error {
	if p := o.heldBy(ev); p != nil && p.VoidAsked {
		return o.cancelVoided(act, ev)
	}
	return o.void(act, ev, OrderPaymentFailed, Failed)
}

// CancelVoided cancels an authorized order whose hold the PSP has released (O10). The release may
// have been reported before: the order is cancelled all the same, unless money is here or still held.
func (o *Order) CancelVoided(act Act, evidence Evidence) error {
	a := o.Attempt(evidence.AttemptID)
	if a == nil || evidence.Fact != FactVoided {
		return broken("order %s was not voided by %q", o.ID, evidence.Fact)
	}
	ev := tidy(evidence, act.Now, a.Account)
	if why := o.contradiction(ev); why != "" {
		return o.contradict(act, ev, why)
	}
	return o.cancelVoided(act, ev)
}

func (o *Order) cancelVoided(act Act, ev *Evidence) error {
	if err := o.void(act, ev, OrderCancelled, Cancelled); err != nil {
		return err
	}
	switch o.StateAt(act.Now) {
	case Pending, Processing, Failed:
		return o.Cancel(act)
	case Authorized, Paid, Expired, Cancelled, Review, PartiallyRefunded, Refunded, ChargedBack:
	}
	return nil
}

// void takes in that a hold was released, or all holds of the attempt where evidence names none. The
// order leaves AUTHORIZED when no good hold is left.
func (o *Order) void(act Act, ev *Evidence, on Type, to State) error {
	p := o.heldBy(ev)
	if p == nil {
		return o.voidNothing(act, ev)
	}
	for ; p != nil; p = o.heldBy(ev) {
		if err := o.release(act, ev, p); err != nil {
			return err
		}
	}
	if o.State == Authorized && !o.held() {
		if spare := o.spareHold(); spare != nil && to == Failed { // Nobody asked for the order's end.
			return o.authorize(act, spare)
		}
		if err := o.record(act, on, Change{To: to, Attempt: &AttemptFacts{ID: ev.AttemptID}}, act.private()); err != nil {
			return err
		}
	}
	if o.heldOf(ev.AttemptID) == nil {
		if err := o.Bury(act, ev.AttemptID, DeadVoided); err != nil {
			return err
		}
	}
	return o.Expire(act)
}

// release notes that nothing of a payment is held any more, and ends the exception about the hold.
func (o *Order) release(act Act, ev *Evidence, p *Payment) error {
	facts := o.paymentFacts(act, ev, p)
	facts.Authorized = 0
	if err := o.note(act, ev, facts); err != nil {
		return err
	}
	if x := o.openExceptionOf(facts.ID); x != nil {
		return o.resolve(act, x.ID, ResolvedDismissed)
	}
	return nil
}

// voidNothing takes in the end of a hold that we do not have, or no longer.
func (o *Order) voidNothing(act Act, ev *Evidence) error {
	a, known := o.Attempt(ev.AttemptID), o.paymentOf(ev)
	captured := known != nil && known.Captured > 0
	switch {
	case a.saw(ev.Fact) && (ev.PSPPaymentID == "" || !captured):
		return nil
	case captured:
		return o.contradict(act, ev, broughtMoney)
	}
	if err := o.note(act, ev, nil); err != nil || a.State == AttemptSucceeded || o.heldOf(ev.AttemptID) != nil {
		return err
	}
	return o.Bury(act, ev.AttemptID, DeadVoided)
}

// heldOf is a payment of an attempt that is held and not captured, or nil.
func (o *Order) heldOf(attemptID string) *Payment {
	for i := range o.Payments {
		if p := &o.Payments[i]; p.AttemptID == attemptID && p.onHold() {
			return p
		}
	}
	return nil
}

// heldBy is the held payment that evidence is about, or nil. Evidence that names none is about any.
func (o *Order) heldBy(ev *Evidence) *Payment {
	if ev.PSPPaymentID == "" {
		return o.heldOf(ev.AttemptID)
	}
	if p := o.paymentOf(ev); p != nil && p.onHold() {
		return p
	}
	return nil
}

// held reports whether a good hold stands, the one that AUTHORIZED is about.
func (o *Order) held() bool {
	return o.goodHold("") != nil
}
