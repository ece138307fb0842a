package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// task is a task of the order A, due so long ago.
func (m *maker) task(id string, ago time.Duration) store.Task {
	m.t.Helper()
	return store.Task{
		TaskKey: store.TaskKey{Merchant: "demo", ID: id}, Kind: store.AskAttempt, OrderID: "A", Account: "acc", DueAt: m.now().Add(-ago),
	}
}

func (m *maker) now() time.Time {
	m.t.Helper()
	now, err := m.s.Now(m.ctx())
	if err != nil {
		m.t.Fatal(err)
	}
	return now
}

func (m *maker) readTask(id string) (store.Task, bool) {
	m.t.Helper()
	key := store.TaskKey{Merchant: "demo", ID: id}
	found, is := m.load(store.Keys{Tasks: []store.TaskKey{key}}).Tasks[key]
	return found, is
}

// claimed claims what is due and returns the ids.
func (m *maker) claimed(claim store.Claim) []string {
	m.t.Helper()
	tasks, err := m.s.ClaimTasks(m.ctx(), claim)
	if err != nil {
		m.t.Fatal(err)
	}
	ids := make([]string, len(tasks))
	for i := range tasks {
		ids[i] = tasks[i].ID
	}
	return ids
}

// tasksKept saves tasks alone, changes and ends them.
func tasksKept(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo", "other")
	full := m.task("att_full", time.Hour)
	full.Kind, full.Fence, full.Asked, full.Hinted = store.DoRefund, 7, 3, true
	full.LeasedUntil, full.AskedAt = full.DueAt.Add(time.Minute), full.DueAt.Add(-time.Minute)
	theirs := m.task("att_full", 0)
	theirs.Merchant = "other"
	tasks := []store.Task{full, theirs}
	for i := range 20 {
		tasks = append(tasks, m.task(fmt.Sprintf("att_%d", i), 0))
	}
	m.mustSave(&store.Changes{Tasks: tasks})
	keys := store.Keys{Tasks: []store.TaskKey{{Merchant: "other", ID: "att_1"}}}
	for i := range tasks {
		keys.Tasks = append(keys.Tasks, tasks[i].TaskKey, tasks[0].TaskKey)
	}
	snap := m.load(keys)
	if len(snap.Tasks) != len(tasks) {
		t.Errorf("loaded %d of %d tasks", len(snap.Tasks), len(tasks))
	}
	for _, want := range tasks {
		if diff := same(want, snap.Tasks[want.TaskKey]); diff != "" {
			t.Error(diff)
		}
	}
	full.DueAt, full.LeasedUntil, full.Fence, full.Asked = full.DueAt.Add(time.Hour), time.Time{}, 8, 4
	full.AskedAt, full.Hinted = full.AskedAt.Add(time.Hour), false
	absent := store.TaskKey{Merchant: "demo", ID: "att_absent"}
	m.mustSave(&store.Changes{Tasks: []store.Task{full, m.task("att_new", 0)}, Done: []store.TaskKey{tasks[2].TaskKey, absent}})
	if got, _ := m.readTask("att_full"); same(full, got) != "" {
		t.Error(same(full, got))
	}
	if _, there := m.readTask(tasks[2].ID); there {
		t.Error("a task that was done is there")
	}
	if _, there := m.readTask("att_new"); !there || len(m.load(keys).Tasks) != len(tasks)-1 {
		t.Error("tasks are missing")
	}
	if err := m.begin(store.Keys{}).Save(m.ctx(), &store.Changes{Tasks: []store.Task{full}}); !errors.Is(err, store.ErrRetry) {
		t.Errorf("a task that Begin did not see: %v", err)
	}
}

func tasksClaimed(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	spaced, leased := m.task("att_spaced", time.Hour), m.task("att_leased", time.Hour)
	spaced.AskedAt = m.now().Add(-time.Minute)
	leased.LeasedUntil = m.now().Add(time.Hour)
	over := m.task("att_over", time.Minute)
	over.LeasedUntil, over.Fence, over.Asked, over.Hinted = m.now().Add(-time.Second), 4, 2, true
	m.mustSave(&store.Changes{Tasks: []store.Task{
		m.task("att_old", time.Hour), over, m.task("att_young", time.Second), m.task("att_early", -time.Hour), spaced, leased,
	}})
	claim := store.Claim{Limit: 2, LeaseFor: time.Hour, Spacing: 10 * time.Minute}
	if ids := m.claimed(store.Claim{Limit: 2, LeaseFor: time.Hour, Except: []string{"other", "acc"}}); len(ids) != 0 {
		t.Errorf("claimed %v of an account that has enough to do", ids)
	}
	before := m.now()
	tasks, err := s.ClaimTasks(m.ctx(), claim)
	if err != nil || len(tasks) != 2 || tasks[0].ID != "att_old" || tasks[1].ID != "att_over" {
		t.Fatalf("claimed %+v (%v), want the oldest two", tasks, err)
	}
	for _, got := range tasks {
		m.mustBeLeased(got, before.Add(time.Hour))
	}
	if tasks[0].Fence != 1 || tasks[1].Fence != 5 || tasks[1].Asked != 2 || !tasks[1].Hinted {
		t.Errorf("claimed %+v", tasks)
	}
	claim.Limit = 9
	if got := m.claimed(claim); same([]string{"att_young"}, got) != "" {
		t.Errorf("claimed %v", got)
	}
	claim.Spacing = time.Second
	if got := m.claimed(claim); same([]string{"att_spaced"}, got) != "" {
		t.Errorf("claimed %v after the spacing", got)
	}
	if got := m.claimed(claim); len(got) != 0 {
		t.Errorf("claimed %v again", got)
	}
}

// mustBeLeased checks a claim against what is stored.
func (m *maker) mustBeLeased(got store.Task, until time.Time) {
	m.t.Helper()
	stored, _ := m.readTask(got.ID)
	if diff := same(stored, got); diff != "" {
		m.t.Fatal(diff)
	}
	if d := got.LeasedUntil.Sub(until); d < 0 || d > time.Minute {
		m.t.Fatalf("leased until %v, want %v", got.LeasedUntil, until)
	}
}

func taskClaimed(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	early := m.task("att_1", -time.Hour)
	early.AskedAt = m.now()
	m.mustSave(&store.Changes{Tasks: []store.Task{early}})
	got, err := s.ClaimTask(m.ctx(), early.TaskKey, time.Hour)
	if err != nil || got.Fence != 1 || !got.LeasedUntil.After(m.now()) || !got.DueAt.Equal(early.DueAt) {
		t.Errorf("claimed %+v (%v)", got, err)
	}
	for _, key := range []store.TaskKey{early.TaskKey, {Merchant: "other", ID: "att_1"}, {Merchant: "demo", ID: "att_2"}} {
		if got, err := s.ClaimTask(m.ctx(), key, time.Hour); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("claimed %+v (%v)", got, err)
		}
	}
	got.LeasedUntil = time.Time{}
	m.mustSave(&store.Changes{Tasks: []store.Task{got}})
	if got, err = s.ClaimTask(m.ctx(), early.TaskKey, -time.Second); err != nil || got.Fence != 2 {
		t.Errorf("claimed %+v (%v)", got, err)
	}
	if got, err = s.ClaimTask(m.ctx(), early.TaskKey, time.Second); err != nil || got.Fence != 3 {
		t.Errorf("after the lease: %+v (%v)", got, err)
	}
}

func tasksNudged(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo", "other")
	const spacing = 10 * time.Minute
	asked, long, due := m.task("att_asked", -time.Hour), m.task("att_long", -time.Hour), m.task("att_due", time.Minute)
	asked.AskedAt, long.AskedAt = m.now().Add(-time.Minute), m.now().Add(-time.Hour)
	soon := m.task("att_soon", -time.Minute)
	soon.AskedAt = m.now()
	other, theirs := m.task("att_other", -time.Hour), m.task("att_theirs", -time.Hour)
	other.OrderID, theirs.Merchant = "B", "other"
	m.mustSave(&store.Changes{Tasks: []store.Task{m.task("att_new", -time.Hour), asked, long, due, soon, other, theirs}})
	before := m.now()
	if err := s.NudgeTasks(m.ctx(), store.OrderKey{Merchant: "demo", ID: "A"}, spacing); err != nil {
		t.Fatal(err)
	}
	after := m.now()
	for id, want := range map[string]time.Time{
		"att_asked": asked.AskedAt.Add(spacing), "att_due": due.DueAt, "att_soon": soon.DueAt, "att_other": other.DueAt,
	} {
		if got, _ := m.readTask(id); !got.DueAt.Equal(want) {
			t.Errorf("%s is due at %v, want %v", id, got.DueAt, want)
		}
	}
	for _, id := range []string{"att_new", "att_long"} {
		if got, _ := m.readTask(id); got.DueAt.Before(before) || got.DueAt.After(after) || got.Fence != 0 {
			t.Errorf("%s is %+v, want it due at once", id, got)
		}
	}
	if got := m.load(store.Keys{Tasks: []store.TaskKey{theirs.TaskKey}}).Tasks[theirs.TaskKey]; !got.DueAt.Equal(theirs.DueAt) {
		t.Error("another merchant's task was nudged")
	}
}

// tasksClaimedOnce lets many claimers at the same tasks: nobody gets what another one has.
func tasksClaimedOnce(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	const total, claimers = 60, 6
	changes := &store.Changes{}
	for i := range total {
		changes.Tasks = append(changes.Tasks, m.task(fmt.Sprintf("att_%d", i), time.Minute))
	}
	m.mustSave(changes)
	var mu sync.Mutex
	times := map[string]int{}
	var group sync.WaitGroup
	for range claimers {
		group.Go(func() {
			for {
				tasks, err := s.ClaimTasks(m.ctx(), store.Claim{Limit: 7, LeaseFor: time.Hour})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, one := range tasks {
					times[one.ID]++
				}
				done := len(times) == total
				mu.Unlock()
				if done || len(tasks) == 0 {
					return
				}
			}
		})
	}
	group.Wait()
	for id, n := range times {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
	if rest := m.claimed(store.Claim{Limit: total, LeaseFor: time.Hour}); len(times)+len(rest) != total {
		t.Errorf("claimed %d and %d of %d", len(times), len(rest), total)
	}
}

func paceTaken(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	taken := make(chan bool)
	const askers = 8
	for range askers {
		go func() {
			is, err := s.TakePace(m.ctx(), "acc", time.Hour)
			if err != nil {
				t.Error(err)
			}
			taken <- is
		}()
	}
	count := 0
	for range askers {
		if <-taken {
			count++
		}
	}
	if count != 1 {
		t.Errorf("%d of %d may ask", count, askers)
	}
	for range 3 {
		if is, err := s.TakePace(m.ctx(), "other", 0); !is || err != nil {
			t.Errorf("another account may ask: %v (%v)", is, err)
		}
	}
}

func markKept(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	marks := make(chan string)
	const servers = 6
	for i := range servers {
		go func() {
			mark, err := s.EnsureMark(m.ctx(), fmt.Sprintf("kvit%02d", i))
			if err != nil {
				t.Error(err)
			}
			marks <- mark
		}()
	}
	first := <-marks
	for range servers - 1 {
		if mark := <-marks; mark != first || mark == "" {
			t.Errorf("servers have the marks %q and %q", first, mark)
		}
	}
	if mark, err := s.EnsureMark(m.ctx(), "later1"); mark != first || err != nil {
		t.Errorf("later the mark is %q (%v)", mark, err)
	}
}

// ordersOfAttempts asks at once about attempts whose messages were taken in, kept as hints, or never came.
func ordersOfAttempts(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo", "other")
	const many = 21
	outcomes := []store.MessageOutcome{store.MessageApplied, store.MessageHint, ""}
	about := func(merchant string, i int) store.Message {
		one := message(merchant, fmt.Sprintf("about %d", i))
		one.Outcome = outcomes[i%len(outcomes)]
		return one
	}
	for i := range many {
		w := wish{merchant: "demo", id: fmt.Sprintf("A-%d", i)}
		m.create(w)
		m.change(w.orderKey(), start(fmt.Sprintf("att_%d", i), "acc"))
		if one := about("demo", i); one.Outcome != "" {
			m.mustSave(&store.Changes{Messages: []store.Message{one}})
		}
	}
	var group sync.WaitGroup
	for i := range many {
		group.Go(func() {
			attempt, one := fmt.Sprintf("att_%d", i), about("demo", i)
			got, outcome, err := s.OrderOfAttempt(m.ctx(), attempt, one.MessageKey)
			if got != fmt.Sprintf("A-%d", i) || outcome != one.Outcome || err != nil {
				t.Errorf("attempt %d is of order %q, its message %q (%v)", i, got, outcome, err)
			}
			one.Account = "another"
			if got, outcome, err := s.OrderOfAttempt(m.ctx(), attempt, one.MessageKey); got == "" || outcome != "" || err != nil {
				t.Errorf("attempt %d, another account's message: %q of order %q (%v)", i, outcome, got, err)
			}
			if got, _, err := s.OrderOfAttempt(m.ctx(), attempt, about("other", i).MessageKey); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("another merchant's attempt is of order %q (%v)", got, err)
			}
		})
	}
	group.Wait()
}

func refundsListed(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo", "other")
	var all []string // Oldest first.
	for _, id := range []string{"A", "B"} {
		w := wish{merchant: "demo", id: id}
		m.create(w)
		m.change(w.orderKey(), start("att_"+id, "acc"))
		m.change(w.orderKey(), paid("att_"+id, "psp-"+id))
		for range 3 {
			m.change(w.orderKey(), func(o *order.Order, act order.Act) error {
				refund, err := o.RequestRefund(act, order.RefundSpec{AmountMinor: 100})
				if err == nil {
					all = append(all, refund.ID)
				}
				return err
			})
		}
	}
	m.change(store.OrderKey{Merchant: "demo", ID: "A"}, func(o *order.Order, act order.Act) error { return o.SendRefund(act, all[1]) })
	list := func(filter store.RefundFilter, page store.Page) []store.RefundRead {
		t.Helper()
		found, err := s.ListRefunds(m.ctx(), "demo", filter, page)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	expect := func(found []store.RefundRead, want ...int) {
		t.Helper()
		var ids []string
		for _, i := range want {
			ids = append(ids, all[i])
		}
		var got []string
		for _, f := range found {
			got = append(got, f.ID)
		}
		if diff := same(ids, got); diff != "" {
			t.Error(diff)
		}
	}
	page := store.Page{Limit: 9}
	expect(list(store.RefundFilter{}, page), 5, 4, 3, 2, 1, 0)
	expect(list(store.RefundFilter{OrderID: "A"}, page), 2, 1, 0)
	expect(list(store.RefundFilter{States: []order.RefundState{order.RefundIsSent}}, page), 1)
	expect(list(store.RefundFilter{OrderID: "B", States: []order.RefundState{order.RefundIsSent, order.RefundReserved}}, page), 5, 4, 3)
	first := list(store.RefundFilter{}, store.Page{Limit: 4})
	expect(first, 5, 4, 3, 2)
	expect(list(store.RefundFilter{}, store.Page{Limit: 4, BeforeTime: first[3].RequestedAt, BeforeID: first[3].ID}), 1, 0)
	o := m.loadOrder(store.OrderKey{Merchant: "demo", ID: "A"})
	want := store.RefundRead{Refund: o.Refunds[1], OrderID: "A", Currency: "AMD"}
	if diff := same(want, list(store.RefundFilter{OrderID: "A"}, page)[1]); diff != "" {
		t.Error(diff)
	}
	if id, err := s.OrderOfRefund(m.ctx(), "demo", all[4]); id != "B" || err != nil {
		t.Errorf("the refund is of order %q (%v)", id, err)
	}
	if id, err := s.OrderOfRefund(m.ctx(), "other", all[4]); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another merchant's refund is of order %q (%v)", id, err)
	}
	if theirs, err := s.ListRefunds(m.ctx(), "other", store.RefundFilter{}, page); len(theirs) != 0 || err != nil {
		t.Errorf("another merchant's refunds %+v (%v)", theirs, err)
	}
}

func linkFoundByToken(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := lesson("demo", "A")
	made := m.create(w)
	fixed := m.createLink(wish{merchant: "demo", link: "lnk_fixed", kind: order.Fixed, details: order.Details{Description: "Coffee"}})
	for _, l := range []*order.Link{made.Links[0].After, fixed} {
		want, err := s.Link(m.ctx(), store.LinkKey{Merchant: "demo", ID: l.ID})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.LinkByToken(m.ctx(), l.TokenHash)
		if err != nil || got.Now.Before(want.Now) {
			t.Fatalf("read at %v after %v (%v)", got.Now, want.Now, err)
		}
		got.Now = want.Now
		if diff := same(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := s.LinkByToken(m.ctx(), [32]byte{1}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no token: %v", err)
	}
}
