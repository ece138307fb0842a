package redislock_test

import (
	"crypto/rand"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kvitpay/kvit/server/lock/redislock"
	"github.com/kvitpay/kvit/server/lock/redislock/redistest"
)

// BenchmarkPairs takes and releases keys from 1, 64 and 256 callers: through a Lock, and with one trip
// per command as the yardstick. Rounds of both alternate, so that the ratio holds on a busy machine.
func BenchmarkPairs(b *testing.B) {
	url := redistest.URL(b)
	for _, callers := range []int{1, 64, 256} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) {
			prefix := "bench:" + rand.Text() + ":"
			locker := start(b, url, redislock.Options{Prefix: prefix})
			client := open(b, url)
			script := redis.NewScript(`if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`)
			var next atomic.Int64
			key := func() string { return "key-" + strconv.FormatInt(next.Add(1), 10) }
			coalesced := func() error {
				lease, err := locker.Acquire(b.Context(), key(), time.Minute)
				if err == nil {
					lease.Release()
				}
				return err
			}
			plain := func() error {
				name := prefix + key()
				if err := client.Do(b.Context(), "SET", name, "token", "NX", "PX", 60000).Err(); err != nil {
					return err
				}
				return script.Run(b.Context(), client, []string{name}, "token").Err()
			}
			var ours, theirs time.Duration
			pairs := 0
			for b.Loop() {
				const round = 2048
				theirs += timed(b, callers, round, plain)
				ours += timed(b, callers, round, coalesced)
				pairs += round
			}
			b.ReportMetric(float64(pairs)/ours.Seconds(), "pairs/s")
			b.ReportMetric(float64(pairs)/theirs.Seconds(), "plain/s")
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// timed runs pair total times from that many callers and returns how long it took.
func timed(b *testing.B, callers, total int, pair func() error) time.Duration {
	b.Helper()
	began := time.Now()
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for range total / callers {
				if err := pair(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	return time.Since(began)
}
