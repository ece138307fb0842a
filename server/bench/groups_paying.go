package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// stockFirst is for how many callbacks per second orders are made before it is known how many are handled.
	stockFirst = 3000
	// stockMore is how many more are made than the fastest second handled.
	stockMore = 1.3
	// hotRate is for how many callbacks per second about the hot order bodies are made.
	hotRate = 12000
	// paymentsFrom is the number before LiqPay's first payment, and paymentsEach how many a server may see: they
	// have ten digits, as LiqPay's have, and each run its own.
	paymentsFrom, paymentsEach = 2_000_000_000, 1_000_000
	// pagesOpen is how many orders' pages are asked for in turn.
	pagesOpen = 64
)

// till is a stage whose merchants are paid, with the orders that wait for it.
type till struct {
	*stage

	stock *stocker
	// payments counts the payments that LiqPay has numbered.
	payments int
	// fastest is the most callbacks per second so far, by the number of callers.
	fastest map[int]float64
	// paid are callbacks that were taken in, the latest of one merchant's.
	paid [][]byte
	// pages are requests for payers' pages.
	pages [][]byte
	// before is called when a load begins; it may be nil.
	before func()
}

func (t *till) open(ctx context.Context) (err error) {
	t.fastest, t.paid, t.pages = map[int]float64{}, nil, nil
	if err := t.stage.open(ctx, house{merchants: filePaying}); err != nil {
		return err
	}
	if t.stock, err = newStocker(t.stage); err != nil {
		return err
	}
	t.payments = paymentsFrom + t.stock.run*paymentsEach
	return nil
}

// fire loads the server, or the floor beside it, with requests.
func (t *till) fire(ctx context.Context, floor bool, spec fireSpec) (sample, fireResult, error) {
	spec.Address, spec.Warm, spec.For = t.server.public, warm, time.Duration(t.seconds)*time.Second
	server := t.server.id()
	if floor {
		spec.Address, server = t.floorAt, t.floor.id()
	}
	if t.before != nil {
		t.before()
	}
	before := cpuOf(server)
	r, err := ask[fireResult](ctx, "fire", spec)
	if err != nil {
		return sample{}, r, err
	}
	if r.Failed > 0 || r.Calls == 0 {
		return sample{}, r, fmt.Errorf("%d of %d calls failed: %s", r.Failed, r.Failed+r.Made, r.Failure)
	}
	made := time.Duration(r.Made)
	return sample{
		Rate: float64(r.Calls) / r.Span.Seconds(), P50: r.P50, P99: r.P99,
		ServerCPU: (cpuOf(server) - before) / made, LoadCPU: r.CPU / made,
	}, r, nil
}

// first measures the first callback of many orders, each of which it pays.
func (t *till) first(ctx context.Context, callers, merchants int) (sample, error) {
	spans := time.Duration(t.seconds)*time.Second + warm
	n := int(max(stockFirst, t.fastest[callers]*stockMore)*spans.Seconds()) + callers
	orders, err := t.stock.make(ctx, merchants, n)
	if err != nil {
		return sample{}, err
	}
	requests := make([][]byte, len(orders))
	for i := range orders {
		t.payments++
		requests[i] = callback(&orders[i], statusPaid, t.payments, 0)
	}
	if err := t.pg.settle(ctx); err != nil {
		return sample{}, err
	}
	s, r, err := t.fire(ctx, false, fireSpec{Callers: callers, Requests: requests, Once: true})
	if err != nil {
		return sample{}, err
	}
	if r.Span < time.Duration(t.seconds)*time.Second/2 {
		return sample{}, fmt.Errorf("%d callbacks were enough for %s only", n, r.Span)
	}
	t.fastest[callers] = max(t.fastest[callers], s.Rate)
	if merchants == 1 {
		t.paid = requests[:r.Sent]
	}
	return s, t.pg.checkPaid(ctx, orders[:r.Sent])
}

// repeat measures callbacks that were taken in before, and refuses to if one changes anything.
func (t *till) repeat(ctx context.Context, callers int) (sample, error) {
	if len(t.paid) == 0 {
		if _, err := t.first(ctx, callers, 1); err != nil {
			return sample{}, err
		}
	}
	before, err := t.pg.kept(ctx)
	if err != nil {
		return sample{}, err
	}
	s, _, err := t.fire(ctx, false, fireSpec{Callers: callers, Requests: t.paid})
	if err != nil {
		return sample{}, err
	}
	after, err := t.pg.kept(ctx)
	if err == nil && after != before {
		err = fmt.Errorf("repeats were written: %d messages and entries before, %d after", before, after)
	}
	return s, err
}

// hot measures different callbacks about one order, which no longer and not yet pay it, and then pays it.
func (t *till) hot(ctx context.Context, callers int) (sample, error) {
	orders, err := t.stock.make(ctx, 1, 1)
	if err != nil {
		return sample{}, err
	}
	t.payments++
	spans := time.Duration(t.seconds)*time.Second + warm
	requests := make([][]byte, int(hotRate*spans.Seconds()))
	for i := range requests {
		status := statusConfirm
		if i%2 == 1 {
			status = statusDeclined
		}
		requests[i] = callback(&orders[0], status, t.payments, i)
	}
	if err := t.pg.settle(ctx); err != nil {
		return sample{}, err
	}
	s, _, err := t.fire(ctx, false, fireSpec{Callers: callers, Requests: requests, Once: true})
	if err != nil {
		return sample{}, err
	}
	last := [][]byte{callback(&orders[0], statusPaid, t.payments, len(requests))}
	if _, err := ask[fireResult](ctx, "fire", fireSpec{
		Address: t.server.public, Callers: 1, Requests: last, Once: true, For: time.Second,
	}); err != nil {
		return sample{}, err
	}
	return s, t.pg.checkPaid(ctx, orders)
}

// page measures the payer's page of orders that can be paid, or a handler that answers with the same bytes.
func (t *till) page(ctx context.Context, callers int, floor bool) (sample, error) {
	if floor {
		s, _, err := t.fire(ctx, true, fireSpec{Callers: callers, Requests: [][]byte{pageRequest(pathPage)}})
		return s, err
	}
	for len(t.pages) < pagesOpen {
		path, err := t.stock.offer(ctx)
		if err != nil {
			return sample{}, err
		}
		t.pages = append(t.pages, pageRequest(path))
	}
	s, _, err := t.fire(ctx, false, fireSpec{Callers: callers, Requests: t.pages})
	return s, err
}

// pageRequest is what a phone sends.
func pageRequest(path string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: pay.example\r\nUser-Agent: Mozilla/5.0 (Linux; Android 16) Mobile\r\n"+
		"Accept: text/html,application/xhtml+xml\r\nAccept-Language: uk-UA,uk;q=0.9,en;q=0.8\r\n\r\n", path)
}

func callbackName(callers, merchants int) string {
	s := "s"
	if merchants == 1 {
		s = ""
	}
	return fmt.Sprintf("callback h1 %3d callers %2d merchant%s", callers, merchants, s)
}

func callbackYardstick(clients int) string { return fmt.Sprintf("PGC7@%d", clients) }

// hotTarget is the share of the rate of many orders that one hot order is to reach.
const hotTarget = 0.33

// payingGroup is callbacks through the whole stack beside pgbench, repeats, one hot order, and the page.
func payingGroup(w *workshop, pg *postgres, seconds int) *group {
	t := &till{stage: &stage{workshop: w, pg: pg, seconds: seconds}}
	g := &group{name: "callback", explain: t.complaints, after: t.after, profiles: profileCallbacks}
	g.open = func(ctx context.Context) (func() error, error) { return t.close, t.open(ctx) }
	add := func(name string, target float64, of []string, run func(ctx context.Context) (sample, error)) {
		g.contestants = append(g.contestants, &contestant{name: name, of: of, target: target, run: run})
	}
	for _, callers := range []int{16, 64, 256} {
		clients := min(callers, 64) // As with creates: 64 are the yardstick of 256 too.
		if clients == callers {
			add(callbackYardstick(clients), 0, nil, func(ctx context.Context) (sample, error) { return pg.callbacks(ctx, clients, seconds) })
		}
		for _, merchants := range []int{1, merchantsMany} {
			if callers < 64 && merchants > 1 {
				continue // It takes long to prepare, and says little.
			}
			add(callbackName(callers, merchants), map[int]float64{64: 1.6, 256: 2.5}[callers], []string{callbackYardstick(clients)},
				func(ctx context.Context) (sample, error) { return t.first(ctx, callers, merchants) })
		}
	}
	for _, callers := range []int{64, 256} {
		of := []string{callbackName(callers, 1)}
		add(fmt.Sprintf("repeated callback h1 %3d callers", callers), 0, of,
			func(ctx context.Context) (sample, error) { return t.repeat(ctx, callers) })
		add(fmt.Sprintf("callback, one hot order, %3d callers", callers), hotTarget, of,
			func(ctx context.Context) (sample, error) { return t.hot(ctx, callers) })
	}
	const pagers = 64
	bare := fmt.Sprintf("empty page h1 %3d callers", pagers)
	add(bare, 0, nil, func(ctx context.Context) (sample, error) { return t.page(ctx, pagers, true) })
	add(fmt.Sprintf("page h1 %3d callers", pagers), 0, []string{bare},
		func(ctx context.Context) (sample, error) { return t.page(ctx, pagers, false) })
	return g
}

// after compares the rows that a callback writes with the yardstick's.
func (t *till) after(ctx context.Context) ([]string, error) {
	ours, err := t.pg.measureCallbacks(ctx, "public")
	theirs, theirErr := t.pg.measureCallbacks(ctx, yardstickSchema)
	if err := errors.Join(err, theirErr); err != nil {
		return nil, err
	}
	return []string{
		"written per callback, in bytes: ours " + ours + "; pgbench's " + theirs,
		"both: order and attempt changed, a task less, a head moved (ours: per batch)",
	}, nil
}
