package sandboxfake

import (
	"bytes"
	"container/heap"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The headers of a callback: the second it was sent at, and the hex HMAC-SHA256 of that, a point, and
// the body, with the signing secret.
const (
	headerTimestamp = "Sandbox-Timestamp"
	headerSignature = "Sandbox-Signature"
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

// confirmFirst sends the callback of a session that was opened as paid, and waits for its answer.
func (p *PSP) confirmFirst(ctx context.Context, s *session) {
	if len(s.Deliveries) > 0 {
		p.send(ctx, &job{reference: s.Reference, url: s.CallbackURL, delivery: s.Deliveries[0]})
	}
}

// send sends a callback once, and writes down what came of it.
func (p *PSP) send(ctx context.Context, work *job) {
	status, err := p.post(ctx, work)
	if ctx.Err() != nil && status == 0 {
		p.drop(work.reference)
		return
	}
	p.options.Logger.LogAttrs(ctx, slog.LevelDebug, "sandbox callback",
		slog.String("reference", work.reference), slog.Int("status", status),
		slog.Int("try", work.delivery.Tries+1), slog.Any("error", err))
	p.settle(ctx, work, status)
}

// settle writes down how a callback was answered: 0 is not at all.
func (p *PSP) settle(ctx context.Context, work *job, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.inFlight, work.reference)
	s := p.sessions[work.reference]
	if s == nil {
		return
	}
	s = s.clone()
	s.Answer = status
	s.answered(work.delivery.ID, status, p.now())
	if err := p.store(s); err != nil {
		p.options.Logger.LogAttrs(ctx, slog.LevelError, "sandbox state is not written", slog.Any("error", err))
		p.keep(s) // It goes on in memory: the callback is sent again after a restart.
	}
}

// answered ends a delivery, or puts it off.
func (s *session) answered(id string, status int, now time.Time) {
	at := slices.IndexFunc(s.Deliveries, func(d delivery) bool { return d.ID == id })
	if at < 0 {
		return
	}
	d := &s.Deliveries[at]
	d.Tries++
	if status == http.StatusOK || d.Forged || d.Tries >= triesMax {
		s.Deliveries = slices.Delete(s.Deliveries, at, at+1)
		return
	}
	d.Due = now.Add(retries[min(d.Tries, len(retries))-1])
}

func (p *PSP) post(ctx context.Context, work *job) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, work.url, bytes.NewReader(work.delivery.Body))
	if err != nil {
		return 0, err
	}
	timestamp := strconv.FormatInt(p.now().Unix(), 10)
	secret := p.options.SigningSecret
	if work.delivery.Forged {
		secret += " of somebody else"
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(headerTimestamp, timestamp)
	request.Header.Set(headerSignature, Sign(secret, timestamp, work.delivery.Body))
	answer, err := p.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // It was only read.
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, answerMax)); err != nil {
		return 0, err
	}
	return answer.StatusCode, nil
}

// Sign is the signature of a callback with that timestamp and body, so that tests can sign altered ones.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// callbackClient is a client like the given one that follows no redirects: a redirect is no 200.
func callbackClient(client *http.Client) *http.Client {
	own := http.Client{}
	if client != nil {
		own = *client
	} else {
		own.Transport = &http.Transport{MaxIdleConnsPerHost: sendersMax, IdleConnTimeout: time.Minute}
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}
