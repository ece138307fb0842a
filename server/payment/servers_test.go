package payment_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/lock"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/store"
)

// servers are three processes over one database: use-cases and writer are each server's own. On
// PostgreSQL the store is too; on SQLite, where one process has the file, it is shared.
type servers struct {
	all    []*payment.Service
	store  store.Store
	caller payment.Caller
	// outrun lets the time of every offer run out.
	outrun func(t *testing.T)
}

const serverCount = 3

func (s *servers) at(i int) *payment.Service { return s.all[i%serverCount] }

func sqliteServers(t *testing.T, locks lock.Locker) *servers {
	t.Helper()
	h := open(t, locks)
	keys := newKeys(t) // Not the store's: tokens and fingerprints are the servers' own affair.
	s := &servers{store: h.store, caller: h.caller, outrun: func(*testing.T) { h.pass(25 * time.Hour) }}
	for range serverCount {
		s.all = append(s.all, newService(t, h.store, keys, locks))
	}
	return s
}

func postgresServers(t *testing.T, locks lock.Locker) *servers {
	t.Helper()
	text := os.Getenv("KVIT_TEST_POSTGRES_URL")
	if text == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("KVIT_TEST_POSTGRES_URL is not set")
		}
		t.Skip("KVIT_TEST_POSTGRES_URL is not set")
	}
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	schema := "payment_" + hex.EncodeToString(random)
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	ctx := context.WithoutCancel(t.Context())
	admin, err := pgx.Connect(ctx, u.String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(ctx, "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := admin.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE")
		if err := errors.Join(err, admin.Close(ctx)); err != nil {
			t.Errorf("drop the test's schema: %v", err)
		}
	})
	s := &servers{caller: payment.Caller{Merchant: "demo", KeyID: "key_1"}, outrun: func(t *testing.T) {
		t.Helper()
		for _, statement := range []string{
			"UPDATE orders SET offer_until = offer_until - interval '25 hours'",
			"UPDATE links SET expires_at = expires_at - interval '25 hours'",
		} {
			if _, err := admin.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}}
	keys := newKeys(t)
	for range serverCount {
		s.store = openStore(t, u.String(), keys, time.Now)
		s.all = append(s.all, newService(t, s.store, keys, locks))
	}
	return s
}

// onEach runs a test with three servers over each database.
func onEach(t *testing.T, locks func() lock.Locker, test func(t *testing.T, s *servers)) {
	t.Helper()
	for engine, openOn := range map[string]func(*testing.T, lock.Locker) *servers{"sqlite": sqliteServers, "postgres": postgresServers} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, openOn(t, locks()))
		})
	}
}

func locksAway() lock.Locker { return brokenLocks{} }

// lostLocks is a lock service that forgets every key at once: all hold it.
type lostLocks struct{ brokenLocks }

type noLease struct{}

func (noLease) Release() {}

func (lostLocks) Acquire(context.Context, string, time.Duration) (lock.Lease, error) {
	return noLease{}, nil
}

// atOnce calls from many goroutines that begin together.
func atOnce(callers int, call func(i int)) {
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			<-begin
			call(i)
		})
	}
	close(begin)
	all.Wait()
}

// checkJournal checks that positions have no gap (J2) and that each order's entries give its row (O3).
func checkJournal(t *testing.T, s store.Store, orderIDs ...string) (types []order.Type) {
	t.Helper()
	stored, err := s.Entries(t.Context(), "demo", 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	histories := map[string][]order.Entry{}
	for i := range stored {
		entry, err := order.Decode(stored[i].Bytes)
		if err != nil || stored[i].Position != uint64(i)+1 {
			t.Fatalf("position %d: %d %v", i+1, stored[i].Position, err)
		}
		types = append(types, entry.Type)
		if entry.View != nil {
			histories[entry.OrderID] = append(histories[entry.OrderID], entry)
		}
	}
	for _, id := range orderIDs {
		read, err := s.Order(t.Context(), store.OrderKey{Merchant: "demo", ID: id})
		if err != nil {
			t.Fatal(err)
		}
		replayed, err := order.Replay(histories[id])
		if err != nil || replayed.State != read.Order.State || replayed.Version != read.Order.Version || replayed.LinkID != read.Order.LinkID {
			t.Fatalf("order %s is %+v, its entries give %+v (%v)", id, read.Order, replayed, err)
		}
	}
	return types
}

func count(types []order.Type, of order.Type) int {
	n := 0
	for _, typ := range types {
		if typ == of {
			n++
		}
	}
	return n
}

func TestServers_I2_I3_AHundredCallersWithOneKeyAreOneAnswer(t *testing.T) {
	t.Parallel()
	for name, locks := range map[string]func() lock.Locker{"away": locksAway, "lost": func() lock.Locker { return lostLocks{} }} {
		t.Run("locks "+name, func(t *testing.T) {
			t.Parallel()
			onEach(t, locks, func(t *testing.T, s *servers) {
				t.Helper()
				const callers = 100
				var fresh atomic.Int64
				urls := make([]string, callers)
				atOnce(callers, func(i int) {
					created, replayed, err := s.at(i).CreateLink(t.Context(), s.caller, lesson(t, "k-1", "A-1"))
					if err != nil {
						t.Errorf("caller %d: %v", i, err)
					}
					if !replayed {
						fresh.Add(1)
					}
					urls[i] = created.Link.URL
				})
				if one := slices.Compact(urls); fresh.Load() != 1 || len(one) != 1 || one[0] == "" {
					t.Fatalf("%d new answers, addresses %v", fresh.Load(), one)
				}
				if types := checkJournal(t, s.store, "A-1"); len(types) != 2 {
					t.Fatalf("the journal holds %v", types)
				}
			})
		})
	}
}

func TestServers_O1_OneOrderIDHasOneSetOfTerms(t *testing.T) {
	t.Parallel()
	onEach(t, locksAway, func(t *testing.T, s *servers) {
		t.Helper()
		const callers = 100
		amounts := []int64{500_000, 600_000}
		var wins [2]atomic.Int64
		links := make([]string, callers)
		atOnce(callers, func(i int) {
			in := lesson(t, "k-"+strconv.Itoa(i), "A-1")
			in.Amount = dram(t, amounts[i%2])
			created, replayed, err := s.at(i).CreateLink(t.Context(), s.caller, in)
			switch {
			case err == nil:
				wins[i%2].Add(1)
				links[i] = created.Link.ID
				if replayed || created.Order.AmountMinor != amounts[i%2] {
					t.Errorf("caller %d: %+v replayed %t", i, created.Order, replayed)
				}
			case !fault.Is(err, fault.ReasonOrderIDConflict) || fault.As(err).Metadata()["changed_fields"] != "amount.minor_units":
				t.Errorf("caller %d: %v", i, err)
			}
		})
		a, b := wins[0].Load(), wins[1].Load()
		if max(a, b) != callers/2 || min(a, b) != 0 {
			t.Fatalf("%d callers have one amount and %d the other", a, b)
		}
		links = slices.DeleteFunc(links, func(id string) bool { return id == "" })
		if len(slices.Compact(links)) != 1 {
			t.Fatal("one order has two links")
		}
		if types := checkJournal(t, s.store, "A-1"); len(types) != 2 {
			t.Fatalf("the journal holds %v", types)
		}
	})
}

func TestServers_O1_AnExpiredOrderIsReopenedOnce(t *testing.T) {
	t.Parallel()
	onEach(t, locksAway, func(t *testing.T, s *servers) {
		t.Helper()
		old, _, err := s.at(0).CreateLink(t.Context(), s.caller, lesson(t, "first", "A-1"))
		if err != nil {
			t.Fatal(err)
		}
		s.outrun(t)
		const callers = 50
		links := make([]string, callers)
		atOnce(callers, func(i int) {
			created, _, err := s.at(i).CreateLink(t.Context(), s.caller, lesson(t, "k-"+strconv.Itoa(i), "A-1"))
			if err != nil || created.Order.State != order.Pending || created.Order.LinkID != created.Link.ID || created.Link.State != order.LinkActive {
				t.Errorf("caller %d: %+v %v", i, created, err)
			}
			links[i] = created.Link.URL
		})
		if len(slices.Compact(links)) != 1 || links[0] == old.Link.URL || links[0] == "" {
			t.Fatalf("callers got %v", slices.Compact(links))
		}
		stored, err := s.store.OrderEntries(t.Context(), store.OrderKey{Merchant: "demo", ID: "A-1"})
		if err != nil {
			t.Fatal(err)
		}
		var types []order.Type
		for i := range stored {
			entry, err := order.Decode(stored[i].Bytes)
			if err != nil {
				t.Fatal(err)
			}
			types = append(types, entry.Type)
		}
		if count(types, order.OrderReopened) != 1 || count(types, order.LinkCreated) != 2 || count(types, order.OrderExpired) != 1 {
			t.Fatalf("the order's history is %v", types)
		}
	})
}

func TestServers_CancelCreateAndExpireAtOnceLeaveOneHistory(t *testing.T) {
	t.Parallel()
	onEach(t, locksAway, func(t *testing.T, s *servers) {
		t.Helper()
		ids := []string{"A-1", "A-2", "A-3"}
		for round := range 2 {
			key := func(i int) string { return strconv.Itoa(round) + "-" + strconv.Itoa(i) }
			atOnce(48, func(i int) {
				id, server := ids[i%len(ids)], s.at(cmp.Compare(i, 24)+1)
				var err error
				switch i % 4 {
				case 0, 1:
					_, _, err = server.CreateLink(t.Context(), s.caller, lesson(t, key(i), id))
				case 2:
					_, _, err = server.CancelOrder(t.Context(), s.caller, payment.CancelOrder{IdempotencyKey: key(i), OrderID: id})
					if fault.Is(err, fault.ReasonOrderNotFound) || fault.Is(err, fault.ReasonOrderState) {
						err = nil // It came before the order, or after its end.
					}
				default:
					_, _, err = server.ExpireOrders(t.Context())
				}
				if err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
			})
			if round == 0 {
				s.outrun(t)
			}
		}
		types := checkJournal(t, s.store, ids...)
		if count(types, order.OrderCreated) != len(ids) || count(types, order.LinkCreated) != len(ids)+count(types, order.OrderReopened) {
			t.Fatalf("the journal holds %v", types)
		}
		for _, id := range ids {
			status, err := s.at(0).OrderStatus(t.Context(), s.caller, id)
			if err != nil {
				t.Fatal(err)
			}
			if cancels := count(types, order.OrderCancelled); status.Order.State != order.Cancelled && cancels >= len(ids) {
				t.Fatalf("order %s is %s after %d cancellations", id, status.Order.State, cancels)
			}
		}
	})
}
