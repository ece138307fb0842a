package sandboxfake

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/text"
)

// cabinetMax is how many sessions the cabinet shows.
const cabinetMax = 100

// cabinetPage is the merchant's cabinet: in English, for who tries things out.
type cabinetPage struct {
	Merchant string
	Sessions []cabinetSession
}

type cabinetSession struct {
	Reference, ID, Description, Amount, Status, Created string
	// Waiting is how many callbacks are still to be sent, Answer how the last one was answered.
	Waiting, Answer int
	Told            bool
	Payments        []cabinetPayment
}

type cabinetPayment struct {
	ID, Payee, Status, Amount, Captured, Held, Refunded, ChargedBack string
	Currency                                                         string
	CanRefund, CanChargeBack, CanReverse                             bool
}

func (g *pages) showCabinet(w http.ResponseWriter, r *http.Request) {
	page := cabinetPage{Merchant: g.psp.options.Merchant}
	now := g.psp.now()
	for _, s := range g.psp.newest(cabinetMax) {
		page.Sessions = append(page.Sessions, cabinetOf(s, now))
	}
	g.show(w, r, "", http.StatusOK, "cabinet.html", page)
}

// cabinet plays what the merchant or the payer's bank does. The amount is in major units; empty means all.
func (g *pages) cabinet(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formMax)
	ask := actRequest{Mood: r.PostFormValue("mood"), PaymentID: r.PostFormValue("payment")}
	if part := r.PostFormValue("amount"); part != "" {
		currency, err := money.CurrencyOf(r.PostFormValue("currency"))
		amount, amountErr := money.Parse(part, currency)
		if cmp.Or(err, amountErr) != nil || amount.Sign() <= 0 {
			g.message(w, r, text.EN, http.StatusBadRequest, "wrong_amount", "/cabinet")
			return
		}
		ask.AmountMinor = amount.Minor()
	}
	if _, _, err := g.psp.play(r.PostFormValue("reference"), ask, cabinetMoods); err != nil {
		g.message(w, r, text.EN, http.StatusConflict, "not_now", "/cabinet")
		return
	}
	http.Redirect(w, r, "/cabinet", http.StatusSeeOther)
}

// newest are the newest sessions, newest first.
func (p *PSP) newest(count int) []*session {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.inOrder()
	slices.SortStableFunc(all, func(a, b *session) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return all[:min(count, len(all))]
}

func cabinetOf(s *session, now time.Time) cabinetSession {
	shown := cabinetSession{
		Reference: s.Reference, ID: s.ID, Description: s.Description, Status: s.status(now),
		Amount: amountText(text.EN, s.AmountMinor, s.Currency), Created: s.CreatedAt.Format(time.DateTime),
		Waiting: len(s.Deliveries), Answer: s.Answer, Told: len(s.Last) > 0,
	}
	for i := range s.Payments {
		p := &s.Payments[i]
		v := p.view(now)
		in := func(minor int64) string {
			if minor == 0 {
				return ""
			}
			return amountText(text.EN, minor, p.Currency)
		}
		shown.Payments = append(shown.Payments, cabinetPayment{
			ID: p.ID, Payee: p.Payee, Status: v.Status, Currency: p.Currency, Amount: in(p.AmountMinor),
			Captured: in(v.CapturedMinor), Held: in(v.HeldMinor),
			Refunded: in(v.RefundedMinor), ChargedBack: in(v.ChargedBackMinor),
			CanRefund: p.refundable() > 0, CanChargeBack: p.refundable() > 0 && !p.Reversed,
			CanReverse: p.ChargedBackMinor > 0 && !p.Reversed,
		})
	}
	return shown
}
