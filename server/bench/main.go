// Command bench measures Kvit through its whole stack and prints one table: make bench.
//
// Its one idea: on a machine whose speed moves, a figure says little and a ratio much. Everything is
// measured in rounds beside a yardstick (pgbench, a bare SQLite loop, an empty handler, a channel per
// subscriber), and what is printed is the median of the ratios within each round, with the least and
// the greatest. docs/benchmarks.md says what each row means.
//
// The server is the real one, built and started here as a process of its own, on the PostgreSQL and
// Redis that KVIT_TEST_POSTGRES_URL and KVIT_TEST_REDIS_URL name. It loads the server from a child
// process that speaks just enough HTTP to send requests that were encoded before, so that most of the
// processors' time is left to what is measured.
//
// Concurrency: one thing is measured at a time.
//
// Failure: an answer that is not what it should be ends the run with an error. A target that is missed
// does not. Processes are ended by their id, and what was made is removed.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

// options are the command's flags.
type options struct {
	pairs    int
	seconds  int
	only     *regexp.Regexp
	profile  string
	json     bool
	postgres string
	redis    string
}

func main() {
	// The kernel ends our children with the thread that started them, so it must live as long as we do.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // Everything was let go before.
	}
}

func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) error {
	if len(args) == 2 && args[0] == childWord {
		return runChild(ctx, args[1], in, out)
	}
	opts, err := parse(args, errs)
	if err != nil {
		return err
	}
	p := &plan{pairs: opts.pairs, only: opts.only, log: errs, began: time.Now()}
	p.say("build the server")
	w, err := newWorkshop(ctx)
	if err != nil {
		return err
	}
	return errors.Join(bench(ctx, p, w, opts, out), w.close())
}

func parse(args []string, errs io.Writer) (options, error) {
	var o options
	var only string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.IntVar(&o.pairs, "pairs", 5, "rounds, each with every row and its yardstick")
	flags.IntVar(&o.seconds, "seconds", 1, "seconds per measurement")
	flags.StringVar(&only, "only", "", "measure only rows whose name matches this regular expression, and their yardsticks")
	flags.StringVar(&o.profile, "profile", "", "after the table, write CPU profiles of the server into this directory")
	flags.BoolVar(&o.json, "json", false, "print the table as JSON")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.pairs < 1 || o.seconds < 1 || flags.NArg() > 0 {
		return o, errors.New("--pairs and --seconds are at least 1, and there are no arguments")
	}
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		return o, fmt.Errorf("--only: %w", err)
	}
	o.postgres, o.redis = os.Getenv("KVIT_TEST_POSTGRES_URL"), os.Getenv("KVIT_TEST_REDIS_URL")
	if o.postgres == "" || o.redis == "" {
		return o, errors.New("KVIT_TEST_POSTGRES_URL and KVIT_TEST_REDIS_URL must name servers; make bench starts them")
	}
	return o, nil
}

func bench(ctx context.Context, p *plan, w *workshop, opts options, out io.Writer) (err error) {
	pg, err := openPostgres(ctx, opts.postgres, w.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.close(ctx)) }()
	w.postgres, w.redis = pg.url.String(), opts.redis
	groups := allGroups(w, pg, opts.seconds)
	found, notes, err := p.run(ctx, groups)
	if err != nil {
		return err
	}
	r := report{
		Date: p.began.UTC().Format("2006-01-02 15:04 UTC"), Machine: machine(), Pairs: opts.pairs, Seconds: opts.seconds,
		Rows: rowsOf(groups, found), Notes: notes,
	}
	if err := r.print(out, opts.json); err != nil {
		return err
	}
	if opts.profile == "" {
		return nil
	}
	return profiles(ctx, p, w, pg, groups, opts.profile)
}

// allGroups are what there is to measure, in the order of the table.
func allGroups(w *workshop, pg *postgres, seconds int) []*group {
	return []*group{createGroup(w, pg, seconds), sqliteGroup(w, seconds), payingGroup(w, pg, seconds), streamGroup(w, pg, seconds), memoryGroup(w, pg)}
}

// machine says what this runs on.
func machine() string {
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range bytes.Lines(text) {
			if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.HasPrefix(name, []byte("model name")) {
				model = string(bytes.TrimSpace(value))
				break
			}
		}
	}
	return fmt.Sprintf("%d x %s, %s", runtime.NumCPU(), model, runtime.Version())
}
