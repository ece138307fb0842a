package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/store/sqlstore"
)

var aTask = store.TaskKey{Merchant: "demo", ID: "att_1"}

// withTask is a store with one task that is due.
func withTask(t *testing.T, address string) store.Store {
	t.Helper()
	s := open(t, address)
	save(t, s, &store.Changes{Tasks: []store.Task{{TaskKey: aTask, Kind: store.AskAttempt, OrderID: "A", Account: "acc", DueAt: time.Unix(1, 0)}}})
	return s
}

func save(t *testing.T, s store.Store, changes *store.Changes) {
	t.Helper()
	tx, err := s.Begin(t.Context(), store.Keys{Tasks: []store.TaskKey{aTask}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Save(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
}

// J5: a copy of the database shows nothing of what a PSP sent or of the way to it, and both open in their own
// row only.
func TestMessages_J5_OpenInTheirRowOnly(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, address string) {
		t.Helper()
		s := open(t, address)
		secret := []byte("card of Anahit")
		key := store.MessageKey{Merchant: "demo", Account: "acc", Digest: [32]byte{1}}
		one := store.Message{MessageKey: key, ID: "msg_1", Kind: store.CallbackMessage, Outcome: store.MessageHint, Raw: secret}
		save(t, s, &store.Changes{
			Messages: []store.Message{one}, Handoffs: []store.Handoff{{Merchant: "demo", AttemptID: "att_1", Data: secret}},
		})
		if err := s.AddForged(t.Context(), one, 9); err != nil {
			t.Fatal(err)
		}
		db := raw(t, address)
		for _, table := range []string{"messages", "handoffs", "forged"} {
			var sealed []byte
			if err := db.QueryRowContext(t.Context(), "SELECT sealed FROM "+table).Scan(&sealed); err != nil {
				t.Fatal(err)
			}
			if len(sealed) == 0 || bytes.Contains(sealed, []byte("Anahit")) {
				t.Errorf("%s shows %q", table, sealed)
			}
		}
		exec(t, db, "UPDATE handoffs SET attempt_id = 'att_2'")
		if data, err := s.Handoff(t.Context(), "demo", "att_2"); err == nil {
			t.Errorf("a handoff opened in another row: %q", data)
		}
		for set, moved := range map[string]store.MessageKey{
			"account = 'acc2'":   {Merchant: "demo", Account: "acc2", Digest: key.Digest},
			"merchant = 'other'": {Merchant: "other", Account: "acc2", Digest: key.Digest},
		} {
			exec(t, db, "UPDATE messages SET account = 'acc2'")
			exec(t, db, "UPDATE messages SET merchant = 'demo'")
			exec(t, db, "UPDATE messages SET "+set)
			if found, err := s.Message(t.Context(), moved); err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %+v (%v)", set, found, err)
			}
		}
		exec(t, db, "UPDATE messages SET merchant = 'demo', account = 'acc', sealed = (SELECT sealed FROM forged)")
		if found, err := s.Message(t.Context(), key); err == nil {
			t.Errorf("a forged callback opened as a message: %+v", found)
		}
	})
}

// waitForLockOf returns when a session of this store waits for a row with a statement that has this part.
func waitForLockOf(t *testing.T, db *sql.DB, part string) {
	t.Helper()
	for {
		var waiting int
		err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE NOT l.granted AND a.application_name = current_setting('application_name') AND strpos(a.query, $1) > 0`, part).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting > 0 {
			return
		}
	}
}

// I5: while a batch that read a fence is not saved, nobody takes the task over: claims pass it over, and one
// by its key waits and sees what the batch did.
func TestTasks_I5_AFenceThatWasReadCannotBeOvertaken(t *testing.T) {
	t.Parallel()
	lease := func(tx store.Tx) *store.Changes {
		held := tx.Snapshot().Tasks[aTask]
		held.LeasedUntil = tx.Snapshot().Now.Add(time.Hour)
		return &store.Changes{Tasks: []store.Task{held}}
	}
	for name, test := range map[string]struct {
		end   func(tx store.Tx) error
		fence int64 // 0 where nobody may take it over.
	}{
		"leased": {func(tx store.Tx) error { return tx.Save(t.Context(), lease(tx)) }, 0},
		"done": {func(tx store.Tx) error {
			return tx.Save(t.Context(), &store.Changes{Done: []store.TaskKey{aTask}})
		}, 0},
		"rolled back": {func(tx store.Tx) error { tx.Rollback(); return nil }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := postgresSchema(t)
			s := withTask(t, address)
			holder, err := s.Begin(t.Context(), store.Keys{Tasks: []store.TaskKey{aTask}})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.NudgeTasks(t.Context(), store.OrderKey{Merchant: "demo", ID: "A"}, 0); err != nil {
				t.Errorf("a nudge waits for a batch: %v", err)
			}
			if tasks, err := s.ClaimTasks(t.Context(), store.Claim{Limit: 9, LeaseFor: time.Hour}); len(tasks) != 0 || err != nil {
				t.Errorf("claimed %+v (%v)", tasks, err)
			}
			type claim struct {
				task store.Task
				err  error
			}
			claimed := make(chan claim, 1)
			go func() {
				task, err := s.ClaimTask(context.WithoutCancel(t.Context()), aTask, time.Hour)
				claimed <- claim{task, err}
			}()
			waitForLockOf(t, raw(t, address), "UPDATE tasks AS t SET leased_until")
			if err := test.end(holder); err != nil {
				t.Fatal(err)
			}
			got := <-claimed
			if test.fence == 0 && !errors.Is(got.err, store.ErrNotFound) || test.fence != 0 && (got.err != nil || got.task.Fence != test.fence) {
				t.Errorf("claimed %+v (%v)", got.task, got.err)
			}
		})
	}
}

// C1: of two that save one new message at once, the later is told to look again.
func TestSave_C1_AMessageThatAppearsAfterBeginIsARaceLost(t *testing.T) {
	t.Parallel()
	s := open(t, postgresSchema(t))
	one := store.Message{
		MessageKey: store.MessageKey{Merchant: "demo", Account: "acc", Digest: [32]byte{1}}, Kind: store.CallbackMessage,
		Outcome: store.MessageHint,
	}
	var both []store.Tx
	for range 2 {
		tx, err := s.Begin(t.Context(), store.Keys{Messages: []store.MessageKey{one.MessageKey}})
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, tx)
	}
	if err := both[0].Save(t.Context(), &store.Changes{Messages: []store.Message{one}}); err != nil {
		t.Fatal(err)
	}
	one.Outcome = store.MessageApplied
	if err := both[1].Save(t.Context(), &store.Changes{Messages: []store.Message{one}}); !errors.Is(err, store.ErrRetry) {
		t.Errorf("the second: %v", err)
	}
}

// C1: many forged callbacks at once leave the newest of their account, and nobody waits for another.
func TestForged_C1_ManyAtOnceLeaveTheNewest(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, address string) {
		t.Helper()
		s := open(t, address)
		const keep, many = 5, 60
		add := func(i int) error {
			key := store.MessageKey{Merchant: "demo", Account: "acc", Digest: [32]byte{byte(i)}}
			return s.AddForged(t.Context(), store.Message{MessageKey: key, ReceivedAt: time.Unix(int64(i), 0)}, keep)
		}
		answers := make(chan error, many)
		for i := range many {
			go func() { answers <- add(i) }()
		}
		for range many {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if err := add(many); err != nil {
			t.Error(err)
		}
		if n, err := s.CountForged(t.Context(), "demo", "acc"); n != keep || err != nil {
			t.Errorf("%d are kept (%v)", n, err)
		}
	})
}

// What Begin, a claim and a callback look for is found by its own index, also with a plan that was made
// while the tables were empty.
func TestPlans_C1_O6_FindByTheirIndex(t *testing.T) {
	t.Parallel()
	address := postgresSchema(t)
	open(t, address)
	db := raw(t, address)
	for _, setting := range []string{"enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "jit"} {
		exec(t, db, "SET "+setting+" = off")
	}
	exec(t, db, "SET plan_cache_mode = force_generic_plan")
	for _, one := range sqlstore.Planned {
		if plan := planOf(t, db, one.SQL); !contains(plan, one.Index) || contains(plan, "Seq Scan") {
			t.Errorf("want %s in\n%s\n%s", one.Index, one.SQL, plan)
		}
	}
}

// planOf is the plan of a statement, whatever its parameters are.
func planOf(t *testing.T, db *sql.DB, statement string) string {
	t.Helper()
	params := 0
	for contains(statement, fmt.Sprintf("$%d", params+1)) {
		params++
	}
	exec(t, db, "PREPARE planned AS "+statement)
	defer exec(t, db, "DEALLOCATE planned")
	rows, err := db.QueryContext(t.Context(), "EXPLAIN EXECUTE planned(NULL"+strings.Repeat(", NULL", params-1)+")")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var plan strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

// An ordinary callback stays in its row; only a long one is moved to the table beside.
func TestMessages_J5_AnOrdinaryOneStaysInItsRow(t *testing.T) {
	t.Parallel()
	address := postgresSchema(t)
	s, db := open(t, address), raw(t, address)
	for _, c := range []struct {
		size  int
		moved bool
	}{{2_400, false}, {6_000, true}} {
		key := store.MessageKey{Merchant: "demo", Account: "acc", Digest: [32]byte{byte(c.size / 1000)}}
		save(t, s, &store.Changes{Messages: []store.Message{{
			MessageKey: key, Kind: store.CallbackMessage, Outcome: store.MessageHint, Raw: make([]byte, c.size),
		}}})
		var moved int64
		err := db.QueryRowContext(t.Context(), `SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'messages'::regclass`).Scan(&moved)
		if err != nil || moved > 0 != c.moved {
			t.Errorf("%d bytes: %d beside the table (%v)", c.size, moved, err)
		}
	}
}
