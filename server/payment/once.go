package payment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/lock"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

const (
	// waitMax is how long a call waits for another one with its key before it gives up (I2).
	waitMax = 2 * time.Second
	// lockTTL bounds how long a key stays taken by a server that died (I3).
	lockTTL = 5 * time.Second
	// inUseRetry is the advice to a caller whose key is in use.
	inUseRetry = time.Second
	// fieldMode names the kind of API key, test or live, among changed fields.
	fieldMode = "mode"
)

// Call is what makes a repeat recognisable (I1).
type Call struct {
	// Method is the RPC's name.
	Method string
	// Key is the caller's idempotency key.
	Key string
	// Fields are the semantic fields of the request as sent, named as in the proto.
	Fields []seal.FieldValue
	// ValidateOnly runs every check and keeps nothing (I2).
	ValidateOnly bool
}

// errOnlyValidated ends a decision that was made to see whether it could be.
var errOnlyValidated = errors.New("only validated")

// outcome is what a decision leaves behind. It is read only after writer said that the command is
// done: where the caller gave up, the decision may still be running.
type outcome[R any] struct {
	result   R
	replayed bool
}

// once runs a command so that its effect happens once per idempotency key, and says whether the
// result is a recorded one. decide must be pure; its result is recorded in the batch of the effect.
func once[R any](ctx context.Context, s *Service, caller Caller, call Call, cmd writer.Command,
	decide func(v *writer.View) (R, error),
) (R, bool, error) {
	cmd.Name, cmd.Merchant = call.Method, caller.Merchant
	call.Fields = withMode(call.Fields, caller)
	var none R
	if call.ValidateOnly {
		result, err := validated(ctx, s, cmd, decide)
		return result, false, err
	}
	key := store.RecordKey{Merchant: caller.Merchant, Method: call.Method, Key: call.Key}
	release, record, err := s.claim(ctx, key)
	if err != nil {
		return none, false, err
	}
	if record != nil {
		result, err := replay[R](s.keys, call, record)
		s.observe(call.Method, true, err)
		return result, err == nil, err
	}
	defer release()

	var made outcome[R]
	cmd.Keys.Records = append(cmd.Keys.Records, key)
	cmd.Decide = s.recorded(key, call, func(v *writer.View, known *store.Record) (kept any, err error) {
		made = outcome[R]{replayed: known != nil}
		if known != nil {
			made.result, err = replay[R](s.keys, call, known)
		} else {
			made.result, err = decide(v)
		}
		return made.result, err
	})
	if err := s.writer.Do(ctx, cmd); err != nil {
		s.observe(call.Method, false, err)
		return none, false, err
	}
	s.observe(call.Method, made.replayed, nil)
	return made.result, made.replayed, nil
}

// withMode adds to a live key's request that it is one: the same request with a test key is another,
// so that no live caller is ever answered with a test link (A1).
func withMode(sent []seal.FieldValue, caller Caller) []seal.FieldValue {
	if !caller.Live {
		return sent
	}
	return append(slices.Clip(sent), seal.FieldValue{Name: fieldMode, Value: []byte("live")})
}

// validated decides and keeps nothing.
func validated[R any](ctx context.Context, s *Service, cmd writer.Command, decide func(v *writer.View) (R, error)) (R, error) {
	var made, none R
	cmd.Decide = func(v *writer.View) (err error) {
		if made, err = decide(v); err != nil {
			return err
		}
		return errOnlyValidated
	}
	if err := s.writer.Do(ctx, cmd); !errors.Is(err, errOnlyValidated) {
		return none, err
	}
	return made, nil
}

// recorded is a decision that looks for the key's record first, and writes one beside its effect (I4).
// A refusal is not recorded, so it is judged again (I2).
func (s *Service) recorded(key store.RecordKey, call Call, decide func(v *writer.View, known *store.Record) (any, error)) func(*writer.View) error {
	fingerprint := s.keys.Fingerprint(call.Fields)
	return func(v *writer.View) error {
		if known, ok := v.Record(key.Method, key.Key); ok {
			_, err := decide(v, &known)
			return err
		}
		result, err := decide(v, nil)
		if err != nil {
			return err
		}
		kept, err := json.Marshal(result)
		if err != nil {
			return fmt.Errorf("record the result: %w", err)
		}
		v.SaveRecord(store.Record{RecordKey: key, Fingerprint: fingerprint, Result: kept})
		return nil
	}
}

// observe counts what became of a key, once per call however often it was decided.
func (s *Service) observe(method string, replayed bool, err error) {
	switch {
	case fault.Is(err, fault.ReasonIdempotencyKeyReused):
		if s.observer.Reused != nil {
			s.observer.Reused(method)
		}
	case replayed && err == nil:
		if s.observer.Replayed != nil {
			s.observer.Replayed(method)
		}
	}
}

// taken is what the lock service answered.
type taken struct {
	lease lock.Lease
	err   error
}

// claim finds the recorded result of a key, or takes its lock. It waits while another call works on
// the key (I2). A lock service that is away is none: the database decides (I3).
//
// Both are asked at once, to wait for one trip and not for two. A record that was written between the
// answers is found among the locked rows.
func (s *Service) claim(ctx context.Context, key store.RecordKey) (release func(), record *store.Record, err error) {
	name := "idem:" + key.Merchant + ":" + key.Method + ":" + key.Key
	waiting, cancel := context.WithTimeout(ctx, waitMax)
	defer cancel()
	for {
		locked := make(chan taken, 1)
		go func() {
			lease, err := s.locks.Acquire(ctx, name, lockTTL)
			locked <- taken{lease, err}
		}()
		known, err := s.store.Recorded(ctx, key)
		got := <-locked
		lease, lockErr := got.lease, got.err
		switch {
		case err == nil:
			if lease != nil {
				lease.Release()
			}
			return nil, &known, nil
		case !errors.Is(err, store.ErrNotFound):
			if lease != nil {
				lease.Release()
			}
			return nil, nil, away(err)
		case lockErr == nil:
			return lease.Release, nil, nil
		case !errors.Is(lockErr, lock.ErrHeld):
			return func() {}, nil, nil
		}
		err = s.locks.Wait(waiting, name)
		if err != nil || waiting.Err() != nil { // Whatever Wait says, nobody waits longer than this.
			return nil, nil, s.inUse(ctx, key)
		}
	}
}

func (s *Service) inUse(ctx context.Context, key store.RecordKey) error {
	if err := ctx.Err(); err != nil {
		return away(err)
	}
	if s.observer.InUse != nil {
		s.observer.InUse(key.Method)
	}
	return fault.New(fault.Busy, fault.ReasonIdempotencyKeyInUse,
		"A call with this idempotency key is being worked on. Repeat it with the same key.", fault.RetryAfter(inUseRetry))
}

// replay answers from a record, or refuses a key that was used for another request (I2).
func replay[R any](keys *seal.Keyring, call Call, record *store.Record) (R, error) {
	var result, none R
	same, changed, err := keys.Compare(record.Fingerprint, call.Fields)
	if err != nil {
		return none, fault.New(fault.Internal, fault.ReasonInternal, "A recorded result cannot be compared.", fault.Because(err))
	}
	if !same {
		names := strings.Join(changed, ", ")
		return none, fault.New(fault.Precondition, fault.ReasonIdempotencyKeyReused,
			"The idempotency key was used for another request; changed: "+names+".", fault.With("changed_fields", names))
	}
	if err := json.Unmarshal(record.Result, &result); err != nil {
		return none, fault.New(fault.Internal, fault.ReasonInternal, "A recorded result cannot be read.", fault.Because(err))
	}
	return result, nil
}
