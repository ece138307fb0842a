package main

import (
	"errors"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the messages that subscribers look into; a test compares them with the schema.
const (
	fieldEvents, fieldHeartbeat, fieldReset = 1, 2, 3 // of StreamOrderEventsResponse
	fieldEvent                              = 1       // of OrderEventBatch
	fieldPosition, fieldOccurred            = 2, 7    // of OrderEvent
	fieldSeconds, fieldNanos                = 1, 2    // of Timestamp
)

var errMessage = errors.New("a message that cannot be read")

// message looks into one StreamOrderEventsResponse, for as little as is measured, and counts its events.
func (w *watcher) message(s *subscription, message []byte, now time.Time) (int, error) {
	events := 0
	err := fields(message, func(field int, value []byte, _ uint64) error {
		switch field {
		case fieldReset:
			return errors.New("a stream was reset")
		case fieldHeartbeat:
			if !s.ready {
				s.ready = true
				w.ready.Add(1)
			}
		case fieldEvents:
			return fields(value, func(field int, value []byte, _ uint64) error {
				if field != fieldEvent || value == nil {
					return nil
				}
				events++
				return w.event(s, value, now)
			})
		}
		return nil
	})
	return events, err
}

func (w *watcher) event(s *subscription, event []byte, now time.Time) error {
	var position, seconds, nanos uint64
	err := fields(event, func(field int, value []byte, number uint64) error {
		switch field {
		case fieldPosition:
			position = number
		case fieldOccurred:
			return fields(value, func(field int, _ []byte, number uint64) error {
				switch field {
				case fieldSeconds:
					seconds = number
				case fieldNanos:
					nanos = number
				}
				return nil
			})
		}
		return nil
	})
	if s.last != 0 && position != s.last+1 {
		w.gaps++
	}
	s.last = position
	if occurred := time.Unix(int64(seconds), int64(nanos)); occurred.UnixNano() >= w.from.Load() {
		w.latency.add(now.Sub(occurred))
	}
	return err
}

// fields calls visit for each field of a message: with its bytes, or with its number.
func fields(message []byte, visit func(field int, value []byte, number uint64) error) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errMessage
		}
		message = message[n:]
		var value []byte
		var number uint64
		if kind == protowire.VarintType {
			number, n = protowire.ConsumeVarint(message)
		} else if value, n = protowire.ConsumeBytes(message); kind != protowire.BytesType {
			n, value = protowire.ConsumeFieldValue(field, kind, message), nil
		}
		if n < 0 {
			return errMessage
		}
		message = message[n:]
		if err := visit(int(field), value, number); err != nil {
			return err
		}
	}
	return nil
}
