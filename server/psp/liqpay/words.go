package liqpay

import "regexp"

// notFound is the error code of an order_id that LiqPay does not know.
const notFound = "payment_not_found"

// code is the message's error code. The documents also list it misspelt.
func (m message) code() string {
	if code := m.text("err_code"); code != "" {
		return code
	}
	return m.text("err_erc")
}

// codeShape is what error codes look like; others are not repeated.
var codeShape = regexp.MustCompile(`^[0-9a-z_]{1,40}$`)

// failure is why LiqPay said no, in our words. LiqPay's description is not repeated: it may hold
// anything.
func (m message) failure() string {
	code := m.code()
	if words, known := reasons[code]; known {
		return words
	}
	if codeShape.MatchString(code) {
		return "declined with the code " + code
	}
	return "declined without a reason"
}

// nothingHappened are the codes after which a refund or a capture certainly did not take place: the
// request was refused before any money was looked at. A code that is not here leaves it unknown (R2).
var nothingHappened = map[string]bool{
	"err_auth": true, "err_access": true, "err_blocked": true, "shop_blocked": true, "shop_not_active": true,
	"public_key_not_found": true, "invalid_signature": true, "err_signature": true, "err_api_ip": true,
	"err_api_action": true, "err_path": true,
	"err_missing": true, "err_empty": true, "err_wrong": true, "err_wrong_currency": true, "order_id_empty": true,
	"order_id_duplicate": true, "wrong_amount_currency": true, "err_split_amount": true, "err_amount_hold": true,
	notFound: true, "payment_err_status": true, "payment_err_type": true,
	"err_limit_amount": true, "err_payment_amount_limit": true, "amount_limit": true,
	"err_payment_currency": true, "err_currency_is_not_allowed": true,
}

// reasons are LiqPay's error codes in our words.
var reasons = map[string]string{
	// Fraud checks.
	"limit":   "a limit on amounts or payments was reached",
	"frod":    "the payment looked like fraud",
	"decline": "the payment looked like fraud",
	// The shop.
	"err_auth":             "the shop is not recognised",
	"err_access":           "the shop may not do this",
	"err_blocked":          "the shop is blocked",
	"shop_blocked":         "the shop is blocked",
	"shop_not_active":      "the shop is not active",
	"public_key_not_found": "the shop is not known",
	"invalid_signature":    "the request's signature is wrong",
	"err_signature":        "the request's signature is wrong",
	"err_api_ip":           "the shop may not call from this address",
	"err_api_action":       "the shop may not do this",
	"err_api_callback":     "the callback address is wrong",
	"err_path":             "the request's address is wrong",
	// The request.
	"err_missing":           "something is missing in the request",
	"err_empty":             "something is empty in the request",
	"err_wrong":             "something is wrong in the request",
	"err_wrong_currency":    "the currency is wrong",
	"err_phone":             "the phone number is wrong",
	"err_card":              "the card number is wrong",
	"err_card_bin":          "the card is not known",
	"order_id_empty":        "the reference is empty",
	"order_id_duplicate":    "the reference was used before",
	"wrong_amount_currency": "the amount or the currency is wrong",
	"err_split_amount":      "the parts do not make the amount",
	"err_amount_hold":       "the amount is more than is held",
	// The payment.
	notFound:             "the payment is not known",
	"payment_err_status": "the payment's state does not allow it",
	"payment_err_type":   "the payment's kind does not allow it",
	"payment_processing": "the payment is being processed",
	"err_payment_create": "the payment could not be made",
	// Limits and cards.
	"err_limit_amount":            "the amount is over a limit",
	"err_payment_amount_limit":    "the amount is over a limit",
	"amount_limit":                "the amount is over a limit",
	"err_card_type":               "the card is of a kind that is not taken",
	"err_card_country":            "the card's country is not taken",
	"err_payment_currency":        "the currency is not taken",
	"err_currency_is_not_allowed": "the currency is not taken",
	"err_mpi":                     "the bank's check of the payer failed",
	// Confirmation by the payer.
	"err_verify_code":   "the payer's code was wrong",
	"err_sms_otp":       "the payer's code was wrong",
	"expired_phone":     expired,
	"expired_3ds":       expired,
	"expired_otp":       expired,
	"expired_cvv":       expired,
	"expired_p24":       expired,
	"expired_sender":    expired,
	"expired_pin":       expired,
	"expired_ivr":       expired,
	"expired_captcha":   expired,
	"expired_password":  expired,
	"expired_senderapp": expired,
	"expired_prepared":  expired,
	"expired_mp":        expired,
	"expired_qr":        expired,
	"5":                 "the card has no 3-D Secure",
	// Banks.
	"90":   "the bank gave no reason",
	"105":  "the card is not taken",
	"106":  "money cannot be held on this card",
	"107":  "the bank has no 3-D Secure",
	"109":  "there were too many tries",
	"110":  expired,
	"114":  "the limit for captures was reached",
	"2903": "the card's daily limit was reached",
	"2915": "the reference was used before",
	"3914": "the card's country is not taken",
	"9851": "the card has expired",
	"9852": "the card number is wrong",
	"9854": "the bank declined for now",
	"9855": "the card does not allow this",
	"9857": "the card does not allow this",
	"9859": "there is not enough money on the card",
	"9860": "the card's limit was reached",
	"9861": "the card's limit for the internet was reached",
	"9863": "the card is restricted",
	"9867": "the amount is wrong",
	"9868": "the bank did not confirm",
	"9872": "the bank did not confirm",
	"9882": "the bank did not allow this",
	"9886": "the card does not allow repeated payments",
	"9961": "the bank declined",
	"9989": "the card's details are wrong",
}

// expired is for every confirmation that came too late.
const expired = "the payer did not confirm in time"
