package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// patience is how long a step may be silent before a line says that it is still at work.
	patience = 30 * time.Second
	// grace is what a command has to end after it was told to.
	grace = 10 * time.Second
	// testTimeout bounds the tests of one package.
	testTimeout = "10m"
)

// racing are the rooms in which goroutines meet over shared memory: they are tested with the race detector.
var racing = []string{"clients/go/", "server/app", "server/lock/", "server/payment", "server/psp", "server/stream", "server/writer"}

// check is one run.
type check struct {
	out   io.Writer
	began time.Time
	ci    bool       // a test that finds no server is a failure
	mu    sync.Mutex // keeps lines whole

	tally   tally
	env     []string // what the servers add to the environment
	servers []*process
	scratch []string // directories that go with the servers
}

// all runs every step and returns the exit code.
func (c *check) all(ctx context.Context) int {
	if err := c.provide(ctx, slices.Concat(serverNeeds(), buildNeeds(), browserNeeds())); err != nil {
		c.say("%v", err)
		return 1
	}
	c.step(ctx, "generated code is up to date", func() error { return c.quietly(ctx, "make", "check-generate") })
	c.step(ctx, "protos", func() error { return c.quietly(ctx, "make", "lint-proto") })
	c.step(ctx, "lint", func() error { return c.quietly(ctx, "make", "lint-go") })
	c.tests(ctx, nil)
	return c.finish(ctx)
}

// testsOnly runs the tests of some packages and returns the exit code.
func (c *check) testsOnly(ctx context.Context, packages []string) int {
	if err := c.provide(ctx, append(serverNeeds(), buildNeeds()...)); err != nil {
		c.say("%v", err)
		return 1
	}
	c.tests(ctx, packages)
	return c.finish(ctx)
}

// tests runs the tests with servers. Each package runs once, those of racing with the race detector.
func (c *check) tests(ctx context.Context, packages []string) {
	if !c.step(ctx, "servers", func() error { return c.startServers(ctx) }) {
		return
	}
	var plain, raced []string
	c.step(ctx, "list packages", func() error {
		var err error
		plain, raced, err = c.packages(ctx, packages)
		return err
	})
	if len(plain) > 0 {
		c.step(ctx, "tests", func() error { return c.goTest(ctx, plain...) })
	}
	if len(raced) > 0 {
		c.step(ctx, "tests with the race detector", func() error { return c.goTest(ctx, append([]string{"-race"}, raced...)...) })
	}
	if len(packages) == 0 {
		c.step(ctx, "tests of the TypeScript client", func() error { return c.typescript(ctx) })
		c.step(ctx, "tests of the tools", func() error { return c.goTest(ctx, "-C", "tools", "./...") })
	}
}

// packages lists what the patterns name, all without one, apart by whether they are tested with the race detector.
func (c *check) packages(ctx context.Context, patterns []string) (plain, raced []string, err error) {
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	cmd := c.newCommand(ctx, "go", append([]string{"list", "-f", "{{.ImportPath}} {{.Module.Path}}"}, patterns...)...)
	cmd.Stderr = c.out
	listed, err := cmd.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("list packages: %w", err)
	}
	for line := range strings.Lines(string(listed)) {
		pkg, module, _ := strings.Cut(strings.TrimSpace(line), " ")
		room := strings.TrimPrefix(pkg, module+"/")
		if slices.ContainsFunc(racing, func(prefix string) bool { return strings.HasPrefix(room, prefix) }) {
			raced = append(raced, pkg)
		} else {
			plain = append(plain, pkg)
		}
	}
	return plain, raced, nil
}

// goTest runs go test, prints a line per package and adds to the tally.
// What the tally has counted is no error of the step.
func (c *check) goTest(ctx context.Context, args ...string) error {
	flags := []string{"test"}
	if args[0] == "-C" { // must stand first
		flags, args = append(flags, args[:2]...), args[2:]
	}
	cmd := c.newCommand(ctx, "go", append(append(flags, "-json", "-timeout", testTimeout), args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	before := c.tally.failed
	run := testRun{tally: &c.tally, strict: c.ci, say: c.say}
	readErr := run.read(stdout)
	if err := cmd.Wait(); err != nil && c.tally.failed == before {
		_, _ = c.out.Write(stderr.Bytes())
		return err
	}
	return readErr
}

// step runs one step between two lines. A failure is counted and does not end the run.
func (c *check) step(ctx context.Context, name string, do func() error) bool {
	if ctx.Err() != nil {
		return false
	}
	c.say("%s ...", name)
	began, done := time.Now(), make(chan struct{})
	go func() {
		ticker := time.NewTicker(patience)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				c.say("%s: still at work", name)
			}
		}
	}()
	failed := c.tally.failed
	err := do()
	close(done)
	took := time.Since(began).Round(100 * time.Millisecond)
	switch {
	case err != nil:
		c.tally.fail(name)
		c.say("%s: FAILED after %s: %v", name, took, err)
	case c.tally.failed > failed:
		c.say("%s: FAILED after %s", name, took)
	default:
		c.say("%s: ok, %s", name, took)
	}
	return err == nil
}

// quietly runs a command and shows what it printed only when it failed.
func (c *check) quietly(ctx context.Context, name string, args ...string) error {
	output, err := c.newCommand(ctx, name, args...).CombinedOutput()
	if err != nil {
		_, _ = c.out.Write(output)
	}
	return err
}

// newCommand is a command that hears of the servers and that ends, with all its children, when ctx does.
func (c *check) newCommand(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	return cmd
}

// finish prints what did not pass and the last line, and returns the exit code.
func (c *check) finish(ctx context.Context) int {
	c.stopServers()
	for _, name := range c.tally.skips {
		c.say("skipped  %s", name)
	}
	for _, name := range c.tally.failures {
		c.say("FAILED   %s", name)
	}
	if ctx.Err() != nil {
		c.tally.fail("interrupted")
		c.say("interrupted")
	}
	c.say("%d passed, %d failed, %d skipped", c.tally.passed, c.tally.failed, c.tally.skipped)
	if c.tally.failed > 0 || c.tally.passed == 0 {
		return 1
	}
	return 0
}
