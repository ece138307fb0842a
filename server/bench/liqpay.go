package main

import (
	"crypto/sha1" //nolint:gosec // Version 3 of LiqPay's protocol signs with SHA-1.
	"encoding/base64"
	"fmt"
	"net/url"
	"time"
)

// The bench's shops at LiqPay. It stands in for LiqPay itself: it needs no address, for a payment there
// is opened by a signed form and no call, and what LiqPay says about it is signed here.
const (
	pspKeyVariable = "BENCH_LIQPAY_KEY"
	pspKey         = "sandbox_bench0123456789abcdefghijklmnopqrs"
	pspShop        = "sandbox_i00000000001"
	// pspNowhere is a port where nobody listens: no lookup is to be answered.
	pspNowhere = "http://127.0.0.1:9"
	// pspPrice is what each order costs, in hryvnias.
	pspPrice = "12500.00"
)

// liqpayAccounts gives every merchant a test shop at LiqPay.
func liqpayAccounts(i int) string {
	return fmt.Sprintf(", psp_accounts: [{id: %s-liqpay, psp: liqpay, settings: {public_key: %s, private_key: %q, base_url: %q}}]",
		merchantID(i), pspShop, "env:"+pspKeyVariable, pspNowhere)
}

// Statuses of LiqPay's that the bench sends.
const (
	statusPaid     = "sandbox" // paid, in a test shop
	statusConfirm  = "3ds_verify"
	statusDeclined = "failure"
)

// notice is what LiqPay sends about a card payment: with the members of an ordinary one, about 900 bytes.
const notice = `{"payment_id":%d,"action":"pay","status":"%s","version":3,"type":"buy","paytype":"card","public_key":"` + pspShop + `",` +
	`"acq_id":414963,"order_id":"%s","liqpay_order_id":"SWVVLDHR1795012345678901","description":"Three lessons of Armenian, with a workbook",` +
	`"sender_phone":"380950000001","sender_card_mask2":"424242*42","sender_card_bank":"pb","sender_card_type":"visa",` +
	`"sender_card_country":804,"ip":"198.51.100.20","amount":` + pspPrice + `,"currency":"UAH","sender_commission":0.0,` +
	`"receiver_commission":187.5,"agent_commission":0.0,"amount_debit":` + pspPrice + `,"amount_credit":` + pspPrice + `,` +
	`"commission_debit":0.0,"commission_credit":187.5,"currency_debit":"UAH","currency_credit":"UAH","sender_bonus":0.0,` +
	`"amount_bonus":0.0,"mpi_eci":"7","is_3ds":false,"language":"uk","create_date":%d,"end_date":%d,"transaction_id":%d}`

// callback is a signed callback about a payment, as a whole HTTP request. The first number tells
// payments apart, the second what is said about one.
func callback(to *waiting, status string, payment, number int) []byte {
	now := time.Now().UnixMilli()
	text := fmt.Appendf(nil, notice, payment, status, to.ref, now-1000, now, payment*1000+number)
	data := base64.StdEncoding.EncodeToString(text)
	sum := sha1.Sum([]byte(pspKey + data + pspKey)) //nolint:gosec // As above.
	form := url.Values{"data": {data}, "signature": {base64.StdEncoding.EncodeToString(sum[:])}}.Encode()
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: pay.example\r\nUser-Agent: LiqPay\r\nAccept: */*\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", to.path, len(form), form)
}
