package writer_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

// database is a schema of its own in the test's PostgreSQL.
type database struct {
	url   *url.URL
	admin *pgx.Conn
	name  string
}

func postgres(tb testing.TB) *database {
	tb.Helper()
	text := os.Getenv("KVIT_TEST_POSTGRES_URL")
	if text == "" {
		if os.Getenv("CI") == "true" {
			tb.Fatal("KVIT_TEST_POSTGRES_URL is not set")
		}
		tb.Skip("KVIT_TEST_POSTGRES_URL is not set")
	}
	u, err := url.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		tb.Fatal(err)
	}
	db := &database{url: u, name: "writer_" + hex.EncodeToString(random)}
	db.admin = db.connect(tb)
	db.exec(tb, "CREATE SCHEMA "+db.name)
	tb.Cleanup(func() {
		if _, err := db.admin.Exec(context.WithoutCancel(tb.Context()), "DROP SCHEMA "+db.name+" CASCADE"); err != nil {
			tb.Errorf("drop the test's schema: %v", err)
		}
	})
	return db
}

// at is the address of the schema, through host where that is given.
func (db *database) at(host string) string {
	u := *db.url
	if host != "" {
		u.Host = host
	}
	q := u.Query()
	q.Set("search_path", db.name)
	q.Set("application_name", db.name)
	u.RawQuery = q.Encode()
	return u.String()
}

// connect opens a session beside the store.
func (db *database) connect(tb testing.TB) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), db.at(""))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.WithoutCancel(tb.Context())) })
	return conn
}

func (db *database) exec(tb testing.TB, statement string, args ...any) {
	tb.Helper()
	if _, err := db.admin.Exec(tb.Context(), statement, args...); err != nil {
		tb.Fatal(err)
	}
}

// waitForLock returns when a session of the schema waits for a lock.
func (db *database) waitForLock(t *testing.T) {
	t.Helper()
	const waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'"
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		var sessions int
		if err := db.admin.QueryRow(t.Context(), waiting, db.name).Scan(&sessions); err != nil {
			t.Fatal(err)
		}
		if sessions > 0 {
			return
		}
		<-tick.C
	}
	t.Fatal("nobody waits for a lock")
}

// startAttempt begins to pay an order and tells how many attempts it had.
func startAttempt(t *testing.T, merchant, orderID string) (writer.Command, *int) {
	t.Helper()
	cmd := cancel(t, merchant, orderID)
	id, _ := order.ParseID(orderID)
	ids := newIDs(t)
	attempts := new(int)
	cmd.Name = "start_attempt"
	cmd.Decide = func(v *writer.View) error {
		o := v.Order(id)
		*attempts = len(o.Attempts)
		_, _, err := o.StartAttempt(order.NewAct(v.Now(), order.Actor{Kind: order.ByPayer}, ids), order.AttemptSpec{
			ID: ids.ID("att_", 0), Account: "sandbox", SessionUntil: v.Now().Add(time.Minute), Grace: time.Minute,
		})
		if err != nil {
			return err
		}
		v.SaveOrder(o)
		return nil
	}
	return cmd, attempts
}

// hold is a hook that stops commands of one name and lets them go on.
type hold struct {
	name          string
	reached, free chan struct{}
	once          sync.Once
}

func newHold(name string) *hold {
	return &hold{name: name, reached: make(chan struct{}), free: make(chan struct{})}
}

func (h *hold) hook(_ context.Context, step writer.Step) error {
	if slices.Contains(step.Commands, h.name) {
		h.once.Do(func() {
			close(h.reached)
			<-h.free
		})
	}
	return nil
}

func mustDo(t *testing.T, w *writer.Writer, cmd writer.Command) {
	t.Helper()
	if err := w.Do(t.Context(), cmd); err != nil {
		t.Fatalf("%s: %v", cmd.Name, err)
	}
}

func TestPostgres_AWaitingLoadSeesChildrenInsertedMeanwhile(t *testing.T) {
	t.Parallel()
	db := postgres(t)
	s := open(t, db.at(""), "shop")
	holding := newHold("start_attempt")
	first := start(t, s, writer.Options{Hooks: writer.Hooks{BeforeSave: holding.hook}})
	second := start(t, s, writer.Options{})
	made, _ := create(t, "shop", "A", "k1", 100)
	mustDo(t, first, made)

	var running sync.WaitGroup
	inserts, _ := startAttempt(t, "shop", "A")
	running.Go(func() { mustDo(t, first, inserts) })
	<-holding.reached
	waits, seen := startAttempt(t, "shop", "A")
	running.Go(func() { mustDo(t, second, waits) })
	db.waitForLock(t)
	close(holding.free)
	running.Wait()
	if *seen != 1 {
		t.Errorf("the load that waited sees %d attempts", *seen)
	}
	checkJournal(t, s, "shop")
}

func TestPostgres_O1_ALostRaceIsRunAgainAndSeesTheWinner(t *testing.T) {
	t.Parallel()
	for what, key := range map[string]string{"same key": "k1", "other key": "k2"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			db := postgres(t)
			s := open(t, db.at(""), "shop")
			holding := newHold("create_payment_link")
			slow := start(t, s, writer.Options{Hooks: writer.Hooks{BeforeSave: holding.hook}})
			quick := start(t, s, writer.Options{})
			loses, lost := create(t, "shop", "A", key, 100)
			wins, won := create(t, "shop", "A", "k1", 100)
			var running sync.WaitGroup
			running.Go(func() { mustDo(t, slow, loses) })
			<-holding.reached
			mustDo(t, quick, wins)
			close(holding.free)
			running.Wait()
			if lost.runs != 2 || lost.result != won.result || lost.replayed != (key == "k1") {
				t.Errorf("the loser found %+v, the winner %+v", lost, won)
			}
			if got := len(checkJournal(t, s, "shop")); got != 2 {
				t.Errorf("%d entries", got)
			}
		})
	}
}

func TestPostgres_J2_EightWritersOverEightMerchantsDoNotDeadlock(t *testing.T) {
	t.Parallel()
	db := postgres(t)
	merchants := make([]string, 8)
	for i := range merchants {
		merchants[i] = name("shop", i)
	}
	var batches, commands, deadlocks atomic.Int64
	var reader store.Store
	var running sync.WaitGroup
	for i := range 8 {
		s := open(t, db.at(""), merchants...)
		reader = s
		w := start(t, &watched{Begins: s, failed: func(err error) {
			if strings.Contains(err.Error(), "40P01") {
				deadlocks.Add(1)
			}
		}}, writer.Options{Lanes: 1, Observer: writer.Observer{Batch: func(r writer.BatchReport) {
			batches.Add(1)
			commands.Add(int64(r.Commands))
		}}})
		for caller := range 16 {
			running.Go(func() {
				for n := range 12 {
					merchant := merchants[(i+caller+n)%8]
					id := name("order", (caller+5*n)%20)
					cmd, _ := create(t, merchant, id, name("key", 100*i+caller), 100)
					if n%3 == 2 {
						cmd = cancel(t, merchant, id)
					}
					if err := w.Do(t.Context(), cmd); err != nil && !fault.Is(err, fault.ReasonOrderNotFound) {
						t.Errorf("%s: %v", cmd.Name, err)
					}
				}
			})
		}
	}
	running.Wait()
	if deadlocks.Load() > 0 {
		t.Errorf("%d deadlocks", deadlocks.Load())
	}
	if commands.Load() < 2*batches.Load() {
		t.Errorf("%d commands in %d batches: too few were together to show anything", commands.Load(), batches.Load())
	}
	for _, merchant := range merchants {
		created := map[string]int{}
		for _, e := range checkJournal(t, reader, merchant) {
			if e.Type == order.OrderCreated {
				created[e.OrderID]++
			}
		}
		for id, times := range created {
			if times != 1 {
				t.Errorf("%s: %s was created %d times", merchant, id, times)
			}
		}
	}
}

// watched tells of every failure of a store.
type watched struct {
	store.Begins
	failed func(error)
}

func (w *watched) Begin(ctx context.Context, keys store.Keys) (store.Tx, error) {
	tx, err := w.Begins.Begin(ctx, keys)
	if err != nil {
		w.failed(err)
		return nil, err
	}
	return &watchedTx{Tx: tx, failed: w.failed}, nil
}

type watchedTx struct {
	store.Tx
	failed func(error)
}

func (tx *watchedTx) Save(ctx context.Context, changes *store.Changes) error {
	err := tx.Tx.Save(ctx, changes)
	if err != nil {
		tx.failed(err)
	}
	return err
}

func TestPostgres_I4_ACommitThatIsCutIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for what, where := range map[string]cut{"before it took effect": beforeCommit, "after it took effect": afterCommit} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			db := postgres(t)
			between := newProxy(t, db.url.Host)
			direct := open(t, db.at(""), "shop")
			s := open(t, db.at(between.addr()))
			first, _ := create(t, "shop", "A", "k-A", 100)
			expectNoErrors(t, writer.RunBatch(t.Context(), s, []writer.Command{first}))

			between.arm(where)
			var runs atomic.Int32
			cmds := make([]writer.Command, 3)
			for i := range cmds {
				cmds[i], _ = create(t, "shop", name("order", i), name("key", i), 100)
				decide := cmds[i].Decide
				cmds[i].Decide = func(v *writer.View) error {
					runs.Add(1)
					return decide(v)
				}
			}
			for _, err := range writer.RunBatch(t.Context(), s, cmds) {
				expectReason(t, err, fault.Unavailable, fault.ReasonStoreUnavailable)
				if !errors.Is(err, store.ErrCommitUnclear) {
					t.Errorf("the store says %v", err)
				}
			}
			if between.done() != 1 || runs.Load() != 3 {
				t.Errorf("%d commits cut, %d decisions run", between.done(), runs.Load())
			}
			took := where == afterCommit
			if got := len(checkJournal(t, direct, "shop")); got != map[bool]int{false: 2, true: 8}[took] {
				t.Errorf("%d entries", got)
			}
			for i := range cmds {
				_, err := direct.Recorded(t.Context(), cmds[i].Keys.Records[0])
				if took != (err == nil) {
					t.Errorf("the record: %v", err)
				}
				again, out := create(t, "shop", name("order", i), name("key", i), 100)
				expectNoErrors(t, writer.RunBatch(t.Context(), s, []writer.Command{again}))
				if out.replayed != took {
					t.Errorf("the repeat is a replay: %v", out.replayed)
				}
			}
			if got := len(checkJournal(t, direct, "shop")); got != 8 {
				t.Errorf("%d entries in the end", got)
			}
		})
	}
}

// frozen holds rows as a server does that stopped in the middle of a transaction.
func TestPostgres_AFrozenHolderOfAnOrderIsOutlived(t *testing.T) {
	t.Parallel()
	db := postgres(t)
	s := open(t, db.at(""), "shop")
	w := start(t, s, writer.Options{})
	made, _ := create(t, "shop", "A", "k1", 100)
	mustDo(t, w, made)
	frozen, err := open(t, db.at("")).Begin(t.Context(), made.Keys)
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Rollback()
	mustDo(t, w, cancel(t, "shop", "A"))
	checkJournal(t, s, "shop")
}

func TestPostgres_AFrozenHolderOfAJournalIsOutlived(t *testing.T) {
	t.Parallel()
	db := postgres(t)
	s := open(t, db.at(""), "shop", "other")
	w := start(t, s, writer.Options{})
	frozen := db.connect(t)
	if _, err := frozen.Exec(t.Context(), "SET idle_in_transaction_session_timeout = '2500ms'"); err != nil {
		t.Fatal(err)
	}
	if _, err := frozen.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := frozen.Exec(t.Context(), "SELECT position FROM heads WHERE merchant = 'shop' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	held, out := create(t, "shop", "A", "k1", 100)
	running.Go(func() { mustDo(t, w, held) })
	db.waitForLock(t)
	free, _ := create(t, "other", "A", "k1", 100)
	mustDo(t, start(t, s, writer.Options{}), free) // Another process and merchant are not held up.
	running.Wait()
	if out.runs < 2 {
		t.Error("it was not held by the frozen session: the test shows nothing")
	}
	if got := len(checkJournal(t, s, "shop")); got != 2 {
		t.Errorf("%d entries", got)
	}
}
