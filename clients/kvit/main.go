// Command kvit makes payment links, asks about orders and watches what happens to them, from a terminal or a script.
//
// Its one idea: it is a stranger to the server, with the same generated client and companion that every caller has, so that
// whatever it can do, a program can do too.
//
// People get tables that fit their terminal; --json gives programs the API's own JSON. Nothing but the answer goes to standard
// output; errors, hints and waiting go to standard error. A command that changes something has an idempotency key, made here
// unless given, and is repeated with it when its outcome is unclear (I1, I2).
//
// The exit code is 0 when the command did what it says, 1 when the server refused, 2 when the command line is wrong, 3 when
// the server could not be reached or asks to try again, and 130 when it was interrupted.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
)

// Exit codes.
const (
	exitDone        = 0
	exitRefused     = 1
	exitUsage       = 2
	exitUnavailable = 3
	exitInterrupted = 130
)

// world is what the program finds around it.
type world struct {
	stdout, stderr io.Writer
	// width is how many columns the terminal has on standard output, 0 when it is none.
	width int
	// watched means that a person reads standard error, and may be told that something takes a while.
	watched bool
	now     func() time.Time
	zone    *time.Location
	// waitFirst is the pause after a first failure; later ones are longer.
	waitFirst time.Duration
}

// waitFirst is long enough for a server that restarts and short enough for a person.
const waitFirst = 200 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], &world{
		stdout:    os.Stdout,
		stderr:    os.Stderr,
		width:     columns(os.Stdout),
		watched:   isatty.IsTerminal(os.Stderr.Fd()),
		now:       time.Now,
		zone:      time.Local,
		waitFirst: waitFirst,
	})
	stop()
	os.Exit(code)
}
