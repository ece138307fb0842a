package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// failuresMin is after how many failures in a row a person is told.
const failuresMin = 2

// watchWaitMax is the longest pause between attempts to reach a server that was lost.
const watchWaitMax = 15 * time.Second

// wideMin is how wide a terminal shows the date on each line, and the order's state.
const wideMin = 100

type orderWatch struct {
	OrderID       []string      `arg:"" optional:"" name:"order-id" help:"Only these orders; without, all."`
	Since         string        `help:"Where to begin: now (default), or beginning." enum:"now,beginning," default:"" placeholder:"WHEN"`
	FromBeginning bool          `help:"Begin with the first event of all; the same as --since beginning."`
	Cursor        string        `help:"Go on after this place." placeholder:"CURSOR"`
	Types         []string      `help:"Only events of these types, such as order.paid or order.*." placeholder:"TYPE"`
	UntilState    []orderState  `help:"End when each named order, or without names any order, is in one of these states." placeholder:"STATE"`
	For           time.Duration `help:"End after this long; with --until-state that is exit code 3." placeholder:"DURATION"`
}

// Help shows how the command is used.
func (*orderWatch) Help() string {
	return `Lines come as things happen, through lost connections and restarts of the server, each once and in order. With --json each
line is one event. When it ends it says with which --cursor to go on. Test orders and live ones come alike, whatever the key's
mode: lines about a test order say "test", and in the JSON it is order.mode.

Examples:

    kvit order watch

    kvit order watch A-17 --until-state paid,expired,cancelled --for 15m

    kvit order watch --from-beginning --types "order.*" --json`
}

// Run prints events until it is interrupted, or has what it waits for.
func (c *orderWatch) Run(ctx context.Context, a *app) error {
	if c.Cursor != "" && (c.FromBeginning || c.Since != "") || c.FromBeginning && c.Since == "now" {
		return usage(errors.New("give one of --since, --from-beginning and --cursor"))
	}
	w := &watch{orderWatch: c, app: a, waiting: map[string]bool{}}
	for _, id := range c.OrderID {
		w.waiting[id] = true
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	start, err := w.begin(ctx)
	if err != nil {
		return err
	}
	if done, err := w.already(ctx); done || err != nil {
		return err
	}
	follow := ctx
	if c.For > 0 {
		var cancel context.CancelFunc
		follow, cancel = context.WithTimeoutCause(ctx, c.For, errNotYet)
		defer cancel()
	}
	a.mention("Watching. Ctrl-C ends it.")
	err = kvit.Follow(follow, client.Payments, start, c.filter(), w.event,
		kvit.WithCheckpoint(w.keep), kvit.WithStatus(w.status), kvit.WithBackoff(a.waitFirst, watchWaitMax))
	w.goOn()
	if errors.Is(err, errNotYet) && len(c.UntilState) == 0 {
		return nil
	}
	return err
}

// watch is one watch under way.
type watch struct {
	*orderWatch
	*app

	at kvit.Checkpoint
	// failures counts those in a row: a connection that is cut and made again is not worth a word.
	failures int
	// waiting are the named orders that are not in the wanted state yet.
	waiting map[string]bool
	day     string
}

func (c *orderWatch) filter() kvit.Filter {
	return kvit.Filter{OrderIDs: c.OrderID, Types: c.Types}
}

// begin asks once whether the server serves this place, so that a wrong address, key or cursor is said at once. It turns now
// into a cursor, so that nothing is missed from here on.
func (w *watch) begin(ctx context.Context) (kvit.Start, error) {
	request := &kvitv1.ListOrderEventsRequest{OrderIds: w.OrderID, Types: w.Types, PageSize: 1}
	from := kvitv1.StreamFrom_STREAM_FROM_NOW
	if w.FromBeginning || w.Since == "beginning" {
		from = kvitv1.StreamFrom_STREAM_FROM_BEGINNING
	}
	request.Start = &kvitv1.ListOrderEventsRequest_From{From: from}
	if w.Cursor != "" {
		request.Start = &kvitv1.ListOrderEventsRequest_Cursor{Cursor: w.Cursor}
	}
	answer, err := read(ctx, w.app, func(ctx context.Context, client *kvit.Client) (*kvitv1.ListOrderEventsResponse, error) {
		return client.Payments.ListOrderEvents(ctx, request)
	})
	switch {
	case err != nil:
		return kvit.Start{}, err
	case answer.GetReset_() != nil:
		return kvit.Start{}, &kvit.ResetError{Reason: answer.GetReset_().GetReason(), OldestCursor: answer.GetReset_().GetOldestCursor()}
	case w.Cursor != "":
		w.at = kvit.Checkpoint{Cursor: w.Cursor}
	case from == kvitv1.StreamFrom_STREAM_FROM_NOW:
		w.at = kvit.Checkpoint{Cursor: answer.GetNextCursor()}
	default:
		return kvit.FromBeginning(), nil
	}
	return kvit.From(w.at), nil
}

// already looks whether the named orders are in the wanted state by now, so that what happened before is not waited for.
func (w *watch) already(ctx context.Context) (bool, error) {
	if len(w.UntilState) == 0 || len(w.OrderID) == 0 {
		return false, nil
	}
	for _, id := range w.OrderID {
		answer, err := read(ctx, w.app, func(ctx context.Context, client *kvit.Client) (*kvitv1.GetOrderStatusResponse, error) {
			return client.Payments.GetOrderStatus(ctx, &kvitv1.GetOrderStatusRequest{OrderId: id})
		})
		if err != nil {
			return false, err
		}
		if w.wanted(answer.GetOrder().GetState()) {
			o := answer.GetOrder()
			w.hint("%s %s is %s already.", orderNoun(o), o.GetOrderId(), orderWord(o.GetState()))
			delete(w.waiting, id)
		}
	}
	return len(w.waiting) == 0, nil
}

func (w *watch) wanted(state kvitv1.OrderState) bool {
	return slices.Contains(w.UntilState, orderState(state))
}

// event prints one event, and ends the watch with the last one that it waits for.
func (w *watch) event(_ context.Context, event *kvitv1.OrderEvent) error {
	if err := w.print(event); err != nil {
		return err
	}
	if len(w.UntilState) == 0 || event.GetOrder() == nil {
		return nil
	}
	if w.wanted(event.GetOrder().GetState()) {
		delete(w.waiting, event.GetOrderId())
		if len(w.waiting) == 0 {
			return kvit.ErrStop
		}
	} else if slices.Contains(w.OrderID, event.GetOrderId()) {
		w.waiting[event.GetOrderId()] = true
	}
	return nil
}

func (w *watch) keep(_ context.Context, at kvit.Checkpoint) error {
	w.at = at
	return nil
}

// status says once that the server was lost, and once that it is back.
func (w *watch) status(s kvit.Status) {
	if !s.Connected {
		if w.failures++; w.failures == failuresMin {
			w.hint("%s Trying again until it works; nothing is missed.", w.sentence(s.Err))
		}
		return
	}
	if w.failures >= failuresMin {
		w.hint("Connected again.")
	}
	w.failures = 0
	if s.Polling {
		w.mention("Streams do not get through here; asking again and again instead.")
	}
}

func (w *watch) print(event *kvitv1.OrderEvent) error {
	if w.json {
		return w.line(event)
	}
	at := event.GetOccurredAt().AsTime().In(w.zone)
	clock := at.Format("2006-01-02 15:04:05")
	if w.width > 0 && w.width < wideMin {
		if day := at.Format(time.DateOnly); day != w.day {
			w.day = day
			if _, err := fmt.Fprintln(w.stdout, day); err != nil {
				return err
			}
		}
		clock = at.Format(time.TimeOnly)
	}
	subject := event.GetOrderId()
	if subject == "" {
		subject = event.GetLinkId()
	}
	line := strings.Join([]string{
		clock, fmt.Sprintf("%-6s", fmt.Sprintf("#%d", event.GetPosition())), pad(testMark(event), len("test")), pad(clean(event.GetType()), 22), pad(clean(subject), 12),
	}, gap)
	_, err := fmt.Fprintln(w.stdout, w.laid(line, pad(orderWord(event.GetOrder().GetState()), 10), clean(saying(event))))
	return err
}

// testMark marks what happens to a test order, on a line that otherwise reads like real money.
func testMark(event *kvitv1.OrderEvent) string {
	if event.GetOrder().GetMode() == kvitv1.Mode_MODE_TEST {
		return "test"
	}
	return ""
}

// indentSaid is how far the words stand in that have a line of their own.
const indentSaid = "          "

// laid puts an event's words after its state; on a narrow terminal, where the type has to do for the state, after the line, or on
// a line of their own.
func (w *watch) laid(line, state, said string) string {
	short := strings.TrimRight(line+gap+said, " ")
	whole := strings.TrimRight(line+gap+state+gap+said, " ")
	switch {
	case w.width <= 0, w.width >= wideMin && display(whole) <= w.width:
		return whole
	case said == "" || display(short) <= w.width:
		return short
	}
	return strings.TrimRight(line, " ") + "\n" + wrap(said, indentSaid, w.width)
}

// goOn says how to watch on from here.
func (w *watch) goOn() {
	if w.at.Cursor == "" {
		return
	}
	command := append([]string{"kvit order watch"}, w.OrderID...)
	if len(w.Types) > 0 {
		command = append(command, "--types '"+strings.Join(w.Types, ",")+"'")
	}
	w.hint("To go on from here: %s --cursor %s", strings.Join(command, " "), w.at.Cursor)
}
