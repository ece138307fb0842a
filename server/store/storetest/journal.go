package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

func journalReads(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	var wishes []wish
	for i := range 10 {
		wishes = append(wishes, wish{merchant: "demo", id: fmt.Sprintf("J-%d", i)})
	}
	made := m.create(wishes...)
	if got := m.verify("demo"); got != 20 {
		t.Fatalf("%d entries", got)
	}
	m.mustBe(made.Entries[5:12], 5)
	story, err := s.OrderEntries(m.ctx(), wishes[3].orderKey())
	if err != nil || len(story) != 2 || story[0].Position != 7 || story[1].Position != 8 {
		t.Errorf("the story of one order: %v (%v)", story, err)
	}
}

// mustBe reads entries after a position and compares: verbatim, and in the order of decisions.
func (m *maker) mustBe(want []order.Entry, after uint64) {
	m.t.Helper()
	entries, err := m.s.Entries(m.ctx(), "demo", after, len(want))
	if err != nil || len(entries) != len(want) {
		m.t.Fatalf("%d entries after %d (%v)", len(entries), after, err)
	}
	for i, e := range entries {
		stored, err := want[i].Encode()
		if err != nil {
			m.t.Fatal(err)
		}
		if !bytes.Equal(e.Bytes, stored) || e.Position != after+1+uint64(i) {
			m.t.Fatalf("entry %d is %s, want %s", e.Position, e.Bytes, stored)
		}
		if hash, err := m.s.HashAt(m.ctx(), "demo", e.Position); err != nil || hash != e.Hash {
			m.t.Fatalf("hash at %d: %x (%v)", e.Position, hash, err)
		}
	}
}

func journalEnds(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	if position, hash, err := s.Head(m.ctx(), "demo"); err != nil || position != 0 || hash != (order.Hash{}) {
		t.Errorf("the head of an empty journal: %d %x (%v)", position, hash, err)
	}
	m.create(wish{merchant: "demo", id: "A"})
	if hash, err := s.HashAt(m.ctx(), "demo", 0); err != nil || hash != (order.Hash{}) {
		t.Errorf("hash at 0: %x (%v)", hash, err)
	}
	if _, err := s.HashAt(m.ctx(), "demo", 3); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("hash beyond the end: %v", err)
	}
	if rest, err := s.Entries(m.ctx(), "demo", 2, 7); err != nil || len(rest) != 0 {
		t.Errorf("beyond the end: %v (%v)", rest, err)
	}
}

func journalFiltered(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	m.create(wish{merchant: "demo", id: "A"}, wish{merchant: "demo", id: "B"}, wish{merchant: "demo", id: "C"}) // 1 to 6.
	for _, id := range []string{"A", "B"} {
		m.change(store.OrderKey{Merchant: "demo", ID: id}, start("att_"+id, "a")) // 7 8, 9 10.
	}
	for name, test := range map[string]struct {
		filter    store.EntryFilter
		after, to uint64
		limit     int
		want      []uint64
		scanned   uint64
	}{
		"everything":        {store.EntryFilter{}, 0, 10, 99, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 10},
		"a window":          {store.EntryFilter{}, 2, 5, 99, []uint64{3, 4, 5}, 5},
		"a type":            {store.EntryFilter{Types: []string{"link.created"}}, 0, 10, 99, []uint64{2, 4, 6}, 10},
		"a prefix":          {store.EntryFilter{Types: []string{"order."}}, 0, 10, 99, []uint64{1, 3, 5, 8, 10}, 10},
		"prefix and type":   {store.EntryFilter{Types: []string{"attempt.", "link.created"}}, 3, 10, 99, []uint64{4, 6, 7, 9}, 10},
		"no part of a word": {store.EntryFilter{Types: []string{"ord.", "link"}}, 0, 10, 99, nil, 10},
		"an order":          {store.EntryFilter{OrderIDs: []string{"A"}}, 0, 10, 99, []uint64{1, 2, 7, 8}, 10},
		"two orders":        {store.EntryFilter{OrderIDs: []string{"B", "A"}}, 1, 9, 99, []uint64{2, 3, 4, 7, 8, 9}, 9},
		"order and type":    {store.EntryFilter{OrderIDs: []string{"A", "B"}, Types: []string{"attempt.started"}}, 0, 10, 99, []uint64{7, 9}, 10},
		"limited":           {store.EntryFilter{Types: []string{"order."}}, 0, 10, 2, []uint64{1, 3}, 3},
		"limited by order":  {store.EntryFilter{OrderIDs: []string{"A", "B"}}, 0, 10, 5, []uint64{1, 2, 3, 4, 7}, 7},
		"beyond the end":    {store.EntryFilter{Types: []string{"link."}}, 5, 1000, 99, []uint64{6}, 10},
		"nothing to see":    {store.EntryFilter{OrderIDs: []string{"Z"}}, 4, 8, 99, nil, 8},
		"nothing left":      {store.EntryFilter{OrderIDs: []string{"A"}}, 10, 10, 99, nil, 10},
	} {
		entries, scanned, err := s.Filtered(m.ctx(), "demo", test.filter, test.after, test.to, test.limit)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []uint64
		for _, e := range entries {
			got = append(got, e.Position)
			if e.Hash == (order.Hash{}) || len(e.Bytes) == 0 {
				t.Errorf("%s: entry %d is empty", name, e.Position)
			}
		}
		if !slices.Equal(got, test.want) || scanned != test.scanned {
			t.Errorf("%s: %v up to %d, want %v up to %d", name, got, scanned, test.want, test.scanned)
		}
	}
}

func textsFit(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := lesson("demo", "A")
	made := m.create(w)
	cancelled := m.change(w.orderKey(), (*order.Order).Cancel)
	entries := append(slices.Clone(made.Entries), cancelled.Entries()...)
	var ids []string
	for i := range entries {
		ids = append(ids, entries[i].ID)
	}
	texts, err := s.Texts(m.ctx(), "demo", append(ids, "evt_none"))
	if err != nil {
		t.Fatal(err)
	}
	if len(texts) != 2 {
		t.Errorf("%d texts, want those of order.created and order.cancelled", len(texts))
	}
	for i := range entries {
		e := &entries[i]
		text, found := texts[e.ID]
		if found != (e.TextHash != "") || found && (!e.TextFits(text) || !bytes.Equal(text, e.Private)) {
			t.Errorf("the text of %s: %q", e.Type, text)
		}
	}
	if none, err := s.Texts(m.ctx(), "demo", nil); err != nil || len(none) != 0 {
		t.Errorf("no ids: %v (%v)", none, err)
	}
}

// keep saves records alone.
func (m *maker) keep(records ...store.Record) {
	m.t.Helper()
	var keys store.Keys
	for _, r := range records {
		keys.Records = append(keys.Records, r.RecordKey)
	}
	if err := m.begin(keys).Save(m.ctx(), &store.Changes{Records: records}); err != nil {
		m.t.Fatal(err)
	}
}

func recordsFound(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	var records []store.Record
	for i := range 40 {
		records = append(records, store.Record{
			RecordKey:   store.RecordKey{Merchant: "demo", Method: "CreatePaymentLink", Key: fmt.Sprintf("key %d", i)},
			Fingerprint: fmt.Append(nil, "print ", i), Result: fmt.Append(nil, "result ", i),
		})
	}
	before, err := s.Now(m.ctx())
	if err != nil {
		t.Fatal(err)
	}
	m.keep(records...)
	snap := m.load(store.Keys{Records: []store.RecordKey{records[0].RecordKey}})
	matches := func(got, want store.Record) bool {
		return bytes.Equal(got.Result, want.Result) && bytes.Equal(got.Fingerprint, want.Fingerprint) &&
			got.RecordKey == want.RecordKey && !got.CreatedAt.Before(before)
	}
	if got := snap.Records[records[0].RecordKey]; !matches(got, records[0]) {
		t.Errorf("loaded %+v", got)
	}
	var group sync.WaitGroup
	for i := range 300 {
		want := records[i%len(records)]
		group.Go(func() {
			if got, err := s.Recorded(m.ctx(), want.RecordKey); err != nil || !matches(got, want) {
				t.Errorf("found %+v (%v), want %+v", got, err, want)
			}
		})
		other := want.RecordKey
		other.Method = "Other"
		group.Go(func() {
			if got, err := s.Recorded(m.ctx(), other); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("found %+v (%v) under another method", got, err)
			}
		})
	}
	group.Wait()
}

func recordsForgotten(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	var keys []store.RecordKey
	for i := range 5 {
		key := store.RecordKey{Merchant: "demo", Method: "m", Key: strconv.Itoa(i)}
		keys = append(keys, key)
		m.keep(store.Record{RecordKey: key, Fingerprint: []byte("f"), Result: []byte("r")})
	}
	forget := func(olderThan time.Time, limit, want int) {
		t.Helper()
		if n, err := s.ForgetRecords(m.ctx(), olderThan, limit); err != nil || n != want {
			t.Errorf("forgot %d (%v), want %d", n, err, want)
		}
	}
	third, err := s.Recorded(m.ctx(), keys[2])
	if err != nil {
		t.Fatal(err)
	}
	forget(third.CreatedAt.Add(-time.Hour), 100, 0)
	forget(third.CreatedAt, 1, 1)
	forget(third.CreatedAt, 100, 1)
	for i, key := range keys {
		if _, err := s.Recorded(m.ctx(), key); (err == nil) != (i >= 2) {
			t.Errorf("record %d: %v", i, err)
		}
	}
}
