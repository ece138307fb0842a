package kvit_test

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// failing makes a call that fails with the errors given, and then succeeds.
func failing(failures ...error) (call func(context.Context) (string, error), calls *int) {
	calls = new(int)
	return func(context.Context) (string, error) {
		*calls++
		if *calls <= len(failures) {
			return "", failures[*calls-1]
		}
		return "done", nil
	}, calls
}

// I2: what may be repeated is repeated, with growing pauses.
func TestRetry_I2_RepeatsWhatMayBeRepeated(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		call, calls := failing(
			refusal(connect.CodeUnavailable, "STORE_UNAVAILABLE"), refusal(connect.CodeAborted, "IDEMPOTENCY_KEY_IN_USE"),
			detailed(connect.CodeDeadlineExceeded), detailed(connect.CodeCanceled))
		began := time.Now()
		answer, err := kvit.Retry(t.Context(), kvit.RetryPolicy{}, call)
		if err != nil || answer != "done" || *calls != 5 {
			t.Fatalf("got %q, %v after %d calls, want done after 5", answer, err, *calls)
		}
		if waited := time.Since(began); waited < 750*time.Millisecond || waited > 1500*time.Millisecond {
			t.Errorf("waited %s, want 100, 200, 400 and 800 ms, each halved at most", waited)
		}
	})
}

// RetryInfo: the server says how long to wait.
func TestRetry_HonoursRetryInfo(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		call, _ := failing(refusal(connect.CodeResourceExhausted, "RATE_LIMITED", retryIn(7*time.Second)))
		began := time.Now()
		var told []time.Duration
		policy := kvit.RetryPolicy{OnWait: func(_ error, wait time.Duration) { told = append(told, wait) }}
		if _, err := kvit.Retry(t.Context(), policy, call); err != nil {
			t.Fatal(err)
		}
		waited := time.Since(began)
		if waited < 7*time.Second || waited > 8*time.Second || len(told) != 1 || told[0] != waited {
			t.Errorf("waited %s and told %v, want 7 s and a little, told once", waited, told)
		}
	})
}

// A server cannot make a caller wait for ever.
func TestRetry_BoundsRetryInfo(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		call, _ := failing(refusal(connect.CodeUnavailable, "STORE_UNAVAILABLE", retryIn(24*time.Hour)))
		began := time.Now()
		if _, err := kvit.Retry(t.Context(), kvit.RetryPolicy{}, call); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited > 2*time.Minute {
			t.Errorf("waited %s, want a minute and a little", waited)
		}
	})
}

// What the server refused is not repeated.
func TestRetry_RefusalsComeBackAtOnce(t *testing.T) {
	t.Parallel()

	for _, refused := range []error{
		refusal(connect.CodeInvalidArgument, "REQUEST_INVALID"), refusal(connect.CodeFailedPrecondition, "IDEMPOTENCY_KEY_REUSED"),
		refusal(connect.CodeAlreadyExists, "ORDER_ID_CONFLICT"), refusal(connect.CodeNotFound, "ORDER_NOT_FOUND"),
		refusal(connect.CodePermissionDenied, "SCOPE_MISSING"), refusal(connect.CodeUnauthenticated, "API_KEY_INVALID"),
		detailed(connect.CodeResourceExhausted), errors.New("of the caller's own"),
	} {
		call, calls := failing(refused)
		if _, err := kvit.Retry(t.Context(), kvit.RetryPolicy{}, call); !errors.Is(err, refused) || *calls != 1 {
			t.Errorf("%v: got %v after %d calls, want it after one", refused, err, *calls)
		}
	}
}

// The last error comes back when tries or time are used up.
func TestRetry_EndsWithTriesAndTime(t *testing.T) {
	t.Parallel()

	away := refusal(connect.CodeUnavailable, "STORE_UNAVAILABLE", retryIn(10*time.Second))
	synctest.Test(t, func(t *testing.T) {
		call, calls := failing(away, away, away, away)
		if _, err := kvit.Retry(t.Context(), kvit.RetryPolicy{Tries: 3}, call); !errors.Is(err, away) || *calls != 3 {
			t.Errorf("got %v after %d calls, want the error after 3", err, *calls)
		}
	})
	synctest.Test(t, func(t *testing.T) { // There is no use in waiting past the deadline.
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		call, calls := failing(away, away)
		if _, err := kvit.Retry(ctx, kvit.RetryPolicy{}, call); !errors.Is(err, away) || *calls != 1 || time.Since(began) != 0 {
			t.Errorf("got %v after %d calls and %s, want the error at once", err, *calls, time.Since(began))
		}
	})
	synctest.Test(t, func(t *testing.T) { // A caller that goes away is not kept.
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		call, _ := failing(away, away)
		_, err := kvit.Retry(ctx, kvit.RetryPolicy{}, call)
		if !errors.Is(err, context.Canceled) || kvit.Reason(err) != "STORE_UNAVAILABLE" {
			t.Errorf("got %v, want the last error and that the context ended", err)
		}
	})
}

// I2: a call that hangs is given up and repeated while the caller still has time.
func TestRetry_I2_GivesUpATryThatHangs(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &hanging{left: 2}
		n := &network{}
		n.up(t, f)
		client := n.client(t)
		key := kvit.NewKey()
		policy := kvit.RetryPolicy{TryTimeout: 10 * time.Second}
		_, err := kvit.Retry(t.Context(), policy, func(ctx context.Context) (*kvitv1.CreatePaymentLinkResponse, error) {
			return client.Payments.CreatePaymentLink(ctx, &kvitv1.CreatePaymentLinkRequest{IdempotencyKey: key})
		})
		if err != nil || len(f.keys) != 3 {
			t.Fatalf("got %v after %d calls, want an answer to the third", err, len(f.keys))
		}
		for _, got := range f.keys {
			if got != key {
				t.Errorf("got keys %v, want %s each time", f.keys, key)
			}
		}
		n.down()
	})
}

// I2: an answer that broke off on its way is repeated; an answer that says internal or unknown is not.
func TestRetryable_I2_BrokenAnswersOnly(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			name  string
			left  int
			fail  error
			calls int
		}{
			{"broken connection", 1, nil, 2},
			{"internal", 1, refusal(connect.CodeInternal, "INTERNAL"), 1},
			{"unknown", 1, detailed(connect.CodeUnknown), 1},
			{"not attempted", 1, refusal(connect.CodeUnavailable, "PSP_NOT_ATTEMPTED"), 1},
		} {
			f := &hanging{left: test.left, cut: test.fail == nil, fail: test.fail}
			n := &network{}
			n.up(t, f)
			client := n.client(t)
			_, err := kvit.Retry(t.Context(), kvit.RetryPolicy{}, func(ctx context.Context) (*kvitv1.CreatePaymentLinkResponse, error) {
				return client.Payments.CreatePaymentLink(ctx, &kvitv1.CreatePaymentLinkRequest{})
			})
			if len(f.keys) != test.calls || (err == nil) != (test.calls == 2) {
				t.Errorf("%s: got %v after %d calls, want %d", test.name, err, len(f.keys), test.calls)
			}
			n.down()
		}
	})
}

// hanging is a server that does not answer the first calls: it hangs, breaks the connection or fails.
type hanging struct {
	fake

	left int
	cut  bool
	fail error
	keys []string
}

func (h *hanging) CreatePaymentLink(
	ctx context.Context, request *kvitv1.CreatePaymentLinkRequest,
) (*kvitv1.CreatePaymentLinkResponse, error) {
	h.keys = append(h.keys, request.GetIdempotencyKey())
	if len(h.keys) > h.left {
		return &kvitv1.CreatePaymentLinkResponse{}, nil
	}
	switch {
	case h.cut:
		return nil, cut()
	case h.fail != nil:
		return nil, h.fail
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// I1: keys are printable, and no two are the same.
func TestNewKey_I1_IsNewEachTime(t *testing.T) {
	t.Parallel()

	seen := map[string]bool{}
	for range 1000 {
		key := kvit.NewKey()
		if seen[key] || !regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString(key) {
			t.Fatalf("got key %q, want 26 letters and digits not seen before", key)
		}
		seen[key] = true
	}
}
