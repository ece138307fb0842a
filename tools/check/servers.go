package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	postgresVariable = "KVIT_TEST_POSTGRES_URL"
	redisVariable    = "KVIT_TEST_REDIS_URL"
	// startMax is what a server has to answer for the first time.
	startMax = 60 * time.Second
	// startTries is how often a server is started: another process may take its port before it does.
	startTries = 3
)

// process is a server of ours.
type process struct {
	cmd    *exec.Cmd
	output *bytes.Buffer
	ended  chan struct{}
}

// startServers starts the servers that the environment does not name, and checks those that it names.
func (c *check) startServers(ctx context.Context) error {
	for variable, start := range map[string]func(context.Context) (string, error){
		postgresVariable: c.startPostgres,
		redisVariable:    c.startRedis,
	} {
		if given := os.Getenv(variable); given != "" {
			if err := reachable(ctx, given); err != nil {
				return fmt.Errorf("%s names a server that does not answer: %w", variable, err)
			}
			continue
		}
		address, err := retry(ctx, start)
		if err != nil {
			return err
		}
		c.env = append(c.env, variable+"="+address)
	}
	return nil
}

// startPostgres makes a cluster of its own and serves it on 127.0.0.1. It is as durable as a real one
// (fsync, full_page_writes), so that what it is asked to prove is proven.
func (c *check) startPostgres(ctx context.Context) (string, error) {
	bin := postgresPrograms()
	dir, owner, err := c.scratchDir("kvit-postgres-")
	if err != nil {
		return "", err
	}
	port, err := freePort(ctx)
	if err != nil {
		return "", err
	}
	// A password, because every account of this machine can reach the port.
	password := rand.Text()
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(password), 0o600); err != nil {
		return "", err
	}
	if owner != nil {
		if err := os.Chown(secret, int(owner.Uid), int(owner.Gid)); err != nil {
			return "", err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := c.newCommand(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "password",
		"--pwfile", secret, "-E", "UTF8", "--locale", "C", "--no-sync")
	initdb.Dir = dir
	initdb.SysProcAttr.Credential = owner
	if output, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, output)
	}
	ready := func() bool {
		return c.newCommand(ctx, filepath.Join(bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", port).Run() == nil
	}
	// Without a Unix socket, whose path may not be longer than some temporary directories are.
	err = c.serve(ctx, dir, owner, ready, filepath.Join(bin, "postgres"), "-D", data, "-h", "127.0.0.1", "-p", port,
		"-c", "unix_socket_directories=", "-c", "max_connections=300", "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB")
	if err != nil {
		return "", fmt.Errorf("start PostgreSQL: %w", err)
	}
	address := url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", password),
		Host: net.JoinHostPort("127.0.0.1", port), Path: "/postgres", RawQuery: "sslmode=disable",
	}
	return address.String(), nil
}

// startRedis serves an empty Redis, which keeps nothing on disk, on 127.0.0.1.
func (c *check) startRedis(ctx context.Context) (string, error) {
	dir, owner, err := c.scratchDir("kvit-redis-")
	if err != nil {
		return "", err
	}
	port, err := freePort(ctx)
	if err != nil {
		return "", err
	}
	address := "redis://" + net.JoinHostPort("127.0.0.1", port) + "/0"
	ready := func() bool { return reachable(ctx, address) == nil }
	err = c.serve(ctx, dir, owner, ready, "redis-server", "--port", port, "--bind", "127.0.0.1",
		"--dir", dir, "--save", "", "--appendonly", "no", "--daemonize", "no")
	if err != nil {
		return "", fmt.Errorf("start Redis: %w", err)
	}
	return address, nil
}

// serve starts a server and waits until it is ready. stopServers ends it; the end of ctx does not,
// because those who use it must end first.
func (c *check) serve(ctx context.Context, dir string, owner *syscall.Credential, ready func() bool, name string, args ...string) error {
	//nolint:noctx // It outlives ctx, see above.
	p := &process{cmd: exec.Command(name, args...), output: &bytes.Buffer{}, ended: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.SysProcAttr = ownGroup()
	p.cmd.SysProcAttr.Credential = owner
	if err := p.cmd.Start(); err != nil {
		return err
	}
	c.servers = append(c.servers, p)
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()

	deadline := time.NewTimer(startMax)
	defer deadline.Stop()
	for !ready() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ended:
			return fmt.Errorf("it ended at once:\n%s", p.output)
		case <-deadline.C:
			return fmt.Errorf("it does not answer after %s", startMax)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// stopServers ends what startServers started, by its id, and removes its files. It may be called again.
func (c *check) stopServers() {
	for _, p := range c.servers {
		// SIGQUIT makes PostgreSQL leave at once, with its children. Nothing of it is kept.
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		select {
		case <-p.ended:
		case <-time.After(grace):
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
			<-p.ended
		}
	}
	for _, dir := range c.scratch {
		_ = os.RemoveAll(dir)
	}
	c.servers, c.scratch, c.env = nil, nil, nil
}

// scratchDir makes a directory for a server. To root it also names the account that the server runs
// as, which owns the directory: PostgreSQL refuses to run as root.
func (c *check) scratchDir(prefix string) (dir string, owner *syscall.Credential, err error) {
	if dir, err = os.MkdirTemp("", prefix); err != nil {
		return "", nil, err
	}
	c.scratch = append(c.scratch, dir)
	if os.Geteuid() != 0 {
		return dir, nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return "", nil, fmt.Errorf("find an account to run servers as: %w", err)
	}
	uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return "", nil, err
	}
	return dir, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
}

// retry starts a server until it runs, at most startTries times.
func retry(ctx context.Context, start func(context.Context) (string, error)) (address string, err error) {
	for range startTries {
		if address, err = start(ctx); err == nil || ctx.Err() != nil {
			break
		}
	}
	return address, err
}

// reachable reports whether a server accepts a connection at the address of a URL. An address without a
// host (a socket) or with several is believed.
func reachable(ctx context.Context, address string) error {
	if strings.Contains(address, ",") {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("it is no URL") // which url.Parse would print, with its password
	}
	if u.Hostname() == "" {
		return nil
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"postgres": "5432", "postgresql": "5432", "redis": "6379", "rediss": "6379"}[u.Scheme]
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// freePort is a port that nobody listens on at this moment.
func freePort(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}
