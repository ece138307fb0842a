package payment

import (
	"time"

	"github.com/kvitpay/kvit/server/order"
)

// Page is what the payer's page shows of a link: read for its token, without a caller (L1, L2).
type Page struct {
	Link LinkInfo
	// Order is nil for a fixed link, which makes an order for each payer who presses Pay (L5).
	Order    *OrderInfo
	Merchant Merchant
	// Ways are the ways to pay now, in the merchant's order: none where nothing can be paid.
	Ways []Way
	// Live is the attempt that may still be paid, nil where there is none.
	Live *PageAttempt
	// Failure is why the last attempt was declined, in the PSP's words as we put them; empty elsewhere.
	Failure string
	// Now is the database's clock, by which the page counts.
	Now time.Time
}

// Way is one way to pay: one PSP account.
type Way struct {
	// Account is the account's id, Kind the PSP's word ("liqpay"), Name what payers read ("LiqPay").
	Account, Kind, Name string
	// Joins is true where an attempt is under way at this account, which a tap joins (O7).
	Joins bool
	// Test is true where no money moves.
	Test bool
}

// PageAttempt is the live attempt as the payer's page shows it.
type PageAttempt struct {
	ID      string
	Account string
	State   order.AttemptState
	// Until is when the attempt is proven dead at the latest, so that another way can be tried (O7).
	Until time.Time
}
