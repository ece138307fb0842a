package liqpay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvitpay/kvit/server/psp"
)

// Read implements [psp.Provider]. A callback is a form of data and signature.
//
// What LiqPay expects to hear is not published; 200 is what everybody answers. A wrong signature is
// answered 403: where the cause is our own key, a repeat (which LiqPay may or may not send) is wanted. A
// signed message that cannot be read is 200: a repeat would read the same.
func (p *Provider) Read(_ context.Context, callback psp.Callback) (psp.Report, psp.Reply, error) {
	data, signature, err := fields(callback)
	if err != nil {
		return psp.Report{}, reply(http.StatusBadRequest, "bad request"), fmt.Errorf("%w: %w", psp.ErrUnreadable, err)
	}
	if !p.signer.verify(data, signature) {
		return psp.Report{}, reply(http.StatusForbidden, "wrong signature"), psp.ErrForged
	}
	report, err := p.report(data)
	switch {
	case errors.Is(err, errReflected):
		return psp.Report{}, reply(http.StatusForbidden, "wrong signature"), fmt.Errorf("%w: %w", psp.ErrForged, err)
	case err != nil:
		return psp.Report{}, reply(http.StatusOK, "ok"), fmt.Errorf("%w: %w", psp.ErrUnreadable, err)
	}
	report.Proven = true
	return report, reply(http.StatusOK, "ok"), nil
}

// errReflected is a signed text without a status. LiqPay signs what it says and we sign what we ask in
// one way with one key, and the payer has seen our form: it comes from there and says nothing.
var errReflected = errors.New("the content is a request of our own")

func reply(status int, body string) psp.Reply {
	return psp.Reply{Status: status, ContentType: "text/plain; charset=utf-8", Body: []byte(body)}
}

// fields are the two fields of a callback, each once and nothing beside them. The content type is not
// looked at: what the body is shows in the signature.
func fields(callback psp.Callback) (data, signature string, err error) {
	if callback.Method != http.MethodPost || len(callback.Body) > psp.BodyMax {
		return "", "", errors.New("no POST, or too long")
	}
	form, err := url.ParseQuery(string(callback.Body))
	if err != nil || len(form) != 2 || len(form[fieldData]) != 1 || len(form[fieldSignature]) != 1 {
		return "", "", errors.New("no form of data and signature")
	}
	return form.Get(fieldData), form.Get(fieldSignature), nil
}

// report reads what a signature covers.
func (p *Provider) report(data string) (psp.Report, error) {
	text, err := decodeData(data)
	if err != nil {
		return psp.Report{}, err
	}
	m, err := parse(text)
	if err != nil {
		return psp.Report{}, err
	}
	if !m.has("status") && m.has("order_id") {
		return psp.Report{}, errReflected
	}
	ref := m.text("order_id")
	if ref == "" || len(ref) > orderIDLengthMax || strings.ContainsFunc(ref, func(r rune) bool { return r < ' ' }) {
		return psp.Report{}, errors.New("no order_id")
	}
	return psp.Report{Ref: ref, Findings: p.findings(m)}, nil
}
