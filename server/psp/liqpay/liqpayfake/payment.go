package liqpayfake

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The statuses that the fake comes to by itself. [Fake.Show] shows any other.
const (
	statusPrepared = "prepared"
	statusSuccess  = "success"
	statusHeld     = "hold_wait"
	statusFailure  = "failure"
	statusReversed = "reversed"
)

const (
	actionHold = "hold"
	// idFirst is the payment_id of the first payment, of the size that LiqPay's are.
	idFirst = 2119468018
	// acquirer is what LiqPay names itself in every payment.
	acquirer = "414963"
)

// payment is what LiqPay knows of an order_id.
type payment struct {
	id                        int64
	orderID, action           string
	currency, description     string
	language                  string
	serverURL, resultURL      string
	expires                   time.Time
	status, errCode, cardMask string
	held, amount              int64 // What was asked for, what is paid or held.
	refunded, waiting         int64 // What went back, what will go back.
	created, ended            time.Time
	completed, refundedLast   time.Time
	terms                     string
}

// moved reports whether money came or is held.
func (p *payment) moved() bool {
	return p.status == statusSuccess || p.status == statusHeld || p.status == statusReversed || p.status == "wait_compensation"
}

// left is what can still be given back.
func (p *payment) left() int64 { return p.amount - p.refunded - p.waiting }

// member is one member of a JSON object; the value is a literal.
type member struct{ name, value string }

// members are the payment as callbacks and lookups show it, in the order of LiqPay's samples.
func (f *Fake) members(p *payment) []member {
	sum := func(n int64) string { return number(n, f.account.Exponents) }
	fee := sum(p.amount * 15 / 1000) // 1.5%, paid by the shop.
	if !p.moved() {
		fee = "0.0"
	}
	all := []member{
		{"payment_id", strconv.FormatInt(p.id, 10)},
		{"action", quoted(p.action)},
		{"status", quoted(p.status)},
		{"version", strconv.Itoa(f.account.Version)},
		{"type", quoted("buy")},
		{"paytype", quoted("card")},
		{"public_key", quoted(f.account.PublicKey)},
		{"acq_id", acquirer},
		{"order_id", quoted(p.orderID)},
		{"liqpay_order_id", quoted("YX0YT8U7" + strconv.FormatInt(p.id, 10))},
		{"description", quoted(p.description)},
	}
	if p.cardMask != "" {
		all = append(all,
			member{"sender_phone", quoted("380950000001")},
			member{"sender_first_name", quoted("Test")},
			member{"sender_last_name", quoted("Payer")},
			member{"sender_card_mask2", quoted(p.cardMask)},
			member{"sender_card_country", "804"},
			member{"ip", quoted("203.0.113.10")})
	}
	all = append(all,
		member{"amount", sum(p.amount)},
		member{"currency", quoted(p.currency)},
		member{"sender_commission", "0.0"},
		member{"receiver_commission", fee},
		member{"amount_debit", sum(p.amount)},
		member{"amount_credit", sum(p.amount)},
		member{"currency_debit", quoted(p.currency)},
		member{"currency_credit", quoted(p.currency)},
		member{"mpi_eci", quoted("7")},
		member{"is_3ds", "false"},
		member{"language", quoted(p.language)},
		member{"create_date", millis(p.created)})
	return append(all, f.later(p)...)
}

// later are the members that a payment gets in the course of time.
func (f *Fake) later(p *payment) []member {
	var all []member
	if !p.ended.IsZero() {
		all = append(all, member{"end_date", millis(p.ended)})
	}
	if !p.completed.IsZero() {
		all = append(all, member{"completion_date", millis(p.completed)})
	}
	all = append(all, member{"transaction_id", strconv.FormatInt(p.id, 10)})
	if p.refunded > 0 {
		all = append(all,
			member{"refund_amount", number(p.refunded, f.account.Exponents)},
			member{"refund_date_last", millis(p.refundedLast)})
	}
	if p.errCode != "" {
		all = append(all, member{"err_code", quoted(p.errCode)}, member{"err_description", quoted("Payment declined")})
	}
	return all
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// object writes members as JSON. What alter names is replaced, added at the end, or left out where its
// literal is empty.
func object(all []member, alter map[string]string) []byte {
	var out strings.Builder
	written := map[string]bool{}
	write := func(name, value string) {
		written[name] = true
		if value == "" {
			return
		}
		if out.Len() > 0 {
			out.WriteByte(',')
		}
		out.WriteString(quoted(name) + ":" + value)
	}
	for _, m := range all {
		if value, found := alter[m.name]; found {
			m.value = value
		}
		write(m.name, m.value)
	}
	for _, name := range slices.Sorted(maps.Keys(alter)) {
		if !written[name] {
			write(name, alter[name])
		}
	}
	return []byte("{" + out.String() + "}")
}
