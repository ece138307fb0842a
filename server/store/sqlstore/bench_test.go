package sqlstore_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// BenchmarkCreate saves batches of new orders: each an order, its link, a recorded result, two
// entries and a private text. Metrics are creates per second and the time of one batch.
func BenchmarkCreate(b *testing.B) {
	for _, e := range engines() {
		for _, shape := range []struct{ batch, writers, merchants int }{
			{1, 1, 1}, {64, 1, 8}, {128, 1, 8}, {128, 2, 8},
		} {
			if e.name == "SQLite" && shape.writers > 1 {
				continue
			}
			b.Run(fmt.Sprintf("%s/batch=%d/writers=%d", e.name, shape.batch, shape.writers), func(b *testing.B) {
				benchmarkCreate(b, open(b, e.at(b)), shape.batch, shape.writers, shape.merchants)
			})
		}
	}
}

func benchmarkCreate(b *testing.B, s store.Store, batch, writers, merchants int) {
	b.Helper()
	ctx := b.Context()
	names := make([]string, merchants*writers)
	for i := range names {
		names[i] = fmt.Sprintf("merchant-%02d", i)
	}
	if err := s.EnsureMerchants(ctx, names); err != nil {
		b.Fatal(err)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	begun := time.Now()
	for writer := range writers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if err := createMany(ctx, s, batch, names[writer*merchants:(writer+1)*merchants]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N*batch)/time.Since(begun).Seconds(), "creates/s")
}

var serial atomic.Uint64 // Ids of the whole run never repeat.

func createMany(ctx context.Context, s store.Store, batch int, merchants []string) error {
	first := serial.Add(uint64(batch)) - uint64(batch)
	var keys store.Keys
	for i := range batch {
		merchant, id := merchants[i%len(merchants)], fmt.Sprintf("order-%012d", first+uint64(i))
		keys.Orders = append(keys.Orders, store.OrderKey{Merchant: merchant, ID: id})
		keys.Links = append(keys.Links, store.LinkKey{Merchant: merchant, ID: "lnk_" + id})
		keys.Records = append(keys.Records, store.RecordKey{Merchant: merchant, Method: "CreatePaymentLink", Key: "key-" + id})
	}
	tx, err := s.Begin(ctx, keys)
	if err != nil {
		return err
	}
	changes := &store.Changes{}
	for i := range batch {
		if err := addCreate(changes, tx.Snapshot().Now, keys.Orders[i], keys.Records[i], first+uint64(i)); err != nil {
			tx.Rollback()
			return err
		}
	}
	return tx.Save(ctx, changes)
}

var sampleResult = make([]byte, 180)

func addCreate(changes *store.Changes, now time.Time, key store.OrderKey, record store.RecordKey, n uint64) error {
	var seed [16]byte
	binary.BigEndian.PutUint64(seed[:], n)
	act := order.NewAct(now, order.Actor{Kind: order.ByKey, ID: "key_bench"}, order.IDs{Seed: seed, Salt: seed})
	id, err := order.ParseID(key.ID)
	if err != nil {
		return err
	}
	amount, err := money.New(12_500, "AMD")
	if err != nil {
		return err
	}
	link, until := "lnk_"+key.ID, now.Add(24*time.Hour)
	o, err := order.Create(act, order.Spec{
		Merchant: key.Merchant, ID: id, LinkID: link,
		Terms:  order.Terms{Kind: order.Dynamic, Amount: amount, Capture: order.Automatic, Customer: order.Customer{CustomerID: "c-" + key.ID}},
		Locale: "hy", OfferUntil: until, AcceptUntil: until.Add(24 * time.Hour),
		Details: order.Details{Description: "Guitar lesson", Name: "Anahit"},
	})
	if err != nil {
		return err
	}
	l, err := order.CreateLink(act, order.LinkSpec{
		Merchant: key.Merchant, ID: link, Kind: order.Dynamic, OrderID: id, Amount: amount, Capture: order.Automatic,
		Locale: "hy", KeyID: "k1", TokenHash: sha256.Sum256(seed[:]), ExpiresAt: until,
	})
	if err != nil {
		return err
	}
	changes.Orders = append(changes.Orders, store.OrderChange{After: o})
	changes.Links = append(changes.Links, store.LinkChange{After: l})
	changes.Records = append(changes.Records, store.Record{RecordKey: record, Fingerprint: seed[:], Result: sampleResult})
	changes.Entries = append(append(changes.Entries, o.Entries()...), l.Entries()...)
	return nil
}

// BenchmarkRecorded reads recorded results as 64 callers at once do, as a replay does (I2).
func BenchmarkRecorded(b *testing.B) {
	for _, e := range engines() {
		b.Run(e.name, func(b *testing.B) {
			s := open(b, e.at(b))
			if err := s.EnsureMerchants(b.Context(), []string{"demo"}); err != nil {
				b.Fatal(err)
			}
			first := serial.Load()
			if err := createMany(b.Context(), s, 1000, []string{"demo"}); err != nil {
				b.Fatal(err)
			}
			var next atomic.Uint64
			b.ReportAllocs()
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					key := fmt.Sprintf("key-order-%012d", first+next.Add(1)%1000)
					_, err := s.Recorded(b.Context(), store.RecordKey{Merchant: "demo", Method: "CreatePaymentLink", Key: key})
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
