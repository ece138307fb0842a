package api

import (
	"context"
	"errors"
	"log/slog"
	"time"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/stream"
)

const (
	// eventsDefault is how many events a page has when the caller names no number.
	eventsDefault = 50
	// answerTime is left of the caller's deadline to answer that nothing came.
	answerTime = 250 * time.Millisecond
)

// ListOrderEvents implements kvitv1connect.PaymentServiceHandler (S3). It waits in the hub like a
// stream, and asks the database nothing meanwhile.
func (s *paymentService) ListOrderEvents(ctx context.Context, request *kvitv1.ListOrderEventsRequest) (*kvitv1.ListOrderEventsResponse, error) {
	who := caller(ctx)
	place, reset, err := s.payment.OpenJournal(ctx, who, begin(request.GetCursor(), request.GetFrom()))
	if err != nil {
		return nil, err
	}
	if reset != "" {
		return resetPage(reset), nil
	}
	r := &reader{journal: s.payment, who: who, filter: newFilter(request.GetOrderIds(), request.GetTypes())}
	r.stand(place)
	limit := int(request.GetPageSize())
	if limit == 0 {
		limit = eventsDefault
	}
	items, err := r.page(ctx, limit)
	if err == nil && len(items) == 0 && request.GetWait().AsDuration() > 0 {
		items, reset, err = s.await(ctx, r, request.GetWait().AsDuration(), limit)
	}
	if err != nil {
		return nil, err
	}
	if reset != "" {
		return resetPage(reset), nil
	}
	callOf(ctx).note(slog.Int("events", len(items)), slog.Uint64("scanned_to", r.position))
	return &kvitv1.ListOrderEventsResponse{Events: messagesOf(items), NextCursor: r.cursor, ScannedTo: r.position}, nil
}

// await waits for the first events that pass. That none came in time is no error.
func (s *paymentService) await(ctx context.Context, r *reader, span time.Duration, limit int) ([]stream.Item[*event], payment.ResetReason, error) {
	if deadline, ok := ctx.Deadline(); ok {
		span = min(span, deadline.Sub(s.now())-answerTime)
	}
	wait, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)() //nolint:contextcheck // The server's end ends the wait too.
	r.subscriber = s.hub.Subscribe(r.who.Merchant)
	defer r.subscriber.Close()
	for {
		items, reset, err := r.next(ctx, wait, limit)
		switch {
		case len(items) > 0 || reset != "":
			return items, reset, nil
		case ctx.Err() != nil:
			return nil, "", ctx.Err()
		case wait.Err() != nil, errors.Is(err, stream.ErrClosed):
			return nil, "", nil
		case err != nil:
			return nil, "", err
		}
	}
}

func resetPage(reason payment.ResetReason) *kvitv1.ListOrderEventsResponse {
	return &kvitv1.ListOrderEventsResponse{NextCursor: oldestCursor(), Reset_: resetMessage(reason)}
}
