package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/kvitpay/kvit/server/telemetry"
)

// logged writes one line with attrs in both formats.
func logged(attrs ...slog.Attr) string {
	var out bytes.Buffer
	for _, format := range []telemetry.Format{telemetry.FormatText, telemetry.FormatJSON} {
		logger := telemetry.NewLogger(&out, slog.LevelDebug, format)
		args := make([]any, 0, len(attrs))
		for _, attr := range attrs {
			args = append(args, attr)
		}
		logger.Info("request", args...)
		logger.With(args...).WithGroup("inside").Info("request", slog.Group("group", args...))
	}
	return out.String()
}

type printed struct{ text string }

func (p printed) LogValue() slog.Value { return slog.StringValue(p.text) }

func TestNewLogger_A1_SecretsDoNotPassWhereverTheyStand(t *testing.T) {
	t.Parallel()
	const (
		apiKey = "kvit_platform_003AuLtjc7TJLctqJ2Unu3mfAGcxg9lrkrCWgKbidLF1OWSas"
		secret = "003AuLtjc7TJLctqJ2Unu3mf"
	)
	for name, attr := range map[string]slog.Attr{
		"text":          slog.String("note", "the key is "+apiKey+"."),
		"test key":      slog.String("note", "kvit_test_"+secret),
		"live key":      slog.String("note", "kvit_live_"+secret),
		"edge key":      slog.String("note", "KVIT_EDGE_"+secret),
		"error":         slog.Any("error", errors.New("dial with "+apiKey)),
		"header":        slog.Any("headers", http.Header{"Authorization": {"Bearer " + secret}}),
		"basic header":  slog.Any("headers", http.Header{"Authorization": {"Basic " + secret}}),
		"raw header":    slog.String("dump", "GET / HTTP/1.1\r\nAuthorization: "+secret+"\r\n"),
		"by name":       slog.String(http.CanonicalHeaderKey("authorization"), secret),
		"cookie":        slog.String("set_cookie", secret),
		"token":         slog.Any("token", []byte(secret)),
		"bytes":         slog.Any("body", []byte("x "+apiKey)),
		"list":          slog.Any("args", []string{"--key", apiKey}),
		"struct":        slog.Any("request", struct{ Key string }{apiKey}),
		"log value":     slog.Any("value", printed{apiKey}),
		"link address":  slog.String("url", "https://pay.example/pay/"+secret+"/start"),
		"callback":      slog.String("path", "/callbacks/psp/liqpay-1/"+secret+"?x=1"),
		"database":      slog.String("url", "postgres://kvit:"+secret+"@db:5432/kvit"),
		"database only": slog.Any("error", errors.New("cannot connect to redis://:"+secret+"@redis:6379/0")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := logged(attr)
			if strings.Contains(got, secret) {
				t.Errorf("logged %s", got)
			}
			if strings.Count(got, "[redacted]") != 6 { // twice in the second line: With and the group
				t.Errorf("something else was taken away: %s", got)
			}
		})
	}
}

func TestNewLogger_WhatIsNoSecretPassesWhole(t *testing.T) {
	t.Parallel()
	got := logged(
		slog.String("order_id", "o-1"), slog.String("key_id", "key_0zsWNDt1FI9HU8PlD"), slog.Int("count", 3),
		slog.Any("error", errors.New("load order o-1: gone")), slog.String("url", "https://pay.example/healthz"),
		slog.Any("payload", map[string]int{"a": 1}), slog.String("path", "/pay/"), slog.String("page_token", "abc"),
	)
	for _, part := range []string{
		"order_id=o-1", `"order_id":"o-1"`, "key_0zsWNDt1FI9HU8PlD", "count=3", "load order o-1: gone",
		"https://pay.example/healthz", `"payload":{"a":1}`, "path=/pay/", "page_token=abc",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("%s is missing: %s", part, got)
		}
	}
	if strings.Contains(got, "redacted") {
		t.Errorf("redacted too much: %s", got)
	}
}

func TestNewLogger_LevelsAndFormats(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	level := &slog.LevelVar{}
	logger := telemetry.NewLogger(&out, level, telemetry.FormatJSON)
	logger.Debug("hidden")
	level.Set(slog.LevelDebug)
	logger.Debug("shown", slog.String("a", "b"))
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if line["msg"] != "shown" || line["a"] != "b" || line["level"] != "DEBUG" {
		t.Errorf("got %v", line)
	}
	out.Reset()
	telemetry.NewLogger(&out, slog.LevelInfo, "").Info("plain")
	if !strings.Contains(out.String(), "level=INFO msg=plain") {
		t.Errorf("got %s", out.String())
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("Authorization: Bearer kvit_live_003AuLtjc7TJLctqJ2Unu3mf")
	f.Add("postgres://kvit:pw@db/pay/aaaaaaaaaaaaaaaaaaaaaa")
	f.Fuzz(func(t *testing.T, text string) {
		const secret = "kvit_live_003AuLtjc7TJLctqJ2Unu3mfAGcxg9lrkrCWgKbidLF1OWSas"
		if got := telemetry.Redact(text + " " + secret); strings.Contains(got, secret) {
			t.Errorf("%q lets the key pass: %q", text, got)
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		telemetry.Redact("load order o-1 of merchant coffee")
	}
}
