package kvit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
)

// network is one address in memory. Whoever dials it reaches the server that is up, so that a test in a synctest bubble has
// real HTTP without real time.
type network struct {
	mu     sync.Mutex
	server *http.Server
	conns  chan net.Conn
	done   chan struct{}
	dials  []time.Time
}

// up starts a server at the address.
func (n *network) up(t *testing.T, handler kvitv1connect.PaymentServiceHandler) {
	t.Helper()

	mux := http.NewServeMux()
	mux.Handle(kvitv1connect.NewPaymentServiceHandler(handler))
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: mux, Protocols: protocols, ErrorLog: log.New(io.Discard, "", 0)}
	listener := &listener{network: n, conns: make(chan net.Conn), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.server, n.conns, n.done = server, listener.conns, listener.done
	go func() { _ = server.Serve(listener) }()
}

// down kills the server: every connection breaks, and dialing is refused.
func (n *network) down() {
	n.mu.Lock()
	server := n.server
	n.server, n.conns = nil, nil
	n.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
}

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	conns, done := n.conns, n.done
	n.dials = append(n.dials, time.Now())
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "mem", Err: syscall.ECONNREFUSED}
	if conns == nil {
		return nil, refused
	}
	here, there := net.Pipe()
	select {
	case conns <- there:
		return here, nil
	case <-done:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// client reaches the network with h2c, as the streams of kvit.New do.
func (n *network) client(t *testing.T) *kvit.Client {
	t.Helper()

	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{DialContext: n.dial, Protocols: protocols}
	t.Cleanup(func() { transport.CloseIdleConnections(); n.down() })
	client, err := kvit.New("http://kvit.test", "kvit_test_key", kvit.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

type listener struct {
	*network

	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "mem"} }

// journal is what the fake server tells: events 1, 2, 3 ... whose cursors are "at-1", "at-2" ...
type journal struct {
	mu     sync.Mutex
	length uint64
	grown  chan struct{}
}

func newJournal(length uint64) *journal {
	return &journal{length: length, grown: make(chan struct{})}
}

func (j *journal) grow() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.length++
	close(j.grown)
	j.grown = make(chan struct{})
}

func (j *journal) head() (uint64, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.length, j.grown
}

func cursor(position uint64) string { return "at-" + strconv.FormatUint(position, 10) }

// place is the position of a start.
func (j *journal) place(from kvitv1.StreamFrom, text string) (uint64, error) {
	if text != "" {
		position, err := strconv.ParseUint(strings.TrimPrefix(text, "at-"), 10, 64)
		if err != nil {
			return 0, connect.NewError(connect.CodeInvalidArgument, errors.New("no cursor"))
		}
		return position, nil
	}
	if from == kvitv1.StreamFrom_STREAM_FROM_NOW {
		head, _ := j.head()
		return head, nil
	}
	return 0, nil
}

func event(position uint64) *kvitv1.OrderEvent {
	return &kvitv1.OrderEvent{
		Id: fmt.Sprintf("evt_%d", position), Position: position, Cursor: cursor(position), Type: "order.created",
		OrderId: fmt.Sprintf("A-%d", position),
	}
}

func events(from, to uint64) []*kvitv1.OrderEvent {
	var out []*kvitv1.OrderEvent
	for position := from; position <= to; position++ {
		out = append(out, event(position))
	}
	return out
}

// stream is the server's end of one stream.
type stream struct {
	*connect.ServerStream[kvitv1.StreamOrderEventsResponse]

	after uint64
}

func (s stream) batch(scannedTo uint64, events ...*kvitv1.OrderEvent) error {
	return s.Send(&kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Events{
		Events: &kvitv1.OrderEventBatch{Events: events, ScannedTo: scannedTo},
	}})
}

// tell sends events without a gap.
func (s stream) tell(from, to uint64) error { return s.batch(to, events(from, to)...) }

func (s stream) beat(position uint64) error { return s.end(position, 0) }

func (s stream) end(position uint64, why kvitv1.ClosingReason) error {
	return s.Send(&kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Heartbeat{
		Heartbeat: &kvitv1.StreamHeartbeat{Cursor: cursor(position), Closing: why},
	}})
}

// cut breaks the connection's stream off.
func cut() error { panic(http.ErrAbortHandler) }

// fake is a server whose behaviour a test says.
type fake struct {
	kvitv1connect.UnimplementedPaymentServiceHandler

	journal  *journal
	onStream func(ctx context.Context, number int, s stream) error
	onList   func(ctx context.Context, number int, after uint64, request *kvitv1.ListOrderEventsRequest) (*kvitv1.ListOrderEventsResponse, error)

	mu      sync.Mutex
	streams []*kvitv1.StreamOrderEventsRequest
	lists   []*kvitv1.ListOrderEventsRequest
	at      []time.Time
}

func (f *fake) StreamOrderEvents(
	ctx context.Context, request *kvitv1.StreamOrderEventsRequest, s *connect.ServerStream[kvitv1.StreamOrderEventsResponse],
) error {
	f.mu.Lock()
	f.streams = append(f.streams, request)
	f.at = append(f.at, time.Now())
	number := len(f.streams)
	f.mu.Unlock()
	after, err := f.journal.place(request.GetFrom(), request.GetCursor())
	if err != nil {
		return err
	}
	return f.onStream(ctx, number, stream{ServerStream: s, after: after})
}

func (f *fake) ListOrderEvents(ctx context.Context, request *kvitv1.ListOrderEventsRequest) (*kvitv1.ListOrderEventsResponse, error) {
	f.mu.Lock()
	f.lists = append(f.lists, request)
	number := len(f.lists)
	f.mu.Unlock()
	after, err := f.journal.place(request.GetFrom(), request.GetCursor())
	if err != nil {
		return nil, err
	}
	if f.onList != nil {
		return f.onList(ctx, number, after, request)
	}
	return f.list(ctx, after, request)
}

// list answers as the real server does.
func (f *fake) list(ctx context.Context, after uint64, request *kvitv1.ListOrderEventsRequest) (*kvitv1.ListOrderEventsResponse, error) {
	wait := time.NewTimer(request.GetWait().AsDuration())
	defer wait.Stop()
	for {
		head, grown := f.journal.head()
		if to := min(head, after+uint64(request.GetPageSize())); to > after {
			return &kvitv1.ListOrderEventsResponse{Events: events(after+1, to), NextCursor: cursor(to), ScannedTo: to}, nil
		}
		select {
		case <-grown:
		case <-wait.C:
			return &kvitv1.ListOrderEventsResponse{NextCursor: cursor(after), ScannedTo: after}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// serve answers a stream as the real server does, until the context ends.
func (f *fake) serve(ctx context.Context, s stream) error {
	after := s.after
	if head, _ := f.journal.head(); head == after {
		if err := s.beat(after); err != nil {
			return err
		}
	}
	heartbeat := time.NewTicker(15 * time.Second)
	defer heartbeat.Stop()
	for {
		head, grown := f.journal.head()
		if head > after {
			if err := s.tell(after+1, head); err != nil {
				return err
			}
			after = head
		}
		select {
		case <-grown:
		case <-heartbeat.C:
			if err := s.beat(after); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// seen collects the positions that a handler was given, and ends Follow after the last one wanted.
type seen struct {
	positions []uint64
	until     uint64
}

func (s *seen) handle(_ context.Context, event *kvitv1.OrderEvent) error {
	s.positions = append(s.positions, event.GetPosition())
	if event.GetPosition() == s.until {
		return kvit.ErrStop
	}
	return nil
}

// want checks that the handler saw every position from first to last once, in order.
func (s *seen) want(t *testing.T, first, last uint64) {
	t.Helper()

	for i, position := range s.positions {
		if position != first+uint64(i) {
			t.Fatalf("got positions %v, want %d to %d, each once and in order", s.positions, first, last)
		}
	}
	if uint64(len(s.positions)) != last-first+1 {
		t.Fatalf("got positions %v, want %d to %d", s.positions, first, last)
	}
}
