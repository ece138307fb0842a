package payment

import "github.com/kvitpay/kvit/server/psp"

// StartAttempt is a payer who presses Pay.
type StartAttempt struct {
	// Token is the token of the page, which the payer opened.
	Token string
	// Account is the way that the payer chose; empty means the only one.
	Account string
	// Nonce is the page's nonce, which the page has checked. A fixed link's order is keyed by it (L5).
	Nonce string
}

// Started is how it goes on.
type Started struct {
	// Token is that of the order's own page: another one than the payer's for a fixed link (L5).
	Token string
	// AttemptID is the attempt that was started or joined.
	AttemptID string
	// Handoff is the way to the PSP; nil where it is not known: the page then shows the status.
	Handoff *psp.Handoff
}
