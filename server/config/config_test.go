package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/config"
)

var update = flag.Bool("update", false, "write docs/settings.md")

// source is an environment and files without a machine.
func source(files map[string]string, environ ...string) config.Source {
	return config.Source{
		Environ: environ,
		ReadFile: func(path string) ([]byte, error) {
			content, ok := files[path]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte(content), nil
		},
		Cores: 2,
	}
}

func load(t *testing.T, files map[string]string, environ ...string) *config.Settings {
	t.Helper()
	s, err := config.Load(source(files, environ...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// faultsOf loads settings that are wrong, and returns the problems by name.
func faultsOf(t *testing.T, files map[string]string, environ ...string) map[string]string {
	t.Helper()
	_, err := config.Load(source(files, environ...))
	var faults config.FaultsError
	if !errors.As(err, &faults) {
		t.Fatalf("got %v, want faults", err)
	}
	problems := map[string]string{}
	for _, f := range faults {
		problems[f.Name] += f.Problem
		if !strings.Contains(err.Error(), f.Name+": "+f.Problem) {
			t.Errorf("%s is not in the error's text", f.Name)
		}
	}
	return problems
}

func TestLoad_S4_NothingIsNeeded(t *testing.T) {
	t.Parallel()
	s := load(t, nil)
	for _, pair := range [][2]any{
		{s.Door.Listen.String(), "127.0.0.1:8080"},
		{s.Door.AdminListen.String(), "127.0.0.1:8081"},
		{s.Door.PublicURL.String(), "http://127.0.0.1:8080"},
		{s.Door.Reflection, true},
		{s.Door.Sandbox.String(), "127.0.0.1:8082"},
		{s.Door.SandboxURL.String(), "http://127.0.0.1:8082"},
		{s.Edge.Upstream.Host, ""},
		{s.Edge.Key.IsZero(), true},
		{s.Store.DataDir, ".kvit"},
		{s.Store.Postgres(), false},
		{s.Store.Pool, 12},
		{s.Redis.URL.IsZero(), true},
		{s.Keys.Text.IsZero(), true},
		{s.Keys.Bootstrap.IsZero(), true},
		{s.Telemetry.LogLevel, slog.LevelInfo},
		{s.Telemetry.LogFormat, "text"},
		{s.Telemetry.Traces, "off"},
		{s.Process.ShutdownGrace, 20 * time.Second},
		{s.Process.GCPercent, 300},
		{s.Merchants.Demo, true},
		{len(s.Merchants.List), 1},
		{s.Merchants.List[0].ID, "demo"},
		{s.Merchants.List[0].Mode, config.ModeTest},
		{len(s.Merchants.List[0].Accounts), 1},
		{s.Merchants.List[0].Accounts[0].PSP, "sandbox"},
		{s.Merchants.List[0].Accounts[0].Mode, config.ModeTest},
		{len(s.Warnings), 0},
	} {
		if pair[0] != pair[1] {
			t.Errorf("got %v, want %v", pair[0], pair[1])
		}
	}
}

func TestLoad_S4_EverySettingIsRead(t *testing.T) {
	t.Parallel()
	files := map[string]string{"/run/keys": "k1 AAEC\n", "/run/merchants.yaml": config.Example}
	s := load(
		t, files,
		"KVIT_LISTEN=:80", "KVIT_PUBLIC_URL=https://pay.example/", "KVIT_ADMIN_LISTEN=[::1]:9000", "KVIT_REFLECTION=false",
		"KVIT_SANDBOX_LISTEN=:9001", "KVIT_SANDBOX_URL=https://sandbox.example/", "KVIT_UPSTREAM=https://pay.example/", "KVIT_EDGE_API_KEY=env:EDGE", "EDGE=kvit_edge_x",
		"COFFEE_LIQPAY_KEY=x",
		"KVIT_DATA_DIR=/var/lib/kvit", "KVIT_DATABASE_URL=env:DB", "DB=postgres://u:pw@db:5432,db2:5432/kvit", "KVIT_DATABASE_POOL=16",
		"KVIT_REDIS_URL=rediss+sentinel://:pw@one:26379,two:26379/kvit/0", "KVIT_KEYS=file:/run/keys",
		"KVIT_BOOTSTRAP_API_KEY=kvit_platform_x", "KVIT_LOG_LEVEL=debug", "KVIT_LOG_FORMAT=json", "KVIT_TRACES=otlp",
		"KVIT_TRACES_URL=https://otel.example/v1/traces", "KVIT_SHUTDOWN_GRACE=5s", "KVIT_GOGC=200",
		"KVIT_CONFIG=/run/merchants.yaml", "HOME=/root", "KVIT_TEST_POSTGRES_URL=x", "KVIT_SERVER=x", "KVIT_ADMIN=x", "KVIT_API_KEY=x",
	)
	for _, pair := range [][2]any{
		{s.Door.Listen.String(), ":80"},
		{s.Door.PublicURL.String(), "https://pay.example"},
		{s.Door.AdminListen, config.Listen{Host: "::1", Port: 9000}},
		{s.Door.Reflection, false},
		{s.Door.Sandbox.String(), ":9001"},
		{s.Door.SandboxURL.String(), "https://sandbox.example"},
		{s.Edge.Upstream.String(), "https://pay.example"},
		{s.Edge.Key.Reveal(), "kvit_edge_x"},
		{s.Store.DataDir, "/var/lib/kvit"},
		{s.Store.URL.Reveal(), "postgres://u:pw@db:5432,db2:5432/kvit"},
		{s.Store.Postgres(), true},
		{s.Store.Pool, 16},
		{s.Redis.URL.Reveal(), "rediss+sentinel://:pw@one:26379,two:26379/kvit/0"},
		{s.Keys.Text.Reveal(), "k1 AAEC"},
		{s.Keys.Bootstrap.Reveal(), "kvit_platform_x"},
		{s.Telemetry.LogLevel, slog.LevelDebug},
		{s.Telemetry.LogFormat, "json"},
		{s.Telemetry.Traces, "otlp"},
		{s.Telemetry.TracesURL.String(), "https://otel.example/v1/traces"},
		{s.Process.ShutdownGrace, 5 * time.Second},
		{s.Process.GCPercent, 200},
		{s.Merchants.Demo, false},
		{len(s.Merchants.List), 2},
	} {
		if pair[0] != pair[1] {
			t.Errorf("got %v, want %v", pair[0], pair[1])
		}
	}
}

func TestLoad_S4_AllFaultsTogetherEachWithWhatIsExpected(t *testing.T) {
	t.Parallel()
	got := faultsOf(
		t, map[string]string{"empty": " \n"},
		"KVIT_LISTEN=8080", "KVIT_PUBLIC_URL=pay.example", "KVIT_ADMIN_LISTEN=127.0.0.1:70000", "KVIT_REFLECTION=yes",
		"KVIT_SANDBOX_LISTEN=8082", "KVIT_SANDBOX_URL=x", "KVIT_UPSTREAM=pay.example", "KVIT_EDGE_API_KEY=kvit_live_x",
		"KVIT_DATABASE_POOL=1", "KVIT_REDIS_URL=http://redis", "KVIT_KEYS=file:empty", "KVIT_BOOTSTRAP_API_KEY=kvit_live_x",
		"KVIT_LOG_LEVEL=INFO", "KVIT_LOG_FORMAT=xml", "KVIT_TRACES=on", "KVIT_TRACES_URL=collector:4318",
		"KVIT_SHUTDOWN_GRACE=20", "KVIT_GOGC=off", "KVIT_CONFIG=missing.yaml", "KVIT_DATABSE_URL=x",
	)
	for name, want := range map[string]string{
		"KVIT_LISTEN":            `"8080" is not host:port`,
		"KVIT_PUBLIC_URL":        `"pay.example" is not an http or https URL`,
		"KVIT_ADMIN_LISTEN":      `"127.0.0.1:70000" is not host:port`,
		"KVIT_REFLECTION":        `"yes" is not true or false`,
		"KVIT_SANDBOX_LISTEN":    `"8082" is not host:port`,
		"KVIT_SANDBOX_URL":       `"x" is not an http or https URL`,
		"KVIT_UPSTREAM":          `"pay.example" is not an http or https URL`,
		"KVIT_EDGE_API_KEY":      "is not an edge key",
		"KVIT_DATABASE_POOL":     `"1" is not auto, or a number from 2 to 1000`,
		"KVIT_REDIS_URL":         "is not a redis://, redis+sentinel://",
		"KVIT_KEYS":              `refers to the file "empty", which is empty`,
		"KVIT_BOOTSTRAP_API_KEY": "is not a platform key",
		"KVIT_LOG_LEVEL":         `"INFO" is not debug, info, warn or error`,
		"KVIT_LOG_FORMAT":        `"xml" is not text or json`,
		"KVIT_TRACES":            `"on" is not off or otlp`,
		"KVIT_TRACES_URL":        `"collector:4318" is not an http or https URL`,
		"KVIT_SHUTDOWN_GRACE":    `"20" is not a duration`,
		"KVIT_GOGC":              `"off" is not a number`,
		"KVIT_CONFIG":            "missing.yaml",
		"KVIT_DATABSE_URL":       "there is no such setting; did you mean KVIT_DATABASE_URL?",
	} {
		if !strings.Contains(got[name], want) {
			t.Errorf("%s: %q does not say %q", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("more faults than there are: %v", got)
	}
}

func TestLoad_S4_WhatBelongsTogetherIsThereTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		environ     []string
		fault, want string
	}{
		"PostgreSQL needs keys":  {[]string{"KVIT_DATABASE_URL=postgres://db/kvit"}, "KVIT_KEYS", "file:PATH or env:NAME"},
		"another database":       {[]string{"KVIT_DATABASE_URL=mysql://u:hunter2@db/kvit"}, "KVIT_DATABASE_URL", "postgres://"},
		"one port for two":       {[]string{"KVIT_ADMIN_LISTEN=127.0.0.1:8080"}, "KVIT_ADMIN_LISTEN", "a port each"},
		"one port, every host":   {[]string{"KVIT_ADMIN_LISTEN=:8080"}, "KVIT_ADMIN_LISTEN", "a port each"},
		"every host, one port":   {[]string{"KVIT_LISTEN=:9000", "KVIT_ADMIN_LISTEN=127.0.0.1:9000"}, "KVIT_ADMIN_LISTEN", "a port each"},
		"one port, zero address": {[]string{"KVIT_ADMIN_LISTEN=0.0.0.0:8080"}, "KVIT_ADMIN_LISTEN", "a port each"},
		"a path":                 {[]string{"KVIT_PUBLIC_URL=https://example.com/pay"}, "KVIT_PUBLIC_URL", "without a path"},
		"a path upstream":        {[]string{"KVIT_UPSTREAM=https://example.com/api"}, "KVIT_UPSTREAM", "without a path"},
		"a query":                {[]string{"KVIT_PUBLIC_URL=https://example.com?x=1"}, "KVIT_PUBLIC_URL", "without a path"},
		"a reference to nothing": {[]string{"KVIT_KEYS=env:NOT_THERE"}, "KVIT_KEYS", `"NOT_THERE", which is not set`},
		"no file":                {[]string{"KVIT_KEYS=file:nowhere"}, "KVIT_KEYS", "cannot be read"},
		"keys in the open":       {[]string{"KVIT_KEYS=k1 hunter2"}, "KVIT_KEYS", "file:PATH or env:NAME"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := faultsOf(t, nil, c.environ...)
			if len(got) != 1 || !strings.Contains(got[c.fault], c.want) {
				t.Errorf("got %v, want %s: %q", got, c.fault, c.want)
			}
			if strings.Contains(fmt.Sprint(got), "hunter2") {
				t.Errorf("a secret is in the fault: %v", got)
			}
		})
	}
}

func TestLoad_S4_PortsThatDoNotMeet(t *testing.T) {
	t.Parallel()
	load(t, nil, "KVIT_LISTEN=127.0.0.1:0", "KVIT_ADMIN_LISTEN=127.0.0.1:0")
	load(t, nil, "KVIT_LISTEN=10.0.0.1:8080", "KVIT_ADMIN_LISTEN=127.0.0.1:8080", "KVIT_PUBLIC_URL=https://pay.example")
}

func TestLoad_S4_PublicURLFollowsListen(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		"127.0.0.1:9090": "http://127.0.0.1:9090", ":9090": "http://127.0.0.1:9090",
		"0.0.0.0:9090": "http://127.0.0.1:9090", "[::1]:9090": "http://[::1]:9090", "localhost:9090": "http://localhost:9090",
	} {
		if got := load(t, nil, "KVIT_LISTEN="+listen).Door.PublicURL.String(); got != want {
			t.Errorf("%s is reached at %s, want %s", listen, got, want)
		}
	}
}

func TestLoad_S4_UnwiseSettingsWarn(t *testing.T) {
	t.Parallel()
	s := load(t, nil, "KVIT_PUBLIC_URL=http://pay.example", "KVIT_ADMIN_LISTEN=:8081")
	if all := strings.Join(s.Warnings, "\n"); len(s.Warnings) != 2 || !strings.Contains(all, "KVIT_PUBLIC_URL") || !strings.Contains(all, "KVIT_ADMIN_LISTEN") {
		t.Errorf("warned: %v", s.Warnings)
	}
	if s := load(t, nil, "KVIT_PUBLIC_URL=http://localhost:8080"); len(s.Warnings) != 0 {
		t.Errorf("warned: %v", s.Warnings)
	}
}

func TestLoad_S4_EmptyCountsAsNotSetAndReferencedNamesAreKnown(t *testing.T) {
	t.Parallel()
	s := load(t, nil, "KVIT_LISTEN=", "KVIT_KEYS=env:KVIT_MY_KEYS", "KVIT_MY_KEYS=k1 AAEC")
	if s.Door.Listen.Port != 8080 || s.Keys.Text.Reveal() != "k1 AAEC" {
		t.Errorf("got %v, %q", s.Door.Listen, s.Keys.Text.Reveal())
	}
}

// An adapter needs an upstream and a key, and nothing of the house: what is given all the same is not even opened.
func TestLoad_S4_AdapterReadsItsOwnSettingsAlone(t *testing.T) {
	t.Parallel()
	asAdapter := func(environ ...string) (*config.Settings, error) {
		src := source(nil, environ...)
		src.Role = config.RoleAdapter
		return config.Load(src)
	}
	_, err := asAdapter("KVIT_LISTEN=x")
	for _, want := range []string{"KVIT_LISTEN: ", "KVIT_UPSTREAM: is needed with -role=adapter", "KVIT_EDGE_API_KEY: is needed with -role=adapter"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	s, err := asAdapter("KVIT_UPSTREAM=http://10.0.0.1:8080", "KVIT_EDGE_API_KEY=kvit_edge_x",
		"KVIT_DATABASE_URL=postgres://db/kvit", "KVIT_KEYS=file:not-there", "KVIT_CONFIG=not-there")
	if err != nil {
		t.Fatal(err)
	}
	if s.Store.Postgres() || !s.Keys.Text.IsZero() || len(s.Merchants.List) != 0 || s.Merchants.Demo {
		t.Errorf("read what is the house's: %+v", s)
	}
	all := strings.Join(s.Warnings, "\n")
	for _, name := range []string{"KVIT_DATABASE_URL", "KVIT_KEYS", "KVIT_CONFIG", "KVIT_UPSTREAM is not https"} {
		if !strings.Contains(all, name) {
			t.Errorf("no warning of %s: %v", name, s.Warnings)
		}
	}
}

func TestSecret_S4_NeverPrinted(t *testing.T) {
	t.Parallel()
	s := load(t, nil, "KVIT_DATABASE_URL=postgres://u:hunter2@db/kvit", "KVIT_KEYS=env:K", "K=k1 hunter2",
		"KVIT_REDIS_URL=redis://:hunter2@r", "KVIT_BOOTSTRAP_API_KEY=kvit_platform_hunter2", "KVIT_EDGE_API_KEY=kvit_edge_hunter2")
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", slog.Any("settings", s), slog.Any("url", s.Store.URL))
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", slog.Any("settings", s), slog.Any("url", s.Store.URL))
	asJSON, err := json.Marshal(map[string]any{"URL": s.Store.URL, "keys": []any{s.Keys.Text}})
	if err != nil {
		t.Fatal(err)
	}
	hidden := struct{ url config.Secret }{s.Store.URL}
	for _, text := range []string{
		fmt.Sprintf("%v %+v %#v", s, s, s), fmt.Sprintf("%v %+v %#v %q %x", s.Store, s.Store, s.Store, s.Store.URL, s.Store.URL),
		fmt.Sprintf("%v %+v %#v", hidden, hidden, hidden), string(asJSON), log.String(),
	} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") {
			t.Errorf("printed: %s", text)
		}
	}
	if !strings.Contains(string(asJSON), `"URL":"[redacted]"`) {
		t.Errorf("JSON: %s", asJSON)
	}
	if none := (config.Secret{}); none.String() != "" || none.Reveal() != "" || !config.NewSecret("").IsZero() {
		t.Error("no secret looks like one")
	}
}

func TestReference_S4_PageIsUpToDate(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "settings.md")
	if *update {
		if err := os.WriteFile(path, []byte(config.Reference()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != config.Reference() {
		t.Errorf("%s is old: run go test ./server/config -run Reference -update", path)
	}
}

func TestReference_S4_EverySettingIsExplained(t *testing.T) {
	t.Parallel()
	page := config.Reference()
	seen := map[string]bool{}
	settings := reflect.TypeFor[config.Settings]()
	for part := range settings.Fields() {
		if part.Type.Kind() != reflect.Struct {
			continue
		}
		for field := range part.Type.Fields() {
			name, ok := field.Tag.Lookup("name")
			if !ok {
				continue
			}
			if seen[name] || !strings.HasPrefix(name, "KVIT_") || !strings.Contains(page, "| `"+name+"` |") {
				t.Errorf("%s is there twice, or not on the page", name)
			}
			if field.Tag.Get("form") == "" || !strings.HasSuffix(field.Tag.Get("meaning"), ".") {
				t.Errorf("%s has no form or no meaning", name)
			}
			if (field.Tag.Get("default") == "") == (field.Tag.Get("shown") == "") {
				t.Errorf("%s wants a default, or words for it", name)
			}
			seen[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		// Each is read: an impossible value is a fault or is kept.
		if _, err := config.Load(source(nil, name+"=\x00")); err == nil && name != "KVIT_DATA_DIR" {
			t.Errorf("%s is not read", name)
		}
	}
}
