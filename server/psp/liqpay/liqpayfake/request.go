package liqpayfake

import (
	"context"
	"maps"
	"net/http"
	"strconv"
)

// Trouble is what is wrong with the API's answers. The effect happens all the same.
type Trouble string

// The troubles.
const (
	// Fine is none. Broken answers 500, Cut ends in the middle of the body, Slow comes when the caller has gone.
	Fine   Trouble = ""
	Broken Trouble = "500"
	Cut    Trouble = "CUT"
	Slow   Trouble = "SLOW"
)

// Trouble changes the API's answers from now on.
func (f *Fake) Trouble(trouble Trouble) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trouble = trouble
}

// Fail lets the next request with a good signature fail with this error code and without effect.
func (f *Fake) Fail(code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures = append(f.failures, code)
}

// Lie replaces members of payments in the API's answers from now on, as [Mood.Alter] does in callbacks.
func (f *Fake) Lie(alter map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lie = maps.Clone(alter)
}

// request is /api/request: HTTP 200 with JSON, errors as well.
func (f *Fake) request(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "bad form", http.StatusBadRequest)
		return
	}
	fields, code := f.open(r.PostForm)
	if code != "" {
		f.answer(w, r, failure(code))
		return
	}
	f.answer(w, r, f.act(r.Context(), fields))
}

// act does what a request with a good signature asks for and makes its answer.
func (f *Fake) act(ctx context.Context, fields map[string]string) []byte {
	f.mu.Lock()
	body := f.do(fields)
	f.mu.Unlock()
	f.flush(context.WithoutCancel(ctx))
	return body
}

func (f *Fake) do(fields map[string]string) []byte {
	if len(f.failures) > 0 {
		code := f.failures[0]
		f.failures = f.failures[1:]
		return failure(code)
	}
	p := f.payments[word(fields["order_id"])]
	amount, readable := hundredths(word(fields["amount"]))
	switch action := word(fields["action"]); {
	case fields["order_id"] == "":
		return failure("order_id_empty")
	case p == nil:
		return failure("payment_not_found")
	case action == "status":
		return f.shown(p)
	case action != "refund" && action != "hold_completion":
		return failure("err_api_action")
	case !readable:
		return failure("err_wrong")
	case action == "refund":
		return f.refund(p, amount)
	default:
		return f.capture(p, amount)
	}
}

// shown is the whole payment.
func (f *Fake) shown(p *payment) []byte {
	return object(append([]member{{"result", quoted("ok")}}, f.members(p)...), f.lie)
}

// refund gives money back, or releases what is held.
func (f *Fake) refund(p *payment, amount int64) []byte {
	switch {
	case p.status != statusSuccess && p.status != statusHeld && p.status != "wait_compensation" && (p.status != statusReversed || p.left() == 0):
		return failure("payment_err_status")
	case amount > p.left() || p.status == statusHeld && amount != p.amount:
		return failure("err_wrong")
	}
	waits := f.account.RefundsWait && p.status != statusHeld
	if waits {
		p.waiting += amount
	} else {
		f.giveBack(p, amount)
	}
	return object([]member{
		{"action", quoted("refund")},
		{"payment_id", strconv.FormatInt(p.id, 10)},
		{"status", quoted(p.status)},
		{"result", quoted("ok")},
		{"wait_amount", strconv.FormatBool(waits)},
	}, f.lie)
}

// giveBack moves money to the payer and tells of it.
func (f *Fake) giveBack(p *payment, amount int64) {
	at := f.account.Now()
	p.ended = at
	if p.status == statusHeld {
		p.status = statusReversed
		f.changed(p)
		return
	}
	p.refunded += amount
	p.refundedLast = at
	if p.refunded == p.amount || f.account.PartialReverses {
		p.status = statusReversed
	}
	f.changed(p)
}

// capture takes what is held, or a part of it.
func (f *Fake) capture(p *payment, amount int64) []byte {
	switch {
	case p.status != statusHeld:
		return failure("payment_err_status")
	case amount > p.held:
		return failure("err_amount_hold")
	}
	p.amount, p.status = amount, statusSuccess
	p.completed = f.account.Now()
	p.ended = p.completed
	f.changed(p)
	return f.shown(p)
}

// Refund gives money back in the shop's cabinet, without a request of ours. The amount is in major units.
func (f *Fake) Refund(ctx context.Context, orderID, amount string) error {
	f.mu.Lock()
	p := f.payments[orderID]
	if n, readable := hundredths(amount); p != nil && readable && n <= p.left() {
		f.giveBack(p, n)
	}
	f.mu.Unlock()
	if p == nil {
		return unknown(orderID)
	}
	f.flush(ctx)
	return nil
}

// PayRefunds does the refunds that wait for receipts.
func (f *Fake) PayRefunds(ctx context.Context) {
	f.mu.Lock()
	for _, p := range f.payments {
		if waiting := p.waiting; waiting > 0 {
			p.waiting = 0
			f.giveBack(p, waiting)
		}
	}
	f.mu.Unlock()
	f.flush(ctx)
}

// failure is the answer to what cannot be done. It is not a payment.
func failure(code string) []byte {
	return object([]member{
		{"result", quoted("error")},
		{"status", quoted("error")},
		{"err_code", quoted(code)},
		{"err_description", quoted("The request cannot be done")},
	}, nil)
}

// answer writes an answer with the trouble that it has.
func (f *Fake) answer(w http.ResponseWriter, r *http.Request, body []byte) {
	f.mu.Lock()
	trouble := f.trouble
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	switch trouble {
	case Broken:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	case Slow:
		<-r.Context().Done()
		return
	case Cut: // The server closes a connection on which less was written than was promised.
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		body = body[:len(body)/2]
	case Fine:
	}
	_, _ = w.Write(body)
}
