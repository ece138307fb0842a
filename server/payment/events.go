package payment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// Event is a journal entry as the outside sees it, with the cursor after it (J2, J6).
type Event struct {
	order.Entry
	Cursor order.Cursor
}

// Place is where a reader stands in the journal: the position up to which it has seen everything.
type Place struct {
	Position uint64
	Cursor   order.Cursor
}

// ResetReason says why a cursor cannot be served (J6).
type ResetReason string

// The reasons of a reset.
const (
	// ResetOtherHistory: the journal has another hash at the cursor's position.
	ResetOtherHistory ResetReason = "OTHER_HISTORY"
	// ResetAhead: the journal does not reach the cursor's position.
	ResetAhead ResetReason = "AHEAD_OF_JOURNAL"
)

// From says where a reader begins. One of the three is set.
type From struct {
	Cursor    string
	Beginning bool
	Now       bool
}

// OpenJournal finds the place where a reader begins (S1). A cursor of another history, or one that is
// ahead of the journal, is a reset: nothing is skipped silently (J6). The fault of a cursor that
// cannot be read is Invalid, CURSOR_INVALID.
func (s *Service) OpenJournal(ctx context.Context, caller Caller, from From) (Place, ResetReason, error) {
	switch {
	case from.Beginning:
		return Place{}, "", nil
	case from.Now:
		position, hash, err := s.store.Head(ctx, caller.Merchant)
		if err != nil {
			return Place{}, "", away(err)
		}
		return Place{Position: position, Cursor: order.CursorAt(position, hash)}, "", nil
	}
	cursor, err := order.ParseCursor(from.Cursor)
	if err != nil {
		return Place{}, "", err
	}
	hash, err := s.store.HashAt(ctx, caller.Merchant, cursor.Position())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Place{}, ResetAhead, nil
	case err != nil:
		return Place{}, "", away(err)
	case !cursor.Fits(hash):
		return Place{}, ResetOtherHistory, nil
	}
	return Place{Position: cursor.Position(), Cursor: cursor}, "", nil
}

// Events reads up to limit entries after a position, without a gap.
func (s *Service) Events(ctx context.Context, merchant string, after uint64, limit int) ([]Event, error) {
	stored, err := s.store.Entries(ctx, merchant, after, limit)
	if err != nil {
		return nil, away(err)
	}
	return decode(stored)
}

// FilteredEvents reads entries that pass, after a position and no further than `to`, and says how far
// it looked: up to there nothing else passes.
func (s *Service) FilteredEvents(ctx context.Context, merchant string, filter store.EntryFilter, after, to uint64, limit int) ([]Event, Place, error) {
	stored, scanned, err := s.store.Filtered(ctx, merchant, filter, after, to, limit)
	if err != nil {
		return nil, Place{}, away(err)
	}
	events, err := decode(stored)
	if err != nil {
		return nil, Place{}, err
	}
	hash, err := s.store.HashAt(ctx, merchant, scanned)
	if err != nil {
		return nil, Place{}, away(err)
	}
	return events, Place{Position: scanned, Cursor: order.CursorAt(scanned, hash)}, nil
}

// Head is the end of the merchant's journal.
func (s *Service) Head(ctx context.Context, merchant string) (Place, error) {
	position, hash, err := s.store.Head(ctx, merchant)
	if err != nil {
		return Place{}, away(err)
	}
	return Place{Position: position, Cursor: order.CursorAt(position, hash)}, nil
}

func decode(stored []store.StoredEntry) ([]Event, error) {
	events := make([]Event, len(stored))
	for i := range stored {
		entry, err := order.Decode(stored[i].Bytes)
		if err != nil {
			return nil, fmt.Errorf("entry at position %d: %w", stored[i].Position, err)
		}
		entry.Position = stored[i].Position
		events[i] = Event{Entry: entry, Cursor: order.CursorAt(stored[i].Position, stored[i].Hash)}
	}
	return events, nil
}

// jsonOf is for values that JSON can always write.
func jsonOf(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	return text
}
