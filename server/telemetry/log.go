package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// Format is how log lines are written.
type Format string

// The formats.
const (
	// FormatText is for people.
	FormatText Format = "text"
	// FormatJSON is for programs.
	FormatJSON Format = "json"
)

const redactedText = "[redacted]"

// NewLogger returns a logger that writes one line per record to w, without secrets. The level may be a
// *slog.LevelVar that is changed later. An unknown format is text.
func NewLogger(w io.Writer, level slog.Leveler, format Format) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: redactAttr}
	if format == FormatJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// secretKeys are attributes whose value is never written, whatever it is.
var secretKeys = []string{
	"authorization", "cookie", "set_cookie", "password", "secret", "token", "api_key", "private_key",
}

// secretShapes are texts that are not written, and what stands in their place.
var secretShapes = []struct {
	// hint is a part that is always there, in lower case, to pass over other texts quickly.
	hint    string
	pattern *regexp.Regexp
	instead string
}{
	// A caller's credential (A1).
	{"kvit_", regexp.MustCompile(`(?i)(kvit_(?:test|live|edge|platform)_)[0-9A-Za-z_-]{4,}`), "${1}" + redactedText},
	// The value of an Authorization header.
	{"bearer", regexp.MustCompile(`(?i)(bearer[ :]+)[^\s"'\],;]+`), "${1}" + redactedText},
	{"basic", regexp.MustCompile(`(?i)(basic +)[0-9A-Za-z+/_=-]{8,}`), "${1}" + redactedText},
	{"authorization", regexp.MustCompile(`(?i)(authorization"?[:=]\s*"?\[?)(?:bearer |basic )?[^\s"'\],;]+`), "${1}" + redactedText},
	// A link's address (L1), and the secret part of a callback's (C3).
	{"/pay/", regexp.MustCompile(`(/pay/)[0-9A-Za-z_-]{8,}`), "${1}" + redactedText},
	{"/callbacks/", regexp.MustCompile(`(/callbacks/[a-z]+/[^/\s"']+/)[^/\s"'?]+`), "${1}" + redactedText},
	// A password in a URL.
	{"://", regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`), "${1}" + redactedText + "@"},
}

// Redact returns text without what has the shape of a secret.
func Redact(text string) string {
	lower := strings.ToLower(text)
	for _, shape := range secretShapes {
		if strings.Contains(lower, shape.hint) {
			text = shape.pattern.ReplaceAllString(text, shape.instead)
		}
	}
	return text
}

// redactAttr is called by the handlers for every attribute that is no group, after LogValue.
func redactAttr(_ []string, a slog.Attr) slog.Attr {
	if slices.Contains(secretKeys, strings.ReplaceAll(strings.ToLower(a.Key), "-", "_")) {
		a.Value = slog.StringValue(redactedText)
		return a
	}
	// Numbers, times and durations hold no text.
	if a.Value.Kind() == slog.KindString {
		a.Value = slog.StringValue(Redact(a.Value.String()))
	}
	if a.Value.Kind() == slog.KindAny {
		if text, changed := redactAny(a.Value.Any()); changed {
			a.Value = slog.StringValue(text)
		}
	}
	return a
}

// redactAny looks at a value as it would be printed. A value without a secret stays as it is.
func redactAny(value any) (string, bool) {
	switch v := value.(type) {
	case *slog.Source:
		return "", false
	case []byte:
		// A handler would print them as text or base64.
		text := Redact(string(v))
		return text, text != string(v)
	default:
		plain := fmt.Sprintf("%+v", value)
		text := Redact(plain)
		return text, text != plain
	}
}
