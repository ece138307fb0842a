package writer_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// memory is store.Begins in memory: it locks roots, compares versions and counts rows as a database does.
type memory struct {
	mu      sync.Mutex
	locks   map[store.OrderKey]chan struct{}
	journal map[string][]store.StoredEntry
	history map[store.OrderKey][]order.Entry
	orders  map[store.OrderKey]*order.Order
	links   map[store.LinkKey]*order.Link
	records map[store.RecordKey]store.Record

	messages map[store.MessageKey]store.Message
	tasks    map[store.TaskKey]store.Task
	handoffs map[string]store.Handoff

	begun, saved, rolledBack atomic.Int32
	// begin and save, where set, are asked before the real thing.
	begin func() error
	save  func(*store.Changes) error
	// pace is how long a save takes.
	pace time.Duration
}

func newMemory() *memory {
	return &memory{
		locks:   map[store.OrderKey]chan struct{}{},
		journal: map[string][]store.StoredEntry{},
		history: map[store.OrderKey][]order.Entry{},
		orders:  map[store.OrderKey]*order.Order{},
		links:   map[store.LinkKey]*order.Link{},
		records: map[store.RecordKey]store.Record{},

		messages: map[store.MessageKey]store.Message{},
		tasks:    map[store.TaskKey]store.Task{},
		handoffs: map[string]store.Handoff{},
	}
}

func (m *memory) Begin(ctx context.Context, keys store.Keys) (store.Tx, error) {
	m.begun.Add(1)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if m.begin != nil {
		if err := m.begin(); err != nil {
			return nil, err
		}
	}
	roots := slices.Clone(keys.Orders)
	slices.SortFunc(roots, func(a, b store.OrderKey) int {
		return cmp.Or(strings.Compare(a.Merchant, b.Merchant), strings.Compare(a.ID, b.ID))
	})
	tx := &memoryTx{m: m}
	for _, key := range slices.Compact(roots) {
		lock := m.lockOf(key)
		if lock == nil {
			continue
		}
		select {
		case lock <- struct{}{}:
			tx.held = append(tx.held, lock)
		case <-ctx.Done():
			tx.release()
			return nil, ctx.Err()
		}
	}
	tx.snapshot = m.read(keys)
	return tx, nil
}

func (m *memory) lockOf(key store.OrderKey) chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.locks[key]
}

func (m *memory) read(keys store.Keys) *store.Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &store.Snapshot{
		Now:    time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC),
		Orders: map[store.OrderKey]*order.Order{}, Links: map[store.LinkKey]*order.Link{},
		Records: map[store.RecordKey]store.Record{}, Messages: map[store.MessageKey]store.Message{},
		Tasks: map[store.TaskKey]store.Task{}, Payments: map[store.PaymentKey]store.OrderKey{},
	}
	for _, key := range keys.Orders {
		if o := m.orders[key]; o != nil {
			s.Orders[key] = o
		}
	}
	for _, key := range keys.Links {
		if l := m.links[key]; l != nil {
			s.Links[key] = l
		}
	}
	for _, key := range keys.Records {
		if r, found := m.records[key]; found {
			s.Records[key] = r
		}
	}
	m.readAtPSPs(keys, s)
	return s
}

// readAtPSPs reads what is named beside orders, links and records.
func (m *memory) readAtPSPs(keys store.Keys, s *store.Snapshot) {
	for _, key := range keys.Messages {
		if one, found := m.messages[key]; found {
			one.Raw = nil
			s.Messages[key] = one
		}
	}
	for _, key := range keys.Tasks {
		if one, found := m.tasks[key]; found {
			s.Tasks[key] = one
		}
	}
	for key, o := range m.orders {
		for _, p := range o.Payments {
			owned := store.PaymentKey{Merchant: key.Merchant, Account: p.Account, PSPPaymentID: p.PSPPaymentID}
			if slices.Contains(keys.Payments, owned) {
				s.Payments[owned] = key
			}
		}
	}
}

type memoryTx struct {
	m        *memory
	snapshot *store.Snapshot
	held     []chan struct{}
	saved    bool
}

func (tx *memoryTx) Snapshot() *store.Snapshot { return tx.snapshot }

func (tx *memoryTx) release() {
	for _, lock := range tx.held {
		<-lock
	}
	tx.held = nil
}

func (tx *memoryTx) Rollback() {
	if !tx.saved {
		tx.m.rolledBack.Add(1)
		tx.saved = true
		tx.release()
	}
}

func (tx *memoryTx) Save(ctx context.Context, changes *store.Changes) error {
	m := tx.m
	tx.saved = true
	defer tx.release()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	time.Sleep(m.pace)
	if m.save != nil {
		if err := m.save(changes); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !tx.fits(changes) {
		return store.ErrRetry
	}
	if err := m.append(changes.Entries); err != nil {
		return err
	}
	for _, c := range changes.Orders {
		key := store.OrderKey{Merchant: c.After.Merchant, ID: c.After.ID.String()}
		replayed, err := order.Replay(m.history[key])
		if err != nil {
			return err
		}
		m.orders[key] = replayed
		if m.orders[key].Version != c.After.Version {
			return errors.New("the order's entries do not give its row")
		}
		if m.locks[key] == nil {
			m.locks[key] = make(chan struct{}, 1)
		}
	}
	for _, c := range changes.Links {
		l, err := order.ReplayLink(slices.Concat(c.After.Entries()))
		if err != nil {
			return err
		}
		m.links[store.LinkKey{Merchant: l.Merchant, ID: l.ID}] = l
	}
	for _, r := range changes.Records {
		m.records[r.RecordKey] = r
	}
	m.saveAtPSPs(changes)
	m.saved.Add(1)
	return nil
}

func (m *memory) saveAtPSPs(changes *store.Changes) {
	for _, one := range changes.Messages {
		if before, exists := m.messages[one.MessageKey]; exists {
			before.Outcome, before.AttemptID, before.OrderID = one.Outcome, one.AttemptID, one.OrderID
			one = before
		}
		m.messages[one.MessageKey] = one
	}
	for _, one := range changes.Tasks {
		m.tasks[one.TaskKey] = one
	}
	for _, key := range changes.Done {
		delete(m.tasks, key)
	}
	for _, h := range changes.Handoffs {
		if _, exists := m.handoffs[h.AttemptID]; !exists {
			m.handoffs[h.AttemptID] = h
		}
	}
}

// fits reports whether every insert finds its place free and every update its row as it was loaded.
func (tx *memoryTx) fits(changes *store.Changes) bool {
	for _, c := range changes.Orders {
		now := tx.m.orders[store.OrderKey{Merchant: c.After.Merchant, ID: c.After.ID.String()}]
		if (c.Before == nil) != (now == nil) || now != nil && now.Version != c.Before.Version {
			return false
		}
	}
	for _, r := range changes.Records {
		if _, exists := tx.m.records[r.RecordKey]; exists {
			return false
		}
	}
	return true
}

func (m *memory) append(entries []order.Entry) error {
	for i := range entries {
		bytes, err := entries[i].Encode()
		if err != nil {
			return err
		}
		journal := m.journal[entries[i].Merchant]
		var head order.Hash
		if len(journal) > 0 {
			head = journal[len(journal)-1].Hash
		}
		position := uint64(len(journal) + 1)
		m.journal[entries[i].Merchant] = append(journal, store.StoredEntry{
			Position: position, Bytes: bytes, Hash: head.Next(position, order.Digest(bytes)),
		})
		key := store.OrderKey{Merchant: entries[i].Merchant, ID: entries[i].OrderID}
		m.history[key] = append(m.history[key], entries[i])
	}
	return nil
}

// order returns an order of the merchant "shop" as it is kept, nil if there is none.
func (m *memory) order(id string) *order.Order {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.orders[store.OrderKey{Merchant: "shop", ID: id}]
}

// types lists the merchant's journal: "A order.created".
func (m *memory) types(t *testing.T, merchant string) []string {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	var types []string
	for _, stored := range m.journal[merchant] {
		e, err := order.Decode(stored.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, fmt.Sprint(e.OrderID, " ", e.Type))
	}
	return types
}
