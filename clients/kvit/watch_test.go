package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// history is what happens in the shop: positions 1 to 5.
func history() []*kvitv1.OrderEvent {
	types := []string{"link.created", "order.created", "link.created", "order.processing", "order.paid"}
	states := []kvitv1.OrderState{0, kvitv1.OrderState_ORDER_STATE_PENDING, 0, kvitv1.OrderState_ORDER_STATE_PROCESSING, kvitv1.OrderState_ORDER_STATE_PAID}
	events := make([]*kvitv1.OrderEvent, len(types))
	for i := range events {
		events[i] = &kvitv1.OrderEvent{
			Id: fmt.Sprintf("evt_%d", i+1), Position: uint64(i + 1), Cursor: fmt.Sprintf("at-%d", i+1), Type: types[i],
			OrderId: "A-17", OrderVersion: int64(i + 1), OccurredAt: at(time.Duration(i) * 5 * time.Hour),
		}
		if states[i] != 0 {
			events[i].Order = &kvitv1.Order{OrderId: "A-17", State: states[i], Amount: dram(150000), Mode: kvitv1.Mode_MODE_TEST}
		}
	}
	events[2].OrderId, events[2].LinkId = "", "lnk_06gvosbivhrut3r3ecifhsvgp8"
	return events
}

func sendEvents(send func(*kvitv1.StreamOrderEventsResponse), events ...*kvitv1.OrderEvent) {
	send(&kvitv1.StreamOrderEventsResponse{Content: &kvitv1.StreamOrderEventsResponse_Events{
		Events: &kvitv1.OrderEventBatch{Events: events, ScannedTo: events[len(events)-1].GetPosition()},
	}})
}

// restless is a shop that cuts every stream after one event.
func restless() *shop {
	s := &shop{state: kvitv1.OrderState_ORDER_STATE_PENDING}
	s.onStream = func(ctx context.Context, _ int, r *kvitv1.StreamOrderEventsRequest, send func(*kvitv1.StreamOrderEventsResponse)) error {
		after := 0
		_, _ = fmt.Sscanf(r.GetCursor(), "at-%d", &after)
		if all := history(); after < len(all) {
			sendEvents(send, all[after])
			panic(http.ErrAbortHandler)
		}
		<-ctx.Done()
		return ctx.Err()
	}
	return s
}

// S4: lines come through cut connections, each once and in order, and the watch ends when it has what it waits for.
func TestWatch_S4_PrintsEachEventOnce(t *testing.T) {
	t.Parallel()

	server := restless().open(t)
	var out strings.Builder
	for _, width := range []int{0, 80, 120} {
		args := []string{"order", "watch", "A-17", "--from-beginning", "--until-state", "paid"}
		r := kvitAt(t, server, width, args...)
		fmt.Fprintf(&out, "%d columns\n%s", width, section(args, r))
		for line := range strings.Lines(r.stdout) {
			if width > 0 && display(strings.TrimSpace(line)) > width {
				t.Errorf("a line of %d columns on a terminal of %d: %s", display(line), width, line)
			}
		}
	}
	golden(t, "watch.txt", out.String())
}

// payingAndRefunding is a payment as it happens: declined and then paid, paid again, and given back in part.
func payingAndRefunding() []*kvitv1.OrderEvent {
	const pay, ref = "pay_06gvosbivhrut3r3ecifhsvgp8", "ref_06gvosbivhrut3r3ecifhsvgp9"
	type is = kvitv1.EventDetail
	var events []*kvitv1.OrderEvent
	order := &kvitv1.Order{OrderId: "A-17", State: kvitv1.OrderState_ORDER_STATE_PENDING, Amount: dram(150000), Mode: kvitv1.Mode_MODE_LIVE}
	add := func(name string, detail *is) {
		n := len(events) + 1
		events = append(events, &kvitv1.OrderEvent{
			Id: fmt.Sprintf("evt_%d", n), Position: uint64(n), Cursor: fmt.Sprintf("at-%d", n), Type: name, OrderId: "A-17",
			OrderVersion: int64(n), OccurredAt: at(time.Duration(n) * time.Second), Order: proto.CloneOf(order), Detail: detail,
		})
	}
	add("order.created", nil)
	add("attempt.started", &is{AttemptId: "att_1", AccountId: "liqpay-main"})
	order.State = kvitv1.OrderState_ORDER_STATE_PROCESSING
	add("order.processing", nil)
	add("attempt.handed_off", &is{AttemptId: "att_1"})
	add("attempt.declined", &is{AttemptId: "att_1", Reason: "not enough money on the card"})
	order.State = kvitv1.OrderState_ORDER_STATE_FAILED
	add("order.payment_failed", &is{AttemptId: "att_1", Reason: "not enough money on the card"})
	paid := &is{
		AttemptId: "att_1", AccountId: "liqpay-main", PaymentId: pay, Amount: dram(150000),
		Source: kvitv1.EvidenceSource_EVIDENCE_SOURCE_CALLBACK, Reason: "the money was taken",
	}
	add("evidence.noted", paid)
	order.State, order.PaidAmount = kvitv1.OrderState_ORDER_STATE_PAID, dram(150000)
	add("order.paid", &is{PaymentId: pay})
	add("exception.opened", &is{
		ExceptionId: "exc_1", ExceptionKind: kvitv1.ExceptionKind_EXCEPTION_KIND_DUPLICATE, Amount: dram(150000),
	})
	add("exception.resolved", &is{ExceptionId: "exc_1"})
	add("refund.requested", &is{RefundId: ref, PaymentId: pay, Amount: dram(50000)})
	add("refund.sent", &is{RefundId: ref})
	add("refund.unknown", &is{RefundId: ref})
	add("refund.posted", &is{RefundId: ref})
	order.State, order.RefundedAmount = kvitv1.OrderState_ORDER_STATE_PARTIALLY_REFUNDED, dram(50000)
	add("order.partially_refunded", nil)
	add("order.of_tomorrow", nil)
	return events
}

// A payment can be followed by eye on any terminal, in whole amounts, and by a program from the JSON.
func TestWatch_ShowsAPaymentAsItHappens(t *testing.T) {
	t.Parallel()

	s := &shop{}
	s.onStream = func(_ context.Context, _ int, _ *kvitv1.StreamOrderEventsRequest, send func(*kvitv1.StreamOrderEventsResponse)) error {
		sendEvents(send, payingAndRefunding()...)
		return nil
	}
	server := s.open(t)
	var out strings.Builder
	for _, width := range []int{0, 60, 80, 120} {
		args := []string{"order", "watch", "A-17", "--from-beginning", "--until-state", "partially-refunded"}
		r := kvitAt(t, server, width, args...)
		fmt.Fprintf(&out, "%d columns\n%s", width, section(args, r))
		for line := range strings.Lines(r.stdout) {
			if columns := display(strings.TrimRight(line, "\n")); width > 0 && columns > width {
				t.Errorf("a line of %d columns on a terminal of %d: %s", columns, width, line)
			}
		}
	}
	args := []string{"order", "watch", "A-17", "--from-beginning", "--until-state", "partially-refunded", "--json"}
	out.WriteString(section(args, kvitAt(t, server, 0, args...)))
	golden(t, "watch_payment.txt", out.String())
}

// Every type of event that the API documents is told in words, but for those whose order's amount says it.
func TestWatch_HasWordsForEveryDocumentedType(t *testing.T) {
	t.Parallel()

	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	amountSays := []string{
		"link.created", "link.deactivated", "order.created", "order.reopened", "order.expired", "order.cancelled",
		"order.review_required", "order.review_resolved",
	}
	types := regexp.MustCompile("(?m)^\\| `([a-z_]+\\.[a-z_]+)` \\|").FindAllStringSubmatch(string(page), -1)
	if len(types) < 30 {
		t.Fatalf("found %d types in docs/api.md", len(types))
	}
	for _, row := range types {
		if _, told := sayings[row[1]]; told == slices.Contains(amountSays, row[1]) {
			t.Errorf("%s: has words is %t", row[1], told)
		}
	}
	if len(types) != len(sayings)+len(amountSays) {
		t.Errorf("docs/api.md has %d types, and there are words for %d", len(types), len(sayings)+len(amountSays))
	}
}

// A1: a journal holds both modes. A line about a test order says so, on any terminal; one about a live order does not.
func TestWatch_A1_MarksTestOrders(t *testing.T) {
	t.Parallel()

	s := &shop{}
	s.onStream = func(_ context.Context, _ int, _ *kvitv1.StreamOrderEventsRequest, send func(*kvitv1.StreamOrderEventsResponse)) error {
		test, live := history()[4], history()[4]
		live.Position, live.Cursor, live.OrderId, live.Order.Mode = 6, "at-6", "A-18", kvitv1.Mode_MODE_LIVE
		live.Order.State = kvitv1.OrderState_ORDER_STATE_AUTHORIZED
		sendEvents(send, test, live)
		return nil
	}
	server := s.open(t)
	for _, width := range []int{0, 60, 120} {
		r := kvitAt(t, server, width, "order", "watch", "--cursor", "at-4", "--until-state", "authorized")
		for line := range strings.Lines(r.stdout) {
			about17, marked := strings.Contains(line, "A-17"), strings.Contains(line, " test ")
			if about17 != marked || strings.Contains(line, "A-18") && marked {
				t.Errorf("at %d columns: %q", width, line)
			}
		}
		if !strings.Contains(r.stdout, "A-17") || !strings.Contains(r.stdout, "A-18") {
			t.Errorf("at %d columns: got %d and %q, want a line about each order", width, r.code, r.stdout)
		}
	}
}

// Programs get one event on each line.
func TestWatch_PrintsJSONLines(t *testing.T) {
	t.Parallel()

	r := kvitAt(t, restless().open(t), 0, "order", "watch", "--from-beginning", "--until-state", "paid", "--json")
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if r.code != exitDone || len(lines) != 5 {
		t.Fatalf("got %d and %d lines, want 5:\n%s", r.code, len(lines), r.stdout)
	}
	for i, line := range lines {
		event := &kvitv1.OrderEvent{}
		if err := protojson.Unmarshal([]byte(line), event); err != nil || event.GetPosition() != uint64(i+1) {
			t.Errorf("line %d: got %s, %v", i+1, line, err)
		}
	}
}

// interrupter cancels when the last of so many lines was written, as Ctrl-C does.
type interrupter struct {
	bytes.Buffer

	lines  int
	cancel context.CancelFunc
}

func (i *interrupter) Write(text []byte) (int, error) {
	n, err := i.Buffer.Write(text)
	if i.lines--; i.lines == 0 {
		i.cancel()
	}
	return n, err
}

// Ctrl-C ends a watch with 130, and says with which command it goes on after the last line.
func TestWatch_S1_SaysWhereToGoOn(t *testing.T) {
	t.Parallel()

	s := restless()
	server := s.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	stdout := &interrupter{lines: 3, cancel: cancel}
	var stderr bytes.Buffer
	code := run(ctx, []string{
		"--server", server, "--key", "k", "order", "watch", "--from-beginning", "--types", "order.*,link.*", "A-17", "A-18",
	}, &world{stdout: stdout, stderr: &stderr, now: noon.UTC, zone: time.UTC, waitFirst: time.Millisecond})
	want := "kvit order watch A-17 A-18 --types 'order.*,link.*' --cursor at-3\n"
	if code != exitInterrupted || !strings.HasSuffix(stderr.String(), want) {
		t.Fatalf("got %d saying %q, want %d and %q", code, stderr.String(), exitInterrupted, want)
	}
	r := kvitAt(t, server, 0, "order", "watch", "--cursor", "at-3", "--until-state", "paid")
	if first := strings.Index(r.stdout, "#4"); r.code != exitDone || first < 0 || strings.Contains(r.stdout, "#3") {
		t.Errorf("went on with %q, want from the fourth event", r.stdout)
	}
}

// What is waited for may have happened before: then there is nothing to wait for.
func TestWatch_DoesNotWaitForWhatIs(t *testing.T) {
	t.Parallel()

	s := &shop{state: kvitv1.OrderState_ORDER_STATE_PAID}
	r := kvitAt(t, s.open(t), 0, "order", "watch", "A-17", "--until-state", "paid,refunded")
	if r.code != exitDone || !strings.HasPrefix(r.stderr, "Test order A-17 is PAID already") || s.streams != 0 {
		t.Errorf("got %d saying %q after %d streams, want done at once", r.code, r.stderr, s.streams)
	}
}

// A watch that may end does, with 3 when it waits for something that did not come.
func TestWatch_EndsInTime(t *testing.T) {
	t.Parallel()

	s := restless()
	server := s.open(t)
	if r := kvitAt(t, server, 0, "order", "watch", "--cursor", "at-5", "--for", "20ms"); r.code != exitDone {
		t.Errorf("got %d saying %q, want done", r.code, r.stderr)
	}
	r := kvitAt(t, server, 0, "order", "watch", "A-17", "--cursor", "at-5", "--for", "20ms", "--until-state", "refunded")
	if r.code != exitUnavailable || !strings.Contains(r.stderr, "have not reached the state") {
		t.Errorf("got %d saying %q, want %d and that it did not come", r.code, r.stderr, exitUnavailable)
	}
}

// J6: a cursor of another history is a refusal that says how to go on.
func TestWatch_J6_SaysWhatToDoAfterAReset(t *testing.T) {
	t.Parallel()

	s := &shop{reset: &kvitv1.StreamReset{Reason: kvitv1.ResetReason_RESET_REASON_AHEAD_OF_JOURNAL, OldestCursor: "at-0"}}
	r := kvitAt(t, s.open(t), 0, "order", "watch", "--cursor", "at-9")
	if r.code != exitRefused || !strings.Contains(r.stderr, "AHEAD_OF_JOURNAL") || !strings.Contains(r.stderr, "--cursor at-0") {
		t.Errorf("got %d saying %q, want %d, the reason and the oldest cursor", r.code, r.stderr, exitRefused)
	}
}

// S1: from now on means from the moment at which the watch began.
func TestWatch_S1_BeginsNow(t *testing.T) {
	t.Parallel()

	s := restless()
	inner := s.onStream
	var began string
	s.onStream = func(ctx context.Context, number int, r *kvitv1.StreamOrderEventsRequest, send func(*kvitv1.StreamOrderEventsResponse)) error {
		if number == 1 {
			began = r.GetCursor()
		}
		return inner(ctx, number, r, send)
	}
	r := kvitAt(t, s.open(t), 0, "order", "watch", "--until-state", "processing", "--types", "order.*")
	if r.code != exitDone || began != "at-0" {
		t.Errorf("got %d saying %q from %q, want the cursor of now", r.code, r.stderr, began)
	}
	asked, ok := s.asked[0].(*kvitv1.ListOrderEventsRequest)
	if !ok || asked.GetFrom() != kvitv1.StreamFrom_STREAM_FROM_NOW {
		t.Errorf("asked %v, want the cursor of now", s.asked[0])
	}
}

// A person is told once that the server was lost, and once that it is back.
func TestWatch_SaysOnceThatTheServerIsLost(t *testing.T) {
	t.Parallel()

	s := restless()
	inner := s.onStream
	s.onStream = func(ctx context.Context, number int, r *kvitv1.StreamOrderEventsRequest, send func(*kvitv1.StreamOrderEventsResponse)) error {
		if number < 3 {
			panic(http.ErrAbortHandler)
		}
		if number == 3 {
			sendEvents(send, history()...)
			<-ctx.Done()
			return ctx.Err()
		}
		return inner(ctx, number, r, send)
	}
	r := kvitAt(t, s.open(t), 0, "order", "watch", "--from-beginning", "--until-state", "paid")
	if lost, back := strings.Count(r.stderr, "nothing is missed"), strings.Count(r.stderr, "Connected again"); lost != 1 || back != 1 {
		t.Errorf("said %d times that it was lost and %d times that it is back:\n%s", lost, back, r.stderr)
	}
}
