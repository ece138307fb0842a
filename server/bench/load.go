package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// Protocols that a load speaks.
const (
	overH1 = "h1"
	overH2 = "h2c"
)

// perH2Connection is how many callers share an HTTP/2 connection.
const perH2Connection = 64

// loadSpec says what a load process does: callers that call CreatePaymentLink one after the other.
type loadSpec struct {
	Address  string
	Protocol string
	Callers  int
	// APIKeys are shared by the callers in turn: as many merchants as keys.
	APIKeys []string
	// Run makes the names of this load's orders differ from those of others.
	Run int
	// Replays is how many calls each caller makes beforehand and then repeats; 0 means that every call is new.
	Replays int
	// Warm is how long the load runs before For is measured.
	Warm, For time.Duration
}

// loadResult is what a load process saw in the measured time.
type loadResult struct {
	Calls    int
	Made     int // calls answered in all, measured or not
	Replayed int
	Failed   int
	Failure  string
	P50, P99 time.Duration
	CPU      time.Duration
}

// tally is what one goroutine saw.
type tally struct {
	latency  histogram
	made     int
	replayed int
	failed   int
	failure  string
}

func (t *tally) fail(format string, args ...any) {
	if t.failed++; t.failure == "" {
		t.failure = fmt.Sprintf(format, args...)
	}
}

// course is one load under way.
type course struct {
	spec     loadSpec
	template *template
	// ready counts the goroutines that prepare themselves; start is closed when all did.
	ready sync.WaitGroup
	start chan struct{}
	// from and until bound the measured time; they are set before start.
	from, until time.Time
}

// load runs one load, in the load process.
func load(ctx context.Context, spec loadSpec) (loadResult, error) {
	t, err := newTemplate()
	if err != nil {
		return loadResult{}, err
	}
	c := &course{spec: spec, template: t, start: make(chan struct{})}
	var running sync.WaitGroup
	var tallies []*tally
	begin := func(run func(*tally)) {
		t := &tally{}
		tallies = append(tallies, t)
		c.ready.Add(1)
		running.Go(func() { run(t) })
	}
	if spec.Protocol == overH2 {
		for first := 0; first < spec.Callers; first += perH2Connection {
			begin(func(t *tally) { c.callH2(ctx, t, first, min(first+perH2Connection, spec.Callers)) })
		}
	} else {
		for caller := range spec.Callers {
			begin(func(t *tally) { c.callH1(ctx, t, caller) })
		}
	}
	c.ready.Wait()
	c.from = time.Now().Add(spec.Warm)
	c.until = c.from.Add(spec.For)
	close(c.start)
	running.Wait()
	return sum(tallies), nil
}

func sum(tallies []*tally) loadResult {
	var all histogram
	r := loadResult{CPU: ownCPU()}
	for _, t := range tallies {
		all.merge(&t.latency)
		r.Made += t.made
		r.Replayed += t.replayed
		r.Failed += t.failed
		if r.Failure == "" {
			r.Failure = t.failure
		}
	}
	r.Calls = int(all.total) //nolint:gosec // A count.
	r.P50, r.P99 = all.quantile(0.50), all.quantile(0.99)
	return r
}

// note counts an answer, if it came in the measured time.
func (c *course) note(t *tally, sent, done time.Time) {
	t.made++
	if !done.Before(c.from) && done.Before(c.until) {
		t.latency.add(done.Sub(sent))
	}
}

// count is the number that call i of a caller carries in its names.
func (c *course) count(i int) int {
	if c.spec.Replays > 0 {
		return i % c.spec.Replays
	}
	return i
}

func (c *course) apiKey(caller int) string { return c.spec.APIKeys[caller%len(c.spec.APIKeys)] }

// callH1 is one caller on a connection of its own, kept alive.
func (c *course) callH1(ctx context.Context, t *tally, caller int) {
	prepared := sync.OnceFunc(c.ready.Done)
	defer prepared()
	h, err := dialH1(ctx, c.spec.Address, c.template, c.apiKey(caller))
	if err != nil {
		t.fail("%v", err)
		return
	}
	defer h.close()
	for i := range c.spec.Replays {
		c.template.name(h.body, c.spec.Run, caller, i)
		if _, err := h.call(); err != nil {
			t.fail("%v", err)
			return
		}
	}
	prepared()
	<-c.start
	for i := 0; ; i++ {
		c.template.name(h.body, c.spec.Run, caller, c.count(i))
		sent := time.Now()
		if !sent.Before(c.until) {
			return
		}
		replayed, err := h.call()
		if err != nil {
			t.fail("%v", err)
			if !errors.Is(err, errRefused) {
				return
			}
			continue
		}
		if replayed {
			t.replayed++
		}
		c.note(t, sent, time.Now())
	}
}

// errRefused means that an answer came, and that it was not 200.
var errRefused = errors.New("refused")

// h1conn is one HTTP/1.1 connection that sends the same request again and again, in one write, with
// other names in its body.
type h1conn struct {
	conn    net.Conn
	r       *bufio.Reader
	request []byte
	body    []byte // the end of request
}

func dialH1(ctx context.Context, address string, t *template, apiKey string) (*h1conn, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/proto\r\n"+
		"Connect-Protocol-Version: 1\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", pathCreate, address, apiKey, len(t.body))
	head := len(request)
	request = append(request, t.body...)
	return &h1conn{conn: conn, r: bufio.NewReaderSize(conn, 4<<10), request: request, body: request[head:]}, nil
}

func (h *h1conn) close() { _ = h.conn.Close() }

// call sends the request and reads the answer, which says whether it is a recorded one (I2).
func (h *h1conn) call() (replayed bool, err error) {
	if _, err := h.conn.Write(h.request); err != nil {
		return false, fmt.Errorf("send: %w", err)
	}
	status, err := h.r.ReadSlice('\n')
	if err != nil {
		return false, fmt.Errorf("receive: %w", err)
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 200"))
	text := ""
	if !ok {
		text = string(bytes.TrimSpace(status))
	}
	length, chunked := 0, false
	for {
		line, err := h.r.ReadSlice('\n')
		if err != nil {
			return false, fmt.Errorf("receive: %w", err)
		}
		if len(line) <= len("\r\n") {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		case bytes.EqualFold(name, []byte("Idempotency-Replayed")):
			replayed = true
		}
		if err != nil {
			return false, fmt.Errorf("receive: %w", err)
		}
	}
	if ok && !chunked {
		_, err = h.r.Discard(length)
		return replayed, err
	}
	body, err := h.rest(length, chunked)
	if err == nil && !ok {
		err = fmt.Errorf("%w: %s: %s", errRefused, text, body)
	}
	return replayed, err
}

// rest reads a body that is not just skipped.
func (h *h1conn) rest(length int, chunked bool) ([]byte, error) {
	if !chunked {
		body := make([]byte, length)
		_, err := io.ReadFull(h.r, body)
		return body, err
	}
	var body []byte
	for {
		line, err := h.r.ReadSlice('\n')
		if err != nil {
			return body, err
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 24)
		if err != nil {
			return body, err
		}
		chunk := make([]byte, size+uint64(len("\r\n")))
		if _, err := io.ReadFull(h.r, chunk); err != nil {
			return body, err
		}
		if size == 0 {
			return body, nil
		}
		body = append(body, chunk[:size]...)
	}
}

// slot is one caller of an HTTP/2 connection.
type slot struct {
	headers []byte
	caller  int
	calls   int
	sent    time.Time
	ok      bool
}

// callH2 is the callers from first up to end, who share a connection: all have a call under way, and
// who is answered calls again.
func (c *course) callH2(ctx context.Context, t *tally, first, end int) {
	prepared := sync.OnceFunc(c.ready.Done)
	defer prepared()
	h, err := dialH2(ctx, c.spec.Address)
	if err != nil {
		t.fail("%v", err)
		return
	}
	defer func() { _ = h.conn.Close() }()
	prepared()
	<-c.start

	body := bytes.Clone(c.template.body)
	open := make(map[uint32]*slot, end-first)
	call := func(s *slot) {
		c.template.name(body, c.spec.Run, s.caller, c.count(s.calls))
		s.calls++
		s.sent, s.ok = time.Now(), false
		if s.sent.Before(c.until) {
			open[h.request(s.headers, body)] = s
		}
	}
	for caller := first; caller < end; caller++ {
		call(&slot{caller: caller, headers: c.h2Headers(caller)})
	}
	for len(open) > 0 {
		f, err := h.read()
		if err != nil {
			t.fail("%v", err)
			return
		}
		s := open[f.stream]
		if s == nil {
			continue
		}
		if f.kind == frameHeaders {
			s.ok = f.ok()
		}
		if !f.end && f.kind != frameReset {
			continue
		}
		delete(open, f.stream)
		if s.ok {
			c.note(t, s.sent, time.Now())
		} else {
			t.fail("refused over HTTP/2: %q", f.payload)
		}
		call(s)
	}
}

func (c *course) h2Headers(caller int) []byte {
	return headerBlock([2]string{":path", pathCreate}, [2]string{":authority", c.spec.Address},
		[2]string{"content-type", "application/proto"}, [2]string{"connect-protocol-version", "1"},
		[2]string{"authorization", "Bearer " + c.apiKey(caller)},
		[2]string{"content-length", strconv.Itoa(len(c.template.body))})
}
