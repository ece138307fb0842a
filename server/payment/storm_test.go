package payment_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
)

// storm is three servers at which a shop is paid, without a lock service, and the PSP's own books.
type storm struct {
	*servers
	t        *testing.T
	services []*payment.Service

	mu                       sync.Mutex
	starts                   map[string]int
	taken, released, goneMin int64
	captures, voids, refunds int
}

func openStorm(t *testing.T, s *servers) *storm {
	t.Helper()
	w := &storm{servers: s, t: t, starts: map[string]int{}}
	fake := newFakePSP()
	fake.start, fake.capture, fake.void, fake.refund = w.start, w.capture, w.void, w.refund
	fake.ask = func(psp.Ref) (psp.Report, error) { return psp.Report{}, errCut }
	keys := newKeys(t)
	for range serverCount {
		var accounts []*psp.Account
		for _, id := range []string{"fake", "second"} {
			a, err := psp.NewAccount(fake, psp.Options{ID: id, Merchant: "demo", Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			accounts = append(accounts, a)
		}
		w.services = append(w.services, newService(t, s.store, keys, locksAway(), func(needs *payment.Needs) {
			needs.Mark, needs.Now, needs.Accounts = mark, time.Now, accounts
		}))
	}
	return w
}

func (w *storm) at(i int) *payment.Service { return w.services[i%serverCount] }

func (w *storm) start(in psp.Intent) (psp.Handoff, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts[in.Ref]++
	return psp.Handoff{URL: "https://psp.test/pay/" + in.Ref}, nil
}

// capture and void are what a PSP does with a hold: one of them, once.
func (w *storm) capture(c psp.Capture) (psp.Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.captures++
	if w.taken+w.released > 0 {
		return psp.Report{}, &psp.RefusedError{Failure: "there is no hold"}
	}
	w.taken = c.Amount.Minor()
	return psp.Report{Ref: c.Ref.Ref, Findings: []psp.Finding{found(order.FactSucceeded, w.taken)}}, nil
}

func (w *storm) void(v psp.Void) (psp.Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.voids++
	if w.taken+w.released > 0 {
		return psp.Report{}, &psp.RefusedError{Failure: "there is no hold"}
	}
	w.released = v.Held.Minor()
	return psp.Report{Ref: v.Ref.Ref, Findings: []psp.Finding{{Fact: order.FactVoided, PSPPaymentID: "p-1"}}}, nil
}

func (w *storm) refund(r psp.Refund) (psp.Refunded, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refunds++
	w.goneMin += r.Amount.Minor()
	return psp.Refunded{Done: true}, nil
}

func (w *storm) order(id string, change ...func(*payment.CreateLink)) (token string) {
	w.t.Helper()
	in := lesson(w.t, "create-"+id, id)
	for _, c := range change {
		c(&in)
	}
	created, _, err := w.at(0).CreateLink(w.t.Context(), w.caller, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return tokenOf(created.Link.URL)
}

func (w *storm) press(i int, token, account string) (payment.Started, error) {
	return w.at(i).StartAttempt(w.t.Context(), payment.StartAttempt{Token: token, Account: account})
}

// say delivers a callback; distinct makes it another message with the same facts.
func (w *storm) say(i int, attemptID string, distinct int, findings ...psp.Finding) {
	w.t.Helper()
	body, err := json.Marshal(spoken{Ref: mark.Ref(attemptID), Findings: findings})
	if err == nil {
		_, err = w.at(i).HandleCallback(w.t.Context(), payment.HandleCallback{
			Account: "fake", Secret: w.at(i).CallbackSecret("fake"),
			Callback: psp.Callback{Method: "POST", Query: strconv.Itoa(distinct), Body: body},
		})
	}
	if err != nil {
		w.t.Errorf("callback at server %d: %v", i%serverCount, err)
	}
}

func (w *storm) read(id string) *order.Order {
	w.t.Helper()
	read, err := w.store.Order(w.t.Context(), store.OrderKey{Merchant: "demo", ID: id})
	if err != nil {
		w.t.Fatal(err)
	}
	return read.Order
}

// odd counts the open exceptions of a kind.
func odd(o *order.Order, kind order.ExceptionKind) (n int) {
	for i := range o.Exceptions {
		if x := &o.Exceptions[i]; x.Kind == kind && x.Open() {
			n++
		}
	}
	return n
}

func TestServers_O7_TapsAtThreeServersAndTwoAccountsAreOnePayment(t *testing.T) {
	t.Parallel()
	onEach(t, locksAway, func(t *testing.T, s *servers) {
		t.Helper()
		w := openStorm(t, s)
		token := w.order("A-1")
		var ways sync.Map
		atOnce(40, func(i int) {
			started, err := w.press(i, token, []string{"fake", "second"}[i%2])
			switch {
			case fault.Is(err, fault.ReasonAttemptInProgress), fault.Is(err, fault.ReasonRateLimited):
			case err != nil || started.Handoff == nil:
				t.Errorf("tap %d: %+v, %v", i, started, err)
			default:
				ways.Store(started.AttemptID+" "+started.Handoff.URL, true)
			}
		})
		different := 0
		ways.Range(func(any, any) bool { different++; return true })
		if different != 1 || len(w.starts) != 1 || len(w.read("A-1").Attempts) != 1 {
			t.Errorf("%d ways, %v payments at the PSP, %d attempts", different, w.starts, len(w.read("A-1").Attempts))
		}
		checkJournal(t, w.store, "A-1")
	})
}

// Captures and voids with different keys, the callbacks of the hold, and the resolvers of three servers: the
// PSP is asked for one of the two, once.
func TestServers_O10_I5_AHoldIsTakenOrReleasedOnce(t *testing.T) {
	t.Parallel()
	onEach(t, locksAway, func(t *testing.T, s *servers) {
		t.Helper()
		w := openStorm(t, s)
		started, err := w.press(0, w.order("A-1", held), "fake")
		if err != nil {
			t.Fatal(err)
		}
		w.say(0, started.AttemptID, 0, found(order.FactAuthorized, 500_000))
		atOnce(36, func(i int) {
			var err error
			key := strconv.Itoa(i)
			switch i % 4 {
			case 0:
				_, _, err = w.at(i/4).CapturePayment(t.Context(), w.caller, payment.CapturePayment{IdempotencyKey: key, OrderID: "A-1", AmountMinor: 400_000, Currency: "AMD"})
			case 1:
				_, _, err = w.at(i/4).CancelOrder(t.Context(), w.caller, payment.CancelOrder{IdempotencyKey: key, OrderID: "A-1"})
			case 2:
				w.say(i/4, started.AttemptID, i, found(order.FactAuthorized, 500_000))
			default:
				_, _, err = w.at(i/4).ResolveDue(t.Context(), func(err error) { t.Error(err) })
				w.at(i / 4).Resolved()
			}
			if err != nil && !fault.Is(err, fault.ReasonOrderState) && !fault.Is(err, fault.ReasonRateLimited) {
				t.Errorf("caller %d: %v", i, err)
			}
		})
		o := w.read("A-1")
		want := order.Cancelled
		if w.taken > 0 {
			want = order.Paid
		}
		if w.captures+w.voids != 1 || o.State != want || o.Paid() != w.taken || odd(o, order.Conflicting) != 0 {
			t.Errorf("%d captures and %d voids at the PSP; the order is %s with %d paid, the PSP took %d", w.captures, w.voids, o.State, o.Paid(), w.taken)
		}
		checkJournal(t, w.store, "A-1")
	})
}

// settled is the order when none of its refunds is on its way any more: what a busy caller left is the
// resolver's.
func (w *storm) settled(id string) *order.Order {
	w.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		o := w.read(id)
		if !slices.ContainsFunc(o.Refunds, func(r order.Refund) bool { return r.Open() }) {
			return o
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("refunds are on their way for ever: %+v", o.Refunds)
		}
		s := w.at(0)
		if _, _, err := s.ResolveDue(w.t.Context(), func(err error) { w.t.Log(err) }); err != nil {
			w.t.Log(err)
		}
		s.Resolved()
	}
	return nil
}

func TestServers_R1_RefundsAtThreeServersNeverExceedThePayment(t *testing.T) {
	t.Parallel()
	onEach(t, locksAway, func(t *testing.T, s *servers) {
		t.Helper()
		w := openStorm(t, s)
		started, err := w.press(0, w.order("A-1"), "fake")
		if err != nil {
			t.Fatal(err)
		}
		w.say(0, started.AttemptID, 0, found(order.FactSucceeded, 500_000))
		atOnce(30, func(i int) {
			key := strconv.Itoa(i / 2) // Each key comes twice, at two servers.
			for {
				_, _, err := w.at(i).RefundOrder(t.Context(), w.caller, payment.RefundOrder{
					IdempotencyKey: key, OrderID: "A-1", AmountMinor: 120_000, Currency: "AMD",
				})
				switch {
				case fault.Is(err, fault.ReasonRateLimited):
					continue // The repeat with the same key, as the fault advises.
				case err != nil && !fault.Is(err, fault.ReasonRefundExceeds):
					t.Errorf("refund %s: %v", key, err)
				}
				return
			}
		})
		o := w.settled("A-1")
		if w.refunds != 4 || o.Refunded() != 480_000 || w.goneMin != 480_000 || o.State != order.PartiallyRefunded {
			t.Errorf("%d refunds: %d on record, %d at the PSP", w.refunds, o.Refunded(), w.goneMin)
		}
		checkJournal(t, w.store, "A-1")
	})
}

// The same money is claimed by two orders at once, and each order's callback comes ten times in two forms.
func TestServers_O8_X1_OneMoneyClaimedByTwoOrdersAtOnceSettlesOne(t *testing.T) {
	t.Parallel()
	onEach(t, locksAway, func(t *testing.T, s *servers) {
		t.Helper()
		w := openStorm(t, s)
		ids := []string{"A-1", "B-1"}
		var attempts []string
		for _, id := range ids {
			started, err := w.press(0, w.order(id), "fake")
			if err != nil {
				t.Fatal(err)
			}
			attempts = append(attempts, started.AttemptID)
		}
		atOnce(40, func(i int) { w.say(i/2, attempts[i%2], i%4, found(order.FactSucceeded, 500_000)) })
		paid, puzzled := 0, 0
		for _, id := range ids {
			o := w.read(id)
			puzzled += odd(o, order.Conflicting)
			if o.State == order.Paid {
				paid++
			}
		}
		if types := checkJournal(t, w.store, ids...); paid != 1 || puzzled != 1 || count(types, order.OrderPaid) != 1 || count(types, order.EvidenceNoted) != 2 {
			t.Errorf("%d orders are paid, %d hear of a contradiction: %v", paid, puzzled, types)
		}
	})
}

// A payment, a cancellation, the end of the offer and a repeat of the create meet: the money settles the
// order or is in one exception (X1), whoever came first.
func TestServers_X1_PaymentCancelAndExpiryAtOnceLoseNoMoney(t *testing.T) {
	t.Parallel()
	onEach(t, locksAway, func(t *testing.T, s *servers) {
		t.Helper()
		w := openStorm(t, s)
		started, err := w.press(0, w.order("A-1"), "fake")
		if err != nil {
			t.Fatal(err)
		}
		s.outrun(t)
		atOnce(40, func(i int) {
			var err error
			switch i % 4 {
			case 0:
				w.say(i/4, started.AttemptID, i, found(order.FactSucceeded, 500_000))
			case 1:
				_, _, err = w.at(i/4).CancelOrder(t.Context(), w.caller, payment.CancelOrder{IdempotencyKey: strconv.Itoa(i), OrderID: "A-1"})
			case 2:
				_, _, err = w.at(i / 4).ExpireOrders(t.Context())
			default:
				_, _, err = w.at(i/4).CreateLink(t.Context(), w.caller, lesson(t, strconv.Itoa(i), "A-1"))
			}
			if err != nil && !fault.Is(err, fault.ReasonOrderState) && !fault.Is(err, fault.ReasonRateLimited) {
				t.Errorf("caller %d: %v", i, err)
			}
		})
		o := w.read("A-1")
		open := 0
		for _, kind := range order.ExceptionKinds() {
			if kind.HoldsMoney() {
				open += odd(o, kind)
			}
		}
		settled := o.State == order.Paid && open == 0
		if waits := o.State == order.Review && open == 1; len(o.Payments) != 1 || settled == waits {
			t.Errorf("the order is %s with %d payments and %d exceptions that hold money", o.State, len(o.Payments), open)
		}
		checkJournal(t, w.store, "A-1")
	})
}
