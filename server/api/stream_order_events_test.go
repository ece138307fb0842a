package api_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/store"
)

// watcher is an open stream.
type watcher struct {
	*connect.ServerStreamForClient[kvitv1.StreamOrderEventsResponse]
	t     testing.TB
	leave func()
}

func (h *house) watch(tb testing.TB, request *kvitv1.StreamOrderEventsRequest, opts ...connect.ClientOption) *watcher {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	stream, err := h.client(opts...).StreamOrderEvents(ctx, request)
	must(tb, err)
	w := &watcher{stream, tb, func() { cancel(); _ = stream.Close() }}
	tb.Cleanup(w.leave)
	return w
}

// next is the next message.
func (w *watcher) next() *kvitv1.StreamOrderEventsResponse {
	w.t.Helper()
	if !w.Receive() {
		w.t.Fatalf("the stream ended: %v", w.Err())
	}
	return w.Msg()
}

// heartbeat is the next message, which must be a heartbeat.
func (w *watcher) heartbeat() *kvitv1.StreamHeartbeat {
	w.t.Helper()
	message := w.next()
	if message.GetHeartbeat() == nil {
		w.t.Fatalf("got %v, want a heartbeat", message)
	}
	return message.GetHeartbeat()
}

// events is the next message, which must bring events.
func (w *watcher) events() *kvitv1.OrderEventBatch {
	w.t.Helper()
	message := w.next()
	if message.GetEvents() == nil {
		w.t.Fatalf("got %v, want events", message)
	}
	return message.GetEvents()
}

// upTo gathers events until one has this position.
func (w *watcher) upTo(position uint64) []*kvitv1.OrderEvent {
	w.t.Helper()
	var events []*kvitv1.OrderEvent
	for {
		message := w.next()
		events = append(events, message.GetEvents().GetEvents()...)
		if message.GetEvents().GetScannedTo() >= position {
			return events
		}
	}
}

// end expects the stream to end cleanly.
func (w *watcher) end() {
	w.t.Helper()
	if w.Receive() || w.Err() != nil {
		w.t.Fatalf("the stream goes on with %v (%v), want a clean end", w.Msg(), w.Err())
	}
}

func gapFree(tb testing.TB, events []*kvitv1.OrderEvent, first uint64) {
	tb.Helper()
	for i, e := range events {
		if want := first + uint64(i); e.GetPosition() != want {
			tb.Fatalf("event %d has position %d, want %d", i, e.GetPosition(), want)
		}
	}
}

var (
	fromBeginning = &kvitv1.StreamOrderEventsRequest{Start: &kvitv1.StreamOrderEventsRequest_From{From: kvitv1.StreamFrom_STREAM_FROM_BEGINNING}}
	fromNow       = &kvitv1.StreamOrderEventsRequest{Start: &kvitv1.StreamOrderEventsRequest_From{From: kvitv1.StreamFrom_STREAM_FROM_NOW}}
)

func fromCursor(cursor string) *kvitv1.StreamOrderEventsRequest {
	return &kvitv1.StreamOrderEventsRequest{Start: &kvitv1.StreamOrderEventsRequest_Cursor{Cursor: cursor}}
}

func TestStreamOrderEvents_S1_BringsWhatIsThereAndWhatComes(t *testing.T) {
	t.Parallel()
	for name, opts := range protocols() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.create(t, "A-1")
			w := h.watch(t, fromBeginning, opts...)
			events := w.upTo(2)
			gapFree(t, events, 1)
			h.create(t, "A-2")
			events = append(events, w.upTo(4)...)
			gapFree(t, events, 1)
			e := events[3]
			if e.GetType() != "order.created" || e.GetOrderId() != "A-2" || e.GetOrder().GetAmount().GetMinorUnits() != 125000 {
				t.Errorf("got %v", e)
			}
			if e.GetOrder().GetCustomer() != nil || e.GetOrder().GetCreatedAt() != nil {
				t.Errorf("an event shows what may be erased: %v", e.GetOrder())
			}
		})
	}
}

func TestStreamOrderEvents_S1_ResumesAfterACursor(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create(t, "A-1")
	h.create(t, "A-2")
	w := h.watch(t, fromBeginning)
	cursor := w.upTo(4)[1].GetCursor()
	w.leave()
	h.create(t, "A-3")
	gapFree(t, h.watch(t, fromCursor(cursor)).upTo(6), 3)
}

// A stream is heard at once, and then every 15 s, so that its client always has a cursor.
func TestStreamOrderEvents_S3_Heartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := time.Now()
		w := h.watch(t, fromNow)
		first := w.heartbeat()
		if took := time.Since(opened); took > 0 {
			t.Errorf("the first heartbeat came after %v, want at once", took)
		}
		w.heartbeat()
		if took := time.Since(opened); took != 15*time.Second {
			t.Errorf("the second heartbeat came after %v, want 15s", took)
		}
		h.create(t, "A-1")
		gapFree(t, w.upTo(2), 1)
		heard := time.Now()
		beat := w.heartbeat()
		if took := time.Since(heard); took != 15*time.Second {
			t.Errorf("a heartbeat came %v after events, want 15s", took)
		}
		if beat.GetCursor() == first.GetCursor() || beat.GetClosing() != kvitv1.ClosingReason_CLOSING_REASON_UNSPECIFIED {
			t.Errorf("got %v after events", beat)
		}
		w.leave()
		synctest.Wait()
	})
}

// A stream ends after about 10 minutes, with a cursor from which nothing is missing.
func TestStreamOrderEvents_S3_Rotates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := time.Now()
		w := h.watch(t, fromNow)
		var last *kvitv1.StreamHeartbeat
		for last.GetClosing() == kvitv1.ClosingReason_CLOSING_REASON_UNSPECIFIED {
			last = w.heartbeat()
		}
		if last.GetClosing() != kvitv1.ClosingReason_CLOSING_REASON_ROTATE {
			t.Errorf("the stream ends with %v, want ROTATE", last)
		}
		if age := time.Since(opened); age < 9*time.Minute || age > 11*time.Minute {
			t.Errorf("the stream ended after %v", age)
		}
		w.end()
		h.create(t, "A-1")
		gapFree(t, h.watch(t, fromCursor(last.GetCursor())).upTo(2), 1)
	})
}

func TestStreamOrderEvents_S3_EndsWithTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		w := h.watch(t, fromNow)
		cursor := w.heartbeat().GetCursor()
		asked := time.Now()
		h.api.EndStreams()
		last := w.heartbeat()
		if took := time.Since(asked); took > 0 {
			t.Errorf("the stream ended after %v, want at once", took)
		}
		if last.GetClosing() != kvitv1.ClosingReason_CLOSING_REASON_SHUTDOWN || last.GetCursor() != cursor {
			t.Errorf("the stream ends with %v, want SHUTDOWN and cursor %s", last, cursor)
		}
		w.end()
	})
}

// A client that leaves ends its stream at once: nothing of it stays in the server.
func TestStreamOrderEvents_S2_EndsWithItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		w := h.watch(t, fromNow)
		w.heartbeat()
		w.leave()
		left := time.Now()
		for !contains(h.logs.String(), `"ended":"gone"`) {
			synctest.Wait()
			if time.Since(left) > 0 {
				t.Fatal("the stream goes on without its client")
			}
		}
	})
}

func TestStreamOrderEvents_Filters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.create(t, "A-1") // 1 link.created, 2 order.created
		h.create(t, "A-2") // 3, 4
		filtered := func(ids, types []string) *watcher {
			return h.watch(t, &kvitv1.StreamOrderEventsRequest{
				Start: fromBeginning.GetStart(), OrderIds: ids, Types: types,
			})
		}
		positions := func(w *watcher, upTo uint64) string {
			var list []uint64
			for _, e := range w.upTo(upTo) {
				list = append(list, e.GetPosition())
			}
			return fmt.Sprint(list)
		}
		byOrder := filtered([]string{"A-2"}, nil)
		byType := filtered(nil, []string{"order.created"})
		byPrefix := filtered([]string{"A-1", "A-3"}, []string{"link.*", "order.paid"})
		if got := positions(byOrder, 4); got != "[3 4]" {
			t.Errorf("by order: %s", got)
		}
		if got := positions(byType, 4); got != "[2 4]" {
			t.Errorf("by type: %s", got)
		}
		if got := positions(byPrefix, 1); got != "[1]" {
			t.Errorf("by prefix: %s", got)
		}
		h.create(t, "A-3") // 5, 6
		if got := positions(byType, 6); got != "[6]" {
			t.Errorf("by type on the tail: %s", got)
		}
		batch := byPrefix.events()
		if len(batch.GetEvents()) != 1 || batch.GetEvents()[0].GetPosition() != 5 {
			t.Errorf("by prefix on the tail: %v", batch)
		}
		// What passed nobody moves the cursor all the same (J2).
		h.create(t, "A-4") // 7, 8
		synctest.Wait()
		cursor := byOrder.heartbeat().GetCursor()
		rest := h.watch(t, fromCursor(cursor))
		rest.heartbeat()
		h.create(t, "A-5")
		gapFree(t, rest.upTo(10), 9)
	})
}

// A client that holds its stream and never reads is given up a minute after the stream's end.
func TestStreamOrderEvents_S2_GivesUpOnWhoDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		opened := time.Now()
		stream, err := kvitv1connect.NewPaymentServiceClient(h.public.http1, doorURL, bearing(h.secret)).StreamOrderEvents(t.Context(), fromNow)
		must(t, err)
		stuck := &watcher{stream, t, func() {}}
		stuck.heartbeat()
		for i := range 50 {
			h.create(t, fmt.Sprintf("S-%d", i))
		}
		time.Sleep(13 * time.Minute)
		synctest.Wait()
		if !h.logs.within(`"ended":"gone"`, "StreamOrderEvents") {
			t.Errorf("after %v the log says %s", time.Since(opened), h.logs)
		}
	})
}

// A filtered stream that finds nothing in a long journal is heard soon all the same.
func TestStreamOrderEvents_S1_FirstMessageComesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.create(t, "A-1")
		opened := time.Now()
		w := h.watch(t, &kvitv1.StreamOrderEventsRequest{Start: fromBeginning.GetStart(), OrderIds: []string{"B-1"}})
		w.heartbeat()
		if took := time.Since(opened); took > time.Second {
			t.Errorf("the first message came after %v", took)
		}
	})
}

func TestStreamOrderEvents_J6_ResetsWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create(t, "A-1")
	elsewhere := newHouse(t)
	elsewhere.create(t, "B-1")
	elsewhere.create(t, "B-2")
	events := elsewhere.watch(t, fromBeginning).upTo(4)
	for _, c := range []struct {
		cursor string
		want   kvitv1.ResetReason
	}{
		{events[1].GetCursor(), kvitv1.ResetReason_RESET_REASON_OTHER_HISTORY},
		{events[3].GetCursor(), kvitv1.ResetReason_RESET_REASON_AHEAD_OF_JOURNAL},
	} {
		w := h.watch(t, fromCursor(c.cursor))
		reset := w.next().GetReset_()
		if reset.GetReason() != c.want {
			t.Errorf("got %v, want %v", reset, c.want)
		}
		w.end()
		gapFree(t, h.watch(t, fromCursor(reset.GetOldestCursor())).upTo(2), 1)
	}
}

func TestStreamOrderEvents_J6_RefusesWhatIsNoCursor(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.watch(t, fromCursor("nonsense"))
	if w.Receive() {
		t.Fatalf("got %v", w.Msg())
	}
	oneErrorInfo(t, w.Err(), "CURSOR_INVALID")
}

// Everybody gets every event once and in order, however many write at the same time.
func TestStreamOrderEvents_J2_NoGapsWith100Writers(t *testing.T) {
	t.Parallel()
	const writers, readers, last = 100, 5, 200
	h := newHouse(t)
	var watching, writing sync.WaitGroup
	for i := range readers {
		w := h.watch(t, fromBeginning, protocolAt(i)...)
		watching.Go(func() { gapFree(t, w.upTo(last), 1) })
	}
	for i := range writers {
		writing.Go(func() { h.create(t, fmt.Sprintf("W-%d", i)) })
	}
	writing.Wait()
	watching.Wait()
}

// Who does not read holds nobody up, and finds everything when they read on (S2).
func TestStreamOrderEvents_S2_SlowReaderCatchesUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	slow, quick := h.watch(t, fromBeginning), h.watch(t, fromBeginning)
	const orders = 400
	for i := range orders {
		h.create(t, fmt.Sprintf("S-%d", i))
	}
	gapFree(t, quick.upTo(2*orders), 1)
	gapFree(t, slow.upTo(2*orders), 1)
}

// swapped is a database that can be exchanged for another while streams are open, as when a backup is restored.
type swapped struct {
	api.Payment
	now atomic.Pointer[payment.Service]
}

func (s *swapped) OpenJournal(ctx context.Context, who payment.Caller, from payment.From) (payment.Place, payment.ResetReason, error) {
	return s.now.Load().OpenJournal(ctx, who, from)
}

func (s *swapped) Events(ctx context.Context, of string, after uint64, limit int) ([]payment.Event, error) {
	return s.now.Load().Events(ctx, of, after, limit)
}

func (s *swapped) FilteredEvents(ctx context.Context, of string, filter store.EntryFilter, after, to uint64, limit int) ([]payment.Event, payment.Place, error) {
	return s.now.Load().FilteredEvents(ctx, of, filter, after, to, limit)
}

func (s *swapped) Head(ctx context.Context, of string) (payment.Place, error) {
	return s.now.Load().Head(ctx, of)
}

// A journal that goes back under an open stream ends it with a reset; nothing is skipped silently.
func TestStreamOrderEvents_J6_ResetsWhenABackupIsRestored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		backup := newHouse(t)
		backup.create(t, "A-1")
		database := &swapped{}
		h := newHouse(t, func(o *options) {
			o.wrap = func(p api.Payment) api.Payment { database.Payment = p; return database }
		})
		database.now.Store(h.payment)
		h.create(t, "A-1")
		h.create(t, "A-2")
		all, filtered := h.watch(t, fromBeginning), h.watch(t, &kvitv1.StreamOrderEventsRequest{Start: fromNow.GetStart(), OrderIds: []string{"A-2"}})
		gapFree(t, all.upTo(4), 1)
		filtered.heartbeat()
		waiting := make(chan *kvitv1.ListOrderEventsResponse, 1)
		go func() {
			r := page("", 25*time.Second)
			r.Start = &kvitv1.ListOrderEventsRequest_From{From: kvitv1.StreamFrom_STREAM_FROM_NOW}
			got, err := h.client().ListOrderEvents(t.Context(), r)
			if err != nil {
				t.Error(err)
			}
			waiting <- got
		}()
		synctest.Wait()
		database.now.Store(backup.payment)
		for _, w := range []*watcher{all, filtered} {
			if got := w.next().GetReset_().GetReason(); got != kvitv1.ResetReason_RESET_REASON_AHEAD_OF_JOURNAL {
				t.Errorf("got %v", got)
			}
			w.end()
		}
		if got := (<-waiting).GetReset_().GetReason(); got != kvitv1.ResetReason_RESET_REASON_AHEAD_OF_JOURNAL {
			t.Errorf("the waiting call got %v", got)
		}
	})
}

// A database that is away ends a stream that needs it with a reason; one that waits stays and goes on.
func TestStreamOrderEvents_GoesOnWhenTheStoreIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		h := newHouse(t, func(o *options) {
			o.wrap = func(p api.Payment) api.Payment { return flaky{p, &gone} }
		})
		w := h.watch(t, fromNow)
		cursor := w.heartbeat().GetCursor()
		gone.Store(true)
		h.create(t, "A-1")
		w.heartbeat()
		second := h.watch(t, fromCursor(cursor))
		if second.Receive() {
			t.Fatalf("got %v", second.Msg())
		}
		oneErrorInfo(t, second.Err(), "STORE_UNAVAILABLE")
		gone.Store(false)
		gapFree(t, w.upTo(2), 1)
	})
}

// flaky answers only while it is there.
type flaky struct {
	api.Payment

	gone *atomic.Bool
}

func (f flaky) away() error {
	if f.gone.Load() {
		return fault.New(fault.Unavailable, fault.ReasonStoreUnavailable, "The database does not answer.")
	}
	return nil
}

func (f flaky) OpenJournal(ctx context.Context, who payment.Caller, from payment.From) (payment.Place, payment.ResetReason, error) {
	if err := f.away(); err != nil {
		return payment.Place{}, "", err
	}
	return f.Payment.OpenJournal(ctx, who, from)
}

func (f flaky) Events(ctx context.Context, of string, after uint64, limit int) ([]payment.Event, error) {
	if err := f.away(); err != nil {
		return nil, err
	}
	return f.Payment.Events(ctx, of, after, limit)
}

func (f flaky) Head(ctx context.Context, of string) (payment.Place, error) {
	if err := f.away(); err != nil {
		return payment.Place{}, err
	}
	return f.Payment.Head(ctx, of)
}
