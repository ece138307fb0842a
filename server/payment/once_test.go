package payment_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/lock"
	"github.com/kvitpay/kvit/server/lock/memlock"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

// heldLocks are locks that another server holds and never gives back.
type heldLocks struct {
	// wait is what Wait does; nil waits for the caller's patience to end.
	wait func()
}

func (heldLocks) Acquire(context.Context, string, time.Duration) (lock.Lease, error) {
	return nil, lock.ErrHeld
}

func (l heldLocks) Wait(ctx context.Context, _ string) error {
	if l.wait != nil {
		l.wait()
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// noRecords is a store that has recorded nothing.
type noRecords struct{ payment.Store }

func (noRecords) Recorded(context.Context, store.RecordKey) (store.Record, error) {
	return store.Record{}, store.ErrNotFound
}

func waiting(t *testing.T, locks lock.Locker, inUse *int) *payment.Service {
	t.Helper()
	return payment.New(payment.Needs{
		Store: noRecords{}, Locks: locks, Keys: newKeys(t), IDs: newIDs, Merchants: []payment.Merchant{{ID: "demo", Locale: "en"}},
		Observer: payment.Observer{InUse: func(string) { *inUse++ }},
	})
}

func TestOnce_I2_ACallWaitsTwoSecondsForTheOneBeforeIt(t *testing.T) {
	t.Parallel()
	for name, locks := range map[string]lock.Locker{
		"held": heldLocks{}, "held, with wake-ups": heldLocks{wait: func() { time.Sleep(70 * time.Millisecond) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				inUse := 0
				s := waiting(t, locks, &inUse)
				began := time.Now()
				_, _, err := s.CreateLink(t.Context(), payment.Caller{Merchant: "demo"}, lesson(t, "k-1", "A-1"))
				e := wantFault(t, err, fault.ReasonIdempotencyKeyInUse)
				if e.Kind() != fault.Busy || e.RetryDelay() <= 0 || inUse != 1 {
					t.Errorf("%+v, counted %d times", e, inUse)
				}
				if took := time.Since(began); took < 2*time.Second || took > 2100*time.Millisecond {
					t.Errorf("it waited for %s", took)
				}
			})
		})
	}
}

func TestOnce_I2_ACallWaitsNoLongerThanItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inUse := 0
		s := waiting(t, heldLocks{}, &inUse)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, _, err := s.CreateLink(ctx, payment.Caller{Merchant: "demo"}, lesson(t, "k-1", "A-1"))
		wantReason(t, err, fault.ReasonDeadline)
		if took := time.Since(began); took != 300*time.Millisecond || inUse != 0 {
			t.Errorf("it waited for %s", took)
		}
	})
}

// unsure is a writer whose commits are unclear: it runs the command or does not, and says it does not know.
type unsure struct {
	payment.Writer

	// skip and lose say what becomes of the next commands.
	skip, lose atomic.Int32
}

func (u *unsure) Do(ctx context.Context, cmd writer.Command) error {
	if u.skip.Add(-1) >= 0 {
		return fault.New(fault.Unavailable, fault.ReasonStoreUnavailable, "not done")
	}
	err := u.Writer.Do(ctx, cmd)
	if u.lose.Add(-1) >= 0 {
		return fault.New(fault.Unavailable, fault.ReasonStoreUnavailable, "done, and not known")
	}
	return err
}

func TestOnce_I2_AnUnclearCommitIsToldByTheRepeat(t *testing.T) {
	t.Parallel()
	u := &unsure{}
	h := open(t, memlock.New(), func(needs *payment.Needs) { u.Writer, needs.Writer = needs.Writer, u })
	u.skip.Store(1)
	_, _, err := h.CreateLink(t.Context(), h.caller, lesson(t, "k-1", "A-1"))
	wantReason(t, err, fault.ReasonStoreUnavailable)
	if _, replayed := h.create(t, lesson(t, "k-1", "A-1")); replayed {
		t.Error("what was not done is replayed")
	}
	u.lose.Store(1)
	lost, _, err := h.CreateLink(t.Context(), h.caller, lesson(t, "k-2", "A-2"))
	wantReason(t, err, fault.ReasonStoreUnavailable)
	if !reflect.DeepEqual(lost, payment.CreatedLink{}) {
		t.Errorf("an answer that is not known is told: %+v", lost)
	}
	if created, replayed := h.create(t, lesson(t, "k-2", "A-2")); !replayed || created.Link.URL == "" {
		t.Errorf("what was done is not replayed: %+v", created)
	}
	u.lose.Store(1)
	cancel := payment.CancelOrder{IdempotencyKey: "c", OrderID: "A-2"}
	_, _, err = h.CancelOrder(t.Context(), h.caller, cancel)
	wantReason(t, err, fault.ReasonStoreUnavailable)
	if info, replayed, err := h.CancelOrder(t.Context(), h.caller, cancel); err != nil || !replayed || info.State != order.Cancelled {
		t.Errorf("%+v %t %v", info, replayed, err)
	}
	if types := checkJournal(t, h.store, "A-1", "A-2"); len(types) != 5 {
		t.Fatalf("the journal holds %v", types)
	}
}

// A key that was used is refused for another order or link, also where there is no such one.
func TestOnce_I2_AReusedKeyIsToldBeforeWhatIsMissing(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	created, _ := h.create(t, lesson(t, "k", "A-1"))
	deactivate := payment.DeactivateLink{IdempotencyKey: "d", LinkID: created.Link.ID}
	cancel := payment.CancelOrder{IdempotencyKey: "c", OrderID: "A-1"}
	both := func() (deactivated, cancelled error) {
		_, _, deactivated = h.DeactivateLink(t.Context(), h.caller, deactivate)
		_, _, cancelled = h.CancelOrder(t.Context(), h.caller, cancel)
		return deactivated, cancelled
	}
	if deactivated, cancelled := both(); deactivated != nil || cancelled != nil {
		t.Fatal(deactivated, cancelled)
	}
	deactivate.LinkID, cancel.OrderID = "lnk_none", "A-none"
	deactivated, cancelled := both()
	wantReason(t, deactivated, fault.ReasonIdempotencyKeyReused)
	wantReason(t, cancelled, fault.ReasonIdempotencyKeyReused)
	deactivate.IdempotencyKey, cancel.IdempotencyKey = "new", "new"
	deactivated, cancelled = both()
	wantReason(t, deactivated, fault.ReasonLinkNotFound)
	wantReason(t, cancelled, fault.ReasonOrderNotFound)
}

func TestOnce_ACallerThatGivesUpReadsNoDecisionUnderWay(t *testing.T) {
	t.Parallel()
	saving, goOn := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool
	h := open(t, memlock.New(), func(needs *payment.Needs) {
		begins, _ := needs.Store.(store.Begins)
		needs.Writer = startWriter(t, begins, writer.Options{Hooks: writer.Hooks{BeforeSave: func(context.Context, writer.Step) error {
			if armed.CompareAndSwap(true, false) {
				close(saving)
				<-goOn
			}
			return nil
		}}})
	})
	h.create(t, lesson(t, "k-1", "A-1"))
	armed.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-saving
		cancel()
	}()
	in := payment.CancelOrder{IdempotencyKey: "c", OrderID: "A-1"}
	info, replayed, err := h.CancelOrder(ctx, h.caller, in)
	wantReason(t, err, fault.ReasonCancelled)
	if replayed || !reflect.DeepEqual(info, payment.OrderInfo{}) {
		t.Errorf("%+v", info)
	}
	close(goOn)
	if info, replayed, err = h.CancelOrder(t.Context(), h.caller, in); err != nil || !replayed || info.State != order.Cancelled {
		t.Errorf("the repeat: %+v %t %v", info, replayed, err)
	}
}

func TestOnce_I2_RefusalsAreJudgedAgain(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	h.create(t, lesson(t, "k-1", "A-1"))
	refused := lesson(t, "k-2", "A-1")
	refused.Amount = dram(t, 1)
	_, _, err := h.CreateLink(t.Context(), h.caller, refused)
	wantReason(t, err, fault.ReasonOrderIDConflict)
	_, err = h.store.Recorded(t.Context(), store.RecordKey{Merchant: "demo", Method: "CreatePaymentLink", Key: "k-2"})
	if !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("a refusal is recorded: %v", err)
	}
	if _, replayed := h.create(t, lesson(t, "k-2", "A-1")); replayed {
		t.Fatal("the key of a refused call is taken")
	}
	h.pass(25 * time.Hour)
	cancel := payment.CancelOrder{IdempotencyKey: "c", OrderID: "A-1"}
	_, _, err = h.CancelOrder(t.Context(), h.caller, cancel)
	if e := wantFault(t, err, fault.ReasonOrderState); e.Metadata()["state"] != "EXPIRED" {
		t.Fatalf("%v", e.Metadata())
	}
	h.create(t, lesson(t, "k-3", "A-1")) // It is offered again.
	if info, replayed, err := h.CancelOrder(t.Context(), h.caller, cancel); err != nil || replayed || info.State != order.Cancelled {
		t.Fatalf("the same call is not judged again: %+v %t %v", info, replayed, err)
	}
}

func TestCreateLink_A1_ATestOrderNeverComesBackToALiveKey(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	live := h.caller
	live.Live = true
	h.create(t, lesson(t, "k-1", "A-1"))
	_, _, err := h.CreateLink(t.Context(), live, lesson(t, "k-1", "A-1"))
	if e := wantFault(t, err, fault.ReasonIdempotencyKeyReused); e.Metadata()["changed_fields"] != "mode" {
		t.Errorf("%v", e.Metadata())
	}
	for _, later := range []time.Duration{0, 25 * time.Hour} { // As it is, and where it could be offered again.
		h.pass(later)
		_, _, err = h.CreateLink(t.Context(), live, lesson(t, "k-2", "A-1"))
		if e := wantFault(t, err, fault.ReasonOrderIDConflict); e.Metadata()["changed_fields"] != "mode" {
			t.Errorf("%v", e.Metadata())
		}
	}
	created, replayed, err := h.CreateLink(t.Context(), live, lesson(t, "k-2", "A-2"))
	if err != nil || replayed || !created.Link.Live || !created.Order.Live {
		t.Fatalf("%+v %v", created, err)
	}
	_, _, err = h.CreateLink(t.Context(), h.caller, lesson(t, "k-3", "A-2"))
	wantReason(t, err, fault.ReasonOrderIDConflict)
}

func TestCreateLink_E1_BoundsAreByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	day := 24 * time.Hour
	cases := map[string]struct {
		change func(*payment.CreateLink)
		field  string
	}{
		"at one minute":      {func(in *payment.CreateLink) { in.ExpiresAt = h.clock().Add(time.Minute) }, ""},
		"at 90 days":         {func(in *payment.CreateLink) { in.ExpiresAt = h.clock().Add(90 * day) }, ""},
		"in one minute":      {func(in *payment.CreateLink) { in.ExpiresIn = time.Minute }, ""},
		"in 90 days":         {func(in *payment.CreateLink) { in.ExpiresIn = 90 * day }, ""},
		"at less":            {func(in *payment.CreateLink) { in.ExpiresAt = h.clock().Add(time.Minute - 1) }, "expires_at"},
		"at more":            {func(in *payment.CreateLink) { in.ExpiresAt = h.clock().Add(90*day + 1) }, "expires_at"},
		"in the past":        {func(in *payment.CreateLink) { in.ExpiresAt = time.Unix(0, 0) }, "expires_at"},
		"at the end of days": {func(in *payment.CreateLink) { in.ExpiresAt = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) }, "expires_at"},
		"in less":            {func(in *payment.CreateLink) { in.ExpiresIn = time.Minute - 1 }, "expires_in"},
		"in more":            {func(in *payment.CreateLink) { in.ExpiresIn = 1<<63 - 1 }, "expires_in"},
		"in no time":         {func(in *payment.CreateLink) { in.ExpiresIn = -time.Hour }, "expires_in"},
		"orders in less":     {func(in *payment.CreateLink) { in.Kind, in.OrderID, in.OrderExpiresIn = order.Fixed, "", time.Second }, "order_expires_in"},
	}
	for name, c := range cases {
		in := lesson(t, "k "+name, "A-"+strings.ReplaceAll(name, " ", "-"))
		c.change(&in)
		_, _, err := h.CreateLink(t.Context(), h.caller, in)
		if c.field == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !fault.Is(err, fault.ReasonRequestInvalid) || len(fault.As(err).Fields()) != 1 || fault.As(err).Fields()[0].Path != c.field {
			t.Errorf("%s: %v, want %s refused", name, err, c.field)
		}
	}
}

func TestValidateOnly_I2_JudgesLikeTheCallAndKeepsNothing(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	h.create(t, lesson(t, "k-1", "A-1"))
	before, _, err := h.store.Head(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[fault.Reason]func(*payment.CreateLink){
		fault.ReasonOrderIDConflict: func(in *payment.CreateLink) { in.Customer.CustomerID = "c-8" },
		fault.ReasonCardData:        func(in *payment.CreateLink) { in.Details.Description = "4111111111111111" },
		fault.ReasonRequestInvalid:  func(in *payment.CreateLink) { in.ExpiresIn = time.Second },
		"REQUEST_INVALID ":          func(in *payment.CreateLink) { in.OrderID = "no id" },
		" REQUEST_INVALID":          func(in *payment.CreateLink) { in.OrderID, in.Amount = "A-9", money.Amount{} },
	}
	for reason, change := range cases {
		in := lesson(t, "v", "A-1")
		in.ValidateOnly = true
		change(&in)
		created, _, err := h.CreateLink(t.Context(), h.caller, in)
		if !fault.Is(err, fault.Reason(strings.TrimSpace(string(reason)))) || created.Order != nil {
			t.Errorf("%v, want %s", err, reason)
		}
	}
	stranger := h.caller
	stranger.Merchant = "gone"
	in := lesson(t, "v", "A-1")
	in.ValidateOnly = true
	_, _, err = h.CreateLink(t.Context(), stranger, in)
	wantReason(t, err, fault.ReasonMerchantNotFound)
	if created, replayed := h.create(t, in); replayed || created.Link.URL == "" || created.Order.Version != 1 {
		t.Errorf("the order that is there: %+v", created)
	}
	cancel := payment.CancelOrder{IdempotencyKey: "v", OrderID: "A-1", ValidateOnly: true}
	if info, replayed, err := h.CancelOrder(t.Context(), h.caller, cancel); err != nil || replayed || info.State != order.Cancelled {
		t.Errorf("%+v %v", info, err)
	}
	h.pass(25 * time.Hour)
	if created, _ := h.create(t, in); created.Link.ID != "" || created.Order.LinkID != "" || created.Order.State != order.Pending {
		t.Errorf("an order that would be offered again: %+v", created)
	}
	_, _, err = h.CancelOrder(t.Context(), h.caller, cancel)
	wantReason(t, err, fault.ReasonOrderState)
	cancel.OrderID = "A-9"
	_, _, err = h.CancelOrder(t.Context(), h.caller, cancel)
	wantReason(t, err, fault.ReasonOrderNotFound)
	after, _, err := h.store.Head(t.Context(), "demo")
	if err != nil || after != before {
		t.Fatalf("the journal grew from %d to %d (%v)", before, after, err)
	}
	for _, method := range []string{"CreatePaymentLink", "CancelOrder"} {
		if _, err := h.store.Recorded(t.Context(), store.RecordKey{Merchant: "demo", Method: method, Key: "v"}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s is recorded: %v", method, err)
		}
	}
}

func TestLink_O1_OnlyTheLinkOfTheOfferIsActive(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	old, _ := h.create(t, lesson(t, "k-1", "A-1"))
	h.pass(25 * time.Hour)
	reopened, _ := h.create(t, lesson(t, "k-2", "A-1"))
	links, _, err := h.Links(t.Context(), h.caller, store.LinkFilter{OrderID: "A-1"}, payment.PageRequest{})
	if err != nil || len(links) != 2 {
		t.Fatalf("%d links: %v", len(links), err)
	}
	for i := range links {
		read, err := h.Link(t.Context(), h.caller, links[i].ID)
		want := order.LinkExpired
		if links[i].ID == reopened.Link.ID {
			want = order.LinkActive
		}
		if err != nil || read.State != want || links[i].State != want || read.Details.Description == "" {
			t.Errorf("link %s is %s, in the list %s, want %s (%v)", read.ID, read.State, links[i].State, want, err)
		}
	}
	active, _, err := h.Links(t.Context(), h.caller, store.LinkFilter{States: []order.LinkState{order.LinkActive}}, payment.PageRequest{})
	if err != nil || len(active) != 1 || active[0].ID != reopened.Link.ID {
		t.Errorf("%+v %v", active, err)
	}
	// To close the old link takes nothing from the new one.
	if _, _, err := h.DeactivateLink(t.Context(), h.caller, payment.DeactivateLink{IdempotencyKey: "d", LinkID: old.Link.ID}); err != nil {
		t.Fatal(err)
	}
	status, err := h.OrderStatus(t.Context(), h.caller, "A-1")
	if err != nil || status.Next.Step != order.StepPay || status.Next.URL != reopened.Link.URL {
		t.Errorf("%+v %v", status.Next, err)
	}
	// A link's state is its own: that its order was cancelled is the order's to say.
	if _, _, err := h.CancelOrder(t.Context(), h.caller, payment.CancelOrder{IdempotencyKey: "c", OrderID: "A-1"}); err != nil {
		t.Fatal(err)
	}
	if read, err := h.Link(t.Context(), h.caller, reopened.Link.ID); err != nil || read.State != order.LinkActive {
		t.Errorf("%+v %v", read, err)
	}
	if status, err = h.OrderStatus(t.Context(), h.caller, "A-1"); err != nil || status.Next.Step != order.StepNone || status.Next.URL != "" {
		t.Errorf("%+v %v", status.Next, err)
	}
}

// refusing is a writer that has no room for one merchant.
type refusing struct {
	payment.Writer

	merchant string
}

func (r refusing) Do(ctx context.Context, cmd writer.Command) error {
	if cmd.Merchant == r.merchant && cmd.Bulk {
		return fault.New(fault.Exhausted, fault.ReasonRateLimited, "full")
	}
	return r.Writer.Do(ctx, cmd)
}

func TestExpire_E1_OneMerchantsTroubleIsNotTheOthers(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New(), func(needs *payment.Needs) { needs.Writer = refusing{needs.Writer, "demo"} })
	h.create(t, lesson(t, "k-1", "A-1")) // The oldest: it is swept first.
	h.pass(time.Second)
	other := payment.Caller{Merchant: "other", KeyID: "key_2"}
	if _, _, err := h.CreateLink(t.Context(), other, lesson(t, "k-1", "B-1")); err != nil {
		t.Fatal(err)
	}
	h.pass(25 * time.Hour)
	n, more, err := h.ExpireOrders(t.Context())
	if n != 1 || more || !fault.Is(err, fault.ReasonRateLimited) {
		t.Fatalf("expired %d, more %t: %v", n, more, err)
	}
	status, err := h.OrderStatus(t.Context(), other, "B-1")
	if err != nil || status.Order.Version != 2 {
		t.Fatalf("%+v %v", status.Order, err)
	}
}
