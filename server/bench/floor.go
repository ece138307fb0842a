package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
)

const (
	// channelSize is the buffer of a subscriber in the obvious design.
	channelSize = 256
	pathPublish = "/publish"
	pathPage    = "/page"
	// compressMin is the server's own: answers below it are sent as they are.
	compressMin = 4096
	// tick is how often the floor looks which events are due.
	tick = time.Millisecond
)

// floorSpec is what the floor's server answers with: encoded messages that a real server sent.
type floorSpec struct {
	Created []byte
	// Batch is a StreamOrderEventsResponse; its events are published in turn.
	Batch []byte
	// Page is a payer's page.
	Page []byte
}

// floor is the least server that speaks the same messages: CreatePaymentLink and the
// payer's page do nothing, and StreamOrderEvents is the obvious design, a channel and a Send per subscriber and event.
type floor struct {
	kvitv1connect.UnimplementedPaymentServiceHandler

	created *kvitv1.CreatePaymentLinkResponse
	events  []*kvitv1.OrderEvent

	mu          sync.Mutex
	subscribers map[chan *kvitv1.StreamOrderEventsResponse]struct{}
	position    uint64
}

// serveFloor serves until ctx ends. ready hears the address.
func serveFloor(ctx context.Context, spec floorSpec, ready func(address string) error) error {
	f := &floor{created: &kvitv1.CreatePaymentLinkResponse{}, subscribers: map[chan *kvitv1.StreamOrderEventsResponse]struct{}{}}
	batch := &kvitv1.StreamOrderEventsResponse{}
	if err := errors.Join(proto.Unmarshal(spec.Created, f.created), proto.Unmarshal(spec.Batch, batch)); err != nil {
		return fmt.Errorf("read what to answer: %w", err)
	}
	f.events = batch.GetEvents().GetEvents()
	mux := http.NewServeMux()
	mux.Handle(kvitv1connect.NewPaymentServiceHandler(f, connect.WithCompressMinBytes(compressMin)))
	mux.HandleFunc("POST "+pathPublish, f.servePublish)
	mux.HandleFunc("GET "+pathPage, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(spec.Page)
	})
	server := &http.Server{Handler: mux, Protocols: &http.Protocols{}, ReadHeaderTimeout: time.Minute}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := ready(listener.Addr().String()); err != nil {
		return err
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// CreatePaymentLink answers the same to everybody.
func (f *floor) CreatePaymentLink(context.Context, *kvitv1.CreatePaymentLinkRequest) (*kvitv1.CreatePaymentLinkResponse, error) {
	return f.created, nil
}

// StreamOrderEvents sends what comes out of the subscriber's channel.
func (f *floor) StreamOrderEvents(
	ctx context.Context, _ *kvitv1.StreamOrderEventsRequest, stream *connect.ServerStream[kvitv1.StreamOrderEventsResponse],
) error {
	channel := make(chan *kvitv1.StreamOrderEventsResponse, channelSize)
	f.mu.Lock()
	f.subscribers[channel] = struct{}{}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.subscribers, channel)
		f.mu.Unlock()
	}()
	heartbeat := &kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Heartbeat{Heartbeat: &kvitv1.StreamHeartbeat{}}}
	if err := stream.Send(heartbeat); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case message := <-channel:
			if err := stream.Send(message); err != nil {
				return err
			}
		}
	}
}

// servePublish publishes at a rate for a time, and answers how many events that were.
func (f *floor) servePublish(w http.ResponseWriter, r *http.Request) {
	rate, err := strconv.Atoi(r.FormValue("rate"))
	span, spanErr := time.ParseDuration(r.FormValue("for"))
	if err = errors.Join(err, spanErr); err != nil || len(f.events) == 0 {
		http.Error(w, fmt.Sprint("rate, for and events: ", err), http.StatusBadRequest)
		return
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	published := 0
	for began := time.Now(); published < int(span.Seconds()*float64(rate)); <-ticker.C {
		due := min(time.Since(began), span).Seconds() * float64(rate)
		for published < int(due) {
			f.publish(published)
			published++
		}
		if r.Context().Err() != nil {
			return
		}
	}
	_, _ = io.WriteString(w, strconv.Itoa(published))
}

// publish hands one event to every subscriber. Whose channel is full does not get it.
func (f *floor) publish(i int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.position++
	event := proto.CloneOf(f.events[i%len(f.events)])
	event.Position, event.OccurredAt = f.position, timestamppb.Now()
	message := &kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Events{
		Events: &kvitv1.OrderEventBatch{Events: []*kvitv1.OrderEvent{event}, ScannedTo: f.position},
	}}
	for channel := range f.subscribers {
		select {
		case channel <- message:
		default:
		}
	}
}
