package main

import (
	"strings"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// sayings tell events in a few words, by type. In braces stands what the event or its order knows: {order} is the order's amount,
// {money} what the event is about. Why something happened is said after them. Other types say the order's amount.
var sayings = map[string]string{
	"order.processing":          "{order} being paid",
	"order.authorized":          "{held} held",
	"order.captured":            "{money} taken",
	"order.paid":                "{paid} paid",
	"order.payment_failed":      "can be tried again",
	"order.partially_refunded":  "{refunded} of {paid} went back",
	"order.refunded":            "{refunded} went back",
	"order.charged_back":        "the payer's bank took it back",
	"attempt.started":           "paying at {account}",
	"attempt.handed_off":        "the payer was sent there",
	"attempt.declined":          "declined",
	"attempt.unknown":           "the PSP did not answer; it is asked again",
	"attempt.dead":              "cannot be paid any more",
	"evidence.noted":            "{money} at {account}",
	"capture.requested":         "{money} to be taken",
	"capture.failed":            "was not taken",
	"void.requested":            "the hold is to be released",
	"void.failed":               "the hold was not released",
	"refund.requested":          "{money} to go back",
	"refund.sent":               "the PSP is asked to send it back",
	"refund.posted":             "sent back {money}",
	"refund.failed":             "nothing went back",
	"refund.unknown":            "the PSP did not answer; it is asked again",
	"exception.opened":          "{money} {exception}",
	"exception.resolved":        "",
	"order.chargeback_reversed": "the payer's bank gave it back",
}

// saying tells an event in a few words.
func saying(event *kvitv1.OrderEvent) string {
	o, d := event.GetOrder(), event.GetDetail()
	words, known := sayings[event.GetType()]
	if !known {
		return kvit.FormatMoney(o.GetAmount())
	}
	words = strings.NewReplacer(
		"{order}", kvit.FormatMoney(o.GetAmount()), "{paid}", kvit.FormatMoney(o.GetPaidAmount()),
		"{refunded}", kvit.FormatMoney(o.GetRefundedAmount()), "{held}", kvit.FormatMoney(o.GetAuthorizedAmount()),
		"{money}", someMoney(d.GetAmount()), "{account}", d.GetAccountId(), "{exception}", word(d.GetExceptionKind(), "EXCEPTION_KIND_"),
	).Replace(words)
	words = strings.Join(strings.Fields(words), " ")
	if d.GetReason() != "" {
		words = strings.TrimPrefix(words+": "+d.GetReason(), ": ")
	}
	return words
}
