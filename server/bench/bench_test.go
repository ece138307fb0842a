package main

import (
	"bytes"
	"context"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/migrations"
)

func TestHistogram_QuantilesAreWithinTwoPercent(t *testing.T) {
	t.Parallel()

	h, half := &histogram{}, &histogram{}
	for us := 1; us <= 100_000; us++ {
		into := h
		if us%2 == 0 {
			into = half
		}
		into.add(time.Duration(us) * time.Microsecond)
	}
	h.merge(half)
	for q, want := range map[float64]time.Duration{0.001: 100 * time.Microsecond, 0.5: 50 * time.Millisecond, 0.99: 99 * time.Millisecond} {
		if got := h.quantile(q); got < want*98/100 || got > want*102/100 {
			t.Errorf("quantile %v is %v, want about %v", q, got, want)
		}
	}
	if got := (&histogram{}).quantile(0.5); got != 0 {
		t.Errorf("nothing has the median %v", got)
	}
	h.add(48 * time.Hour) // It must find a bucket.
}

func TestRatios_AreTakenWithinARound(t *testing.T) {
	t.Parallel()

	// The machine halves its speed after the first round: every ratio stays 2.
	ours := []sample{{Rate: 200}, {Rate: 100}, {Rate: 100}}
	theirs := []sample{{Rate: 100}, {Rate: 50}, {Rate: 50}}
	got := pairwise(ours, theirs, func(s sample) float64 { return s.Rate })
	if want := (spread{Median: 2, Min: 2, Max: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTable_FitsAndJudges(t *testing.T) {
	t.Parallel()

	groups := allGroups(nil, nil, 1)
	found := results{}
	for _, g := range groups {
		for _, c := range g.contestants {
			if c.run != nil {
				if g.name == "memory" {
					found[c.name] = []sample{{Bytes: 20 << 10}}
					continue
				}
				found[c.name] = []sample{{Rate: 234567, P50: 1234 * time.Millisecond, P99: 12345 * time.Millisecond, Share: 0.99}}
			}
		}
	}
	rows := rowsOf(groups, found)
	var table bytes.Buffer
	if err := printTable(&table, rows); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(table.String()) {
		if n := utf8.RuneCountInString(line); n > 121 { // with its end
			t.Errorf("%d columns: %s", n, line)
		}
	}
	judged := map[string]bool{}
	for _, r := range rows {
		if r.Reached != nil {
			judged[r.Name] = *r.Reached
		}
	}
	for name, want := range map[string]bool{
		"create h1   64 callers  1 merchant": false, "create h1  256 callers 64 merchants": false,
		"create h1, one caller's p50": true, "replay h1   64 callers": false,
		"events  1000 streams, 1000/s offered": false, "latency  100 streams, 100/s": false, "idle stream, 100 per connection": true,
	} {
		if got, ok := judged[name]; !ok || got != want {
			t.Errorf("%q is judged %v (%v), want %v; there are %v", name, got, ok, want, slices.Sorted(maps.Keys(judged)))
		}
	}
}

func TestOnly_KeepsTheYardsticksOfWhatIsChosen(t *testing.T) {
	t.Parallel()

	p := &plan{only: regexp.MustCompile(`^create h1 +256 callers  1`)}
	var names []string
	for _, g := range allGroups(nil, nil, 1) {
		for _, c := range p.chosen(g.contestants) {
			names = append(names, c.name)
		}
	}
	if want := []string{"PG7@64", "PG1@64", "create h1  256 callers  1 merchant"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

func TestTemplate_NamesCallsInPlace(t *testing.T) {
	t.Parallel()

	tmpl, err := newTemplate()
	if err != nil {
		t.Fatal(err)
	}
	tmpl.name(tmpl.body, 12, 345, 6789)
	request := &kvitv1.CreatePaymentLinkRequest{}
	if err := proto.Unmarshal(tmpl.body, request); err != nil {
		t.Fatal(err)
	}
	if got, want := request.GetIdempotencyKey(), "k00012003450000000006789"; got != want {
		t.Errorf("the key is %q, want %q", got, want)
	}
	if got, want := request.GetOrderId(), "o00012003450000000006789"; got != want {
		t.Errorf("the order is %q, want %q", got, want)
	}
}

// The watchers look into messages by hand; the schema says whether they look in the right places.
func TestWatcher_ReadsWhatTheSchemaWrites(t *testing.T) {
	t.Parallel()

	now := time.Unix(1_800_000_000, 500_000_000)
	event := func(position uint64) *kvitv1.OrderEvent {
		return &kvitv1.OrderEvent{
			Id: "evt", Position: position, Type: "order.created", OccurredAt: timestamppb.New(now.Add(-3 * time.Millisecond)),
			Order: &kvitv1.Order{OrderId: "o"},
		}
	}
	w, s := &watcher{}, &subscription{}
	take := func(m *kvitv1.StreamOrderEventsResponse) (int, error) {
		message, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return w.message(s, message, now)
	}
	if _, err := take(&kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Heartbeat{
		Heartbeat: &kvitv1.StreamHeartbeat{Cursor: "c"},
	}}); err != nil || w.ready.Load() != 1 {
		t.Errorf("after a heartbeat %d streams are ready: %v", w.ready.Load(), err)
	}
	got, err := take(&kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Events{
		Events: &kvitv1.OrderEventBatch{Events: []*kvitv1.OrderEvent{event(7), event(8), event(10)}, ScannedTo: 10},
	}})
	if err != nil || got != 3 || w.gaps != 1 {
		t.Errorf("saw %d events and %d gaps (%v), want 3 and 1", got, w.gaps, err)
	}
	if p50 := w.latency.quantile(0.5); p50 < 2900*time.Microsecond || p50 > 3100*time.Microsecond {
		t.Errorf("the latency is %v, want 3ms", p50)
	}
	if _, err := take(&kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Reset_{
		Reset_: &kvitv1.StreamReset{OldestCursor: "c"},
	}}); err == nil {
		t.Error("a reset is no error")
	}
}

func TestReadRate_LeavesTheFirstSecondOut(t *testing.T) {
	t.Parallel()

	got, all, err := readRate([]byte("progress: 1.0 s, 100.0 tps, lat 9.9 ms stddev 1.0, 0 failed\n"+
		"progress: 2.0 s, 4000.5 tps, lat 1.0 ms stddev 1.0, 0 failed\nnumber of transactions actually processed: 8100\n"), 3)
	if err != nil || got != 4000 || all != 8100 {
		t.Errorf("got %v of %d (%v), want 4000 of 8100", got, all, err)
	}
	if _, _, err := readRate([]byte("pgbench: error: connection refused\n"), 3); err == nil {
		t.Error("no rate is taken for one")
	}
}

// A yardstick on other tables than ours would measure something else.
func TestScripts_HaveTheTablesOfTheMigrations(t *testing.T) {
	t.Parallel()

	for script, c := range map[string]struct {
		steps fs.FS
		also  string // beside those that a create writes
	}{
		"scripts/schema.sql":        {migrations.Postgres, "heads|attempts|payments|messages|tasks"},
		"scripts/sqlite_schema.sql": {migrations.SQLite, "nothing"},
	} {
		named := regexp.MustCompile(`^(CREATE TABLE|CREATE (UNIQUE )?INDEX \w+ ON|ALTER TABLE) (links|orders|records|entries|texts|` + c.also + `)\b`)
		steps := c.steps
		theirs, err := scripts.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		var ours strings.Builder
		err = fs.WalkDir(steps, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(steps, name)
			ours.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		want, got := tables(ours.String(), named), tables(string(theirs), named)
		slices.Sort(want) // In which order they are made says nothing.
		slices.Sort(got)
		if len(want) < 10 || !slices.Equal(got, want) {
			t.Errorf("%s: the tables are not those of the migrations:\n%s\nwant\n%s", script, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

var (
	sqlComment = regexp.MustCompile(`(?m)--.*$`)
	sqlSpace   = regexp.MustCompile(`\s+`)
)

// tables are the statements that make the tables that are named.
func tables(script string, named *regexp.Regexp) []string {
	var found []string
	for statement := range strings.SplitSeq(sqlComment.ReplaceAllString(script, ""), ";") {
		if text := strings.TrimSpace(sqlSpace.ReplaceAllString(statement, " ")); named.MatchString(text) {
			found = append(found, text)
		}
	}
	return found
}

// startFloor serves the floor for a test and returns its address.
func startFloor(t *testing.T) string {
	t.Helper()

	batch, err := proto.Marshal(&kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Events{
		Events: &kvitv1.OrderEventBatch{Events: []*kvitv1.OrderEvent{{Id: "evt_1"}, {Id: "evt_2"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	address, ended := make(chan string, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		ended <- serveFloor(ctx, floorSpec{Batch: batch}, func(a string) error { address <- a; return nil })
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case a := <-address:
		return a
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		return ""
	}
}

func TestLoad_CallsARealServer(t *testing.T) {
	t.Parallel()

	address := startFloor(t)
	for _, protocol := range []string{overH1, overH2} {
		r, err := load(t.Context(), loadSpec{
			Address: address, Protocol: protocol, Callers: 70, APIKeys: []string{"a", "b"}, Warm: 5 * time.Millisecond, For: 100 * time.Millisecond,
		})
		if err != nil || r.Calls == 0 || r.Made < r.Calls || r.Failed > 0 || r.P50 == 0 || r.P99 < r.P50 {
			t.Errorf("%s: %+v (%v)", protocol, r, err)
		}
	}
}

func TestLoad_TellsWhatWasRefused(t *testing.T) {
	t.Parallel()

	address := startFloor(t)
	for _, protocol := range []string{overH1, overH2} {
		c := &course{
			spec: loadSpec{Address: address, Protocol: protocol, APIKeys: []string{"a"}}, start: make(chan struct{}),
			template: &template{body: bytes.Repeat([]byte{0xff}, 2*nameSize), order: nameSize},
			until:    time.Now().Add(20 * time.Millisecond),
		}
		close(c.start)
		c.ready.Add(1)
		tally := &tally{}
		if protocol == overH2 {
			c.callH2(t.Context(), tally, 0, 1)
		} else {
			c.callH1(t.Context(), tally, 0)
		}
		if tally.failed == 0 || tally.made > 0 || tally.failure == "" {
			t.Errorf("%s: %d failed (%s), %d made", protocol, tally.failed, tally.failure, tally.made)
		}
	}
}

func TestWatch_SeesEveryEventOfARealServer(t *testing.T) {
	t.Parallel()

	address := startFloor(t)
	opened := false
	r, err := watch(t.Context(), watchSpec{
		Address: address, Publish: address + pathPublish, Streams: 25, PerConnection: 10, Rate: 200, For: 100 * time.Millisecond,
	}, func() error { opened = true; return nil })
	if err != nil || !opened {
		t.Fatal(opened, err)
	}
	if r.Published != 20 || r.Wanted != 500 || r.Delivered != 500 || r.Gaps != 0 || r.Failed != 0 || r.Took == 0 {
		t.Errorf("%+v", r)
	}
}

func TestBareSQLite_WritesRows(t *testing.T) {
	t.Parallel()

	r, err := bareSQLite(t.Context(), sqliteSpec{Dir: t.TempDir(), For: 20 * time.Millisecond})
	if err != nil || r.Made == 0 {
		t.Errorf("%+v (%v)", r, err)
	}
}
