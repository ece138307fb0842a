package payment_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/lock/memlock"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/stream/membus"
)

const mark = psp.Mark("kv7x2q")

// fakePSP is a provider in memory that tests steer: its answers to calls, and what it says in callbacks.
// A callback's body is the JSON of a spoken, and "forged" in front of it makes it one.
type fakePSP struct {
	declaration psp.Declaration

	mu       sync.Mutex
	started  map[string]int
	refunded []psp.Refund
	captured []psp.Capture
	voided   []psp.Void
	asked    int

	start   func(psp.Intent) (psp.Handoff, error)
	ask     func(psp.Ref) (psp.Report, error)
	refund  func(psp.Refund) (psp.Refunded, error)
	capture func(psp.Capture) (psp.Report, error)
	void    func(psp.Void) (psp.Report, error)
	// read is what every callback reports, where it is set.
	read *psp.Report
}

// spoken is what a callback says.
type spoken struct {
	Ref        string        `json:"ref"`
	Hint       bool          `json:"hint"`
	Unreadable bool          `json:"unreadable"`
	Findings   []psp.Finding `json:"findings"`
}

func newFakePSP() *fakePSP {
	f := &fakePSP{started: map[string]int{}, declaration: psp.Declaration{
		Kind: "fake", Name: "Fake", Test: true, Dialect: psp.MinorInteger, Currencies: []string{"AMD", "UAH"},
		GrainMinor: map[string]int64{"AMD": 100}, RefLengthMax: 64, SessionMax: 20 * time.Minute, Grace: 5 * time.Minute,
		PaidAtExact: true, Origins: []string{"https://psp.test"},
		Schedule: []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute},
	}}
	f.start = func(in psp.Intent) (psp.Handoff, error) {
		return psp.Handoff{URL: "https://psp.test/pay/" + in.Ref}, nil
	}
	f.ask = func(ref psp.Ref) (psp.Report, error) { return psp.Report{Ref: ref.Ref, Unpaid: true}, nil }
	f.refund = func(psp.Refund) (psp.Refunded, error) { return psp.Refunded{Done: true}, nil }
	f.capture = func(c psp.Capture) (psp.Report, error) {
		return psp.Report{Ref: c.Ref.Ref, Findings: []psp.Finding{found(order.FactSucceeded, c.Amount.Minor())}}, nil
	}
	f.void = func(v psp.Void) (psp.Report, error) {
		return psp.Report{Ref: v.Ref.Ref, Findings: []psp.Finding{{Fact: order.FactVoided, PSPPaymentID: "p-1"}}}, nil
	}
	return f
}

func (f *fakePSP) Declare() psp.Declaration { return f.declaration }

func (f *fakePSP) Start(_ context.Context, in psp.Intent) (psp.Handoff, error) {
	f.mu.Lock()
	f.started[in.Ref]++
	f.mu.Unlock()
	return f.start(in)
}

func (f *fakePSP) Read(_ context.Context, c psp.Callback) (psp.Report, psp.Reply, error) {
	reply := psp.Reply{Status: 200, ContentType: "text/plain", Body: []byte("ok")}
	if f.read != nil {
		return *f.read, reply, nil
	}
	if strings.HasPrefix(string(c.Body), "forged") {
		return psp.Report{}, psp.Reply{Status: 401}, psp.ErrForged
	}
	var said spoken
	if err := json.Unmarshal(c.Body, &said); err != nil || said.Unreadable {
		return psp.Report{}, reply, psp.ErrUnreadable
	}
	return psp.Report{Ref: said.Ref, Proven: !said.Hint, Findings: said.Findings}, reply, nil
}

func (f *fakePSP) Ask(_ context.Context, ref psp.Ref) (psp.Report, error) {
	f.mu.Lock()
	f.asked++
	f.mu.Unlock()
	report, err := f.ask(ref)
	report.Ref, report.Proven, report.Raw = ref.Ref, true, []byte("answer")
	return report, err
}

func (f *fakePSP) Refund(_ context.Context, r psp.Refund) (psp.Refunded, error) {
	f.mu.Lock()
	f.refunded = append(f.refunded, r)
	f.mu.Unlock()
	return f.refund(r)
}

func (f *fakePSP) Capture(_ context.Context, c psp.Capture) (psp.Report, error) {
	f.mu.Lock()
	f.captured = append(f.captured, c)
	f.mu.Unlock()
	return f.capture(c)
}

func (f *fakePSP) Void(_ context.Context, v psp.Void) (psp.Report, error) {
	f.mu.Lock()
	f.voided = append(f.voided, v)
	f.mu.Unlock()
	return f.void(v)
}

func (f *fakePSP) starts() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, times := range f.started {
		n += times
	}
	return n
}

var errCut = errors.New("the connection was cut")

// found is a finding of the fake's usual payment.
func found(fact order.Fact, minor int64) psp.Finding {
	return psp.Finding{Fact: fact, PSPPaymentID: "p-1", AmountMinor: minor, Currency: "AMD"}
}

// shop is a house with a way to pay: one account "fake", and "second" beside it.
type shop struct {
	*house
	t      *testing.T
	psp    *fakePSP
	second *fakePSP
}

func openShop(t *testing.T, change ...func(*payment.Needs)) *shop {
	t.Helper()
	s := &shop{t: t, psp: newFakePSP(), second: newFakePSP()}
	s.house = open(t, memlock.New(), append([]func(*payment.Needs){func(needs *payment.Needs) {
		needs.Mark, needs.Bus, needs.Now = mark, membus.New(), s.clockNow
		needs.Accounts = []*psp.Account{s.account("fake", s.psp), s.account("second", s.second)}
	}}, change...)...)
	return s
}

func (s *shop) clockNow() time.Time { return s.clock() }

func (s *shop) account(id string, p psp.Provider) *psp.Account {
	s.t.Helper()
	a, err := psp.NewAccount(p, psp.Options{ID: id, Merchant: "demo", Now: time.Now})
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *shop) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// order makes an order and returns the token of its page.
func (s *shop) order(id string, change ...func(*payment.CreateLink)) string {
	s.t.Helper()
	in := lesson(s.t, "create-"+id, id)
	for _, c := range change {
		c(&in)
	}
	created, _, err := s.CreateLink(s.t.Context(), s.caller, in)
	s.must(err)
	return tokenOf(created.Link.URL)
}

func tokenOf(url string) string { return url[strings.LastIndex(url, "/")+1:] }

func held(in *payment.CreateLink) { in.Capture = order.Manual }

func (s *shop) press(token string) payment.Started {
	s.t.Helper()
	started, err := s.StartAttempt(s.t.Context(), payment.StartAttempt{Token: token, Account: "fake", Nonce: "n-1"})
	s.must(err)
	return started
}

func (s *shop) ref(attemptID string) string { return mark.Ref(attemptID) }

// say delivers a callback of the account "fake" and returns the reply.
func (s *shop) say(attemptID string, findings ...psp.Finding) psp.Reply {
	s.t.Helper()
	return s.deliver(spoken{Ref: s.ref(attemptID), Findings: findings})
}

func (s *shop) deliver(said spoken) psp.Reply {
	s.t.Helper()
	body, err := json.Marshal(said)
	s.must(err)
	reply, err := s.HandleCallback(s.t.Context(), s.callback(body))
	s.must(err)
	return reply
}

func (s *shop) callback(body []byte) payment.HandleCallback {
	return payment.HandleCallback{Account: "fake", Secret: s.CallbackSecret("fake"), Callback: psp.Callback{Method: "POST", Body: body}}
}

func (s *shop) status(id string) payment.OrderStatus {
	s.t.Helper()
	status, err := s.OrderStatus(s.t.Context(), s.caller, id)
	s.must(err)
	return status
}

func (s *shop) wantState(id string, want order.State) payment.OrderStatus {
	s.t.Helper()
	status := s.status(id)
	if status.Order.State != want {
		s.t.Fatalf("order %s is %s, want %s\n%s", id, status.Order.State, want, s.story(id))
	}
	return status
}

// story is the order's history, one line per entry.
func (s *shop) story(id string) string {
	s.t.Helper()
	explained, err := s.ExplainOrder(s.t.Context(), s.caller, id)
	s.must(err)
	var b strings.Builder
	for _, step := range explained.Steps {
		b.WriteString(string(step.Type) + "  " + step.Text + "\n")
	}
	return b.String()
}

// attempts are those of the order A-1.
func (s *shop) attempts() []order.Attempt {
	s.t.Helper()
	read, err := s.store.Order(s.t.Context(), store.OrderKey{Merchant: "demo", ID: "A-1"})
	s.must(err)
	return read.Order.Attempts
}

// resolve runs the resolver until nothing is due.
func (s *shop) resolve() {
	s.t.Helper()
	for range 10 {
		if s.round() == 0 {
			return
		}
	}
	s.t.Fatal("the resolver never comes to an end")
}
