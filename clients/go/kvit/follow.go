package kvit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"connectrpc.com/connect"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// Limits of following.
const (
	// firstMessageMax is how long a stream may take to its first message, which the server sends at once (S1).
	firstMessageMax = 15 * time.Second
	// silenceMax is three heartbeats of 15 s that did not come (S3).
	silenceMax = 45 * time.Second
	// livedMin is how long a stream must have lived, or what it must have brought, to count as one that works.
	livedMin = 5 * time.Second
	// muteMax is after how many streams in a row without a single message single calls are tried.
	muteMax = 3
	// gapMax is how often in a row the same gap is met before it is reported.
	gapMax = 3
	// waitFirst and waitMax bound the pauses after failures.
	waitFirst = 200 * time.Millisecond
	waitMax   = 15 * time.Second
)

// ErrStop ends a Follow without an error, when a handler returns it. The event counts as handled.
var ErrStop = errors.New("kvit: stop following")

// What is wrong with a connection.
var (
	errSilent    = errors.New("the stream is silent, without heartbeats")
	errCut       = errors.New("the stream was cut")
	errBackwards = errors.New("an event came from where the server had found none")
)

// Handler is given one event after the other, in the order of their positions. The event belongs to it.
type Handler func(ctx context.Context, event *kvitv1.OrderEvent) error

// Events is what Follow needs of a client. Client.Payments has it.
type Events interface {
	StreamOrderEvents(
		ctx context.Context, req *kvitv1.StreamOrderEventsRequest,
	) (*connect.ServerStreamForClient[kvitv1.StreamOrderEventsResponse], error)
	ListOrderEvents(ctx context.Context, req *kvitv1.ListOrderEventsRequest) (*kvitv1.ListOrderEventsResponse, error)
}

// Checkpoint is a place in the journal: everything up to it was handled. Keep it, and begin From it next time.
type Checkpoint struct {
	// Cursor is the server's mark of the place (J6).
	Cursor string
	// Position is that of the event which the cursor came with, 0 for a cursor that came without one. With it the first event
	// after a new beginning is checked for a gap too; without it that one is trusted.
	Position uint64
}

// Start says where to begin. It comes from FromBeginning, FromNow or From; the zero Start is refused (S1).
type Start struct {
	from kvitv1.StreamFrom
	at   Checkpoint
}

// FromBeginning begins with the first entry of the journal.
func FromBeginning() Start { return Start{from: kvitv1.StreamFrom_STREAM_FROM_BEGINNING} }

// FromNow begins with what happens after the server's first answer, which WithCheckpoint and WithStatus tell of.
func FromNow() Start { return Start{from: kvitv1.StreamFrom_STREAM_FROM_NOW} }

// From goes on after a checkpoint. One without a cursor is refused: say FromBeginning or FromNow where nothing was kept yet.
func From(checkpoint Checkpoint) Start { return Start{at: checkpoint} }

// Filter chooses events. The zero Filter lets all through.
type Filter struct {
	// OrderIDs are the orders of interest, at most 100. Empty: all.
	OrderIDs []string
	// Types are event types such as order.paid, or prefixes such as order.*, at most 50. Empty: all.
	Types []string
}

// Status tells how a Follow is doing.
type Status struct {
	// Connected is true after the first answer of the server, and false when it was lost.
	Connected bool
	// Polling means that streams do not get through, and single calls do.
	Polling bool
	// Err is why the connection was lost. Follow tries again after Wait.
	Err  error
	Wait time.Duration
}

// ResetError means that the journal does not know the cursor: a restored backup, or another installation (J6). Compare what
// you know with the orders as they are, then Follow from OldestCursor or from now.
type ResetError struct {
	Reason       kvitv1.ResetReason
	OldestCursor string
}

func (e *ResetError) Error() string {
	return "the journal does not know this cursor: " + e.Reason.String()
}

// GapError means that events are missing, again and again at the same place, though the journal has no gaps (J2).
type GapError struct {
	// After is the last position that was handled, Next the one that came instead of After+1.
	After, Next uint64
}

func (e *GapError) Error() string {
	return fmt.Sprintf("events are missing: after position %d came %d", e.After, e.Next)
}

// FollowOption changes how Follow works.
type FollowOption func(*follower)

// WithCheckpoint is told the place after every event that was handled, and whenever the server says that nothing of interest
// happened up to a place. An error of its ends Follow.
func WithCheckpoint(save func(ctx context.Context, at Checkpoint) error) FollowOption {
	return func(f *follower) { f.save = save }
}

// WithStatus is told when the server is reached, and when it is lost.
func WithStatus(tell func(Status)) FollowOption {
	return func(f *follower) { f.tell = tell }
}

// WithBackoff bounds the pauses after failures, by default 200 ms to 15 s.
func WithBackoff(first, most time.Duration) FollowOption {
	return func(f *follower) { f.waitFirst, f.waitMax = first, most }
}

// Follow hands every event from start on that passes the filter to handle, in order, each once, until the context ends.
//
// It goes on where it was when a connection is cut, is silent for three heartbeats, or is ended by the server, with growing
// pauses after failures. Without a filter it checks that no position is missing. A repeat is dropped. Where streams do not get
// through, it asks with single calls that wait.
//
// An event counts as handled when handle and the checkpoint function have returned nil. A Follow that begins again from the
// last kept checkpoint repeats at most what was handled after it: at least once, and exactly once for a handler that keeps the
// checkpoint together with what it changed.
//
// It returns nil after ErrStop; the context's error; the handler's or checkpoint function's error, wrapped; a *ResetError; a
// *GapError; or the server's refusal that no repeat would change (unauthenticated, permission_denied, invalid_argument ...).
func Follow(ctx context.Context, client Events, start Start, filter Filter, handle Handler, opts ...FollowOption) error {
	if start.from == kvitv1.StreamFrom_STREAM_FROM_UNSPECIFIED && start.at.Cursor == "" {
		return errors.New("follow: the start must be FromBeginning, FromNow or From a checkpoint with a cursor")
	}
	f := &follower{
		client: client, filter: filter, handle: handle,
		from: start.from, at: start.at, last: start.at.Position,
		placed:    start.from == kvitv1.StreamFrom_STREAM_FROM_BEGINNING || start.at.Position > 0,
		save:      func(context.Context, Checkpoint) error { return nil },
		tell:      func(Status) {},
		waitFirst: waitFirst, waitMax: waitMax,
	}
	for _, opt := range opts {
		opt(f)
	}
	for {
		err := f.connect(ctx)
		if err, final := f.judge(err); final {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := f.pause(ctx, err); err != nil {
			return err
		}
	}
}

// follower is one Follow under way. Its methods run on one goroutine.
type follower struct {
	client Events
	filter Filter
	handle Handler
	save   func(ctx context.Context, at Checkpoint) error
	tell   func(Status)

	waitFirst, waitMax time.Duration

	// from is where to begin while at has no cursor.
	from kvitv1.StreamFrom
	at   Checkpoint
	// last is the position of the last handled event; placed is false while it is not known.
	last   uint64
	placed bool
	// scanned is up to where this connection said that it had looked.
	scanned uint64

	connected bool
	polling   bool
	// works is set by a connection that brought an event or lived for a while.
	works bool
	// failures, mute and gaps count what happened in a row.
	failures int
	mute     int
	gaps     int
	// proven means that a single call got through after streams did not.
	proven bool
}

// refusal is an error that ends Follow, whatever kind it is of.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// closing is the server's polite end of a stream.
type closing struct{ reason kvitv1.ClosingReason }

func (c closing) Error() string { return "the server ended the stream: " + c.reason.String() }

// connect reads until something ends the connection, and says what.
func (f *follower) connect(ctx context.Context) error {
	f.scanned, f.works = 0, false
	if f.mute >= muteMax {
		return f.poll(ctx)
	}
	return f.stream(ctx)
}

func (f *follower) stream(ctx context.Context) error {
	streamCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(firstMessageMax, func() { cancel(errSilent) })
	defer watchdog.Stop()
	f.mute++

	request := &kvitv1.StreamOrderEventsRequest{OrderIds: f.filter.OrderIDs, Types: f.filter.Types}
	if f.at.Cursor != "" {
		request.Start = &kvitv1.StreamOrderEventsRequest_Cursor{Cursor: f.at.Cursor}
	} else {
		request.Start = &kvitv1.StreamOrderEventsRequest_From{From: f.from}
	}
	began := time.Now()
	stream, err := f.client.StreamOrderEvents(streamCtx, request)
	if err != nil {
		return cut(streamCtx, err)
	}
	defer func() {
		cancel(nil) // First, so that closing does not wait for what still comes.
		_ = stream.Close()
	}()
	for stream.Receive() {
		watchdog.Stop() // The handler may take as long as it likes.
		f.mute, f.proven = 0, false
		f.reached(false)
		if err := f.take(ctx, stream.Msg()); err != nil {
			f.lived(began)
			return err
		}
		watchdog.Reset(silenceMax)
	}
	f.lived(began)
	return cut(streamCtx, stream.Err())
}

// cut is why a stream ended that the server did not end politely.
func cut(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		return cause
	}
	if err == nil {
		return errCut
	}
	return err
}

// take looks at one message of a stream.
func (f *follower) take(ctx context.Context, message *kvitv1.StreamOrderEventsResponse) error {
	switch content := message.GetContent().(type) {
	case *kvitv1.StreamOrderEventsResponse_Events:
		return f.accept(ctx, content.Events.GetEvents(), content.Events.GetScannedTo())
	case *kvitv1.StreamOrderEventsResponse_Heartbeat:
		if err := f.advance(ctx, content.Heartbeat.GetCursor()); err != nil {
			return err
		}
		if reason := content.Heartbeat.GetClosing(); reason != kvitv1.ClosingReason_CLOSING_REASON_UNSPECIFIED {
			return closing{reason}
		}
	case *kvitv1.StreamOrderEventsResponse_Reset_:
		return reset(content.Reset_)
	}
	return nil // A kind of message that came later than this program.
}

func reset(r *kvitv1.StreamReset) error {
	return refusal{&ResetError{Reason: r.GetReason(), OldestCursor: r.GetOldestCursor()}}
}

// accept handles what is new among events that were looked up to scannedTo.
func (f *follower) accept(ctx context.Context, events []*kvitv1.OrderEvent, scannedTo uint64) error {
	for _, event := range events {
		position := event.GetPosition()
		switch {
		case f.placed && position <= f.last:
			continue
		case f.unfiltered() && f.placed && position > f.last+1:
			return &GapError{After: f.last, Next: position}
		case position <= f.scanned:
			return errBackwards
		}
		if err := f.handled(ctx, event); err != nil {
			return err
		}
	}
	if f.unfiltered() && f.placed && scannedTo > f.last {
		return &GapError{After: f.last, Next: scannedTo + 1}
	}
	f.scanned = max(f.scanned, scannedTo)
	return nil
}

func (f *follower) unfiltered() bool { return len(f.filter.OrderIDs) == 0 && len(f.filter.Types) == 0 }

// handled gives an event to the handler and moves on.
func (f *follower) handled(ctx context.Context, event *kvitv1.OrderEvent) error {
	at := Checkpoint{Cursor: event.GetCursor(), Position: event.GetPosition()}
	err := f.handle(ctx, event)
	if err != nil && !errors.Is(err, ErrStop) {
		return refusal{fmt.Errorf("handle event at position %d: %w", at.Position, err)}
	}
	f.at, f.last, f.placed, f.works = at, at.Position, true, true
	f.gaps, f.failures = 0, 0
	if saved := f.save(ctx, at); saved != nil {
		return refusal{fmt.Errorf("keep the place after position %d: %w", at.Position, saved)}
	}
	if err != nil {
		return refusal{err}
	}
	return nil
}

// advance takes a cursor that came without an event. Without a filter the place moves with events only, so that one which was
// left out before the cursor is still noticed.
func (f *follower) advance(ctx context.Context, cursor string) error {
	known := f.at.Cursor != "" || f.from == kvitv1.StreamFrom_STREAM_FROM_BEGINNING
	if cursor == "" || cursor == f.at.Cursor || f.unfiltered() && known {
		return nil
	}
	f.at = Checkpoint{Cursor: cursor}
	if err := f.save(ctx, f.at); err != nil {
		return refusal{fmt.Errorf("keep the place: %w", err)}
	}
	return nil
}

// reached tells once that the server answers.
func (f *follower) reached(polling bool) {
	if !f.connected || f.polling != polling {
		f.connected, f.polling = true, polling
		f.tell(Status{Connected: true, Polling: polling})
	}
}

// lived forgets failures once a connection has lasted.
func (f *follower) lived(began time.Time) {
	if time.Since(began) >= livedMin {
		f.works, f.failures = true, 0
	}
}

// judge reports whether what ended a connection ends Follow too, and as what error.
func (f *follower) judge(err error) (result error, final bool) { //nolint:revive // The error is not a failure of judging.
	var refused refusal
	var gap *GapError
	var failure *connect.Error
	switch {
	case errors.As(err, &refused) && errors.Is(refused.error, ErrStop):
		return nil, true
	case errors.As(err, &refused):
		return refused.error, true
	case errors.As(err, &gap):
		f.gaps++
		return err, f.gaps >= gapMax
	case errors.As(err, &failure):
		return err, permanent(failure.Code())
	default:
		return err, false
	}
}

// permanent are the answers that no repeat would change.
func permanent(code connect.Code) bool {
	return slices.Contains([]connect.Code{
		connect.CodeUnauthenticated, connect.CodePermissionDenied, connect.CodeInvalidArgument, connect.CodeNotFound,
		connect.CodeFailedPrecondition, connect.CodeUnimplemented, connect.CodeOutOfRange, connect.CodeAlreadyExists,
	}, code)
}

// pause waits before the next connection: not at all after a polite end of a stream that worked.
func (f *follower) pause(ctx context.Context, why error) error {
	var polite closing
	if why == nil || errors.As(why, &polite) && f.works {
		return nil
	}
	f.failures++
	wait := retryWait(why, f.failures, f.waitFirst, f.waitMax)
	f.connected = false
	f.tell(Status{Err: why, Wait: wait})
	return sleep(ctx, wait)
}
