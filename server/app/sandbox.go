package app

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/config"
	"github.com/kvitpay/kvit/server/psp/sandbox"
	"github.com/kvitpay/kvit/server/psp/sandbox/sandboxfake"
	"github.com/kvitpay/kvit/server/seal"
)

const (
	sandboxKind = sandbox.Kind
	// sandboxPayee is the merchant as it stands in the sandbox's messages.
	sandboxPayee = "kvit"
	sandboxState = "sandbox.jsonl"
	// The files of a sandbox that runs by itself.
	sandboxKeyFile    = "sandbox-api-key"
	sandboxSecretFile = "sandbox-signing-secret"
	// purposeSandbox derives the secrets of the built-in sandbox from the installation's keys.
	purposeSandbox = "sandbox"
	// settingURL is the setting without which an account is at the built-in sandbox.
	settingURL = "url"
)

// sandboxAccess is how an account reaches a sandbox.
type sandboxAccess struct {
	// origin is where the API is, page where browsers go.
	origin, page   string
	apiKey, secret string
}

// settings are those of an account.
func (s sandboxAccess) settings() map[string]string {
	return map[string]string{
		settingURL: s.origin, "page_url": s.page, "api_key": s.apiKey, "signing_secret": s.secret, "payee": sandboxPayee,
	}
}

// withSandbox fills in the settings of accounts at the built-in sandbox, and reports whether there are any.
func withSandbox(merchants []config.Merchant, access sandboxAccess) (filled []config.Merchant, found bool) {
	filled = slices.Clone(merchants)
	for i := range filled {
		filled[i].Accounts = slices.Clone(filled[i].Accounts)
		for j := range filled[i].Accounts {
			account := &filled[i].Accounts[j]
			if account.PSP != sandboxKind || !account.Settings[settingURL].IsZero() {
				continue
			}
			found = true
			account.Settings = maps.Clone(account.Settings)
			if account.Settings == nil {
				account.Settings = map[string]config.Secret{}
			}
			for name, value := range access.settings() {
				account.Settings[name] = config.NewSecret(value)
			}
		}
	}
	return filled, found
}

// openSandbox makes the built-in sandbox PSP where an account needs it, on a listener of its own, and
// returns the merchants with the settings of those accounts filled in. Its secrets follow from the
// installation's keys, so that a stored callback replays after a restart.
func (a *App) openSandbox(ctx context.Context, keys *seal.Keyring) ([]config.Merchant, error) {
	if _, needed := withSandbox(a.settings.Merchants.List, sandboxAccess{}); !needed {
		return a.settings.Merchants.List, nil
	}
	listener, err := listenAt(ctx, a.settings.Door.Sandbox, "KVIT_SANDBOX_LISTEN")
	if err != nil {
		return nil, err
	}
	a.sandbox = listener
	a.closers = append(a.closers, func() error { return ignoreClosed(listener.Close()) })
	access := sandboxAccess{
		origin: originOf(listener), page: reachable(a.settings.Door.SandboxURL, listener),
		apiKey: derived(keys, "api key"), secret: derived(keys, "signing secret"),
	}
	fake, err := newSandboxPSP(a.settings.Store.DataDir, access, a.log)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, fake.Close)
	a.services = append(a.services, service{"sandbox", fake.Run})
	a.doors = append(a.doors, &door{name: "sandbox", listener: listener, server: api.NewHTTPServer(fake, a.log)})
	filled, _ := withSandbox(a.settings.Merchants.List, access)
	return filled, nil
}

func derived(keys *seal.Keyring, what string) string {
	mac := keys.MAC(purposeSandbox, []byte(what))
	return base64.RawURLEncoding.EncodeToString(mac[:])
}

// newSandboxPSP makes a sandbox whose state is a file of the data directory.
func newSandboxPSP(dataDir string, access sandboxAccess, log *slog.Logger) (*sandboxfake.PSP, error) {
	if err := os.MkdirAll(dataDir, dirMode); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	fake, err := sandboxfake.New(sandboxfake.Options{
		StateFile: filepath.Join(dataDir, sandboxState), PublicURL: access.page, APIKey: access.apiKey,
		SigningSecret: access.secret, Merchant: sandboxPayee, Now: time.Now, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("open the sandbox PSP: %w", err)
	}
	return fake, nil
}

// NewSandbox makes the sandbox PSP alone (-role=sandbox). Its secrets are files of the data directory,
// made at first start; the banner says what an account's settings are.
func NewSandbox(ctx context.Context, settings *config.Settings, logs io.Writer) (*Single, error) {
	s, err := newSingle(ctx, settings, settings.Door.Sandbox, logs)
	if err != nil {
		return nil, err
	}
	access := sandboxAccess{origin: originOf(s.listener), page: reachable(settings.Door.SandboxURL, s.listener)}
	if access.apiKey, err = ownSecret(settings.Store.DataDir, sandboxKeyFile); err != nil {
		return nil, s.failed(err)
	}
	if access.secret, err = ownSecret(settings.Store.DataDir, sandboxSecretFile); err != nil {
		return nil, s.failed(err)
	}
	fake, err := newSandboxPSP(settings.Store.DataDir, access, s.log)
	if err != nil {
		return nil, s.failed(err)
	}
	shown := access.settings()
	shown["api_key"] = "file:" + filepath.Join(settings.Store.DataDir, sandboxKeyFile)
	shown["signing_secret"] = "file:" + filepath.Join(settings.Store.DataDir, sandboxSecretFile)
	s.handler, s.services, s.closers = withHealth(fake), []service{{"sandbox", fake.Run}}, []func() error{fake.Close}
	s.banner = "The sandbox PSP, where no money moves. In a merchants' file (KVIT_CONFIG):\n\n" + accountYAML(sandboxKind, shown) + "\nIt runs"
	return s, nil
}

// NewSimulatedPSP makes a simulated PSP alone (-role=simulate-psp): the fake that its plug is tested
// with, in memory, with credentials that everybody knows.
func NewSimulatedPSP(ctx context.Context, settings *config.Settings, word string, logs io.Writer) (*Single, error) {
	fake := plugs[word].Fake
	if fake == nil {
		return nil, config.FaultsError{{Name: "-psp", Problem: fmt.Sprintf("%q cannot be simulated; expected one of %s", word, pspWords(true))}}
	}
	s, err := newSingle(ctx, settings, settings.Door.Sandbox, logs)
	if err != nil {
		return nil, err
	}
	handler, values := fake(reachable(settings.Door.SandboxURL, s.listener))
	s.handler = withHealth(handler)
	exports := byReference(word, values)
	s.banner = "A simulated " + word + ", where no money moves. In a merchants' file (KVIT_CONFIG):\n\n" +
		accountYAML(word, values) + "\nand for the server:\n\n" + exports + "\nIt runs"
	return s, nil
}

// byReference puts references in the place of secrets, and returns the commands that set what they name.
func byReference(word string, settings map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if config.SecretName(name) {
			variable := strings.ToUpper(word + "_" + name)
			fmt.Fprintf(&b, "    export %s=%s\n", variable, settings[name])
			settings[name] = "env:" + variable
		}
	}
	return b.String()
}

// accountYAML is an account as it stands in a merchants' file.
func accountYAML(word string, settings map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "    psp_accounts:\n      - id: %s\n        psp: %s\n        mode: test\n        settings:\n", word, word)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "          %s: %s\n", name, settings[name])
	}
	return b.String()
}

func listenAt(ctx context.Context, address config.Listen, setting string) (net.Listener, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", address.String())
	if err != nil {
		return nil, fmt.Errorf("listen on %s (%s): %w", address, setting, err)
	}
	return listener, nil
}

// originOf is how this machine reaches a listener.
func originOf(listener net.Listener) string {
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// reachable is how a listener is reached: as the settings say, unless they leave the port to the system.
func reachable(u url.URL, listener net.Listener) string {
	if u.Port() == "0" {
		return originOf(listener)
	}
	return u.String()
}
