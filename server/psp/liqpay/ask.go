package liqpay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
)

// answerMax is how long an answer may be. LiqPay's have about 2 KB.
const answerMax = 256 << 10

var (
	errOtherPayment = errors.New("liqpay answered about another payment")
	errUncertain    = errors.New("liqpay's answer does not say whether it was done")
)

// Ask implements [psp.Provider]. The answer is not signed: that we asked, over TLS, is what proves it.
func (p *Provider) Ask(ctx context.Context, ref psp.Ref) (psp.Report, error) {
	m, raw, err := p.call(ctx, question{Action: actionStatus, OrderID: ref.Ref})
	switch {
	case err != nil:
		return psp.Report{}, err
	case m.isError() && m.code() == notFound:
		return psp.Report{Ref: ref.Ref, Proven: true, Unpaid: true, Raw: raw}, nil
	case m.isError():
		return psp.Report{}, errors.New("liqpay does not answer: " + m.failure())
	}
	return p.answered(m, raw, ref)
}

// answered is what an answer with a whole payment reports.
func (p *Provider) answered(m message, raw []byte, ref psp.Ref) (psp.Report, error) {
	if m.text("order_id") != ref.Ref {
		return psp.Report{}, errOtherPayment
	}
	what := m.meaning()
	return psp.Report{
		Ref: ref.Ref, Proven: true, Findings: p.findings(m), Unpaid: what == idle || what == declined, Raw: raw,
	}, nil
}

// Refund implements [psp.Refunder]. Where wait_amount is true the money goes back from the shop's next
// receipts.
func (p *Provider) Refund(ctx context.Context, refund psp.Refund) (psp.Refunded, error) {
	m, raw, err := p.refund(ctx, refund.Ref, question{Amount: decimal(refund.Amount)})
	if err != nil {
		return psp.Refunded{}, err
	}
	return psp.Refunded{Done: m.done(), Raw: raw}, nil
}

// Void implements [psp.Voider]. LiqPay releases what is held by a refund of all of it.
func (p *Provider) Void(ctx context.Context, void psp.Void) (psp.Report, error) {
	m, raw, err := p.refund(ctx, void.Ref, question{Amount: decimal(void.Held)})
	if err != nil {
		return psp.Report{}, err
	}
	report := psp.Report{Ref: void.Ref.Ref, Proven: true, Raw: raw}
	if m.done() {
		report.Findings = []psp.Finding{{
			Fact: order.FactVoided, PSPPaymentID: void.PSPPaymentID,
			AmountMinor: void.Held.Minor(), Currency: void.Held.Currency().Code(),
		}}
	}
	return report, nil
}

// refund sends a refund. An answer that is neither yes nor a no of the list is an error: unknown.
func (p *Provider) refund(ctx context.Context, ref psp.Ref, q question) (message, []byte, error) {
	q.Action, q.OrderID = actionRefund, ref.Ref
	m, raw, err := p.call(ctx, q)
	if err == nil {
		err = m.refusal()
	}
	if err != nil {
		return nil, nil, err
	}
	if m.has("order_id") && m.text("order_id") != ref.Ref {
		return nil, nil, errOtherPayment
	}
	switch m.meaning() {
	case paid, returned, returning:
		return m, raw, nil
	case unknown, foreign, idle, moving, declined, held, paidInTest:
	}
	return nil, nil, errUncertain
}

// done reports whether a refund that was accepted has been made.
func (m message) done() bool { return m.meaning() != returning && !m.isTrue("wait_amount") }

// Capture implements [psp.Capturer]: LiqPay takes the amount and releases the rest.
func (p *Provider) Capture(ctx context.Context, capture psp.Capture) (psp.Report, error) {
	m, raw, err := p.call(ctx, question{Action: actionCapture, OrderID: capture.Ref.Ref, Amount: decimal(capture.Amount)})
	if err == nil {
		err = m.refusal()
	}
	if err != nil {
		return psp.Report{}, err
	}
	return p.answered(m, raw, capture.Ref)
}

// isError reports whether an answer is about the question and not about a payment.
func (m message) isError() bool { return m.code() != "" && !m.has("payment_id") }

// refusal is the error of an answer that says no: final where the code is in the list after which
// nothing happened, else unknown.
func (m message) refusal() error {
	if m.meaning() != declined && !m.isError() {
		return nil
	}
	if nothingHappened[m.code()] {
		return &psp.RefusedError{Failure: m.failure()}
	}
	return fmt.Errorf("%w: %s", errUncertain, m.failure())
}

// call asks LiqPay's API. An HTTP status other than 200 is no answer: LiqPay sends its errors with 200.
func (p *Provider) call(ctx context.Context, q question) (message, []byte, error) {
	q.Version, q.PublicKey = p.signer.version, p.publicKey
	request, err := p.request(ctx, q)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", psp.ErrNotAttempted, err)
	}
	response, err := p.client.Do(request)
	if err != nil && psp.NotSent(err) {
		return nil, nil, fmt.Errorf("%w: %w", psp.ErrNotAttempted, err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("call liqpay: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // It was read.
	raw, err := io.ReadAll(io.LimitReader(response.Body, answerMax+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("read liqpay's answer: %w", err)
	case response.StatusCode != http.StatusOK:
		return nil, nil, fmt.Errorf("liqpay answered HTTP %d", response.StatusCode)
	case len(raw) > answerMax:
		return nil, nil, errors.New("liqpay's answer is too long")
	}
	m, err := parse(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("read liqpay's answer: %w", err)
	}
	return m, raw, nil
}

func (p *Provider) request(ctx context.Context, q question) (*http.Request, error) {
	signed, err := p.signer.form(q)
	if err != nil {
		return nil, err
	}
	form := url.Values{}
	for _, field := range signed {
		form.Set(field.Name, field.Value)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.baseURL+"/api/request", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	return request, nil
}
