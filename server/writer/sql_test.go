package writer_test

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/store/sqlstore"
	"github.com/kvitpay/kvit/server/writer"
)

// open opens a store and makes the journals of these merchants.
func open(tb testing.TB, url string, merchants ...string) store.Store {
	tb.Helper()
	text, err := seal.Generate("k1", bytes.NewReader(bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		tb.Fatal(err)
	}
	keys, err := seal.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := sqlstore.Open(tb.Context(), sqlstore.Settings{
		URL: url, Sealer: keys, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	if err := s.EnsureMerchants(tb.Context(), merchants); err != nil {
		tb.Fatal(err)
	}
	return s
}

// onEach runs a test on a store of each engine.
func onEach(t *testing.T, merchants []string, test func(t *testing.T, s store.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, filepath.Join(t.TempDir(), "kvit.db"), merchants...))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, postgres(t).at(""), merchants...))
	})
}

func TestStores_APoisonousCommandFailsAlone(t *testing.T) {
	t.Parallel()
	onEach(t, []string{"shop", "other"}, func(t *testing.T, s store.Store) {
		t.Helper()
		var cmds []writer.Command
		for i := range 6 {
			cmd, _ := create(t, []string{"shop", "other"}[i%2], name("order", i), name("key", i), 100)
			cmds = append(cmds, cmd)
		}
		poison := &cmds[2]
		decide := poison.Decide
		id, _ := order.ParseID(poison.Keys.Orders[0].ID)
		poison.Decide = func(v *writer.View) error {
			if err := decide(v); err != nil {
				return err
			}
			o := v.Order(id)
			if err := o.Cancel(order.NewAct(v.Now(), order.Actor{Kind: order.BySystem}, newIDs(t))); err != nil {
				return err
			}
			o.State = "POISON" // The database has a CHECK on it.
			v.SaveOrder(o)
			return nil
		}
		errs := writer.RunBatch(t.Context(), s, cmds)
		expectReason(t, errs[2], fault.Internal, fault.ReasonInternal)
		expectNoErrors(t, slices.Delete(errs, 2, 3))
		if a, b := len(checkJournal(t, s, "shop")), len(checkJournal(t, s, "other")); a != 4 || b != 6 {
			t.Errorf("%d and %d entries", a, b)
		}
		if _, err := s.Order(t.Context(), poison.Keys.Orders[0]); err == nil {
			t.Error("the poisonous order is there")
		}
	})
}

func TestStores_J2_ManyCallersLeaveGapFreeJournals(t *testing.T) {
	t.Parallel()
	merchants := []string{"a", "b", "c"}
	onEach(t, merchants, func(t *testing.T, s store.Store) {
		t.Helper()
		w := start(t, s, writer.Options{})
		var running sync.WaitGroup
		for caller := range 24 {
			running.Go(func() {
				for n := range 8 {
					merchant := merchants[(caller+n)%3]
					id := name("order", (caller*8+n)%30)
					cmd, _ := create(t, merchant, id, name("key", caller*8+n), 100)
					if n%4 == 3 {
						cmd = cancel(t, merchant, id)
					}
					if err := w.Do(t.Context(), cmd); err != nil && !fault.Is(err, fault.ReasonOrderNotFound) {
						t.Errorf("%s: %v", cmd.Name, err)
					}
				}
			})
		}
		running.Wait()
		for _, merchant := range merchants {
			if len(checkJournal(t, s, merchant)) == 0 {
				t.Errorf("nothing was written for %s", merchant)
			}
		}
	})
}
