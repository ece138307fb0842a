// Command server is Kvit: payment links, orders and their provable history, on one port.
//
// Without arguments it runs with nothing set: an embedded database, locks in memory, a demo merchant,
// and the commands to try, printed. See docs/settings.md for what can be set. With -role it is less than
// a whole server: an adapter that delivers callbacks, or a PSP that is not real.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/kvitpay/kvit/server/app"
	"github.com/kvitpay/kvit/server/config"
	"github.com/kvitpay/kvit/server/seal"
)

// Exit codes.
const (
	exitFailed   = 1
	exitSettings = 2 // So too when the command line is wrong.
)

type commands struct {
	Run      runCommand      `cmd:"" default:"withargs" help:"Run the server (the default)."`
	Keys     keysCommand     `cmd:"" help:"Make keys."`
	Settings settingsCommand `cmd:"" help:"Print every setting with its default and meaning, as Markdown."`
	Check    checkCommand    `cmd:"" help:"Check the settings and say everything that is wrong with them."`
}

type keysCommand struct {
	Installation installationCommand `cmd:"" help:"Print a new installation key, for a file that KVIT_KEYS names. Put a newer one first to rotate."`
	Platform     platformCommand     `cmd:"" help:"Print a new platform key, for KVIT_BOOTSTRAP_API_KEY."`
}

func main() {
	var cli commands
	parser := kong.Must(&cli, kong.Name("server"), kong.Description(
		"Kvit turns what payment providers say into one provable history per order.\n\n"+
			"Examples:\n"+
			"  server                                     run with nothing set\n"+
			"  KVIT_DATABASE_URL=postgres://... server    run on PostgreSQL\n"+
			"  server -role=adapter -upstream=https://... deliver callbacks to a server, with KVIT_EDGE_API_KEY\n"+
			"  server -role=sandbox                       the sandbox PSP alone\n"+
			"  server check                               say what is wrong with the settings\n"+
			"  server keys installation --name 2026-11    a key for KVIT_KEYS"),
		kong.Exit(func(code int) { os.Exit(min(code, exitSettings)) })) // kong says 80 of a wrong command line.
	parsed, err := parser.Parse(longFlags(os.Args[1:]))
	parser.FatalIfErrorf(err)
	parsed.BindTo(io.Writer(os.Stdout), (*io.Writer)(nil))
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitCode(err))
	}
}

func exitCode(err error) int {
	if _, ok := errors.AsType[config.FaultsError](err); ok { // kong joins what Run returns.
		return exitSettings
	}
	return exitFailed
}

// longFlags lets a long flag begin with one dash: -role=adapter.
func longFlags(args []string) []string {
	long := regexp.MustCompile(`^-[a-z][a-z-]+(=|$)`)
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		if long.MatchString(arg) {
			out[i] = "-" + arg
		}
	}
	return out
}

// role says what the process is. A flag that is a setting too takes its place.
type role struct {
	Role     string `enum:"all,adapter,sandbox,simulate-psp" default:"all" help:"What the process is: a whole server (all), an adapter that delivers callbacks to one, or a PSP that is not real (${enum})."`
	Listen   string `placeholder:"HOST:PORT" help:"Where to listen: KVIT_LISTEN, or KVIT_SANDBOX_LISTEN for a PSP that is not real."`
	Upstream string `placeholder:"URL" help:"The server that an adapter delivers to: KVIT_UPSTREAM."`
}

// load reads the settings that the role has.
func (r role) load() (*config.Settings, error) {
	src := config.FromProcess(runtime.GOMAXPROCS(0))
	src.Role = config.Role(r.Role)
	listen := "KVIT_LISTEN"
	if src.Role == config.RoleSandbox || src.Role == config.RoleSimulatePSP {
		listen = "KVIT_SANDBOX_LISTEN"
	}
	for _, flag := range [][2]string{{listen, r.Listen}, {"KVIT_UPSTREAM", r.Upstream}} {
		if flag[1] != "" {
			src.Environ = append(src.Environ, flag[0]+"="+flag[1])
		}
	}
	return config.Load(src)
}

type runCommand struct {
	role `embed:""`

	PSP string `name:"psp" placeholder:"WORD" help:"Which PSP to simulate, with -role=simulate-psp: liqpay."`
}

// runner is a process that serves until its context ends.
type runner interface {
	Banner(w io.Writer) error
	Run(ctx context.Context) error
}

// Run serves until SIGINT or SIGTERM.
func (c runCommand) Run(out io.Writer) error {
	settings, err := c.load()
	if err != nil {
		return err
	}
	debug.SetGCPercent(settings.Process.GCPercent)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server, err := c.open(ctx, settings)
	if err != nil {
		return err
	}
	if err := server.Banner(out); err != nil {
		return err
	}
	return server.Run(ctx)
}

func (c runCommand) open(ctx context.Context, settings *config.Settings) (runner, error) {
	switch config.Role(c.Role) {
	case config.RoleAdapter:
		return app.NewAdapter(ctx, settings, os.Stderr)
	case config.RoleSandbox:
		return app.NewSandbox(ctx, settings, os.Stderr)
	case config.RoleSimulatePSP:
		return app.NewSimulatedPSP(ctx, settings, c.PSP, os.Stderr)
	case config.RoleAll:
	}
	return app.New(ctx, settings, os.Stderr)
}

type checkCommand struct {
	role `embed:""`
}

// Run reads the settings and says that they are fine, or everything that is wrong.
func (c checkCommand) Run(out io.Writer) error {
	settings, err := c.load()
	if err != nil {
		return err
	}
	if c.Role == string(config.RoleAll) {
		if err := app.CheckAccounts(settings); err != nil {
			return err
		}
	}
	for _, warning := range settings.Warnings {
		if _, err := fmt.Fprintln(out, "warning:", warning); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(out, "The settings are fine.")
	return err
}

type settingsCommand struct{}

// Run prints the reference page.
func (settingsCommand) Run(out io.Writer) error {
	_, err := io.WriteString(out, config.Reference())
	return err
}

type installationCommand struct {
	Name string `default:"first" help:"Name of the key: 1 to 16 of a-z, 0-9 and -."`
}

// Run prints one line of KVIT_KEYS.
func (c installationCommand) Run(out io.Writer) error {
	text, err := seal.Generate(c.Name, rand.Reader)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

type platformCommand struct{}

// Run prints a platform key.
func (platformCommand) Run(out io.Writer) error {
	secret, _, err := seal.NewAPIKey(seal.APIKeyPlatform, rand.Reader)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, secret)
	return err
}
