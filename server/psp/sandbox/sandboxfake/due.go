package sandboxfake

import (
	"container/heap"
	"time"
)

// dueItem says that a callback of a session was due at that time when it was planned.
type dueItem struct {
	at        time.Time
	reference string
}

type dueHeap []dueItem

// Len implements heap.Interface.
func (h *dueHeap) Len() int { return len(*h) }

// Less implements heap.Interface.
func (h *dueHeap) Less(i, j int) bool { return (*h)[i].at.Before((*h)[j].at) }

// Swap implements heap.Interface.
func (h *dueHeap) Swap(i, j int) { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }

// Push implements heap.Interface.
func (h *dueHeap) Push(item any) {
	if due, ok := item.(dueItem); ok {
		*h = append(*h, due)
	}
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	item := (*h)[last]
	*h = (*h)[:last]
	return item
}

// earliest is the place of the callback that is sent next; there is one.
func (s *session) earliest() int {
	first := 0
	for i := range s.Deliveries {
		if s.Deliveries[i].Due.Before(s.Deliveries[first].Due) {
			first = i
		}
	}
	return first
}

// idleWait is how long Run sleeps where nothing is planned.
const idleWait = time.Hour

// claimDue takes the next callback that is due, or says how long there is none.
func (p *PSP) claimDue() (work *job, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for len(p.due) > 0 {
		if wait := p.due[0].at.Sub(now); wait > 0 {
			return nil, wait
		}
		item, _ := heap.Pop(&p.due).(dueItem)
		if work := p.claim(item.reference, now); work != nil {
			return work, 0
		}
	}
	return nil, idleWait
}

// claim takes a session's next callback, if one is due and none is on its way.
func (p *PSP) claim(reference string, now time.Time) *job {
	s := p.sessions[reference]
	if s == nil || len(s.Deliveries) == 0 || p.inFlight[reference] {
		return nil
	}
	next := s.Deliveries[s.earliest()]
	if next.Due.After(now) {
		return nil
	}
	p.inFlight[reference] = true
	return &job{reference: reference, url: s.CallbackURL, delivery: next}
}

// drop ends a claim without an outcome.
func (p *PSP) drop(reference string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.inFlight, reference)
	if s := p.sessions[reference]; s != nil {
		p.plan(s)
	}
}
