// Command server is Kvit: payment links, orders and their provable history, on one port.
//
// Without arguments it runs with nothing set: an embedded database, locks in memory, a demo merchant,
// and the commands to try, printed. See docs/settings.md for what can be set.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
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
	Run      runCommand      `cmd:"" default:"1" help:"Run the server (the default)."`
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
	parsed := kong.Parse(&cli, kong.Name("server"), kong.Description(
		"Kvit turns what payment providers say into one provable history per order.\n\n"+
			"Examples:\n"+
			"  server                                     run with nothing set\n"+
			"  KVIT_DATABASE_URL=postgres://... server    run on PostgreSQL\n"+
			"  server check                               say what is wrong with the settings\n"+
			"  server keys installation --name 2026-11    a key for KVIT_KEYS"),
		kong.Exit(func(code int) { os.Exit(min(code, exitSettings)) })) // kong says 80 of a wrong command line.
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

type runCommand struct{}

// Run serves until SIGINT or SIGTERM.
func (runCommand) Run(out io.Writer) error {
	settings, err := config.Load(config.FromProcess(runtime.GOMAXPROCS(0)))
	if err != nil {
		return err
	}
	debug.SetGCPercent(settings.Process.GCPercent)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server, err := app.New(ctx, settings, os.Stderr)
	if err != nil {
		return err
	}
	if err := server.Banner(out); err != nil {
		return err
	}
	return server.Run(ctx)
}

type checkCommand struct{}

// Run reads the settings and says that they are fine, or everything that is wrong.
func (checkCommand) Run(out io.Writer) error {
	settings, err := config.Load(config.FromProcess(runtime.GOMAXPROCS(0)))
	if err != nil {
		return err
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
