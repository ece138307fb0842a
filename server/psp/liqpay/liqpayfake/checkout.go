package liqpayfake

import (
	"cmp"
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	pagePath  = "/uk/checkout/"
	errorPath = "/uk/checkout/throw_error/"
	// expiredLayout is how expired_date is written, in UTC.
	expiredLayout = "2006-01-02 15:04:05"
)

// checkout is /api/3/checkout: a signed form, or the same in a link, opens a payment and leads to its page.
func (f *Fake) checkout(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "bad form", http.StatusBadRequest)
		return
	}
	fields, code := f.open(r.Form)
	page := ""
	if code == "" {
		page, code = f.prepare(fields)
	}
	to := pagePath + page
	if code != "" {
		to = errorPath + "?err_code=" + url.QueryEscape(code)
	}
	http.Redirect(w, r, to, http.StatusFound)
}

// prepare opens a payment, or finds the one that is open: one order_id is one payment, with one set of terms.
func (f *Fake) prepare(fields map[string]string) (page, code string) {
	amount, readable := hundredths(word(fields["amount"]))
	action, currency := word(fields["action"]), word(fields["currency"])
	switch {
	case fields["order_id"] == "":
		return "", "order_id_empty"
	case action != "pay" && action != actionHold:
		return "", "err_api_action"
	case !readable, fields["description"] == "":
		return "", "err_wrong"
	case currency != "UAH" && currency != "USD" && currency != "EUR":
		return "", "err_wrong_currency"
	}
	expires, err := expiry(word(fields["expired_date"]))
	if err != nil {
		return "", "err_wrong"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	orderID, terms := word(fields["order_id"]), action+" "+strconv.FormatInt(amount, 10)+" "+currency
	p := f.payments[orderID]
	if p == nil {
		f.opened++
		p = &payment{
			id: cmp.Or(f.account.FirstID, idFirst) - 1 + f.opened, orderID: orderID, action: action, status: statusPrepared,
			currency: currency, description: word(fields["description"]), language: word(fields["language"]),
			serverURL: word(fields["server_url"]), resultURL: word(fields["result_url"]),
			held: amount, amount: amount, created: f.account.Now(), terms: terms,
		}
		f.payments[orderID] = p
	}
	p.expires = expires
	switch {
	case p.moved(), p.terms != terms:
		return "", "order_id_duplicate"
	case f.expired(p):
		return "", "110"
	}
	page = "p" + strconv.Itoa(len(f.pages)+1)
	f.pages[page] = orderID
	return page, ""
}

func expiry(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.ParseInLocation(expiredLayout, text, time.UTC)
}

// pageOf is a copy of the payment that a page is about.
func (f *Fake) pageOf(page string) (payment, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.payments[f.pages[page]]
	if p == nil {
		return payment{}, false
	}
	return *p, true
}

func (f *Fake) showPage(w http.ResponseWriter, r *http.Request) {
	p, found := f.pageOf(r.PathValue("page"))
	if !found {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, `<!doctype html><html lang="uk"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>LiqPay (fake)</title><h1>LiqPay (fake)</h1><p>%s</p><p><strong>%s %s</strong>, %s</p><form method="post">
<p><label>Card <input name="card" inputmode="numeric" autocomplete="off" placeholder="4242424242424242"></label></p>
<p><button name="do" value="pay">Pay</button> <button name="do" value="decline">Decline</button>
<button name="do" value="decline_then_pay">Decline, then pay</button> <button name="do" value="abandon">Leave</button></p></form>`,
		html.EscapeString(p.description), number(p.amount, false), html.EscapeString(p.currency), html.EscapeString(p.status))
}

func (f *Fake) showError(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "LiqPay (fake): "+r.URL.Query().Get("err_code"), http.StatusOK)
}

// pressButton is the payer's decision; then the browser goes back to the shop.
func (f *Fake) pressButton(w http.ResponseWriter, r *http.Request) {
	p, found := f.pageOf(r.PathValue("page"))
	if !found {
		http.NotFound(w, r)
		return
	}
	if err := f.decide(context.WithoutCancel(r.Context()), p.orderID, r.PostFormValue("do"), r.PostFormValue("card")); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	f.sendBack(w, r, p)
}

func (f *Fake) decide(ctx context.Context, orderID, do, card string) error {
	switch {
	case do == "abandon":
		return nil
	case do == "pay" && card != "":
		return f.Charge(ctx, orderID, card)
	case do == "pay":
		return f.Pay(ctx, orderID)
	case do == "decline":
		return f.Decline(ctx, orderID)
	case do == "decline_then_pay":
		if err := f.Decline(ctx, orderID); err != nil {
			return err
		}
		return f.Pay(ctx, orderID)
	}
	return fmt.Errorf("liqpayfake: no button %q", do)
}

// sendBack returns the browser to the shop, by a redirect or with a signed form.
func (f *Fake) sendBack(w http.ResponseWriter, r *http.Request, p payment) {
	switch {
	case p.resultURL == "":
		f.showPage(w, r)
	case !f.account.ReturnByPost:
		http.Redirect(w, r, p.resultURL, http.StatusSeeOther)
	default:
		f.mu.Lock()
		if now := f.payments[p.orderID]; now != nil {
			p = *now
		}
		form := f.compose(&p).form
		f.mu.Unlock()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, `<!doctype html><meta charset="utf-8"><title>LiqPay (fake)</title>
<form id="back" method="post" action="%s"><input type="hidden" name="data" value="%s"><input type="hidden" name="signature" value="%s">
<button>Back to the shop</button></form><script>document.getElementById("back").submit()</script>`,
			html.EscapeString(p.resultURL), form.Get("data"), html.EscapeString(form.Get("signature")))
	}
}
