package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
)

const (
	// merchantsMany is the number of merchants where there are many.
	merchantsMany = 64
	startMax      = 60 * time.Second
)

// workshop is what the bench works in: a directory, the server that is measured, its settings.
type workshop struct {
	dir      string
	server   string // the program
	postgres string // the URL of the database of this run; empty where there is none
	redis    string
	platform string // a platform key
	env      []string
	// runs counts the loads, so that each names its orders anew.
	runs int
}

// newWorkshop builds the server and writes what it needs to start.
func newWorkshop(ctx context.Context) (*workshop, error) {
	dir, err := os.MkdirTemp("", "kvit-bench-")
	if err != nil {
		return nil, err
	}
	w := &workshop{dir: dir, server: filepath.Join(dir, "server")}
	w.env = []string{"HOME=" + dir, "TMPDIR=" + dir, pspKeyVariable + "=" + pspKey}
	for _, step := range []struct {
		into    *string
		program string
		args    []string
	}{
		{new(string), "go", []string{"build", "-o", w.server, "./server"}},
		{new(string), w.server, []string{"keys", "installation"}},
		{&w.platform, w.server, []string{"keys", "platform"}},
	} {
		cmd := exec.CommandContext(ctx, step.program, step.args...)
		cmd.Stderr = os.Stderr
		text, err := cmd.Output()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s %s: %w", step.program, strings.Join(step.args, " "), err), w.close())
		}
		*step.into = strings.TrimSpace(string(text))
		if step.program == w.server && step.args[1] == "installation" {
			err = os.WriteFile(filepath.Join(dir, "keys"), text, 0o600)
		}
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	for file, accounts := range map[string]func(i int) string{fileMerchants: noAccounts, filePaying: liqpayAccounts} {
		if err := os.WriteFile(filepath.Join(dir, file), merchantsFile(accounts), 0o600); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	return w, nil
}

// The files of merchants that a server can be started with: those who only sell, and those who are paid.
const (
	fileMerchants = "merchants.yaml"
	filePaying    = "paying.yaml"
)

// merchantsFile is a KVIT_CONFIG with many merchants; accounts are the PSP accounts of each.
func merchantsFile(accounts func(i int) string) []byte {
	text := []byte("merchants:\n")
	for i := range merchantsMany {
		text = fmt.Appendf(text, "  - {id: %s, name: Shop %d, mode: test, locale: hy%s}\n", merchantID(i), i, accounts(i))
	}
	return text
}

func noAccounts(int) string { return "" }

func merchantID(i int) string { return fmt.Sprintf("shop-%02d", i) }

// close removes the directory.
func (w *workshop) close() error { return os.RemoveAll(w.dir) }

// kvit is a running server.
type kvit struct {
	*process

	public, admin string
	// apiKeys are one per merchant.
	apiKeys []string
	log     *os.File
}

// house is what a server is started with.
type house struct {
	// embedded means SQLite and no Redis, in place of PostgreSQL and Redis.
	embedded bool
	// merchants is the file of its merchants; empty means fileMerchants.
	merchants string
}

// startKvit starts a server and makes keys for its merchants. What it logs goes to a file, as it would elsewhere.
func (w *workshop) startKvit(ctx context.Context, h house) (_ *kvit, err error) {
	data, err := os.MkdirTemp(w.dir, "data-")
	if err != nil {
		return nil, err
	}
	env := append([]string{
		"KVIT_LISTEN=127.0.0.1:0", "KVIT_ADMIN_LISTEN=127.0.0.1:0", "KVIT_DATA_DIR=" + data,
		"KVIT_CONFIG=" + filepath.Join(w.dir, cmp.Or(h.merchants, fileMerchants)), "KVIT_BOOTSTRAP_API_KEY=" + w.platform,
		"KVIT_KEYS=file:" + filepath.Join(w.dir, "keys"),
	}, w.env...)
	if !h.embedded {
		env = append(env, "KVIT_DATABASE_URL="+w.postgres, "KVIT_REDIS_URL="+w.redis)
	}
	logs, err := os.Create(filepath.Join(data, "log"))
	if err != nil {
		return nil, err
	}
	k := &kvit{log: logs}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.stop())
		}
	}()
	if k.process, err = start(ctx, env, logs, w.server); err != nil {
		return nil, err
	}
	if err := k.readAddresses(); err != nil {
		text, _ := os.ReadFile(logs.Name())
		return nil, fmt.Errorf("start the server: %w\n%s", err, text)
	}
	return k, k.makeKeys(ctx, w.platform)
}

// stop ends the server.
func (k *kvit) stop() error {
	var err error
	if k.process != nil {
		err = k.process.stop()
	}
	return errors.Join(err, k.log.Close())
}

var bannerLine = regexp.MustCompile(`^\s*(API|admin)\s+http://(\S+)`)

// readAddresses reads the banner of a server as far as its addresses.
func (k *kvit) readAddresses() error {
	found := make(chan error, 1)
	go func() {
		for k.public == "" || k.admin == "" {
			line, err := k.out.ReadString('\n')
			if err != nil {
				found <- fmt.Errorf("it says no addresses: %w", err)
				return
			}
			if m := bannerLine.FindStringSubmatch(line); m != nil && m[1] == "API" {
				k.public = m[2]
			} else if m != nil {
				k.admin = m[2]
			}
		}
		found <- nil
	}()
	select {
	case err := <-found:
		return err
	case <-time.After(startMax):
		_ = k.cmd.Process.Kill() // It ends the reader.
		return errors.Join(fmt.Errorf("it does not start within %s", startMax), <-found)
	}
}

// makeKeys makes one key per merchant.
func (k *kvit) makeKeys(ctx context.Context, platform string) error {
	access := kvitv1connect.NewAccessServiceClient(http.DefaultClient, "http://"+k.admin)
	for i := range merchantsMany {
		ctx, info := connect.NewClientContext(ctx)
		info.RequestHeader().Set("Authorization", "Bearer "+platform)
		answer, err := access.CreateApiKey(ctx, &kvitv1.CreateApiKeyRequest{
			IdempotencyKey: rand.Text(), MerchantId: merchantID(i), Name: "bench", Kind: kvitv1.ApiKeyKind_API_KEY_KIND_MERCHANT,
			Mode: kvitv1.Mode_MODE_TEST, Scopes: []string{"links:write", "orders:read", "events:read"},
		})
		if err != nil {
			return fmt.Errorf("make a key for %s: %w", merchantID(i), err)
		}
		k.apiKeys = append(k.apiKeys, answer.GetSecret())
	}
	return nil
}

// get reads a page of the admin port.
func (k *kvit) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+k.admin+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, response.Status)
	}
	return body, err
}

// metric sums the values of a metric whose line begins so.
func (k *kvit) metric(ctx context.Context, prefix string) (float64, error) {
	page, err := k.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	var total float64
	for line := range bytes.Lines(page) {
		if !bytes.HasPrefix(line, []byte(prefix)) {
			continue
		}
		at := bytes.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(string(bytes.TrimSpace(line[at+1:])), 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", prefix, err)
		}
		total += value
	}
	return total, nil
}

// collect makes the server collect its garbage, twice, so that what finalizers freed is gone too.
func (k *kvit) collect(ctx context.Context) error {
	for range 2 {
		if _, err := k.get(ctx, "/debug/pprof/heap?gc=1"); err != nil {
			return err
		}
	}
	return nil
}
