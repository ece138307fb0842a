package redisbus_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/kvitpay/kvit/server/lock/redislock"
	"github.com/kvitpay/kvit/server/lock/redislock/redistest"
	"github.com/kvitpay/kvit/server/stream"
	"github.com/kvitpay/kvit/server/stream/membus"
	"github.com/kvitpay/kvit/server/stream/redisbus"
	"github.com/kvitpay/kvit/server/stream/streamtest"
)

const patience = 20 * time.Second

func TestBus_Miniredis(t *testing.T) {
	t.Parallel()
	streamtest.Run(t, func(t *testing.T) streamtest.Bus {
		t.Helper()
		return pair(t, "redis://"+miniredis.RunT(t).Addr())
	})
}

func TestBus_Redis(t *testing.T) {
	t.Parallel()
	runSuite(t, redistest.URL(t))
}

func TestBus_Cluster(t *testing.T) {
	t.Parallel()
	runSuite(t, redistest.StartCluster(t))
}

func TestBus_Sentinel(t *testing.T) {
	t.Parallel()
	runSuite(t, redistest.StartSentinel(t))
}

// runSuite runs the suite on a server that its cases share, each with a channel of its own.
func runSuite(t *testing.T, url string) {
	t.Helper()
	streamtest.Run(t, func(t *testing.T) streamtest.Bus {
		t.Helper()
		return pair(t, url)
	})
}

func TestBus_S1_KilledRedisWakesEveryoneWhenBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	wakesWhenBack(t, server.URL, server.Kill, func() { server.Start(t) })
}

func TestBus_S1_FrozenRedisIsNoticedAndWakesEveryoneWhenBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	wakesWhenBack(t, server.URL, server.Freeze, server.Thaw)
}

// wakesWhenBack takes Redis away: the own process is still woken, the loss is told once, and when Redis
// is back everyone is woken without anything being published.
func wakesWhenBack(t *testing.T, url string, away, back func()) {
	t.Helper()
	bus, changes := start(t, url, "kvit:wake")
	expect(t, changes, true)
	s := bus.Subscribe("m")
	defer s.Close()
	away()
	expect(t, changes, false)
	bus.Publish(t.Context(), "m")
	mustWake(t, s)
	back()
	expect(t, changes, true)
	mustWake(t, s)
}

func TestBus_S1_RedisAwayFromTheStartIsToldOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	bus, changes := start(t, server.URL, "kvit:wake")
	expect(t, changes, false)
	s := bus.Subscribe("m")
	defer s.Close()
	bus.Publish(t.Context(), "m")
	mustWake(t, s)
	server.Start(t)
	expect(t, changes, true)
}

// A process is not woken twice for what it published itself.
func TestBus_S1_OwnMessagesDoNotComeBack(t *testing.T) {
	t.Parallel()
	url := "redis://" + miniredis.RunT(t).Addr()
	b := pair(t, url)
	here, there := b.Here.Subscribe("m"), b.There.Subscribe("m")
	defer here.Close()
	defer there.Close()
	for range 3 {
		b.Here.Publish(t.Context(), "m")
		mustWake(t, here)
		mustWake(t, there)
		// The other's message stands behind our own on the same connection.
		behind := b.Here.Subscribe("behind")
		b.There.Publish(t.Context(), "behind")
		mustWake(t, behind)
		behind.Close()
		select {
		case <-here.C():
			t.Error("woken again by its own message")
		default:
		}
	}
}

// pair returns a connected bus as two processes see it, on a channel of its own.
func pair(t *testing.T, url string) streamtest.Bus {
	t.Helper()
	channel := "test:" + rand.Text()
	here, hereChanges := start(t, url, channel)
	there, thereChanges := start(t, url, channel)
	expect(t, hereChanges, true)
	expect(t, thereChanges, true)
	return streamtest.Bus{Here: here, There: there}
}

// start returns a running bus that ends with the test, and its changes of state.
func start(t *testing.T, url, channel string) (stream.Bus, <-chan bool) {
	t.Helper()
	changes := make(chan bool, 16)
	bus := redisbus.New(open(t, url), membus.New(), redisbus.Options{
		Channel:      channel,
		Silence:      200 * time.Millisecond,
		Retry:        10 * time.Millisecond,
		StateChanged: func(up bool, _ error) { changes <- up },
	})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- bus.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	return bus, changes
}

func open(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	client, err := redislock.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func mustWake(t *testing.T, s stream.Subscription) {
	t.Helper()
	select {
	case <-s.C():
	case <-time.After(patience):
		t.Fatal("no wake-up")
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
