package redislock_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/kvitpay/kvit/server/lock"
	"github.com/kvitpay/kvit/server/lock/locktest"
	"github.com/kvitpay/kvit/server/lock/memlock"
	"github.com/kvitpay/kvit/server/lock/redislock"
	"github.com/kvitpay/kvit/server/lock/redislock/redistest"
)

const patience = 20 * time.Second

func TestLock_Miniredis(t *testing.T) {
	t.Parallel()
	locktest.Run(t, locktest.Harness{Open: func(t *testing.T) locktest.Service {
		t.Helper()
		mini := miniredis.RunT(t)
		url := "redis://" + mini.Addr()
		return locktest.Service{
			Here:   start(t, url, redislock.Options{}),
			There:  start(t, url, redislock.Options{}),
			Elapse: mini.FastForward,
			Stop:   mini.Close,
		}
	}})
}

func TestLock_Redis(t *testing.T) {
	t.Parallel()
	runSuite(t, redistest.URL(t))
}

func TestLock_Cluster(t *testing.T) {
	t.Parallel()
	runSuite(t, redistest.StartCluster(t))
}

func TestLock_Sentinel(t *testing.T) {
	t.Parallel()
	runSuite(t, redistest.StartSentinel(t))
}

// runSuite runs the suite on a server that its cases share, each with a prefix of its own.
func runSuite(t *testing.T, url string) {
	t.Helper()
	locktest.Run(t, locktest.Harness{
		Open: func(t *testing.T) locktest.Service {
			t.Helper()
			// A busy machine is slow and not away: these cases are not about the circuit.
			opts := redislock.Options{Prefix: "test:" + rand.Text() + ":", Timeout: patience}
			return locktest.Service{Here: start(t, url, opts), There: start(t, url, opts)}
		},
		Exempt: map[string]string{"AwayIsQuickAndNotHeld": "the server is shared; the tests of an own server stop it"},
	})
}

func TestLock_I3_KilledRedisIsAwayAtOnceAndComesBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	awayAndBack(t, server.URL, server.Kill, func() { server.Start(t) })
}

func TestLock_I3_FrozenRedisIsAwayAtOnceAndComesBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	awayAndBack(t, server.URL, server.Freeze, server.Thaw)
}

// awayAndBack takes Redis away under 32 busy callers and gives it back. Nobody waits long, nobody
// hears ErrHeld, and each change of state is told once.
func awayAndBack(t *testing.T, url string, away, back func()) {
	t.Helper()
	changes := make(chan bool, 16)
	locker := start(t, url, redislock.Options{
		ProbeEvery: 20 * time.Millisecond,
		Observer:   redislock.Observer{StateChanged: func(up bool, _ error) { changes <- up }},
	})
	held, err := locker.Acquire(t.Context(), "held over", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var calls, slow atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				before := time.Now()
				lease, err := locker.Acquire(ctx, fmt.Sprintf("key-%d-%d", i, n), time.Minute)
				if err == nil {
					lease.Release()
				}
				if errors.Is(err, lock.ErrHeld) {
					t.Error("a key of one's own is said to be held")
				}
				if time.Since(before) > time.Second {
					slow.Add(1)
				}
				calls.Add(1)
			}
		})
	}
	away()
	expect(t, changes, false)
	held.Release()
	if _, err := locker.Acquire(t.Context(), "now", time.Minute); !errors.Is(err, lock.ErrAway) {
		t.Errorf("Acquire = %v, want ErrAway", err)
	}
	back()
	expect(t, changes, true)
	stop()
	group.Wait()
	if n := slow.Load(); n > 0 {
		t.Errorf("%d of %d calls took longer than a second", n, calls.Load())
	}
	// What was released while Redis was away is released now.
	lease := take(t, locker, "held over")
	lease.Release()
}

// Redis may carry out a take after its caller has gone. Such a key is given back, or nobody would
// hold it until its time is over.
func TestLock_I3_TakeWhoseCallerHasGoneIsGivenBack(t *testing.T) {
	t.Parallel()
	for name, timeout := range map[string]time.Duration{"the caller gives up": time.Minute, "the lock gives up": 20 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			here := start(t, server.URL, redislock.Options{Timeout: timeout, ProbeEvery: 20 * time.Millisecond})
			warm(t, here)
			server.Freeze()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := here.Acquire(ctx, "key", time.Minute); err == nil || errors.Is(err, lock.ErrHeld) {
				t.Errorf("Acquire = %v from a frozen Redis", err)
			}
			server.Thaw()
			take(t, start(t, server.URL, redislock.Options{Timeout: patience}), "key").Release()
		})
	}
}

// warm connects. On a busy machine that may take longer than a short timeout allows, so that the lock
// is away first and comes back.
func warm(t *testing.T, locker lock.Locker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for ctx.Err() == nil {
		lease, err := locker.Acquire(ctx, "warm", time.Minute)
		if err == nil {
			lease.Release()
			return
		}
		runtime.Gosched()
	}
	t.Fatal("the lock never answered")
}

func TestLock_I3_SentAgainWhenRedisForgetsTheScript(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	client := open(t, "redis://"+mini.Addr())
	here, there := start(t, "redis://"+mini.Addr(), redislock.Options{}), start(t, "redis://"+mini.Addr(), redislock.Options{})
	for range 3 {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		take(t, here, "key").Release()
		take(t, there, "key").Release()
	}
}

func TestLock_I3_WrongTokenFreesNothing(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	locker := start(t, "redis://"+mini.Addr(), redislock.Options{Prefix: "p:"})
	lease := take(t, locker, "key")
	if err := mini.Set("p:key", "another's token"); err != nil {
		t.Fatal(err)
	}
	lease.Release()
	take(t, locker, "behind the release").Release()
	if got, err := mini.Get("p:key"); err != nil || got != "another's token" {
		t.Errorf("the key holds %q, %v after a stranger's release", got, err)
	}
}

// A read-only replica answers, but takes nothing: the lock is away, and no probe that only reads may
// call it back.
func TestLock_I3_RefusedWritesAreAway(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	changes := make(chan bool, 16)
	locker := start(t, "redis://"+mini.Addr(), redislock.Options{
		ProbeEvery: time.Millisecond,
		Observer:   redislock.Observer{StateChanged: func(up bool, _ error) { changes <- up }},
	})
	mini.SetError("READONLY You can't write against a read only replica.")
	if _, err := locker.Acquire(t.Context(), "key", time.Minute); !errors.Is(err, lock.ErrAway) {
		t.Errorf("Acquire = %v, want ErrAway", err)
	}
	expect(t, changes, false)
	mini.SetError("")
	expect(t, changes, true)
	take(t, locker, "key").Release()
}

func TestLock_I3_OneOfManyCallersGoesToRedis(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	locker := start(t, "redis://"+mini.Addr(), redislock.Options{})
	lease := take(t, locker, "key")
	before := mini.CommandCount()
	for range 50 {
		if _, err := locker.Acquire(t.Context(), "key", time.Minute); !errors.Is(err, lock.ErrHeld) {
			t.Fatalf("Acquire = %v, want ErrHeld", err)
		}
	}
	if sent := mini.CommandCount() - before; sent != 0 {
		t.Errorf("%d commands went to Redis for a key that this process holds, want 0", sent)
	}
	lease.Release()
}

func TestLock_I3_CallsWithoutRunAreAway(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	locker := redislock.New(open(t, "redis://"+mini.Addr()), memlock.New(), redislock.Options{Timeout: time.Millisecond})
	if _, err := locker.Acquire(t.Context(), "key", time.Minute); !errors.Is(err, lock.ErrAway) {
		t.Errorf("Acquire = %v, want ErrAway", err)
	}
}

func TestRun_I3_SendsTheLastReleasesAndStops(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	locker := redislock.New(open(t, "redis://"+mini.Addr()), memlock.New(), redislock.Options{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- locker.Run(ctx) }()
	lease := take(t, locker, "key")
	lease.Release()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if keys := mini.Keys(); len(keys) != 0 {
		t.Errorf("%q are held after the end, want none", keys)
	}
	if _, err := locker.Acquire(t.Context(), "key", time.Minute); !errors.Is(err, lock.ErrAway) {
		t.Errorf("Acquire after the end = %v, want ErrAway", err)
	}
}

func TestObserver_CountsEveryAcquire(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	var acquired, held, away atomic.Int64
	locker := start(t, "redis://"+mini.Addr(), redislock.Options{Observer: redislock.Observer{
		Acquired: func() { acquired.Add(1) }, Held: func() { held.Add(1) }, Away: func() { away.Add(1) },
	}})
	lease := take(t, locker, "key")
	_, _ = locker.Acquire(t.Context(), "key", time.Minute)
	mini.Close()
	_, _ = locker.Acquire(t.Context(), "another", time.Minute)
	lease.Release()
	if acquired.Load() != 1 || held.Load() != 1 || away.Load() != 1 {
		t.Errorf("acquired %d, held %d, away %d; want 1 of each", acquired.Load(), held.Load(), away.Load())
	}
}

// start returns a running lock that ends with the test.
func start(tb testing.TB, url string, opts redislock.Options) *redislock.Lock {
	tb.Helper()
	locker := redislock.New(open(tb, url), memlock.New(), opts)
	ctx, stop := context.WithCancel(context.WithoutCancel(tb.Context()))
	ended := make(chan error, 1)
	go func() { ended <- locker.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			tb.Errorf("Run = %v, want nil", err)
		}
	})
	return locker
}

func open(tb testing.TB, url string) redis.UniversalClient {
	tb.Helper()
	client, err := redislock.Open(url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// take acquires key, waiting for its holder.
func take(t *testing.T, locker lock.Locker, key string) lock.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		lease, err := locker.Acquire(ctx, key, time.Minute)
		if err == nil {
			return lease
		}
		if !errors.Is(err, lock.ErrHeld) {
			t.Fatal(err)
		}
		if err := locker.Wait(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
}

func expect(t *testing.T, changes <-chan bool, up bool) {
	t.Helper()
	select {
	case got := <-changes:
		if got != up {
			t.Fatalf("up = %t, want %t", got, up)
		}
	case <-time.After(patience):
		t.Fatalf("no change of state to up = %t", up)
	}
}
