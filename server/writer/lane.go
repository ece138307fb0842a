package writer

import (
	"context"
	"hash/maphash"
	"runtime"
	"time"

	"github.com/kvitpay/kvit/server/fault"
)

// request is a command on its way. While it is queued it belongs to its queue, afterwards to the
// batch that took it, until that has answered.
type request struct {
	cmd   Command
	queue *queue
	since time.Time
	// done receives one answer. It has room for it, so that answering never waits.
	done chan error

	queued     bool
	next, prev *request
}

// list is a first-in first-out list of requests from which any can be taken out.
type list struct {
	head, tail *request
	length     int
}

func (l *list) push(r *request) {
	r.prev, r.next = l.tail, nil
	if l.tail == nil {
		l.head = r
	} else {
		l.tail.next = r
	}
	l.tail = r
	l.length++
}

func (l *list) remove(r *request) {
	if r.prev == nil {
		l.head = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		l.tail = r.prev
	} else {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
	l.length--
}

// queue holds the waiting commands of its merchants. The writer's mutex guards it.
type queue struct {
	ordinary, bulk list
	// busy is set while a batch with commands of this queue is in flight.
	busy bool
	// patience fires when the oldest command may have waited too long. It is set while armed is true.
	patience *time.Timer
	armed    bool
}

func (q *queue) waiting() int { return q.ordinary.length + q.bulk.length }

func (q *queue) listOf(r *request) *list {
	if r.cmd.Bulk {
		return &q.bulk
	}
	return &q.ordinary
}

func (q *queue) remove(r *request) {
	q.listOf(r).remove(r)
	r.queued = false
}

// oldest is the command that has waited longest, or nil.
func (q *queue) oldest() *request {
	a, b := q.ordinary.head, q.bulk.head
	if a == nil || b != nil && b.since.Before(a.since) {
		return b
	}
	return a
}

// lane runs batches, one at a time. Of n serving lanes, lane i serves the queues i, i+n, i+2n ...
type lane struct {
	// wake has room for one wake-up.
	wake chan struct{}
	// start rotates which queue is looked at first. Only the lane's goroutine uses it.
	start int
}

func (w *Writer) request(cmd Command) *request {
	r, ok := w.requests.Get().(*request)
	if !ok {
		r = &request{done: make(chan error, 1)}
	}
	r.cmd = cmd
	return r
}

// recycle takes back a request that neither a queue nor a batch holds.
func (w *Writer) recycle(r *request) {
	r.cmd, r.queue = Command{}, nil
	w.requests.Put(r)
}

func (w *Writer) enqueue(r *request) *fault.Error {
	number := int(maphash.String(w.seed, r.cmd.Merchant) % uint64(len(w.queues))) //nolint:gosec // Less than the number of queues.
	r.since = w.opts.Now()

	w.mu.Lock()
	defer w.mu.Unlock()
	q := &w.queues[number]
	if w.stopping {
		return shuttingDown()
	}
	if q.waiting() >= w.opts.WaitingMax {
		return rateLimited()
	}
	r.queue, r.queued = q, true
	q.listOf(r).push(r)
	if !q.armed {
		w.arm(q, w.opts.WaitMax)
	}
	if !q.busy {
		w.wake(number)
	}
	return nil
}

// withdraw takes a command away whose caller gives up. It reports false where a batch has taken it.
func (w *Writer) withdraw(r *request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !r.queued {
		return false
	}
	r.queue.remove(r)
	return true
}

// wake tells the lane that serves this queue to look. The mutex is held.
func (w *Writer) wake(queue int) {
	select {
	case w.lanes[queue%w.serving].wake <- struct{}{}:
	default:
	}
}

// arm lets the queue's oldest command be looked at after d. The mutex is held.
func (w *Writer) arm(q *queue, d time.Duration) {
	q.armed = true
	if q.patience == nil {
		q.patience = time.AfterFunc(d, func() { w.expire(q) })
		return
	}
	q.patience.Reset(d)
}

// expire answers the commands of a queue that waited too long.
func (w *Writer) expire(q *queue) {
	w.mu.Lock()
	q.armed = false
	var late list
	now := w.opts.Now()
	for r := q.oldest(); r != nil; r = q.oldest() {
		if left := w.opts.WaitMax - now.Sub(r.since); left > 0 {
			w.arm(q, left)
			break
		}
		q.remove(r)
		late.push(r)
	}
	w.mu.Unlock()
	w.turnAway(&late, rateLimited)
}

// stop answers everybody who waits and takes nothing more.
func (w *Writer) stop() {
	w.mu.Lock()
	w.stopping = true
	var waiting list
	for i := range w.queues {
		q := &w.queues[i]
		if q.patience != nil {
			q.patience.Stop()
		}
		for r := q.oldest(); r != nil; r = q.oldest() {
			q.remove(r)
			waiting.push(r)
		}
	}
	w.mu.Unlock()
	w.turnAway(&waiting, shuttingDown)
}

// turnAway answers requests that no batch takes. Each is its caller's from then on.
func (w *Writer) turnAway(requests *list, why func() *fault.Error) {
	for r := requests.head; r != nil; r = requests.head {
		requests.remove(r)
		r.done <- w.refused(r.cmd.Name, why())
	}
}

// serve runs the batches of one lane until ctx ends. A batch in flight is finished.
func (w *Writer) serve(ctx context.Context, number int) {
	s := server{w: w, lane: number}
	s.batch = batch{
		begins: w.begins, hooks: w.opts.Hooks, publish: w.opts.Publish, log: w.opts.Logger, now: w.opts.Now,
		answer: s.answer, report: s.report,
	}
	for {
		// Callers that were just answered, or are about to call, go first: what they bring joins this
		// batch. It is a turn of the scheduler and no wait: where nobody is ready it returns at once.
		runtime.Gosched()
		if s.collect() {
			s.run(ctx)
			continue
		}
		select {
		case <-w.lanes[number].wake:
		case <-ctx.Done():
			return
		}
	}
}

// server is the goroutine of a lane, and what it reuses from batch to batch.
type server struct {
	w    *Writer
	lane int
	// taken are the requests of the batch, queues the numbers of the queues that they came from.
	taken  []*request
	queues []int
	bytes  int
	began  time.Time
	batch  batch
}

// collect takes what waits, and reports whether that is anything.
func (s *server) collect() bool {
	w := s.w
	w.mu.Lock()
	defer w.mu.Unlock()
	s.taken, s.queues, s.bytes = s.taken[:0], s.queues[:0], 0
	if w.stopping || s.lane >= w.serving {
		return false
	}
	count := w.opts.CommandsMax
	served := len(w.queues) / w.serving
	lane := &w.lanes[s.lane]
	lane.start = (lane.start + 1) % served
	bulk := -1
	for i := range served {
		number := s.lane + (lane.start+i)%served*w.serving
		if q := &w.queues[number]; !q.busy && q.bulk.length > 0 {
			bulk, count = number, w.opts.CommandsMax-1
			break
		}
	}
	for i := range served {
		number := s.lane + (lane.start+i)%served*w.serving
		q := &w.queues[number]
		if q.busy {
			continue
		}
		s.take(number, &q.ordinary, count)
	}
	if bulk >= 0 {
		s.take(bulk, &w.queues[bulk].bulk, min(len(s.taken)+1, w.opts.CommandsMax))
	}
	return len(s.taken) > 0
}

// take moves commands of a queue into the batch until it holds count of them or its bytes are used up.
func (s *server) take(number int, from *list, count int) {
	q := &s.w.queues[number]
	for r := from.head; r != nil && len(s.taken) < count; r = from.head {
		if len(s.taken) > 0 && s.bytes+r.cmd.Size > s.w.opts.BytesMax {
			return
		}
		q.remove(r)
		s.taken = append(s.taken, r)
		s.bytes += r.cmd.Size
		if !q.busy {
			q.busy = true
			s.queues = append(s.queues, number)
		}
	}
}

// run runs the batch that was collected and answers all its callers.
func (s *server) run(ctx context.Context) {
	w := s.w
	s.began = w.opts.Now()
	for _, r := range s.taken {
		s.batch.add(&r.cmd)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.opts.BatchTimeMax)
	s.batch.run(ctx)
	cancel()
	clear(s.taken)
	s.release()
}

// answer tells a caller how its command went. The request is the caller's from then on.
func (s *server) answer(i int, err error) { s.taken[i].done <- err }

// report is called once per batch, when the outcome of its commands is known and before they are answered.
func (s *server) report(r BatchReport) {
	r.Bytes = s.bytes
	if s.w.opts.Observer.Batch != nil {
		oldest := s.began
		for _, t := range s.taken {
			if t.since.Before(oldest) {
				oldest = t.since
			}
		}
		r.Waited, r.Took = s.began.Sub(oldest), s.w.opts.Now().Sub(s.began)
		s.w.opts.Observer.Batch(r)
	}
	if r.Commands == 1 && r.Saved > 0 {
		s.w.considerLanes(r.Saved)
	}
}

// release lets the queues of the batch be served again.
func (s *server) release() {
	w := s.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, number := range s.queues {
		q := &w.queues[number]
		q.busy = false
		if q.waiting() > 0 && number%w.serving != s.lane {
			w.wake(number)
		}
	}
}

// considerLanes counts the save of a lone command and opens or closes lanes when enough were seen. A
// queue keeps its batch in flight: another lane takes from it only after that.
func (w *Writer) considerLanes(saved time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.saves == 0 || saved < w.quickest {
		w.quickest = saved
	}
	if w.saves++; w.saves < savesSampled {
		return
	}
	w.saves = 0
	serving := w.serving
	switch {
	case w.quickest > slowSave:
		serving = len(w.lanes)
	case w.quickest < quickSave:
		serving = w.narrow
	}
	if serving == w.serving {
		return
	}
	w.serving = serving
	for i := range serving {
		w.wake(i)
	}
}
