package liqpay

import (
	"encoding/json"

	"github.com/kvitpay/kvit/server/money"
)

// What can be asked of LiqPay.
const (
	actionPay     = "pay"
	actionHold    = "hold"
	actionStatus  = "status"
	actionRefund  = "refund"
	actionCapture = "hold_completion"
)

// checkout is what opens a payment, in the order in which it is written.
type checkout struct {
	Version     int         `json:"version"`
	PublicKey   string      `json:"public_key"`
	Action      string      `json:"action"`
	Amount      json.Number `json:"amount"`
	Currency    string      `json:"currency"`
	Description string      `json:"description"`
	OrderID     string      `json:"order_id"`
	Language    string      `json:"language"`
	ExpiredDate string      `json:"expired_date,omitempty"`
	ResultURL   string      `json:"result_url,omitempty"`
	ServerURL   string      `json:"server_url,omitempty"`
}

// question is what the API is asked about a payment.
type question struct {
	Version   int         `json:"version"`
	PublicKey string      `json:"public_key"`
	Action    string      `json:"action"`
	OrderID   string      `json:"order_id"`
	Amount    json.Number `json:"amount,omitempty"`
}

// decimal is an amount in major units as the text of a JSON number.
func decimal(amount money.Amount) json.Number { return json.Number(amount.Decimal()) }

// meaning is what a status says about the money.
type meaning int

// The meanings.
const (
	// unknown is a status that is not in the table.
	unknown meaning = iota
	// foreign is a status of something that we never ask for.
	foreign
	// idle is a payment that was opened and for which nothing is under way.
	idle
	// moving is a payment on its way: nothing is certain.
	moving
	declined
	held
	paid
	// paidInTest is paid, but at a test account only.
	paidInTest
	// returning is paid, and on its way back.
	returning
	// returned is paid and given back, all or a part, or held and released.
	returned
)

// statuses is the table of LiqPay's statuses. "result" is not in it: it decides nothing, because
// notices with the status "success" and the result "error" have been seen.
var statuses = map[string]meaning{
	// Final.
	"success":      paid,
	"failure":      declined,
	"error":        declined,
	"reversed":     returned,
	"sandbox":      paidInTest,
	"subscribed":   foreign,
	"unsubscribed": foreign,
	// Not final.
	"hold_wait":         held,
	"wait_compensation": paid,   // Paid; the shop gets it with the day's batch.
	"wait_accept":       moving, // Debited, but the shop is not verified: it may be cancelled after weeks.
	"wait_reserve":      returning,
	"wait_secure":       moving,
	"wait_card":         moving,
	"wait_lc":           moving,
	"processing":        moving,
	"prepared":          idle,
	"try_again":         idle,
	"cash_wait":         moving,
	"invoice_wait":      moving,
	// The payer has something to confirm.
	"3ds_verify":       moving,
	"otp_verify":       moving,
	"cvv_verify":       moving,
	"pin_verify":       moving,
	"password_verify":  moving,
	"captcha_verify":   moving,
	"ivr_verify":       moving,
	"phone_verify":     moving,
	"sender_verify":    moving,
	"receiver_verify":  moving,
	"senderapp_verify": moving,
	"wait_qr":          moving,
	"wait_sender":      moving,
	"p24_verify":       moving,
	"mp_verify":        moving,
}

// paying are the actions that are payments. Others, a card check or a subscription's charge, may come
// with the same statuses and are not what we asked for. hold_completion is in no document as a
// payment's action; it stands here for answers to a capture.
var paying = map[string]bool{actionPay: true, actionHold: true, actionCapture: true}
