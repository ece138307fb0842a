package payment

import "github.com/kvitpay/kvit/server/psp"

// HandleCallback is what an edge received for a PSP account.
type HandleCallback struct {
	// Account and Secret are the two parts of the address that the PSP was given (C3).
	Account, Secret string
	psp.Callback
}
