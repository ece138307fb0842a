package psp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
)

// Read checks a callback; see [Provider]. It is no call to the PSP and has no deadline.
//
// A reply always has a status: 200 where the plug names none, that of Away where the callback could
// not be judged at all, so that the PSP repeats it. With an error there is no report.
func (a *Account) Read(ctx context.Context, callback Callback) (Report, Reply, error) {
	began := a.options.Now()
	ctx, span := a.options.Tracer.Start(ctx, "psp.read")
	defer span.End()
	report, reply, err := a.read(ctx, callback)
	if a.options.Observer.Callback != nil {
		a.options.Observer.Callback(a.options.ID, string(OutcomeOf(err)))
	}
	a.tell(ctx, span, what{"read", report.Ref}, a.options.Now().Sub(began), err,
		slog.Bool("psp_proven", report.Proven), slog.String("psp_facts", factsOf(report)))
	return report, reply, err
}

func (a *Account) read(ctx context.Context, callback Callback) (Report, Reply, error) {
	w := what{method: "read"}
	if len(callback.Body) > BodyMax {
		return Report{}, Reply{Status: http.StatusRequestEntityTooLarge},
			a.failed(w, OutcomeUnreadable, ErrUnreadable, errors.New("the body is too long"))
	}
	type answer struct {
		report Report
		reply  Reply
	}
	// What the plug wants to answer is kept beside its error.
	got, err := guard(ctx, func(ctx context.Context) (got answer, err error) {
		got.report, got.reply, err = a.provider.Read(ctx, callback)
		return got, err
	})
	switch {
	case err == nil:
		got.report.Unpaid = false // Only a lookup can say so.
		return a.tidy(got.report), orOK(got.reply), nil
	case errors.Is(err, ErrForged):
		return Report{}, orOK(got.reply), a.failed(w, OutcomeForged, ErrForged, err)
	case errors.Is(err, ErrUnreadable):
		return Report{}, orOK(got.reply), a.failed(w, OutcomeUnreadable, ErrUnreadable, err)
	}
	failed := a.failed(w, OutcomeUnknown, nil, err)
	if thrown, ok := errors.AsType[*panicError](err); ok {
		failed.ID = a.logPanic(ctx, w, thrown)
	}
	return Report{}, a.Away(), failed
}

func orOK(reply Reply) Reply {
	if reply.Status == 0 {
		reply.Status = http.StatusOK
	}
	return reply
}

func factsOf(report Report) string {
	facts := make([]string, len(report.Findings))
	for i := range report.Findings {
		facts[i] = string(report.Findings[i].Fact)
	}
	return strings.Join(facts, " ")
}

// takes refuses an intent that the account's declaration rules out.
func (a *Account) takes(intent Intent) error {
	d := &a.declaration
	switch {
	case intent.Amount.Sign() <= 0:
		return fault.New(fault.Internal, fault.ReasonInternal, "A payment has an amount above zero.")
	case !d.takesRef(intent.Ref):
		return fault.New(fault.Internal, fault.ReasonInternal, "The reference does not fit the account.")
	case intent.Hold && !a.CanCapture():
		return fault.New(fault.Internal, fault.ReasonInternal, "The account cannot hold money.")
	default:
		return d.Takes(intent.Amount)
	}
}

// checkHandoff refuses a way that the page's CSP would not let the browser go.
func (a *Account) checkHandoff(handoff Handoff) error {
	to, err := url.Parse(handoff.URL)
	if err != nil {
		return errors.New("the handoff's address cannot be read")
	}
	if origin := originOf(to); !a.origins[origin] {
		return fmt.Errorf("the handoff goes to %s, which is not declared", origin)
	}
	return nil
}

// originOf is a page's origin as browsers write it.
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	return u.Scheme + "://" + host
}

// answered checks the answer to a question of ours: it is about what we asked, and so it is proven.
func (a *Account) answered(asked Ref, report Report, err error) (Report, error) {
	if err != nil {
		return Report{}, err
	}
	if report.Ref != "" && report.Ref != asked.Ref {
		return Report{}, errors.New("the answer is about another payment")
	}
	report.Ref, report.Proven = asked.Ref, true
	return a.tidy(report), nil
}

// tidy makes findings that cannot be true UNREADABLE. Nothing is unpaid where money may have arrived.
func (a *Account) tidy(report Report) Report {
	report.Findings = slices.Clone(report.Findings)
	for i := range report.Findings {
		f := &report.Findings[i]
		f.Failure = a.scrub.Replace(f.Failure)
		if why := implausible(f); why != "" {
			f.Fact, f.Failure = order.FactUnreadable, why
		}
		if f.Fact == order.FactUnreadable || arrives(f.Fact) {
			report.Unpaid = false
		}
	}
	return report
}

// implausible says what is wrong with a finding, or "".
func implausible(f *Finding) string {
	switch {
	case f.Fact == order.FactUnreadable:
		return ""
	case !slices.Contains(order.Facts(), f.Fact):
		return "an unknown fact"
	case f.AmountMinor < 0:
		return "an amount below zero"
	case f.Currency == "" && arrives(f.Fact):
		return "money without a currency"
	}
	return ""
}

func arrives(fact order.Fact) bool {
	return fact == order.FactAuthorized || fact == order.FactSucceeded
}
