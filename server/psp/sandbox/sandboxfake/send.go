package sandboxfake

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// The headers of a callback: the second it was sent at, and the hex HMAC-SHA256 of that, a point, and
// the body, with the signing secret.
const (
	headerTimestamp = "Sandbox-Timestamp"
	headerSignature = "Sandbox-Signature"
)

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
