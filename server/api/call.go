package api

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/telemetry"
)

// call is one request while it runs: what gate, interceptor and handler learn about it, for one log
// line and one count at its end. It stands between Connect and the connection to see what is answered.
type call struct {
	http.ResponseWriter

	door   *door
	method string
	began  time.Time
	event  *telemetry.Event
	caller access.Caller
	// code is Connect's name of the outcome, empty where Connect answered before us.
	code string
	// fault is what went wrong, nil where all went well or Connect answered before us.
	fault *fault.Error
	// errorID is where a client's INTERNAL is found in the log.
	errorID string
	// status and sent are what went over the wire.
	status int
	sent   int64
}

type callKey struct{}

// callOf finds the request that ctx belongs to. Outside of a door it is one that nobody looks at.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{event: &telemetry.Event{}}
}

// note puts attributes on the request's log line.
func (c *call) note(attrs ...slog.Attr) { c.event.Add(attrs...) }

// WriteHeader implements http.ResponseWriter.
func (c *call) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *call) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(p)
	c.sent += int64(n)
	return n, err
}

// Flush implements http.Flusher. Connect asks for it after each message of a stream.
func (c *call) Flush() {
	if f, ok := c.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (c *call) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// fail notes what went wrong and returns what the client hears of it.
func (c *call) fail(ctx context.Context, err error) error {
	if answered, ok := asConnect(err); ok {
		c.code = answered.Code().String()
		return err
	}
	c.fault = faultOf(ctx, err)
	if c.fault.Kind() == fault.Internal {
		c.errorID = newErrorID()
	}
	answer := answerTo(c.fault, c.errorID)
	c.code = answer.Code().String()
	return answer
}

// answeredCode is the code of the request, for logs and metrics.
func (c *call) answeredCode(ctx context.Context) string {
	if c.code != "" {
		return c.code
	}
	// Connect answered before us. gRPC's status stands in trailers, the Connect protocol's in HTTP's.
	for _, key := range []string{http.TrailerPrefix + "Grpc-Status", "Grpc-Status"} {
		if values := c.Header()[key]; len(values) > 0 {
			if code, err := strconv.ParseUint(values[0], 10, 8); err == nil && code != 0 {
				return connect.Code(code).String()
			}
		}
	}
	if ctx.Err() != nil {
		return connect.CodeCanceled.String()
	}
	if code, ok := protocolCodes[c.status]; ok {
		return code.String()
	}
	return connect.CodeInvalidArgument.String()
}

// protocolCodes are the codes of what Connect says by an HTTP status, before there is a message.
var protocolCodes = map[int]connect.Code{
	http.StatusNotFound:                connect.CodeUnimplemented,
	http.StatusMethodNotAllowed:        connect.CodeUnimplemented,
	http.StatusUnsupportedMediaType:    connect.CodeUnimplemented,
	http.StatusNotImplemented:          connect.CodeUnimplemented,
	http.StatusHTTPVersionNotSupported: connect.CodeUnimplemented,
	http.StatusRequestEntityTooLarge:   connect.CodeResourceExhausted,
	http.StatusTooManyRequests:         connect.CodeResourceExhausted,
	http.StatusInternalServerError:     connect.CodeInternal,
}

// wire is how a request came.
type wire struct {
	protocol, peer string
	bytes          int64
}

// log writes the request's one line.
func (c *call) log(ctx context.Context, from wire, code string, took time.Duration) {
	logger := c.door.log
	level := slog.LevelInfo
	if c.fault != nil && blameless(c.fault.Kind()) && c.fault.Reason() != fault.ReasonCancelled {
		level = slog.LevelWarn
	}
	if c.errorID != "" {
		level = slog.LevelError
	}
	if !logger.Enabled(ctx, level) {
		return
	}
	c.note(
		slog.String("method", c.method), slog.String("code", code), slog.Duration("took", took),
		slog.String("protocol", from.protocol), slog.Int64("request_bytes", from.bytes),
		slog.Int64("response_bytes", c.sent), slog.String("peer", from.peer),
	)
	if c.caller.KeyID != "" {
		c.note(slog.String("key_id", c.caller.KeyID), slog.String("merchant", c.caller.Merchant))
	}
	if c.fault != nil {
		c.noteFault(level)
	}
	logger.LogAttrs(ctx, level, "rpc", c.event.Close()...)
}

// noteFault says what went wrong. A cause is told only where the fault may be ours: what a client sent
// wrong stays out of the log.
func (c *call) noteFault(level slog.Level) {
	c.note(slog.String("reason", string(c.fault.Reason())))
	if level > slog.LevelInfo {
		c.note(slog.String("error", c.fault.Error()))
	}
	if c.errorID != "" {
		c.note(slog.String("error_id", c.errorID))
	}
	if fields := c.fault.Fields(); len(fields) > 0 {
		paths := make([]string, len(fields))
		for i := range fields {
			paths[i] = fields[i].Path
		}
		c.note(slog.Any("fields", paths))
	}
}

// protocolOf names how the client speaks.
func protocolOf(r *http.Request) string {
	kind := r.Header.Get("Content-Type")
	switch {
	case strings.HasPrefix(kind, "application/grpc-web"):
		return connect.ProtocolGRPCWeb
	case strings.HasPrefix(kind, "application/grpc"):
		return connect.ProtocolGRPC
	default:
		return connect.ProtocolConnect
	}
}
