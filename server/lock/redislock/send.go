package redislock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kvitpay/kvit/server/lock"
)

// releaseScript frees a key only for the holder of the token.
const releaseScript = `if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`

// probeTTL is how long a probe may hold the key that it tries, should its own release get lost.
const probeTTL = 100 * time.Millisecond

// Run sends what callers queue until ctx ends, then sends the releases that are left and returns nil.
// It is called once. Without it, callers hear that the service is away.
func (l *Lock) Run(ctx context.Context) error {
	defer l.drain(ctx)
	if err := l.load(ctx); err != nil && ctx.Err() == nil {
		l.queue.trip(err, l.opts.Prefix+"probe")
	}
	batch := make([]*request, 0, l.opts.BatchMax)
	for ctx.Err() == nil {
		if down, _ := l.queue.state(); down && !l.probeUntilUp(ctx) {
			return nil
		}
		batch = l.queue.fill(batch[:0], l.opts.BatchMax)
		if len(batch) > 0 {
			l.send(ctx, batch)
			continue
		}
		select {
		case <-l.queue.wake:
		case <-ctx.Done():
		}
	}
	return nil
}

// load makes the release script known to every node, so that no release has to be sent twice.
func (l *Lock) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.opts.Timeout)
	defer cancel()
	return l.client.ScriptLoad(ctx, releaseScript).Err()
}

// drain ends the queue and sends the releases that are left, as long as Redis answers.
func (l *Lock) drain(ctx context.Context) {
	for batch := range slices.Chunk(l.queue.stop(), l.opts.BatchMax) {
		if !l.send(ctx, batch) {
			return
		}
	}
}

// send makes one pipeline of batch and answers each request. A failure opens the circuit, and is told by false.
func (l *Lock) send(ctx context.Context, batch []*request) bool {
	// What is in flight is finished when ctx ends; the timeout bounds it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.opts.Timeout)
	defer cancel()
	pipe := l.client.Pipeline()
	cmds := make([]*redis.Cmd, len(batch))
	for i, r := range batch {
		cmds[i] = r.command(ctx, pipe, l.releaseHash)
	}
	_, execErr := pipe.Exec(ctx) // Each command carries its own error; this one is the first of them.

	var again []*request
	var failure error
	var suspect string
	for i, r := range batch {
		yes, err := r.read(cmds[i], execErr)
		if retry := l.settle(r, yes, err); retry != nil {
			again = append(again, retry)
		}
		if err != nil && !redis.HasErrorPrefix(err, "NOSCRIPT") && failure == nil {
			failure, suspect = err, r.key
		}
	}
	if failure != nil {
		l.queue.trip(failure, suspect)
	}
	l.queue.putBack(again)
	return failure == nil
}

// settle answers r and returns what must still be sent on its account, or nil.
func (l *Lock) settle(r *request, yes bool, err error) *request {
	switch {
	case r.verb == verbRelease && err != nil:
		r.scripted = true
		return r
	case r.verb != verbTake:
		if err != nil {
			err = lock.ErrAway
		}
		r.answer(answer{yes: yes, err: err})
		return nil
	case err != nil:
		r.answer(answer{err: lock.ErrAway})
		// The key may have been taken all the same.
		return r.undo()
	default:
		if heard := r.answer(answer{yes: yes}); yes && !heard {
			return r.undo()
		}
		return nil
	}
}

// command adds r to the pipeline.
func (r *request) command(ctx context.Context, pipe redis.Pipeliner, releaseHash string) *redis.Cmd {
	switch {
	case r.verb == verbTake:
		return pipe.Do(ctx, "SET", r.key, r.token, "NX", "PX", max(1, r.ttl.Milliseconds()))
	case r.verb == verbLook:
		return pipe.Do(ctx, "EXISTS", r.key)
	case r.scripted:
		return pipe.Eval(ctx, releaseScript, []string{r.key}, r.token)
	default:
		return pipe.EvalSha(ctx, releaseHash, []string{r.key}, r.token)
	}
}

// read returns what Redis said to r. A command without any reply has failed with the pipeline.
func (r *request) read(cmd *redis.Cmd, execErr error) (yes bool, err error) {
	reply, err := cmd.Result()
	if r.verb == verbTake && errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch reply := reply.(type) {
	case string:
		return reply == "OK", nil
	case int64:
		return reply > 0, nil
	default:
		return false, fmt.Errorf("unexpected reply %T, pipeline: %w", reply, execErr)
	}
}

// probeUntilUp waits until Redis takes and frees a key again. It returns false when ctx ends first.
func (l *Lock) probeUntilUp(ctx context.Context) bool {
	pause := time.NewTimer(l.opts.ProbeEvery)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return false
		}
		if l.probe(ctx) {
			l.queue.recover()
			return true
		}
		pause.Reset(l.opts.ProbeEvery)
	}
}

// probe takes the key that failed last and frees it: a write, on the node that failed.
func (l *Lock) probe(ctx context.Context) bool {
	if err := l.load(ctx); err != nil {
		return false
	}
	_, key := l.queue.state()
	ctx, cancel := context.WithTimeout(ctx, l.opts.Timeout)
	defer cancel()
	take := newTake(key, l.token(), probeTTL)
	release := take.undo()
	pipe := l.client.Pipeline()
	taken, released := take.command(ctx, pipe, l.releaseHash), release.command(ctx, pipe, l.releaseHash)
	_, execErr := pipe.Exec(ctx)
	_, takeErr := take.read(taken, execErr)
	_, releaseErr := release.read(released, execErr)
	return takeErr == nil && releaseErr == nil
}
