package app_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/app"
)

// runToEnd runs a server that is told to stop at once, so that it closes what it opened.
func runToEnd(t *testing.T, house *app.App) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := house.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// The main job, in one process with nothing set: a link is made, its page is opened, the payer pays in
// the sandbox, and a stream that was opened before tells that the order is paid.
func TestPay_DemoMerchantIsPaidInTheSandbox(t *testing.T) {
	t.Parallel()
	house := boot(t)
	client := connectTo(t, "http://"+house.PublicAddress(), house.BootstrapKey())
	paid := events(t.Context(), client, "lesson-1", "order.paid")
	link := create(t, client, "lesson-1")
	payer := newBrowser(t)
	payer.choose(payer.start(link), "pay")
	await(t, paid)

	status, err := client.Payments.GetOrderStatus(t.Context(), &kvitv1.GetOrderStatusRequest{OrderId: "lesson-1"})
	if err != nil || status.GetOrder().GetState() != kvitv1.OrderState_ORDER_STATE_PAID || status.GetOrder().GetPaidAmount().GetMinorUnits() != 500_000 {
		t.Errorf("got %v, %v", status, err)
	}
	if page, _ := payer.fetch(http.MethodGet, link, nil); !strings.Contains(page, `data-state="PAID"`) {
		t.Errorf("the page does not say that it is paid:\n%s", page)
	}
}

// village is a sandbox, a server and an adapter, each a process of its own. PSPs and payers reach the
// installation at the adapter, as behind a proxy.
type village struct {
	sandbox, server, adapter *process
	client                   *kvit.Client
}

func newVillage(t *testing.T) *village {
	t.Helper()
	v := &village{sandbox: newSandbox(t)}
	v.sandbox.start()

	platform := platformKey(t)
	merchants := filepath.Join(t.TempDir(), "merchants.yaml")
	writeMerchants(t, merchants, v.sandbox)
	v.adapter = newProcess(t)
	v.server = newProcess(t, "KVIT_DATA_DIR="+t.TempDir(), "KVIT_BOOTSTRAP_API_KEY="+platform,
		"KVIT_CONFIG="+merchants, "KVIT_PUBLIC_URL="+v.adapter.url())
	v.server.start()

	boss := connectTo(t, v.server.url(), platform, kvit.WithAdminURL("http://"+v.server.admin))
	edge := newKey(t, boss, &kvitv1.CreateApiKeyRequest{
		IdempotencyKey: "edge", Name: "adapter", Kind: kvitv1.ApiKeyKind_API_KEY_KIND_EDGE, Scopes: []string{"callbacks:deliver"},
	})
	v.client = shopClient(t, boss, v.server)
	v.adapter.env = append(v.adapter.env, "KVIT_EDGE_API_KEY="+edge)
	v.adapter.args = []string{"-role=adapter", "-upstream=" + v.server.url()}
	v.adapter.start()
	return v
}

// shopClient calls with a key of the merchant shop.
func shopClient(t *testing.T, boss *kvit.Client, server *process) *kvit.Client {
	t.Helper()
	return connectTo(t, server.url(), newKey(t, boss, &kvitv1.CreateApiKeyRequest{
		IdempotencyKey: "shop", Name: "shop", Kind: kvitv1.ApiKeyKind_API_KEY_KIND_MERCHANT, MerchantId: "shop",
		Mode: kvitv1.Mode_MODE_TEST, Scopes: []string{"links:write", "orders:read", "events:read"},
	}))
}

// newSandbox makes a sandbox PSP that runs by itself.
func newSandbox(t *testing.T) *process {
	t.Helper()
	p := newProcess(t)
	p.args = []string{"-role=sandbox", "-listen=" + p.public}
	p.env = append(p.env, "KVIT_DATA_DIR="+filepath.Dir(p.log))
	p.probe = p.url() + "/healthz"
	return p
}

// writeMerchants writes a merchants' file with one account, with the settings that a PSP's banner shows.
func writeMerchants(t *testing.T, path string, psp *process) {
	t.Helper()
	banner, err := os.ReadFile(psp.log)
	if err != nil {
		t.Fatal(err)
	}
	_, account, _ := strings.Cut(string(banner), "    psp_accounts:\n")
	account, _, _ = strings.Cut(account, "\n\n")
	text := "merchants:\n  - id: shop\n    name: Shop\n    mode: test\n    locale: en\n    psp_accounts:\n" + account + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T, boss *kvit.Client, in *kvitv1.CreateApiKeyRequest) string {
	t.Helper()
	made, err := boss.Access.CreateApiKey(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return made.GetSecret()
}

// says waits until a process has logged so many lines with the text.
func (p *process) says(text string, lines int) {
	p.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		log, _ := os.ReadFile(p.log)
		if strings.Count(string(log), text) >= lines {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s was not logged %d times:\n%s", text, lines, log)
		}
	}
}

// An adapter that runs by itself, with an edge key and nothing else, delivers what the PSP sends; while
// its server is killed it claims nothing, and the PSP's repeat arrives when the server is back (C1).
func TestAdapter_C1_DeliversByItselfAndThroughAKilledServer(t *testing.T) {
	t.Parallel()
	v := newVillage(t)
	payer := newBrowser(t)
	atServer := func(link string) string { return v.server.url() + strings.TrimPrefix(link, v.adapter.url()) }

	paid := events(t.Context(), v.client, "one", "order.paid")
	payer.choose(payer.start(atServer(create(t, v.client, "one"))), "no_return")
	await(t, paid)
	v.adapter.says("outcome=delivered", 1)

	page := payer.start(atServer(create(t, v.client, "two")))
	v.server.kill()
	payer.choose(page, "no_return")
	v.adapter.says("outcome=not_delivered", 1)
	v.server.start()
	await(t, events(t.Context(), v.client, "two", "order.paid"))
	v.adapter.says("outcome=delivered", 2)

	log, err := os.ReadFile(v.adapter.log)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(log); strings.Contains(text, "/callbacks/psp/sandbox/") || strings.Contains(text, "kvit_edge_") {
		t.Errorf("an address or the key is in the adapter's log:\n%s", text)
	}
}

// A simulated LiqPay prints the account that a server pays at: declined there, and then paid (O4, O5).
func TestSimulatePSP_LiqPayIsDeclinedThenPaid(t *testing.T) {
	t.Parallel()
	if !app.Knows("liqpay") {
		t.Skip("liqpay was taken out of the table (law 5)")
	}
	liqpay := newProcess(t)
	liqpay.args = []string{"-role=simulate-psp", "-psp=liqpay", "-listen=" + liqpay.public}
	liqpay.probe = liqpay.url() + "/healthz"
	liqpay.start()
	merchants := filepath.Join(t.TempDir(), "merchants.yaml")
	writeMerchants(t, merchants, liqpay)
	platform := platformKey(t)
	server := newProcess(t, "KVIT_DATA_DIR="+t.TempDir(), "KVIT_BOOTSTRAP_API_KEY="+platform,
		"KVIT_CONFIG="+merchants, "LIQPAY_PRIVATE_KEY=sandbox_private_key")
	server.start()
	boss := connectTo(t, server.url(), platform, kvit.WithAdminURL("http://"+server.admin))
	client := shopClient(t, boss, server)

	link := createIn(t, client, "one", "UAH", 12_550)
	payer := newBrowser(t)
	page, _ := payer.fetch(http.MethodPost, link+"/start", payer.form(link))
	_, checkout := payer.fetch(http.MethodPost, liqpay.url()+"/api/3/checkout", fieldsOf(page, "data", "signature"))
	failed := events(t.Context(), client, "one", "order.payment_failed")
	payer.fetch(http.MethodPost, liqpay.url()+checkout, url.Values{"do": {"decline"}})
	await(t, failed)
	paid := events(t.Context(), client, "one", "order.paid")
	payer.fetch(http.MethodPost, liqpay.url()+checkout, url.Values{"do": {"pay"}})
	await(t, paid)
}
