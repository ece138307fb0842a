package payment

import (
	"context"
	"fmt"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

const (
	// finishTriesMax is how often an outcome is tried to be written, finishPause how long is waited between.
	finishTriesMax = 4
	finishPause    = 500 * time.Millisecond
)

// work is something that was done at a PSP, and by which lease.
type work struct {
	name  string
	order store.OrderKey
	task  store.TaskKey
	// fence is the take-over that allowed the work.
	fence int64
	// actor is the account whose PSP said what is written now.
	actor string
	ids   order.IDs
	// keys are more keys that the decision needs.
	keys store.Keys
}

// held is the worker's task while the outcome is decided.
type held struct {
	store.Task
	// done ends the task with the commit.
	done bool
}

// finish commits the outcome of work at a PSP on fresh rows. The decision is given the task where it is
// still the worker's, and nil where somebody took over: a fence protects take-overs, not knowledge, so
// that what was learned is merged all the same (I5, O9). It changes the task in place.
func (s *Service) finish(ctx context.Context, w work,
	decide func(v *writer.View, o *order.Order, act order.Act, task *held) error,
) error {
	id, err := order.ParseID(w.order.ID)
	if err != nil {
		return err
	}
	keys := w.keys
	keys.Orders = append(keys.Orders, w.order)
	keys.Tasks = append(keys.Tasks, w.task)
	keys.Existing = true
	return s.insist(ctx, writer.Command{
		Name: w.name, Merchant: w.order.Merchant, Keys: keys, Size: commandSize,
		Decide: func(v *writer.View) error {
			o := v.Order(id)
			if o == nil {
				return fmt.Errorf("order %s is gone", w.order.ID)
			}
			var mine *held
			if t, ok := v.Task(w.task.ID); ok && t.Fence == w.fence {
				t.LeasedUntil = time.Time{}
				mine = &held{Task: t}
			}
			act := order.NewAct(v.Now(), order.Actor{Kind: order.ByPSP, ID: w.actor}, w.ids)
			if err := decide(v, o, act, mine); err != nil {
				return err
			}
			v.SaveOrder(o)
			switch {
			case mine == nil:
			case mine.done:
				v.FinishTask(mine.ID)
			default:
				v.SaveTask(mine.Task)
			}
			return nil
		},
	})
}

// insist repeats a command while the store is away for a moment: what a PSP has said is not to be lost to
// a full queue. Its decision may run after a commit whose outcome was unclear, and changes nothing then.
func (s *Service) insist(ctx context.Context, cmd writer.Command) error {
	for tries := 1; ; tries++ {
		err := s.writer.Do(ctx, cmd)
		fleeting := fault.Is(err, fault.ReasonRateLimited) || fault.Is(err, fault.ReasonStoreUnavailable)
		if !fleeting || tries == finishTriesMax || !pause(ctx, finishPause) {
			return err
		}
	}
}

// askSoon makes a task due as soon as a question is allowed. What a hint asks for stays due (C4).
func (t *held) askSoon(now time.Time) {
	if !t.Hinted {
		t.DueAt = now.Add(askSpacing)
	}
}

// askAfter makes a task due by the PSP's schedule, and reports false where that has ended. Questions that
// were nudged use none of it up: the schedule's points in time, counted from since, stay where they are.
func (t *held) askAfter(now, since time.Time, account *psp.Account) bool {
	wait, more := account.Declaration().Wait(t.Asked)
	for _, step := range account.Declaration().Schedule {
		if since = since.Add(step); since.After(now) {
			wait, more = min(wait, since.Sub(now)), true
			break
		}
	}
	if !t.Hinted {
		t.DueAt = now.Add(wait)
	}
	return more
}

// asked counts a question.
func (t *held) asked(now time.Time) {
	t.Hinted, t.AskedAt = false, now
	t.Asked++
}
