package app_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/app"
	"github.com/kvitpay/kvit/server/config"
)

// boot starts an App in this process with these settings beside free ports and a data directory of its own.
func boot(t *testing.T, env ...string) *app.App {
	t.Helper()
	settings, err := config.Load(config.Source{
		Environ: append([]string{
			"KVIT_LISTEN=" + freeAddress(t), "KVIT_ADMIN_LISTEN=" + freeAddress(t), "KVIT_DATA_DIR=" + t.TempDir(),
			"KVIT_SANDBOX_LISTEN=127.0.0.1:0",
		}, env...),
		ReadFile: os.ReadFile, Cores: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	house, err := app.New(t.Context(), settings, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- house.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the server stopped with %v", err)
		}
	})
	return house
}

// Each command that a first start prints works when it is pasted, in its order.
func TestBanner_EveryPrintedCommandWorks(t *testing.T) {
	t.Parallel()
	house := boot(t)
	var banner bytes.Buffer
	if err := house.Banner(&banner); err != nil {
		t.Fatal(err)
	}
	session := ""
	for _, try := range house.Tries() {
		if !strings.Contains(banner.String(), try.Command) {
			t.Errorf("%q is not printed", try.What)
		}
		switch {
		case strings.HasPrefix(try.Command, "export "):
			session = try.Command + "\n"
		case strings.Contains(try.Command, "order watch"):
			watchUntil(t, session+try.Command, "order.created")
		default:
			if out := shell(t, session+try.Command); !strings.Contains(out, "lesson-1") {
				t.Errorf("%s does not speak of the order:\n%s", try.What, out)
			}
		}
	}
}

// A2: a key that came by setting is the operator's: the banner names the setting, and its commands work where that is set.
func TestBanner_A2_AGivenKeyIsNotShown(t *testing.T) {
	t.Parallel()
	secret := platformKey(t)
	house := boot(t, "KVIT_BOOTSTRAP_API_KEY="+secret)
	var banner bytes.Buffer
	if err := house.Banner(&banner); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(banner.String(), secret) || !strings.Contains(banner.String(), "the one of KVIT_BOOTSTRAP_API_KEY") {
		t.Errorf("want the setting's name and not its key in\n%s", banner.String())
	}
	tries := house.Tries()
	session := "KVIT_BOOTSTRAP_API_KEY=" + secret + "\n" + tries[0].Command + "\n"
	if out := shell(t, session+tries[1].Command); !strings.Contains(out, "lesson-1") {
		t.Errorf("%s does not speak of the order:\n%s", tries[1].Command, out)
	}
}

// A1: with merchants of your own, what is printed makes a key of the first of them, with a key that stays in its file.
func TestBanner_A1_SaysHowAMerchantGetsAKey(t *testing.T) {
	t.Parallel()
	merchants := filepath.Join(t.TempDir(), "merchants.yaml")
	text := "merchants:\n  - {id: shop, name: Shop, mode: live, locale: en}\n  - {id: other, name: Other, mode: test, locale: en}\n"
	if err := os.WriteFile(merchants, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	house := boot(t, "KVIT_CONFIG="+merchants)
	var banner bytes.Buffer
	if err := house.Banner(&banner); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(banner.String(), house.BootstrapKey()) || !strings.Contains(banner.String(), "bootstrap-key") {
		t.Errorf("want the key's file and not the key in\n%s", banner.String())
	}
	var script strings.Builder
	for _, try := range house.Tries() {
		if !strings.Contains(banner.String(), try.Command) {
			t.Errorf("%q is not printed", try.What)
		}
		script.WriteString(try.Command + "\n")
	}
	out := shell(t, script.String())
	if !strings.Contains(out, "kvit_test_") || !strings.Contains(out, "Merchant  shop\n") {
		t.Errorf("got\n%s\nwant a key of the first merchant", out)
	}
}

func shell(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-ec", script)
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s\n%v\n%s%s", script, err, out, stderr.String())
	}
	return string(out)
}

// watchUntil runs a script that runs until Ctrl-C, and presses it when a line with the text has come.
func watchUntil(t *testing.T, script, text string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-ec", script)
	cmd.Dir = "../.."
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	patience := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer patience.Stop()
	found := false
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if !found && strings.Contains(lines.Text(), text) {
			found = true
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		}
	}
	_ = cmd.Wait() // Ctrl-C is an exit code of its own.
	if !found {
		t.Errorf("nothing with %q was printed by\n%s", text, script)
	}
}

func TestNew_A2_KeysThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(keys string) error {
		settings, err := config.Load(config.Source{
			Environ: []string{
				"KVIT_LISTEN=" + freeAddress(t), "KVIT_ADMIN_LISTEN=" + freeAddress(t), "KVIT_DATA_DIR=" + dir,
				"KVIT_SANDBOX_LISTEN=127.0.0.1:0",
				"KVIT_KEYS=env:SOME_KEYS", "SOME_KEYS=" + keys,
			},
			ReadFile: os.ReadFile, Cores: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		house, err := app.New(t.Context(), settings, io.Discard)
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		return house.Run(ctx)
	}
	first := "first " + strings.Repeat("A", 42) + "E"
	if err := open(first); err != nil {
		t.Fatalf("the first start: %v", err)
	}
	if err := open("second " + strings.Repeat("B", 42) + "E\n" + first); err != nil {
		t.Fatalf("a key was put first, and the server does not start: %v", err)
	}
	if err := open("first " + strings.Repeat("C", 42) + "E\nsecond " + strings.Repeat("B", 42) + "E"); err == nil {
		t.Fatal("another key under the same name is accepted")
	}
	if err := open(first); err == nil {
		t.Fatal("a ring that lacks a key of the database is accepted")
	}
}

func TestMetrics_TellOfTheStoreTheWriterAndTheLocks(t *testing.T) {
	t.Parallel()
	house := boot(t)
	res, err := http.Get("http://" + house.AdminAddress() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kvit_store_pool_connections", "kvit_writer_queue_commands", "kvit_lock_away", "kvit_streams_open"} {
		if !strings.Contains(string(page), "\n"+name) {
			t.Errorf("/metrics has no %s", name)
		}
	}
}
