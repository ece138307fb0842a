package liqpayfake

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Mood is how the fake tells a shop of a payment's changes. The zero Mood tells of each change once and
// at once, before the payer's browser returns.
type Mood struct {
	// Repeat is how many more times each callback is sent.
	Repeat int
	// Never sends none. Late keeps them until [Fake.Tell], which sends them last first where Backwards is true.
	Never, Late, Backwards bool
	// Forge signs with a key that is not the shop's.
	Forge bool
	// Alter replaces members by JSON literals before they are signed; an empty one leaves a member out.
	Alter map[string]string
}

// Told is a callback that was sent, and what the shop answered.
type Told struct {
	OrderID, Status string
	// Code and Body are the answer; Err is why there is none.
	Code int
	Body string
	Err  error
}

// message is a callback as it was signed when the payment changed.
type message struct {
	orderID, status, to string
	form                url.Values
}

// Mood changes how payments are told of from now on.
func (f *Fake) Mood(mood Mood) {
	f.mu.Lock()
	defer f.mu.Unlock()
	mood.Alter = maps.Clone(mood.Alter)
	f.mood = mood
}

// Told are the callbacks that were sent, oldest first.
func (f *Fake) Told() []Told {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.told)
}

// Callback is the body of the callback that tells of a payment as it is now, in the present mood.
func (f *Fake) Callback(orderID string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.payments[orderID]
	if p == nil {
		return nil, unknown(orderID)
	}
	return []byte(f.compose(p).form.Encode()), nil
}

// Tell sends what was kept back.
func (f *Fake) Tell(ctx context.Context) {
	f.mu.Lock()
	waiting, times := f.waiting, 1+f.mood.Repeat
	f.waiting = nil
	if f.mood.Backwards {
		slices.Reverse(waiting)
	}
	f.mu.Unlock()
	for _, m := range waiting {
		for range times {
			told := f.send(ctx, m)
			f.mu.Lock()
			f.told = remember(f.told, told)
			f.mu.Unlock()
		}
	}
}

// changed notes that a payment is to be told of. The caller holds the lock, and lets f.flush follow
// without it.
func (f *Fake) changed(p *payment) {
	if p.serverURL != "" && !f.mood.Never {
		f.waiting = append(f.waiting, f.compose(p))
	}
}

// flush sends what is waiting, unless the mood is to be late.
func (f *Fake) flush(ctx context.Context) {
	f.mu.Lock()
	late := f.mood.Late
	f.mu.Unlock()
	if !late {
		f.Tell(ctx)
	}
}

func (f *Fake) compose(p *payment) message {
	form := f.Sign(object(f.members(p), f.mood.Alter))
	if f.mood.Forge {
		form.Set("signature", signature(f.account.Version, strangersKey, form.Get("data")))
	}
	return message{orderID: p.orderID, status: p.status, to: p.serverURL, form: form}
}

func (f *Fake) send(ctx context.Context, m message) Told {
	told := Told{OrderID: m.orderID, Status: m.status}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.to, strings.NewReader(m.form.Encode()))
	if err != nil {
		told.Err = err
		return told
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := f.client.Do(request)
	if err != nil {
		told.Err = err
		return told
	}
	defer answer.Body.Close() //nolint:errcheck // It was read.
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	told.Code, told.Body, told.Err = answer.StatusCode, string(body), err
	return told
}

func unknown(orderID string) error { return fmt.Errorf("liqpayfake: no payment %q", orderID) }
