package payment

// Account is a PSP account as callers see it.
type Account struct {
	ID string
	// Kind is the PSP's word ("liqpay"), Name what payers read ("LiqPay").
	Kind, Name string
	Live       bool
	Currencies []string
	// Refunds, Captures and Voids are abilities (R3); Captures means that it can hold money as well.
	Refunds, Captures, Voids bool
}
