// Package psp is the socket for payment service providers: what Kvit asks of one, in Kvit's words.
//
// Its one idea: a plug translates and does nothing else. It turns an [Intent] into the way to the PSP
// ([Handoff]), and what the PSP says, by callback or lookup, into a [Report] of facts. Whether a fact
// settles an order, and whether a message was seen before, is decided elsewhere (X1, O4). What is
// different about a PSP and is no code, its currencies, times and abilities, is data: a [Declaration].
//
// Around every provider stands an [Account]: deadline, log, metrics, trace, and errors in our kinds.
// The suite that each provider passes is psptest.
//
// What it promises: amounts come from the literal text of a message and are never rounded (M1, M2); a
// report is Proven only where the PSP's signature covers what is reported (C1, C4). What it does not:
// that a report is true of our order. The four comparisons of M4 are made by order.
//
// Concurrency: a Provider is used from many goroutines.
//
// Failure: [ErrNotAttempted] and [RefusedError] mean that certainly nothing happened. Any other error of
// Start, Refund, Capture and Void means that the outcome is unknown: the money may have moved.
package psp

import (
	"context"
	"errors"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
)

var (
	// ErrNotAttempted means that nothing happened at the PSP, and nothing will: the connection was
	// refused, or the PSP answered with an error that its documents list as one.
	ErrNotAttempted = errors.New("psp: not attempted")
	// ErrHandoffLost means that the payment is open at the PSP, and the way there is not told again.
	ErrHandoffLost = errors.New("psp: the way to the payment is not told again")
	// ErrForged means that a callback's signature is wrong: it is counted, kept and never acted upon (C1).
	ErrForged = errors.New("psp: the signature is wrong")
	// ErrUnreadable means that a message cannot be read as far as its order reference (C5).
	ErrUnreadable = errors.New("psp: the message cannot be read")
)

// RefusedError is a PSP's final no: certainly nothing happened.
type RefusedError struct {
	// Failure is why, in our words: a short lower-case sentence without the payer's data.
	Failure string
}

// Error implements error.
func (e *RefusedError) Error() string { return "psp: refused: " + e.Failure }

// Provider is one PSP account: one merchant contract with a PSP.
type Provider interface {
	// Declare says what is different about this PSP and account. The answer never changes.
	Declare() Declaration

	// Start opens a payment and says how to send the payer there.
	// Called again with the same Intent.Ref it opens no second one; where the PSP does not
	// repeat the way there it answers ErrHandoffLost. ErrNotAttempted means that nothing happened.
	Start(ctx context.Context, intent Intent) (Handoff, error)

	// Read checks one callback: what it reports, whether that is proven, and what the PSP expects to
	// hear back. It verifies the raw bytes before it parses them (C3), and makes no call.
	//
	// With ErrForged and ErrUnreadable the reply is what that PSP expects to hear then. A message that
	// can be read as far as its reference and has an unknown status or type is no error: it is a
	// report with the fact UNREADABLE.
	Read(ctx context.Context, callback Callback) (Report, Reply, error)

	// Ask reports what the PSP now knows of a payment. A PSP that does not know the reference is an
	// answer, not an error: a Report without findings that is Unpaid.
	Ask(ctx context.Context, ref Ref) (Report, error)
}

// Refunder can give money back (R1).
type Refunder interface {
	// Refund asks for money to go back. Done in its answer means that it went; otherwise it was
	// accepted, and a later report shows it.
	Refund(ctx context.Context, refund Refund) (Refunded, error)
}

// Capturer can take money that is held (R3).
type Capturer interface {
	// Capture takes held money, all or a part; what is left is released.
	Capture(ctx context.Context, capture Capture) (Report, error)
}

// Voider can release money that is held (O10).
type Voider interface {
	Void(ctx context.Context, void Void) (Report, error)
}

// Intent is a payment that we are about to open. It was committed before the PSP is called (I5).
type Intent struct {
	// Ref is our own reference, with the installation's mark (C5). The PSP repeats it to us.
	Ref    string
	Amount money.Amount
	// Hold asks for the money to be held and not taken (capture mode MANUAL).
	Hold bool
	// Description is what the payer reads at the PSP, never empty.
	Description string
	// Locale is the payer's language: hy, uk, ru or en.
	Locale string
	// SessionUntil is when the PSP should stop taking the payment (E1).
	SessionUntil time.Time
	// ReturnURL is where the PSP sends the payer's browser, CallbackURL where it reports to.
	ReturnURL, CallbackURL string
}

// Handoff is how the payer is sent to the PSP: a redirect, or a form that is posted.
type Handoff struct {
	// URL is where the browser goes. Its origin is one of Declaration.Origins.
	URL string `json:"url"`
	// Fields are those of a form to be posted to URL, in order. None means a redirect.
	Fields []Field `json:"fields,omitempty"`
}

// Field is one field of a form.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Ref names a payment to a PSP.
type Ref struct {
	// Ref is our own reference, as in Intent.
	Ref string
	// PSPPaymentID is the PSP's id where we know it, else empty.
	PSPPaymentID string
}

// Refund is money to give back.
type Refund struct {
	Ref
	// RefundID is our own id of this refund, for PSPs that take one.
	RefundID string
	Amount   money.Amount
	// Captured is what the payment captured, in minor units of Amount's currency.
	CapturedMinor int64
}

// Refunded is a PSP's answer to a refund.
type Refunded struct {
	// Done is true where the money went back, false where the PSP has only taken the order to do it.
	Done bool
	// Raw is the PSP's answer, kept as evidence (J5).
	Raw []byte
}

// Capture is held money to take.
type Capture struct {
	Ref
	Amount money.Amount
	// HeldMinor is what is held, in minor units of Amount's currency.
	HeldMinor int64
}

// Void is held money to release.
type Void struct {
	Ref
	// Held is what is held.
	Held money.Amount
}

// Callback is what a PSP sent: headers, query and bytes, not an *http.Request, so that a stored one
// replays (C6).
type Callback struct {
	Method string `json:"method"`
	// Header holds names as Go's net/http writes them ("Content-Type").
	Header map[string][]string `json:"header,omitempty"`
	// Query is the raw query, without the question mark.
	Query string `json:"query,omitempty"`
	// Body is the raw body, at most BodyMax bytes.
	Body []byte `json:"body,omitempty"`
	// Source is the address that it came from, as the edge saw it. It proves nothing.
	Source string `json:"source,omitempty"`
}

// BodyMax is how many bytes the body of a callback has at most (C3).
const BodyMax = 64 << 10

// HeaderValue is the first value of a header, or "". The name is as net/http writes it.
func (c *Callback) HeaderValue(name string) string {
	if values := c.Header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Report is what a PSP says of one payment.
type Report struct {
	// Ref is our reference as the PSP repeats it, ours or not; empty where the message has none.
	Ref string
	// Proven is true where the PSP's signature covers everything that is reported (C1), and for
	// lookups, which we asked for ourselves.
	Proven bool
	// Findings are the facts, in the order in which they happened.
	Findings []Finding
	// Unpaid is true where a lookup says that no money has moved and none is moving. After the end of
	// the session and its grace it proves the attempt dead (O7).
	Unpaid bool
	// Raw is the answer to a lookup as it came, kept as evidence (J5). Callbacks leave it empty.
	Raw []byte
}

// Finding is one fact about money.
type Finding struct {
	Fact order.Fact
	// PSPPaymentID is the PSP's id of the payment, empty where it gives none.
	PSPPaymentID string
	// AmountMinor is the one amount that this provider compares (M4), a running total: captured so far,
	// held, returned so far. Minor units of Currency.
	AmountMinor int64
	// Currency is the ISO 4217 code in the message.
	Currency string
	// PayeeDiffers is true where the merchant account in the message is not this account (M4).
	PayeeDiffers bool
	// PaidAt is the PSP's time of the fact; zero where the message has none.
	PaidAt time.Time
	// Failure is why it was declined, or what could not be read, in our words.
	Failure string
}

// Reply is what a PSP expects to hear.
type Reply struct {
	Status      int
	ContentType string
	Body        []byte
}
