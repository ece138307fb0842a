package writer_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

// start runs a writer until the test ends.
func start(t *testing.T, begins store.Begins, opts writer.Options) *writer.Writer {
	t.Helper()
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	w := writer.New(begins, opts)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return w
}

// calls runs commands at the same time, each begun after the one before waits, and collects their answers.
type calls struct {
	w       *writer.Writer
	running sync.WaitGroup
	mu      sync.Mutex
	errs    []error
}

// begin hands a command over from a goroutine of its own and returns when it waits or is taken.
func (c *calls) begin(ctx context.Context, cmd writer.Command) {
	c.mu.Lock()
	i := len(c.errs)
	c.errs = append(c.errs, nil)
	c.mu.Unlock()
	c.running.Go(func() {
		err := c.w.Do(ctx, cmd)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.errs[i] = err
	})
	synctest.Wait()
}

func (c *calls) wait() []error {
	c.running.Wait()
	return c.errs
}

// gate holds the first batch before it loads, until it is opened.
type gate struct {
	open    chan struct{}
	batches [][]string
	mu      sync.Mutex
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) hooks() writer.Hooks {
	return writer.Hooks{AfterCollect: func(_ context.Context, step writer.Step) error {
		g.mu.Lock()
		g.batches = append(g.batches, step.Commands)
		g.mu.Unlock()
		<-g.open
		return nil
	}}
}

func (g *gate) sizes() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	var sizes []int
	for _, names := range g.batches {
		sizes = append(sizes, len(names))
	}
	return sizes
}

func expectNoErrors(t *testing.T, errs []error) {
	t.Helper()
	for i, err := range errs {
		if err != nil {
			t.Errorf("command %d: %v", i, err)
		}
	}
}

func expectReason(t *testing.T, err error, kind fault.Kind, reason fault.Reason) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || fault.ReasonOf(err) != reason {
		t.Errorf("got %v, want %s", err, reason)
	}
}

func TestDo_J1_CommitsLinkOrderAndRecordWithTheJournal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		w := start(t, m, writer.Options{})
		cmd, out := create(t, "shop", "A", "k1", 100)
		if err := w.Do(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
		if out.replayed || m.order("A") == nil || len(m.links) != 1 || len(m.records) != 1 {
			t.Errorf("order, link or record is missing: %+v", out)
		}
		if got := m.types(t, "shop"); !slices.Equal(got, []string{"A link.created", "A order.created"}) {
			t.Errorf("the journal is %v: entries stand in the order of the saves", got)
		}
	})
}

func TestDo_CollectsWhatWaitsWhileABatchIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, g := newMemory(), newGate()
		c := calls{w: start(t, m, writer.Options{Hooks: g.hooks()})}
		for i := range 1 + writer.CommandsMax + 10 {
			cmd, _ := create(t, "shop", name("order", i), name("key", i), 100)
			c.begin(t.Context(), cmd)
		}
		close(g.open)
		expectNoErrors(t, c.wait())
		if got := g.sizes(); !slices.Equal(got, []int{1, writer.CommandsMax, 10}) {
			t.Errorf("batches of %v", got)
		}
		types := m.types(t, "shop")
		for i := range c.errs {
			if want := name("order", i) + " order.created"; types[2*i+1] != want {
				t.Fatalf("entry %d is %s, want %s: arrival order is lost", 2*i+1, types[2*i+1], want)
			}
		}
	})
}

func TestDo_ABatchHoldsNoMoreThanItsBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c := calls{w: start(t, newMemory(), writer.Options{Hooks: g.hooks(), BytesMax: 1000})}
		for i, size := range []int{1, 400, 400, 400, 5000, 400} {
			cmd, _ := create(t, "shop", name("order", i), name("key", i), 100)
			cmd.Size = size
			c.begin(t.Context(), cmd)
		}
		close(g.open)
		expectNoErrors(t, c.wait())
		if got := g.sizes(); !slices.Equal(got, []int{1, 2, 1, 1, 1}) {
			t.Errorf("batches of %v", got)
		}
	})
}

func TestDo_I2_OneKeyFiftyTimesIsOneEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, g := newMemory(), newGate()
		c := calls{w: start(t, m, writer.Options{Hooks: g.hooks()})}
		first := cancel(t, "shop", "none")
		c.begin(t.Context(), first)
		var outs []*outcome
		for range 50 {
			cmd, out := create(t, "shop", "A", "k1", 100)
			outs = append(outs, out)
			c.begin(t.Context(), cmd)
		}
		close(g.open)
		expectNoErrors(t, c.wait()[1:])
		replays := 0
		for _, out := range outs {
			if out.replayed {
				replays++
			}
			if out.result != outs[0].result {
				t.Errorf("answers differ: %s and %s", out.result, outs[0].result)
			}
		}
		if replays != 49 || len(m.types(t, "shop")) != 2 {
			t.Errorf("%d replays, journal %v", replays, m.types(t, "shop"))
		}
	})
}

func TestDo_LaterCommandsSeeWhatEarlierOnesChanged(t *testing.T) {
	t.Parallel()
	m := newMemory()
	made, _ := create(t, "shop", "A", "k1", 100)
	other, _ := create(t, "shop", "A", "k2", 999)
	errs := writer.RunBatch(t.Context(), m, []writer.Command{
		made, cancel(t, "shop", "A"), other, cancel(t, "shop", "A"),
	})
	expectReason(t, errs[2], fault.Conflict, fault.ReasonOrderIDConflict)
	expectNoErrors(t, slices.Delete(errs, 2, 3))
	if got := m.types(t, "shop"); !slices.Equal(got, []string{"A link.created", "A order.created", "A order.cancelled"}) {
		t.Errorf("the journal is %v", got)
	}
	if m.begun.Load() != 1 || m.saved.Load() != 1 || m.order("A").State != order.Cancelled {
		t.Errorf("%d begun, %d saved, order %s", m.begun.Load(), m.saved.Load(), m.order("A").State)
	}
}

func TestDo_ARefusalKeepsNothingOfItsCommand(t *testing.T) {
	t.Parallel()
	m := newMemory()
	good, _ := create(t, "shop", "A", "k1", 100)
	refused, _ := create(t, "shop", "B", "k2", 100)
	decide := refused.Decide
	no := fault.New(fault.Precondition, fault.ReasonLinkInactive, "No.")
	refused.Decide = func(v *writer.View) error { return errors.Join(decide(v), no) }
	after, out := create(t, "shop", "B", "k2", 100)
	errs := writer.RunBatch(t.Context(), m, []writer.Command{good, refused, after})
	if errs[0] != nil || !errors.Is(errs[1], no) || errs[2] != nil || out.replayed {
		t.Errorf("answers %v, replayed %v", errs, out.replayed)
	}
	if got := len(m.types(t, "shop")); got != 4 {
		t.Errorf("%d entries", got)
	}
}

func TestDo_APanicConcernsItsOwnCommandAndIsLoggedWithItsStack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, g := newMemory(), newGate()
		var log strings.Builder
		c := calls{w: start(t, m, writer.Options{Hooks: g.hooks(), Logger: slog.New(slog.NewTextHandler(&log, nil))})}
		for i := range 3 {
			cmd, _ := create(t, "shop", name("order", i), name("key", i), 100)
			if decide := cmd.Decide; i == 1 {
				cmd.Decide = func(v *writer.View) error {
					err := decide(v)
					var nothing *order.Order
					nothing.Version++
					return err
				}
			}
			c.begin(t.Context(), cmd)
		}
		close(g.open)
		errs := c.wait()
		expectReason(t, errs[1], fault.Internal, fault.ReasonInternal)
		expectNoErrors(t, []error{errs[0], errs[2]})
		if len(m.types(t, "shop")) != 4 || m.order("order-1") != nil {
			t.Errorf("the journal is %v", m.types(t, "shop"))
		}
		for _, want := range []string{"nil pointer", "writer_test.go", "create_payment_link"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log has no %q", want)
			}
		}
	})
}

func TestDecide_BreaksOfTheRulesConcernTheirOwnCommand(t *testing.T) {
	t.Parallel()
	a, _ := order.ParseID("A")
	b, _ := order.ParseID("B")
	act := func(v *writer.View) order.Act {
		return order.NewAct(v.Now(), order.Actor{Kind: order.BySystem}, order.IDs{Seed: [16]byte{1}})
	}
	breaks := map[string]func(v *writer.View){
		"looks at an order without naming it": func(v *writer.View) { v.Order(b) },
		"looks at a link without naming it":   func(v *writer.View) { v.Link("lnk_other") },
		"looks at a record without naming it": func(v *writer.View) { v.Record(createMethod, "other") },
		"saves another merchant's order": func(v *writer.View) {
			o := v.Order(a)
			o.Merchant = "other"
			v.SaveOrder(o)
		},
		"saves another merchant's link": func(v *writer.View) { v.SaveLink(&order.Link{Merchant: "other"}) },
		"saves another merchant's record": func(v *writer.View) {
			v.SaveRecord(store.Record{RecordKey: store.RecordKey{Merchant: "other"}})
		},
		"looks at a message without naming it": func(v *writer.View) { v.Message("acc", [32]byte{9}) },
		"looks at a task without naming it":    func(v *writer.View) { v.Task("att_other") },
		"finishes a task without naming it":    func(v *writer.View) { v.FinishTask("att_other") },
		"looks at a payment without naming it": func(v *writer.View) { v.PaymentOwner("acc", "p9") },
		"saves another merchant's message": func(v *writer.View) {
			v.SaveMessage(store.Message{MessageKey: store.MessageKey{Merchant: "other"}})
		},
		"saves another merchant's task": func(v *writer.View) {
			v.SaveTask(store.Task{TaskKey: store.TaskKey{Merchant: "other"}})
		},
		"saves another merchant's handoff": func(v *writer.View) { v.SaveHandoff(store.Handoff{Merchant: "other"}) },
		"changes an order after saving it": func(v *writer.View) {
			o := v.Order(a)
			o.OfferUntil = v.Now()
			one := act(v)
			_ = o.Expire(one)
			v.SaveOrder(o)
			_, _ = o.Offer(one, order.Spec{Terms: o.Terms, OfferUntil: v.Now().Add(1), AcceptUntil: v.Now().Add(1)})
		},
		"saves an order as it was before its last change": func(v *writer.View) {
			o, p, one := v.Order(a), v.Order(a), act(v)
			_ = o.Cancel(one)
			v.SaveOrder(o)
			_ = p.Cancel(one)
			v.SaveOrder(p)
		},
		"saves an order as it was before any change": func(v *writer.View) {
			o, p := v.Order(a), v.Order(a)
			_ = o.Cancel(act(v))
			v.SaveOrder(o)
			v.SaveOrder(p)
		},
	}
	for what, decide := range breaks {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			made, _ := create(t, "shop", "A", "k1", 100)
			bad := cancel(t, "shop", "A")
			bad.Decide = func(v *writer.View) error {
				decide(v)
				return nil
			}
			other, _ := create(t, "shop", "C", "k2", 100)
			errs := writer.RunBatch(t.Context(), m, []writer.Command{made, bad, other})
			expectReason(t, errs[1], fault.Internal, fault.ReasonInternal)
			expectNoErrors(t, []error{errs[0], errs[2]})
			if got := m.order("A").State; got != order.Pending {
				t.Errorf("the order is %s: something of the broken decision was kept", got)
			}
		})
	}
}

func TestRecord_I2_IsWrittenOnce(t *testing.T) {
	t.Parallel()
	m := newMemory()
	twice, _ := create(t, "shop", "A", "k1", 100)
	decide := twice.Decide
	twice.Decide = func(v *writer.View) error {
		err := decide(v)
		v.SaveRecord(store.Record{RecordKey: twice.Keys.Records[0]})
		return err
	}
	errs := writer.RunBatch(t.Context(), m, []writer.Command{twice})
	expectReason(t, errs[0], fault.Internal, fault.ReasonInternal)
	if len(m.records) != 0 {
		t.Error("a record was kept")
	}
}

func TestDo_NothingChangedIsRolledBackAndNotPublished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		var published [][]string
		w := start(t, m, writer.Options{Publish: func(merchants []string) { published = append(published, merchants) }})
		for range 2 {
			cmd, _ := create(t, "shop", "A", "k1", 100)
			if err := w.Do(t.Context(), cmd); err != nil {
				t.Fatal(err)
			}
		}
		if m.saved.Load() != 1 || m.rolledBack.Load() != 1 || len(published) != 1 {
			t.Errorf("%d saved, %d rolled back, published %v", m.saved.Load(), m.rolledBack.Load(), published)
		}
	})
}

func TestPublish_NamesEachMerchantOnceBeforeAnybodyIsAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, g := newMemory(), newGate()
		var published [][]string
		var answered atomic.Int32
		w := start(t, m, writer.Options{Lanes: 1, Hooks: g.hooks(), Publish: func(merchants []string) {
			if answered.Load() > 1 || m.saved.Load() == 0 {
				t.Errorf("published after %d answers and %d commits", answered.Load(), m.saved.Load())
			}
			published = append(published, merchants)
		}})
		var running sync.WaitGroup
		for i, merchant := range []string{"none", "b", "a", "b", "a"} {
			cmd, _ := create(t, merchant, name("order", i), name("key", i), 100)
			if i == 0 {
				cmd = cancel(t, "none", "none")
			}
			running.Go(func() {
				_ = w.Do(t.Context(), cmd)
				answered.Add(1)
			})
			synctest.Wait()
		}
		close(g.open)
		running.Wait()
		if len(published) != 1 || !slices.Equal(published[0], []string{"a", "b"}) {
			t.Errorf("published %v", published)
		}
	})
}

func TestDo_ALostRaceIsRunAgainOnFreshRows(t *testing.T) {
	t.Parallel()
	m := newMemory()
	lost := true
	m.save = func(*store.Changes) error {
		if !lost {
			return nil
		}
		lost = false
		m.save = nil
		winner, _ := create(t, "shop", "A", "k1", 100)
		expectNoErrors(t, writer.RunBatch(t.Context(), m, []writer.Command{winner}))
		return store.ErrRetry
	}
	cmd, out := create(t, "shop", "A", "k1", 100)
	other, _ := create(t, "shop", "B", "k2", 100)
	expectNoErrors(t, writer.RunBatch(t.Context(), m, []writer.Command{cmd, other}))
	if !out.replayed || out.runs != 2 || len(m.types(t, "shop")) != 4 {
		t.Errorf("%+v, journal %v", out, m.types(t, "shop"))
	}
}

func TestDo_ThreeLostRacesThenOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, g := newMemory(), newGate()
		m.save = func(changes *store.Changes) error {
			if len(changes.Orders) > 1 {
				return store.ErrRetry
			}
			return nil
		}
		var reports []writer.BatchReport
		c := calls{w: start(t, m, writer.Options{Hooks: g.hooks(), Observer: writer.Observer{
			Batch: func(r writer.BatchReport) { reports = append(reports, r) },
		}})}
		for i := range 4 {
			cmd, _ := create(t, "shop", name("order", i), name("key", i), 100)
			c.begin(t.Context(), cmd)
		}
		close(g.open)
		expectNoErrors(t, c.wait())
		if got := g.sizes(); !slices.Equal(got, []int{1, 3, 3, 3, 3, 1, 1, 1}) {
			t.Errorf("runs of %v", got)
		}
		if last := reports[len(reports)-1]; last.Retries != 3 || !last.Alone || last.Commands != 3 {
			t.Errorf("reported %+v", last)
		}
	})
}

func TestDo_APoisonousCommandFailsAlone(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.save = func(changes *store.Changes) error {
		for _, c := range changes.Orders {
			if c.After.ID.String() == "order-2" {
				return errors.New("check violated")
			}
		}
		return nil
	}
	var cmds []writer.Command
	for i := range 5 {
		cmd, _ := create(t, "shop", name("order", i), name("key", i), 100)
		cmds = append(cmds, cmd)
	}
	errs := writer.RunBatch(t.Context(), m, cmds)
	expectReason(t, errs[2], fault.Internal, fault.ReasonInternal)
	expectNoErrors(t, slices.Delete(errs, 2, 3))
	if got := len(m.types(t, "shop")); got != 8 {
		t.Errorf("%d entries", got)
	}
}

func TestDo_AnUnclearCommitIsNeverRunAgain(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.save = func(*store.Changes) error { return store.ErrCommitUnclear }
	made, out := create(t, "shop", "A", "k1", 100)
	none := cancel(t, "shop", "none")
	for _, err := range writer.RunBatch(t.Context(), m, []writer.Command{made, none}) {
		expectReason(t, err, fault.Unavailable, fault.ReasonStoreUnavailable)
		if fault.As(err).RetryDelay() == 0 {
			t.Error("no advice when to repeat")
		}
	}
	if out.runs != 1 || m.begun.Load() != 1 {
		t.Errorf("%d runs", out.runs)
	}
}

func TestDo_AStoreThatIsAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.begin = func() error { return errors.New("connection refused") }
	a, _ := create(t, "shop", "A", "k1", 100)
	b, _ := create(t, "shop", "B", "k2", 100)
	for _, err := range writer.RunBatch(t.Context(), m, []writer.Command{a, b}) {
		expectReason(t, err, fault.Unavailable, fault.ReasonStoreUnavailable)
	}
	if m.begun.Load() != 1 {
		t.Errorf("tried %d times", m.begun.Load())
	}
}

func TestDo_AStoreThatGoesAwayWhileSavingIsUnavailable(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.save = func(*store.Changes) error {
		m.begin = func() error { return errors.New("connection refused") }
		return errors.New("connection reset")
	}
	a, _ := create(t, "shop", "A", "k1", 100)
	b, _ := create(t, "shop", "B", "k2", 100)
	for _, err := range writer.RunBatch(t.Context(), m, []writer.Command{a, b}) {
		expectReason(t, err, fault.Unavailable, fault.ReasonStoreUnavailable)
	}
	if m.begun.Load() != 2 {
		t.Errorf("tried %d times, where the second showed that the store is away", m.begun.Load())
	}
}

func TestDo_ACallerThatGivesUpWhileWaitingTakesItsCommandAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, g := newMemory(), newGate()
		refused := make(chan fault.Reason, 3)
		w := start(t, m, writer.Options{Hooks: g.hooks(), Observer: writer.Observer{
			Refused: func(_ string, reason fault.Reason) { refused <- reason },
		}})
		c := calls{w: w}
		first, _ := create(t, "shop", "A", "k1", 100)
		c.begin(t.Context(), first)
		ctx, giveUp := context.WithCancel(t.Context())
		second, out := create(t, "shop", "B", "k2", 100)
		c.begin(ctx, second)
		hasty, done := context.WithTimeout(t.Context(), time.Millisecond)
		defer done()
		third, _ := create(t, "shop", "C", "k3", 100)
		c.begin(hasty, third)
		giveUp()
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if w.Waiting() != 0 {
			t.Errorf("%d still wait", w.Waiting())
		}
		close(g.open)
		errs := c.wait()
		expectReason(t, errs[1], fault.Unavailable, fault.ReasonCancelled)
		expectReason(t, errs[2], fault.Unavailable, fault.ReasonDeadline)
		expectReason(t, w.Do(ctx, second), fault.Unavailable, fault.ReasonCancelled)
		if out.runs != 0 || m.order("B") != nil || errs[0] != nil {
			t.Errorf("it was run %d times", out.runs)
		}
		if len(refused) != 3 {
			t.Errorf("%d refusals were observed", len(refused))
		}
	})
}

func TestDo_ACallerThatGivesUpLaterIsCommittedWithout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, g := newMemory(), newGate()
		w := start(t, m, writer.Options{Hooks: g.hooks()})
		c := calls{w: w}
		ctx, giveUp := context.WithCancel(t.Context())
		cmd, _ := create(t, "shop", "A", "k1", 100)
		c.begin(ctx, cmd)
		giveUp()
		expectReason(t, c.wait()[0], fault.Unavailable, fault.ReasonCancelled) // It returns while the batch is held.
		close(g.open)
		again, out := create(t, "shop", "A", "k1", 100)
		if err := w.Do(t.Context(), again); err != nil || !out.replayed {
			t.Errorf("the repeat is no replay: %v %+v", err, out)
		}
	})
}

func TestDo_AFullQueueIsRateLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, g := newMemory(), newGate()
		w := start(t, m, writer.Options{Hooks: g.hooks(), WaitingMax: 2})
		c := calls{w: w}
		for i := range 4 {
			cmd, _ := create(t, "shop", name("order", i), name("key", i), 100)
			c.begin(t.Context(), cmd)
		}
		close(g.open)
		errs := c.wait()
		expectNoErrors(t, errs[:3])
		expectReason(t, errs[3], fault.Exhausted, fault.ReasonRateLimited)
		if fault.As(errs[3]).RetryDelay() == 0 {
			t.Error("no advice when to repeat")
		}
	})
}

func TestDo_ASecondOfWaitingIsRateLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, g := newMemory(), newGate()
		w := start(t, m, writer.Options{Hooks: g.hooks()})
		c := calls{w: w}
		for i := range 4 {
			cmd, _ := create(t, "shop", name("order", i), name("key", i), 100)
			cmd.Bulk = i == 1
			c.begin(t.Context(), cmd)
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(300 * time.Millisecond) // The second waits 1.2 s now, the third 0.9 s.
		synctest.Wait()
		if w.Waiting() != 2 {
			t.Errorf("%d wait", w.Waiting())
		}
		close(g.open)
		errs := c.wait()
		expectReason(t, errs[1], fault.Exhausted, fault.ReasonRateLimited)
		expectNoErrors(t, slices.Delete(errs, 1, 2))
	})
}

func TestDo_BulkLetsOthersPassOnePerBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, g := newMemory(), newGate()
		c := calls{w: start(t, m, writer.Options{Hooks: g.hooks(), CommandsMax: 3})}
		for i, bulk := range []bool{false, true, true, false, false, false} {
			cmd, _ := create(t, "shop", name("order", i), name("key", i), 100)
			cmd.Bulk = bulk
			if bulk {
				cmd.Name = "bulk"
			}
			c.begin(t.Context(), cmd)
		}
		close(g.open)
		expectNoErrors(t, c.wait())
		const one = "create_payment_link"
		want := [][]string{{one}, {one, one, "bulk"}, {one, "bulk"}}
		if !slices.EqualFunc(g.batches, want, slices.Equal[[]string]) {
			t.Errorf("batches %v", g.batches)
		}
	})
}

func TestRun_FinishesTheBatchInFlightAndTurnsTheRestAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, g := newMemory(), newGate()
		w := writer.New(m, writer.Options{Now: time.Now, Logger: slog.New(slog.DiscardHandler), Hooks: g.hooks()})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		c := calls{w: w}
		for i := range 3 {
			cmd, _ := create(t, "shop", name("order", i), name("key", i), 100)
			c.begin(t.Context(), cmd)
		}
		stop()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Errorf("Run returned while a batch is in flight: %v", err)
		default:
		}
		late, _ := create(t, "shop", "late", "late", 100)
		expectReason(t, w.Do(t.Context(), late), fault.Unavailable, fault.ReasonShuttingDown)
		close(g.open)
		errs := c.wait()
		expectNoErrors(t, errs[:1])
		expectReason(t, errs[1], fault.Unavailable, fault.ReasonShuttingDown)
		expectReason(t, errs[2], fault.Unavailable, fault.ReasonShuttingDown)
		if err := <-ended; err != nil || m.order("order-0") == nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestRun_AMerchantHasOneBatchInFlightWhileLanesOpenAndClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.pace = 3 * time.Millisecond
		var mu sync.Mutex
		inFlight := map[string]int{}
		change := func(changes *store.Changes, by int) {
			mu.Lock()
			defer mu.Unlock()
			seen := map[string]bool{}
			for i := range changes.Entries {
				merchant := changes.Entries[i].Merchant
				if seen[merchant] {
					continue
				}
				seen[merchant] = true
				if inFlight[merchant] += by; inFlight[merchant] > 1 {
					t.Errorf("two batches of %s at once", merchant)
				}
			}
		}
		m.save = func(changes *store.Changes) error {
			change(changes, 1)
			time.Sleep(m.pace)
			change(changes, -1)
			return nil
		}
		w := start(t, m, writer.Options{})
		narrow := w.Lanes()
		if narrow != runtime.GOMAXPROCS(0) {
			t.Errorf("%d lanes on %d cores", narrow, runtime.GOMAXPROCS(0))
		}
		load := func(round string) {
			var running sync.WaitGroup
			for i := range 16 {
				merchant := name("shop", i)
				running.Go(func() {
					for n := range 40 {
						cmd, _ := create(t, merchant, name(round, n), name(round, n), 100)
						if err := w.Do(t.Context(), cmd); err != nil {
							t.Errorf("%v", err)
						}
						time.Sleep(time.Duration(i*i) * 100 * time.Microsecond)
					}
				})
			}
			running.Wait()
		}
		load("slow")
		if got := w.Lanes(); got < 8 {
			t.Errorf("%d lanes where a save takes 6 ms", got)
		}
		m.pace = 50 * time.Microsecond
		load("quick")
		if got := w.Lanes(); got != narrow {
			t.Errorf("%d lanes where a save takes 0.1 ms", got)
		}
		for i := range 16 {
			if got := len(m.types(t, name("shop", i))); got != 160 {
				t.Errorf("%d entries of %s", got, name("shop", i))
			}
		}
	})
}

func TestRun_AMerchantMovesToAnotherLaneOnlyAfterItsBatch(t *testing.T) {
	t.Parallel()
	for i := range 8 { // Which merchant moves is drawn by lot: the chance that none of these does is 1 in 65,536.
		synctest.Test(t, func(t *testing.T) {
			m, holding := newMemory(), newHold("held")
			m.pace = 2 * time.Millisecond
			w := start(t, m, writer.Options{Lanes: 2, LanesMax: 8, Hooks: writer.Hooks{BeforeSave: holding.hook}})
			c := calls{w: w}
			held, _ := create(t, name("held", i), "A", "k1", 100)
			held.Name = "held"
			c.begin(t.Context(), held)
			// Others save slowly, those that are not in the lane of the held one.
			for n := 0; w.Lanes() < 8; n++ {
				cmd, _ := create(t, name("shop", n%8), name("order", n), name("key", n), 100)
				ctx, done := context.WithTimeout(t.Context(), 10*time.Millisecond)
				if err := w.Do(ctx, cmd); err != nil {
					expectReason(t, err, fault.Unavailable, fault.ReasonDeadline)
				}
				done()
				if n > 1000 {
					t.Fatal("the lanes do not open")
				}
			}
			next, out := create(t, name("held", i), "A", "k1", 100)
			c.begin(t.Context(), next)
			if w.Waiting() != 1 {
				t.Errorf("a command was taken while a batch of its merchant is in flight")
			}
			close(holding.free)
			expectNoErrors(t, c.wait())
			if !out.replayed {
				t.Error("the second does not see the first")
			}
		})
	}
}
