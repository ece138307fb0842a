// Package fault says what went wrong, and what of that may be told to whom.
//
// Inside a room errors are wrapped with fmt.Errorf. Where an error leaves a room it becomes an
// [Error]: a [Kind], a [Reason] of the documented list, and one sentence that the caller may read.
// The cause stays inside and goes to the log alone. An error without a kind is [Internal], and a
// door shows nothing of it but an id to look up. Each door has one table from kinds to its own
// codes; no other place decides on a status.
//
// [Unknown] is a kind of its own: the money may have moved. It is never shown as a failure.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the class of a fault: what the caller can do about it.
type Kind int

// The kinds. Each door maps every one of them; see AllKinds.
const (
	// Internal is a fault of ours. It is the zero Kind, so that a forgotten kind tells nothing.
	Internal Kind = iota
	// Invalid means that the request can never succeed as it is.
	Invalid
	// Unauthenticated means that the caller is not known.
	Unauthenticated
	// Denied means that the caller is known and may not do this.
	Denied
	// NotFound means that there is no such thing for this caller.
	NotFound
	// Conflict means that the thing exists already, with other terms.
	Conflict
	// Precondition means that the thing is not in a state that allows this.
	Precondition
	// Busy means that the same work is going on at this moment: repeat with the same key.
	Busy
	// Exhausted means too many at once: repeat later.
	Exhausted
	// Unavailable means that it did not happen, or that a repeat with the same key finds out: repeat later.
	Unavailable
	// Unknown means that an outside party was asked and its answer is not known: the money may have moved.
	Unknown
)

// AllKinds lists every kind, for tables that must not forget one.
func AllKinds() []Kind {
	return []Kind{
		Internal, Invalid, Unauthenticated, Denied, NotFound, Conflict,
		Precondition, Busy, Exhausted, Unavailable, Unknown,
	}
}

// String returns the kind's name in lower case, for logs and metrics.
func (k Kind) String() string {
	names := [...]string{
		"internal", "invalid", "unauthenticated", "denied", "not_found", "conflict",
		"precondition", "busy", "exhausted", "unavailable", "unknown",
	}
	if k < 0 || int(k) >= len(names) {
		return "internal"
	}
	return names[k]
}

// Field is one field of a request that is not as it must be.
type Field struct {
	// Path names the field as in the proto: "amount.minor_units", "line_items[2].name".
	Path string
	// Message says what it must be, in one sentence that may be shown.
	Message string
}

// Error is a fault with a kind, a documented reason and one sentence for the caller.
type Error struct {
	kind       Kind
	reason     Reason
	message    string
	fields     []Field
	metadata   map[string]string
	retryAfter time.Duration
	cause      error
}

// Option adds to an Error.
type Option func(*Error)

// New makes a fault. The message is one sentence that may be shown to the caller: no secrets, no internals.
func New(kind Kind, reason Reason, message string, opts ...Option) *Error {
	e := &Error{kind: kind, reason: reason, message: message}
	for _, opt := range opts {
		opt(e)
	}
	return e
}

// Because keeps the error that led here. It is for the log and never shown.
func Because(cause error) Option { return func(e *Error) { e.cause = cause } }

// WithFields names the fields that are wrong.
func WithFields(fields ...Field) Option {
	return func(e *Error) { e.fields = append(e.fields, fields...) }
}

// With adds a word for programs, shown in the error's metadata.
func With(key, value string) Option {
	return func(e *Error) {
		if e.metadata == nil {
			e.metadata = map[string]string{}
		}
		e.metadata[key] = value
	}
}

// RetryAfter says how long the caller should wait before a repeat.
func RetryAfter(d time.Duration) Option { return func(e *Error) { e.retryAfter = d } }

// Error returns the whole story, for logs: the sentence, the reason and the cause.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s (%s): %v", e.message, e.reason, e.cause)
	}
	return fmt.Sprintf("%s (%s)", e.message, e.reason)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Kind returns the class of the fault.
func (e *Error) Kind() Kind { return e.kind }

// Reason returns the documented reason.
func (e *Error) Reason() Reason { return e.reason }

// Message returns the sentence that may be shown.
func (e *Error) Message() string { return e.message }

// Fields returns the fields that are wrong, or nil.
func (e *Error) Fields() []Field { return e.fields }

// Metadata returns words for programs, or nil.
func (e *Error) Metadata() map[string]string { return e.metadata }

// RetryDelay returns how long to wait before a repeat, or 0 where no advice is given.
func (e *Error) RetryDelay() time.Duration { return e.retryAfter }

// As returns the fault inside err. An error that holds none becomes Internal with ReasonInternal,
// its text kept as the cause. As(nil) is nil.
func As(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return New(Internal, ReasonInternal, "Something went wrong on our side.", Because(err))
}

// KindOf returns the kind of the fault inside err, Internal where there is none.
func KindOf(err error) Kind { return As(err).Kind() }

// ReasonOf returns the reason of the fault inside err, ReasonInternal where there is none.
// It must not be called with nil.
func ReasonOf(err error) Reason { return As(err).Reason() }

// Is reports whether err holds a fault with this reason.
func Is(err error, reason Reason) bool {
	return err != nil && As(err).Reason() == reason
}
