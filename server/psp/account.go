package psp

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/kvitpay/kvit/server/fault"
)

// Account is the wrapper around a [Provider]: one account of one merchant, as the rest of the house uses it.
//
// Every call has a deadline, a count, a span and one log line. Whatever a plug does, these hold for the
// caller:
//
//   - a panic is an error with an unknown outcome, and an id that finds its stack in the log;
//   - a call whose context was over before it began is [ErrNotAttempted]; one whose context ended on
//     the way has an unknown outcome, whatever the plug thinks of it;
//   - a connection that never came to be is ErrNotAttempted, where nothing else was sent in the call;
//   - no error, log line or span holds a secret of the account;
//   - a browser is sent to a declared origin only, with an amount that the account takes;
//   - a finding has a known fact, and an amount and a currency where it says that money arrived; else
//     it is order.FactUnreadable (C5). A lookup answers about the payment that was asked for.
//
// Concurrency: an Account is used from many goroutines.
//
// Failure: every error of a call is a [*CallError]; [OutcomeOf] says what it means.
type Account struct {
	options     Options
	declaration Declaration
	provider    Provider
	refunder    Refunder
	capturer    Capturer
	voider      Voider
	origins     map[string]bool
	scrub       *strings.Replacer
}

// Options say whose account it is and how it is looked after.
type Options struct {
	// ID is the account's id, unique in the installation; Merchant owns it.
	ID, Merchant string
	// Live is true where money moves. It must be what the plug declares.
	Live bool
	// Name is what payers read; empty means the declared name.
	Name string
	// Deadline is how long a call to the PSP may take; zero means 10 seconds.
	Deadline time.Duration
	// Secrets are texts that must not appear in an error, a log line or a span. Those of fewer than
	// four characters are no secrets and stay.
	Secrets []string
	// Observer hears of every call.
	Observer Observer
	// Logger may be nil, and so may Tracer. Now is required.
	Logger *slog.Logger
	Tracer trace.Tracer
	Now    func() time.Time
}

// Observer counts. Each function may be nil.
type Observer struct {
	// Called hears of a call to the PSP that has ended, with its [Outcome].
	Called func(account, method, outcome string, took time.Duration)
	// Callback hears of a callback that was read.
	Callback func(account, outcome string)
}

const deadlineDefault = 10 * time.Second

// NewAccount puts the wrapper around a provider. A declaration that cannot hold is an error that names
// everything that is wrong with it.
func NewAccount(provider Provider, options Options) (*Account, error) {
	if options.Now == nil || options.ID == "" {
		return nil, errors.New("psp: an account needs an id and a clock")
	}
	a := &Account{options: options, declaration: provider.Declare(), provider: provider, scrub: scrubber(options.Secrets)}
	if err := a.declaration.check(options.Live); err != nil {
		return nil, errors.New("account " + options.ID + ": " + a.scrub.Replace(err.Error()))
	}
	a.refunder, _ = provider.(Refunder)
	a.capturer, _ = provider.(Capturer)
	a.voider, _ = provider.(Voider)
	a.origins = map[string]bool{}
	for _, origin := range a.declaration.Origins {
		a.origins[origin] = true
	}
	if a.options.Deadline <= 0 {
		a.options.Deadline = deadlineDefault
	}
	if a.options.Logger == nil {
		a.options.Logger = slog.New(slog.DiscardHandler)
	}
	if a.options.Tracer == nil {
		a.options.Tracer = noop.NewTracerProvider().Tracer("")
	}
	return a, nil
}

// ID is the account's id.
func (a *Account) ID() string { return a.options.ID }

// Merchant is whose account it is.
func (a *Account) Merchant() string { return a.options.Merchant }

// Live reports whether money moves here (A1).
func (a *Account) Live() bool { return a.options.Live }

// Name is what payers read.
func (a *Account) Name() string {
	if a.options.Name != "" {
		return a.options.Name
	}
	return a.declaration.Name
}

// Declaration is what the plug declared. It is not to be changed.
func (a *Account) Declaration() *Declaration { return &a.declaration }

// CanRefund reports whether Refund can be called.
func (a *Account) CanRefund() bool { return a.refunder != nil }

// CanCapture reports whether Capture can be called, and so whether money can be held.
func (a *Account) CanCapture() bool { return a.capturer != nil }

// CanVoid reports whether Void can be called.
func (a *Account) CanVoid() bool { return a.voider != nil }

// Away is what to answer where a callback cannot be kept: never a success (C1), unless the plug
// declares that a refusal moves money.
func (a *Account) Away() Reply {
	reply := a.declaration.Away
	if reply.Status == 0 {
		reply.Status = http.StatusServiceUnavailable
	}
	return reply
}

// Start opens a payment; see [Provider]. An intent that the account cannot take is not attempted, and
// the error holds the fault.
func (a *Account) Start(ctx context.Context, intent Intent) (Handoff, error) {
	return run(ctx, a, what{"start", intent.Ref}, func(ctx context.Context) (Handoff, error) {
		if err := a.takes(intent); err != nil {
			return Handoff{}, notAttempted(err)
		}
		handoff, err := a.provider.Start(ctx, intent)
		if err != nil {
			return Handoff{}, err
		}
		return handoff, a.checkHandoff(handoff)
	})
}

// Ask reports what the PSP knows of a payment; see [Provider].
func (a *Account) Ask(ctx context.Context, ref Ref) (Report, error) {
	return run(ctx, a, what{"ask", ref.Ref}, func(ctx context.Context) (Report, error) {
		report, err := a.provider.Ask(ctx, ref)
		return a.answered(ref, report, err)
	})
}

// Refund gives money back; see [Refunder].
func (a *Account) Refund(ctx context.Context, refund Refund) (Refunded, error) {
	return run(ctx, a, what{"refund", refund.Ref.Ref}, func(ctx context.Context) (Refunded, error) {
		if a.refunder == nil {
			return Refunded{}, noAbility("refund")
		}
		return a.refunder.Refund(ctx, refund)
	})
}

// Capture takes held money; see [Capturer].
func (a *Account) Capture(ctx context.Context, capture Capture) (Report, error) {
	return run(ctx, a, what{"capture", capture.Ref.Ref}, func(ctx context.Context) (Report, error) {
		if a.capturer == nil {
			return Report{}, noAbility("capture")
		}
		report, err := a.capturer.Capture(ctx, capture)
		return a.answered(capture.Ref, report, err)
	})
}

// Void releases held money; see [Voider].
func (a *Account) Void(ctx context.Context, void Void) (Report, error) {
	return run(ctx, a, what{"void", void.Ref.Ref}, func(ctx context.Context) (Report, error) {
		if a.voider == nil {
			return Report{}, noAbility("void")
		}
		report, err := a.voider.Void(ctx, void)
		return a.answered(void.Ref, report, err)
	})
}

// noAbility is the fault of a call that the plug does not have.
func noAbility(method string) error {
	reason := fault.ReasonCaptureUnsupported
	if method == "refund" {
		reason = fault.ReasonRefundUnsupported
	}
	return notAttempted(fault.New(fault.Precondition, reason, "The account cannot "+method+" by a call."))
}
