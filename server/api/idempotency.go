package api

import (
	"context"
	"log/slog"
	"strings"

	"connectrpc.com/connect"

	"github.com/kvitpay/kvit/server/fault"
)

const (
	headerKey      = "Idempotency-Key"
	headerReplayed = "Idempotency-Replayed"
	// keyLengthMax is how long an idempotency key may be (I1).
	keyLengthMax = 128
)

// idempotencyKey is the key of a call (I1), from the request's field, the header, or both where they
// agree. Without a key only a call that changes nothing is let through.
func idempotencyKey(ctx context.Context, field string, validateOnly bool) (string, error) {
	header, err := headerIdempotencyKey(ctx)
	if err != nil {
		return "", err
	}
	switch {
	case field == "":
		field = header
	case header != "" && header != field:
		return "", keyFault("must be the same as the Idempotency-Key header")
	}
	if field == "" && !validateOnly {
		return "", keyFault("is required, here or in the Idempotency-Key header")
	}
	return field, nil
}

// headerIdempotencyKey reads the header, plain or as the quoted string of the IETF's draft.
func headerIdempotencyKey(ctx context.Context) (string, error) {
	info, ok := connect.CallInfoForHandlerContext(ctx)
	if !ok {
		return "", nil
	}
	values := info.RequestHeader()[headerKey]
	if len(values) == 0 {
		return "", nil
	}
	key := strings.TrimSpace(values[0])
	if len(values) > 1 {
		return "", keyFault("must be given by one Idempotency-Key header")
	}
	if strings.HasPrefix(key, `"`) {
		inner, ok := unquote(key)
		if !ok {
			return "", keyFault("is not well quoted in the Idempotency-Key header")
		}
		key = inner
	}
	if !validKey(key) {
		return "", keyFault("must be 1 to 128 printable ASCII characters, neither beginning nor ending with a space, in the Idempotency-Key header")
	}
	return key, nil
}

// unquote reads a string of structured fields (RFC 9651): in quotes, with \" and \\ as the only escapes.
func unquote(quoted string) (string, bool) {
	if len(quoted) < 2 || quoted[len(quoted)-1] != '"' {
		return "", false
	}
	var key strings.Builder
	inner := quoted[1 : len(quoted)-1]
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; c {
		case '"':
			return "", false
		case '\\':
			i++
			if i == len(inner) || inner[i] != '"' && inner[i] != '\\' {
				return "", false
			}
			key.WriteByte(inner[i])
		default:
			key.WriteByte(c)
		}
	}
	return key.String(), true
}

// validKey is the rule that the proto has for the field.
func validKey(key string) bool {
	if key == "" || len(key) > keyLengthMax || key[0] == ' ' || key[len(key)-1] == ' ' {
		return false
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return false
		}
	}
	return true
}

// replayed marks an answer that is a recorded one (I2).
func markReplayed(ctx context.Context, replayed bool) {
	if !replayed {
		return
	}
	callOf(ctx).note(slog.Bool("replayed", true))
	if info, ok := connect.CallInfoForHandlerContext(ctx); ok {
		info.ResponseHeader().Set(headerReplayed, "true")
	}
}

func keyFault(message string) error {
	return badRequest(fault.Field{Path: "idempotency_key", Message: message})
}
