package liqpay

import (
	"regexp"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
)

// meaning is what the message's status says.
func (m message) meaning() meaning { return statuses[m.text("status")] }

// paymentID matches what LiqPay's payment_id can be: a number, or a short text.
var paymentID = regexp.MustCompile(`^[0-9A-Za-z_-]{0,64}$`)

// findings are the facts in a message, in the order in which they happened.
func (p *Provider) findings(m message) []psp.Finding {
	f := psp.Finding{
		PSPPaymentID: m.text("payment_id"), Currency: m.text("currency"),
		PayeeDiffers: m.text("public_key") != p.publicKey,
	}
	if !paymentID.MatchString(f.PSPPaymentID) {
		f.PSPPaymentID = ""
		return unreadable(f, "a payment_id that cannot be one")
	}
	switch m.meaning() {
	case unknown:
		return unreadable(f, "a status that is not known")
	case foreign:
		return unreadable(f, "a subscription, which is never asked for")
	case idle:
		return nil
	case moving:
		return only(f, order.FactPending)
	case declined:
		f.Failure, f.PaidAt = m.failure(), m.time("end_date")
		return only(f, order.FactDeclined)
	case paidInTest:
		if !p.test {
			return unreadable(f, "a test payment at an account that is not for tests")
		}
	case held, paid, returning, returned:
	}
	return m.money(f)
}

// money are the facts of a message that says that there is money. The amount that is compared is
// "amount": what the payer was asked for, in the currency of the order (M4). What the payer pays on
// top (sender_commission, amount_debit) and what reaches the shop (receiver_commission, amount_credit)
// are other facts and not read.
func (m message) money(f psp.Finding) []psp.Finding {
	currency, err := money.CurrencyOf(f.Currency)
	if err != nil {
		return unreadable(f, "a currency that is not known")
	}
	if !paying[m.text("action")] {
		return unreadable(f, "an action that is no payment of ours")
	}
	if f.AmountMinor, err = m.amount("amount", currency); err != nil || f.AmountMinor == 0 {
		f.AmountMinor = 0
		return unreadable(f, "an amount that cannot be read")
	}
	what := m.meaning()
	switch {
	case what == held:
		f.PaidAt = m.time("end_date")
		return only(f, order.FactAuthorized)
	case what == returned && m.onHold():
		f.PaidAt = m.time("end_date")
		return only(f, order.FactVoided)
	case what == returning && m.onHold():
		return only(f, order.FactPending)
	}
	return m.paid(f, currency)
}

// onHold reports whether what was held was never captured. Only the completion's date tells: whether
// LiqPay changes action and type after a capture is not documented.
func (m message) onHold() bool {
	return (m.text("action") == actionHold || m.text("type") == actionHold) && !m.has("completion_date")
}

// paid is the payment, and after it what went back of it.
func (m message) paid(f psp.Finding, currency money.Currency) []psp.Finding {
	all := only(f, order.FactSucceeded)
	refund := f
	refund.AmountMinor, refund.PaidAt = 0, m.time("refund_date_last")
	if m.has("refund_amount") {
		var err error
		if refund.AmountMinor, err = m.amount("refund_amount", currency); err != nil {
			return append(all, unreadable(refund, "a refunded amount that cannot be read")...)
		}
	}
	if refund.AmountMinor == 0 && m.meaning() == returned {
		refund.AmountMinor = f.AmountMinor
	}
	if refund.AmountMinor > 0 {
		return append(all, only(refund, order.FactRefunded)...)
	}
	all[0].PaidAt = m.paidAt()
	return all
}

// paidAt is the capture's time, or the payment's last change. After a refund that is the refund's, so
// it is not asked for then.
func (m message) paidAt() time.Time {
	if captured := m.time("completion_date"); !captured.IsZero() {
		return captured
	}
	return m.time("end_date")
}

func only(f psp.Finding, fact order.Fact) []psp.Finding {
	f.Fact = fact
	return []psp.Finding{f}
}

// unreadable is a message about a payment of which something is not known: never "paid" (C5).
func unreadable(f psp.Finding, why string) []psp.Finding {
	f.Failure = why
	return only(f, order.FactUnreadable)
}
