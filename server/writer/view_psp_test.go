package writer_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

// errNo is a refusal.
var errNo = errors.New("no")

var (
	messageKey = store.MessageKey{Merchant: "shop", Account: "acc", Digest: [32]byte{1}}
	taskKey    = store.TaskKey{Merchant: "shop", ID: "att_1"}
	paymentKey = store.PaymentKey{Merchant: "shop", Account: "acc", PSPPaymentID: "p1"}
)

// atPSP is a command that names a message, a task and a payment.
func atPSP(decide func(v *writer.View) error) writer.Command {
	return writer.Command{
		Name: "at_psp", Merchant: "shop", Decide: decide,
		Keys: store.Keys{
			Messages: []store.MessageKey{messageKey}, Tasks: []store.TaskKey{taskKey}, Payments: []store.PaymentKey{paymentKey},
		},
	}
}

// saves is atPSP where the decision does not refuse.
func saves(decide func(v *writer.View)) writer.Command {
	return atPSP(func(v *writer.View) error {
		decide(v)
		return nil
	})
}

func saveMessage(outcome store.MessageOutcome, raw string) writer.Command {
	return saves(func(v *writer.View) {
		v.SaveMessage(store.Message{MessageKey: messageKey, ID: "msg_" + raw, Outcome: outcome, Raw: []byte(raw)})
	})
}

func runAll(t *testing.T, m *memory, cmds ...writer.Command) {
	t.Helper()
	expectNoErrors(t, writer.RunBatch(t.Context(), m, cmds))
}

func TestMessage_C1_ARepeatIsSeenInItsBatchAndAfter(t *testing.T) {
	t.Parallel()
	m := newMemory()
	var seen []store.MessageOutcome
	look := saves(func(v *writer.View) {
		one, found := v.Message("acc", messageKey.Digest)
		if !found {
			one.Outcome = "none"
		}
		seen = append(seen, one.Outcome)
	})
	refused := atPSP(func(v *writer.View) error {
		v.SaveMessage(store.Message{MessageKey: messageKey, Outcome: store.MessageFailed})
		if one, _ := v.Message("acc", messageKey.Digest); one.Outcome != store.MessageFailed {
			t.Error("a command does not see what it saved itself")
		}
		return errNo
	})
	errs := writer.RunBatch(t.Context(), m, []writer.Command{
		look, refused, look, saveMessage(store.MessageOrphan, "first"), look, refused, look, saveMessage(store.MessageHint, "second"), look,
	})
	if !errors.Is(errs[1], errNo) || !errors.Is(errs[5], errNo) {
		t.Errorf("answers %v", errs)
	}
	runAll(t, m, look, saveMessage(store.MessageApplied, "third"), look)
	want := []store.MessageOutcome{
		"none", "none", store.MessageOrphan, store.MessageOrphan, store.MessageHint, store.MessageHint, store.MessageApplied,
	}
	if !slices.Equal(seen, want) {
		t.Errorf("seen %v, want %v", seen, want)
	}
	if got := m.messages[messageKey]; got.ID != "msg_first" || string(got.Raw) != "first" || got.Outcome != store.MessageApplied {
		t.Errorf("kept %+v", got)
	}
}

func TestDo_C1_AMessageAloneIsSavedAndWakesNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		w := start(t, m, writer.Options{Publish: func(merchants []string) { t.Errorf("published %v", merchants) }})
		for _, cmd := range []writer.Command{
			saveMessage(store.MessageHint, "raw"),
			saves(func(v *writer.View) { v.SaveTask(store.Task{TaskKey: taskKey}) }),
			saves(func(v *writer.View) { v.FinishTask("att_1") }),
			saves(func(v *writer.View) { v.SaveHandoff(store.Handoff{Merchant: "shop", AttemptID: "att_1"}) }),
		} {
			mustDo(t, w, cmd)
		}
		if m.saved.Load() != 4 || len(m.messages) != 1 || len(m.tasks) != 0 || len(m.handoffs) != 1 {
			t.Errorf("%d saved: %v %v %v", m.saved.Load(), m.messages, m.tasks, m.handoffs)
		}
	})
}

func TestTask_I5_LaterCommandsSeeTheFence(t *testing.T) {
	t.Parallel()
	m := newMemory()
	var fences []int64
	look := saves(func(v *writer.View) {
		one, found := v.Task("att_1")
		if !found {
			one.Fence = -1
		}
		fences = append(fences, one.Fence)
	})
	save := func(fence int64) writer.Command {
		return saves(func(v *writer.View) { v.SaveTask(store.Task{TaskKey: taskKey, Fence: fence}) })
	}
	finish := saves(func(v *writer.View) { v.FinishTask("att_1") })
	refused := atPSP(func(v *writer.View) error {
		v.FinishTask("att_1")
		return errNo
	})
	kept := func(want ...int64) {
		t.Helper()
		var got []int64
		for _, one := range m.tasks {
			got = append(got, one.Fence)
		}
		if !slices.Equal(got, want) {
			t.Errorf("kept %v, want %v", got, want)
		}
	}
	runAll(t, m, look, save(1), look, finish, look)
	kept()
	if m.saved.Load() != 0 {
		t.Error("a task that was made and finished left a trace")
	}
	runAll(t, m, save(2), finish, save(3), look)
	kept(3)
	if errs := writer.RunBatch(t.Context(), m, []writer.Command{refused, look, save(4)}); !errors.Is(errs[0], errNo) {
		t.Errorf("answers %v", errs)
	}
	kept(4)
	runAll(t, m, finish, look)
	kept()
	if want := []int64{-1, 1, -1, 3, 3, -1}; !slices.Equal(fences, want) {
		t.Errorf("seen %v, want %v", fences, want)
	}
}

func TestHandoff_O7_TheFirstOfABatchStays(t *testing.T) {
	t.Parallel()
	m := newMemory()
	save := func(data string, err error) writer.Command {
		return atPSP(func(v *writer.View) error {
			v.SaveHandoff(store.Handoff{Merchant: "shop", AttemptID: "att_1", Data: []byte(data)})
			return err
		})
	}
	_ = writer.RunBatch(t.Context(), m, []writer.Command{save("refused", errNo), save("first", nil), save("second", nil)})
	if got := string(m.handoffs["att_1"].Data); got != "first" {
		t.Errorf("kept %q", got)
	}
}

// pay starts an attempt on an order and pays it with the payment p1, unless another order has it.
func pay(t *testing.T, orderID, attempt string, owners *[]string) writer.Command {
	t.Helper()
	id, err := order.ParseID(orderID)
	if err != nil {
		t.Fatal(err)
	}
	ids := newIDs(t)
	cmd := atPSP(func(v *writer.View) error {
		owner, _ := v.PaymentOwner("acc", "p1")
		*owners = append(*owners, owner)
		if owner != "" {
			return nil
		}
		o := v.Order(id)
		act := order.NewAct(v.Now(), order.Actor{Kind: order.BySystem}, ids)
		_, _, err := o.StartAttempt(act, order.AttemptSpec{ID: attempt, Account: "acc", SessionUntil: v.Now().Add(time.Minute)})
		if err != nil {
			return err
		}
		ids := newIDs(t)
		act = order.NewAct(v.Now(), order.Actor{Kind: order.BySystem}, ids)
		err = o.Apply(act, order.Evidence{
			Source: order.FromLookup, Fact: order.FactSucceeded, Account: "acc", AttemptID: attempt, PSPPaymentID: "p1",
			AmountMinor: 100, Currency: "AMD", ReceivedAt: v.Now(),
		}, order.Policy{})
		if err != nil {
			return err
		}
		v.SaveOrder(o)
		if own, known := v.PaymentOwner("acc", "p1"); own != orderID || !known {
			t.Errorf("a command does not see its own payment: %q", own)
		}
		return nil
	})
	cmd.Keys.Orders = []store.OrderKey{{Merchant: "shop", ID: orderID}}
	return cmd
}

func TestPaymentOwner_O8_SeesPaymentsOfTheBatchAndBefore(t *testing.T) {
	t.Parallel()
	m := newMemory()
	a, _ := create(t, "shop", "A", "k1", 100)
	b, _ := create(t, "shop", "B", "k2", 100)
	var owners []string
	refused := pay(t, "A", "att_A", &owners)
	decide := refused.Decide
	refused.Decide = func(v *writer.View) error { return errors.Join(decide(v), errNo) }
	errs := writer.RunBatch(t.Context(), m, []writer.Command{a, b, refused, pay(t, "A", "att_A", &owners), pay(t, "B", "att_B", &owners)})
	if !errors.Is(errs[2], errNo) {
		t.Errorf("answers %v", errs)
	}
	expectNoErrors(t, slices.Delete(errs, 2, 3))
	runAll(t, m, pay(t, "B", "att_B", &owners))
	if want := []string{"", "", "A", "A"}; !slices.Equal(owners, want) {
		t.Errorf("owners %q, want %q", owners, want)
	}
	if m.order("A").State != order.Paid || m.order("B").State != order.Pending {
		t.Errorf("A is %s, B is %s", m.order("A").State, m.order("B").State)
	}
}

// told remembers whether the orders of each batch were said to be there.
type told struct {
	*memory

	existing []bool
}

func (b *told) Begin(ctx context.Context, keys store.Keys) (store.Tx, error) {
	b.existing = append(b.existing, keys.Existing)
	return b.memory.Begin(ctx, keys)
}

// A batch reads what is below orders in one trip where one of its commands asks for it, and the next batch asks anew.
func TestBatch_OneCommandThatKnowsOfItsOrderIsEnough(t *testing.T) {
	t.Parallel()
	begins := &told{memory: newMemory()}
	a, _ := create(t, "shop", "A", "k1", 100)
	b, _ := create(t, "shop", "B", "k2", 100)
	known := cancel(t, "shop", "A")
	known.Keys.Existing = true
	w := start(t, begins, writer.Options{})
	for _, cmd := range []writer.Command{a, known, b} {
		if err := w.Do(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
	}
	c, _ := create(t, "shop", "C", "k3", 100)
	expectNoErrors(t, writer.RunBatch(t.Context(), begins, []writer.Command{c, known}))
	if want := []bool{false, true, false, true}; !slices.Equal(begins.existing, want) {
		t.Errorf("batches said %v, want %v", begins.existing, want)
	}
}

// Two servers get one callback many times: its effect is one, and every caller is answered.
func TestStores_C1_OneMessageManyTimesIsOneEffect(t *testing.T) {
	t.Parallel()
	onEach(t, []string{"shop"}, func(t *testing.T, s store.Store) {
		t.Helper()
		servers := []*writer.Writer{start(t, s, writer.Options{}), start(t, s, writer.Options{})}
		var effects, repeats atomic.Int32
		var running sync.WaitGroup
		for call := range 40 {
			cmd, _ := create(t, "shop", name("order", call), name("key", call), 100)
			cmd.Keys.Messages = []store.MessageKey{messageKey}
			decide, repeat := cmd.Decide, false
			cmd.Decide = func(v *writer.View) error {
				if _, repeat = v.Message("acc", messageKey.Digest); repeat {
					return nil
				}
				v.SaveMessage(store.Message{MessageKey: messageKey, Kind: store.CallbackMessage, Outcome: store.MessageApplied, Raw: []byte("raw")})
				return decide(v)
			}
			running.Go(func() {
				if err := servers[call%2].Do(t.Context(), cmd); err != nil {
					t.Error(err)
				}
				if repeat {
					repeats.Add(1)
				} else {
					effects.Add(1)
				}
			})
		}
		running.Wait()
		if n := len(checkJournal(t, s, "shop")); n != 2 || effects.Load() != 1 || repeats.Load() != 39 {
			t.Errorf("%d effects, %d repeats, %d entries", effects.Load(), repeats.Load(), n)
		}
	})
}

// Two servers are told of the same money for two orders at once: one has it, the other learns whose it is.
func TestStores_O8_OneOfTwoOrdersHasThePayment(t *testing.T) {
	t.Parallel()
	onEach(t, []string{"shop"}, func(t *testing.T, s store.Store) {
		t.Helper()
		servers := []*writer.Writer{start(t, s, writer.Options{}), start(t, s, writer.Options{})}
		var running sync.WaitGroup
		owners := make([][]string, 8)
		for i := range owners {
			made, _ := create(t, "shop", name("order", i), name("key", i), 100)
			mustDo(t, servers[0], made)
		}
		for i := range owners {
			cmd := pay(t, name("order", i), name("att", i), &owners[i])
			running.Go(func() {
				if err := servers[i%2].Do(t.Context(), cmd); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
		paid, owner := 0, ""
		for i := range owners {
			read, err := s.Order(t.Context(), store.OrderKey{Merchant: "shop", ID: name("order", i)})
			if err != nil {
				t.Fatal(err)
			}
			if read.Order.State == order.Paid {
				paid++
				owner = name("order", i)
			}
		}
		for i, seen := range owners {
			if last := seen[len(seen)-1]; last != owner && name("order", i) != owner {
				t.Errorf("order %d sees the payment of %q, which is %q's", i, last, owner)
			}
		}
		if paid != 1 {
			t.Errorf("%d orders have one payment", paid)
		}
		checkJournal(t, s, "shop")
	})
}
