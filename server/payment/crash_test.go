package payment_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

// mortal is a server's way to write, which may die once in a call of a use-case: before or after one of its
// commits. From then on the call writes nothing more.
type mortal struct {
	payment.Writer
	mu    sync.Mutex
	left  int // Commits until it dies; below zero it lives on.
	after bool
	dead  bool
}

func (m *mortal) Do(ctx context.Context, cmd writer.Command) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	gone := fault.New(fault.Unavailable, fault.ReasonDeadline, "The server has died.")
	if m.dead {
		return gone
	}
	m.left--
	m.dead = m.left == 0
	if m.dead && !m.after {
		return gone
	}
	if err := m.Writer.Do(ctx, cmd); err != nil || !m.dead {
		return err
	}
	return gone
}

func (m *mortal) born(left int, after bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left, m.after, m.dead = left, after, false
}

// session is one payment as an honest PSP knows it.
type session struct {
	held, captured, refunded int64
	voided                   bool
	until                    time.Time
	refunds                  map[string]int
}

// books are an honest PSP: its answers may be lost before or after it has done what it was asked.
type books struct {
	mu       sync.Mutex
	sessions map[string]*session
	// fates are what becomes of the next calls: "" well, "before" and "after" lost, "away" not attempted.
	fates []string
}

func (b *books) do(effect func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	fate := ""
	if len(b.fates) > 0 {
		fate, b.fates = b.fates[0], b.fates[1:]
	}
	switch fate {
	case "before":
		return errCut
	case "away":
		return psp.ErrNotAttempted
	}
	err := effect()
	if fate == "after" {
		return errCut
	}
	return err
}

func (b *books) findings(ref string) (findings []psp.Finding) {
	s := b.sessions[ref]
	f := psp.Finding{PSPPaymentID: "p-" + ref, Currency: "AMD"}
	add := func(fact order.Fact, minor int64) {
		f.Fact, f.AmountMinor = fact, minor
		findings = append(findings, f)
	}
	if s == nil {
		return nil
	}
	if s.held > 0 {
		add(order.FactAuthorized, s.held)
	}
	if s.voided {
		add(order.FactVoided, 0)
	}
	if s.captured > 0 {
		add(order.FactSucceeded, s.captured)
	}
	if s.refunded > 0 {
		add(order.FactRefunded, s.refunded)
	}
	return findings
}

func (b *books) serve(f *fakePSP) {
	f.start = func(in psp.Intent) (way psp.Handoff, err error) {
		err = b.do(func() error {
			if b.sessions[in.Ref] == nil {
				b.sessions[in.Ref] = &session{until: in.SessionUntil, refunds: map[string]int{}}
			}
			way = psp.Handoff{URL: "https://psp.test/pay/" + in.Ref}
			return nil
		})
		return way, err
	}
	f.ask = func(ref psp.Ref) (report psp.Report, err error) {
		err = b.do(func() error {
			report.Findings = b.findings(ref.Ref)
			report.Unpaid = len(report.Findings) == 0
			return nil
		})
		return report, err
	}
	f.capture = func(c psp.Capture) (report psp.Report, err error) {
		err = b.do(func() error {
			s := b.sessions[c.Ref.Ref]
			if s == nil || s.held == 0 || s.captured > 0 || s.voided {
				return &psp.RefusedError{Failure: "there is no hold"}
			}
			s.captured = c.Amount.Minor()
			report = psp.Report{Ref: c.Ref.Ref, Findings: b.findings(c.Ref.Ref)}
			return nil
		})
		return report, err
	}
	f.void = func(v psp.Void) (report psp.Report, err error) {
		err = b.do(func() error {
			s := b.sessions[v.Ref.Ref]
			if s == nil || s.held == 0 || s.captured > 0 || s.voided {
				return &psp.RefusedError{Failure: "there is no hold"}
			}
			s.voided = true
			report = psp.Report{Ref: v.Ref.Ref, Findings: b.findings(v.Ref.Ref)}
			return nil
		})
		return report, err
	}
	f.refund = func(r psp.Refund) (psp.Refunded, error) {
		err := b.do(func() error {
			s := b.sessions[r.Ref.Ref]
			s.refunded += r.Amount.Minor()
			s.refunds[r.RefundID]++
			return nil
		})
		return psp.Refunded{Done: err == nil}, err
	}
}

// crash is one order and a server that dies again and again.
type crash struct {
	*shop
	r     *rapid.T
	death *mortal
	books *books
	token string
	// ways are the sessions that the payer was sent to.
	ways []string
	log  []string
	keys int
}

func (c *crash) fates() {
	c.books.mu.Lock()
	defer c.books.mu.Unlock()
	c.books.fates = rapid.SliceOfN(rapid.SampledFrom([]string{"", "", "before", "after", "away"}), 0, 2).Draw(c.r, "fates")
	c.death.born(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1, 2, 3}).Draw(c.r, "dies at commit"), rapid.Bool().Draw(c.r, "after it"))
}

// says notes what became of a call. A fault of ours is none that a crash may bring.
func (c *crash) says(what string, err error) {
	c.log = append(c.log, fmt.Sprintf("%s %s: %v", c.clock().Format(time.TimeOnly), what, err))
	if err != nil && fault.KindOf(err) == fault.Internal {
		c.r.Fatalf("%s\n%s", strings.Join(c.log, "\n"), c.story("A-1"))
	}
}

func (c *crash) key(of string) string {
	c.keys++
	return of + strconv.Itoa(rapid.IntRange(c.keys-min(c.keys, 2), c.keys).Draw(c.r, "key"))
}

func (c *crash) actions() map[string]func(*rapid.T) {
	act := func(f func()) func(*rapid.T) {
		return func(r *rapid.T) {
			c.r = r
			c.fates()
			f()
		}
	}
	ctx := c.t.Context()
	return map[string]func(*rapid.T){
		"press": act(func() {
			c.pass(31 * time.Second) // Nobody's lease stands, so that the tap need not wait for one.
			started, err := c.StartAttempt(ctx, payment.StartAttempt{Token: c.token, Account: "fake"})
			c.says("press", err)
			if started.Handoff != nil {
				c.ways = append(c.ways, c.ref(started.AttemptID))
			}
		}),
		"pay": act(func() {
			if len(c.ways) == 0 {
				c.r.Skip("the payer was sent nowhere")
			}
			ref := rapid.SampledFrom(c.ways).Draw(c.r, "way")
			c.payAt(ref)
			if rapid.Bool().Draw(c.r, "told at once") {
				c.says("callback", c.report(ref, false))
			}
		}),
		"callback": act(func() {
			if len(c.ways) == 0 {
				c.r.Skip("the payer was sent nowhere")
			}
			c.says("callback", c.report(rapid.SampledFrom(c.ways).Draw(c.r, "way"), rapid.Bool().Draw(c.r, "hint")))
		}),
		"capture": act(func() {
			in := payment.CapturePayment{IdempotencyKey: c.key("c"), OrderID: "A-1"}
			if rapid.Bool().Draw(c.r, "a part") {
				in.AmountMinor, in.Currency = 400_000, "AMD"
			}
			_, _, err := c.CapturePayment(ctx, c.caller, in)
			c.says("capture", err)
		}),
		"cancel": act(func() {
			_, _, err := c.CancelOrder(ctx, c.caller, payment.CancelOrder{IdempotencyKey: c.key("x"), OrderID: "A-1"})
			c.says("cancel", err)
		}),
		"refund": act(func() {
			_, _, err := c.giveBack(c.key("r"), rapid.SampledFrom([]int64{0, 100_000, 300_000}).Draw(c.r, "back"))
			c.says("refund", err)
		}),
		"wait": act(func() {
			c.pass(time.Duration(rapid.IntRange(1, 900).Draw(c.r, "seconds")) * time.Second)
			c.resolveOnce()
		}),
	}
}

// payAt is the payer at the PSP, whose session may be over.
func (c *crash) payAt(ref string) {
	c.books.mu.Lock()
	defer c.books.mu.Unlock()
	s := c.books.sessions[ref]
	if s.held+s.captured > 0 || !c.clock().Before(s.until) {
		return
	}
	if s.held = 500_000; rapid.Bool().Draw(c.r, "taken at once") {
		s.captured, s.held = 500_000, 0
	}
	c.log = append(c.log, c.clock().Format(time.TimeOnly)+" paid "+ref)
}

func (c *crash) resolveOnce() {
	_, _, err := c.ResolveDue(c.t.Context(), func(err error) { c.says("resolver", err) })
	c.Resolved()
	c.says("resolve", err)
}

func (c *crash) report(ref string, hint bool) error {
	c.books.mu.Lock()
	said := &psp.Report{Ref: ref, Proven: !hint, Findings: c.books.findings(ref)}
	c.books.mu.Unlock()
	c.psp.read = said
	_, err := c.HandleCallback(c.t.Context(), c.callback([]byte(fmt.Sprint(ref, hint, said.Findings))))
	return err
}

// settle lets everybody live, the PSP answer and repeat what it has said, and days pass.
func (c *crash) settle() {
	c.books.fates = nil
	c.death.born(-1, false)
	for _, ref := range c.ways {
		c.must(c.report(ref, false))
	}
	for range 4 {
		for range 3 {
			c.pass(11 * time.Minute)
			c.resolveOnce()
		}
		c.pass(3 * time.Hour)
	}
	_, _, err := c.ExpireOrders(c.t.Context())
	c.must(err)
}

// check compares our books with the PSP's.
func (c *crash) check() {
	read, err := c.store.Order(c.t.Context(), store.OrderKey{Merchant: "demo", ID: "A-1"})
	c.must(err)
	o := read.Order
	fail := func(format string, args ...any) {
		c.t.Helper()
		c.r.Fatalf("%s\n%s\n%s", fmt.Sprintf(format, args...), strings.Join(c.log, "\n"), c.story("A-1"))
	}
	charged := 0
	for ref, s := range c.books.sessions {
		if s.held+s.captured > 0 {
			charged++
		}
		id, _ := mark.Attempt(ref)
		var captured, refunded int64
		for i := range o.Payments {
			if p := &o.Payments[i]; p.AttemptID == id {
				captured, refunded = captured+p.Captured, refunded+p.Refunded
			}
		}
		if captured != s.captured || refunded != s.refunded || s.refunded > s.captured {
			fail("%s took %d and gave back %d; on record are %d and %d", ref, s.captured, s.refunded, captured, refunded)
		}
		for id, times := range s.refunds {
			if times > 1 {
				fail("refund %s was sent %d times (R2)", id, times)
			}
		}
	}
	if charged > 1 {
		fail("the payer was charged %d times (O7)", charged)
	}
	for i := range o.Refunds {
		if s := o.Refunds[i].State; s == order.RefundReserved || s == order.RefundIsSent {
			fail("refund %s is %s for ever (R1)", o.Refunds[i].ID, s)
		}
	}
	c.checkEnd(o, fail)
	checkJournal(c.t, c.store, "A-1")
}

// checkEnd asserts that nobody waits for ever, and that money has its place.
func (c *crash) checkEnd(o *order.Order, fail func(string, ...any)) {
	switch a := o.LiveAttempt(); {
	case a == nil && (o.State == order.Processing || o.State == order.Authorized):
		fail("the order is %s without an attempt", o.State)
	case a != nil && a.State != order.AttemptAuthorized && odd(o, order.Stuck) == 0:
		fail("attempt %s is %s for ever (O7)", a.ID, a.State)
	}
	for i := range o.Payments {
		p, places := &o.Payments[i], 0
		if p.Settles {
			places++
		}
		for j := range o.Exceptions {
			if x := &o.Exceptions[j]; x.PaymentID == p.ID && x.Open() && x.Kind.HoldsMoney() {
				places++
			}
		}
		if p.Captured > p.Refunded && places != 1 {
			fail("payment %+v has %d places (X1)", *p, places)
		}
		if p.CaptureAsked > 0 || p.VoidAsked {
			fail("payment %+v waits for an answer for ever (I5)", *p)
		}
	}
}

// Whenever the server dies, and whatever answers are lost: in the end our books are the PSP's, nobody is
// charged twice, nothing is sent back twice, and nothing waits for ever.
func TestCrash_O7_I5_R2_X1_OurBooksAreThePSPs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		death := &mortal{left: -1}
		s := openShop(t, func(needs *payment.Needs) { death.Writer, needs.Writer = needs.Writer, death })
		c := &crash{shop: s, r: r, death: death, books: &books{sessions: map[string]*session{}}}
		c.books.serve(s.psp)
		c.token = s.order("A-1", held)
		r.Repeat(c.actions())
		c.r = r
		c.settle()
		c.check()
	})
}
