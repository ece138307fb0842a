package api

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"connectrpc.com/connect"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/stream"
	"github.com/kvitpay/kvit/server/telemetry"
)

// paymentService answers for PaymentService.
type paymentService struct {
	payment  Payment
	hub      *stream.Hub[*event]
	metrics  *telemetry.StreamMetrics
	now      func() time.Time
	streams  StreamOptions
	stopping context.Context //nolint:containedctx // It ends with the server, not with a call.
}

// StreamOptions are the times of a stream (S3). Zero means the default.
type StreamOptions struct {
	// Heartbeat is how long a stream may be silent: 15 s.
	Heartbeat time.Duration
	// Rotate is how long a stream lives at least, and RotateSpread how much longer at most, so that
	// streams that were opened together do not end together: 9 min and 2 min.
	Rotate, RotateSpread time.Duration
}

func (o StreamOptions) orDefaults() StreamOptions {
	if o.Heartbeat <= 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.Rotate <= 0 {
		o.Rotate = 9 * time.Minute
		o.RotateSpread = 2 * time.Minute
	}
	return o
}

const (
	// batchMax is how many events one message carries at most.
	batchMax = 256
	// firstWithin is how soon the first message comes where events are waiting that the filter may hold back.
	firstWithin = time.Second
	// stuckMax is how long after its end a stream is kept whose client does not read.
	stuckMax = time.Minute
)

// Why a stream ended, for the metrics.
const (
	endedRotate   = "rotate"
	endedShutdown = "shutdown"
	endedReset    = "reset"
	endedGone     = "gone"
	endedFailed   = "failed"
)

// streamOptions are those of the streaming procedure: events are encoded once for all, and not
// compressed, because each of thousands of subscribers would pay for it alone.
func streamOptions(spec connect.Spec) []connect.HandlerOption {
	if spec.Procedure != kvitv1connect.PaymentServiceStreamOrderEventsProcedure {
		return nil
	}
	return []connect.HandlerOption{connect.WithCompressMinBytes(math.MaxInt32), connect.WithCodec(frameCodec{})}
}

// StreamOrderEvents implements kvitv1connect.PaymentServiceHandler (S1 to S3).
//
// It and what stands below it while a stream is idle keep their stack frames small: thousands of
// streams wait here at a time, and their stacks shrink only where little of them is used.
func (s *paymentService) StreamOrderEvents(
	ctx context.Context, request *kvitv1.StreamOrderEventsRequest, out *connect.ServerStream[kvitv1.StreamOrderEventsResponse],
) error {
	w, err := s.open(ctx, request, out)
	if w == nil {
		return err
	}
	defer w.close(ctx)
	w.ended, err = w.run(ctx)
	return err
}

// open finds the place where a stream begins. It returns no watch where the stream is over already.
func (s *paymentService) open(
	ctx context.Context, request *kvitv1.StreamOrderEventsRequest, out *connect.ServerStream[kvitv1.StreamOrderEventsResponse],
) (*watch, error) {
	who := caller(ctx)
	from := begin(request.GetCursor(), request.GetFrom())
	place, reset, err := s.payment.OpenJournal(ctx, who, from)
	if err != nil {
		return nil, err
	}
	if reset != "" {
		return nil, out.Send(resetResponse(reset))
	}
	head := place
	if !from.Now {
		if head, err = s.payment.Head(ctx, who.Merchant); err != nil {
			return nil, err
		}
	}
	w := &watch{
		reader:  reader{journal: s.payment, who: who, filter: newFilter(request.GetOrderIds(), request.GetTypes())},
		service: s, out: out, ends: s.now().Add(s.lifetime()), binary: knowsFrames(ctx), ended: endedFailed,
	}
	w.stand(place)
	if head.Position <= place.Position { // Nothing waits, so that the first message is a heartbeat.
		if err := w.heartbeat(kvitv1.ClosingReason_CLOSING_REASON_UNSPECIFIED); err != nil {
			return nil, err
		}
	}
	w.subscriber = s.hub.Subscribe(who.Merchant)
	w.limit(ctx)
	w.setAlarm(ctx)
	s.metrics.Opened()
	return w, nil
}

// close gives back what open took.
func (w *watch) close(ctx context.Context) {
	w.release()
	w.subscriber.Close()
	w.service.metrics.Ended(w.ended)
	callOf(ctx).note(slog.String("ended", w.ended), slog.Int("events", w.sent), slog.Uint64("scanned_to", w.position))
}

// lifetime is when this stream rotates.
func (s *paymentService) lifetime() time.Duration {
	if s.streams.RotateSpread <= 0 {
		return s.streams.Rotate
	}
	return s.streams.Rotate + rand.N(s.streams.RotateSpread) //nolint:gosec // No secret.
}

// watch is one open stream: a reader, and the clock that says when to be heard.
type watch struct {
	reader

	service *paymentService
	out     *connect.ServerStream[kvitv1.StreamOrderEventsResponse]
	// binary is set where the client gets frames as they are; the frame is used again and again.
	binary bool
	frame  frame
	// ends is when the stream rotates, heard when something was last sent.
	ends, heard time.Time
	sent        int
	// ended is why the stream ended.
	ended string
	// wait ends at the next heartbeat, with the stream, or with the server.
	wait    context.Context //nolint:containedctx // It is made anew for each heartbeat, not for each event.
	release func()
}

// run sends until the stream ends, and says why it did.
func (w *watch) run(ctx context.Context) (string, error) {
	for {
		items, reset, err := w.next(ctx, w.wait, batchMax)
		if reset != "" {
			return endedReset, w.out.Send(resetResponse(reset))
		}
		if len(items) > 0 {
			if err := w.send(items); err != nil {
				return endedGone, err
			}
		}
		if err != nil || w.wait.Err() != nil {
			if reason, err := w.interrupted(ctx, err); reason != "" {
				return reason, err
			}
		}
	}
}

// interrupted is called when the wait has ended, or with what went wrong; it says why the stream ends
// if it does.
func (w *watch) interrupted(ctx context.Context, err error) (string, error) {
	switch {
	case ctx.Err() != nil:
		return endedGone, ctx.Err()
	case w.wait.Err() != nil:
		return w.alarmed(ctx)
	case errors.Is(err, stream.ErrClosed):
		return endedShutdown, w.heartbeat(kvitv1.ClosingReason_CLOSING_REASON_SHUTDOWN)
	}
	return endedFailed, err
}

// alarmed does what is due when the wait has ended, and says why the stream ends if it does.
func (w *watch) alarmed(ctx context.Context) (string, error) {
	now := w.service.now()
	switch {
	case w.service.stopping.Err() != nil:
		return endedShutdown, w.heartbeat(kvitv1.ClosingReason_CLOSING_REASON_SHUTDOWN)
	case !now.Before(w.ends):
		return endedRotate, w.heartbeat(kvitv1.ClosingReason_CLOSING_REASON_ROTATE)
	case now.Sub(w.heard) >= w.service.streams.Heartbeat:
		if err := w.heartbeat(kvitv1.ClosingReason_CLOSING_REASON_UNSPECIFIED); err != nil {
			return endedGone, err
		}
	}
	w.setAlarm(ctx)
	return "", nil
}

// setAlarm makes the wait until the next heartbeat or the stream's end.
func (w *watch) setAlarm(ctx context.Context) {
	if w.release != nil {
		w.release()
	}
	at := w.heard.Add(w.service.streams.Heartbeat)
	if w.heard.IsZero() {
		at = w.service.now().Add(firstWithin)
	}
	if at.After(w.ends) {
		at = w.ends
	}
	wait, cancel := context.WithDeadline(ctx, at)
	unhook := context.AfterFunc(w.service.stopping, cancel) //nolint:contextcheck // The server's end ends the wait too.
	w.wait, w.release = wait, func() { unhook(); cancel() }
}

// limit gives up on a client that does not read, some time after the stream's end. Where the connection
// knows no limits there is none. The HTTP server lifts it for the next request on the connection.
func (w *watch) limit(ctx context.Context) {
	_ = http.NewResponseController(callOf(ctx)).SetWriteDeadline(w.ends.Add(stuckMax))
}

// send sends events in one message, and so with one flush.
func (w *watch) send(items []stream.Item[*event]) error {
	w.heard = w.service.now()
	w.frame = frame{items: items, scannedTo: w.position}
	var err error
	if w.binary {
		err = w.out.Conn().Send(&w.frame)
	} else {
		err = w.out.Send(w.frame.message())
	}
	w.frame.items = nil // An idle stream keeps no events alive.
	if err != nil {
		return err
	}
	w.sent += len(items)
	w.service.metrics.Delivered(len(items))
	w.service.metrics.Delayed(w.heard.Sub(items[len(items)-1].Value.message.GetOccurredAt().AsTime()))
	return nil
}

func (w *watch) heartbeat(closing kvitv1.ClosingReason) error {
	w.heard = w.service.now()
	return w.out.Send(&kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Heartbeat{
		Heartbeat: &kvitv1.StreamHeartbeat{Cursor: w.cursor, Closing: closing},
	}})
}

func resetResponse(reason payment.ResetReason) *kvitv1.StreamOrderEventsResponse {
	return &kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Reset_{Reset_: resetMessage(reason)}}
}
