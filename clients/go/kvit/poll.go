package kvit

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// Limits of asking with single calls.
const (
	// pollWait is how long the server may keep a call open (S3).
	pollWait = 25 * time.Second
	// pollSlack is how much longer than that an answer may take.
	pollSlack = 15 * time.Second
	// pollMin is the least time between calls that brought nothing.
	pollMin = time.Second
	// pollFor is how long single calls are made before a stream is tried again.
	pollFor = 10 * time.Minute
	// pageSize is how many events one call asks for.
	pageSize = 200
)

// poll reads with single calls. It is for networks that let no stream through, not for servers that are away: a first call
// without a wait must succeed, and then a stream must fail once more, before it stays with single calls.
func (f *follower) poll(ctx context.Context) error {
	if _, err := f.page(ctx, 0); err != nil {
		f.mute, f.proven = muteMax-1, false
		return err
	}
	if !f.proven {
		f.mute, f.proven = muteMax-1, true
		return nil
	}
	f.reached(true)
	began := time.Now()
	for time.Since(began) < pollFor {
		asked := time.Now()
		count, err := f.page(ctx, pollWait)
		f.lived(began)
		if err != nil {
			return err
		}
		if count > 0 {
			continue
		}
		if err := sleep(ctx, pollMin-time.Since(asked)); err != nil {
			return err
		}
	}
	f.mute = muteMax - 1
	return nil
}

// page makes one call and handles what it brings.
func (f *follower) page(ctx context.Context, wait time.Duration) (int, error) {
	callCtx, cancel := context.WithTimeout(ctx, wait+pollSlack)
	defer cancel()
	request := &kvitv1.ListOrderEventsRequest{
		OrderIds: f.filter.OrderIDs, Types: f.filter.Types, PageSize: pageSize, Wait: durationpb.New(wait),
	}
	if f.at.Cursor != "" {
		request.Start = &kvitv1.ListOrderEventsRequest_Cursor{Cursor: f.at.Cursor}
	} else {
		request.Start = &kvitv1.ListOrderEventsRequest_From{From: f.from}
	}
	answer, err := f.client.ListOrderEvents(callCtx, request)
	if err != nil {
		return 0, err
	}
	if answer.GetReset_() != nil {
		return 0, reset(answer.GetReset_())
	}
	if err := f.accept(ctx, answer.GetEvents(), answer.GetScannedTo()); err != nil {
		return 0, err
	}
	return len(answer.GetEvents()), f.advance(ctx, answer.GetNextCursor())
}
