package writer_test

import (
	"encoding/json"
	"testing"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// checkJournal reads a merchant's whole journal and checks positions (J2), chain (J3) and that the
// entries of every order give its row (O3). It returns the journal.
func checkJournal(t *testing.T, s store.Store, merchant string) []order.Entry {
	t.Helper()
	var entries []order.Entry
	var head order.Hash
	byOrder := map[string][]order.Entry{}
	for {
		page, err := s.Entries(t.Context(), merchant, uint64(len(entries)), 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, stored := range page {
			position := uint64(len(entries)) + 1
			if stored.Position != position {
				t.Fatalf("%s: position %d where %d is due", merchant, stored.Position, position)
			}
			if head = head.Next(position, order.Digest(stored.Bytes)); stored.Hash != head {
				t.Fatalf("%s: the chain breaks at %d", merchant, position)
			}
			e, err := order.Decode(stored.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			entries = append(entries, e)
			if e.View != nil {
				byOrder[e.OrderID] = append(byOrder[e.OrderID], e)
			}
		}
	}
	position, kept, err := s.Head(t.Context(), merchant)
	if err != nil || position != uint64(len(entries)) || kept != head {
		t.Errorf("%s: the head is %d %x, the journal ends at %d %x (%v)", merchant, position, kept, len(entries), head, err)
	}
	for id, history := range byOrder {
		read, err := s.Order(t.Context(), store.OrderKey{Merchant: merchant, ID: id})
		if err != nil {
			t.Errorf("%s: order %s is in the journal alone: %v", merchant, id, err)
			continue
		}
		replayed, err := order.Replay(history)
		if err != nil {
			t.Errorf("%s: order %s: %v", merchant, id, err)
			continue
		}
		if got, want := rowOf(t, read.Order), rowOf(t, replayed); got != want {
			t.Errorf("%s: order %s is\n%s\nits entries give\n%s", merchant, id, got, want)
		}
	}
	return entries
}

// rowOf writes what of an order follows from its entries.
func rowOf(t *testing.T, o *order.Order) string {
	t.Helper()
	text, err := json.Marshal([]any{
		o.ID.String(), o.View(), o.Version, o.Resume, o.SettledBy, o.DetailsID, o.CreatedAt.UTC(), o.UpdatedAt.UTC(), len(o.Attempts),
		len(o.Payments), len(o.Refunds), len(o.Exceptions),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
