// Command check runs everything that must hold before a change is merged, and shows how far it is.
//
//	check                      every step, then one line: N passed, N failed, N skipped
//	check test [PACKAGE ...]   the tests alone, of some packages or of all
//	check run COMMAND ARG ...  one command
//
// In each form PostgreSQL and Redis are there for what it runs: those that KVIT_TEST_POSTGRES_URL and
// KVIT_TEST_REDIS_URL name, or throwaway processes on free ports, ended afterwards whatever happens.
// Programs that lack are installed where that is possible (Debian, as root), otherwise check says
// what is missing and how to get it, and fails.
//
// A failed step does not stop the steps after it: one run tells everything that is wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	// The kernel ends our servers with the thread that started them (see ownGroup), so that
	// thread must be one that lives as long as we do.
	runtime.LockOSThread()
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout)
	cancel()
	os.Exit(code)
}

// run does what the arguments say and returns the exit code.
func run(ctx context.Context, args []string, out io.Writer) int {
	c := &check{out: out, began: time.Now(), ci: os.Getenv("CI") == "true"}
	defer c.stopServers()

	switch {
	case len(args) == 0:
		return c.all(ctx)
	case args[0] == "test":
		return c.testsOnly(ctx, args[1:])
	case args[0] == "run" && len(args) > 1:
		return c.command(ctx, args[1:])
	default:
		c.say("usage: check | check test [PACKAGE ...] | check run COMMAND ARG ...")
		return 2
	}
}

// command runs one command with servers, and ends as it ends.
func (c *check) command(ctx context.Context, args []string) int {
	if err := c.provide(ctx, serverNeeds()); err != nil {
		c.say("%v", err)
		return 1
	}
	if err := c.startServers(ctx); err != nil {
		c.say("%v", err)
		return 1
	}
	cmd := c.newCommand(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = c.out, os.Stderr
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() > 0 {
			return exit.ExitCode()
		}
		c.say("%s: %v", args[0], err)
		return 1
	}
	return 0
}

// say prints one line with the time since the start.
func (c *check) say(format string, args ...any) {
	took := time.Since(c.began).Round(time.Second)
	line := fmt.Sprintf("%02d:%02d  ", int(took.Minutes()), int(took.Seconds())%60) + fmt.Sprintf(format, args...)
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprintln(c.out, line)
}
