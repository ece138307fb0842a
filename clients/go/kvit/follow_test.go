package kvit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// mischief is what a stream of a bad day does.
var mischief = []func(ctx context.Context, f *fake, r *rand.Rand, s stream, to uint64) error{
	func(_ context.Context, _ *fake, _ *rand.Rand, s stream, to uint64) error { // It breaks off in the middle.
		if to > s.after {
			_ = s.tell(s.after+1, to)
		}
		return cut()
	},
	func(context.Context, *fake, *rand.Rand, stream, uint64) error { return cut() }, // Before the first message.
	func(context.Context, *fake, *rand.Rand, stream, uint64) error { // The store is away.
		return connect.NewError(connect.CodeUnavailable, errors.New("away"))
	},
	func(_ context.Context, _ *fake, r *rand.Rand, s stream, to uint64) error { // It ends politely.
		if to > s.after {
			_ = s.tell(s.after+1, to)
		}
		return s.end(max(to, s.after), kvitv1.ClosingReason(1+r.IntN(2)))
	},
	func(_ context.Context, _ *fake, r *rand.Rand, s stream, to uint64) error { // It repeats what was told before.
		from := s.after - min(s.after, uint64(r.IntN(4))) + 1
		if to >= from {
			_ = s.tell(from, to)
			_ = s.tell(from, to)
		}
		return nil // And ends without a word.
	},
	func(_ context.Context, _ *fake, _ *rand.Rand, s stream, to uint64) error { // It leaves one out, and goes on.
		if to > s.after+1 {
			_ = s.tell(s.after+2, to)
		}
		return s.end(to, kvitv1.ClosingReason_CLOSING_REASON_ROTATE)
	},
	func(_ context.Context, _ *fake, _ *rand.Rand, s stream, to uint64) error { // It leaves out the last ones.
		if to > s.after+1 {
			_ = s.batch(to, events(s.after+1, to-1)...)
		}
		return s.end(to, kvitv1.ClosingReason_CLOSING_REASON_SHUTDOWN)
	},
	func(ctx context.Context, _ *fake, _ *rand.Rand, _ stream, _ uint64) error { // It says nothing at all.
		<-ctx.Done()
		return ctx.Err()
	},
	func(ctx context.Context, _ *fake, _ *rand.Rand, s stream, to uint64) error { // It falls silent.
		if to > s.after {
			_ = s.tell(s.after+1, to)
		}
		<-ctx.Done()
		return ctx.Err()
	},
	func(ctx context.Context, f *fake, _ *rand.Rand, s stream, _ uint64) error { return f.serve(ctx, s) },
}

// S4, J2: whatever happens to connections and servers, every event is handled once and in order.
func TestFollow_S4_NeverLosesNeverDoubles(t *testing.T) {
	t.Parallel()

	for seed := range uint64(60) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { badDay(t, seed) })
		})
	}
}

func badDay(t *testing.T, seed uint64) {
	t.Helper()

	const last = 40
	random := rand.New(rand.NewPCG(seed, 1))
	f := &fake{journal: newJournal(uint64(random.IntN(10)))}
	left := 1 + random.IntN(30) // After so many bad streams the day is over.
	order := random.Perm(len(mischief))
	f.onStream = func(ctx context.Context, number int, s stream) error {
		f.mu.Lock()
		r := rand.New(rand.NewPCG(seed, uint64(number)))
		f.mu.Unlock()
		if number > left {
			return f.serve(ctx, s)
		}
		head, _ := f.journal.head()
		to := s.after + uint64(r.IntN(6))
		return mischief[order[number%len(mischief)]](ctx, f, r, s, min(to, max(head, s.after)))
	}
	f.onList = func(ctx context.Context, number int, after uint64, request *kvitv1.ListOrderEventsRequest) (*kvitv1.ListOrderEventsResponse, error) {
		if number%3 == int(seed%3) {
			return nil, connect.NewError(connect.CodeUnavailable, errors.New("away"))
		}
		return f.list(ctx, after, request)
	}
	n := &network{}
	n.up(t, f)
	client := n.client(t)
	ctx, cancel := context.WithCancel(t.Context())
	var world sync.WaitGroup
	defer func() {
		cancel()
		world.Wait()
		n.down()
		synctest.Wait()
	}()
	world.Go(func() { // The journal grows, and the server is killed now and then.
		for ctx.Err() == nil {
			pause(ctx, time.Duration(random.IntN(20_000))*time.Millisecond)
			if head, _ := f.journal.head(); head < last {
				f.journal.grow()
			}
			if random.IntN(12) == 0 {
				n.down()
				pause(ctx, time.Duration(random.IntN(30))*time.Second)
				n.up(t, f)
			}
		}
	})
	got := &seen{until: last}
	var saved []uint64
	err := kvit.Follow(ctx, client.Payments, kvit.FromBeginning(), kvit.Filter{}, got.handle,
		kvit.WithCheckpoint(func(_ context.Context, at kvit.Checkpoint) error {
			saved = append(saved, at.Position)
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	got.want(t, 1, last)
	if !slices.Equal(saved, got.positions) {
		t.Errorf("kept places %v, want one after each of %v", saved, got.positions)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// follow runs a Follow in a bubble against a fake until it ends, at most for an hour of the bubble's time.
func follow(
	t *testing.T, f *fake, start kvit.Start, filter kvit.Filter, handle kvit.Handler, opts ...kvit.FollowOption,
) error {
	t.Helper()

	n := &network{}
	n.up(t, f)
	client := n.client(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	err := kvit.Follow(ctx, client.Payments, start, filter, handle, opts...)
	n.down()
	synctest.Wait()
	return err
}

// S4: a handler that fails is given the same event again, and none before it, by a Follow from the kept place.
func TestFollow_S4_ResumesAfterTheLastHandledEvent(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(9)}
		f.onStream = func(ctx context.Context, _ int, s stream) error { return f.serve(ctx, s) }
		got := &seen{until: 9}
		start := kvit.FromBeginning()
		broken := errors.New("the shop is closed")
		for tries := 0; ; tries++ {
			err := follow(t, f, start, kvit.Filter{}, func(ctx context.Context, e *kvitv1.OrderEvent) error {
				if e.GetPosition() == uint64(3*tries+2) {
					return broken
				}
				return got.handle(ctx, e)
			}, kvit.WithCheckpoint(func(_ context.Context, at kvit.Checkpoint) error {
				start = kvit.From(at)
				return nil
			}))
			if err == nil {
				break
			}
			if !errors.Is(err, broken) {
				t.Fatalf("got %v, want the handler's error", err)
			}
		}
		got.want(t, 1, 9)
	})
}

// S3: a stream that the server rotates is opened again at once, from where it was.
func TestFollow_S3_RotationIsNoFailure(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(5)}
		f.onStream = func(_ context.Context, _ int, s stream) error {
			_ = s.tell(s.after+1, s.after+1)
			return s.end(s.after+1, kvitv1.ClosingReason_CLOSING_REASON_ROTATE)
		}
		got := &seen{until: 5}
		began := time.Now()
		var lost []kvit.Status
		err := follow(t, f, kvit.FromBeginning(), kvit.Filter{}, got.handle, kvit.WithStatus(func(s kvit.Status) {
			if !s.Connected {
				lost = append(lost, s)
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		got.want(t, 1, 5)
		if waited := time.Since(began); waited != 0 || len(lost) != 0 {
			t.Errorf("waited %s and was lost %d times, want neither", waited, len(lost))
		}
	})
}

// S3: a server that rotates every stream at once is not asked in a tight loop.
func TestFollow_S3_RotationWithoutAWorkingStreamBacksOff(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(0)}
		f.onStream = func(_ context.Context, number int, s stream) error {
			if number > 1000 {
				return refusal(connect.CodePermissionDenied, "SCOPE_MISSING") // Enough is seen.
			}
			return s.end(s.after, kvitv1.ClosingReason_CLOSING_REASON_ROTATE)
		}
		_ = follow(t, f, kvit.FromBeginning(), kvit.Filter{}, (&seen{}).handle)
		if streams := len(f.streams); streams > 600 {
			t.Errorf("opened %d streams in an hour, want at most one in 6 s", streams)
		}
	})
}

// S4: pauses after failures double, with jitter, up to a bound, and begin small again after success.
func TestFollow_S4_BacksOffWithJitter(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(1)}
		f.onStream = func(_ context.Context, number int, s stream) error {
			if number == 9 {
				_ = s.tell(1, 1)
			}
			return connect.NewError(connect.CodeUnavailable, errors.New("away"))
		}
		f.onList = func(context.Context, int, uint64, *kvitv1.ListOrderEventsRequest) (*kvitv1.ListOrderEventsResponse, error) {
			return nil, connect.NewError(connect.CodeUnavailable, errors.New("away"))
		}
		var waits []time.Duration
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		n := &network{}
		n.up(t, f)
		handled := 0
		err := kvit.Follow(ctx, n.client(t).Payments, kvit.FromBeginning(), kvit.Filter{},
			func(context.Context, *kvitv1.OrderEvent) error { handled = len(waits); return nil },
			kvit.WithStatus(func(s kvit.Status) {
				if !s.Connected {
					waits = append(waits, s.Wait)
				}
				if len(waits) == 30 {
					cancel(enough)
				}
			}))
		if !errors.Is(err, enough) {
			t.Fatal(err)
		}
		want := 200 * time.Millisecond
		for i, wait := range waits {
			if i == handled {
				want = 200 * time.Millisecond
			}
			if wait < want/2 || wait > want {
				t.Errorf("pause %d is %s, want %s to %s", i+1, wait, want/2, want)
			}
			want = min(2*want, 15*time.Second)
		}
		n.down()
	})
}

// S1: RetryInfo of the server is honoured.
func TestFollow_WaitsAsLongAsTheServerAsks(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(1)}
		f.onStream = func(_ context.Context, number int, s stream) error {
			if number == 1 {
				return refusal(connect.CodeResourceExhausted, "RATE_LIMITED", retryIn(20*time.Second))
			}
			return s.tell(1, 1)
		}
		began := time.Now()
		got := &seen{until: 1}
		if err := follow(t, f, kvit.FromBeginning(), kvit.Filter{}, got.handle); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited < 20*time.Second || waited > 21*time.Second {
			t.Errorf("waited %s, want 20 s and a little", waited)
		}
	})
}

// S3: three heartbeats that do not come mean a dead connection.
func TestFollow_S3_MissingHeartbeatsAreADeadConnection(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(2)}
		f.onStream = func(ctx context.Context, _ int, s stream) error {
			_ = s.tell(s.after+1, s.after+1)
			<-ctx.Done()
			return ctx.Err()
		}
		got := &seen{until: 2}
		began := time.Now()
		if err := follow(t, f, kvit.FromBeginning(), kvit.Filter{}, got.handle); err != nil {
			t.Fatal(err)
		}
		got.want(t, 1, 2)
		if waited := time.Since(began); waited < 45*time.Second || waited > 46*time.Second {
			t.Errorf("the second stream came after %s, want three heartbeats", waited)
		}
	})
}

// S3: an idle stream whose heartbeats come is left alone, and so is one whose handler takes its time.
func TestFollow_S3_HeartbeatsAndSlowHandlersKeepAStream(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(1)}
		f.onStream = func(ctx context.Context, _ int, s stream) error { return f.serve(ctx, s) }
		go func() {
			time.Sleep(20 * time.Minute)
			f.journal.grow()
		}()
		got := &seen{until: 2}
		err := follow(t, f, kvit.FromBeginning(), kvit.Filter{}, func(ctx context.Context, e *kvitv1.OrderEvent) error {
			time.Sleep(10 * time.Minute)
			return got.handle(ctx, e)
		})
		if err != nil {
			t.Fatal(err)
		}
		got.want(t, 1, 2)
		if len(f.streams) != 1 {
			t.Errorf("opened %d streams, want 1", len(f.streams))
		}
	})
}

// J6: a cursor that the journal does not know ends Follow with what is needed to go on.
func TestFollow_J6_ResetIsTheCallersDecision(t *testing.T) {
	t.Parallel()

	reset := &kvitv1.StreamReset{Reason: kvitv1.ResetReason_RESET_REASON_OTHER_HISTORY, OldestCursor: cursor(0)}
	for name, streams := range map[string]bool{"stream": true, "single calls": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fake{journal: newJournal(3)}
				f.onStream = func(_ context.Context, _ int, s stream) error {
					if !streams {
						return cut()
					}
					return s.Send(&kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Reset_{Reset_: reset}})
				}
				f.onList = func(context.Context, int, uint64, *kvitv1.ListOrderEventsRequest) (*kvitv1.ListOrderEventsResponse, error) {
					return &kvitv1.ListOrderEventsResponse{NextCursor: cursor(0), Reset_: reset}, nil
				}
				err := follow(t, f, kvit.From(kvit.Checkpoint{Cursor: cursor(7)}), kvit.Filter{}, (&seen{}).handle)
				got, ok := errors.AsType[*kvit.ResetError](err)
				if !ok || got.Reason != reset.GetReason() || got.OldestCursor != cursor(0) {
					t.Errorf("got %v, want a ResetError with the reason and the oldest cursor", err)
				}
			})
		})
	}
}

// J2: a gap that stays is reported, and nothing after it is handled.
func TestFollow_J2_LastingGapIsReported(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(9)}
		f.onStream = func(_ context.Context, _ int, s stream) error {
			_ = s.batch(9, append(events(s.after+1, 4), events(6, 9)...)...)
			return s.end(9, kvitv1.ClosingReason_CLOSING_REASON_ROTATE)
		}
		got := &seen{}
		err := follow(t, f, kvit.FromBeginning(), kvit.Filter{}, got.handle)
		gap, ok := errors.AsType[*kvit.GapError](err)
		if !ok || gap.After != 4 || gap.Next != 6 {
			t.Errorf("got %v, want the gap between 4 and 6", err)
		}
		got.want(t, 1, 4)
	})
}

// J2: that the last events are missing is noticed at once, not with the next one.
func TestFollow_J2_LookedFurtherThanItTold(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(5)}
		f.onStream = func(ctx context.Context, number int, s stream) error {
			if number == 1 {
				_ = s.batch(5, events(1, 3)...)
				s.after = 5
			}
			return f.serve(ctx, s)
		}
		got := &seen{until: 5}
		began := time.Now()
		if err := follow(t, f, kvit.FromBeginning(), kvit.Filter{}, got.handle); err != nil {
			t.Fatal(err)
		}
		got.want(t, 1, 5)
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("waited %s for what was there", waited)
		}
	})
}

// J2: without a filter a heartbeat does not carry the place over an event that was left out.
func TestFollow_J2_HeartbeatDoesNotHideAGap(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(4)}
		f.onStream = func(ctx context.Context, number int, s stream) error {
			if number == 1 {
				_ = s.tell(1, 2)
				_ = s.beat(3)
				return cut()
			}
			return f.serve(ctx, s)
		}
		got := &seen{until: 4}
		if err := follow(t, f, kvit.FromBeginning(), kvit.Filter{}, got.handle); err != nil {
			t.Fatal(err)
		}
		got.want(t, 1, 4)
	})
}

// S1: with a filter positions may jump, heartbeats carry the place, and what the server had looked past cannot come later.
func TestFollow_S1_FilteredStreams(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(50)}
		f.onStream = func(_ context.Context, number int, s stream) error {
			switch number {
			case 1:
				_ = s.batch(10, event(3), event(7))
				_ = s.beat(20)
				return cut()
			case 2:
				_ = s.batch(30, event(25))
				_ = s.batch(40, event(28)) // It had said that up to 30 there is none.
				return cut()
			default:
				return s.batch(40, event(28), event(35))
			}
		}
		got := &seen{until: 35}
		var places []kvit.Checkpoint
		err := follow(t, f, kvit.FromBeginning(), kvit.Filter{Types: []string{"order.*"}}, got.handle,
			kvit.WithCheckpoint(func(_ context.Context, at kvit.Checkpoint) error {
				places = append(places, at)
				return nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		if want := []uint64{3, 7, 25, 28, 35}; !slices.Equal(got.positions, want) {
			t.Errorf("got %v, want %v", got.positions, want)
		}
		if from := f.streams[1].GetCursor(); from != cursor(20) {
			t.Errorf("the second stream began at %q, want the heartbeat's cursor", from)
		}
		if from := f.streams[2].GetCursor(); from != cursor(25) {
			t.Errorf("the third stream began at %q, want the last event's cursor", from)
		}
		if want := (kvit.Checkpoint{Cursor: cursor(20)}); !slices.Contains(places, want) {
			t.Errorf("kept %v, want the heartbeat's place among them", places)
		}
	})
}

// S1: from now means from the first answer on, also when the connection is lost before the first event.
func TestFollow_S1_NowIsPinnedByTheFirstAnswer(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(7)}
		f.onStream = func(ctx context.Context, number int, s stream) error {
			if number == 1 {
				_ = s.beat(s.after)
				f.journal.grow()
				f.journal.grow()
				return cut()
			}
			return f.serve(ctx, s)
		}
		got := &seen{until: 9}
		if err := follow(t, f, kvit.FromNow(), kvit.Filter{}, got.handle); err != nil {
			t.Fatal(err)
		}
		got.want(t, 8, 9)
	})
}

// S3: where streams do not get through, single calls with a wait bring the same events, and a stream is tried again later.
func TestFollow_S3_FallsBackToSingleCalls(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(3)}
		f.onStream = func(ctx context.Context, number int, s stream) error {
			if number <= 4 {
				return cut()
			}
			return f.serve(ctx, s)
		}
		go func() {
			for range 7 {
				time.Sleep(2 * time.Minute)
				f.journal.grow()
			}
		}()
		got := &seen{until: 10}
		var polling []bool
		err := follow(t, f, kvit.FromBeginning(), kvit.Filter{}, got.handle, kvit.WithStatus(func(s kvit.Status) {
			if s.Connected {
				polling = append(polling, s.Polling)
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		got.want(t, 1, 10)
		if want := []bool{true, false}; !slices.Equal(polling, want) {
			t.Errorf("got connected with polling %v, want %v", polling, want)
		}
		if calls := len(f.lists); calls > 40 {
			t.Errorf("made %d single calls in ten minutes, want each to wait", calls)
		}
	})
}

// S3: streams that are cut often, and bring something each time, are no reason for single calls.
func TestFollow_S3_CutStreamsThatBringEventsStayStreams(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(20)}
		f.onStream = func(_ context.Context, _ int, s stream) error {
			_ = s.tell(s.after+1, s.after+1)
			return cut()
		}
		got := &seen{until: 20}
		if err := follow(t, f, kvit.FromBeginning(), kvit.Filter{}, got.handle); err != nil {
			t.Fatal(err)
		}
		got.want(t, 1, 20)
		if len(f.lists) != 0 {
			t.Errorf("made %d single calls, want none", len(f.lists))
		}
	})
}

// S3: a server that ignores the wait is not asked in a tight loop.
func TestFollow_S3_SingleCallsWithoutAWaitAreRare(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(0)}
		f.onStream = func(context.Context, int, stream) error { return cut() }
		f.onList = func(_ context.Context, _ int, after uint64, _ *kvitv1.ListOrderEventsRequest) (*kvitv1.ListOrderEventsResponse, error) {
			return &kvitv1.ListOrderEventsResponse{NextCursor: cursor(after), ScannedTo: after}, nil
		}
		if err := follow(t, f, kvit.FromBeginning(), kvit.Filter{}, (&seen{}).handle); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if calls := len(f.lists); calls > 3700 || calls < 3000 {
			t.Errorf("made %d single calls in an hour, want about one a second", calls)
		}
	})
}

// S4: a server that was away for long is followed by stream again, not by single calls.
func TestFollow_S4_AnOutageIsNoReasonToPoll(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(2)}
		f.onStream = func(ctx context.Context, _ int, s stream) error { return f.serve(ctx, s) }
		n := &network{}
		client := n.client(t)
		go func() {
			time.Sleep(10 * time.Minute)
			n.up(t, f)
		}()
		got := &seen{until: 2}
		err := kvit.Follow(t.Context(), client.Payments, kvit.FromBeginning(), kvit.Filter{}, got.handle,
			kvit.WithStatus(func(s kvit.Status) {
				if s.Polling {
					t.Error("polls after an outage")
				}
			}))
		if err != nil {
			t.Fatal(err)
		}
		if dials := len(n.dials); dials > 80 {
			t.Errorf("dialed %d times in ten minutes, want pauses up to 15 s", dials)
		}
		n.down()
	})
}

// What no repeat would change ends Follow at once, with the server's reason.
func TestFollow_RefusalsEndIt(t *testing.T) {
	t.Parallel()

	for code, reason := range map[connect.Code]string{
		connect.CodeUnauthenticated:  "API_KEY_INVALID",
		connect.CodePermissionDenied: "SCOPE_MISSING",
		connect.CodeInvalidArgument:  "CURSOR_INVALID",
		connect.CodeNotFound:         "MERCHANT_NOT_FOUND",
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fake{journal: newJournal(0)}
				f.onStream = func(context.Context, int, stream) error { return refusal(code, reason) }
				err := follow(t, f, kvit.FromBeginning(), kvit.Filter{}, (&seen{}).handle)
				if connect.CodeOf(err) != code || kvit.Reason(err) != reason || len(f.streams) != 1 {
					t.Errorf("got %v after %d streams, want %s at once", err, len(f.streams), reason)
				}
			})
		})
	}
}

// A Follow ends with its context, also in the middle of an idle stream or a pause.
func TestFollow_EndsWithItsContext(t *testing.T) {
	t.Parallel()

	for name, up := range map[string]bool{"idle stream": true, "pause": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fake{journal: newJournal(0)}
				f.onStream = func(ctx context.Context, _ int, s stream) error { return f.serve(ctx, s) }
				n := &network{}
				if up {
					n.up(t, f)
				}
				client := n.client(t)
				why := errors.New("closing time")
				ctx, cancel := context.WithTimeoutCause(t.Context(), 7*time.Minute, why)
				defer cancel()
				began := time.Now()
				err := kvit.Follow(ctx, client.Payments, kvit.FromNow(), kvit.Filter{}, (&seen{}).handle)
				if !errors.Is(err, why) || time.Since(began) != 7*time.Minute {
					t.Errorf("got %v after %s, want the context's cause at its end", err, time.Since(began))
				}
				n.down()
			})
		})
	}
}

// A place that cannot be kept ends Follow: going on would promise what is not true.
func TestFollow_S4_UnkeptPlaceEndsIt(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{journal: newJournal(3)}
		f.onStream = func(ctx context.Context, _ int, s stream) error { return f.serve(ctx, s) }
		full := errors.New("the disk is full")
		got := &seen{}
		err := follow(t, f, kvit.FromBeginning(), kvit.Filter{}, got.handle,
			kvit.WithCheckpoint(func(context.Context, kvit.Checkpoint) error { return full }))
		if !errors.Is(err, full) {
			t.Errorf("got %v, want the error of keeping", err)
		}
		got.want(t, 1, 1)
	})
}

// S1: where to begin must be said.
func TestFollow_S1_RefusesAnUnsaidStart(t *testing.T) {
	t.Parallel()

	for name, start := range map[string]kvit.Start{"zero": {}, "empty checkpoint": kvit.From(kvit.Checkpoint{Position: 3})} {
		if err := kvit.Follow(t.Context(), nil, start, kvit.Filter{}, (&seen{}).handle); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
