package api

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// strictJSON is the JSON codec. A field that is not known is refused and not passed over: a misspelt
// capture_mode would take money that was only to be held. Connect answers with a code and the field's
// name, and no detail.
type strictJSON struct{ name string }

// Name implements connect.Codec.
func (c strictJSON) Name() string { return c.name }

// IsBinary tells Connect that messages are text.
func (strictJSON) IsBinary() bool { return false }

// Marshal implements connect.Codec.
func (c strictJSON) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

// MarshalStable is what Connect makes addresses of idempotent reads from.
func (c strictJSON) MarshalStable(message any) ([]byte, error) { return c.Marshal(message) }

// MarshalAppend is found by Connect beside the methods of connect.Codec.
func (strictJSON) MarshalAppend(b []byte, message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("a %T is no message", message)
	}
	return protojson.MarshalOptions{}.MarshalAppend(b, m)
}

// Unmarshal implements connect.Codec.
func (strictJSON) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("a %T is no message", message)
	}
	if len(data) == 0 {
		return errors.New("an empty body is no JSON object")
	}
	return protojson.Unmarshal(data, m)
}
