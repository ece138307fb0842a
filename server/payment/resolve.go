package payment

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

const (
	// workersMax is how many tasks a process works on at a time, workersPerAccount how many of one
	// account: a PSP that does not answer holds up nobody else's payments.
	workersMax        = 32
	workersPerAccount = 8
	// hintPace is the least time between two lookups of one account that hints ask for (C4).
	hintPace = time.Second
	// accountGone is when a task is looked at again whose account is not in the settings.
	accountGone = time.Hour
)

// workers are the tasks that a process works on.
type workers struct {
	mu      sync.Mutex
	running int
	of      map[string]int
	done    sync.WaitGroup
}

// room is how many more tasks there is room for, and which accounts have enough to do.
func (w *workers) room() (free int, full []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	free = workersMax - w.running
	for account, n := range w.of {
		if n >= workersPerAccount {
			full = append(full, account)
		}
	}
	return min(free, workersPerAccount), full
}

func (w *workers) begin(account string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running++
	w.of[account]++
}

func (w *workers) end(account string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if w.of[account]--; w.of[account] == 0 {
		delete(w.of, account)
	}
}

// ResolveDue begins work on tasks that are due, as many as there is room for: it asks PSPs about
// attempts and refunds without a final answer, and sends refunds that wait (O6, R2). It says how many it
// began, and whether there may be more; what fails on the way goes to failed, which must be safe to call
// from many goroutines. Several servers may do it at once: a task is claimed by a lease, and a result is
// fenced (I5). Resolved waits for what was begun.
func (s *Service) ResolveDue(ctx context.Context, failed func(error)) (begun int, more bool, err error) {
	free, full := s.workers.room()
	if free == 0 {
		return 0, false, nil
	}
	tasks, err := s.store.ClaimTasks(ctx, store.Claim{Limit: free, LeaseFor: workLease, Spacing: askSpacing, Except: full})
	if err != nil {
		return 0, false, away(err)
	}
	working := context.WithoutCancel(ctx) // What was begun is written down.
	for i := range tasks {
		task := &tasks[i]
		s.workers.begin(task.Account)
		s.workers.done.Go(func() {
			defer s.workers.end(task.Account)
			if err := s.resolve(working, task); err != nil {
				failed(fmt.Errorf("%s of order %s: %w", task.ID, task.OrderID, err))
			}
		})
	}
	return len(tasks), len(tasks) == free, nil
}

// Resolved waits for the work that ResolveDue began.
func (s *Service) Resolved() { s.workers.done.Wait() }

// resolve works on one claimed task.
func (s *Service) resolve(ctx context.Context, task *store.Task) error {
	ctx, cancel := context.WithTimeout(ctx, workMax)
	defer cancel()
	read, err := s.store.Order(ctx, store.OrderKey{Merchant: task.Merchant, ID: task.OrderID})
	if err != nil {
		return away(err)
	}
	r := &resolving{service: s, task: task, order: read.Order, account: s.account[task.Account], now: read.Now}
	switch {
	case r.account == nil:
		return r.waitForAccount(ctx)
	case task.Kind == store.DoRefund:
		return r.refund(ctx)
	}
	return r.attempt(ctx)
}

// resolving is a claimed task with what it is about, as it was when it was claimed.
type resolving struct {
	service *Service
	task    *store.Task
	order   *order.Order
	account *psp.Account
	now     time.Time
}

// work is the claimed task as work at its PSP.
func (r *resolving) work(name string) work {
	return work{
		name: name, order: store.OrderKey{Merchant: r.task.Merchant, ID: r.task.OrderID}, task: r.task.TaskKey,
		fence: r.task.Fence, actor: r.task.Account, ids: r.service.newIDs(),
	}
}

// putOff commits that the task waits. Where somebody has taken over, nothing changes.
func (r *resolving) putOff(ctx context.Context, wait time.Duration) error {
	return r.service.finish(ctx, r.work("PutTaskOff"), func(v *writer.View, _ *order.Order, _ order.Act, t *held) error {
		if t != nil {
			t.DueAt = v.Now().Add(wait)
		}
		return nil
	})
}

// waitForAccount puts off what cannot be asked about, as its account is not in the settings. An attempt
// whose time is over is stuck then: a person hears of it (O6).
func (r *resolving) waitForAccount(ctx context.Context) error {
	return r.service.finish(ctx, r.work("PutTaskOff"), func(v *writer.View, o *order.Order, act order.Act, t *held) error {
		if t == nil {
			return nil
		}
		t.DueAt = v.Now().Add(accountGone)
		if a := o.Attempt(r.task.ID); a != nil && overdue(a, v.Now()) {
			return o.Stick(act, a.ID)
		}
		return nil
	})
}

// attempt asks about an attempt, goes on with what was asked of its hold, and decides what the answer proves.
func (r *resolving) attempt(ctx context.Context) error {
	a := r.order.Attempt(r.task.ID)
	if a == nil || !a.Live() && !r.task.Hinted {
		return r.end(ctx)
	}
	if r.task.Hinted {
		ready, err := r.service.store.TakePace(ctx, r.account.ID(), hintPace)
		if err != nil {
			return away(err)
		}
		if !ready {
			return r.putOff(ctx, hintPace)
		}
	}
	_, err := r.service.store.Handoff(ctx, r.task.Merchant, a.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return away(err)
	}
	found := lookup{neverLeft: err != nil}
	found.report, found.err = r.ask(ctx, a)
	r.goOn(ctx, a, &found)
	return r.conclude(ctx, &found)
}

// end commits that there is nothing left to ask.
func (r *resolving) end(ctx context.Context) error {
	return r.service.finish(ctx, r.work("EndTask"), func(_ *writer.View, _ *order.Order, _ order.Act, t *held) error {
		if t != nil {
			t.done = !r.askedMeanwhile(t)
		}
		return nil
	})
}

// askedMeanwhile reports whether a callback, or who asked something of a hold, wants a lookup that begins
// after this one was claimed (C4, I5).
func (r *resolving) askedMeanwhile(t *held) bool { return t.DueAt.After(r.task.DueAt) }

// lookup is what a question brought.
type lookup struct {
	report psp.Report
	err    error
	// neverLeft is true where the way to the PSP was never given to a payer.
	neverLeft bool
	// held is what was asked of the attempt's hold, nil where nothing was; holdErr is the PSP's answer
	// to its repetition.
	held    *order.Payment
	holdErr error
}

func (r *resolving) ask(ctx context.Context, a *order.Attempt) (psp.Report, error) {
	if r.account.Declaration().CannotAsk {
		return psp.Report{}, errCannotAsk
	}
	return r.account.Ask(ctx, r.service.refOf(r.order, a.ID))
}

var errCannotAsk = errors.New("the PSP has no lookup")

// refOf names the payment of an attempt to its PSP.
func (s *Service) refOf(o *order.Order, attemptID string) psp.Ref {
	ref := psp.Ref{Ref: s.mark.Ref(attemptID)}
	if a := o.Attempt(attemptID); a != nil {
		if p := o.Payment(a.PaymentID); p != nil {
			ref.PSPPaymentID = p.PSPPaymentID
		}
	}
	return ref
}

// goOn asks once more for a capture or void that has no answer yet, where the lookup shows that the
// money is still held: so nothing came of it, and nothing is done twice.
func (r *resolving) goOn(ctx context.Context, a *order.Attempt, found *lookup) {
	p, facts := askedHold(r.order, a.ID), found.report.Findings
	stillHeld := shows(facts, order.FactAuthorized) && !shows(facts, order.FactSucceeded) && !shows(facts, order.FactVoided)
	if p == nil || found.err != nil || !stillHeld {
		return
	}
	found.held = p
	var report psp.Report
	if report, found.holdErr = r.service.askHold(ctx, r.account, r.order, p); found.holdErr == nil {
		found.report.Findings = append(found.report.Findings, report.Findings...)
	}
}

func shows(findings []psp.Finding, fact order.Fact) bool {
	for i := range findings {
		if findings[i].Fact == fact {
			return true
		}
	}
	return false
}

// conclude commits what a lookup showed, what it proves, and when to ask again.
func (r *resolving) conclude(ctx context.Context, found *lookup) error {
	w := r.work("ResolveAttempt")
	heard := r.service.answered(r.account, r.task.ID, found.report, w.ids)
	w.keys = heard.keys()
	return r.service.finish(ctx, w, func(v *writer.View, o *order.Order, act order.Act, t *held) error {
		if err := heard.apply(v, o, act); err != nil {
			return err
		}
		if err := failHold(o, act, found.held, found.holdErr); err != nil {
			return err
		}
		if t == nil {
			return nil // Somebody took over: what it proves is theirs to say (I5).
		}
		return r.prove(o, act, t, found)
	})
}

// prove decides whether the attempt is dead (O7), stuck (O6), or asked about again.
func (r *resolving) prove(o *order.Order, act order.Act, t *held, found *lookup) error {
	proof := r.proof(o, found)
	switch {
	case proof != "":
		if err := o.Bury(act, r.task.ID, proof); err != nil {
			return err
		}
	case found.err != nil && !errors.Is(found.err, errCannotAsk):
		if err := o.Doubt(act, r.task.ID); err != nil {
			return err
		}
	}
	again, hinted := r.askedMeanwhile(t), t.Hinted
	t.asked(act.Now)
	a := o.Attempt(r.task.ID)
	switch {
	case again:
		t.Hinted, t.DueAt = hinted, act.Now.Add(askSpacing)
		return nil
	case !a.Live():
		t.askSoon(act.Now)
		t.done = !hinted // Else it stays until the next hint may be followed, which keeps the pace (C4).
		return nil
	}
	return r.askAgain(o, act, t, a)
}

// proof is how we know that the attempt can no longer be paid, or "" (O7).
func (r *resolving) proof(o *order.Order, found *lookup) order.DeathProof {
	a := o.Attempt(r.task.ID)
	unseen := a.State == order.AttemptCreated || a.State == order.AttemptUncertain
	unpaid := errors.Is(found.err, errCannotAsk) || found.err == nil && found.report.Unpaid
	switch {
	case !a.Live() || a.State == order.AttemptAuthorized:
		return ""
	case found.neverLeft && unseen:
		return order.DeadNeverHandedOff
	case overdue(a, r.now) && unpaid: // Asked after the end: an answer from before it proves nothing.
		return order.DeadSessionOver
	}
	return ""
}

// overdue reports whether the session and its grace are over (O7).
func overdue(a *order.Attempt, now time.Time) bool { return !now.Before(a.SessionUntil.Add(a.Grace)) }

// askAgain makes the attempt due by the PSP's schedule. When that has ended, it is stuck (O6). A hold
// lives for days and is asked about at the schedule's last pace.
func (r *resolving) askAgain(o *order.Order, act order.Act, t *held, a *order.Attempt) error {
	more := t.askAfter(act.Now, a.StartedAt, r.account)
	if overdue(a, r.now) && !more && a.State != order.AttemptAuthorized {
		t.done = true
		return o.Stick(act, a.ID)
	}
	if end := a.SessionUntil.Add(a.Grace); !overdue(a, r.now) && t.DueAt.After(end) {
		t.DueAt = end // The answer at its end is the one that counts.
	}
	return nil
}
