package writer_test

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

// nothing is a store that holds nothing and takes no time.
type nothing struct{ snapshot store.Snapshot }

func (n *nothing) Begin(context.Context, store.Keys) (store.Tx, error) { return n, nil }
func (n *nothing) Snapshot() *store.Snapshot                           { return &n.snapshot }
func (n *nothing) Save(context.Context, *store.Changes) error          { return nil }
func (n *nothing) Rollback()                                           {}

// BenchmarkDo is what the writer itself costs per command, where deciding and the store cost nothing.
// A command alone is measured beside the same without a writer, on the caller's own goroutine.
func BenchmarkDo(b *testing.B) {
	begins := &nothing{snapshot: store.Snapshot{Now: time.Unix(1e9, 0)}}
	cmds := make([]writer.Command, 64)
	for i := range cmds {
		merchant := "shop-" + strconv.Itoa(i)
		record := store.Record{RecordKey: store.RecordKey{Merchant: merchant, Method: createMethod, Key: "k"}}
		cmds[i] = writer.Command{
			Name: "bench", Merchant: merchant, Size: 1500,
			Keys: store.Keys{
				Orders:  []store.OrderKey{{Merchant: merchant, ID: "A"}},
				Links:   []store.LinkKey{{Merchant: merchant, ID: "L"}},
				Records: []store.RecordKey{record.RecordKey},
			},
			Decide: func(v *writer.View) error {
				if _, found := v.Record(createMethod, "k"); !found {
					v.SaveRecord(record)
				}
				return nil
			},
		}
	}
	b.Run("alone/no_writer", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			writer.RunBatch(b.Context(), begins, cmds[:1])
		}
	})
	for _, callers := range []int{1, 64, 256} {
		b.Run("callers="+strconv.Itoa(callers), func(b *testing.B) {
			b.ReportAllocs()
			run(b, begins, callers, func(ctx context.Context, w *writer.Writer, caller, _ int) error {
				return w.Do(ctx, cmds[caller%len(cmds)])
			})
		})
	}
}

// run lets callers share b.N calls and reports the mean size of a batch.
func run(b *testing.B, begins store.Begins, callers int, call func(ctx context.Context, w *writer.Writer, caller, i int) error) {
	b.Helper()
	var batches, commands atomic.Int64
	w := writer.New(begins, writer.Options{
		Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Publish: func([]string) {},
		Observer: writer.Observer{Batch: func(r writer.BatchReport) {
			batches.Add(1)
			commands.Add(int64(r.Commands))
		}},
	})
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	go func() { _ = w.Run(ctx) }()
	var next atomic.Int64
	var running sync.WaitGroup
	b.ResetTimer()
	for caller := range callers {
		running.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := call(ctx, w, caller, int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	b.ReportMetric(float64(commands.Load())/float64(batches.Load()), "commands/batch")
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/command")
}

// BenchmarkCreate makes links on PostgreSQL: five rows and two entries each, as CreatePaymentLink does.
func BenchmarkCreate(b *testing.B) {
	for _, merchants := range []int{1, 64} {
		for _, callers := range []int{1, 16, 64, 256} {
			b.Run("merchants="+strconv.Itoa(merchants)+"/callers="+strconv.Itoa(callers), func(b *testing.B) {
				names := make([]string, merchants)
				for i := range names {
					names[i] = name("shop", i)
				}
				db := postgres(b)
				s := open(b, db.at(""), names...)
				cmds := make([]writer.Command, 2000+b.N+1)
				for i := range cmds {
					cmds[i], _ = create(b, names[i%merchants], name("order", i), name("key", i), 100)
				}
				// Statements are planned for tables that hold something.
				for warm := range slices.Chunk(cmds[:2000], 200) {
					writer.RunBatch(b.Context(), s, warm)
				}
				db.exec(b, "ANALYZE links, orders, records, entries, texts, heads")
				cmds = cmds[2000:]
				run(b, s, callers, func(ctx context.Context, w *writer.Writer, _, i int) error { return w.Do(ctx, cmds[i]) })
			})
		}
	}
}
