package api

import (
	"context"
	"strings"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/stream"
)

// event is one order event, made once per process and shared by everyone who gets it. It never changes.
type event struct {
	message *kvitv1.OrderEvent
	// wire is the event as OrderEventBatch has it.
	wire []byte
}

// messageSize is about what an event's message takes beside its wire, in bytes.
const messageSize = 1 << 10

// source reads journals for the hub.
type source struct{ journal Journal }

// Head implements stream.Source.
func (s source) Head(ctx context.Context, merchant string) (uint64, error) {
	place, err := s.journal.Head(ctx, merchant)
	return place.Position, err
}

// Read implements stream.Source.
func (s source) Read(ctx context.Context, merchant string, after uint64, limit int) ([]stream.Item[*event], error) {
	events, err := s.journal.Events(ctx, merchant, after, limit)
	return itemsOf(events), err
}

func itemsOf(events []payment.Event) []stream.Item[*event] {
	items := make([]stream.Item[*event], len(events))
	for i := range events {
		message := eventMessage(&events[i])
		wire := appendEvent(nil, message)
		items[i] = stream.Item[*event]{
			Position: events[i].Position, Value: &event{message, wire}, Size: len(wire) + messageSize,
		}
	}
	return items
}

// filter is what a reader wants to see. Nil lets everything through.
type filter struct {
	orders map[string]bool
	// types are whole types; prefixes end in a dot.
	types    map[string]bool
	prefixes []string
	// stored is the same for the store.
	stored store.EntryFilter
}

// newFilter reads the filters of a request: "order.paid" is a type, "order.*" all types with that prefix.
func newFilter(orderIDs, types []string) *filter {
	if len(orderIDs) == 0 && len(types) == 0 {
		return nil
	}
	f := &filter{orders: map[string]bool{}, types: map[string]bool{}, stored: store.EntryFilter{OrderIDs: orderIDs}}
	for _, id := range orderIDs {
		f.orders[id] = true
	}
	for _, name := range types {
		if prefix, all := strings.CutSuffix(name, "*"); all {
			f.prefixes = append(f.prefixes, prefix)
			f.stored.Types = append(f.stored.Types, prefix)
		} else {
			f.types[name] = true
			f.stored.Types = append(f.stored.Types, name)
		}
	}
	return f
}

// pass returns the items that the reader wants to see. What it is given stays as it is.
func (f *filter) pass(items []stream.Item[*event]) []stream.Item[*event] {
	if f == nil {
		return items
	}
	var wanted []stream.Item[*event]
	for i := range items {
		if f.wants(items[i].Value.message) {
			wanted = append(wanted, items[i])
		}
	}
	return wanted
}

func (f *filter) wants(e *kvitv1.OrderEvent) bool {
	if len(f.orders) > 0 && !f.orders[e.GetOrderId()] {
		return false
	}
	if len(f.stored.Types) == 0 || f.types[e.GetType()] {
		return true
	}
	for _, prefix := range f.prefixes {
		if strings.HasPrefix(e.GetType(), prefix) {
			return true
		}
	}
	return false
}

// reader follows one journal for one caller: from the shared ring where it can, from the store where
// it fell behind (S2).
type reader struct {
	journal    Journal
	who        payment.Caller
	filter     *filter
	subscriber *stream.Subscriber[*event]
	// position and cursor are the place up to which everything was looked at.
	position uint64
	cursor   string
}

// begin is where a request wants to start (S1). Validation has seen to it that one is said.
func begin(cursor string, from kvitv1.StreamFrom) payment.From {
	return payment.From{
		Cursor: cursor, Beginning: from == kvitv1.StreamFrom_STREAM_FROM_BEGINNING, Now: from == kvitv1.StreamFrom_STREAM_FROM_NOW,
	}
}

// next waits until there is something new and returns what of it passes the filter, at most limit;
// none where nothing of it passed. It waits as long as wait, and reads as long as ctx. The reset is why
// the reader's cursor does not belong to this journal any more (J6).
func (r *reader) next(ctx, wait context.Context, limit int) ([]stream.Item[*event], payment.ResetReason, error) {
	items, behind, err := r.subscriber.Next(wait, r.position, limit)
	switch {
	case err != nil:
		return nil, "", err
	case behind:
		place, reset, err := r.journal.OpenJournal(ctx, r.who, payment.From{Cursor: r.cursor})
		if err != nil || reset != "" {
			return nil, reset, err
		}
		r.stand(place)
		items, err = r.page(ctx, limit)
		return items, "", err
	}
	last := items[len(items)-1].Value.message
	r.position, r.cursor = last.GetPosition(), last.GetCursor()
	return r.filter.pass(items), "", nil
}

// page reads from the store what follows the reader's place.
func (r *reader) page(ctx context.Context, limit int) ([]stream.Item[*event], error) {
	if r.filter == nil {
		events, err := r.journal.Events(ctx, r.who.Merchant, r.position, limit)
		if err != nil || len(events) == 0 {
			return nil, err
		}
		last := &events[len(events)-1]
		r.stand(payment.Place{Position: last.Position, Cursor: last.Cursor})
		return itemsOf(events), nil
	}
	head, err := r.journal.Head(ctx, r.who.Merchant)
	if err != nil || head.Position <= r.position {
		return nil, err
	}
	events, place, err := r.journal.FilteredEvents(ctx, r.who.Merchant, r.filter.stored, r.position, head.Position, limit)
	if err != nil {
		return nil, err
	}
	r.stand(place)
	return itemsOf(events), nil
}

func (r *reader) stand(place payment.Place) {
	r.position, r.cursor = place.Position, place.Cursor.String()
}

func messagesOf(items []stream.Item[*event]) []*kvitv1.OrderEvent {
	messages := make([]*kvitv1.OrderEvent, len(items))
	for i := range items {
		messages[i] = items[i].Value.message
	}
	return messages
}
