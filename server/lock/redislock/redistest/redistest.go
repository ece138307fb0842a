// Package redistest finds or starts a Redis server for a test.
//
// [URL] is the server that all tests share, named by KVIT_TEST_REDIS_URL; a test keeps to a prefix of
// its own there. [Start] starts a process of the test's own, which it may freeze and kill. A test
// without a server is skipped, but under CI=true it fails.
//
// Concurrency: a [Server] belongs to one test.
//
// Failure: whatever goes wrong here ends the test.
package redistest

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// readyMax is how long a server may take to answer.
const readyMax = 10 * time.Second

// URL returns the address of the shared server.
func URL(tb testing.TB) string {
	tb.Helper()
	url, _ := os.LookupEnv("KVIT_TEST_REDIS_URL")
	if url == "" {
		missing(tb, "KVIT_TEST_REDIS_URL names no Redis server")
	}
	return url
}

// Server is a Redis process of one test. It keeps nothing on disk and is ended with the test.
type Server struct {
	// URL is its address, the same after each Start.
	URL     string
	address string
	port    string
	binary  string
	process *exec.Cmd
}

// Start starts a server on a free port of the loopback address.
func Start(tb testing.TB) *Server {
	tb.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		missing(tb, "redis-server is not installed (Debian: apt-get install redis-server)")
	}
	port := freePort(tb)
	address := net.JoinHostPort("127.0.0.1", port)
	s := &Server{URL: "redis://" + address, address: address, port: port, binary: binary}
	s.Start(tb)
	tb.Cleanup(s.Kill)
	return s
}

// Start starts the process again after Kill, and returns when it answers.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	// The process outlives the test's context, so that Cleanup ends it and waits for it.
	ctx := context.WithoutCancel(tb.Context())
	s.process = exec.CommandContext(ctx, s.binary, //nolint:gosec // The binary is the one on the PATH.
		"--port", s.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", tb.TempDir(), "--loglevel", "warning")
	if err := s.process.Start(); err != nil {
		tb.Fatalf("start redis-server: %v", err)
	}
	deadline := time.After(readyMax)
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for !s.answers(ctx) {
		select {
		case <-retry.C:
		case <-deadline:
			s.Kill()
			tb.Fatalf("redis-server on port %s does not answer", s.port)
		}
	}
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
	if s.process != nil && s.process.Process != nil {
		_ = s.process.Process.Signal(sig) // A process that has ended needs no signal.
	}
}

// answers reports whether the server says PONG.
func (s *Server) answers(ctx context.Context) bool {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	reply := make([]byte, len("+PONG"))
	_, err = io.ReadFull(conn, reply)
	return err == nil && string(reply) == "+PONG"
}

// freePort returns a port that nobody listens on at this moment.
func freePort(tb testing.TB) string {
	tb.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("find a free port: %v", err)
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		tb.Fatalf("find a free port: %v", err)
	}
	if _, err := strconv.Atoi(port); err != nil {
		tb.Fatalf("find a free port: %v", err)
	}
	return port
}

// missing skips the test, or fails it where every server is promised.
func missing(tb testing.TB, what string) {
	tb.Helper()
	if ci, _ := os.LookupEnv("CI"); ci == "true" {
		tb.Fatal(what)
	}
	tb.Skip(what)
}
