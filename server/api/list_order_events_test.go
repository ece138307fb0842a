package api_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

func page(cursor string, wait time.Duration) *kvitv1.ListOrderEventsRequest {
	r := &kvitv1.ListOrderEventsRequest{Wait: durationpb.New(wait), PageSize: 2}
	if cursor == "" {
		r.Start = &kvitv1.ListOrderEventsRequest_From{From: kvitv1.StreamFrom_STREAM_FROM_BEGINNING}
	} else {
		r.Start = &kvitv1.ListOrderEventsRequest_Cursor{Cursor: cursor}
	}
	return r
}

func TestListOrderEvents_S3_PagesThroughTheJournal(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, id := range []string{"A-1", "A-2", "A-3"} {
		h.create(t, id)
	}
	var events []*kvitv1.OrderEvent
	cursor := ""
	for {
		got, err := h.client().ListOrderEvents(t.Context(), page(cursor, 0))
		must(t, err)
		if len(got.GetEvents()) == 0 {
			if got.GetNextCursor() != cursor || got.GetScannedTo() != 6 {
				t.Errorf("the empty page leads to %v", got)
			}
			break
		}
		events, cursor = append(events, got.GetEvents()...), got.GetNextCursor()
	}
	gapFree(t, events, 1)
	if len(events) != 6 {
		t.Errorf("got %d events, want 6", len(events))
	}
	// A stream goes on where a page ended: the cursors are the same.
	gapFree(t, h.watch(t, fromCursor(events[3].GetCursor())).upTo(6), 5)
}

func TestListOrderEvents_S3_Waits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		start := time.Now()
		got, err := h.client().ListOrderEvents(t.Context(), page("", 25*time.Second))
		must(t, err)
		if took := time.Since(start); took != 25*time.Second || len(got.GetEvents()) != 0 {
			t.Errorf("got %v after %v, want nothing after 25s", got, took)
		}
		start = time.Now()
		go func() {
			time.Sleep(3 * time.Second)
			h.create(t, "A-1")
		}()
		got, err = h.client().ListOrderEvents(t.Context(), page(got.GetNextCursor(), 25*time.Second))
		must(t, err)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("the answer came after %v, want 3s", took)
		}
		gapFree(t, got.GetEvents(), 1)
		// A filter that nothing passes still moves on (J2).
		start = time.Now()
		filtered := page(got.GetEvents()[0].GetCursor(), 10*time.Second)
		filtered.Types = []string{"order.paid"}
		got, err = h.client().ListOrderEvents(t.Context(), filtered)
		must(t, err)
		if took := time.Since(start); took != 10*time.Second || got.GetScannedTo() != 2 {
			t.Errorf("got %v after %v", got, took)
		}
	})
}

// A caller whose deadline is as short as the wait still hears that nothing came.
func TestListOrderEvents_S3_AnswersBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		got, err := h.client().ListOrderEvents(ctx, page("", 25*time.Second))
		must(t, err)
		if got.GetNextCursor() == "" {
			t.Errorf("got %v", got)
		}
	})
}

func TestListOrderEvents_S3_EndsWithTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		start := time.Now()
		go func() {
			time.Sleep(time.Second)
			h.api.EndStreams()
		}()
		_, err := h.client().ListOrderEvents(t.Context(), page("", 25*time.Second))
		must(t, err)
		if took := time.Since(start); took != time.Second {
			t.Errorf("the answer came after %v, want 1s", took)
		}
	})
}

func TestListOrderEvents_J6_ResetsWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	h, elsewhere := newHouse(t), newHouse(t)
	elsewhere.create(t, "B-1")
	cursor := elsewhere.watch(t, fromBeginning).upTo(2)[1].GetCursor()
	got, err := h.client().ListOrderEvents(t.Context(), page(cursor, 25*time.Second))
	must(t, err)
	if got.GetReset_().GetReason() != kvitv1.ResetReason_RESET_REASON_AHEAD_OF_JOURNAL || got.GetNextCursor() != got.GetReset_().GetOldestCursor() {
		t.Errorf("got %v", got)
	}
	_, err = h.client().ListOrderEvents(t.Context(), page("nonsense", 0))
	oneErrorInfo(t, err, "CURSOR_INVALID")
}
