package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// message is a callback of the account acc, named by its text.
func message(merchant, text string) store.Message {
	return store.Message{
		MessageKey: store.MessageKey{Merchant: merchant, Account: "acc", Digest: sha256.Sum256([]byte(text))},
		ID:         "msg_" + text, Kind: store.CallbackMessage, Outcome: store.MessageApplied, Ref: "kvit01" + text,
		AttemptID: "att_" + text, OrderID: "A", ReceivedAt: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC), Raw: []byte("raw " + text),
	}
}

// save saves changes after a Begin with their keys.
func (m *maker) save(changes *store.Changes) error {
	m.t.Helper()
	var keys store.Keys
	for _, one := range changes.Messages {
		keys.Messages = append(keys.Messages, one.MessageKey)
	}
	for _, one := range changes.Tasks {
		keys.Tasks = append(keys.Tasks, one.TaskKey)
	}
	keys.Tasks = append(keys.Tasks, changes.Done...)
	return m.begin(keys).Save(m.ctx(), changes)
}

func (m *maker) mustSave(changes *store.Changes) {
	m.t.Helper()
	if err := m.save(changes); err != nil {
		m.t.Fatal(err)
	}
}

func (m *maker) readMessage(key store.MessageKey) store.Message {
	m.t.Helper()
	found, err := m.s.Message(m.ctx(), key)
	if err != nil {
		m.t.Fatal(err)
	}
	return found
}

// messagesKept saves messages alone, and others in numbers that take every form of the statements.
func messagesKept(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo", "other")
	var all []store.Message
	for _, many := range []int{1, 2, 5, 40} {
		changes := &store.Changes{}
		for i := range many {
			changes.Messages = append(changes.Messages, message("demo", fmt.Sprintf("%d-%d", many, i)))
		}
		m.mustSave(changes)
		all = append(all, changes.Messages...)
	}
	bare := message("other", "1-0")
	bare.Ref, bare.AttemptID, bare.OrderID, bare.Raw, bare.Kind = "", "", "", []byte{}, store.LookupMessage
	m.mustSave(&store.Changes{Messages: []store.Message{bare}})
	keys := store.Keys{Messages: []store.MessageKey{{Merchant: "demo", Account: "other", Digest: all[0].Digest}}}
	for _, want := range append(all, bare) {
		if diff := same(want, m.readMessage(want.MessageKey)); diff != "" {
			t.Error(diff)
		}
		keys.Messages = append(keys.Messages, want.MessageKey, all[0].MessageKey)
	}
	snap := m.load(keys)
	if len(snap.Messages) != len(all)+1 {
		t.Errorf("loaded %d of %d messages", len(snap.Messages), len(all)+1)
	}
	want := all[3]
	want.Raw = nil
	if diff := same(want, snap.Messages[want.MessageKey]); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Message(m.ctx(), keys.Messages[0]); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another account's message: %v", err)
	}
	if m.head() != 0 {
		t.Error("a message alone wrote to the journal")
	}
}

// messageRepeats saves what is on record with another outcome: nothing else of it changes.
func messageRepeats(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	first, second := message("demo", "one"), message("demo", "two")
	m.mustSave(&store.Changes{Messages: []store.Message{first, second}})
	for _, outcome := range []store.MessageOutcome{
		store.MessageHint, store.MessageOrphan, store.MessageForeign, store.MessageUnreadable, store.MessageFailed, store.MessageApplied,
	} {
		again := store.Message{
			MessageKey: first.MessageKey, Outcome: outcome, AttemptID: "att_x", OrderID: "B", ID: "msg_x", Ref: "x", Raw: []byte("x"),
		}
		m.mustSave(&store.Changes{Messages: []store.Message{again}})
		want := first
		want.Outcome, want.AttemptID, want.OrderID = outcome, "att_x", "B"
		if diff := same(want, m.readMessage(first.MessageKey)); diff != "" {
			t.Error(diff)
		}
	}
	if diff := same(second, m.readMessage(second.MessageKey)); diff != "" {
		t.Error(diff)
	}
}

// messageRaced saves a message that Begin did not see and that is there: nothing of the batch is written.
func messageRaced(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	m.mustSave(&store.Changes{Messages: []store.Message{message("demo", "one")}})
	again := message("demo", "one")
	again.Outcome = store.MessageFailed
	w := wish{merchant: "demo", id: "A"}
	tx := m.begin(keysOf(w))
	changes := m.changesFor(tx.Snapshot().Now, w)
	changes.Messages = []store.Message{again, message("demo", "two")}
	if err := tx.Save(m.ctx(), changes); !errors.Is(err, store.ErrRetry) {
		t.Errorf("save: %v", err)
	}
	if got := m.readMessage(again.MessageKey).Outcome; got != store.MessageApplied {
		t.Errorf("the outcome is %s", got)
	}
	if _, err := s.Message(m.ctx(), changes.Messages[1].MessageKey); !errors.Is(err, store.ErrNotFound) || m.head() != 0 {
		t.Errorf("something was written (%v)", err)
	}
}

func orphansWait(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo", "other")
	orphan := func(merchant, text string, age time.Duration) store.Message {
		o := message(merchant, text)
		o.Outcome, o.OrderID, o.ReceivedAt = store.MessageOrphan, "", o.ReceivedAt.Add(-age)
		return o
	}
	young, old := orphan("demo", "1", 0), orphan("other", "1", time.Minute)
	never, none := orphan("demo", "never", time.Hour), orphan("demo", "none", time.Hour)
	none.AttemptID = ""
	m.mustSave(&store.Changes{Messages: []store.Message{young, never, old, none, message("demo", "applied")}})
	orphans := func(limit int, want ...store.Message) {
		t.Helper()
		found, err := s.Orphans(m.ctx(), []string{"acc", "another"}, limit)
		if diff := same(want, found); diff != "" || err != nil {
			t.Errorf("%s (%v)", diff, err)
		}
	}
	orphans(9)
	for _, merchant := range []string{"demo", "other"} {
		w := wish{merchant: merchant, id: "A"}
		m.create(w)
		m.change(w.orderKey(), start("att_1", "acc"))
	}
	orphans(9, old, young)
	orphans(1, old)
	old.Outcome, old.OrderID = store.MessageApplied, "A"
	m.mustSave(&store.Changes{Messages: []store.Message{old}})
	orphans(9, young)
	if found, err := s.Orphans(m.ctx(), []string{"another"}, 9); len(found) != 0 || err != nil {
		t.Errorf("found %d orphans of an account that has none (%v)", len(found), err)
	}
}

func forgedNewest(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo", "other")
	const keep = 5
	count := func(merchant, account string, want int) {
		t.Helper()
		if n, err := s.CountForged(m.ctx(), merchant, account); n != want || err != nil {
			t.Errorf("%d forged callbacks of %s %s, want %d (%v)", n, merchant, account, want, err)
		}
	}
	add := func(one store.Message) {
		t.Helper()
		if err := s.AddForged(m.ctx(), one, keep); err != nil {
			t.Fatal(err)
		}
	}
	count("demo", "acc", 0)
	for i := range 3 * keep {
		one := message("demo", strconv.Itoa(i))
		one.ReceivedAt = one.ReceivedAt.Add(time.Duration(i/2) * time.Microsecond) // Some at the same time.
		add(one)
		count("demo", "acc", min(i+1, keep))
		add(one) // A repeat counts once.
		count("demo", "acc", min(i+1, keep))
	}
	add(message("other", "x"))
	count("other", "acc", 1)
	count("demo", "other", 0)
	count("demo", "acc", keep)
	if snap := m.load(store.Keys{Messages: []store.MessageKey{message("demo", "1").MessageKey}}); len(snap.Messages) != 0 {
		t.Error("a forged callback is among the messages")
	}
}

// paymentOwners finds whose a PSP's payment is, before it is made a second one.
func paymentOwners(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo", "other")
	for _, merchant := range []string{"demo", "other"} {
		w := wish{merchant: merchant, id: "A-" + merchant}
		m.create(w)
		m.change(w.orderKey(), start("att_1", "acc"))
		m.change(w.orderKey(), paid("att_1", "psp-1"))
	}
	unnamed := wish{merchant: "demo", id: "B"}
	m.create(unnamed)
	m.change(unnamed.orderKey(), start("att_2", "acc"))
	m.change(unnamed.orderKey(), paid("att_2", ""))
	key := store.PaymentKey{Merchant: "demo", Account: "acc", PSPPaymentID: "psp-1"}
	snap := m.load(store.Keys{Payments: []store.PaymentKey{
		key,
		{Merchant: "demo", Account: "acc", PSPPaymentID: "psp-2"},
		{Merchant: "demo", Account: "other", PSPPaymentID: "psp-1"},
		{Merchant: "demo", Account: "acc"},
		{Merchant: "other", Account: "acc", PSPPaymentID: "psp-1"},
		key,
	}})
	other := store.PaymentKey{Merchant: "other", Account: "acc", PSPPaymentID: "psp-1"}
	want := map[store.PaymentKey]store.OrderKey{
		key: {Merchant: "demo", ID: "A-demo"}, other: {Merchant: "other", ID: "A-other"},
	}
	if diff := same(want, snap.Payments); diff != "" {
		t.Error(diff)
	}
}

func handoffsKept(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo", "other")
	read := func(merchant, attempt, want string) {
		t.Helper()
		data, err := s.Handoff(m.ctx(), merchant, attempt)
		if string(data) != want || err != nil {
			t.Errorf("the handoff of %s is %q (%v)", attempt, data, err)
		}
	}
	var many []store.Handoff
	for i := range 20 {
		many = append(many, store.Handoff{Merchant: "demo", AttemptID: fmt.Sprintf("att_%d", i), Data: []byte("first")})
	}
	m.mustSave(&store.Changes{Handoffs: many[:1]})
	m.mustSave(&store.Changes{Handoffs: many})
	m.mustSave(&store.Changes{Handoffs: []store.Handoff{
		{Merchant: "demo", AttemptID: "att_1", Data: []byte("second")}, {Merchant: "other", AttemptID: "att_1", Data: []byte("theirs")},
	}})
	read("demo", "att_0", "first")
	read("demo", "att_1", "first")
	read("other", "att_1", "theirs")
	if _, err := s.Handoff(m.ctx(), "other", "att_2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another merchant's handoff: %v", err)
	}
}

// paymentAsks keeps what the PSP was asked to do with held money.
func paymentAsks(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := wish{merchant: "demo", id: "A"}
	m.create(w)
	m.change(w.orderKey(), start("att_1", "acc"))
	m.change(w.orderKey(), paid("att_1", "p1"))
	for _, set := range []func(p *order.Payment){
		func(p *order.Payment) { p.CaptureAsked = 700 },
		func(p *order.Payment) { p.CaptureAsked, p.VoidAsked = 0, true },
	} {
		if err := m.spoiled(w.orderKey(), func(o *order.Order) { set(&o.Payments[0]) }); err != nil {
			t.Fatal(err)
		}
		var want order.Payment
		set(&want)
		got := m.loadOrder(w.orderKey()).Payments[0]
		if got.CaptureAsked != want.CaptureAsked || got.VoidAsked != want.VoidAsked {
			t.Errorf("the payment is %+v", got)
		}
	}
	err := m.spoiled(w.orderKey(), func(o *order.Order) { o.Payments[0].CaptureAsked = -1 })
	if err == nil || errors.Is(err, store.ErrRetry) {
		t.Errorf("asked to capture less than nothing: %v", err)
	}
}
