// Package sandbox is the plug for the sandbox, a payment service provider of our own where no money
// moves: what make run pays with, and what end-to-end tests drive. The provider itself is sandboxfake.
//
// Its one idea: it speaks to the sandbox as any plug speaks to a real provider, over HTTP with a key and
// signed callbacks, so that a demo and a test go the whole way.
//
// What it promises: it opens for test accounts only, never for live keys. A callback is Proven by an
// HMAC over its timestamp and raw body, checked before the body is parsed. How old the timestamp is does
// not matter: a stored callback replays (C6), and a repeat of a known one has no effect (O4).
//
// Concurrency: a Sandbox is used from many goroutines.
//
// Failure: a refusal that docs/psp/sandbox.md lists is a [psp.RefusedError], a connection that could not
// be made is [psp.ErrNotAttempted]; after any other error the outcome is unknown.
package sandbox

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/kvitpay/kvit/server/psp"
)

// Kind is the plug's name.
const Kind = "sandbox"

// Sandbox is one account at a sandbox. It is a psp.Provider with every ability.
type Sandbox struct {
	declaration psp.Declaration
	url, page   string
	key, payee  string
	secret      []byte
	client      *http.Client
}

var (
	_ psp.Provider = (*Sandbox)(nil)
	_ psp.Refunder = (*Sandbox)(nil)
	_ psp.Capturer = (*Sandbox)(nil)
	_ psp.Voider   = (*Sandbox)(nil)
)

// Declare implements psp.Provider.
func (s *Sandbox) Declare() psp.Declaration { return s.declaration }

// Start implements psp.Provider. The sandbox repeats the way to a session, so that no handoff is lost.
func (s *Sandbox) Start(ctx context.Context, intent psp.Intent) (psp.Handoff, error) {
	var answer sessionAnswer
	_, err := s.call(ctx, http.MethodPost, "/v1/payments", newCreate(intent), &answer)
	if err != nil {
		return psp.Handoff{}, err
	}
	page, err := url.Parse(answer.URL)
	if err != nil || answer.Reference != intent.Ref || page.Scheme+"://"+page.Host != s.page {
		return psp.Handoff{}, errors.New("sandbox: the answer is about another reference, or leads to another origin")
	}
	return psp.Handoff{URL: answer.URL}, nil
}

// Ask implements psp.Provider.
func (s *Sandbox) Ask(ctx context.Context, ref psp.Ref) (psp.Report, error) {
	var answer sessionAnswer
	raw, err := s.call(ctx, http.MethodGet, paymentPath(ref.Ref, ""), nil, &answer)
	if errors.Is(err, errUnknownReference) {
		return psp.Report{Ref: ref.Ref, Proven: true, Unpaid: true, Raw: raw}, nil
	}
	return s.reportOf(ref, &answer, raw, err)
}

// Refund implements psp.Refunder. The sandbox refunds once per refund id.
func (s *Sandbox) Refund(ctx context.Context, refund psp.Refund) (psp.Refunded, error) {
	ask := refundCall{RefundID: refund.RefundID, PaymentID: refund.PSPPaymentID, AmountMinor: refund.Amount.Minor()}
	var answer sessionAnswer
	raw, err := s.call(ctx, http.MethodPost, paymentPath(refund.Ref.Ref, "/refunds"), ask, &answer)
	switch {
	case err != nil:
		return psp.Refunded{}, err
	case answer.Refund == nil || answer.Refund.RefundID != refund.RefundID:
		return psp.Refunded{}, errors.New("sandbox: the answer is about another refund")
	}
	return psp.Refunded{Done: answer.Refund.Status == refundDone, Raw: raw}, nil
}

// Capture implements psp.Capturer.
func (s *Sandbox) Capture(ctx context.Context, capture psp.Capture) (psp.Report, error) {
	ask := holdCall{PaymentID: capture.PSPPaymentID, AmountMinor: capture.Amount.Minor()}
	return s.hold(ctx, capture.Ref, "/capture", ask)
}

// Void implements psp.Voider.
func (s *Sandbox) Void(ctx context.Context, void psp.Void) (psp.Report, error) {
	return s.hold(ctx, void.Ref, "/void", holdCall{PaymentID: void.PSPPaymentID})
}

func (s *Sandbox) hold(ctx context.Context, ref psp.Ref, verb string, ask holdCall) (psp.Report, error) {
	var answer sessionAnswer
	raw, err := s.call(ctx, http.MethodPost, paymentPath(ref.Ref, verb), ask, &answer)
	return s.reportOf(ref, &answer, raw, err)
}

func (s *Sandbox) reportOf(ref psp.Ref, answer *sessionAnswer, raw []byte, err error) (psp.Report, error) {
	switch {
	case err != nil:
		return psp.Report{}, err
	case answer.Reference != ref.Ref:
		return psp.Report{}, errors.New("sandbox: the answer is about another reference")
	}
	report := answer.report(s.payee)
	report.Raw = raw
	return report, nil
}
