package sqlstore

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// plan is what a batch writes, as rows: made before anything is sent, in the order of the keys, so
// that two batches never wait for each other crosswise.
type plan struct {
	links      written[linkRow]
	orders     written[orderRow]
	attempts   written[attemptRow]
	payments   written[paymentRow]
	refunds    written[refundRow]
	exceptions written[exceptionRow]
	records    []recordRow
	texts      []textRow
	messages   written[messageRow]
	tasks      written[taskRow]
	done       []store.TaskKey
	handoffs   []handoffRow
	// entries are in the order of decisions; position and hash are filled in by chain.
	entries []entryRow
	digests []order.Hash
	// merchants are those with entries, each once, sorted.
	merchants []string
}

// written are the rows of one table.
type written[Row any] struct {
	fresh   []Row
	changed []Row
	// loaded are the versions that the changed rows must still have, for tables that have versions.
	loaded []int64
}

func (w *written[Row]) change(row Row, loaded int64) {
	w.changed = append(w.changed, row)
	w.loaded = append(w.loaded, loaded)
}

// makePlan turns changes into rows. Private texts, results, messages and handoffs are sealed here.
func makePlan(sealer Sealer, snap *store.Snapshot, changes *store.Changes) (*plan, error) {
	p := &plan{}
	for _, c := range sorted(changes.Links, func(a, b store.LinkChange) int {
		return cmp.Or(cmp.Compare(a.After.Merchant, b.After.Merchant), cmp.Compare(a.After.ID, b.After.ID))
	}) {
		p.addLink(c)
	}
	for _, c := range sorted(changes.Orders, func(a, b store.OrderChange) int {
		return cmp.Or(cmp.Compare(a.After.Merchant, b.After.Merchant), cmp.Compare(a.After.ID.String(), b.After.ID.String()))
	}) {
		p.addOrder(c)
	}
	for _, r := range sorted(changes.Records, func(a, b store.Record) int {
		return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Key, b.Key))
	}) {
		p.records = append(p.records, recordRow{
			Merchant: r.Merchant, Method: r.Method, Key: r.Key, Fingerprint: r.Fingerprint,
			Result: sealer.Seal(r.Result, recordPlace(r.RecordKey)), CreatedAt: micros{snap.Now},
		})
	}
	p.addMessages(sealer, snap, changes.Messages)
	p.addTasks(snap, changes)
	p.addHandoffs(sealer, changes.Handoffs)
	return p, p.addEntries(sealer, changes.Entries)
}

// addMessages adds those that were loaded as changes, and the others as new.
func (p *plan) addMessages(sealer Sealer, snap *store.Snapshot, messages []store.Message) {
	for _, m := range sorted(messages, func(a, b store.Message) int { return compareMessageKeys(a.MessageKey, b.MessageKey) }) {
		if _, known := snap.Messages[m.MessageKey]; known {
			p.messages.changed = append(p.messages.changed, messageRowOf(&m, nil))
		} else {
			p.messages.fresh = append(p.messages.fresh, messageRowOf(&m, sealer.Seal(m.Raw, messagePlace(m.MessageKey))))
		}
	}
}

// addTasks adds those that were loaded, and are locked, as changes, and the others as new.
func (p *plan) addTasks(snap *store.Snapshot, changes *store.Changes) {
	for _, t := range sorted(changes.Tasks, func(a, b store.Task) int { return compareTaskKeys(a.TaskKey, b.TaskKey) }) {
		if _, known := snap.Tasks[t.TaskKey]; known {
			p.tasks.changed = append(p.tasks.changed, taskRowOf(&t))
		} else {
			p.tasks.fresh = append(p.tasks.fresh, taskRowOf(&t))
		}
	}
	p.done = sorted(changes.Done, compareTaskKeys)
}

func (p *plan) addHandoffs(sealer Sealer, handoffs []store.Handoff) {
	for _, h := range sorted(handoffs, func(a, b store.Handoff) int {
		return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.AttemptID, b.AttemptID))
	}) {
		p.handoffs = append(p.handoffs, handoffRow{
			Merchant: h.Merchant, AttemptID: h.AttemptID, Sealed: sealer.Seal(h.Data, handoffPlace(h.Merchant, h.AttemptID)),
		})
	}
}

func sorted[T any](rows []T, compare func(a, b T) int) []T {
	if slices.IsSortedFunc(rows, compare) {
		return rows
	}
	return slices.SortedFunc(slices.Values(rows), compare)
}

func (p *plan) addLink(c store.LinkChange) {
	switch row := linkRowOf(c.After); {
	case c.Before == nil:
		p.links.fresh = append(p.links.fresh, row)
	case c.Before.Version != c.After.Version:
		p.links.change(row, c.Before.Version)
	}
}

func (p *plan) addOrder(c store.OrderChange) {
	before := c.Before
	switch row := orderRowOf(c.After); {
	case before == nil:
		before = &order.Order{}
		p.orders.fresh = append(p.orders.fresh, row)
	case before.Version != c.After.Version:
		p.orders.change(row, before.Version)
	default:
		return
	}
	at := place{Merchant: c.After.Merchant, OrderID: c.After.ID.String()}
	compareChildren(&p.attempts, at, before.Attempts, c.After.Attempts, attemptRowOf)
	compareChildren(&p.payments, at, before.Payments, c.After.Payments, paymentRowOf)
	compareChildren(&p.refunds, at, before.Refunds, c.After.Refunds, refundRowOf)
	compareChildren(&p.exceptions, at, before.Exceptions, c.After.Exceptions, exceptionRowOf)
}

// compareChildren adds the children that are new or differ. Children are only ever appended.
func compareChildren[T any, Row comparable](into *written[Row], at place, before, after []T, rowOf func(place, *T) Row) {
	for i := range after {
		at.Number = int32(i)
		row := rowOf(at, &after[i])
		switch {
		case i >= len(before):
			into.fresh = append(into.fresh, row)
		case row != rowOf(at, &before[i]):
			into.changed = append(into.changed, row)
		}
	}
}

func (p *plan) addEntries(sealer Sealer, entries []order.Entry) error {
	p.entries = make([]entryRow, len(entries))
	p.digests = make([]order.Hash, len(entries))
	for i := range entries {
		e := &entries[i]
		stored, err := e.Encode()
		if err != nil {
			return fmt.Errorf("save entry %s: %w", e.ID, err)
		}
		p.entries[i] = entryRow{
			Merchant: e.Merchant, EntryID: e.ID, OrderID: e.OrderID, LinkID: e.LinkID, Type: string(e.Type), Bytes: stored,
		}
		p.digests[i] = order.Digest(stored)
		if e.Private != nil {
			p.texts = append(p.texts, textRow{
				Merchant: e.Merchant, EntryID: e.ID, Sealed: sealer.Seal(e.Private, textPlace(e.Merchant, e.ID)),
			})
		}
		if len(p.merchants) == 0 || p.merchants[len(p.merchants)-1] != e.Merchant {
			p.merchants = append(p.merchants, e.Merchant)
		}
	}
	slices.Sort(p.merchants)
	p.merchants = slices.Compact(p.merchants)
	slices.SortFunc(p.texts, func(a, b textRow) int {
		return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.EntryID, b.EntryID))
	})
	return nil
}

// empty reports whether there is nothing to write.
func (p *plan) empty() bool {
	return len(p.links.fresh)+len(p.links.changed)+len(p.orders.fresh)+len(p.orders.changed)+
		len(p.records)+len(p.entries)+len(p.messages.fresh)+len(p.messages.changed)+
		len(p.tasks.fresh)+len(p.tasks.changed)+len(p.done)+len(p.handoffs) == 0
}

// chain gives every entry its position and the chain's hash there (J2, J3), and returns the new heads.
// The heads are those of the plan's merchants, in their order.
func (p *plan) chain(heads []headRow) ([]headRow, error) {
	if len(heads) != len(p.merchants) {
		return nil, fmt.Errorf("save: %d of the merchants %v have a journal", len(heads), p.merchants)
	}
	next := slices.Clone(heads)
	for i := range p.entries {
		e := &p.entries[i]
		at, found := slices.BinarySearchFunc(next, e.Merchant, func(h headRow, m string) int { return cmp.Compare(h.Merchant, m) })
		if !found {
			return nil, fmt.Errorf("save: %s has no journal", e.Merchant)
		}
		h := &next[at]
		h.Position++
		hash := order.Hash(h.Hash).Next(uint64(h.Position), p.digests[i]) //nolint:gosec // Positions count from 0 up.
		h.Hash = digest(hash)
		e.Position, e.Hash = h.Position, hash[:]
	}
	return next, nil
}

func recordPlace(k store.RecordKey) []byte {
	return []byte("records|" + k.Merchant + "|" + k.Method + "|" + k.Key)
}

func textPlace(merchant, entryID string) []byte { return []byte("texts|" + merchant + "|" + entryID) }

func messagePlace(k store.MessageKey) []byte { return placeAt("messages|", k) }

func forgedPlace(k store.MessageKey) []byte { return placeAt("forged|", k) }

func placeAt(table string, k store.MessageKey) []byte {
	return hex.AppendEncode([]byte(table+k.Merchant+"|"+k.Account+"|"), k.Digest[:])
}

func handoffPlace(merchant, attemptID string) []byte {
	return []byte("handoffs|" + merchant + "|" + attemptID)
}
