package storetest

import (
	"testing"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

func reloadGivesEveryField(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := wish{
		merchant: "demo", id: "A-1", live: true,
		customer: order.Customer{CustomerID: "c-1", ViberBot: "bot", ViberUserID: "u-1"},
		details:  order.Details{Description: "Lesson", Name: "Anahit", Metadata: map[string]string{"a": "b"}},
	}
	tx := m.begin(keysOf(w))
	changes := m.changesFor(tx.Snapshot().Now, w)
	if err := tx.Save(m.ctx, changes); err != nil {
		t.Fatal(err)
	}
	snap := m.load(keysOf(w))
	if diff := same(changes.Orders[0].After, snap.Orders[store.OrderKey{Merchant: "demo", ID: "A-1"}]); diff != "" {
		t.Error(diff)
	}
	if diff := same(changes.Links[0].After, snap.Links[store.LinkKey{Merchant: "demo", ID: changes.Links[0].After.ID}]); diff != "" {
		t.Error(diff)
	}
	read, err := s.Order(m.ctx, store.OrderKey{Merchant: "demo", ID: "A-1"})
	if err != nil {
		t.Fatal(err)
	}
	want := changes.Orders[0].After.Clone()
	want.Details = &w.details
	if diff := same(want, read.Order); diff != "" {
		t.Error(diff)
	}
	if read.Link == nil || read.Link.ID != want.LinkID {
		t.Errorf("link %+v", read.Link)
	}
}
