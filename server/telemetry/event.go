package telemetry

import (
	"context"
	"log/slog"
	"slices"
	"sync"
)

// eventAttrsMax bounds what one event holds; more is left out.
const eventAttrsMax = 64

// Event gathers what is known about one piece of work, to be written as one log line at its end.
type Event struct {
	mu    sync.Mutex
	attrs []slog.Attr
	left  int
	done  bool
}

type eventKey struct{}

// WithEvent returns a context that carries a new event, and the event. Who opens an event closes it.
func WithEvent(ctx context.Context) (context.Context, *Event) {
	event := &Event{attrs: make([]slog.Attr, 0, 16)}
	return context.WithValue(ctx, eventKey{}, event), event
}

// HasEvent reports whether ctx carries an event, so that somebody else writes the line.
func HasEvent(ctx context.Context) bool {
	_, ok := ctx.Value(eventKey{}).(*Event)
	return ok
}

// Add puts attributes on the event that ctx carries. A key that is there already gets the new value.
// Without an event, or after its end, it does nothing.
func Add(ctx context.Context, attrs ...slog.Attr) {
	if event, ok := ctx.Value(eventKey{}).(*Event); ok {
		event.Add(attrs...)
	}
}

// Add puts attributes on the event; see the function [Add].
func (e *Event) Add(attrs ...slog.Attr) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return
	}
	for _, attr := range attrs {
		e.set(attr)
	}
}

func (e *Event) set(attr slog.Attr) {
	at := slices.IndexFunc(e.attrs, func(a slog.Attr) bool { return a.Key == attr.Key })
	switch {
	case at >= 0:
		e.attrs[at] = attr
	case len(e.attrs) < eventAttrsMax:
		e.attrs = append(e.attrs, attr)
	default:
		e.left++
	}
}

// Close ends the event and returns its attributes in the order in which they first came, for
// slog.Logger.LogAttrs. Closing again returns nothing, so that an event is written once.
func (e *Event) Close() []slog.Attr {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return nil
	}
	e.done = true
	if e.left > 0 {
		return append(e.attrs, slog.Int("attrs_left_out", e.left))
	}
	return e.attrs
}
