package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/checkout/browsertest"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/text"
)

// Payers in Chromium pay in the sandbox with each of its moods, with JavaScript and without, at one
// server with the demo merchant. Each scene prints what the page said, and what the order, its journal
// and its watcher say: `go test -v -run Moods ./server/app` reads as a demonstration.
func TestMoods_X1_PayerOrderAndWatcherAgree(t *testing.T) { //nolint:tparallel // Their transcripts stand in order.
	t.Parallel()
	browsertest.Need(t)
	f := newFair(t)
	browsertest.Run(t, "moods.mjs", f.server.url(), "KVIT_SCENES="+f.door.URL)
	for _, s := range f.scenes { //nolint:paralleltest // As above.
		t.Run(s.Name, func(t *testing.T) { f.judge(t, s) })
	}
	f.checkStream()
}

// moodScene is a payer, and what must come of what they do.
type moodScene struct {
	mood string
	// steps are what the payer does; tools/browser/moods.mjs says what each means.
	steps []string
	// quiet is true where the scene is played without JavaScript, too.
	quiet bool
	// manual holds the money first; fixed is a fixed link; within is how long the offer stands.
	manual, fixed bool
	within        time.Duration
	// lookup is true where no callback can be believed: a lookup finds out.
	lookup bool
	want   moodOutcome
}

// moodOutcome is what is left of a scene.
type moodOutcome struct {
	state order.State
	// payments and exceptions are in words, events are the types of all entries of the order, in order.
	payments, exceptions, events []string
	// sessions is how many the payer was sent to.
	sessions int
}

// moodBegun is how the journal begins of every order whose payer was sent to the PSP; moodSold is how it goes on
// with the money that settles it.
var (
	moodBegun    = []string{"link.created", "order.created", "attempt.started", "order.processing", "attempt.handed_off"}
	moodSold     = []string{"evidence.noted", "order.paid"}
	moodDeclined = []string{"evidence.noted", "attempt.declined", "order.payment_failed"}
)

const settling = "captured 5000.00 AMD, settles"

// goes is a payer who opens the link, presses Pay, and then does more.
func goes(more ...string) []string { return slices.Concat([]string{"opens", "presses"}, more) }

// settled is what most payments come to: an order that is settled, after what else was heard.
func settled(events ...[]string) moodOutcome {
	return moodOutcome{order.Paid, []string{settling}, nil, slices.Concat(moodBegun, slices.Concat(events...)), 1}
}

// paidOdd is a paid order with an exception beside it, opened after the order was paid.
func paidOdd(exception string, payments ...string) moodOutcome {
	events := slices.Concat(moodBegun, moodSold, []string{"evidence.noted", "exception.opened"})
	return moodOutcome{order.Paid, append([]string{settling}, payments...), []string{exception}, events, 1}
}

// inReview is money that does not settle its order.
func inReview(payment, exception string) moodOutcome {
	events := slices.Concat(moodBegun, []string{"evidence.noted", "exception.opened", "order.review_required"})
	return moodOutcome{order.Review, []string{payment}, []string{exception}, events, 1}
}

func moodScenes() []moodScene {
	return slices.Concat(moodsOfAMinute(), moodsThatSettle(), moodsThatDoNot(), moodsOfTheMerchant(), moodsOfTheBrowser())
}

// moodsOfAMinute take a minute of waiting, while the others go on.
func moodsOfAMinute() []moodScene {
	return []moodScene{
		{mood: "confirm_late", quiet: true, steps: goes("chooses confirm_late", "reads PROCESSING", "waits PAID"), want: settled([]string{"evidence.noted"}, moodSold)},
		{
			mood: "expired", within: time.Minute, steps: []string{"opens", "waits EXPIRED", "opens", "reads EXPIRED"},
			want: moodOutcome{state: order.Expired, events: []string{"link.created", "order.created", "order.expired"}},
		},
	}
}

// moodsThatSettle end with an order that is paid once, whatever was said on the way there.
func moodsThatSettle() []moodScene {
	cancelled := settled([]string{"evidence.noted", "attempt.dead"}, moodBegun[2:], moodSold)
	cancelled.sessions = 2
	return []moodScene{
		{mood: "never_confirm", quiet: true, lookup: true, steps: goes("chooses never_confirm", "waits PAID"), want: settled(moodSold)},
		{mood: "wrong_signature", quiet: true, lookup: true, steps: goes("chooses wrong_signature", "waits PAID"), want: settled(moodSold)},
		{mood: "pay", quiet: true, steps: goes("chooses pay", "reads PAID"), want: settled(moodSold)},
		{mood: "decline", quiet: true, steps: goes("chooses decline", "reads FAILED", "presses", "chooses pay", "reads PAID"), want: settled(moodDeclined, moodSold)},
		{mood: "cancel", quiet: true, steps: goes("chooses cancel", "reads PENDING", "presses", "chooses pay", "reads PAID"), want: cancelled},
		{mood: "decline_then_pay", quiet: true, steps: goes("chooses decline_then_pay", "reads PAID"), want: settled(moodDeclined, moodSold)},
		{mood: "confirm_many", steps: goes("chooses confirm_many", "reads PAID"), want: settled(moodSold, []string{"evidence.noted"})},
		{mood: "return_post", quiet: true, steps: goes("chooses return_post", "reads PAID"), want: settled(moodSold)},
		{mood: "no_return", quiet: true, steps: goes("chooses no_return", "stays", "returns", "reads PAID"), want: settled(moodSold)},
	}
}

// moodsThatDoNot leave something for a person to look at.
func moodsThatDoNot() []moodScene {
	unreadable := moodOutcome{order.Processing, nil, []string{"open UNREADABLE"}, slices.Concat(moodBegun, []string{"evidence.noted", "exception.opened"}), 1}
	review := func(mood string) []string { return goes("chooses "+mood, "reads MANUAL_REVIEW") }
	return []moodScene{
		{mood: "pay_twice", quiet: true, steps: goes("chooses pay_twice", "reads PAID"), want: paidOdd("open DUPLICATE 5000.00 AMD", "captured 5000.00 AMD")},
		{mood: "contradict", steps: goes("chooses contradict", "reads PAID"), want: paidOdd("open CONFLICTING_EVIDENCE")},
		{mood: "unknown_status", quiet: true, steps: goes("chooses unknown_status", "reads PROCESSING"), want: unreadable},
		{mood: "pay_less", quiet: true, steps: review("pay_less"), want: inReview("captured 4500.00 AMD", "open UNDERPAID 4500.00 AMD")},
		{mood: "pay_more", quiet: true, steps: review("pay_more"), want: inReview("captured 5500.00 AMD", "open OVERPAID 5500.00 AMD")},
		{mood: "pay_other_currency", steps: review("pay_other_currency"), want: inReview("captured 5000.00 USD", "open WRONG_CURRENCY 5000.00 USD")},
		{mood: "pay_other_payee", steps: review("pay_other_payee"), want: inReview("captured 5000.00 AMD", "open WRONG_MERCHANT 5000.00 AMD")},
		{mood: "pay_after_expiry", within: 2 * time.Minute, steps: review("pay_after_expiry"), want: inReview("captured 5000.00 AMD", "open LATE 5000.00 AMD")},
	}
}

// moodsOfTheMerchant are what a merchant does while the payer looks on: the page follows by itself.
func moodsOfTheMerchant() []moodScene {
	captured := settled([]string{"evidence.noted", "order.authorized", "capture.requested", "evidence.noted", "order.captured", "order.paid"})
	refunded := settled(moodSold, []string{"evidence.noted", "refund.posted", "order.refunded"})
	refunded.state, refunded.payments = order.Refunded, []string{"captured 5000.00 AMD, refunded 5000.00 AMD, settles"}
	return []moodScene{
		{mood: "hold", manual: true, steps: goes("chooses pay", "reads AUTHORIZED", "merchant captures", "reads PAID"), want: captured},
		{mood: "refund", steps: goes("chooses pay", "reads PAID", "cabinet refund", "reads REFUNDED"), want: refunded},
		{
			mood: "cancelled", steps: []string{"opens", "merchant cancels", "reads CANCELLED"},
			want: moodOutcome{state: order.Cancelled, events: []string{"link.created", "order.created", "order.cancelled"}},
		},
	}
}

// moodsOfTheBrowser are taps, tabs and the way back: one order, one attempt, one session, one payment (L5, O7).
func moodsOfTheBrowser() []moodScene {
	return []moodScene{
		{mood: "fixed", fixed: true, quiet: true, steps: []string{"opens", "presses twice", "chooses pay", "reads PAID"}, want: settled(moodSold)},
		{mood: "back", quiet: true, steps: goes("back", "reads PROCESSING", "presses", "chooses pay", "reads PAID"), want: settled(moodSold)},
		{mood: "tabs", quiet: true, steps: []string{"opens", "tabs", "chooses pay", "reads PAID", "beside back", "beside reads PAID"}, want: settled(moodSold)},
	}
}

// fair is one server with the demo merchant, a stream that was opened before anything happened, and the
// door through which the browser's script asks what to do.
type fair struct {
	t      *testing.T
	server *process
	client *kvit.Client
	door   *httptest.Server
	scenes []*playedScene

	mu sync.Mutex
	// told are the events of each order as the stream told them, in order; wanted is what they were compared with.
	told, wanted map[string][]string
	// versions count the entries of each order.
	versions map[string]int64
	last     uint64
	gap      error
	changed  chan struct{}
}

// playedScene is a scene as the browser's script gets it, and what it said in return.
type playedScene struct {
	Name   string            `json:"name"`
	Lang   string            `json:"lang"`
	Quiet  bool              `json:"quiet"`
	Steps  []string          `json:"steps"`
	Titles map[string]string `json:"titles"`

	scene   moodScene
	orderID string
	seen    moodSeen
}

// moodSeen is what a payer read on their pages, which sessions of the PSP they were sent to, and what went wrong.
type moodSeen struct {
	Read     []string `json:"read"`
	Sessions []string `json:"sessions"`
	Failed   string   `json:"failed"`
}

func newFair(t *testing.T) *fair {
	t.Helper()
	secret := platformKey(t)
	f := &fair{
		t: t, server: newProcess(t, "KVIT_DATA_DIR="+t.TempDir(), "KVIT_BOOTSTRAP_API_KEY="+secret),
		told: map[string][]string{}, wanted: map[string][]string{}, versions: map[string]int64{}, changed: make(chan struct{}),
	}
	f.server.start()
	f.client = connectTo(t, f.server.url(), secret)
	f.watch()
	for _, s := range moodScenes() {
		f.add(s, false)
		if s.quiet {
			f.add(s, true)
		}
	}
	doors := http.NewServeMux()
	doors.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(f.scenes) })
	doors.HandleFunc("GET /{name}", f.link)
	doors.HandleFunc("POST /{name}", f.tell)
	doors.HandleFunc("PUT /{name}", f.merchant)
	f.door = httptest.NewServer(doors)
	t.Cleanup(f.door.Close)
	return f
}

// add adds a scene. Payers of every language come in turn.
func (f *fair) add(s moodScene, quiet bool) {
	lang := text.Langs()[len(f.scenes)%len(text.Langs())]
	p := &playedScene{Name: s.mood, Quiet: quiet, Steps: s.steps, Lang: lang.String(), Titles: map[string]string{}, scene: s}
	if quiet {
		p.Name += "-quiet"
	}
	if !s.fixed {
		p.orderID = p.Name
	}
	for _, state := range order.States() {
		if state != order.Pending { // Its heading is the amount.
			p.Titles[string(state)] = text.Say(lang, text.State(string(state)))
		}
	}
	f.scenes = append(f.scenes, p)
}

// link makes the link of a scene when its payer comes. The language is the customer's, or where a link
// is for everybody, or read without JavaScript, the one that the payer chooses.
func (f *fair) link(w http.ResponseWriter, r *http.Request) {
	p := f.scene(r.PathValue("name"))
	request := &kvitv1.CreatePaymentLinkRequest{
		IdempotencyKey: "key-" + p.Name, Kind: kvitv1.LinkKind_LINK_KIND_FIXED, Description: "A lesson: " + p.Name,
		Amount: &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: 500_000},
	}
	chosen := p.scene.fixed || p.Quiet
	if !p.scene.fixed {
		request.Kind, request.OrderId = kvitv1.LinkKind_LINK_KIND_DYNAMIC, p.orderID
	}
	if !chosen {
		request.Customer = &kvitv1.Customer{Locale: p.Lang}
	}
	if p.scene.manual {
		request.CaptureMode = kvitv1.CaptureMode_CAPTURE_MODE_MANUAL
	}
	if p.scene.within > 0 {
		request.ExpiresIn = durationpb.New(p.scene.within)
	}
	created, err := f.client.Payments.CreatePaymentLink(r.Context(), request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	address := created.GetLink().GetUrl()
	if chosen {
		address += "?lang=" + p.Lang
	}
	_, _ = io.WriteString(w, address)
}

func (f *fair) scene(name string) *playedScene {
	if i := slices.IndexFunc(f.scenes, func(p *playedScene) bool { return p.Name == name }); i >= 0 {
		return f.scenes[i]
	}
	return &playedScene{}
}

// tell takes in what a payer saw.
func (f *fair) tell(w http.ResponseWriter, r *http.Request) {
	var s moodSeen
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scene(r.PathValue("name")).seen = s
}

// merchant does through the API what a scene asks of the merchant.
func (f *fair) merchant(w http.ResponseWriter, r *http.Request) {
	var err error
	id, what := f.scene(r.PathValue("name")).orderID, r.FormValue("merchant")
	switch what {
	case "captures":
		_, err = f.client.Payments.CapturePayment(r.Context(), &kvitv1.CapturePaymentRequest{IdempotencyKey: "capture-" + id, OrderId: id})
	case "cancels":
		_, err = f.client.Payments.CancelOrder(r.Context(), &kvitv1.CancelOrderRequest{IdempotencyKey: "cancel-" + id, OrderId: id, Reason: "sold out"})
	default:
		err = fmt.Errorf("no merchant %q", what)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

// judge compares what came of a scene with what must, and prints it.
func (f *fair) judge(t *testing.T, p *playedScene) {
	t.Helper()
	f.mu.Lock()
	saw := p.seen
	f.mu.Unlock()
	if saw.Failed != "" || len(saw.Read) == 0 {
		t.Errorf("the payer read %q, then: %s", saw.Read, saw.Failed)
	}
	if f.findOrder(t, p); p.orderID == "" {
		return
	}
	want := p.scene.want
	f.compare(t, p.orderID, want.events)
	status, err := f.client.Payments.GetOrderStatus(t.Context(), &kvitv1.GetOrderStatusRequest{OrderId: p.orderID})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimPrefix(status.GetOrder().GetState().String(), "ORDER_STATE_"); got != string(want.state) {
		t.Errorf("the order is %s, want %s", got, want.state)
	}
	payments, exceptions := paymentsInWords(status), exceptionsInWords(status)
	if !slices.Equal(payments, want.payments) {
		t.Errorf("the payments are %q, want %q", payments, want.payments)
	}
	if !slices.Equal(exceptions, want.exceptions) {
		t.Errorf("the exceptions are %q, want %q", exceptions, want.exceptions)
	}
	if sessions := slices.Compact(slices.Sorted(slices.Values(saw.Sessions))); len(sessions) != want.sessions {
		t.Errorf("the payer was sent to the sessions %q, want %d", sessions, want.sessions)
	}
	f.print(t, p, payments, exceptions)
}

// findOrder finds the order of a payer at a fixed link: one, however often they pressed (L5).
func (f *fair) findOrder(t *testing.T, p *playedScene) {
	t.Helper()
	if !p.scene.fixed {
		return
	}
	list, err := f.client.Payments.ListOrders(t.Context(), &kvitv1.ListOrdersRequest{PageSize: 200})
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, o := range list.GetOrders() {
		if o.GetDescription() == "A lesson: "+p.Name {
			p.orderID, count = o.GetOrderId(), count+1
		}
	}
	if count != 1 {
		t.Errorf("the fixed link has %d orders", count)
	}
}

func paymentsInWords(status *kvitv1.GetOrderStatusResponse) []string {
	var words []string
	for _, p := range status.GetPayments() {
		said := []string{"captured " + inWords(p.GetCaptured())}
		if sum := p.GetRefunded(); sum.GetMinorUnits() > 0 {
			said = append(said, "refunded "+inWords(sum))
		}
		if p.GetSettles() {
			said = append(said, "settles")
		}
		words = append(words, strings.Join(said, ", "))
	}
	return words
}

func exceptionsInWords(status *kvitv1.GetOrderStatusResponse) []string {
	var words []string
	for _, x := range status.GetExceptions() {
		kind, state := strings.TrimPrefix(x.GetKind().String(), "EXCEPTION_KIND_"), strings.TrimPrefix(x.GetState().String(), "EXCEPTION_STATE_")
		said := strings.ToLower(state) + " " + kind
		if x.GetAmount() != nil {
			said += " " + inWords(x.GetAmount())
		}
		words = append(words, said)
	}
	return words
}

// inWords writes an amount of a currency with two decimals.
func inWords(m *kvitv1.Money) string {
	return fmt.Sprintf("%d.%02d %s", m.GetMinorUnits()/100, m.GetMinorUnits()%100, m.GetCurrencyCode())
}

// print writes a scene's transcript.
func (f *fair) print(t *testing.T, p *playedScene, payments, exceptions []string) {
	t.Helper()
	explained, err := f.client.Payments.ExplainOrder(t.Context(), &kvitv1.ExplainOrderRequest{OrderId: p.orderID})
	if err != nil {
		t.Fatal(err)
	}
	if p.scene.lookup && slices.ContainsFunc(explained.GetSteps(), fromCallback) {
		t.Error("a callback was believed")
	}
	var said strings.Builder
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(&said, format, args...) }
	write("%s, read in %s\n  the payer: %s\n", p.Name, p.Lang, strings.Join(p.Steps, ", "))
	for _, read := range p.seen.Read {
		write("  the page:  %s\n", read)
	}
	write("  the order: %s %s\n", strings.TrimPrefix(explained.GetOrder().GetState().String(), "ORDER_STATE_"), explained.GetSummary())
	for _, payment := range payments {
		write("  payment:   %s\n", payment)
	}
	for _, exception := range exceptions {
		write("  exception: %s\n", exception)
	}
	for _, step := range explained.GetSteps() {
		write("  journal:   #%-3d %-25s %s\n", step.GetPosition(), step.GetType(), step.GetText())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	write("  watcher:   %s", strings.Join(f.told[p.orderID], ", "))
	t.Log(said.String())
}

// fromCallback reports whether a callback is among the evidence of an entry.
func fromCallback(step *kvitv1.OrderStep) bool {
	return slices.ContainsFunc(step.GetEvidence(), func(e *kvitv1.Evidence) bool {
		return e.GetSource() == kvitv1.EvidenceSource_EVIDENCE_SOURCE_CALLBACK
	})
}

// watch opens the stream before anything happens, and reads it until the test ends.
func (f *fair) watch() {
	f.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(f.t.Context()))
	var reading sync.WaitGroup
	f.t.Cleanup(func() {
		stop()
		reading.Wait()
	})
	stream, err := f.client.Payments.StreamOrderEvents(ctx, &kvitv1.StreamOrderEventsRequest{
		Start: &kvitv1.StreamOrderEventsRequest_From{From: kvitv1.StreamFrom_STREAM_FROM_NOW},
	})
	if err != nil || !stream.Receive() { // The first message is a heartbeat.
		f.t.Fatal("the stream did not open", err)
	}
	reading.Go(func() {
		defer func() { _ = stream.Close() }()
		for stream.Receive() {
			f.hear(stream.Msg().GetEvents().GetEvents())
		}
	})
}

// hear keeps what the stream tells, and the first gap in it (J2).
func (f *fair) hear(events []*kvitv1.OrderEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range events {
		id := e.GetOrderId()
		if e.GetPosition() != f.last+1 && f.gap == nil {
			f.gap = fmt.Errorf("position %d came after %d", e.GetPosition(), f.last)
		}
		f.last = e.GetPosition()
		if id == "" {
			continue // A fixed link's own.
		}
		if !strings.HasPrefix(e.GetType(), "link.") { // Entries of links count no version of an order.
			f.versions[id]++
			if v := e.GetOrderVersion(); v != f.versions[id] && f.gap == nil {
				f.gap = fmt.Errorf("version %d of %s came where %d should (%s)", v, id, f.versions[id], e.GetType())
			}
		}
		f.told[id] = append(f.told[id], e.GetType())
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// compare waits until the stream has told as much of an order as is wanted, and compares it.
func (f *fair) compare(t *testing.T, orderID string, want []string) {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		f.mu.Lock()
		got, changed := slices.Clone(f.told[orderID]), f.changed
		f.wanted[orderID] = want
		f.mu.Unlock()
		if len(got) < len(want) {
			select {
			case <-changed:
				continue
			case <-late:
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("the watcher was told\n%q, want\n%q", got, want)
		}
		return
	}
}

// checkStream holds the stream against the journal at the end: all of it and nothing else, and nothing came
// to an order after it was judged.
func (f *fair) checkStream() {
	f.t.Helper()
	list, err := f.client.Payments.ListOrderEvents(f.t.Context(), &kvitv1.ListOrderEventsRequest{
		Start: &kvitv1.ListOrderEventsRequest_From{From: kvitv1.StreamFrom_STREAM_FROM_NOW},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gap != nil || f.last != list.GetScannedTo() {
		f.t.Errorf("the stream told of positions up to %d, the journal ends at %d: %v", f.last, list.GetScannedTo(), f.gap)
	}
	for _, id := range slices.Sorted(maps.Keys(f.told)) {
		if want, judged := f.wanted[id]; judged && !slices.Equal(f.told[id], want) {
			f.t.Errorf("at the end the watcher has been told of %s %q, want %q", id, f.told[id], want)
		}
	}
	f.t.Logf("the watcher was told of %d events of %d orders, without a gap", f.last, len(f.told))
}
