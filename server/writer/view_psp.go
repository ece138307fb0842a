package writer

import (
	"slices"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// handoffKey names a handoff.
type handoffKey struct{ merchant, attemptID string }

// taskState is a task that was saved, or finished.
type taskState struct {
	task     store.Task
	finished bool
}

// Message returns the message of the merchant's account with this digest, if it is on record (C1): without
// its raw bytes, unless an earlier command of the batch has made it.
func (v *View) Message(account string, digest [32]byte) (store.Message, bool) {
	key := store.MessageKey{Merchant: v.cmd.Merchant, Account: account, Digest: digest}
	if !slices.Contains(v.cmd.Keys.Messages, key) {
		v.breaks("looks at a message of %s that is not among its keys", account)
		return store.Message{}, false
	}
	return v.message(key)
}

// SaveMessage keeps a message. Of one that is on record only outcome, attempt and order change.
func (v *View) SaveMessage(m store.Message) {
	if m.Merchant != v.cmd.Merchant || !slices.Contains(v.cmd.Keys.Messages, m.MessageKey) {
		v.breaks("saves a message of %s that is not among its keys", m.Account)
		return
	}
	if before, exists := v.message(m.MessageKey); exists {
		before.Outcome, before.AttemptID, before.OrderID = m.Outcome, m.AttemptID, m.OrderID
		m = before
	}
	v.messages.save(m.MessageKey, m)
}

// Task returns the merchant's task of an attempt or refund, if there is one. It is locked: its fence stays
// as it is until the batch is saved (I5).
func (v *View) Task(id string) (store.Task, bool) {
	key := store.TaskKey{Merchant: v.cmd.Merchant, ID: id}
	if !slices.Contains(v.cmd.Keys.Tasks, key) {
		v.breaks("looks at task %s, which is not among its keys", id)
		return store.Task{}, false
	}
	if s, changed := v.tasks.find(key); changed {
		return s.task, !s.finished
	}
	t, found := v.snapshot.Tasks[key]
	return t, found
}

// SaveTask keeps a task that is new or changed.
func (v *View) SaveTask(t store.Task) {
	if t.Merchant != v.cmd.Merchant || !slices.Contains(v.cmd.Keys.Tasks, t.TaskKey) {
		v.breaks("saves task %s, which is not among its keys", t.ID)
		return
	}
	v.tasks.save(t.TaskKey, taskState{task: t})
}

// FinishTask ends the merchant's task of an attempt or refund. Where there is none it does nothing.
func (v *View) FinishTask(id string) {
	key := store.TaskKey{Merchant: v.cmd.Merchant, ID: id}
	if !slices.Contains(v.cmd.Keys.Tasks, key) {
		v.breaks("finishes task %s, which is not among its keys", id)
		return
	}
	v.tasks.save(key, taskState{finished: true})
}

// SaveHandoff keeps the way to the PSP of an attempt. The first one of an attempt stays (O7).
func (v *View) SaveHandoff(h store.Handoff) {
	if h.Merchant != v.cmd.Merchant {
		v.breaks("saves another merchant's handoff")
		return
	}
	key := handoffKey{h.Merchant, h.AttemptID}
	if _, exists := v.handoffs.find(key); !exists {
		v.handoffs.save(key, h)
	}
}

// PaymentOwner says which order of the merchant has a payment that its PSP names so (O8), those that were
// saved in this batch among them.
func (v *View) PaymentOwner(account, pspPaymentID string) (orderID string, known bool) {
	key := store.PaymentKey{Merchant: v.cmd.Merchant, Account: account, PSPPaymentID: pspPaymentID}
	if !slices.Contains(v.cmd.Keys.Payments, key) {
		v.breaks("looks at a payment of %s that is not among its keys", account)
		return "", false
	}
	for _, s := range v.savedOrders {
		for i := range s.row.Payments {
			if p := &s.row.Payments[i]; p.Account == account && p.PSPPaymentID == pspPaymentID {
				return s.row.ID.String(), true
			}
		}
	}
	if owner, made := v.owners[key]; made {
		return owner, true
	}
	owner, found := v.snapshot.Payments[key]
	return owner.ID, found
}

func (v *View) message(key store.MessageKey) (store.Message, bool) {
	if m, saved := v.messages.find(key); saved {
		return m, true
	}
	m, found := v.snapshot.Messages[key]
	return m, found
}

// own notes the payments of an order that is kept.
func (v *View) own(o *order.Order) {
	for i := range o.Payments {
		if p := &o.Payments[i]; p.PSPPaymentID != "" {
			v.owners[store.PaymentKey{Merchant: o.Merchant, Account: p.Account, PSPPaymentID: p.PSPPaymentID}] = o.ID.String()
		}
	}
}

// collect puts what commands saved whole among the changes. A task that was made and finished in the batch
// leaves no trace.
func (v *View) collect() {
	c := &v.changes
	c.Messages = append(c.Messages, v.messages.batch.rows...)
	c.Handoffs = append(c.Handoffs, v.handoffs.batch.rows...)
	for i, s := range v.tasks.batch.rows {
		key := v.tasks.batch.keys[i]
		if !s.finished {
			c.Tasks = append(c.Tasks, s.task)
		} else if _, exists := v.snapshot.Tasks[key]; exists {
			c.Done = append(c.Done, key)
		}
	}
}
