package stream_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/stream"
	"github.com/kvitpay/kvit/server/stream/membus"
)

// BenchmarkFanOut hands batches of events to N subscribers: through a Hub, and through a channel of 256
// per subscriber as the yardstick. Rounds of both alternate, so that the ratio holds on a busy machine.
func BenchmarkFanOut(b *testing.B) {
	for _, batch := range []int{1, 16} {
		for _, subscribers := range []int{1, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("batch=%d/subscribers=%d", batch, subscribers), func(b *testing.B) {
				ring, channels := newRingFan(b, subscribers, batch), newChannelFan(b, subscribers, batch)
				var ours, theirs time.Duration
				for b.Loop() {
					theirs += channels.round()
					ours += ring.round()
				}
				delivered := float64(b.N * batch * subscribers)
				b.ReportMetric(delivered/ours.Seconds(), "events/s")
				b.ReportMetric(delivered/theirs.Seconds(), "channel/s")
				b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// fan publishes one batch and returns when everybody has all of it.
type fan struct {
	publish func()
	got     *sync.WaitGroup
	each    int
}

func (f fan) round() time.Duration {
	began := time.Now()
	f.got.Add(f.each)
	f.publish()
	f.got.Wait()
	return time.Since(began)
}

func newRingFan(b *testing.B, subscribers, batch int) fan {
	b.Helper()
	bus, j := membus.New(), &journal{}
	hub := stream.NewHub(bus, j, discard(), stream.Options{})
	ctx, stop := context.WithCancel(context.WithoutCancel(b.Context()))
	var got, running sync.WaitGroup
	for range subscribers {
		s := hub.Subscribe("m")
		running.Go(func() {
			defer s.Close()
			own, cancel := context.WithCancel(ctx)
			defer cancel()
			for position := uint64(0); ; {
				items, behind, err := s.Next(own, position, batch)
				if behind {
					b.Error("behind")
				}
				if err != nil {
					return
				}
				before := position
				position += uint64(len(items))
				if position/uint64(batch) > before/uint64(batch) {
					got.Done()
				}
			}
		})
	}
	b.Cleanup(func() { stop(); running.Wait(); hub.Close() })
	f := fan{got: &got, each: subscribers, publish: func() {
		j.commit(batch)
		bus.Publish(ctx, "m")
	}}
	for heads := 0; heads == 0; heads, _ = j.asked() {
		time.Sleep(time.Millisecond)
	}
	return f
}

func newChannelFan(b *testing.B, subscribers, batch int) fan {
	b.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(b.Context()))
	var got, running sync.WaitGroup
	channels := make([]chan stream.Item[int], subscribers)
	for i := range channels {
		channel := make(chan stream.Item[int], 256)
		channels[i] = channel
		running.Go(func() {
			own, cancel := context.WithCancel(ctx)
			defer cancel()
			for n := 0; ; {
				select {
				case <-channel:
					if n++; n%batch == 0 {
						got.Done()
					}
				case <-own.Done():
					return
				}
			}
		})
	}
	b.Cleanup(func() { stop(); running.Wait() })
	j, position := &journal{}, uint64(0)
	return fan{got: &got, each: subscribers, publish: func() {
		j.commit(batch)
		items, err := j.Read(ctx, "m", position, batch)
		if err != nil {
			b.Error(err)
		}
		position += uint64(len(items))
		for _, item := range items {
			for _, channel := range channels {
				channel <- item
			}
		}
	}}
}

// BenchmarkIdleSubscriber tells the memory of one subscriber that waits.
func BenchmarkIdleSubscriber(b *testing.B) {
	hub := stream.NewHub(membus.New(), &journal{}, discard(), stream.Options{})
	ctx, stop := context.WithCancel(context.WithoutCancel(b.Context()))
	var running sync.WaitGroup
	b.ReportAllocs()
	for b.Loop() {
		s := hub.Subscribe("m")
		running.Go(func() {
			defer s.Close()
			_, _, _ = s.Next(ctx, 0, 1)
		})
	}
	stop()
	running.Wait()
	hub.Close()
}
