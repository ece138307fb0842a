package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
)

const (
	// warm is how long a load runs before it is measured.
	warm = 250 * time.Millisecond
	// replaysEach is how many calls every caller repeats in turn.
	replaysEach = 8
	// replayRun marks the orders of the replays in the names of a load; other runs count from runFirst.
	replayRun = 1
	runFirst  = 10
	// complaintsMax is how many lines of the server's log are shown when something fails.
	complaintsMax = 20
)

// stage is a running server with what stands beside it.
type stage struct {
	*workshop

	pg      *postgres
	server  *kvit
	floor   *child
	floorAt string
	seconds int
	// made counts the creates that were answered.
	made int
	// replays and writes are what happened while replays were measured.
	replays int
	writes  int64
}

// open starts the server, and beside it the floor's, which answers with what the server answered once.
func (s *stage) open(ctx context.Context, h house) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.server, err = s.startKvit(ctx, h); err != nil {
		return err
	}
	spec, err := s.example(ctx, h.merchants == filePaying)
	if err != nil {
		return fmt.Errorf("make an example: %w", err)
	}
	if s.floor, err = startChild(ctx, "floor", spec); err != nil {
		return err
	}
	return s.floor.hear(&s.floorAt)
}

func (s *stage) close() error {
	var errs []error
	if s.floor != nil {
		errs = append(errs, s.floor.end())
	}
	if s.server != nil {
		errs = append(errs, s.server.stop())
	}
	s.floor, s.server = nil, nil
	return errors.Join(errs...)
}

// complaints are the last warnings and errors that the server logged, but for those of single calls.
func (s *stage) complaints() string {
	if s.server == nil {
		return ""
	}
	text, err := os.ReadFile(s.server.log.Name())
	if err != nil {
		return err.Error()
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "level=") && !strings.Contains(line, "level=INFO") && !strings.Contains(line, "msg=rpc") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-complaintsMax):], "")
}

// example creates one order and reads its events.
func (s *stage) example(ctx context.Context, paying bool) (floorSpec, error) {
	t, err := newTemplate()
	if err != nil {
		return floorSpec{}, err
	}
	request := &kvitv1.CreatePaymentLinkRequest{}
	if err := proto.Unmarshal(t.body, request); err != nil {
		return floorSpec{}, err
	}
	if paying {
		inHryvnias(request)
	}
	payments := kvitv1connect.NewPaymentServiceClient(http.DefaultClient, "http://"+s.server.public)
	ctx, info := connect.NewClientContext(ctx)
	info.RequestHeader().Set("Authorization", "Bearer "+s.server.apiKeys[merchantsMany-1])
	created, err := payments.CreatePaymentLink(ctx, request)
	if err != nil {
		return floorSpec{}, err
	}
	events, err := payments.ListOrderEvents(ctx, &kvitv1.ListOrderEventsRequest{
		Start:    &kvitv1.ListOrderEventsRequest_From{From: kvitv1.StreamFrom_STREAM_FROM_BEGINNING},
		OrderIds: []string{request.GetOrderId()},
	})
	if err != nil {
		return floorSpec{}, err
	}
	if len(events.GetEvents()) != eventsPerCreate {
		return floorSpec{}, fmt.Errorf("a create writes %d events, not %d", len(events.GetEvents()), eventsPerCreate)
	}
	batch := &kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Events{
		Events: &kvitv1.OrderEventBatch{Events: events.GetEvents()},
	}}
	var spec floorSpec
	spec.Created, err = proto.Marshal(created)
	if err != nil {
		return floorSpec{}, err
	}
	if spec.Batch, err = proto.Marshal(batch); err != nil {
		return floorSpec{}, err
	}
	spec.Page, err = s.payersPage(ctx, created.GetLink().GetUrl())
	return spec, err
}

// call is one load on a server.
type call struct {
	protocol  string
	callers   int
	merchants int
	replay    bool
	floor     bool
}

func (s *stage) load(ctx context.Context, c call) (sample, error) {
	s.runs++
	spec := loadSpec{
		Address: s.server.public, Protocol: c.protocol, Callers: c.callers, APIKeys: s.server.apiKeys[:max(c.merchants, 1)],
		Run: runFirst + s.runs, Warm: warm, For: time.Duration(s.seconds) * time.Second,
	}
	server := s.server.id()
	if c.floor {
		spec.Address, server = s.floorAt, s.floor.id()
	}
	if c.replay {
		spec.Run, spec.Replays = replayRun, replaysEach
	}
	before := cpuOf(server)
	r, err := ask[loadResult](ctx, "load", spec)
	if err != nil {
		return sample{}, err
	}
	if r.Failed > 0 || r.Calls == 0 {
		return sample{}, fmt.Errorf("%d of %d calls failed: %s", r.Failed, r.Failed+r.Made, r.Failure)
	}
	if c.replay && r.Replayed != r.Made {
		return sample{}, fmt.Errorf("%d of %d calls were replayed", r.Replayed, r.Made)
	}
	if !c.replay && !c.floor {
		s.made += r.Made
	}
	made := time.Duration(r.Made)
	return sample{
		Rate: float64(r.Calls) / spec.For.Seconds(), P50: r.P50, P99: r.P99,
		ServerCPU: (cpuOf(server) - before) / made, LoadCPU: r.CPU / made,
	}, nil
}

// replay measures replays, and refuses to if they open write transactions.
func (s *stage) replay(ctx context.Context, c call) (sample, error) {
	c.replay = true
	if s.replays == 0 { // The first time, the calls that are repeated are made.
		spec := loadSpec{
			Address: s.server.public, Protocol: c.protocol, Callers: replayCallersMax, APIKeys: s.server.apiKeys[:1],
			Run: replayRun, Replays: replaysEach,
		}
		if _, err := ask[loadResult](ctx, "load", spec); err != nil {
			return sample{}, err
		}
	}
	const commands = "kvit_writer_commands_total"
	commandsBefore, err := s.server.metric(ctx, commands)
	if err != nil {
		return sample{}, err
	}
	writtenBefore, err := s.pg.written(ctx)
	if err != nil {
		return sample{}, err
	}
	measured, err := s.load(ctx, c)
	if err != nil {
		return sample{}, err
	}
	written, err := s.pg.written(ctx)
	if err != nil {
		return sample{}, err
	}
	commandsAfter, err := s.server.metric(ctx, commands)
	if err == nil && commandsAfter != commandsBefore {
		err = fmt.Errorf("replays were written: %.0f commands reached the writer", commandsAfter-commandsBefore)
	}
	s.replays += int(measured.Rate * float64(s.seconds))
	s.writes += written - writtenBefore
	return measured, err
}

// replayCallersMax is the most callers that replay.
const replayCallersMax = 256

func pgName(script string, clients int) string {
	if script == scriptPG1 {
		return fmt.Sprintf("PG1@%d", clients)
	}
	return fmt.Sprintf("PG7@%d", clients)
}

func createName(c call) string {
	s := "s"
	if c.merchants == 1 {
		s = ""
	}
	return fmt.Sprintf("create %-3s %3d callers %2d merchant%s", c.protocol, c.callers, c.merchants, s)
}

// createGroup is CreatePaymentLink through the whole stack beside pgbench, replays and an empty handler.
func createGroup(w *workshop, pg *postgres, seconds int) *group {
	s := &stage{workshop: w, pg: pg, seconds: seconds}
	g := &group{name: "create", after: s.afterCreates, explain: s.complaints, profiles: profileCreates}
	g.open = func(ctx context.Context) (func() error, error) {
		return s.close, errors.Join(s.open(ctx, house{}), pg.checkpoint(ctx))
	}
	yardstick := func(script string, clients int) {
		g.contestants = append(g.contestants, &contestant{name: pgName(script, clients), run: func(ctx context.Context) (sample, error) {
			return pg.create(ctx, script, clients, seconds)
		}})
	}
	for _, callers := range []int{1, 16, 64, 256} {
		clients := min(callers, 64) // More clients than that make pgbench slower; 64 is the yardstick of 256 too.
		if clients == callers {
			yardstick(scriptPG7, clients)
		}
		for _, protocol := range []string{overH1, overH2} {
			for _, merchants := range []int{1, merchantsMany} {
				if protocol == overH2 && merchants > 1 {
					continue // The protocol does not know merchants; time is short.
				}
				c := call{protocol: protocol, callers: callers, merchants: merchants}
				g.contestants = append(g.contestants, &contestant{
					name: createName(c), of: []string{pgName(scriptPG7, clients), pgName(scriptPG1, clients)}, target: createTarget(c),
					run: func(ctx context.Context) (sample, error) { return s.load(ctx, c) },
				})
			}
		}
		if callers >= 64 {
			s.besides(g, callers)
		}
		if clients == callers {
			yardstick(scriptPG1, clients)
		}
	}
	g.contestants = append(g.contestants, &contestant{
		name: "create h1, one caller's p50", same: createName(call{protocol: overH1, callers: 1, merchants: 1}),
		latencyOf: pgName(scriptPG7, 1), target: 1.6, most: true,
	})
	return g
}

// besides adds replays and the empty handler for a number of callers.
func (s *stage) besides(g *group, callers int) {
	create := createName(call{protocol: overH1, callers: callers, merchants: 1})
	g.contestants = append(g.contestants, &contestant{
		name: fmt.Sprintf("replay h1  %3d callers", callers), of: []string{create}, target: 2,
		run: func(ctx context.Context) (sample, error) {
			return s.replay(ctx, call{protocol: overH1, callers: callers, merchants: 1})
		},
	}, &contestant{
		name: fmt.Sprintf("empty handler h1 %3d callers", callers), of: []string{create},
		run: func(ctx context.Context) (sample, error) {
			return s.load(ctx, call{protocol: overH1, callers: callers, merchants: 1, floor: true})
		},
	})
	if callers > perH2Connection {
		return
	}
	g.contestants = append(g.contestants, &contestant{
		name: fmt.Sprintf("empty handler h2c %3d callers", callers), of: []string{createName(call{protocol: overH2, callers: callers, merchants: 1})},
		run: func(ctx context.Context) (sample, error) {
			return s.load(ctx, call{protocol: overH2, callers: callers, merchants: 1, floor: true})
		},
	})
}

// createTarget is what was promised for creates over HTTP/1.1, as a ratio to PG7; 0 where nothing was.
func createTarget(c call) float64 {
	switch {
	case c.protocol == overH1 && c.callers == 64:
		return 1.4
	case c.protocol == overH1 && c.callers == 256:
		return 2.0
	}
	return 0
}

// afterCreates checks that every answered create is there, and compares the rows.
func (s *stage) afterCreates(ctx context.Context) ([]string, error) {
	var orders int
	if err := s.pg.db.QueryRowContext(ctx, "SELECT count(*) FROM public.orders").Scan(&orders); err != nil {
		return nil, err
	}
	if orders < s.made {
		return nil, fmt.Errorf("%d creates were answered, and %d orders are there", s.made, orders)
	}
	ours, err := s.pg.measure(ctx, "public")
	if err != nil {
		return nil, err
	}
	theirs, err := s.pg.measure(ctx, yardstickSchema)
	if err != nil {
		return nil, err
	}
	settings, err := s.pg.settings(ctx)
	if err != nil {
		return nil, err
	}
	notes := []string{settings, fmt.Sprintf(
		"rows per create: ours %.2f of %.0f bytes in all and one head moved, %d indexes; pgbench's %.2f of %.0f bytes, %d indexes",
		ours.Rows, ours.Bytes, ours.Indexes, theirs.Rows, theirs.Bytes, theirs.Indexes)}
	if s.replays > 0 {
		notes = append(notes, fmt.Sprintf("replays: %s calls, no command reached the writer, %d transactions of the whole database wrote meanwhile",
			thousands(s.replays), s.writes))
	}
	return notes, nil
}

// sqliteGroup is CreatePaymentLink of a server with nothing set beside a bare loop.
func sqliteGroup(w *workshop, seconds int) *group {
	s := &stage{workshop: w, seconds: seconds}
	const loop = "SQLite"
	g := &group{name: "sqlite", explain: s.complaints}
	g.open = func(ctx context.Context) (func() error, error) { return s.close, s.open(ctx, house{embedded: true}) }
	g.contestants = append(g.contestants, &contestant{name: loop, run: func(ctx context.Context) (sample, error) {
		span := time.Duration(seconds) * time.Second
		r, err := ask[loadResult](ctx, "sqlite", sqliteSpec{Dir: w.dir, Warm: warm, For: span})
		return sample{Rate: float64(r.Calls) / span.Seconds(), P50: r.P50, P99: r.P99}, err
	}})
	for _, callers := range []int{1, 64} {
		c := call{protocol: overH1, callers: callers, merchants: 1}
		g.contestants = append(g.contestants, &contestant{
			name: fmt.Sprintf("create on SQLite h1 %3d callers", callers), of: []string{loop},
			run: func(ctx context.Context) (sample, error) { return s.load(ctx, c) },
		})
	}
	return g
}

// payersPage is the page that a payer opens.
func (s *stage) payersPage(ctx context.Context, address string) ([]byte, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.server.public+at.Path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "Mobile")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the payer's page: %s", response.Status)
	}
	return page, err
}
