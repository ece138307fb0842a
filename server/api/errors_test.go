package api_test

import (
	"errors"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// oneErrorInfo checks that an error has exactly one ErrorInfo, of this reason, and returns its other details.
func oneErrorInfo(tb testing.TB, err error, reason string) (info *errdetails.ErrorInfo, bad *errdetails.BadRequest, retry *errdetails.RetryInfo) {
	tb.Helper()
	var answered *connect.Error
	if !errors.As(err, &answered) {
		tb.Fatalf("got %v, want %s", err, reason)
	}
	for _, detail := range answered.Details() {
		message, err := detail.Value()
		must(tb, err)
		switch d := message.(type) {
		case *errdetails.ErrorInfo:
			if info != nil {
				tb.Errorf("there are two ErrorInfos: %v and %v", info, d)
			}
			info = d
		case *errdetails.BadRequest:
			bad = d
		case *errdetails.RetryInfo:
			retry = d
		default:
			tb.Errorf("an unexpected detail: %v", d)
		}
	}
	if info.GetReason() != reason || info.GetDomain() != "kvit.v1" {
		tb.Errorf("got %v with %v, want reason %s of kvit.v1", answered, info, reason)
	}
	return info, bad, retry
}

func protocols() map[string][]connect.ClientOption {
	return map[string][]connect.ClientOption{
		"connect":      nil,
		"connect+json": {connect.WithProtoJSON()},
		"grpc":         {connect.WithGRPC()},
		"grpc-web":     {connect.WithGRPCWeb()},
	}
}

func protocolAt(i int) []connect.ClientOption {
	return [][]connect.ClientOption{nil, {connect.WithProtoJSON()}, {connect.WithGRPC()}, {connect.WithGRPCWeb()}}[i%4]
}

func contains(text, part string) bool { return strings.Contains(text, part) }
