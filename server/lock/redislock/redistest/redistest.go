// Package redistest finds or starts Redis servers for a test.
//
// [URL] is the server that all tests share, named by KVIT_TEST_REDIS_URL; a test keeps to a prefix of
// its own there. [Start], [StartCluster] and [StartSentinel] start processes of the test's own, on free
// ports of the loopback address; they keep nothing on disk and are ended with the test. A test without
// a server is skipped, but under CI=true it fails.
//
// Concurrency: a [Server] belongs to one test.
//
// Failure: whatever goes wrong here ends the test.
package redistest

import (
	"bufio"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// readyMax is how long a server may take to answer as it must.
	readyMax = 20 * time.Second
	// readyEvery is how often it is asked.
	readyEvery = 5 * time.Millisecond
	// clusterNodes is how many masters a cluster has: the fewest that Redis takes for one.
	clusterNodes = 3
)

// URL returns the address of the shared server.
func URL(tb testing.TB) string {
	tb.Helper()
	url := env("KVIT_TEST_REDIS_URL")
	if url == "" {
		missing(tb, "KVIT_TEST_REDIS_URL names no Redis server")
	}
	return url
}

// Server is a Redis process that a test may freeze and kill.
type Server struct {
	// URL is its address, the same after each Start.
	URL     string
	address string
	binary  string
	args    []string
	process *exec.Cmd
}

// Start starts one server.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return start(tb)
}

// StartCluster starts a cluster of masters and returns its URL.
func StartCluster(tb testing.TB) string {
	tb.Helper()
	nodes := make([]*Server, clusterNodes)
	addresses, buses := make([]string, clusterNodes), make([]string, clusterNodes)
	for i := range nodes {
		buses[i] = freePort(tb)
		nodes[i] = start(tb, "--cluster-enabled", "yes", "--cluster-port", buses[i])
		addresses[i] = nodes[i].address
	}
	const slots = 16384
	for i, node := range nodes {
		first, last := slots*i/clusterNodes, slots*(i+1)/clusterNodes-1
		node.mustAsk(tb, "CLUSTER ADDSLOTSRANGE "+strconv.Itoa(first)+" "+strconv.Itoa(last), "+OK")
		for j, other := range addresses {
			if i != j {
				node.mustAsk(tb, "CLUSTER MEET "+strings.Replace(other, ":", " ", 1)+" "+buses[j], "+OK")
			}
		}
	}
	for _, node := range nodes {
		waitFor(tb, "a cluster that agrees", func() bool {
			info := node.ask(tb.Context(), "CLUSTER INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") &&
				strings.Contains(info, "cluster_slots_assigned:16384")
		})
	}
	return "redis+cluster://" + strings.Join(addresses, ",")
}

// StartSentinel starts a server and a sentinel that names it as the master "main", and returns their URL.
func StartSentinel(tb testing.TB) string {
	tb.Helper()
	master := start(tb)
	host, port, _ := strings.Cut(master.address, ":")
	config := filepath.Join(tb.TempDir(), "sentinel.conf")
	if err := os.WriteFile(config, []byte("sentinel monitor main "+host+" "+port+" 1\n"), 0o600); err != nil {
		tb.Fatalf("write the sentinel's configuration: %v", err)
	}
	sentinel := startWith(tb, []string{config, "--sentinel"})
	waitFor(tb, "a sentinel that knows its master", func() bool {
		return strings.Contains(sentinel.ask(tb.Context(), "SENTINEL GET-MASTER-ADDR-BY-NAME main"), "*2")
	})
	return "redis+sentinel://" + sentinel.address + "/main"
}

// start starts a server that keeps nothing, with further arguments behind the usual ones.
func start(tb testing.TB, more ...string) *Server {
	tb.Helper()
	return startWith(tb, append([]string{"--save", "", "--appendonly", "no"}, more...))
}

func startWith(tb testing.TB, args []string) *Server {
	tb.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		missing(tb, "redis-server is not installed (Debian: apt-get install redis-server)")
	}
	port := freePort(tb)
	address := net.JoinHostPort("127.0.0.1", port)
	usual := []string{"--port", port, "--bind", "127.0.0.1", "--dir", tb.TempDir(), "--loglevel", "warning"}
	if len(args) > 0 && !strings.HasPrefix(args[0], "--") {
		// A configuration file comes before every option.
		usual, args = append([]string{args[0]}, usual...), args[1:]
	}
	s := &Server{URL: "redis://" + address, address: address, binary: binary, args: append(usual, args...)}
	tb.Cleanup(s.Kill)
	s.Start(tb)
	return s
}

// Start starts the process again after Kill, and returns when it answers.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	// The process outlives the test's context, so that Cleanup ends it and waits for it.
	ctx := context.WithoutCancel(tb.Context())
	s.process = exec.CommandContext(ctx, s.binary, s.args...) //nolint:gosec // The binary is the one on the PATH.
	s.process.SysProcAttr = tied()
	if err := s.process.Start(); err != nil {
		s.process = nil
		tb.Fatalf("start redis-server: %v", err)
	}
	waitFor(tb, "a server that answers", func() bool { return s.ask(ctx, "PING") == "+PONG" })
}

// Freeze stops the process where it is: connections stay, answers do not come.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

// Kill ends the process at once and waits for its end. A second call does nothing.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	s.signal(syscall.SIGKILL)
	_ = s.process.Wait() // It was killed; its status says no more.
	s.process = nil
}

func (s *Server) signal(sig os.Signal) {
	if s.process != nil {
		_ = s.process.Process.Signal(sig) // A process that has ended needs no signal.
	}
}

// ask sends one command and returns the line of its reply, with the text where that is one. It returns
// nothing where there is no answer.
func (s *Server) ask(ctx context.Context, command string) string {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return ""
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return ""
	}
	reader := bufio.NewReader(conn)
	line, err := reader.ReadString('\n')
	if err != nil {
		return ""
	}
	length, isText := strings.CutPrefix(strings.TrimSpace(line), "$")
	if n, err := strconv.Atoi(length); isText && err == nil && n > 0 {
		text := make([]byte, n)
		_, _ = io.ReadFull(reader, text) // What is there is looked at; the rest is asked for again.
		return string(text)
	}
	return strings.TrimSpace(line)
}

func (s *Server) mustAsk(tb testing.TB, command, want string) {
	tb.Helper()
	if got := s.ask(tb.Context(), command); got != want {
		tb.Fatalf("%s: %s, want %s", command, got, want)
	}
}

// waitFor returns when ready says so.
func waitFor(tb testing.TB, what string, ready func() bool) {
	tb.Helper()
	deadline := time.After(readyMax)
	retry := time.NewTicker(readyEvery)
	defer retry.Stop()
	for !ready() {
		select {
		case <-retry.C:
		case <-deadline:
			tb.Fatalf("no Redis: waited for %s", what)
		}
	}
}

// freePort returns a port that nobody listens on. It is below those that outgoing connections are given,
// so that none of them takes it while its server is down.
func freePort(tb testing.TB) string {
	tb.Helper()
	const first, last, tries = 20000, 30000, 100
	var config net.ListenConfig
	for range tries {
		port := strconv.Itoa(first + rand.IntN(last-first)) //nolint:gosec // A port is no secret.
		listener, err := config.Listen(tb.Context(), "tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			_ = listener.Close()
			return port
		}
	}
	tb.Fatal("no free port")
	return ""
}

// env reads one variable of the test run.
func env(name string) string {
	value, _ := os.LookupEnv(name)
	return value
}

// missing skips the test, or fails it where every server is promised.
func missing(tb testing.TB, what string) {
	tb.Helper()
	if env("CI") == "true" {
		tb.Fatal(what)
	}
	tb.Skip(what)
}
