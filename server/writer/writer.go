// Package writer is the one way in which orders, links and the journal change (law 7).
//
// Its one idea: throughput and correctness come from the same design. A use-case hands over a
// [Command], the keys of what it needs and a pure decision; commands that wait together become one
// batch, and a batch is one transaction: collect, load under locks, decide in arrival order, save
// with the journal (J1), publish, answer. While one batch commits the next gathers; nothing waits
// for a timer, so a command alone is a batch of one.
//
// Concurrency: Do may be called from any number of goroutines. A merchant belongs to one queue for
// ever, and a queue's commands are in one batch at a time. Lanes run the batches, each serving its
// share of the queues; there are as many as cores, and at least eight where a lone save takes over a
// millisecond. How many there are changes no outcome: other processes write to the same database
// and the locks there decide.
//
// Ordering: commands of one merchant are decided in the order of their Do, and their entries stand in
// the journal in that order. A later command of a batch sees what an earlier one changed. Bulk
// commands let the others pass, and only among themselves keep their order. Publish is called after
// the commit and before the answer.
//
// Failure: what Decide returns is the answer of its own command alone, and nothing of that command
// is kept; so is a panic, which becomes Internal. A lost race runs the batch again on fresh rows, three times at most; then,
// and after any other failure to save, each command runs alone, so that a poisonous one fails alone.
// A commit whose outcome is unclear is never run again: every caller hears STORE_UNAVAILABLE, and a
// repeat with the same key finds out (I2). A caller that gives up while its command waits takes it
// away; afterwards the command is committed without it. Full queues, and a second of waiting, are
// RATE_LIMITED.
package writer

import (
	"context"
	"hash/maphash"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/store"
)

// The limits that hold where Options names none.
const (
	// CommandsMax is how many commands a batch holds.
	CommandsMax = 256
	// BytesMax is how many bytes of commands a batch holds. A larger command is a batch of its own.
	BytesMax = 1 << 20
	// WaitingMax is how many commands may wait in one queue.
	WaitingMax = 2000
	// WaitMax is how long a command may wait before it is taken.
	WaitMax = time.Second
	// BatchTimeMax bounds a batch with all its re-runs. It is longer than the store's own limits for a
	// statement, a lock and an idle holder, so that it ends only what these cannot.
	BatchTimeMax = 15 * time.Second
)

const (
	// retriesMax is how often a batch is run again after a lost race.
	retriesMax = 3
	// lanesWide is the least number of lanes where saving is slow.
	lanesWide = 8
	// slowSave is how long a lone save takes where more lanes are worth it, quickSave where they are not.
	slowSave  = time.Millisecond
	quickSave = 700 * time.Microsecond
	// savesSampled is how many lone saves are looked at before the lanes are reconsidered. The
	// quickest of them counts: it waited for the disk and the network, and least for a core.
	savesSampled = 32
	// retryAfter is what callers are advised to wait before a repeat.
	retryAfter = time.Second
)

// Command is one change: what it needs, and a decision.
type Command struct {
	// Name says for logs and metrics what it is: "create_payment_link".
	Name string
	// Merchant owns every row that the command sees and changes.
	Merchant string
	// Keys name the rows that Decide may look at and save, those that it makes among them.
	Keys store.Keys
	// Size is about how many bytes it writes.
	Size int
	// Bulk commands let others pass: a batch takes one at most. They are cut to 100 rows by the caller.
	Bulk bool
	// Decide is pure: it looks at the view, saves what it changes there and keeps its result in
	// variables of its own, or refuses with a fault. It may run several times, on fresh rows, so it
	// begins by resetting that result. It neither blocks nor keeps the view. When Do has returned
	// because the caller gave up, Decide may still be running: the result is not read then.
	Decide func(v *View) error
}

// Options are what New takes beside the store.
type Options struct {
	// Now is the process's clock. It is required. It times waits and metrics; decisions use the database's.
	Now func() time.Time
	// Logger is required.
	Logger *slog.Logger
	// Publish wakes those who follow these merchants, each named once. It must not block. It may be nil.
	Publish func(merchants []string)
	// Lanes is how many lanes serve while saving is quick, LanesMax how many while it is slow. 0 means
	// as many as cores, and at least eight; where only Lanes is set, there are never more. The store
	// needs a connection for each. A store with one write connection is served by one lane.
	Lanes, LanesMax int
	// CommandsMax, BytesMax, WaitingMax, WaitMax and BatchTimeMax are limits; 0 means the constant of that name.
	CommandsMax  int
	BytesMax     int
	WaitingMax   int
	WaitMax      time.Duration
	BatchTimeMax time.Duration

	Observer Observer
	Hooks    Hooks
}

// Observer is told what happens, for metrics. Its functions may be nil; they must not block.
type Observer struct {
	// Batch is told of each batch, before its callers are answered.
	Batch func(BatchReport)
	// Refused is told of a command that was not run: RATE_LIMITED, SHUTTING_DOWN, DEADLINE_EXCEEDED, CANCELLED.
	Refused func(command string, reason fault.Reason)
}

// BatchReport is how a batch went.
type BatchReport struct {
	Commands int
	Bytes    int
	Entries  int
	// Retries counts the runs after the first, those of single commands not among them.
	Retries int
	// Alone is true where the commands were run one by one.
	Alone bool
	// Waited is how long the first command waited to be taken, Took the rest until the commit.
	Waited, Took time.Duration
	// Saved is the time of the last Save, 0 where nothing changed.
	Saved time.Duration
}

// Hooks are called between the steps of every run of a batch, for tests. An error takes the place of
// the step's own: AfterCollect and AfterLoad fail as loading does, BeforeSave and AfterSave as saving.
type Hooks struct {
	AfterCollect, AfterLoad, BeforeSave, AfterSave func(ctx context.Context, step Step) error
}

// Step says of which run of which batch a hook is called.
type Step struct {
	// Commands are the names of the commands in the run.
	Commands []string
	// Run counts the runs of these commands together: 0, then 1 to 3 after lost races.
	Run int
}

// Writer takes commands and runs them in batches.
type Writer struct {
	begins store.Begins
	opts   Options
	seed   maphash.Seed
	// requests are reused by callers that were answered.
	requests sync.Pool

	mu      sync.Mutex
	queues  []queue
	lanes   []lane
	serving int // lanes that serve; the others sleep
	narrow  int // serving while saving is quick
	// stopping is set once, when Run ends.
	stopping bool
	// saves of lone commands since the lanes were last considered, and the quickest of them.
	saves    int
	quickest time.Duration
}

// New makes a writer. Commands wait until Run is called.
func New(begins store.Begins, opts Options) *Writer {
	orDefault(&opts.CommandsMax, CommandsMax)
	orDefault(&opts.BytesMax, BytesMax)
	orDefault(&opts.WaitingMax, WaitingMax)
	orDefault(&opts.WaitMax, WaitMax)
	orDefault(&opts.BatchTimeMax, BatchTimeMax)
	narrow, wide := lanes(opts)
	w := &Writer{
		begins: begins, opts: opts, seed: maphash.MakeSeed(),
		requests: sync.Pool{New: func() any { return &request{done: make(chan error, 1)} }},
		queues:   make([]queue, wide), lanes: make([]lane, wide), serving: narrow, narrow: narrow,
	}
	for i := range w.lanes {
		w.lanes[i].wake = make(chan struct{}, 1)
	}
	return w
}

// lanes is how many lanes serve while saving is quick, and while it is slow. The latter is a multiple
// of the former, so that every lane serves the same number of queues.
func lanes(opts Options) (narrow, wide int) {
	narrow, wide = opts.Lanes, opts.LanesMax
	if narrow <= 0 {
		narrow = runtime.GOMAXPROCS(0)
		if wide > 0 {
			narrow = min(narrow, wide)
		} else {
			wide = (lanesWide + narrow - 1) / narrow * narrow
		}
	}
	return narrow, max(wide/narrow, 1) * narrow
}

func orDefault[T int | time.Duration](value *T, standard T) {
	if *value <= 0 {
		*value = standard
	}
}

// Run runs batches until ctx ends. Then the batches in flight are finished, the commands that still
// wait are answered with SHUTTING_DOWN, and Run returns nil. It is called once.
func (w *Writer) Run(ctx context.Context) error {
	var lanes sync.WaitGroup
	for i := range w.lanes {
		lanes.Go(func() { w.serve(ctx, i) })
	}
	<-ctx.Done()
	w.stop()
	lanes.Wait()
	return nil
}

// Do runs a command and returns nil when it is committed, or had nothing to change. Otherwise it
// returns what Decide refused with, or one of the package's faults.
func (w *Writer) Do(ctx context.Context, cmd Command) error {
	if ctx.Err() != nil {
		return w.refused(cmd.Name, notRun(ctx))
	}
	r := w.request(cmd)
	if err := w.enqueue(r); err != nil {
		w.recycle(r)
		return w.refused(cmd.Name, err)
	}
	select {
	case err := <-r.done:
		w.recycle(r)
		return err
	case <-ctx.Done():
	}
	if w.withdraw(r) {
		w.recycle(r)
		return w.refused(cmd.Name, notRun(ctx))
	}
	select {
	case err := <-r.done:
		w.recycle(r)
		return err
	default:
		return gaveUp(ctx) // The lane still holds r and answers into it; nobody else will.
	}
}

// Waiting is how many commands wait to be taken.
func (w *Writer) Waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := 0
	for i := range w.queues {
		sum += w.queues[i].waiting()
	}
	return sum
}

// Lanes is how many lanes serve now.
func (w *Writer) Lanes() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.serving
}

// RunBatch runs these commands as one batch, here, and returns their answers: the synchronous form,
// for tests and simulation. It collects nothing, publishes nothing and has no limits but ctx.
func RunBatch(ctx context.Context, begins store.Begins, cmds []Command) []error {
	b := batch{begins: begins, log: slog.New(slog.DiscardHandler)}
	errs := make([]error, len(cmds))
	b.answer = func(i int, err error) { errs[i] = err }
	for i := range cmds {
		b.add(&cmds[i])
	}
	b.run(ctx)
	return errs
}
