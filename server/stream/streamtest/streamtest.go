// Package streamtest is the suite that every bus of wake-ups passes.
//
// It takes a bus as two processes see it. It asks for what a bus promises when nothing goes wrong;
// that a wake-up may be lost, doubled or merged is allowed for in each case.
package streamtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/stream"
)

// Bus is one bus, fresh for one case and connected.
type Bus struct {
	// Here and There are the bus as two processes see it. In-process plugs give the same twice.
	Here, There stream.Bus
}

// patience is how long a case waits for a wake-up.
const patience = 20 * time.Second

// Run runs the suite. Open returns a bus that nobody else uses.
func Run(t *testing.T, open func(t *testing.T) Bus) {
	t.Helper()
	cases := []struct {
		name string
		run  func(t *testing.T, b Bus)
	}{
		{"WakesHereAndThere", wakesHereAndThere},
		{"WakesOnlyTheMerchant", wakesOnlyTheMerchant},
		{"WakesEveryMerchantNamed", wakesEveryMerchantNamed},
		{"MergesWhileNobodyLooks", mergesWhileNobodyLooks},
		{"ClosedHearsNothing", closedHearsNothing},
		{"CloseTwice", closeTwice},
		{"ManyAtOnce", manyAtOnce},
		{"NobodyListens", nobodyListens},
	}
	for _, c := range cases {
		t.Run("S1_"+c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}

func wakesHereAndThere(t *testing.T, b Bus) {
	t.Helper()
	here, there := b.Here.Subscribe("m"), b.There.Subscribe("m")
	defer here.Close()
	defer there.Close()
	for range 3 {
		b.Here.Publish(t.Context(), "m")
		mustWake(t, here)
		mustWake(t, there)
		b.There.Publish(t.Context(), "m")
		mustWake(t, here)
		mustWake(t, there)
	}
}

func wakesOnlyTheMerchant(t *testing.T, b Bus) {
	t.Helper()
	others := []stream.Subscription{b.There.Subscribe("other"), b.There.Subscribe("m2"), b.There.Subscribe("")}
	m := b.There.Subscribe("m")
	defer m.Close()
	b.Here.Publish(t.Context(), "m")
	mustWake(t, m)
	for _, s := range others {
		mustSleep(t, s)
		s.Close()
	}
}

func wakesEveryMerchantNamed(t *testing.T, b Bus) {
	t.Helper()
	const merchants = 300
	names := make([]string, merchants)
	subscriptions := make([]stream.Subscription, merchants)
	for i := range merchants {
		names[i] = fmt.Sprintf("merchant-%d", i)
		subscriptions[i] = b.There.Subscribe(names[i])
	}
	b.Here.Publish(t.Context(), names...)
	for _, s := range subscriptions {
		mustWake(t, s)
		s.Close()
	}
}

func mergesWhileNobodyLooks(t *testing.T, b Bus) {
	t.Helper()
	s := b.Here.Subscribe("m")
	defer s.Close()
	for range 100 {
		b.Here.Publish(t.Context(), "m", "m")
	}
	mustWake(t, s)
	mustSleep(t, s)
}

func closedHearsNothing(t *testing.T, b Bus) {
	t.Helper()
	closed, open := b.There.Subscribe("m"), b.There.Subscribe("m")
	defer open.Close()
	closed.Close()
	b.Here.Publish(t.Context(), "m")
	mustWake(t, open)
	mustSleep(t, closed)
}

func closeTwice(t *testing.T, b Bus) {
	t.Helper()
	first, second := b.There.Subscribe("m"), b.There.Subscribe("m")
	defer second.Close()
	first.Close()
	first.Close()
	b.Here.Publish(t.Context(), "m")
	mustWake(t, second)
}

func manyAtOnce(t *testing.T, b Bus) {
	t.Helper()
	var group sync.WaitGroup
	for i := range 32 {
		merchant := fmt.Sprintf("merchant-%d", i%8)
		group.Go(func() {
			s := b.There.Subscribe(merchant)
			defer s.Close()
			for range 5 {
				b.Here.Publish(t.Context(), merchant)
				mustWake(t, s)
			}
		})
	}
	group.Wait()
}

func nobodyListens(t *testing.T, b Bus) {
	t.Helper()
	b.Here.Publish(t.Context(), "nobody")
	b.Here.Publish(t.Context())
}

func mustWake(t *testing.T, s stream.Subscription) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-s.C():
	case <-timeout.C:
		t.Error("no wake-up")
	}
}

func mustSleep(t *testing.T, s stream.Subscription) {
	t.Helper()
	select {
	case <-s.C():
		t.Error("a wake-up that is not for it")
	default:
	}
}
