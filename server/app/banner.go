package app

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Try is one command that works when it is pasted into a shell in the checkout, after those before it.
type Try struct {
	What    string
	Command string
}

const runKvit = "go run ./clients/kvit "

// Tries are the commands that a start prints. With the demo merchant: curl first, then kvit, then buf curl. With merchants of
// your own: how the first one gets a key. None without a known key.
func (a *App) Tries() []Try {
	if a.bootstrap == "" {
		return nil
	}
	once := "once in each shell that you try this in"
	if a.keyGiven() {
		once += "; the variable holds the key itself, not a reference to it"
	}
	tries := []Try{{once, fmt.Sprintf("export KVIT_SERVER=http://%s KVIT_ADMIN=http://%s \\\n    KVIT_API_KEY=%s",
		a.PublicAddress(), a.AdminAddress(), a.keyInShell())}}
	if a.settings.Merchants.Demo {
		return append(tries, demoTries()...)
	}
	return append(tries, Try{
		"make a key of a merchant, here the first of KVIT_CONFIG (--mode live: for real money)",
		runKvit + "key create --merchant-id " + a.settings.Merchants.List[0].ID +
			` --name "shop" --mode test \` + "\n    --scope links:write,orders:read,events:read",
	})
}

func demoTries() []Try {
	const (
		curl = `curl -sS -w '\n' -H "Authorization: Bearer $KVIT_API_KEY" \` + "\n    -H 'Content-Type: application/json' \\\n    "
		buf  = `tools/buf/buf.sh curl --protocol grpc --http2-prior-knowledge \` + "\n    " +
			`-H "Authorization: Bearer $KVIT_API_KEY" \` + "\n    "
		service = "$KVIT_SERVER/kvit.v1.PaymentService/"
	)
	return []Try{
		{"create a payment link", curl + `-d '{"idempotency_key":"try-1","kind":"LINK_KIND_DYNAMIC",` + "\n      " +
			`"order_id":"lesson-1","description":"A lesson",` + "\n      " +
			`"amount":{"currency_code":"AMD","minor_units":"500000"}}' \` + "\n    " + service + "CreatePaymentLink"},
		{"ask where its order stands", curl + `-d '{"order_id":"lesson-1"}' \` + "\n    " + service + "GetOrderStatus"},
		{"its history in plain words, with kvit, the command line client", runKvit + "order explain lesson-1"},
		{"all links", runKvit + "link list"},
		{
			"follow what happens, in a shell beside this one, after the same export there (Ctrl-C ends it)",
			runKvit + "order watch --from-beginning",
		},
		{"the same with buf curl, over gRPC (needs Node)", buf + `-d '{"order_id":"lesson-1"}' \` + "\n    " + service + "GetOrderStatus"},
		{"pay: open the address in its last line in a browser; ask again when you have paid", runKvit + "order get lesson-1"},
	}
}

// keyGiven is true where the bootstrap key came by setting, so that it is not ours to show.
func (a *App) keyGiven() bool { return !a.settings.Keys.Bootstrap.IsZero() }

// keyFile is where a bootstrap key is that was made here.
func (a *App) keyFile() string { return filepath.Join(a.settings.Store.DataDir, bootstrapFile) }

// keyInShell is what stands for the bootstrap key in a command. In clear is only the one of the demo merchant that was made here.
func (a *App) keyInShell() string {
	switch {
	case a.keyGiven():
		return `"$KVIT_BOOTSTRAP_API_KEY"`
	case a.settings.Merchants.Demo:
		return a.bootstrap
	default:
		return `"$(cat '` + strings.ReplaceAll(a.keyFile(), "'", `'\''`) + `')"`
	}
}

// keyWords say which key there is.
func (a *App) keyWords() string {
	words := "in " + a.keyFile()
	switch {
	case a.keyGiven():
		words = "the one of KVIT_BOOTSTRAP_API_KEY"
	case a.settings.Merchants.Demo:
		words = a.bootstrap
	}
	if a.settings.Merchants.Demo {
		return words + "  (demo merchant)"
	}
	return words + "  (platform: makes merchants' keys)"
}

// Banner tells a person where the server is and what to try.
func (a *App) Banner(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nKvit is running.\n\n  API    http://%s\n  admin  http://%s  (metrics, keys)\n", a.PublicAddress(), a.AdminAddress())
	if a.sandbox != nil {
		fmt.Fprintf(&b, "  PSP    http://%s  (sandbox: no money moves)\n", a.SandboxAddress())
	}
	if a.bootstrap == "" {
		b.WriteString("\nNo bootstrap key is set. `server keys platform` makes one for KVIT_BOOTSTRAP_API_KEY.\n")
	} else {
		fmt.Fprintf(&b, "  key    %s\n\nTry:\n", a.keyWords())
	}
	for _, try := range a.Tries() {
		fmt.Fprintf(&b, "\n  # %s\n  %s\n", try.What, try.Command)
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}
