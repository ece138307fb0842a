package sqlstore_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// BenchmarkCallback saves batches of first callbacks: each finds its order with one attempt, and pays it:
// a message of 2.3 KB, a payment, two entries, an order and an attempt that change, and a task that ends.
func BenchmarkCallback(b *testing.B) {
	for _, e := range engines() {
		for _, shape := range []struct{ batch, writers int }{{1, 1}, {2, 4}, {16, 2}, {64, 1}} {
			if e.name == "SQLite" && shape.writers > 1 {
				continue
			}
			for _, existing := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/batch=%d/writers=%d/existing=%v", e.name, shape.batch, shape.writers, existing), func(b *testing.B) {
					benchmarkCallback(b, open(b, e.at(b)), shape.batch, shape.writers, existing)
				})
			}
		}
	}
}

func benchmarkCallback(b *testing.B, s store.Store, batch, writers int, existing bool) {
	b.Helper()
	ctx := b.Context()
	names := make([]string, writers)
	for i := range names {
		names[i] = fmt.Sprintf("merchant-%02d", i)
	}
	if err := s.EnsureMerchants(ctx, names); err != nil {
		b.Fatal(err)
	}
	all := make([][]store.Keys, writers)
	for i := range b.N {
		keys, err := awaitMany(ctx, s, batch, names[i%writers])
		if err != nil {
			b.Fatal(err)
		}
		keys.Existing = existing
		all[i%writers] = append(all[i%writers], keys)
	}
	raw := make([]byte, 2300)
	_, _ = rand.Read(raw)
	var failed atomic.Value
	var group sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	begun := time.Now()
	for _, batches := range all {
		group.Go(func() {
			for _, keys := range batches {
				if err := payMany(ctx, s, keys, raw); err != nil {
					failed.Store(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N*batch)/time.Since(begun).Seconds(), "callbacks/s")
	if err := failed.Load(); err != nil {
		b.Fatal(err)
	}
}

// awaitMany makes orders that wait for a callback, and returns what these will name.
func awaitMany(ctx context.Context, s store.Store, batch int, merchant string) (store.Keys, error) {
	first := serial.Load()
	if err := createMany(ctx, s, batch, []string{merchant}); err != nil {
		return store.Keys{}, err
	}
	keys := store.Keys{}
	for i := range batch {
		id := fmt.Sprintf("order-%012d", first+uint64(i))
		keys.Orders = append(keys.Orders, store.OrderKey{Merchant: merchant, ID: id})
		keys.Tasks = append(keys.Tasks, store.TaskKey{Merchant: merchant, ID: "att-" + id})
		keys.Messages = append(keys.Messages, store.MessageKey{Merchant: merchant, Account: "acc", Digest: sha256.Sum256([]byte(id))})
		keys.Payments = append(keys.Payments, store.PaymentKey{Merchant: merchant, Account: "acc", PSPPaymentID: "psp-" + id})
	}
	return keys, changeAll(ctx, s, keys, func(o *order.Order, act order.Act, changes *store.Changes, i int) error {
		_, _, err := o.StartAttempt(act, order.AttemptSpec{ID: keys.Tasks[i].ID, Account: "acc", SessionUntil: act.Now.Add(time.Hour)})
		changes.Tasks = append(changes.Tasks, store.Task{
			TaskKey: keys.Tasks[i], Kind: store.AskAttempt, OrderID: keys.Orders[i].ID, Account: "acc", DueAt: act.Now.Add(time.Hour),
		})
		return err
	})
}

func payMany(ctx context.Context, s store.Store, keys store.Keys, raw []byte) error {
	return changeAll(ctx, s, keys, func(o *order.Order, act order.Act, changes *store.Changes, i int) error {
		changes.Messages = append(changes.Messages, store.Message{
			MessageKey: keys.Messages[i], ID: "msg-" + o.ID.String(), Kind: store.CallbackMessage, Outcome: store.MessageApplied,
			AttemptID: keys.Tasks[i].ID, OrderID: o.ID.String(), ReceivedAt: act.Now, Raw: raw,
		})
		changes.Done = append(changes.Done, keys.Tasks[i])
		return o.Apply(act, order.Evidence{
			Source: order.FromCallback, Fact: order.FactSucceeded, Account: "acc", AttemptID: keys.Tasks[i].ID,
			PSPPaymentID: keys.Payments[i].PSPPaymentID, AmountMinor: 12_500, Currency: "AMD", ReceivedAt: act.Now,
		}, order.Policy{})
	})
}

// changeAll changes every order that is named in one transaction.
func changeAll(ctx context.Context, s store.Store, keys store.Keys,
	change func(o *order.Order, act order.Act, changes *store.Changes, i int) error,
) error {
	tx, err := s.Begin(ctx, keys)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	changes := &store.Changes{}
	for i, key := range keys.Orders {
		before := tx.Snapshot().Orders[key]
		if before == nil {
			return fmt.Errorf("order %s is not there", key.ID)
		}
		after := before.Clone()
		act := order.NewAct(tx.Snapshot().Now, order.Actor{Kind: order.ByPSP, ID: "acc"}, order.IDs{Seed: sha256Seed(fmt.Sprint(key, before.Version))})
		if err := change(after, act, changes, i); err != nil {
			return err
		}
		changes.Orders = append(changes.Orders, store.OrderChange{Before: before, After: after})
		changes.Entries = append(changes.Entries, after.Entries()...)
	}
	return tx.Save(ctx, changes)
}
