package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/kvitpay/kvit/server/psp"
)

// errUnknownReference is the sandbox's answer about a reference that it does not have.
var errUnknownReference = &psp.RefusedError{Failure: "the sandbox does not know the payment"}

// refusals are the error codes that mean that nothing happened, and why, in our words. A code that is
// not here leaves the outcome unknown: terms_differ says that there is a session after all.
var refusals = map[string]*psp.RefusedError{
	"unknown_payment":  errUnknownReference,
	"invalid_request":  {Failure: "the sandbox does not take such a request"},
	"unauthorized":     {Failure: "the sandbox does not accept our key"},
	"refused":          {Failure: "the sandbox refused"},
	"expired":          {Failure: "the session is over"},
	"full":             {Failure: "too many payments are open at the sandbox"},
	"not_captured":     {Failure: "no money is there to give back"},
	"exceeds_payment":  {Failure: "that is more than is left of the payment"},
	"not_held":         {Failure: "no money is held"},
	"exceeds_hold":     {Failure: "that is more than is held"},
	"not_charged_back": {Failure: "there is no chargeback"},
}

// answerMax is how much of an answer is read, in bytes.
const answerMax = 1 << 20

// paymentPath is the path of a payment, and what is done to it.
func paymentPath(reference, verb string) string {
	return "/v1/payments/" + url.PathEscape(reference) + verb
}

// call makes one call and reads its answer, which it also returns as it came.
func (s *Sandbox) call(ctx context.Context, method, path string, ask, answer any) (raw []byte, err error) {
	request, err := s.request(ctx, method, path, ask)
	if err != nil {
		return nil, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, notAnswered(err)
	}
	defer response.Body.Close() //nolint:errcheck // It was only read.
	raw, err = io.ReadAll(io.LimitReader(response.Body, answerMax))
	if err != nil {
		return nil, fmt.Errorf("sandbox: read the answer: %w", err)
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusCreated {
		return raw, refusal(response.StatusCode, raw)
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return raw, fmt.Errorf("sandbox: read the answer: %w", err)
	}
	return raw, nil
}

func (s *Sandbox) request(ctx context.Context, method, path string, ask any) (*http.Request, error) {
	var body io.Reader
	if ask != nil {
		content, err := json.Marshal(ask)
		if err != nil {
			return nil, fmt.Errorf("sandbox: write the call: %w", err)
		}
		body = bytes.NewReader(content)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+s.key)
	if ask != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// notAnswered tells a connection that was never made from an answer that never came.
func notAnswered(err error) error {
	if psp.NotSent(err) {
		return fmt.Errorf("sandbox: %w: %w", psp.ErrNotAttempted, err)
	}
	return fmt.Errorf("sandbox: %w", err)
}

// refusal is what an answer other than success means. A status without a code of ours may come from
// anything between us and the sandbox, and says nothing.
func refusal(status int, raw []byte) error {
	var answer struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal(raw, &answer) == nil {
		if refused := refusals[answer.Error.Code]; refused != nil {
			return refused
		}
	}
	return fmt.Errorf("sandbox: answered with status %d", status)
}
