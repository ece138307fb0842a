// Package locktest is the suite that every lock passes.
//
// It takes a service as two lockers, as two processes see it, and names the promise that each case
// checks. What a plug cannot be asked is an exemption with a reason.
package locktest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/lock"
)

// Service is one lock service, fresh for one case.
type Service struct {
	// Here and There are the service as two processes see it. In-process plugs give the same twice.
	Here, There lock.Locker
	// Elapse moves the service's clock; nil where real time does.
	Elapse func(d time.Duration)
	// Stop takes the service away for the rest of the case; nil where an exemption says why not.
	Stop func()
}

// Harness makes services.
type Harness struct {
	// Open returns a service that nobody else uses.
	Open func(t *testing.T) Service
	// Around runs one case, in a bubble of its own say; nil runs it as it is.
	Around func(t *testing.T, run func(t *testing.T))
	// Exempt gives the reason for each case that does not apply to this plug.
	Exempt map[string]string
}

const (
	// long outlives every case.
	long = time.Minute
	// short is a time to live that a case waits for.
	short = 40 * time.Millisecond
	// patience is how long a case waits for what must happen.
	patience = 20 * time.Second
	// quick is how long an answer may take when the service is away.
	quick = 2 * time.Second
)

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	cases := []struct {
		name string
		run  func(t *testing.T, s Service)
	}{
		{"OneHolderAtATime", oneHolderAtATime},
		{"HeldIsSaidAtOnce", heldIsSaidAtOnce},
		{"KeysAreIndependent", keysAreIndependent},
		{"TimeToLiveFrees", timeToLiveFrees},
		{"OldLeaseFreesNothing", oldLeaseFreesNothing},
		{"SecondReleaseFreesNothing", secondReleaseFreesNothing},
		{"ReleasedIsFreeHereAtOnce", releasedIsFreeHereAtOnce},
		{"ReleaseWakesAllWaiting", releaseWakesAllWaiting},
		{"WaitForFreeKeyReturns", waitForFreeKeyReturns},
		{"WaitEndsWithContext", waitEndsWithContext},
		{"AcquireEndsWithContext", acquireEndsWithContext},
		{"AwayIsQuickAndNotHeld", awayIsQuickAndNotHeld},
	}
	for _, c := range cases {
		t.Run("I3_"+c.name, func(t *testing.T) {
			t.Parallel()
			if reason, ok := h.Exempt[c.name]; ok {
				t.Logf("exempt: %s", reason)
				return
			}
			around := h.Around
			if around == nil {
				around = func(t *testing.T, run func(t *testing.T)) { t.Helper(); run(t) }
			}
			around(t, func(t *testing.T) { t.Helper(); c.run(t, h.Open(t)) })
		})
	}
}

func oneHolderAtATime(t *testing.T, s Service) {
	t.Helper()
	const workers, rounds = 16, 4
	var holders, taken atomic.Int64
	var group sync.WaitGroup
	for i := range workers {
		locker := s.Here
		if i%2 == 1 {
			locker = s.There
		}
		group.Go(func() {
			for range rounds {
				lease, err := take(t, locker, "one")
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d hold the key at once", n)
				}
				taken.Add(1)
				holders.Add(-1)
				lease.Release()
			}
		})
	}
	group.Wait()
	if got := taken.Load(); got != workers*rounds {
		t.Errorf("taken %d times, want %d", got, workers*rounds)
	}
}

func heldIsSaidAtOnce(t *testing.T, s Service) {
	t.Helper()
	lease := mustAcquire(t, s.Here, "held", long)
	mustBeHeld(t, s.Here, "held")
	mustBeHeld(t, s.There, "held")
	lease.Release()
}

func keysAreIndependent(t *testing.T, s Service) {
	t.Helper()
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			lease, err := s.Here.Acquire(t.Context(), fmt.Sprintf("key-%d", i), long)
			if err != nil {
				t.Errorf("key %d: %v", i, err)
				return
			}
			lease.Release()
		})
	}
	group.Wait()
}

func timeToLiveFrees(t *testing.T, s Service) {
	t.Helper()
	for _, locker := range []lock.Locker{s.There, s.Here} {
		mustAcquire(t, s.Here, "ttl", short)
		s.elapse(short)
		lease, err := take(t, locker, "ttl")
		if err != nil {
			t.Fatal(err)
		}
		lease.Release()
		freed, err := take(t, s.Here, "ttl")
		if err != nil {
			t.Fatal(err)
		}
		freed.Release()
	}
}

func oldLeaseFreesNothing(t *testing.T, s Service) {
	t.Helper()
	old := mustAcquire(t, s.Here, "old", short)
	s.elapse(short)
	lease, err := take(t, s.There, "old")
	if err != nil {
		t.Fatal(err)
	}
	old.Release()
	mustBeHeld(t, s.Here, "old")
	mustBeHeld(t, s.There, "old")
	lease.Release()
}

func secondReleaseFreesNothing(t *testing.T, s Service) {
	t.Helper()
	first := mustAcquire(t, s.Here, "twice", long)
	first.Release()
	second, err := take(t, s.There, "twice")
	if err != nil {
		t.Fatal(err)
	}
	first.Release()
	mustBeHeld(t, s.Here, "twice")
	mustBeHeld(t, s.There, "twice")
	second.Release()
}

func releasedIsFreeHereAtOnce(t *testing.T, s Service) {
	t.Helper()
	for range 8 {
		mustAcquire(t, s.Here, "again", long).Release()
	}
}

func releaseWakesAllWaiting(t *testing.T, s Service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	lease := mustAcquire(t, s.Here, "wake", long)
	woken := make(chan error, 6)
	for i := range cap(woken) {
		locker := s.Here
		if i%2 == 1 {
			locker = s.There
		}
		go func() { woken <- locker.Wait(ctx, "wake") }()
	}
	lease.Release()
	for range cap(woken) {
		if err := <-woken; err != nil {
			t.Errorf("Wait = %v, want nil", err)
		}
	}
}

func waitForFreeKeyReturns(t *testing.T, s Service) {
	t.Helper()
	if err := s.Here.Wait(t.Context(), "free"); err != nil {
		t.Errorf("Wait = %v, want nil", err)
	}
}

func waitEndsWithContext(t *testing.T, s Service) {
	t.Helper()
	lease := mustAcquire(t, s.Here, "ends", long)
	defer lease.Release()
	for _, locker := range []lock.Locker{s.Here, s.There} {
		ctx, cancel := context.WithTimeout(t.Context(), short)
		if err := locker.Wait(ctx, "ends"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v, want the context's error", err)
		}
		cancel()
	}
}

func acquireEndsWithContext(t *testing.T, s Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Here.Acquire(ctx, "cancelled", long); !errors.Is(err, context.Canceled) {
		t.Errorf("Acquire = %v, want the context's error", err)
	}
	mustAcquire(t, s.Here, "cancelled", long).Release()
}

func awayIsQuickAndNotHeld(t *testing.T, s Service) {
	t.Helper()
	held := mustAcquire(t, s.Here, "held before", long)
	s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), quick)
	defer cancel()
	for i := range 8 {
		lease, err := s.Here.Acquire(ctx, fmt.Sprintf("away-%d", i), long)
		if err == nil {
			lease.Release()
			t.Error("Acquire succeeds without its service")
		}
		if errors.Is(err, lock.ErrHeld) {
			t.Error("Acquire says held where nobody knows")
		}
	}
	held.Release()
	if err := s.Here.Wait(ctx, "held before"); err != nil {
		t.Errorf("Wait = %v, want nil: callers go on without", err)
	}
	if err := ctx.Err(); err != nil {
		t.Errorf("not quick: %v", err)
	}
}

func (s Service) elapse(d time.Duration) {
	if s.Elapse != nil {
		s.Elapse(d)
	}
}

// take acquires key, waiting for its holder.
func take(t *testing.T, locker lock.Locker, key string) (lock.Lease, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		lease, err := locker.Acquire(ctx, key, long)
		if !errors.Is(err, lock.ErrHeld) {
			return lease, err
		}
		if err := locker.Wait(ctx, key); err != nil {
			return nil, err
		}
	}
}

func mustAcquire(t *testing.T, locker lock.Locker, key string, ttl time.Duration) lock.Lease {
	t.Helper()
	lease, err := locker.Acquire(t.Context(), key, ttl)
	if err != nil {
		t.Fatalf("Acquire(%q) = %v, want a lease", key, err)
	}
	return lease
}

func mustBeHeld(t *testing.T, locker lock.Locker, key string) {
	t.Helper()
	if _, err := locker.Acquire(t.Context(), key, long); !errors.Is(err, lock.ErrHeld) {
		t.Errorf("Acquire(%q) = %v, want ErrHeld", key, err)
	}
}
