package sandboxfake

import (
	"encoding/json"
	"net/url"
	"time"

	"github.com/kvitpay/kvit/server/money"
)

// createRequest opens a session. Amount, currency and hold are its terms: a reference names one
// session for ever.
type createRequest struct {
	Reference   string    `json:"reference"`
	AmountMinor int64     `json:"amount_minor"`
	Currency    string    `json:"currency"`
	Hold        bool      `json:"hold,omitempty"`
	Description string    `json:"description"`
	Locale      string    `json:"locale,omitempty"`
	ExpiresAt   time.Time `json:"expires_at"`
	ReturnURL   string    `json:"return_url,omitempty"`
	CallbackURL string    `json:"callback_url,omitempty"`
}

// Limits of what is taken.
const (
	referenceLengthMax   = 64
	descriptionLengthMax = 2000
	urlLengthMax         = 2000
	bodyMax              = 64 << 10
)

// fault says what is wrong with the request, or "".
func (c *createRequest) fault() string {
	_, err := money.CurrencyOf(c.Currency)
	switch {
	case !printable(c.Reference) || len(c.Reference) > referenceLengthMax:
		return "reference must be 1 to 64 printable ASCII characters"
	case c.AmountMinor <= 0:
		return "amount_minor must be more than 0"
	case err != nil:
		return "currency must be a code of ISO 4217"
	case c.Description == "" || len(c.Description) > descriptionLengthMax:
		return "description must not be empty or too long"
	case c.ExpiresAt.IsZero():
		return "expires_at is missing"
	case !address(c.ReturnURL) || !address(c.CallbackURL):
		return "return_url and callback_url must be http or https addresses"
	}
	return ""
}

func printable(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return text != ""
}

// address reports whether text is empty or an address that browsers and callbacks can be sent to.
func address(text string) bool {
	u, err := url.Parse(text)
	return text == "" || err == nil && len(text) <= urlLengthMax &&
		(u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// refundRequest gives money back. Without payment_id it is the session's first captured payment.
type refundRequest struct {
	RefundID    string `json:"refund_id"`
	PaymentID   string `json:"payment_id,omitempty"`
	AmountMinor int64  `json:"amount_minor"`
}

// holdRequest takes held money (capture) or releases it (void, where the amount is ignored). A capture
// of 0 takes all of it.
type holdRequest struct {
	PaymentID   string `json:"payment_id,omitempty"`
	AmountMinor int64  `json:"amount_minor,omitempty"`
}

// sessionView is a session as the API answers it.
type sessionView struct {
	ID          string        `json:"id"`
	Reference   string        `json:"reference"`
	URL         string        `json:"url"`
	Status      string        `json:"status"`
	AmountMinor int64         `json:"amount_minor"`
	Currency    string        `json:"currency"`
	Hold        bool          `json:"hold"`
	CreatedAt   time.Time     `json:"created_at"`
	ExpiresAt   time.Time     `json:"expires_at"`
	Payments    []paymentView `json:"payments"`
	// Refund is set in the answer to a refund.
	Refund *refundView `json:"refund,omitempty"`
}

// paymentView is one payment of a session: one try with one card. The sums are running totals.
type paymentView struct {
	PaymentID string `json:"payment_id"`
	Payee     string `json:"payee"`
	Status    string `json:"status"`
	// AmountMinor is what the payer was asked for; HeldMinor what was held, and stays when the money is
	// taken or released; CapturedMinor what was taken.
	AmountMinor      int64  `json:"amount_minor"`
	Currency         string `json:"currency"`
	HeldMinor        int64  `json:"held_minor"`
	CapturedMinor    int64  `json:"captured_minor"`
	RefundedMinor    int64  `json:"refunded_minor"`
	ChargedBackMinor int64  `json:"charged_back_minor"`
	// PaidAt is when the payer paid. A capture does not move it.
	PaidAt *time.Time `json:"paid_at,omitempty"`
	// Failure is why the payment was declined: insufficient_funds.
	Failure string `json:"failure,omitempty"`
}

// refundView is a refund: "done" or, while the money is on its way, "accepted".
type refundView struct {
	RefundID    string `json:"refund_id"`
	Status      string `json:"status"`
	AmountMinor int64  `json:"amount_minor"`
}

// eventView is the body of a callback. Sequence counts the session's events in the order in which
// they happened, which is not always the order in which they come; a repeat has the same bytes.
type eventView struct {
	EventID    string    `json:"event_id"`
	Sequence   int64     `json:"sequence"`
	OccurredAt time.Time `json:"occurred_at"`
	Reference  string    `json:"reference"`
	paymentView
}

// errorView is the answer of every call that failed.
type errorView struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// apiError is a refusal with its code. A refusal changes nothing.
type apiError struct {
	status  int
	code    string
	message string
}

// Error implements error.
func (e *apiError) Error() string { return e.code + ": " + e.message }

func (e *apiError) view() errorView {
	var v errorView
	v.Error.Code, v.Error.Message = e.code, e.message
	return v
}

// encode writes a value that cannot fail to be written: strings, numbers and times of this package.
func encode(value any) []byte {
	body, err := json.Marshal(value)
	if err != nil {
		return []byte(`{"error":{"code":"internal","message":"the answer cannot be written"}}`)
	}
	return body
}
