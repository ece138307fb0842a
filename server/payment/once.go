package payment

import (
	"context"
	"encoding/json"
	"errors"
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

// once runs a command so that its effect happens once per idempotency key, and says whether the
// result is a recorded one. decide must be pure; its result is recorded in the batch of the effect.
func once[R any](ctx context.Context, s *Service, caller Caller, call Call, cmd writer.Command,
	decide func(v *writer.View) (R, error),
) (R, bool, error) {
	// made is written by Decide and read only after Do has succeeded: when the caller gives up, Decide
	// may still be running.
	var made, none struct {
		result   R
		replayed bool
	}
	cmd.Name, cmd.Merchant = call.Method, caller.Merchant
	if call.ValidateOnly {
		cmd.Decide = func(v *writer.View) error {
			var err error
			if made.result, err = decide(v); err != nil {
				return err
			}
			return errOnlyValidated
		}
		if err := s.writer.Do(ctx, cmd); !errors.Is(err, errOnlyValidated) {
			return none.result, false, err
		}
		return made.result, false, nil
	}
	key := store.RecordKey{Merchant: caller.Merchant, Method: call.Method, Key: call.Key}
	release, record, err := s.claim(ctx, key)
	if err != nil {
		return none.result, false, err
	}
	if record != nil {
		result, err := replay[R](s, call, *record)
		return result, true, err
	}
	defer release()

	fingerprint := s.keys.Fingerprint(call.Fields)
	cmd.Keys.Records = append(cmd.Keys.Records, key)
	cmd.Decide = func(v *writer.View) error {
		made = none
		if known, ok := v.Record(call.Method, call.Key); ok {
			var err error
			made.replayed = true
			made.result, err = replay[R](s, call, known)
			return err
		}
		var err error
		if made.result, err = decide(v); err != nil {
			return err
		}
		kept, err := json.Marshal(made.result)
		if err != nil {
			return err
		}
		v.SaveRecord(store.Record{RecordKey: key, Fingerprint: fingerprint, Result: kept})
		return nil
	}
	if err := s.writer.Do(ctx, cmd); err != nil {
		return none.result, false, err
	}
	return made.result, made.replayed, nil
}

// claim finds the recorded result of a key, or takes its lock. It waits while another call works on
// the key (I2). A lock service that is away is none: the database decides (I3).
func (s *Service) claim(ctx context.Context, key store.RecordKey) (release func(), record *store.Record, err error) {
	name := "idem:" + key.Merchant + ":" + key.Method + ":" + key.Key
	waiting, cancel := context.WithTimeout(ctx, waitMax)
	defer cancel()
	for {
		lease, lockErr := s.locks.Acquire(ctx, name, lockTTL)
		known, err := s.store.Recorded(ctx, key)
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
		if err := s.locks.Wait(waiting, name); err != nil {
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
func replay[R any](s *Service, call Call, record store.Record) (R, error) {
	var result R
	same, changed, err := s.keys.Compare(record.Fingerprint, call.Fields)
	if err != nil {
		return result, fault.New(fault.Internal, fault.ReasonInternal, "A recorded result cannot be compared.", fault.Because(err))
	}
	if !same {
		if s.observer.Reused != nil {
			s.observer.Reused(call.Method)
		}
		names := strings.Join(changed, ", ")
		return result, fault.New(fault.Precondition, fault.ReasonIdempotencyKeyReused,
			"The idempotency key was used for another request; changed: "+names+".", fault.With("changed_fields", names))
	}
	if err := json.Unmarshal(record.Result, &result); err != nil {
		return result, fault.New(fault.Internal, fault.ReasonInternal, "A recorded result cannot be read.", fault.Because(err))
	}
	if s.observer.Replayed != nil {
		s.observer.Replayed(call.Method)
	}
	return result, nil
}
