package kvit_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/kvitpay/kvit/clients/go/kvit"
)

// refusal is an error as the server makes it.
func refusal(code connect.Code, reason string, more ...proto.Message) error {
	info := &errdetails.ErrorInfo{Reason: reason, Domain: kvit.Domain, Metadata: map[string]string{
		"changed_fields": "amount.minor_units, description", "scope": "links:write",
	}}
	return detailed(code, append([]proto.Message{info}, more...)...)
}

func detailed(code connect.Code, details ...proto.Message) error {
	err := connect.NewError(code, errors.New("the server says no"))
	for _, message := range details {
		detail, failure := connect.NewErrorDetail(message)
		if failure != nil {
			return failure
		}
		err.AddDetail(detail)
	}
	return err
}

func retryIn(wait time.Duration) proto.Message {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(wait)}
}

// The details of an error are read, whatever wraps it.
func TestErrors_ShowWhatTheServerSaid(t *testing.T) {
	t.Parallel()

	err := errors.Join(errors.New("create a link"), refusal(connect.CodeInvalidArgument, "REQUEST_INVALID", retryIn(time.Second),
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "amount", Description: "must be more than zero"}, {Field: "order_id", Description: "is required"},
		}}))
	if got := kvit.Reason(err); got != "REQUEST_INVALID" {
		t.Errorf("Reason: got %q", got)
	}
	if got, want := kvit.ChangedFields(err), []string{"amount.minor_units", "description"}; !slices.Equal(got, want) {
		t.Errorf("ChangedFields: got %q, want %q", got, want)
	}
	if got := kvit.Metadata(err, "scope"); got != "links:write" {
		t.Errorf("Metadata: got %q", got)
	}
	want := []kvit.Violation{{Field: "amount", Description: "must be more than zero"}, {Field: "order_id", Description: "is required"}}
	if got := kvit.Violations(err); !slices.Equal(got, want) {
		t.Errorf("Violations: got %v, want %v", got, want)
	}
	if wait, ok := kvit.RetryAfter(err); !ok || wait != time.Second {
		t.Errorf("RetryAfter: got %s, %t", wait, ok)
	}
}

// Errors of others have no reason of ours.
func TestErrors_OfOthersHaveNoReason(t *testing.T) {
	t.Parallel()

	foreign := &errdetails.ErrorInfo{Reason: "QUOTA", Domain: "example.com", Metadata: map[string]string{"scope": "x"}}
	for _, err := range []error{nil, errors.New("plain"), detailed(connect.CodeUnavailable), detailed(connect.CodeAborted, foreign)} {
		_, asked := kvit.RetryAfter(err)
		if kvit.Reason(err) != "" || kvit.Metadata(err, "scope") != "" || asked ||
			len(kvit.ChangedFields(err)) != 0 || len(kvit.Violations(err)) != 0 {
			t.Errorf("%v: want nothing read from it", err)
		}
	}
}

// I2: a recorded answer is known by its header.
func TestReplayed_I2_ReadsTheHeader(t *testing.T) {
	t.Parallel()

	if !kvit.Replayed(http.Header{"Idempotency-Replayed": {"true"}}) || kvit.Replayed(http.Header{}) {
		t.Error("want true with the header and false without")
	}
}
