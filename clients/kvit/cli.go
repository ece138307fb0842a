package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alecthomas/kong"

	"github.com/kvitpay/kvit/clients/go/kvit"
)

// Limits of calls.
const (
	tryTimeout  = 10 * time.Second
	changeTries = 5
	readTries   = 3
)

// helpWidthMax is how wide help reads well.
const helpWidthMax = 120

const about = `Payment links for chat commerce: make them, ask about orders, watch what happens.`

// commandLine is the whole grammar.
type commandLine struct {
	Server  string        `help:"Address of the server; default ${default}." env:"KVIT_SERVER" default:"http://127.0.0.1:8080" placeholder:"URL"`
	Admin   string        `help:"Address of its admin listener, for key commands; default ${default}." env:"KVIT_ADMIN" default:"http://127.0.0.1:8081" placeholder:"URL"`
	Key     string        `help:"API key." env:"KVIT_API_KEY" placeholder:"KEY"`
	JSON    bool          `help:"Print the API's JSON, for programs." name:"json"`
	Timeout time.Duration `help:"Give up after this long (default ${default}); watch: only for the first answer." default:"30s" placeholder:"DURATION"`

	Link struct {
		Create     linkCreate     `cmd:"" help:"Make a payment link."`
		List       linkList       `cmd:"" help:"List payment links, newest first."`
		Get        linkGet        `cmd:"" help:"Show one payment link, with its address."`
		Deactivate linkDeactivate `cmd:"" help:"Close a payment link for good."`
	} `cmd:"" help:"Payment links."`
	Order struct {
		Get     orderGet     `cmd:"" help:"Show where an order stands, and what to do next."`
		List    orderList    `cmd:"" help:"List orders, newest first."`
		Explain orderExplain `cmd:"" help:"Tell an order's history in plain words, with the evidence."`
		Watch   orderWatch   `cmd:"" help:"Print what happens to orders, as it happens."`
		Cancel  orderCancel  `cmd:"" help:"Stop offering an order; release what is held for it."`
		Capture orderCapture `cmd:"" help:"Take money that is held."`
		Refund  orderRefund  `cmd:"" help:"Give money back, all of it or a part."`
	} `cmd:"" help:"Orders."`
	Refund struct {
		List refundList `cmd:"" help:"List refunds, newest first."`
		Get  refundGet  `cmd:"" help:"Show where a refund stands."`
	} `cmd:"" help:"Refunds; kvit order refund makes one."`
	PSP struct {
		List pspList `cmd:"" help:"List your accounts at payment service providers, and what each can do."`
	} `cmd:"" name:"psp" help:"Payment service providers."`
	KeyCommands struct {
		Create keyCreate `cmd:"" help:"Make an API key and show its secret, once."`
		List   keyList   `cmd:"" help:"List API keys, newest first."`
		Revoke keyRevoke `cmd:"" help:"End an API key for good."`
	} `cmd:"" name:"key" help:"API keys, on the admin listener."`
	Version versionCommand `cmd:"" help:"Print the version of this program."`
}

// app is what every command works with.
type app struct {
	*world

	json    bool
	timeout time.Duration
	server  string
	admin   string
	key     string
}

// run does one command line and says with which code to exit.
func run(ctx context.Context, args []string, w *world) int {
	var line commandLine
	helped := false
	parser, err := kong.New(&line,
		kong.Name("kvit"),
		kong.Description(about),
		kong.Writers(w.stdout, w.stderr),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: helpWidthMax}),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		_, _ = fmt.Fprintln(w.stderr, "kvit:", err)
		return exitUsage
	}
	if len(args) == 0 { // Who types the name alone wants to know what there is.
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if helped {
		return exitDone
	}
	a := &app{world: w, json: line.JSON, timeout: line.Timeout, server: line.Server, admin: line.Admin, key: line.Key}
	if err == nil {
		err = parsed.Run(a)
	} else {
		err = usage(err)
	}
	return a.exit(ctx, err)
}

// client connects, with a key.
func (a *app) client() (*kvit.Client, error) {
	if a.key == "" {
		return nil, usage(errors.New("no API key: set KVIT_API_KEY, or give --key"))
	}
	client, err := kvit.New(a.server, a.key, kvit.WithAdminURL(a.admin))
	if err != nil {
		return nil, usage(err)
	}
	return client, nil
}

// read makes a call that changes nothing, again if need be.
func read[T any](ctx context.Context, a *app, call func(ctx context.Context, client *kvit.Client) (T, error)) (T, error) {
	return attempt(ctx, a, readTries, call)
}

// change makes a call that changes something, again with the same key if its outcome is unclear.
func change[T any](ctx context.Context, a *app, key string, call func(ctx context.Context, client *kvit.Client) (T, error)) (T, error) {
	unclear := false
	answer, err := attempt(ctx, a, changeTries, func(ctx context.Context, client *kvit.Client) (T, error) {
		answer, err := call(ctx, client)
		unclear = unclear || err != nil && !untouched(err)
		return answer, err
	})
	if err != nil && unclear && kvit.Retryable(err) {
		err = &unclearError{err: err, key: key}
	}
	return answer, err
}

func attempt[T any](ctx context.Context, a *app, tries int, call func(ctx context.Context, client *kvit.Client) (T, error)) (T, error) {
	client, err := a.client()
	if err != nil {
		var none T
		return none, err
	}
	defer client.Close()
	if a.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.timeout)
		defer cancel()
	}
	policy := kvit.RetryPolicy{Tries: tries, TryTimeout: tryTimeout, WaitFirst: a.waitFirst, OnWait: func(err error, wait time.Duration) {
		a.mention("%s Trying again in %s.", a.sentence(err), short(wait))
	}}
	return kvit.Retry(ctx, policy, func(ctx context.Context) (T, error) { return call(ctx, client) })
}

// mention tells a person at a terminal that something takes a while.
func (a *app) mention(format string, args ...any) {
	if a.watched {
		a.hint(format, args...)
	}
}

// hint adds a line beside the answer.
func (a *app) hint(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stderr, format+"\n", args...)
}
