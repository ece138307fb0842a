package payment_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/lock"
	"github.com/kvitpay/kvit/server/lock/memlock"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/store/sqlstore"
	"github.com/kvitpay/kvit/server/writer"
)

// house is the use-cases over a real SQLite store with a clock that tests move.
type house struct {
	*payment.Service
	store  store.Store
	dir    string
	now    atomic.Pointer[time.Time]
	caller payment.Caller
}

func (h *house) clock() time.Time { return *h.now.Load() }

func (h *house) pass(d time.Duration) {
	later := h.clock().Add(d)
	h.now.Store(&later)
}

func open(t *testing.T, locks lock.Locker, change ...func(*payment.Needs)) *house {
	t.Helper()
	h := &house{dir: t.TempDir(), caller: payment.Caller{Merchant: "demo", KeyID: "key_1"}}
	start := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	h.now.Store(&start)
	keys := newKeys(t)
	h.store = openStore(t, filepath.Join(h.dir, "kvit.db"), keys, h.clock)
	h.Service = newService(t, h.store, keys, locks, change...)
	return h
}

func newKeys(tb testing.TB) *seal.Keyring {
	tb.Helper()
	text, err := seal.Generate("first", rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	keys, err := seal.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

func openStore(t *testing.T, databaseURL string, keys *seal.Keyring, now func() time.Time) store.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Settings{
		URL: databaseURL, Sealer: keys, Logger: slog.New(slog.DiscardHandler), Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.EnsureMerchants(t.Context(), []string{"demo", "other"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// newService is a server's use-cases over a store, with a writer of its own.
func newService(t *testing.T, s store.Store, keys *seal.Keyring, locks lock.Locker, change ...func(*payment.Needs)) *payment.Service {
	t.Helper()
	needs := payment.Needs{
		Store: s, Locks: locks, Keys: keys, IDs: newIDs, PublicURL: "https://pay.test",
		Writer: startWriter(t, s, writer.Options{}),
		Merchants: []payment.Merchant{
			{ID: "demo", Name: "Demo", Locale: "hy", AcceptAfter: 24 * time.Hour, Location: time.UTC, Support: "help@demo.test"},
			{ID: "other", Name: "Other", Locale: "en", AcceptAfter: 24 * time.Hour, Location: time.UTC},
		},
	}
	for _, c := range change {
		c(&needs)
	}
	return payment.New(needs)
}

func startWriter(t *testing.T, s store.Begins, options writer.Options) *writer.Writer {
	t.Helper()
	options.Now, options.Logger = time.Now, slog.New(slog.DiscardHandler)
	w := writer.New(s, options)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context())) // It runs until cleanup.
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

func newIDs() order.IDs {
	ids := order.IDs{Seed: uuid.Must(uuid.NewV7())}
	_, _ = rand.Read(ids.Salt[:])
	return ids
}

func dram(t *testing.T, minor int64) money.Amount {
	t.Helper()
	amount, err := money.New(minor, "AMD")
	if err != nil {
		t.Fatal(err)
	}
	return amount
}

func lesson(t *testing.T, key, orderID string) payment.CreateLink {
	t.Helper()
	return payment.CreateLink{
		IdempotencyKey: key, Kind: order.Dynamic, OrderID: orderID, Amount: dram(t, 500_000),
		Customer: order.Customer{CustomerID: "c-7"},
		Details:  order.Details{Description: "An hour of Ukrainian", Name: "Anahit Hakobyan", Metadata: map[string]string{"class": "B2"}},
	}
}

func (h *house) create(t *testing.T, in payment.CreateLink) (payment.CreatedLink, bool) {
	t.Helper()
	created, replayed, err := h.CreateLink(t.Context(), h.caller, in)
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	return created, replayed
}

func wantReason(t *testing.T, err error, reason fault.Reason) {
	t.Helper()
	if !fault.Is(err, reason) {
		t.Fatalf("got %v, want %s", err, reason)
	}
}

// wantFault is wantReason, for a closer look.
func wantFault(t *testing.T, err error, reason fault.Reason) *fault.Error {
	t.Helper()
	wantReason(t, err, reason)
	return fault.As(err)
}

func TestCreateLink_I2_ARepeatIsAnsweredFromTheRecord(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	first, replayed := h.create(t, lesson(t, "k-1", "A-1"))
	if replayed || first.Order.State != order.Pending || !strings.HasPrefix(first.Link.URL, "https://pay.test/pay/") {
		t.Fatalf("a new link is odd: %+v replayed=%t", first, replayed)
	}
	if want := h.clock().Add(24 * time.Hour); !first.Order.OfferUntil.Equal(want) || !first.Order.AcceptUntil.Equal(want.Add(24*time.Hour)) {
		t.Fatalf("offered until %s, asked for until %s (E1)", first.Order.OfferUntil, first.Order.AcceptUntil)
	}
	h.pass(time.Hour)
	again, replayed := h.create(t, lesson(t, "k-1", "A-1"))
	if !replayed || again.Link.URL != first.Link.URL || again.Link.ID != first.Link.ID || again.Order.Details.Description != "An hour of Ukrainian" {
		t.Fatalf("the repeat is another answer: %+v replayed=%t", again, replayed)
	}
	head, _, err := h.store.Head(t.Context(), "demo")
	if err != nil || head != 2 {
		t.Fatalf("the journal has %d entries (%v), want link.created and order.created", head, err)
	}
}

func TestCreateLink_I2_AReusedKeyNamesTheChangedFields(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	h.create(t, lesson(t, "k-1", "A-1"))
	other := lesson(t, "k-1", "A-1")
	other.Amount, other.Details.Name = dram(t, 600_000), ""
	_, _, err := h.CreateLink(t.Context(), h.caller, other)
	e := wantFault(t, err, fault.ReasonIdempotencyKeyReused)
	if got := e.Metadata()["changed_fields"]; got != "amount.minor_units, customer.name" {
		t.Fatalf("changed_fields = %q", got)
	}
	if strings.Contains(e.Error(), "600000") || strings.Contains(e.Error(), "Anahit") {
		t.Fatalf("the refusal tells values: %v", e)
	}
}

// brokenLocks is a lock service that is away.
type brokenLocks struct{}

func (brokenLocks) Acquire(context.Context, string, time.Duration) (lock.Lease, error) {
	return nil, lock.ErrAway
}
func (brokenLocks) Wait(ctx context.Context, _ string) error { return ctx.Err() }

func TestCreateLink_I2_I3_FiftyAtOnceAreOneAnswerAnd49Replays(t *testing.T) {
	t.Parallel()
	for name, locks := range map[string]lock.Locker{"with locks": memlock.New(), "without": brokenLocks{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, locks)
			const callers = 50
			var fresh, replays atomic.Int64
			urls := make([]string, callers)
			var all sync.WaitGroup
			for i := range callers {
				all.Go(func() {
					created, replayed, err := h.CreateLink(t.Context(), h.caller, lesson(t, "k-1", "A-1"))
					switch {
					case err != nil:
						t.Errorf("caller %d: %v", i, err)
					case replayed:
						replays.Add(1)
					default:
						fresh.Add(1)
					}
					urls[i] = created.Link.URL
				})
			}
			all.Wait()
			if fresh.Load() != 1 || replays.Load() != callers-1 {
				t.Fatalf("%d new answers and %d replays", fresh.Load(), replays.Load())
			}
			for _, url := range urls {
				if url != urls[0] {
					t.Fatalf("two addresses: %s and %s", url, urls[0])
				}
			}
		})
	}
}

func TestCreateLink_O1_AnOrderIDIsOneOrderForEver(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	first, _ := h.create(t, lesson(t, "k-1", "A-1"))

	same, replayed := h.create(t, lesson(t, "k-2", "A-1"))
	if replayed || same.Link.URL != first.Link.URL || same.Order.Version != 1 || same.Order.Details.Name != "Anahit Hakobyan" {
		t.Fatalf("the same terms give another order: %+v", same)
	}
	if _, replayed := h.create(t, lesson(t, "k-2", "A-1")); !replayed {
		t.Fatal("the answer for the order that is there was not recorded (I2)")
	}
	other := lesson(t, "k-3", "A-1")
	other.Amount = dram(t, 1)
	_, _, err := h.CreateLink(t.Context(), h.caller, other)
	if e := wantFault(t, err, fault.ReasonOrderIDConflict); e.Metadata()["changed_fields"] != "amount.minor_units" {
		t.Fatalf("metadata %v", e.Metadata())
	}

	h.pass(25 * time.Hour)
	reopened, _ := h.create(t, lesson(t, "k-4", "A-1"))
	if reopened.Link.ID == first.Link.ID || reopened.Order.State != order.Pending || reopened.Order.Details.Name != "Anahit Hakobyan" {
		t.Fatalf("an expired order is not offered again: %+v", reopened)
	}
	status, err := h.OrderStatus(t.Context(), h.caller, "A-1")
	if err != nil || status.Order.State != order.Pending || status.Next.URL != reopened.Link.URL {
		t.Fatalf("after reopening: %+v %v", status, err)
	}
}

func TestCreateLink_L1_TheAddressIsNowhereInTheDatabase(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	created, _ := h.create(t, lesson(t, "k-1", "A-1"))
	token := strings.TrimPrefix(created.Link.URL, "https://pay.test/pay/")
	files, err := filepath.Glob(filepath.Join(h.dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	found := false
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(token)) {
			t.Errorf("%s holds the link's token", filepath.Base(file))
		}
		if bytes.Contains(content, []byte("Anahit")) || bytes.Contains(content, []byte("An hour of Ukrainian")) {
			t.Errorf("%s holds a person's words in the clear (J3)", filepath.Base(file))
		}
		found = found || bytes.Contains(content, []byte("A-1"))
	}
	if !found {
		t.Error("the files do not even hold the order id: the test looks at the wrong ones")
	}
}

func TestCreateLink_J5_CardNumbersAreRefused(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	refused := []func(*payment.CreateLink){
		func(in *payment.CreateLink) { in.Details.Description = "card 4111 1111 1111 1111 please" },
		func(in *payment.CreateLink) { in.Details.Name = "5555-5555-5555-4444" },
		func(in *payment.CreateLink) { in.Details.Metadata = map[string]string{"x": "378282246310005"} },
		func(in *payment.CreateLink) {
			in.Details.Items = []order.Item{{Name: "4111111111111111", Quantity: 1}}
		},
	}
	for i, change := range refused {
		in := lesson(t, "k-1", "A-1")
		change(&in)
		_, _, err := h.CreateLink(t.Context(), h.caller, in)
		if !fault.Is(err, fault.ReasonCardData) {
			t.Errorf("case %d: %v", i, err)
		}
	}
	in := lesson(t, "k-1", "A-1")
	in.Details.Description = "order 4111111111111112, call +37491234567, 2026-11-21 10:00"
	h.create(t, in)
}

func TestCreateLink_ValidateOnlyKeepsNothing(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	in := lesson(t, "", "A-1")
	in.ValidateOnly = true
	created, replayed := h.create(t, in)
	if replayed || created.Order.State != order.Pending || created.Link.URL != "" || created.Link.ID != "" {
		t.Fatalf("%+v", created)
	}
	if _, err := h.OrderStatus(t.Context(), h.caller, "A-1"); !fault.Is(err, fault.ReasonOrderNotFound) {
		t.Fatalf("the order is there: %v", err)
	}
}

func TestOrders_OtherMerchantsSeeNothing(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	created, _ := h.create(t, lesson(t, "k-1", "A-1"))
	stranger := payment.Caller{Merchant: "other", KeyID: "key_2"}
	if _, err := h.OrderStatus(t.Context(), stranger, "A-1"); !fault.Is(err, fault.ReasonOrderNotFound) {
		t.Fatalf("a stranger reads the order: %v", err)
	}
	if _, err := h.Link(t.Context(), stranger, created.Link.ID); !fault.Is(err, fault.ReasonLinkNotFound) {
		t.Fatalf("a stranger reads the link: %v", err)
	}
	if _, _, err := h.CancelOrder(t.Context(), stranger, payment.CancelOrder{IdempotencyKey: "x", OrderID: "A-1"}); !fault.Is(err, fault.ReasonOrderNotFound) {
		t.Fatalf("a stranger cancels: %v", err)
	}
	if _, _, err := h.DeactivateLink(t.Context(), stranger, payment.DeactivateLink{IdempotencyKey: "x", LinkID: created.Link.ID}); !fault.Is(err, fault.ReasonLinkNotFound) {
		t.Fatalf("a stranger closes the link: %v", err)
	}
	// The same order id, key and request are the stranger's own (I1, O1).
	theirs, replayed, err := h.CreateLink(t.Context(), stranger, lesson(t, "k-1", "A-1"))
	if err != nil || replayed || theirs.Link.URL == created.Link.URL {
		t.Fatalf("%+v %t %v", theirs, replayed, err)
	}
}

func TestExpire_E1_ReadsShowItBeforeTheSweeperWritesIt(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	in := lesson(t, "k-1", "A-1")
	in.ExpiresIn = time.Minute
	h.create(t, in)
	if n, _, err := h.ExpireOrders(t.Context()); err != nil || n != 0 {
		t.Fatalf("expired %d too early: %v", n, err)
	}
	h.pass(time.Minute)
	status, err := h.OrderStatus(t.Context(), h.caller, "A-1")
	if err != nil || status.Order.State != order.Expired || status.Order.Version != 1 || status.Next.Step != order.StepAskForNewLink {
		t.Fatalf("%+v %v", status, err)
	}
	if n, _, err := h.ExpireOrders(t.Context()); err != nil || n != 1 {
		t.Fatalf("expired %d: %v", n, err)
	}
	if n, _, err := h.ExpireOrders(t.Context()); err != nil || n != 0 {
		t.Fatalf("expired %d again: %v", n, err)
	}
	status, err = h.OrderStatus(t.Context(), h.caller, "A-1")
	if err != nil || status.Order.State != order.Expired || status.Order.Version != 2 {
		t.Fatalf("%+v %v", status, err)
	}
}

func TestCancelOrder_O10_StopsTheOfferOnce(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	h.create(t, lesson(t, "k-1", "A-1"))
	in := payment.CancelOrder{IdempotencyKey: "c-1", OrderID: "A-1", Reason: "the class is full"}
	info, replayed, err := h.CancelOrder(t.Context(), h.caller, in)
	if err != nil || replayed || info.State != order.Cancelled || info.Details.Description == "" {
		t.Fatalf("%+v %t %v", info, replayed, err)
	}
	if _, replayed, err = h.CancelOrder(t.Context(), h.caller, in); err != nil || !replayed {
		t.Fatalf("the repeat: %t %v", replayed, err)
	}
	in.IdempotencyKey = "c-2"
	if info, _, err = h.CancelOrder(t.Context(), h.caller, in); err != nil || info.Version != 2 {
		t.Fatalf("cancelled twice: %+v %v", info, err)
	}
	in.Reason = "no reason"
	_, _, err = h.CancelOrder(t.Context(), h.caller, in)
	if e := wantFault(t, err, fault.ReasonIdempotencyKeyReused); e.Metadata()["changed_fields"] != "reason" {
		t.Fatalf("%v", e.Metadata())
	}
}

func TestCancelOrder_A1_ATestKeyChangesNothingLive(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	live := payment.Caller{Merchant: "demo", KeyID: "key_live", Live: true}
	created, _, err := h.CreateLink(t.Context(), live, lesson(t, "k-1", "A-1"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = h.CancelOrder(t.Context(), h.caller, payment.CancelOrder{IdempotencyKey: "c", OrderID: "A-1"})
	wantReason(t, err, fault.ReasonModeDiffers)
	_, _, err = h.DeactivateLink(t.Context(), h.caller, payment.DeactivateLink{IdempotencyKey: "d", LinkID: created.Link.ID})
	wantReason(t, err, fault.ReasonModeDiffers)
	if _, _, err = h.CancelOrder(t.Context(), live, payment.CancelOrder{IdempotencyKey: "c2", OrderID: "A-1"}); err != nil {
		t.Fatal(err)
	}
}

func TestDeactivateLink_L3_NothingIsOfferedThereAnyMore(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	created, _ := h.create(t, lesson(t, "k-1", "A-1"))
	in := payment.DeactivateLink{IdempotencyKey: "d-1", LinkID: created.Link.ID}
	info, _, err := h.DeactivateLink(t.Context(), h.caller, in)
	if err != nil || info.State != order.LinkInactive || info.URL != created.Link.URL {
		t.Fatalf("%+v %v", info, err)
	}
	if _, replayed, err := h.DeactivateLink(t.Context(), h.caller, in); err != nil || !replayed {
		t.Fatalf("the repeat: %t %v", replayed, err)
	}
	status, err := h.OrderStatus(t.Context(), h.caller, "A-1")
	if err != nil || status.Next.Step != order.StepAskForNewLink || status.Next.URL != "" {
		t.Fatalf("a bot is told to pay at a closed link: %+v %v", status.Next, err)
	}
}

func TestFixedLink_IsATemplateWithoutAnOrder(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	created, _ := h.create(t, payment.CreateLink{
		IdempotencyKey: "k-1", Kind: order.Fixed, Amount: dram(t, 100), OrderExpiresIn: time.Hour,
		Details: order.Details{Description: "A trial lesson"},
	})
	if created.Order != nil || created.Link.OrderExpiresIn != time.Hour || created.Link.Details.Description != "A trial lesson" {
		t.Fatalf("%+v", created)
	}
	read, err := h.Link(t.Context(), h.caller, created.Link.ID)
	if err != nil || read.URL != created.Link.URL || read.Details.Description != "A trial lesson" {
		t.Fatalf("%+v %v", read, err)
	}
}

func TestLists_PagesHoldEachRowOnceAndTokensBelongToTheirFilter(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	want := 7
	for i := range want {
		id := "A-" + string(rune('a'+i))
		h.create(t, lesson(t, id, id))
		if i%2 == 0 {
			h.pass(time.Second)
		}
	}
	seen := map[string]bool{}
	token := ""
	for pages := 0; ; pages++ {
		rows, next, err := h.Orders(t.Context(), h.caller, store.OrderFilter{CustomerID: "c-7"}, payment.PageRequest{Size: 3, Token: token})
		if err != nil || pages > want {
			t.Fatalf("page %d: %v", pages, err)
		}
		for i := range rows {
			if seen[rows[i].ID] {
				t.Fatalf("%s came twice", rows[i].ID)
			}
			seen[rows[i].ID] = true
		}
		if token = next; next == "" {
			break
		}
	}
	if len(seen) != want {
		t.Fatalf("%d of %d orders", len(seen), want)
	}
	_, next, err := h.Links(t.Context(), h.caller, store.LinkFilter{}, payment.PageRequest{Size: 2})
	if err != nil || next == "" {
		t.Fatalf("no second page of links: %v", err)
	}
	for _, forged := range []string{"x", next[:len(next)-2], flipped(next)} {
		if _, _, err := h.Links(t.Context(), h.caller, store.LinkFilter{}, payment.PageRequest{Token: forged}); !fault.Is(err, fault.ReasonPageTokenInvalid) {
			t.Errorf("token %q: %v", forged, err)
		}
	}
	if _, _, err := h.Orders(t.Context(), h.caller, store.OrderFilter{}, payment.PageRequest{Token: next}); !fault.Is(err, fault.ReasonPageTokenInvalid) {
		t.Errorf("a token of links opens orders: %v", err)
	}
}

// flipped is a token with another first character.
func flipped(token string) string {
	if token[0] == 'A' {
		return "B" + token[1:]
	}
	return "A" + token[1:]
}

func TestExplainOrder_TellsTheHistoryInPlainWords(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	h.create(t, lesson(t, "k-1", "A-1"))
	if _, _, err := h.CancelOrder(t.Context(), h.caller, payment.CancelOrder{IdempotencyKey: "c", OrderID: "A-1", Reason: "the class is full"}); err != nil {
		t.Fatal(err)
	}
	explained, err := h.ExplainOrder(t.Context(), h.caller, "A-1")
	if err != nil {
		t.Fatal(err)
	}
	var story []string
	for _, step := range explained.Steps {
		story = append(story, step.Text)
	}
	text := strings.ReplaceAll(strings.Join(story, "\n"), "\u00a0", " ")
	for _, part := range []string{"payment link", "5,000 AMD", "key_1", "cancelled", "the class is full"} {
		if !strings.Contains(text, part) {
			t.Errorf("the story does not tell %q:\n%s", part, text)
		}
	}
	if len(explained.Steps) != 3 || explained.Summary == "" {
		t.Fatalf("%d steps, summary %q", len(explained.Steps), explained.Summary)
	}
}

func TestOpenJournal_J6_AnotherHistoryIsRecognised(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	h.create(t, lesson(t, "k-1", "A-1"))
	events, err := h.Events(t.Context(), "demo", 0, 10)
	if err != nil || len(events) != 2 {
		t.Fatalf("%d events: %v", len(events), err)
	}
	place, reset, err := h.OpenJournal(t.Context(), h.caller, payment.From{Cursor: events[0].Cursor.String()})
	if err != nil || reset != "" || place.Position != 1 {
		t.Fatalf("%+v %q %v", place, reset, err)
	}
	other := open(t, memlock.New())
	if _, reset, err = other.OpenJournal(t.Context(), other.caller, payment.From{Cursor: events[1].Cursor.String()}); err != nil || reset != payment.ResetAhead {
		t.Fatalf("an empty journal: %q %v", reset, err)
	}
	other.create(t, lesson(t, "k-9", "B-1"))
	if _, reset, err = other.OpenJournal(t.Context(), other.caller, payment.From{Cursor: events[1].Cursor.String()}); err != nil || reset != payment.ResetOtherHistory {
		t.Fatalf("another journal: %q %v", reset, err)
	}
	if _, _, err = h.OpenJournal(t.Context(), h.caller, payment.From{Cursor: "nonsense"}); !fault.Is(err, fault.ReasonCursorInvalid) {
		t.Fatal(err)
	}
}
