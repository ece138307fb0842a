package psp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/kvitpay/kvit/server/fault"
)

// Outcome is what a call came to, as far as we know. It is a label of metrics and logs.
type Outcome string

// The outcomes.
const (
	OutcomeOK Outcome = "ok"
	// OutcomeRefused is a final no, and OutcomeNotAttempted a call that never was: certainly nothing happened.
	OutcomeRefused      Outcome = "refused"
	OutcomeNotAttempted Outcome = "not_attempted"
	// OutcomeHandoffLost is a payment that is open, without the way to it.
	OutcomeHandoffLost Outcome = "handoff_lost"
	// OutcomeForged and OutcomeUnreadable are callbacks.
	OutcomeForged     Outcome = "forged"
	OutcomeUnreadable Outcome = "unreadable"
	// OutcomeUnknown is everything else: the money may have moved.
	OutcomeUnknown Outcome = "unknown"
)

// CallError is what went wrong in a call of an [Account]. It holds no secret of the account, and
// nothing of the plug's own error but its text: errors.Is finds the sentinels of this package and of
// package context, errors.As a *RefusedError or a *fault.Error.
type CallError struct {
	Account, Method string
	Outcome         Outcome
	// ID finds the log line of a panic; empty where there was none.
	ID string

	text   string
	causes []error
}

// Error implements error.
func (e *CallError) Error() string {
	text := "psp account " + e.Account + ": " + e.Method + ": " + string(e.Outcome) + ": " + e.text
	if e.ID != "" {
		text += " (" + e.ID + ")"
	}
	return text
}

// Unwrap returns what errors.Is and errors.As look at.
func (e *CallError) Unwrap() []error { return e.causes }

// OutcomeOf says what an error of an Account means; no error is OutcomeOK.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return OutcomeOK
	}
	if call, ok := errors.AsType[*CallError](err); ok {
		return call.Outcome
	}
	return OutcomeUnknown
}

// NotSent reports whether err says that there was no connection to send a request on: the name was not
// found, or the dial failed. A plug that follows redirects or makes several calls must not take it for
// ErrNotAttempted where it has sent something before; an [Account] looks after that itself.
func NotSent(err error) bool {
	if dial, ok := errors.AsType[*net.OpError](err); ok && (dial.Op == "dial" || dial.Op == "proxyconnect") {
		return true
	}
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}

// judge says what a plug's error means. sent is true where a request left us.
func (a *Account) judge(ctx context.Context, w what, err error, sent bool) error {
	over := ctx.Err()
	refused, isRefused := errors.AsType[*RefusedError](err)
	known, isFault := errors.AsType[*knownError](err)
	thrown, isPanic := errors.AsType[*panicError](err)
	switch {
	case isPanic:
		failed := a.failed(w, OutcomeUnknown, nil, err)
		failed.ID = a.logPanic(ctx, w, thrown)
		return failed
	case isFault:
		failed := a.failed(w, OutcomeNotAttempted, ErrNotAttempted, err)
		failed.causes = append(failed.causes, known.fault)
		return failed
	case isRefused:
		return a.failed(w, OutcomeRefused, &RefusedError{Failure: a.scrub.Replace(refused.Failure)}, err)
	case errors.Is(err, ErrHandoffLost):
		return a.failed(w, OutcomeHandoffLost, ErrHandoffLost, err)
	case over != nil:
		return a.failed(w, OutcomeUnknown, over, err)
	case errors.Is(err, ErrNotAttempted), NotSent(err) && !sent:
		return a.failed(w, OutcomeNotAttempted, ErrNotAttempted, err)
	default:
		return a.failed(w, OutcomeUnknown, nil, err)
	}
}

// failed makes the error that travels on. Of err only the text stays, without secrets.
func (a *Account) failed(w what, outcome Outcome, cause, err error) *CallError {
	e := &CallError{Account: a.options.ID, Method: w.method, Outcome: outcome, text: a.scrub.Replace(err.Error())}
	if cause != nil {
		e.causes = append(e.causes, cause)
	}
	for _, over := range []error{context.Canceled, context.DeadlineExceeded} {
		if cause != over && errors.Is(err, over) { //nolint:errorlint // Is the very same sentinel in the list already?
			e.causes = append(e.causes, over)
		}
	}
	return e
}

// knownError is a fault of ours that came up before the plug was called.
type knownError struct{ fault *fault.Error }

func (e *knownError) Error() string { return e.fault.Error() }

func notAttempted(err error) error { return &knownError{fault.As(err)} }

// secretLengthMin is what a secret has at least. Taking shorter texts out would leave no line readable.
const secretLengthMin = 4

// scrubber takes secrets out of texts, in the forms in which errors hold them.
func scrubber(secrets []string) *strings.Replacer {
	var forms []string
	for _, secret := range secrets {
		if len(secret) < secretLengthMin {
			continue
		}
		quoted := strconv.Quote(secret)
		forms = append(forms, secret, url.QueryEscape(secret), url.PathEscape(secret), quoted[1:len(quoted)-1],
			base64.StdEncoding.EncodeToString([]byte(secret)), fmt.Sprintf("%x", secret))
	}
	// The longest first, so that a secret that begins another one leaves no rest of it.
	slices.SortFunc(forms, func(x, y string) int { return len(y) - len(x) })
	var pairs []string
	for _, form := range forms {
		pairs = append(pairs, form, "[redacted]")
	}
	return strings.NewReplacer(pairs...)
}
