package memlock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvitpay/kvit/server/lock/locktest"
	"github.com/kvitpay/kvit/server/lock/memlock"
)

func TestLock(t *testing.T) {
	t.Parallel()
	locktest.Run(t, locktest.Harness{
		Open: func(*testing.T) locktest.Service {
			l := memlock.New()
			return locktest.Service{Here: l, There: l, Elapse: func(d time.Duration) { time.Sleep(d); synctest.Wait() }}
		},
		Around: synctest.Test,
		Exempt: map[string]string{"AwayIsQuickAndNotHeld": "memory is never away"},
	})
}

// A key whose holder vanished is forgotten, so that the map cannot grow without bound.
func TestLock_I3_ForgetsWhatIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := memlock.New()
		for _, key := range []string{"a", "b", "c"} {
			if _, err := l.Acquire(t.Context(), key, time.Second); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := l.Len(); n != 0 {
			t.Errorf("%d keys are held after their time, want 0", n)
		}
	})
}

func BenchmarkLock(b *testing.B) {
	l := memlock.New()
	for b.Loop() {
		lease, err := l.Acquire(b.Context(), "key", time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		lease.Release()
	}
}
