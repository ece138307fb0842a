package api

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/stream"
)

// Numbers of the fields that frameCodec writes itself, as in the proto.
const (
	responseEventsField = 1 // StreamOrderEventsResponse.events
	batchEventsField    = 1 // OrderEventBatch.events
	batchScannedField   = 2 // OrderEventBatch.scanned_to
)

// frame is a StreamOrderEventsResponse with events, on its way to one subscriber. Each event was encoded
// once, for all of them; encoding the frame is copying.
type frame struct {
	items     []stream.Item[*event]
	scannedTo uint64
}

// message is the frame for codecs that do not know it.
func (f *frame) message() *kvitv1.StreamOrderEventsResponse {
	return &kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Events{
		Events: &kvitv1.OrderEventBatch{Events: messagesOf(f.items), ScannedTo: f.scannedTo},
	}}
}

// appendTo appends the frame as the proto has it.
func (f *frame) appendTo(b []byte) []byte {
	size := protowire.SizeTag(batchScannedField) + protowire.SizeVarint(f.scannedTo)
	for i := range f.items {
		size += len(f.items[i].Value.wire)
	}
	b = protowire.AppendTag(b, responseEventsField, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size)) //nolint:gosec // A length.
	for i := range f.items {
		b = append(b, f.items[i].Value.wire...)
	}
	b = protowire.AppendTag(b, batchScannedField, protowire.VarintType)
	return protowire.AppendVarint(b, f.scannedTo)
}

// appendEvent appends an event as OrderEventBatch has it.
func appendEvent(b []byte, e *kvitv1.OrderEvent) []byte {
	b = protowire.AppendTag(b, batchEventsField, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(proto.Size(e))) //nolint:gosec // A length.
	// Text that is not UTF-8 is all that can fail, and JSON has replaced that when the entry was read.
	b, _ = proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, e)
	return b
}

// frameCodec is the binary codec, which knows frames beside messages.
type frameCodec struct{}

// Name implements connect.Codec.
func (frameCodec) Name() string { return "proto" }

// Marshal implements connect.Codec.
func (c frameCodec) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

// MarshalAppend is found by Connect beside the methods of connect.Codec.
func (frameCodec) MarshalAppend(b []byte, message any) ([]byte, error) {
	switch m := message.(type) {
	case *frame:
		return m.appendTo(b), nil
	case proto.Message:
		return proto.MarshalOptions{}.MarshalAppend(b, m)
	}
	return nil, fmt.Errorf("a %T is no message", message)
}

// Unmarshal implements connect.Codec.
func (frameCodec) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return errors.New("no message to read into")
	}
	return proto.Unmarshal(data, m)
}

// knowsFrames reports whether the caller's answers are written by frameCodec.
func knowsFrames(ctx context.Context) bool {
	info, ok := connect.CallInfoForHandlerContext(ctx)
	return ok && !strings.Contains(info.RequestHeader().Get("Content-Type"), "json")
}
