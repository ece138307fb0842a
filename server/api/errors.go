package api

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/kvitpay/kvit/server/fault"
)

// errorDomain is the domain of every google.rpc.ErrorInfo of ours.
const errorDomain = "kvit.v1"

// codes is the one table from kinds of fault to Connect's codes.
var codes = map[fault.Kind]connect.Code{
	fault.Internal:        connect.CodeInternal,
	fault.Invalid:         connect.CodeInvalidArgument,
	fault.Unauthenticated: connect.CodeUnauthenticated,
	fault.Denied:          connect.CodePermissionDenied,
	fault.NotFound:        connect.CodeNotFound,
	fault.Conflict:        connect.CodeAlreadyExists,
	fault.Precondition:    connect.CodeFailedPrecondition,
	fault.Busy:            connect.CodeAborted,
	fault.Exhausted:       connect.CodeResourceExhausted,
	fault.Unavailable:     connect.CodeUnavailable,
	fault.Unknown:         connect.CodeUnknown,
}

// reasonCodes are the reasons for which Connect has a code of their own.
var reasonCodes = map[fault.Reason]connect.Code{
	fault.ReasonDeadline:       connect.CodeDeadlineExceeded,
	fault.ReasonCancelled:      connect.CodeCanceled,
	fault.ReasonMethodNotFound: connect.CodeUnimplemented,
}

// retryDefault is the advice of faults that a repeat may cure and that give none.
const retryDefault = time.Second

// blameless reports whether the fault lies on our side, or on the way.
func blameless(kind fault.Kind) bool {
	return kind == fault.Internal || kind == fault.Unavailable || kind == fault.Unknown || kind == fault.Exhausted
}

// asConnect finds an error that Connect made itself.
func asConnect(err error) (*connect.Error, bool) {
	var answered *connect.Error
	return answered, errors.As(err, &answered)
}

// faultOf is the fault inside err. What a caller who is gone, or whose deadline has passed, brought
// about is no fault of ours.
func faultOf(ctx context.Context, err error) *fault.Error {
	f := fault.As(err)
	if f.Kind() != fault.Internal {
		return f
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.New(fault.Unavailable, fault.ReasonDeadline, "The call's deadline has passed.", fault.Because(err))
	case errors.Is(err, context.Canceled), ctx.Err() != nil:
		return fault.New(fault.Unavailable, fault.ReasonCancelled, "The call was cancelled.", fault.Because(err))
	}
	return f
}

// codeOf is the code that a client sees.
func codeOf(f *fault.Error) connect.Code {
	if code, ok := reasonCodes[f.Reason()]; ok {
		return code
	}
	return codes[f.Kind()]
}

// answerTo is what a client hears of a fault: the code, the one sentence that may be shown, exactly one
// ErrorInfo, and what else helps. Of an internal fault it hears an id to look up.
func answerTo(f *fault.Error, errorID string) *connect.Error {
	message, info := f.Message(), &errdetails.ErrorInfo{Reason: string(f.Reason()), Domain: errorDomain, Metadata: f.Metadata()}
	if f.Kind() == fault.Internal {
		message = "Something went wrong on our side. The log has more under " + errorID + "."
		info = &errdetails.ErrorInfo{
			Reason: string(fault.ReasonInternal), Domain: errorDomain, Metadata: map[string]string{"error_id": errorID},
		}
	}
	answer := connect.NewError(codeOf(f), errors.New(message))
	attach(answer, info)
	if fields := f.Fields(); len(fields) > 0 {
		bad := &errdetails.BadRequest{}
		for _, field := range fields {
			bad.FieldViolations = append(bad.FieldViolations,
				&errdetails.BadRequest_FieldViolation{Field: field.Path, Description: field.Message})
		}
		attach(answer, bad)
	}
	if wait := retryDelay(f); wait > 0 {
		attach(answer, &errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
	}
	return answer
}

// retryDelay is how long to wait before a repeat, 0 where none is advised.
func retryDelay(f *fault.Error) time.Duration {
	if wait := f.RetryDelay(); wait > 0 {
		return wait
	}
	switch code := codeOf(f); code { //nolint:exhaustive // The others say nothing about a repeat.
	case connect.CodeUnavailable, connect.CodeResourceExhausted, connect.CodeAborted:
		return retryDefault
	default:
		return 0
	}
}

func attach(answer *connect.Error, detail proto.Message) {
	if d, err := connect.NewErrorDetail(detail); err == nil { // Messages of our own making always marshal.
		answer.AddDetail(d)
	}
}

// newErrorID is random: it only has to be found in a log.
func newErrorID() string { return "err_" + rand.Text()[:16] }
