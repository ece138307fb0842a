package payment_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

// read is an order as it stands.
func (s *shop) read(id string) *order.Order {
	s.t.Helper()
	read, err := s.store.Order(s.t.Context(), store.OrderKey{Merchant: "demo", ID: id})
	s.must(err)
	return read.Order
}

func (s *shop) hint(attemptID, news string) {
	s.t.Helper()
	s.deliver(spoken{Ref: s.ref(attemptID), Hint: true, Findings: []psp.Finding{{Fact: order.FactPending, Failure: news}}})
}

// answers makes the PSP answer every lookup with these facts.
func (f *fakePSP) answers(findings ...psp.Finding) {
	f.ask = func(psp.Ref) (psp.Report, error) { return psp.Report{Findings: findings}, nil }
}

// The way to the PSP is told late: meanwhile the merchant has cancelled, or money of an attempt thought
// dead has settled the order. Who is sent to pay then pays for nothing, or twice.
func TestStartAttempt_O10_NobodyIsSentToPayForWhatIsNoLongerOffered(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(s *shop, dead string){
		"cancelled": func(s *shop, _ string) {
			_, _, err := s.CancelOrder(t.Context(), s.caller, payment.CancelOrder{IdempotencyKey: "x", OrderID: "A-1"})
			s.must(err)
		},
		"paid by an attempt thought dead": func(s *shop, dead string) {
			f := found(order.FactSucceeded, 500_000)
			f.PaidAt = s.clock().Add(-20 * time.Minute)
			s.say(dead, f)
			s.wantState("A-1", order.Paid)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			token := s.order("A-1")
			dead := s.press(token).AttemptID
			s.pass(26 * time.Minute)
			s.resolve()
			s.psp.start = func(in psp.Intent) (psp.Handoff, error) {
				meanwhile(s, dead)
				return psp.Handoff{URL: "https://psp.test/pay/" + in.Ref}, nil
			}
			started := s.press(token)
			if started.Handoff != nil {
				t.Errorf("the payer is sent to %s", started.Handoff.URL)
			}
			if o := s.read("A-1"); o.LiveAttempt() != nil {
				t.Errorf("an attempt whose way never left us is %s (O7)", o.LiveAttempt().State)
			}
		})
	}
}

// An answer that was given before the session's end proves nothing about the time after it.
func TestResolve_O7_AnAnswerFromBeforeTheEndProvesNoDeath(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.press(s.order("A-1"))
	s.pass(25*time.Minute - 5*time.Second)
	s.psp.ask = func(psp.Ref) (psp.Report, error) {
		s.pass(10 * time.Second) // A slow line: the payer pays behind the answer.
		return psp.Report{Unpaid: true}, nil
	}
	s.round()
	if a := s.attempts()[0]; !a.Live() {
		t.Fatal("an attempt is dead by an answer that was given while it could be paid")
	}
	if x := s.status("A-1").Exceptions; len(x) != 0 {
		t.Errorf("%+v", x)
	}
	s.psp.answers(found(order.FactSucceeded, 500_000))
	s.pass(11 * time.Second)
	s.round()
	s.wantState("A-1", order.Paid)
}

// A hint proves nothing, and less so where it came to another account: only the attempt's own account
// knows whether it was paid.
func TestHandleCallback_C4_O7_AHintAtAnotherAccountAsksTheAttemptsOwn(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a := s.press(s.order("A-1")).AttemptID
	s.psp.ask = func(psp.Ref) (psp.Report, error) { return psp.Report{}, errCut }
	for range 12 {
		s.pass(10 * time.Minute)
		s.round()
	}
	if x := s.status("A-1").Exceptions; len(x) != 1 || x[0].Kind != order.Stuck {
		t.Fatalf("%+v", x)
	}
	_, err := s.HandleCallback(t.Context(), payment.HandleCallback{
		Account: "second", Secret: s.CallbackSecret("second"),
		Callback: psp.Callback{Method: "POST", Body: []byte(`{"ref":"` + s.ref(a) + `","hint":true}`)},
	})
	s.must(err)
	s.pass(11 * time.Second)
	s.resolve()
	if !s.attempts()[0].Live() || s.second.asked != 0 {
		t.Errorf("%s after %d questions to an account that never had it", s.attempts()[0].State, s.second.asked)
	}
}

// C4: at most one lookup per reference and 10 s, also where the attempt has its answer.
func TestHandleCallback_C4_HintsAboutASettledAttemptKeepTheirPace(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a := s.paid()
	s.psp.answers(found(order.FactSucceeded, 500_000))
	for i := range 8 {
		s.hint(a, strconv.Itoa(i))
		s.round()
		s.pass(time.Second + time.Millisecond)
	}
	if s.psp.asked != 1 {
		t.Errorf("%d lookups in 8 s", s.psp.asked)
	}
	s.pass(10 * time.Second)
	s.resolve()
	s.pass(10 * time.Second)
	s.resolve()
	if s.psp.asked != 2 {
		t.Errorf("%d lookups for all of it", s.psp.asked)
	}
	if _, err := s.store.ClaimTask(t.Context(), store.TaskKey{Merchant: "demo", ID: a}, time.Minute); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the task of a settled attempt is never finished: %v", err)
	}
}

// A hint that comes while the PSP is being asked for something else leads to its lookup all the same.
func TestHandleCallback_C4_AHintDuringACaptureIsNotLost(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.authorized()
	a := s.attempts()[0].ID
	done := s.psp.capture
	s.psp.capture = func(c psp.Capture) (psp.Report, error) {
		s.hint(a, "something else")
		return done(c)
	}
	_, _, err := s.CapturePayment(t.Context(), s.caller, payment.CapturePayment{IdempotencyKey: "c", OrderID: "A-1"})
	s.must(err)
	s.wantState("A-1", order.Paid)
	s.pass(11 * time.Second)
	s.resolve()
	if s.psp.asked != 1 {
		t.Errorf("the hint led to %d lookups", s.psp.asked)
	}
}

func TestStartAttempt_C4_AHintDuringARefusedStartIsNotLost(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	token := s.order("A-1")
	s.psp.start = func(in psp.Intent) (psp.Handoff, error) {
		id, _ := mark.Attempt(in.Ref)
		s.hint(id, "it was paid at the till")
		return psp.Handoff{}, &psp.RefusedError{Failure: "known already"}
	}
	_, err := s.StartAttempt(t.Context(), payment.StartAttempt{Token: token, Account: "fake"})
	if !fault.Is(err, fault.ReasonPSPNotAttempted) {
		t.Fatal(err)
	}
	f := found(order.FactSucceeded, 500_000)
	f.PaidAt = s.clock()
	s.psp.answers(f)
	s.pass(11 * time.Second)
	s.resolve()
	s.wantState("A-1", order.Paid)
}

// Questions that readers ask for do not use up the schedule (O6): one failed answer after a much watched
// session is not the end.
func TestResolve_O6_NudgesDoNotUseUpTheSchedule(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.psp.declaration.Schedule = []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 12 * time.Hour}
	s.second.declaration = s.psp.declaration
	watched := openShop(t, func(needs *payment.Needs) {
		needs.Accounts = []*psp.Account{s.account("fake", s.psp)}
	})
	watched.psp = s.psp
	a := watched.press(watched.order("A-1")).AttemptID
	for range 100 {
		watched.pass(11 * time.Second)
		s.must(watched.store.NudgeTasks(t.Context(), store.OrderKey{Merchant: "demo", ID: "A-1"}, 10*time.Second))
		watched.round()
	}
	s.psp.ask = func(psp.Ref) (psp.Report, error) { return psp.Report{}, errCut }
	watched.pass(10 * time.Minute)
	watched.round()
	if x := watched.status("A-1").Exceptions; len(x) != 0 {
		t.Fatalf("one failed lookup after the end, and %s opens %s after the start", x[0].Kind, watched.clock().Sub(watched.attempts()[0].StartedAt))
	}
	f := found(order.FactSucceeded, 500_000)
	f.PaidAt = watched.attempts()[0].StartedAt
	s.psp.answers(f)
	watched.pass(12 * time.Hour)
	watched.round()
	watched.wantState("A-1", order.Paid)
	_ = a
}

// An account leaves the settings while an attempt lives: nobody can ask, and a person must look (O6, O7).
func TestResolve_O6_AnAttemptOfAnAccountThatIsGoneBecomesStuck(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	token := s.order("A-1")
	s.press(token)
	later := newService(t, s.store, newKeys(t), brokenLocks{}, func(needs *payment.Needs) {
		needs.Mark, needs.Now = mark, s.clockNow
		needs.Accounts = []*psp.Account{s.account("second", s.second)}
	})
	round := func() {
		_, _, err := later.ResolveDue(t.Context(), func(err error) { t.Error(err) })
		s.must(err)
		later.Resolved()
	}
	s.pass(time.Minute)
	round()
	if x := s.status("A-1").Exceptions; len(x) != 0 {
		t.Fatalf("the session has not ended: %+v", x)
	}
	for range 3 {
		s.pass(time.Hour + time.Second)
		round()
	}
	if x := s.status("A-1").Exceptions; len(x) != 1 || x[0].Kind != order.Stuck {
		t.Fatalf("nobody hears of an order that waits for ever: %+v", x)
	}
	s.psp.answers(found(order.FactSucceeded, 500_000)) // The account is back.
	s.pass(time.Hour + time.Second)
	s.resolve()
	if x := s.read("A-1").Exceptions; x[0].Open() {
		t.Errorf("%+v", x)
	}
}

// C5: orphans that cannot be taken in now, as their account is not in the settings, hold up no others.
func TestApplyOrphans_C5_ThoseOfAnAccountThatIsGoneHoldUpNobody(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var fixed *order.IDs
	s := openShop(t, func(needs *payment.Needs) {
		needs.IDs = func() order.IDs {
			mu.Lock()
			defer mu.Unlock()
			if fixed != nil {
				return *fixed
			}
			return newIDs()
		}
	})
	early := func(id string, account string, times int) {
		token := s.order(id)
		ids := newIDs()
		for i := range times {
			s.pass(time.Millisecond)
			_, err := s.HandleCallback(t.Context(), payment.HandleCallback{
				Account: account, Secret: s.CallbackSecret(account),
				Callback: psp.Callback{Method: "POST", Query: strconv.Itoa(i), Body: []byte(
					`{"ref":"` + s.ref(ids.ID("att_", 0)) + `","findings":[{"Fact":"SUCCEEDED","PSPPaymentID":"` + id + `","AmountMinor":500000,"Currency":"AMD"}]}`)},
			})
			s.must(err)
		}
		mu.Lock()
		fixed = &ids
		mu.Unlock()
		reset := func(in psp.Intent) (psp.Handoff, error) {
			mu.Lock()
			fixed = nil
			mu.Unlock()
			return psp.Handoff{URL: "https://psp.test/pay/" + in.Ref}, nil
		}
		s.psp.start, s.second.start = reset, reset
		_, err := s.StartAttempt(t.Context(), payment.StartAttempt{Token: token, Account: account})
		s.must(err)
	}
	early("A-1", "second", 120)
	early("B-1", "fake", 1)
	later := newService(t, s.store, newKeys(t), brokenLocks{}, func(needs *payment.Needs) {
		needs.Mark, needs.Now = mark, s.clockNow
		needs.Accounts = []*psp.Account{s.account("fake", s.psp)}
	})
	for range 5 {
		_, _, err := later.ApplyOrphans(t.Context())
		s.must(err)
	}
	s.wantState("B-1", order.Paid)
	s.wantState("A-1", order.Processing)
	for more := true; more; { // The account is back.
		var err error
		_, more, err = s.ApplyOrphans(t.Context())
		s.must(err)
	}
	s.wantState("A-1", order.Paid)
}

// dyingWriter loses its caller once a command with this name is committed.
type dyingWriter struct {
	payment.Writer
	name string
	err  error
}

func (w *dyingWriter) Do(ctx context.Context, cmd writer.Command) error {
	err := w.Writer.Do(ctx, cmd)
	if err == nil && cmd.Name == w.name {
		w.name = ""
		return w.err
	}
	return err
}

// A refund whose caller, or server, is lost between its commit and the PSP was certainly never sent: it
// is sent later, once (R1, R2).
func TestRefundOrder_R1_ARefundThatWasReservedIsSentThoughItsCallerIsGone(t *testing.T) {
	t.Parallel()
	w := &dyingWriter{err: fault.New(fault.Unavailable, fault.ReasonStoreUnavailable, "The connection was lost at the commit.")}
	s := openShop(t, func(needs *payment.Needs) { w.Writer, needs.Writer = needs.Writer, w })
	s.paid()
	s.psp.answers(found(order.FactSucceeded, 500_000))
	w.name = "RefundOrder"
	if _, _, err := s.giveBack("r1", 200_000); !fault.Is(err, fault.ReasonStoreUnavailable) {
		t.Fatalf("%v", err)
	}
	info, replayed, err := s.giveBack("r1", 200_000)
	if err != nil || !replayed || len(s.psp.refunded) != 0 {
		t.Fatalf("the repeat: %+v, %t, %v, sent %d times", info, replayed, err, len(s.psp.refunded))
	}
	s.pass(31 * time.Second)
	s.resolve()
	info, replayed, err = s.giveBack("r1", 200_000)
	if err != nil || !replayed || info.State != order.RefundDone || len(s.psp.refunded) != 1 {
		t.Fatalf("%+v, %t, %v, sent %d times", info, replayed, err, len(s.psp.refunded))
	}
	s.wantState("A-1", order.PartiallyRefunded)
}

// Killed after "sent" was written: it may have been sent, so that it is asked about and not sent (R2).
func TestRefundOrder_R2_ARefundThatMayHaveBeenSentIsNeverSentAgain(t *testing.T) {
	t.Parallel()
	w := &dyingWriter{err: fault.New(fault.Unavailable, fault.ReasonDeadline, "The server has stopped.")}
	s := openShop(t, func(needs *payment.Needs) { w.Writer, needs.Writer = needs.Writer, w })
	s.paid()
	s.psp.answers(found(order.FactSucceeded, 500_000))
	w.name = "SendRefund"
	_, _, err := s.giveBack("r1", 200_000)
	if !fault.Is(err, fault.ReasonDeadline) {
		t.Fatalf("%v", err)
	}
	for range 5 {
		s.pass(10 * time.Minute)
		s.round()
	}
	info, replayed, err := s.giveBack("r1", 200_000)
	if err != nil || !replayed || info.State != order.RefundInDoubt || len(s.psp.refunded) != 0 {
		t.Fatalf("%+v, %t, %v, sent %d times", info, replayed, err, len(s.psp.refunded))
	}
}

// A second call with a key of its own, while nobody knows what came of the first, does not ask the PSP
// blindly: the first may have taken the money, and then a refusal of the second says "nothing happened".
func TestCapturePayment_I5_ASecondKeyAsksForNoSecondCaptureBlindly(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.authorized()
	s.psp.capture = func(psp.Capture) (psp.Report, error) {
		if len(s.psp.captured) > 1 {
			return psp.Report{}, &psp.RefusedError{Failure: "captured already"}
		}
		return psp.Report{}, errCut // It was taken, and the answer is lost.
	}
	s.psp.answers(found(order.FactAuthorized, 500_000), found(order.FactSucceeded, 400_000))
	capture := func(key string) (payment.OrderInfo, error) {
		info, _, err := s.CapturePayment(t.Context(), s.caller, payment.CapturePayment{
			IdempotencyKey: key, OrderID: "A-1", AmountMinor: 400_000, Currency: "AMD",
		})
		return info, err
	}
	for _, key := range []string{"c1", "c2"} {
		if info, err := capture(key); err != nil || info.State != order.Authorized {
			t.Errorf("%s: %s, %v", key, info.State, err)
		}
	}
	if len(s.psp.captured) != 1 {
		t.Errorf("the PSP was asked for %d captures", len(s.psp.captured))
	}
	s.pass(11 * time.Second)
	s.resolve()
	if status := s.wantState("A-1", order.Paid); status.Order.Paid != 400_000 || strings.Contains(s.story("A-1"), string(order.CaptureFailed)) {
		t.Errorf("%+v\n%s", status.Order, s.story("A-1"))
	}
}

// What is asked of a hold while the resolver works on its attempt is not put off to the schedule's last pace.
func TestCapturePayment_I5_ACaptureDuringALookupFollowsAtOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.authorized()
	for range 3 {
		s.pass(11 * time.Minute)
		s.psp.answers(found(order.FactAuthorized, 500_000))
		s.round()
	}
	s.psp.ask = func(psp.Ref) (psp.Report, error) {
		s.psp.answers(found(order.FactAuthorized, 500_000))
		_, _, err := s.CapturePayment(context.WithoutCancel(t.Context()), s.caller, payment.CapturePayment{IdempotencyKey: "c", OrderID: "A-1"})
		return psp.Report{Findings: []psp.Finding{found(order.FactAuthorized, 500_000)}}, err
	}
	s.pass(11 * time.Minute)
	s.round()
	s.pass(11 * time.Second)
	s.resolve()
	s.wantState("A-1", order.Paid)
}

// The newest are kept, and so each is kept with its time (C1).
func TestHandleCallback_C1_AForgedCallbackIsKeptWithItsTime(t *testing.T) {
	t.Parallel()
	kept := &forgedStore{}
	s := openShop(t, func(needs *payment.Needs) { kept.Store, needs.Store = needs.Store, kept })
	_, err := s.HandleCallback(t.Context(), s.callback([]byte("forged")))
	s.must(err)
	if !kept.last.ReceivedAt.Equal(s.clock()) {
		t.Errorf("it was received at %s", kept.last.ReceivedAt)
	}
}

type forgedStore struct {
	payment.Store
	last store.Message
}

func (s *forgedStore) AddForged(ctx context.Context, m store.Message, keep int) error {
	s.last = m
	return s.Store.AddForged(ctx, m, keep)
}

// What no row and no entry can hold is an exception, and never keeps the money's fact from being taken in (C5, X1).
func TestHandleCallback_X1_FactsThatNoRowHoldsAreTakenInAllTheSame(t *testing.T) {
	t.Parallel()
	onEach(t, locksAway, func(t *testing.T, s *servers) {
		t.Helper()
		fake := newFakePSP()
		account, err := psp.NewAccount(fake, psp.Options{ID: "fake", Merchant: "demo", Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		server := newService(t, s.store, newKeys(t), locksAway(), func(needs *payment.Needs) {
			needs.Mark, needs.Now, needs.Accounts = mark, time.Now, []*psp.Account{account}
		})
		long := make([]byte, 24<<10) // More than an index takes, and nothing that compresses.
		if _, err := rand.Read(long); err != nil {
			t.Fatal(err)
		}
		far, old := found(order.FactSucceeded, 500_000), found(order.FactSucceeded, 500_000)
		far.PaidAt, far.PSPPaymentID = time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC), "p-far"
		old.PaidAt, old.PSPPaymentID = time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), "p-old"
		endless := found(order.FactSucceeded, 500_000)
		endless.PSPPaymentID = hex.EncodeToString(long)
		for id, c := range map[string]struct {
			says psp.Finding
			want order.State
			odd  int
		}{
			"A-far": {far, order.Paid, 0}, "A-old": {old, order.Paid, 0}, "A-endless": {endless, order.Processing, 1},
		} {
			created, _, err := server.CreateLink(t.Context(), s.caller, lesson(t, id, id))
			if err != nil {
				t.Fatal(err)
			}
			started, err := server.StartAttempt(t.Context(), payment.StartAttempt{Token: tokenOf(created.Link.URL)})
			if err != nil {
				t.Fatal(err)
			}
			fake.read = &psp.Report{Ref: mark.Ref(started.AttemptID), Proven: true, Findings: []psp.Finding{c.says}}
			for range 2 {
				reply, err := server.HandleCallback(t.Context(), payment.HandleCallback{
					Account: "fake", Secret: server.CallbackSecret("fake"), Callback: psp.Callback{Method: "POST", Body: []byte(id)},
				})
				if err != nil || reply.Status != 200 {
					t.Errorf("%s: %d, %v", id, reply.Status, err)
				}
			}
			status, err := server.OrderStatus(t.Context(), s.caller, id)
			if err != nil || status.Order.State != c.want || len(status.Exceptions) != c.odd {
				t.Errorf("%s is %s, %+v, %v", id, status.Order.State, status.Exceptions, err)
			}
		}
		checkJournal(t, s.store, "A-far", "A-old", "A-endless")
	})
}

// While the installation's key is exchanged some servers have the new one first and others not yet: a
// double tap that reaches both kinds is one order and one attempt (L5, A2).
func TestStartAttempt_L5_ADoubleTapWhileAKeyIsExchangedIsOneOrder(t *testing.T) {
	t.Parallel()
	older, err := seal.Generate("k1", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	newer, err := seal.Generate("k2", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := openShop(t)
	server := func(text ...[]byte) *payment.Service {
		keys, err := seal.Parse(bytes.Join(text, nil))
		s.must(err)
		return newService(t, s.store, keys, brokenLocks{}, func(needs *payment.Needs) {
			needs.Mark, needs.Now, needs.Accounts = mark, s.clockNow, []*psp.Account{s.account("fake", s.psp)}
		})
	}
	before, after := server(older, newer), server(newer, older)
	in := lesson(t, "fixed", "")
	in.Kind = order.Fixed
	created, _, err := before.CreateLink(t.Context(), s.caller, in)
	s.must(err)
	press := payment.StartAttempt{Token: tokenOf(created.Link.URL), Nonce: "one page"}
	first, err := after.StartAttempt(t.Context(), press)
	s.must(err)
	second, err := before.StartAttempt(t.Context(), press)
	s.must(err)
	if first.Token != second.Token || first.AttemptID != second.AttemptID || s.psp.starts() != 1 {
		t.Errorf("%+v and %+v, %d payments at the PSP", first, second, s.psp.starts())
	}
}

// busyWriter refuses commands of a name a few times: before they run, or after their commit.
type busyWriter struct {
	payment.Writer
	mu     sync.Mutex
	name   string
	after  bool
	refuse int
}

func (w *busyWriter) Do(ctx context.Context, cmd writer.Command) error {
	w.mu.Lock()
	refused := cmd.Name == w.name && w.refuse > 0
	if refused {
		w.refuse--
	}
	w.mu.Unlock()
	if !refused {
		return w.Writer.Do(ctx, cmd)
	}
	if w.after {
		if err := w.Writer.Do(ctx, cmd); err != nil {
			return err
		}
		return fault.New(fault.Unavailable, fault.ReasonStoreUnavailable, "The connection was lost at the commit.")
	}
	return fault.New(fault.Exhausted, fault.ReasonRateLimited, "Too many requests wait.")
}

// A slow database does not make us forget what the PSP has just said, and what was written is not written twice.
func TestFinish_I5_WhatThePSPSaidOutlivesAMomentOfTheStore(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run("after the commit: "+strconv.FormatBool(after), func(t *testing.T) {
			t.Parallel()
			w := &busyWriter{after: after}
			s := openShop(t, func(needs *payment.Needs) { w.Writer, needs.Writer = needs.Writer, w })
			w.name, w.refuse = "StartAttempt outcome", 2
			if started := s.press(s.order("A-1")); started.Handoff == nil {
				t.Errorf("the payer is sent nowhere: %+v", started)
			}
			s.say(s.attempts()[0].ID, found(order.FactSucceeded, 500_000))
			w.name, w.refuse = "RefundOrder outcome", 2
			info, _, err := s.giveBack("r1", 200_000)
			if err != nil || info.State != order.RefundDone || len(s.psp.refunded) != 1 {
				t.Errorf("%+v, %v, sent %d times", info, err, len(s.psp.refunded))
			}
			w.name, w.refuse = "SendRefund", 2 // It was certainly not sent yet, and is sent once.
			if info, _, err := s.giveBack("r2", 100_000); err != nil || info.State != order.RefundDone || len(s.psp.refunded) != 2 {
				t.Errorf("%+v, %v, sent %d times", info, err, len(s.psp.refunded))
			}
			checkJournal(t, s.store, "A-1")
		})
	}
}

// A hint may say no more than "look": that of a refund, days later, is the same bytes as that of the payment.
func TestHandleCallback_C4_TheSameHintAgainAsksAgain(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	a := s.press(s.order("A-1")).AttemptID
	s.psp.answers(found(order.FactSucceeded, 500_000))
	s.hint(a, "look")
	s.resolve()
	s.wantState("A-1", order.Paid)
	s.pass(48 * time.Hour)
	s.resolve()
	s.psp.answers(found(order.FactSucceeded, 500_000), found(order.FactRefunded, 500_000))
	for range 3 {
		s.hint(a, "look")
		s.round()
	}
	s.wantState("A-1", order.Refunded)
	if s.psp.asked != 2 {
		t.Errorf("%d lookups", s.psp.asked)
	}
}
