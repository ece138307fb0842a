package redislock

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/kvitpay/kvit/server/lock"
)

// owedMax is how many releases are kept while Redis is away. Beyond it the time to live frees the keys.
const owedMax = 4096

// request is one thing wanted of Redis.
type request struct {
	verb  verb
	key   string
	token string
	ttl   time.Duration
	// scripted is set when Redis does not know the release script and must be sent it whole.
	scripted bool
	// settled is set once, by the answer or by a caller that gave up.
	settled atomic.Bool
	// answered holds the one answer. It is nil for a release, which nobody waits for.
	answered chan answer
}

type verb int

const (
	verbTake verb = iota
	verbRelease
	verbLook
)

// answer says yes to a take (it is yours) or to a look (it is held).
type answer struct {
	yes bool
	err error
}

func newTake(key, token string, ttl time.Duration) *request {
	return &request{verb: verbTake, key: key, token: token, ttl: ttl, answered: make(chan answer, 1)}
}

func newLook(key string) *request {
	return &request{verb: verbLook, key: key, answered: make(chan answer, 1)}
}

// undo returns the release of what a take took.
func (r *request) undo() *request {
	return &request{verb: verbRelease, key: r.key, token: r.token}
}

// answer tells the caller and reports whether it was still there to hear it.
func (r *request) answer(a answer) bool {
	if r.answered == nil || r.settled.Swap(true) {
		return false
	}
	r.answered <- a
	return true
}

// giveUp ends a caller's wait with err, or with the answer if it came first.
func (r *request) giveUp(err error) (bool, error) {
	if r.settled.Swap(true) {
		a := <-r.answered
		return a.yes, a.err
	}
	return false, err
}

// queue holds what waits for the next pipeline, and whether Redis is thought to be there.
type queue struct {
	// wake tells the sender that there is something to do.
	wake    chan struct{}
	changed func(up bool, err error)

	// order makes changes of state reach their listener in the order in which they happen.
	order sync.Mutex

	mu      sync.Mutex
	waiting []*request
	down    bool
	stopped bool
	// suspect is the key that failed last, by which a probe finds the same node of a cluster.
	suspect string
}

func newQueue(suspect string, changed func(up bool, err error)) *queue {
	return &queue{wake: make(chan struct{}, 1), changed: changed, suspect: suspect}
}

// put queues r. While Redis is away it keeps releases alone, and reports false for the rest.
func (q *queue) put(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return false
	}
	if q.down {
		if r.verb == verbRelease && len(q.waiting) < owedMax {
			q.waiting = append(q.waiting, r)
		}
		return false
	}
	q.waiting = append(q.waiting, r)
	q.signal()
	return true
}

// putBack queues requests before all others, as they were.
func (q *queue) putBack(requests []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(requests) == 0 || q.stopped {
		return
	}
	q.waiting = append(requests, q.waiting...)
	if q.down && len(q.waiting) > owedMax {
		q.waiting = q.waiting[len(q.waiting)-owedMax:]
	}
	q.signal()
}

// fill moves up to limit requests to batch.
func (q *queue) fill(batch []*request, limit int) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down {
		return batch
	}
	n := min(limit, len(q.waiting))
	batch = append(batch, q.waiting[:n]...)
	left := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[left:])
	q.waiting = q.waiting[:left]
	return batch
}

// trip opens the circuit: all who wait hear that the service is away, and releases are kept.
func (q *queue) trip(cause error, suspect string) {
	q.order.Lock()
	defer q.order.Unlock()

	q.mu.Lock()
	if q.down || q.stopped {
		q.mu.Unlock()
		return
	}
	q.down, q.suspect = true, suspect
	abandoned := q.keepReleases()
	q.signal()
	q.mu.Unlock()

	for _, r := range abandoned {
		r.answer(answer{err: lock.ErrAway})
	}
	q.changed(false, cause)
}

// recover closes the circuit.
func (q *queue) recover() {
	q.order.Lock()
	defer q.order.Unlock()

	q.mu.Lock()
	q.down = false
	q.signal()
	q.mu.Unlock()

	q.changed(true, nil)
}

// stop ends the queue: nothing is taken from now on. It returns the releases that are left.
func (q *queue) stop() []*request {
	q.mu.Lock()
	q.stopped = true
	abandoned := q.keepReleases()
	owed := q.waiting
	q.waiting = nil
	q.mu.Unlock()

	for _, r := range abandoned {
		r.answer(answer{err: lock.ErrAway})
	}
	return owed
}

// keepReleases leaves the releases waiting, within their bound, and returns the others.
func (q *queue) keepReleases() []*request {
	var kept, others []*request
	for _, r := range q.waiting {
		switch {
		case r.verb != verbRelease:
			others = append(others, r)
		case len(kept) < owedMax:
			kept = append(kept, r)
		}
	}
	q.waiting = kept
	return others
}

// state reports whether the circuit is open, and the key to probe.
func (q *queue) state() (down bool, suspect string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.down, q.suspect
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
