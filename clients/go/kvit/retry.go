package kvit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"connectrpc.com/connect"
)

// Defaults of a RetryPolicy.
const (
	retryTries     = 5
	retryWaitFirst = 100 * time.Millisecond
	retryWaitMax   = 5 * time.Second
	// retryAfterMax bounds what a server may ask for.
	retryAfterMax = time.Minute
)

// RetryPolicy says how often and how fast Retry calls again. Its zero value is ready to use.
type RetryPolicy struct {
	// Tries is how many calls are made at most. Default 5.
	Tries int
	// WaitFirst is the wait after the first failure, doubled after each next one, with jitter. Default 100 ms.
	WaitFirst time.Duration
	// WaitMax is the longest wait of our own; a server may ask for up to a minute. Default 5 s.
	WaitMax time.Duration
	// TryTimeout is how long one call may take. Default: as long as the context allows.
	TryTimeout time.Duration
	// OnWait is told of each failure that is followed by another try.
	OnWait func(err error, wait time.Duration)
}

// NewKey makes an idempotency key that nobody made before: 26 letters and digits.
func NewKey() string { return rand.Text() }

// Retry makes a call, and makes it again while its outcome is unknown or the server asks for patience: unavailable, aborted,
// rate limited, a deadline or a broken connection. It waits as long as RetryInfo says, and never past the context's end.
//
// The call must send the same request, with the same idempotency key, each time; then an effect that a lost answer hid is not
// made twice, and the recorded answer comes back (I2). Make the key before Retry, not inside the call.
//
// What comes back is the last call's answer or error. An error that is not worth repeating comes back at once.
func Retry[T any](ctx context.Context, policy RetryPolicy, call func(ctx context.Context) (T, error)) (T, error) {
	policy = policy.orDefaults()
	for try := 1; ; try++ {
		answer, err := once(ctx, policy.TryTimeout, call)
		if err == nil || try >= policy.Tries || ctx.Err() != nil || !Retryable(err) {
			return answer, err
		}
		wait := retryWait(err, try, policy.WaitFirst, policy.WaitMax)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
			return answer, err
		}
		if policy.OnWait != nil {
			policy.OnWait(err, wait)
		}
		if stopped := sleep(ctx, wait); stopped != nil {
			return answer, fmt.Errorf("%w (%w)", err, stopped)
		}
	}
}

// Retryable reports whether a failed call may be made again as it was: nothing happened, or it is unknown what did. Calls that
// change something need the same idempotency key.
func Retryable(err error) bool {
	var failure *connect.Error
	if !errors.As(err, &failure) {
		return false
	}
	if Reason(err) == "PSP_NOT_ATTEMPTED" { // With this key the answer is recorded; another try is another call.
		return false
	}
	switch failure.Code() { //nolint:exhaustive // The other codes are final.
	case connect.CodeUnavailable, connect.CodeAborted, connect.CodeDeadlineExceeded, connect.CodeCanceled:
		return true
	case connect.CodeResourceExhausted:
		// A message that is too large is exhausted too, and stays too large.
		_, asked := RetryAfter(err)
		return asked
	case connect.CodeUnknown, connect.CodeInternal:
		// Connect says so when an answer broke off on its way here. What a server says with these codes is final.
		return !connect.IsWireError(err)
	default:
		return false
	}
}

func (p RetryPolicy) orDefaults() RetryPolicy {
	if p.Tries <= 0 {
		p.Tries = retryTries
	}
	if p.WaitFirst <= 0 {
		p.WaitFirst = retryWaitFirst
	}
	if p.WaitMax <= 0 {
		p.WaitMax = retryWaitMax
	}
	return p
}

func once[T any](ctx context.Context, timeout time.Duration, call func(ctx context.Context) (T, error)) (T, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return call(ctx)
}

// retryWait is the pause after the failure of that number: what the server asks for, or ours if that is longer.
func retryWait(err error, failures int, first, most time.Duration) time.Duration {
	wait := backoff(failures, first, most)
	if asked, ok := RetryAfter(err); ok && asked > wait {
		// A little more, so that those who were told the same do not come together.
		wait = min(asked, retryAfterMax) + wait/4
	}
	return wait
}

// backoff doubles from first to most with the number of failures in a row, and takes a random part of the upper half.
func backoff(failures int, first, most time.Duration) time.Duration {
	wait := first
	for i := 1; i < failures && wait < most; i++ {
		wait *= 2
	}
	wait = min(wait, most)
	return wait/2 + mathrand.N(wait/2+1) //nolint:gosec // A pause is no secret.
}

// sleep waits, or says why the context ended first.
func sleep(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
