package sandboxfake

import (
	"container/heap"
	"crypto/rand"
	"net/http"
)

// errUnknown is the answer about a reference that no session has.
var errUnknown = &apiError{http.StatusNotFound, "unknown_payment", "no payment has this reference"}

// keep makes a session the one that is seen. The lock is held, or nobody else is there yet.
func (p *PSP) keep(s *session) {
	if p.sessions[s.Reference] == nil {
		p.order = append(p.order, s.Reference)
	}
	p.sessions[s.Reference], p.byID[s.ID] = s, s
	p.plan(s)
}

// open returns the session of a reference, made now where there is none. A new one may be
// paid before anybody sees it, and its callback is then the caller's to send.
func (p *PSP) open(ask createRequest, paid bool) (s *session, isNew bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sessions[ask.Reference]; s != nil {
		if s.AmountMinor != ask.AmountMinor || s.Currency != ask.Currency || s.Hold != ask.Hold {
			return nil, false, conflict("terms_differ", "the reference has another amount, currency or hold")
		}
		return s, false, nil
	}
	now := p.now()
	if now.After(ask.ExpiresAt) {
		return nil, false, conflict("expired", "expires_at has passed")
	}
	if err := p.makeRoom(); err != nil {
		return nil, false, err
	}
	ask.ExpiresAt = ask.ExpiresAt.UTC()
	s = &session{ID: rand.Text(), createRequest: ask, CreatedAt: now}
	if paid {
		if err := (&scene{session: s, now: now, merchant: p.options.Merchant}).playPay(); err != nil {
			return nil, false, err
		}
	}
	if err := p.log.append(s, p.inOrder); err != nil {
		return nil, false, err
	}
	if paid && len(s.Deliveries) > 0 {
		p.inFlight[s.Reference] = true
	}
	p.keep(s)
	return s, true, nil
}

// store writes a session down and then lets it be seen.
func (p *PSP) store(s *session) error {
	if err := p.log.append(s, p.inOrder); err != nil {
		return err
	}
	p.keep(s)
	return nil
}

// inOrder are the sessions, oldest first.
func (p *PSP) inOrder() []*session {
	all := make([]*session, 0, len(p.order))
	for _, reference := range p.order {
		all = append(all, p.sessions[reference])
	}
	return all
}

// change changes a session: wholly, or not at all where the change or the writing fails.
func (p *PSP) change(reference string, change func(*session) error) (*session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sessions[reference]
	if s == nil {
		return nil, errUnknown
	}
	s = s.clone()
	if err := change(s); err != nil {
		return nil, err
	}
	return s, p.store(s)
}

func (p *PSP) session(reference string) (*session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sessions[reference]; s != nil {
		return s, nil
	}
	return nil, errUnknown
}

// makeRoom forgets an old finished session where there are too many. Unfinished ones are passed over
// and looked at again when their turn comes; there is a limit to them too.
func (p *PSP) makeRoom() error {
	const looks, unfinishedFactor = 64, 4
	now := p.now()
	for range looks {
		if len(p.order) < p.options.SessionsMax {
			return nil
		}
		oldest := p.sessions[p.order[0]]
		p.order = p.order[1:]
		if oldest.finished(now) && !p.inFlight[oldest.Reference] {
			delete(p.sessions, oldest.Reference)
			delete(p.byID, oldest.ID)
			continue
		}
		p.order = append(p.order, oldest.Reference)
	}
	if len(p.order) >= unfinishedFactor*p.options.SessionsMax {
		return &apiError{http.StatusServiceUnavailable, "full", "too many sessions are open"}
	}
	return nil
}

// plan puts the session's next callback on the list of what is due.
func (p *PSP) plan(s *session) {
	if len(s.Deliveries) == 0 || p.inFlight[s.Reference] {
		return
	}
	heap.Push(&p.due, dueItem{at: s.Deliveries[s.earliest()].Due, reference: s.Reference})
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
