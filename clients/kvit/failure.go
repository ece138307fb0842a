package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"connectrpc.com/connect"

	"github.com/kvitpay/kvit/clients/go/kvit"
)

// usageError is a command line that is wrong.
type usageError struct{ err error }

func usage(err error) error { return &usageError{err} }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// unclearError is a change of which nobody knows whether it took effect.
type unclearError struct {
	err error
	key string
}

func (e *unclearError) Error() string { return e.err.Error() }
func (e *unclearError) Unwrap() error { return e.err }

// advisedError is a refusal of which the command knows better than the table what to do.
type advisedError struct {
	err    error
	advice string
}

func (e *advisedError) Error() string { return e.err.Error() }
func (e *advisedError) Unwrap() error { return e.err }

// errNotYet ends a watch whose time ran out before what it waited for.
var errNotYet = errors.New("The orders have not reached the state that was waited for.") //nolint:revive,staticcheck // It is printed as it is.

// notAttempted is the reason of what may be tried again later, as another call with another key: nothing happened.
const notAttempted = "PSP_NOT_ATTEMPTED"

// told is the metadata of errors that is printed.
var told = []string{"scope", "state", "account_id"}

// failure is an error as it is printed.
type failure struct {
	Code           string            `json:"code,omitempty"`
	Reason         string            `json:"reason,omitempty"`
	Message        string            `json:"message"`
	ChangedFields  []string          `json:"changedFields,omitempty"`
	Violations     []violation       `json:"violations,omitempty"`
	Metadata       map[string]string `json:"metadata,omitempty"`
	IdempotencyKey string            `json:"idempotencyKey,omitempty"`
	Hint           string            `json:"hint,omitempty"`
}

type violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

// exit prints an error and says with which code to end.
func (a *app) exit(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	code := exitCode(ctx, err)
	if code == exitInterrupted && !isUnclear(err) {
		return code
	}
	f := a.failure(err)
	if a.json {
		document, _ := json.Marshal(map[string]failure{"error": f})
		_, _ = fmt.Fprintln(a.stderr, string(document))
		return code
	}
	a.print(f)
	return code
}

func exitCode(ctx context.Context, err error) int {
	var wrong *usageError
	var answered *connect.Error
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &wrong):
		return exitUsage
	case errors.Is(err, errNotYet), errors.Is(err, context.DeadlineExceeded):
		return exitUnavailable
	case errors.As(err, &answered) && (kvit.Retryable(err) || kvit.Reason(err) == notAttempted):
		return exitUnavailable
	default:
		return exitRefused
	}
}

func isUnclear(err error) bool {
	_, unclear := errors.AsType[*unclearError](err)
	return unclear
}

// failure collects what is known about an error.
func (a *app) failure(err error) failure {
	f := failure{Message: a.sentence(err), Reason: kvit.Reason(err), ChangedFields: kvit.ChangedFields(err)}
	if answered, ok := errors.AsType[*connect.Error](err); ok {
		f.Code = answered.Code().String()
	}
	for _, v := range kvit.Violations(err) {
		f.Violations = append(f.Violations, violation{Field: v.Field, Description: v.Description})
	}
	for _, name := range told {
		if value := kvit.Metadata(err, name); value != "" {
			if f.Metadata == nil {
				f.Metadata = map[string]string{}
			}
			f.Metadata[name] = value
		}
	}
	if unclear, ok := errors.AsType[*unclearError](err); ok {
		f.IdempotencyKey = unclear.key
		f.Hint = "It is not known whether this took effect. Repeat the same command with --idempotency-key " + unclear.key +
			": it cannot take effect twice."
	} else {
		f.Hint = a.advice(f.Reason, err)
	}
	return f
}

// advice is what to do about an error, where that is not plain.
func (a *app) advice(reason string, err error) string {
	var reset *kvit.ResetError
	var wrong *usageError
	var advised *advisedError
	switch {
	case errors.As(err, &advised):
		return advised.advice
	case errors.As(err, &wrong):
		return "kvit --help, and --help after any command, show how it is used."
	case errors.As(err, &reset):
		return "Compare the orders as they are, then watch again with --cursor " + reset.OldestCursor + " or --since now."
	case reason == "API_KEY_INVALID" || reason == "API_KEY_MISSING":
		return "The key comes from KVIT_API_KEY or --key, and belongs to one installation."
	case reason == "IDEMPOTENCY_KEY_REUSED":
		return "Leave --idempotency-key out for a new request."
	case reason == notAttempted:
		return "Nothing happened. Try again later, without --idempotency-key."
	case reason == "METHOD_NOT_FOUND":
		return "Key commands are answered at KVIT_ADMIN or --admin, all others at KVIT_SERVER or --server."
	case reason == "" && connect.CodeOf(err) == connect.CodeUnimplemented:
		return "Is " + a.server + " the address of Kvit's API? Set KVIT_SERVER or --server; key commands need KVIT_ADMIN or --admin."
	default:
		return ""
	}
}

// sentence says in one sentence what went wrong.
func (a *app) sentence(err error) string {
	var answered *connect.Error
	switch {
	case unreached(err) != nil:
		return "The server cannot be reached: " + clean(unreached(err).Error()) + "."
	case errors.Is(err, context.DeadlineExceeded):
		return "The server did not answer in time."
	case errors.Is(err, context.Canceled):
		return "It was interrupted."
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "The connection broke."
	case errors.As(err, &answered) && kvit.Reason(err) != "":
		return clean(answered.Message())
	case errors.As(err, &answered) && connect.IsWireError(err):
		return clean(fmt.Sprintf("The server answered %s: %s.", answered.Code(), strings.TrimSuffix(answered.Message(), ".")))
	case errors.As(err, &answered) && answered.Code() == connect.CodeInternal: // A stream that was reset.
		return "The connection broke."
	case errors.As(err, &answered):
		return clean(fmt.Sprintf("The connection failed: %s.", answered.Message()))
	default:
		return clean(err.Error())
	}
}

// print shows a failure to a person.
func (a *app) print(f failure) {
	_, _ = fmt.Fprintf(a.stderr, "kvit: %s\n", f.Message)
	if f.Reason != "" {
		a.hint("  reason: %s", f.Reason)
	}
	for _, name := range told {
		if value := f.Metadata[name]; value != "" {
			a.hint("  %s: %s", name, clean(value))
		}
	}
	if len(f.ChangedFields) > 0 {
		a.hint("  changed: %s", clean(strings.Join(f.ChangedFields, ", ")))
	}
	for _, v := range f.Violations {
		a.hint("  %s: %s", clean(v.Field), clean(v.Description))
	}
	if f.Hint != "" {
		a.hint("%s", f.Hint)
	}
}

// unreached is why no connection was made: then nothing was sent either. It is nil for every other error.
func unreached(err error) error {
	if gone, ok := errors.AsType[*net.OpError](err); ok && gone.Op == "dial" {
		return gone
	}
	return nil
}

// untouching are the reasons of refusals before anything is done that a repeat may cure.
var untouching = []string{"RATE_LIMITED", "ACCOUNT_UNAVAILABLE"}

// untouched reports whether a failed call changed nothing for certain.
func untouched(err error) bool {
	return unreached(err) != nil || slices.Contains(untouching, kvit.Reason(err)) || !kvit.Retryable(err)
}
