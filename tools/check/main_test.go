package main

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// withoutServers takes away the servers that the tests themselves were given, so that check starts its own,
// and returns a place for their files.
func withoutServers(t *testing.T) (dir string) {
	t.Helper()
	t.Setenv(postgresVariable, "")
	t.Setenv(redisVariable, "")
	if missing := lacking(serverNeeds()); len(missing) > 0 {
		t.Skip("check was given servers and has no programs to start its own")
	}
	//nolint:usetesting // As root, servers run as an account that cannot look into t.TempDir.
	dir, err := os.MkdirTemp("", "check-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// wantNothingLeft checks that nobody listens at the addresses in the file, and that no file stayed.
func wantNothingLeft(t *testing.T, addresses string) {
	t.Helper()
	content, err := os.ReadFile(addresses)
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Fields(string(content))
	if len(found) != 2 {
		t.Fatalf("the command saw %d addresses, want 2", len(found))
	}
	for _, address := range found {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := net.Dial("tcp", u.Host); err == nil {
			_ = conn.Close()
			t.Errorf("a server still listens at %s", u.Host)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "kvit-*")); len(left) > 0 {
		t.Errorf("left behind %v", left)
	}
}

func TestRun_GivesServersAndEndsThem(t *testing.T) {
	t.Setenv("TMPDIR", withoutServers(t))
	addresses := filepath.Join(t.TempDir(), "addresses")
	var out bytes.Buffer
	script := `echo "$KVIT_TEST_POSTGRES_URL $KVIT_TEST_REDIS_URL" > "$0"; exit 7`
	if code := run(t.Context(), []string{"run", "sh", "-c", script, addresses}, &out); code != 7 {
		t.Errorf("ended with %d, want the command's 7:\n%s", code, &out)
	}
	wantNothingLeft(t, addresses)
}

func TestRun_EndsCommandAndServersWhenItIsToldTo(t *testing.T) {
	t.Setenv("TMPDIR", withoutServers(t))
	addresses := filepath.Join(t.TempDir(), "addresses")
	ctx, cancel := context.WithCancel(t.Context())
	out := &firstWrite{done: make(chan struct{})}
	go func() {
		<-out.done
		cancel()
	}()
	script := `echo "$KVIT_TEST_POSTGRES_URL $KVIT_TEST_REDIS_URL" > "$0"; echo begun; exec sleep 600`
	start := time.Now()
	if code := run(ctx, []string{"run", "sh", "-c", script, addresses}, out); code == 0 {
		t.Error("an interrupted command is a success")
	}
	if took := time.Since(start); took > 2*startMax {
		t.Errorf("took %s to end", took)
	}
	wantNothingLeft(t, addresses)
}

func TestRun_SaysWhichGivenServerDoesNotAnswer(t *testing.T) {
	port, err := freePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(postgresVariable, "postgres://someone:hunter2@127.0.0.1:"+port+"/x")
	t.Setenv(redisVariable, "redis://127.0.0.1:"+port)
	var out bytes.Buffer
	if code := run(t.Context(), []string{"run", "true"}, &out); code != 1 {
		t.Errorf("ended with %d, want 1", code)
	}
	if !strings.Contains(out.String(), "names a server that does not answer") || strings.Contains(out.String(), "hunter2") {
		t.Errorf("said:\n%s", &out)
	}
}

func TestAdvice_NamesWhatIsMissingAndTheWayToIt(t *testing.T) {
	t.Parallel()
	missing := lacking([]need{
		{what: "a hammer", have: inPath("no-such-hammer"), debian: []string{"hammer"}, other: "buy one"},
		{what: "a shell", have: inPath("sh")},
	})
	got := advice(missing, true, missing[0].debian).Error()
	for _, want := range []string{"a hammer: buy one", "sudo apt-get install hammer"} {
		if !strings.Contains(got, want) {
			t.Errorf("advice does not say %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "shell") {
		t.Errorf("advice names what is there:\n%s", got)
	}
}

func TestVersion_ReadsTheNumberOfAPostgresDirectory(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]int{
		"/usr/lib/postgresql/15/bin":             15,
		"/usr/lib/postgresql/9/bin":              9,
		"/usr/pgsql-17/bin":                      17,
		"/opt/homebrew/opt/postgresql@16/bin":    16,
		"/usr/local/pgsql/bin":                   0,
		"/usr/lib/postgresql/15.1~something/bin": 0,
	} {
		if got := version(dir); got != want {
			t.Errorf("version(%q) = %d, want %d", dir, got, want)
		}
	}
}

// firstWrite tells that something was written.
type firstWrite struct {
	once sync.Once
	done chan struct{}
}

func (w *firstWrite) Write(p []byte) (int, error) {
	w.once.Do(func() { close(w.done) })
	return len(p), nil
}
