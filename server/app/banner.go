package app

import (
	"fmt"
	"io"
	"strings"
)

// Try is one command that works when it is pasted into a shell in the checkout, after those before it.
type Try struct {
	What    string
	Command string
}

// Tries are the commands that a start with the demo merchant prints: curl first, then kvit, then buf curl.
func (a *App) Tries() []Try {
	const (
		curl = `curl -sS -w '\n' -H "Authorization: Bearer $KVIT_API_KEY" \` + "\n    -H 'Content-Type: application/json' \\\n    "
		kvit = "go run ./clients/kvit "
		buf  = `tools/buf/buf.sh curl --protocol grpc --http2-prior-knowledge \` + "\n    " +
			`-H "Authorization: Bearer $KVIT_API_KEY" \` + "\n    "
	)
	const service = "$KVIT_SERVER/kvit.v1.PaymentService/"
	return []Try{
		{"once, in the shell that you try this in", fmt.Sprintf(
			"export KVIT_SERVER=http://%s KVIT_ADMIN=http://%s \\\n    KVIT_API_KEY=%s", a.PublicAddress(), a.AdminAddress(), a.bootstrap)},
		{"create a payment link", curl + `-d '{"idempotency_key":"try-1","kind":"LINK_KIND_DYNAMIC",` + "\n      " +
			`"order_id":"lesson-1","description":"A lesson",` + "\n      " +
			`"amount":{"currency_code":"AMD","minor_units":"500000"}}' \` + "\n    " + service + "CreatePaymentLink"},
		{"ask where its order stands", curl + `-d '{"order_id":"lesson-1"}' \` + "\n    " + service + "GetOrderStatus"},
		{"its history in plain words, with kvit, the command line client", kvit + "order explain lesson-1"},
		{"all links", kvit + "link list"},
		{"follow what happens, in a shell beside this one (Ctrl-C ends it)", kvit + "order watch --from-beginning"},
		{"the same with buf curl, over gRPC (needs Node)", buf + `-d '{"order_id":"lesson-1"}' \` + "\n    " + service + "GetOrderStatus"},
		{"pay: open the address in its last line in a browser; ask again when you have paid", kvit + "order get lesson-1"},
	}
}

// Banner tells a person where the server is and what to try. With merchants of your own, or without a
// known key, it tells the addresses alone.
func (a *App) Banner(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nKvit is running.\n\n  API    http://%s\n  admin  http://%s  (metrics, keys)\n", a.PublicAddress(), a.AdminAddress())
	if a.sandbox != nil {
		fmt.Fprintf(&b, "  PSP    http://%s  (sandbox: no money moves)\n", a.SandboxAddress())
	}
	switch {
	case a.bootstrap == "":
		b.WriteString("\nNo bootstrap key is set. `server keys platform` makes one for KVIT_BOOTSTRAP_API_KEY.\n")
	case !a.settings.Merchants.Demo:
		b.WriteString("\nMake a merchant's key with the bootstrap key: kvit key create --help\n")
	default:
		fmt.Fprintf(&b, "  key    %s  (demo merchant)\n\nTry:\n", a.bootstrap)
		for _, try := range a.Tries() {
			fmt.Fprintf(&b, "\n  # %s\n  %s\n", try.What, try.Command)
		}
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}
