package sandboxfake

import (
	"context"
	"sync"
	"time"
)

const (
	// sendersMax is how many callbacks are on their way at once.
	sendersMax = 64
	// sendTimeout is how long one callback may take.
	sendTimeout = 10 * time.Second
	// answerMax is how much of an answer is read, in bytes.
	answerMax = 4 << 10
	// triesMax is how often a callback is sent until it is given up: for about three days.
	triesMax = 80
)

// retries is how long after a failed try the next one follows; the last holds for all further ones.
var retries = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
	2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
}

// job is one callback on its way.
type job struct {
	reference, url string
	delivery       delivery
}

// Run sends callbacks when they are due, until ctx ends. Then it waits for those on their way, which
// are stopped, and sent again after the next start.
func (p *PSP) Run(ctx context.Context) error {
	var senders sync.WaitGroup
	defer senders.Wait()
	slots := make(chan struct{}, sendersMax)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		case <-timer.C:
		}
		for {
			work, wait := p.claimDue()
			if work == nil {
				timer.Reset(wait)
				break
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				p.drop(work.reference)
				return nil
			}
			senders.Go(func() {
				defer func() { <-slots }()
				p.send(ctx, work)
			})
		}
	}
}

// confirmFirst sends the callback of a session that was opened as paid, and waits for its answer.
func (p *PSP) confirmFirst(ctx context.Context, s *session) {
	if len(s.Deliveries) > 0 {
		p.send(ctx, &job{reference: s.Reference, url: s.CallbackURL, delivery: s.Deliveries[0]})
	}
}
