package writer

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvitpay/kvit/server/fault"
)

// storeUnavailable says that nothing is confirmed: the store is away, or a commit is unclear.
func storeUnavailable(cause error) *fault.Error {
	return fault.New(fault.Unavailable, fault.ReasonStoreUnavailable,
		"The database did not confirm the change. Repeat with the same key.",
		fault.RetryAfter(retryAfter), fault.Because(cause))
}

func rateLimited() *fault.Error {
	return fault.New(fault.Exhausted, fault.ReasonRateLimited, "Too many requests wait. Repeat later.",
		fault.RetryAfter(retryAfter))
}

func shuttingDown() *fault.Error {
	return fault.New(fault.Unavailable, fault.ReasonShuttingDown, "This server is stopping. Repeat; another one answers.",
		fault.RetryAfter(retryAfter))
}

// notRun says that the caller gave up in time: the command was not run and will not be.
func notRun(ctx context.Context) *fault.Error {
	return callerGone(ctx, "before its change was begun; nothing was done")
}

// gaveUp says that the caller gave up while its command was being committed.
func gaveUp(ctx context.Context) *fault.Error {
	return callerGone(ctx, "while its change was being committed; a repeat with the same key tells the outcome")
}

func callerGone(ctx context.Context, when string) *fault.Error {
	reason, what := fault.ReasonCancelled, "The caller went away "
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		reason, what = fault.ReasonDeadline, "The caller's deadline passed "
	}
	return fault.New(fault.Unavailable, reason, what+when+".", fault.Because(context.Cause(ctx)))
}

// internal is a fault of ours that concerns one command.
func internal(command string, cause error) *fault.Error {
	return fault.New(fault.Internal, fault.ReasonInternal, "Something went wrong on our side.",
		fault.Because(fmt.Errorf("%s: %w", command, cause)))
}

// panicked is a panic of Decide.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// refused tells the observer of a command that was not run.
func (w *Writer) refused(command string, err *fault.Error) error {
	if w.opts.Observer.Refused != nil {
		w.opts.Observer.Refused(command, err.Reason())
	}
	return err
}
