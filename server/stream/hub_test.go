package stream_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvitpay/kvit/server/stream"
	"github.com/kvitpay/kvit/server/stream/membus"
)

// journal is a source of numbered events in memory, one sequence for all merchants.
type journal struct {
	mu     sync.Mutex
	events []int
	err    error
	// skip makes a read leave out the event at this position.
	skip  uint64
	heads int
	reads int
}

var errDown = errors.New("the store is down")

func (j *journal) Head(context.Context, string) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.heads++
	return uint64(len(j.events)), j.err
}

func (j *journal) Read(_ context.Context, _ string, after uint64, limit int) ([]stream.Item[int], error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reads++
	var items []stream.Item[int]
	for position := after + 1; position <= uint64(len(j.events)) && len(items) < limit; position++ {
		if position != j.skip {
			items = append(items, stream.Item[int]{Position: position, Value: j.events[position-1], Size: 10})
		}
	}
	return items, j.err
}

func (j *journal) commit(n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for range n {
		j.events = append(j.events, len(j.events)+1)
	}
}

func (j *journal) set(change func(j *journal)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(j)
}

func (j *journal) asked() (heads, reads int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.heads, j.reads
}

// reader follows as the API does: from the ring, and from the journal where it is behind.
type reader struct {
	subscriber *stream.Subscriber[int]
	journal    *journal
	position   uint64
	behind     int
	pause      func()
}

// readTo reads until the position is reached, and reports a lost, doubled or displaced event.
func (r *reader) readTo(ctx context.Context, last uint64) error {
	for r.position < last {
		items, behind, err := r.subscriber.Next(ctx, r.position, 100)
		if err != nil {
			return err
		}
		if behind {
			r.behind++
			if items, err = r.journal.Read(ctx, "m", r.position, 50); err != nil {
				return err
			}
		}
		for _, item := range items {
			if item.Position != r.position+1 || item.Value != int(item.Position) {
				return errors.New("an event was lost, doubled or displaced")
			}
			r.position = item.Position
		}
		r.pause()
	}
	return nil
}

func TestHub_S2_NothingLostOrDoubledWithSlowReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const subscribers, total = 100, 3000
		bus, j := membus.New(), &journal{}
		j.commit(7)
		hub := stream.NewHub(bus, j, discard(), stream.Options{ItemsMax: 200})
		var group sync.WaitGroup
		random := rand.New(rand.NewPCG(1, 2))
		readers := make([]*reader, subscribers)
		for i := range readers {
			r := &reader{subscriber: hub.Subscribe("m"), journal: j, pause: func() {}}
			if i%4 == 0 {
				slow := time.Duration(random.IntN(400)) * time.Millisecond
				r.pause = func() { time.Sleep(slow) }
			}
			readers[i] = r
			group.Go(func() {
				defer r.subscriber.Close()
				if err := r.readTo(t.Context(), total+7); err != nil {
					t.Errorf("reader %d at %d: %v", i, r.position, err)
				}
			})
		}
		synctest.Wait()
		for committed := 0; committed < total; committed += 10 {
			j.commit(10)
			if random.IntN(3) > 0 {
				bus.Publish(t.Context(), "m")
			}
			time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
		}
		group.Wait()
		slow := 0
		for i, r := range readers {
			if i%4 == 0 {
				slow += r.behind
			} else if r.behind > 1 {
				t.Errorf("a quick reader was behind %d times, want only at its start", r.behind)
			}
		}
		if slow == 0 {
			t.Error("no slow reader was ever behind; the case shows nothing")
		}
		hub.Close()
	})
}

func TestHub_S2_OneReadServesAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus, j := membus.New(), &journal{}
		hub := stream.NewHub(bus, j, discard(), stream.Options{Poll: time.Hour})
		defer hub.Close()
		var group sync.WaitGroup
		for range 50 {
			r := &reader{subscriber: hub.Subscribe("m"), journal: j, pause: func() {}}
			group.Go(func() {
				defer r.subscriber.Close()
				if err := r.readTo(t.Context(), 5); err != nil || r.behind > 0 {
					t.Errorf("at %d, behind %d times: %v", r.position, r.behind, err)
				}
			})
		}
		synctest.Wait()
		j.commit(5)
		bus.Publish(t.Context(), "m")
		group.Wait()
		if heads, reads := j.asked(); heads != 1 || reads != 1 {
			t.Errorf("asked for %d heads and %d reads, want 1 of each", heads, reads)
		}
	})
}

func TestHub_S2_PollMendsLostWakeUps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		hub := stream.NewHub(membus.New(), j, discard(), stream.Options{})
		defer hub.Close()
		s := hub.Subscribe("m")
		defer s.Close()
		synctest.Wait()
		began := time.Now()
		j.commit(1)
		items, behind, err := s.Next(t.Context(), 0, 10)
		if len(items) != 1 || behind || err != nil {
			t.Errorf("Next = %v, %t, %v, want one item", items, behind, err)
		}
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("waited %s, want at most a second", waited)
		}
	})
}

func TestHub_StartsWithTheFirstAndStopsAfterTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus, j := membus.New(), &journal{}
		hub := stream.NewHub(bus, j, discard(), stream.Options{})
		for round := range 3 {
			first, second := hub.Subscribe("m"), hub.Subscribe("m")
			first.Close()
			first.Close()
			j.commit(1)
			bus.Publish(t.Context(), "m")
			r := &reader{subscriber: second, journal: j, position: uint64(round), pause: func() {}}
			if err := r.readTo(t.Context(), uint64(round+1)); err != nil {
				t.Error(err)
			}
			second.Close()
			synctest.Wait()
			headsBefore, readsBefore := j.asked()
			time.Sleep(time.Minute)
			if heads, reads := j.asked(); heads != headsBefore || reads != readsBefore {
				t.Error("the journal is read while nobody subscribes")
			}
		}
		hub.Close()
	})
}

func TestHub_S2_KeepsOnOverReadErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus, j := membus.New(), &journal{err: errDown}
		var log bytes.Buffer
		hub := stream.NewHub(bus, j, slog.New(slog.NewTextHandler(&log, nil)), stream.Options{})
		r := &reader{subscriber: hub.Subscribe("m"), journal: j, pause: func() {}}
		var publishing sync.WaitGroup
		publishing.Go(func() {
			for range 3 * 60 * 10 {
				bus.Publish(t.Context(), "m")
				time.Sleep(100 * time.Millisecond)
			}
		})
		down := func(err error) { j.set(func(j *journal) { j.err = err }) }
		for round := range uint64(3) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if _, _, err := r.subscriber.Next(ctx, r.position, 1); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Next = %v without a store, want the context's error", err)
			}
			cancel()
			down(nil)
			time.Sleep(10 * time.Second)
			j.commit(1)
			bus.Publish(t.Context(), "m")
			if err := r.readTo(t.Context(), round+1); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			down(errDown)
		}
		publishing.Wait()
		heads, reads := j.asked()
		if asked := heads + reads; asked > 600 {
			t.Errorf("asked %d times in three minutes, want pauses", asked)
		}
		r.subscriber.Close()
		hub.Close()
		if n := strings.Count(log.String(), "cannot read"); n != 3 {
			t.Errorf("logged %d times that it cannot read, want 3:\n%s", n, log.String())
		}
		if n := strings.Count(log.String(), "reads again"); n != 3 {
			t.Errorf("logged %d times that it reads again, want 3:\n%s", n, log.String())
		}
	})
}

func TestHub_J2_GapMakesTheTailBeginAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus, j := membus.New(), &journal{}
		hub := stream.NewHub(bus, j, discard(), stream.Options{})
		defer hub.Close()
		s := hub.Subscribe("m")
		defer s.Close()
		synctest.Wait()
		j.set(func(j *journal) { j.skip = 2 })
		j.commit(3)
		bus.Publish(t.Context(), "m")
		if items, behind, err := s.Next(t.Context(), 0, 10); len(items) > 0 || !behind || err != nil {
			t.Errorf("Next = %v, %t, %v over a gap, want behind", items, behind, err)
		}
		j.set(func(j *journal) { j.skip = 0 })
		time.Sleep(time.Second)
		j.commit(1)
		bus.Publish(t.Context(), "m")
		items, behind, err := s.Next(t.Context(), 3, 10)
		if len(items) != 1 || items[0].Position != 4 || behind || err != nil {
			t.Errorf("Next = %v, %t, %v after the gap, want item 4", items, behind, err)
		}
	})
}

func TestHub_J6_JournalThatWentBackIsReadFromTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus, j := membus.New(), &journal{}
		j.commit(5)
		hub := stream.NewHub(bus, j, discard(), stream.Options{})
		defer hub.Close()
		waiting, busy := hub.Subscribe("m"), hub.Subscribe("m")
		defer waiting.Close()
		defer busy.Close()
		j.commit(1)
		bus.Publish(t.Context(), "m")
		if _, _, err := busy.Next(t.Context(), 5, 10); err != nil {
			t.Fatal(err)
		}
		told := make(chan bool, 1)
		go func() {
			_, behind, err := waiting.Next(t.Context(), 6, 10)
			told <- behind && err == nil
		}()
		synctest.Wait()
		j.set(func(j *journal) { j.events = j.events[:2] })
		if !<-told {
			t.Error("who waited is not told to read from the store")
		}
		// More events than before must not hide from a busy subscriber that they are others.
		j.commit(8)
		bus.Publish(t.Context(), "m")
		synctest.Wait()
		if _, behind, err := busy.Next(t.Context(), 6, 10); !behind || err != nil {
			t.Errorf("behind = %t, %v, want to be told to read from the store", behind, err)
		}
	})
}

func TestNext_S2_BehindWhereTheRingDoesNotReach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus, j := membus.New(), &journal{}
		j.commit(10)
		// 10 bytes each: the ring holds 8 items by bytes, in chunks of 2.
		hub := stream.NewHub(bus, j, discard(), stream.Options{BytesMax: 80})
		defer hub.Close()
		s := hub.Subscribe("m")
		defer s.Close()
		synctest.Wait()
		next := func(after uint64, limit int, first uint64, want int) {
			t.Helper()
			items, behind, err := s.Next(t.Context(), after, limit)
			if err != nil || behind != (want == 0) || len(items) != want || (want > 0 && items[0].Position != first) {
				t.Errorf("Next(%d) = %v, %t, %v; want %d items from %d", after, items, behind, err, want, first)
			}
		}
		next(9, 10, 0, 0)
		j.commit(20)
		bus.Publish(t.Context(), "m")
		synctest.Wait()
		next(10, 10, 0, 0)
		next(21, 10, 0, 0)
		next(22, 10, 23, 2)
		next(23, 10, 24, 1)
		next(28, 1, 29, 1)
		next(28, 0, 29, 1)
		next(29, 10, 30, 1)
	})
}

func TestNext_WaitsForTheContextAndForItemsBeyondTheHead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus, j := membus.New(), &journal{}
		hub := stream.NewHub(bus, j, discard(), stream.Options{})
		defer hub.Close()
		s := hub.Subscribe("m")
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		j.commit(3)
		if _, _, err := s.Next(ctx, 3, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next = %v, want the context's error", err)
		}
	})
}

func TestClose_EndsSubscribersAndTails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := stream.NewHub(membus.New(), &journal{}, discard(), stream.Options{})
		s := hub.Subscribe("m")
		ended := make(chan error, 1)
		go func() {
			_, _, err := s.Next(t.Context(), 0, 1)
			ended <- err
		}()
		synctest.Wait()
		hub.Close()
		hub.Close()
		if err := <-ended; !errors.Is(err, stream.ErrClosed) {
			t.Errorf("Next = %v, want ErrClosed", err)
		}
		s.Close()
		late := hub.Subscribe("m")
		defer late.Close()
		if _, _, err := late.Next(t.Context(), 0, 1); !errors.Is(err, stream.ErrClosed) {
			t.Errorf("Next of a late subscriber = %v, want ErrClosed", err)
		}
	})
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
