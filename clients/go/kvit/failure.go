package kvit

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// Domain is the domain of every ErrorInfo of Kvit.
const Domain = "kvit.v1"

// Violation is one field of a request that is not as it must be.
type Violation struct {
	// Field is its path in the request, such as amount.minor_units.
	Field string
	// Description says what is wrong, in words that follow the field's name.
	Description string
}

// Reason is the documented reason of an error, such as ORDER_NOT_FOUND. It is empty when the error does not come from Kvit:
// from the network, from something between, or from Connect itself.
func Reason(err error) string {
	if info, ok := detail[*errdetails.ErrorInfo](err); ok && info.GetDomain() == Domain {
		return info.GetReason()
	}
	return ""
}

// Metadata is what an error says about its reason, such as scope for SCOPE_MISSING or state for ORDER_STATE.
func Metadata(err error, key string) string {
	if info, ok := detail[*errdetails.ErrorInfo](err); ok && info.GetDomain() == Domain {
		return info.GetMetadata()[key]
	}
	return ""
}

// ChangedFields names the fields in which a request differs from the one that had its idempotency key or its order id before
// (IDEMPOTENCY_KEY_REUSED, ORDER_ID_CONFLICT).
func ChangedFields(err error) []string {
	return strings.FieldsFunc(Metadata(err, "changed_fields"), func(r rune) bool { return r == ',' || r == ' ' })
}

// Violations lists the fields of a request that are not as they must be (REQUEST_INVALID).
func Violations(err error) []Violation {
	request, ok := detail[*errdetails.BadRequest](err)
	if !ok {
		return nil
	}
	violations := make([]Violation, len(request.GetFieldViolations()))
	for i, v := range request.GetFieldViolations() {
		violations[i] = Violation{Field: v.GetField(), Description: v.GetDescription()}
	}
	return violations
}

// RetryAfter is how long the server asks to wait before the call is repeated; false when it does not say.
func RetryAfter(err error) (time.Duration, bool) {
	info, ok := detail[*errdetails.RetryInfo](err)
	if !ok || info.GetRetryDelay().CheckValid() != nil {
		return 0, false
	}
	return info.GetRetryDelay().AsDuration(), true
}

// Replayed reports whether an answer is one that was recorded for the same idempotency key before (I2). The header is that of
// the answer; connect.NewClientContext shows where to find it.
func Replayed(header http.Header) bool { return header.Get("Idempotency-Replayed") == "true" }

// detail finds the first detail of a type in an error.
func detail[D any](err error) (D, bool) {
	var none D
	var failure *connect.Error
	if !errors.As(err, &failure) {
		return none, false
	}
	for _, d := range failure.Details() {
		message, err := d.Value()
		if err != nil {
			continue
		}
		if found, ok := message.(D); ok {
			return found, true
		}
	}
	return none, false
}
