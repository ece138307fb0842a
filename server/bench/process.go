package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// stopMax is how long a process may take to end when it is asked to.
	stopMax = 15 * time.Second
	// childWord is the first argument of a child of ours.
	childWord = "child"
)

// process is a program that the bench started. It is ended by its id.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	ended chan error
}

// start runs a program with no environment but env. What it says as errors goes to errs.
func start(ctx context.Context, env []string, errs io.Writer, name string, args ...string) (*process, error) {
	//nolint:noctx // stop ends it, in its own way; it is called whatever happens.
	cmd := exec.Command(name, args...)
	cmd.Env = env
	cmd.Stderr = errs
	cmd.SysProcAttr = childAttributes()
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, ctx.Err()); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, in: in, out: bufio.NewReaderSize(out, 1<<16), ended: make(chan error, 1)}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

func (p *process) id() int { return p.cmd.Process.Pid }

// stop asks the process to end, by closing its input and by SIGTERM, and waits.
func (p *process) stop() error {
	_ = p.in.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	return p.wait()
}

// wait waits for the end of a process that ends by itself, not for ever.
func (p *process) wait() error {
	go func() {
		_, _ = io.Copy(io.Discard, p.out)
		p.ended <- p.cmd.Wait()
	}()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(stopMax):
		_ = p.cmd.Process.Kill()
		return errors.Join(<-p.ended, fmt.Errorf("process %d did not end within %s", p.id(), stopMax))
	}
}

// child is this program again, as load or yardstick: with a processor share of its own that can be
// told, and without disturbing what is measured by its garbage.
type child struct {
	*process

	stopOnEnd func() bool
}

// startChild starts a child with its task.
func startChild(ctx context.Context, kind string, spec any) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, []string{"GOGC=400"}, os.Stderr, self, childWord, kind)
	if err != nil {
		return nil, err
	}
	c := &child{process: p, stopOnEnd: context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })}
	if err := json.NewEncoder(p.in).Encode(spec); err != nil {
		return nil, errors.Join(fmt.Errorf("task %s: %w", kind, err), c.end())
	}
	return c, nil
}

// hear reads one line of the child's.
func (c *child) hear(into any) error {
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the child ended: %w", err)
	}
	return json.Unmarshal(line, into)
}

// end ends the child. Its input ends, and that is its sign.
func (c *child) end() error {
	c.stopOnEnd()
	_ = c.in.Close()
	return c.wait()
}

// ask runs a child to its end and returns what it says.
func ask[Result any](ctx context.Context, kind string, spec any) (Result, error) {
	var result Result
	c, err := startChild(ctx, kind, spec)
	if err != nil {
		return result, err
	}
	err = c.hear(&result)
	return result, errors.Join(err, c.end())
}

// runChild does a child's task: it reads it from in and writes what it has to say to out, a line each.
func runChild(ctx context.Context, kind string, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	task, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the task: %w", err)
	}
	say := json.NewEncoder(out).Encode
	// The end of the input is the end of the child.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		stop()
	}()
	switch kind {
	case "load":
		return answer(task, say, func(spec loadSpec) (loadResult, error) { return load(ctx, spec) })
	case "fire":
		return answer(task, say, func(spec fireSpec) (fireResult, error) { return fire(ctx, spec) })
	case "watch":
		return answer(task, say, func(spec watchSpec) (watchResult, error) {
			return watch(ctx, spec, func() error {
				if spec.Rate > 0 {
					return nil
				}
				err := say("open")
				<-ctx.Done()
				return err
			})
		})
	case "sqlite":
		return answer(task, say, func(spec sqliteSpec) (loadResult, error) { return bareSQLite(ctx, spec) })
	case "floor":
		var spec floorSpec
		if err := json.Unmarshal(task, &spec); err != nil { //nolint:musttag // Between us alone.
			return err
		}
		return serveFloor(ctx, spec, func(address string) error { return say(address) })
	}
	return fmt.Errorf("no child is called %q", kind)
}

func answer[Spec, Result any](task []byte, say func(any) error, do func(Spec) (Result, error)) error {
	var spec Spec
	if err := json.Unmarshal(task, &spec); err != nil {
		return err
	}
	result, err := do(spec)
	if err != nil {
		return err
	}
	return say(result)
}
