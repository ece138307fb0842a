package payment_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/writer"
)

// countedWriter counts the commands that reach the writer.
type countedWriter struct {
	payment.Writer
	commands atomic.Int64
}

func (w *countedWriter) Do(ctx context.Context, cmd writer.Command) error {
	w.commands.Add(1)
	return w.Writer.Do(ctx, cmd)
}

// A repeat of what was taken in is answered from what is committed, without a write transaction, also by a
// server that did not take it in. A hint that is repeated asks again (C4), and news are taken in.
func TestServers_C1_ARepeatOpensNoWriteTransaction(t *testing.T) {
	t.Parallel()
	onEach(t, locksAway, func(t *testing.T, s *servers) {
		t.Helper()
		w := openStorm(t, s)
		started, err := w.press(0, w.order("A-1"), "fake")
		if err != nil {
			t.Fatal(err)
		}
		account, err := psp.NewAccount(newFakePSP(), psp.Options{ID: "fake", Merchant: "demo", Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		var counted countedWriter
		var observed atomic.Value
		service := newService(t, s.store, newKeys(t), locksAway(), func(needs *payment.Needs) {
			counted.Writer = needs.Writer
			needs.Writer, needs.Mark, needs.Now, needs.Accounts = &counted, mark, time.Now, []*psp.Account{account}
			needs.Observer.Callback = func(_, outcome string) { observed.Store(outcome) }
		})
		paid := []psp.Finding{found(order.FactSucceeded, 500_000)}
		w.say(0, started.AttemptID, 0, paid...)
		for _, step := range []struct {
			query    string
			hint     bool
			outcome  string
			commands int64
		}{
			{"0", false, "REPEATED", 0},
			{"0", false, "REPEATED", 0},
			{"news", true, "HINT", 1},
			{"news", true, "REPEATED", 1},
			{"more", false, "APPLIED", 1},
			{"more", false, "REPEATED", 0},
		} {
			body, err := json.Marshal(spoken{Ref: mark.Ref(started.AttemptID), Hint: step.hint, Findings: paid})
			if err != nil {
				t.Fatal(err)
			}
			before := counted.commands.Load()
			reply, err := service.HandleCallback(t.Context(), payment.HandleCallback{
				Account: "fake", Secret: service.CallbackSecret("fake"),
				Callback: psp.Callback{Method: "POST", Query: step.query, Body: body},
			})
			if err != nil || reply.Status != 200 || observed.Load() != step.outcome {
				t.Errorf("%+v: %d, %v (%v)", step, reply.Status, observed.Load(), err)
			}
			if commands := counted.commands.Load() - before; commands != step.commands {
				t.Errorf("%+v: %d commands", step, commands)
			}
		}
		if o := w.read("A-1"); o.State != order.Paid || len(o.Payments) != 1 {
			t.Errorf("the order is %s, %+v", o.State, o.Payments)
		}
	})
}
