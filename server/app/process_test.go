package app_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/store/sqlstore"
)

// binary builds the server once for all tests of this package.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "kvit-server-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "server")
	out, err := exec.Command("go", "build", "-o", path, "../../server").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// process is one server that can be killed and started again at the same addresses.
type process struct {
	t      *testing.T
	path   string
	env    []string
	public string
	admin  string
	log    string
	cmd    *exec.Cmd
	// args are the command line, probe is the page that answers 200 when the process is ready.
	args  []string
	probe string
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func newProcess(t *testing.T, env ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, path: path, public: freeAddress(t), admin: freeAddress(t), log: filepath.Join(t.TempDir(), "log")}
	p.probe = p.url() + "/readyz"
	p.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(),
		"KVIT_LISTEN=" + p.public, "KVIT_ADMIN_LISTEN=" + p.admin, "KVIT_SANDBOX_LISTEN=127.0.0.1:0",
	}, env...)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			text, _ := os.ReadFile(p.log)
			if len(text) > 4000 {
				text = text[len(text)-4000:]
			}
			t.Logf("log of %s:\n%s", p.public, text)
		}
	})
	return p
}

func (p *process) url() string { return "http://" + p.public }

// start runs the server and waits until it is ready.
func (p *process) start() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = p.env, log, log, filepath.Dir(p.log)
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		res, err := http.Get(p.probe)
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s is not ready: %v", p.probe, err)
		}
	}
}

// kill is SIGKILL: the process ends between any two instructions.
func (p *process) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// storm is a load of creates on some servers, with a watcher, while servers are killed.
type storm struct {
	t       *testing.T
	servers []*process
	key     string

	mu      sync.Mutex
	acked   map[string]string // order id to link id
	changed chan struct{}
}

func (s *storm) ack(orderID, linkID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.acked[orderID]; ok && known != linkID {
		s.t.Errorf("order %s was acknowledged with the links %s and %s", orderID, known, linkID)
	}
	s.acked[orderID] = linkID
	close(s.changed)
	s.changed = make(chan struct{})
}

// reached waits until so many creates are acknowledged.
func (s *storm) reached(ctx context.Context, n int) bool {
	for {
		s.mu.Lock()
		count, changed := len(s.acked), s.changed
		s.mu.Unlock()
		if count >= n {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// create makes orders one after the other until ctx ends. Each goes on, at the next server, until it is acknowledged.
func (s *storm) create(ctx context.Context, worker int) {
	clients := make([]*kvit.Client, len(s.servers))
	for i, p := range s.servers {
		client, err := kvit.New(p.url(), s.key)
		if err != nil {
			s.t.Error(err)
			return
		}
		clients[i] = client
	}
	for n := 0; ctx.Err() == nil; n++ {
		orderID := fmt.Sprintf("w%d-%d", worker, n)
		request := &kvitv1.CreatePaymentLinkRequest{
			IdempotencyKey: "key-" + orderID, Kind: kvitv1.LinkKind_LINK_KIND_DYNAMIC, OrderId: orderID,
			Amount: &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: 500_000}, Description: "A lesson",
		}
		turn := n
		// The storm ends when it is told to; a create that was begun is finished all the same.
		finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), 60*time.Second)
		created, err := kvit.Retry(finish, kvit.RetryPolicy{Tries: 100, WaitMax: 500 * time.Millisecond}, func(ctx context.Context) (*kvitv1.CreatePaymentLinkResponse, error) {
			turn++
			return clients[turn%len(clients)].Payments.CreatePaymentLink(ctx, request)
		})
		cancel()
		if err != nil {
			s.t.Errorf("create %s: %v", orderID, err)
			return
		}
		s.ack(orderID, created.GetLink().GetId())
	}
}

// watch follows a server from the beginning and keeps what it was told.
type watch struct {
	mu      sync.Mutex
	created map[string]int
	next    uint64
	err     error
}

func (w *watch) follow(ctx context.Context, client *kvit.Client) error {
	return kvit.Follow(ctx, client.Payments, kvit.FromBeginning(), kvit.Filter{}, func(_ context.Context, e *kvitv1.OrderEvent) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.next++
		if e.GetPosition() != w.next {
			w.err = fmt.Errorf("position %d came, want %d", e.GetPosition(), w.next)
			return w.err
		}
		if e.GetType() == string(order.OrderCreated) {
			w.created[e.GetOrderId()]++
		}
		return nil
	})
}

func (w *watch) has(acked map[string]string) (missing string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range acked {
		if w.created[id] == 0 {
			return id
		}
	}
	return ""
}

// run drives the storm: kills servers in turn while creates go on, then lets them finish and checks
// what everybody was told.
func (s *storm) run(kills, between int) {
	t := s.t
	for _, p := range s.servers {
		p.start()
	}
	watching, stopWatching := context.WithCancel(t.Context())
	defer stopWatching()
	watchers := make([]*watch, len(s.servers))
	var followers sync.WaitGroup
	for i, p := range s.servers {
		client, err := kvit.New(p.url(), s.key)
		if err != nil {
			t.Fatal(err)
		}
		watchers[i] = &watch{created: map[string]int{}}
		followers.Go(func() {
			if err := watchers[i].follow(watching, client); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("watcher %d: %v", i, err)
			}
		})
	}
	creating, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	var creators sync.WaitGroup
	for worker := range 8 {
		creators.Go(func() { s.create(creating, worker) })
	}
	for i := range kills {
		if !s.reached(creating, (i+1)*between) {
			t.Fatalf("only %d creates were acknowledged before kill %d", len(s.acked), i)
		}
		victim := s.servers[i%len(s.servers)]
		victim.kill()
		victim.start()
	}
	s.reached(creating, (kills+1)*between)
	stop()
	creators.Wait()
	s.checkWatchers(watchers)
	stopWatching()
	followers.Wait()
	t.Logf("%d creates acknowledged over %d kills of %d servers", len(s.acked), kills, len(s.servers))
}

// checkWatchers waits until every watcher was told of every acknowledged order, once.
func (s *storm) checkWatchers(watchers []*watch) {
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i, w := range watchers {
		for missing := w.has(s.acked); missing != ""; missing = w.has(s.acked) {
			if time.Now().After(deadline) {
				s.t.Fatalf("watcher %d was never told of order %s", i, missing)
			}
			<-tick.C
		}
		w.mu.Lock()
		if w.err != nil {
			s.t.Errorf("watcher %d: %v (J2)", i, w.err)
		}
		for id, n := range w.created {
			if n != 1 {
				s.t.Errorf("watcher %d was told %d times that %s was created", i, n, id)
			}
		}
		w.mu.Unlock()
	}
}

// checkStore reads the whole journal: positions, chain, and that replaying it gives each row (J2, J3, O3).
func (s *storm) checkStore(opened store.Store) {
	t := s.t
	var hash order.Hash
	var position uint64
	histories := map[string][]order.Entry{}
	for {
		entries, err := opened.Entries(t.Context(), "demo", position, 500)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			break
		}
		for i := range entries {
			position++
			if entries[i].Position != position {
				t.Fatalf("position %d stands where %d should", entries[i].Position, position)
			}
			if hash = hash.Next(position, order.Digest(entries[i].Bytes)); hash != entries[i].Hash {
				t.Fatalf("the chain breaks at position %d", position)
			}
			e, err := order.Decode(entries[i].Bytes)
			if err != nil {
				t.Fatal(err)
			}
			histories[e.OrderID] = append(histories[e.OrderID], e)
		}
	}
	for id, linkID := range s.acked {
		read, err := opened.Order(t.Context(), store.OrderKey{Merchant: "demo", ID: id})
		if err != nil {
			t.Fatalf("the acknowledged order %s is lost: %v", id, err)
		}
		if read.Order.LinkID != linkID {
			t.Errorf("order %s has the link %s, its caller was told %s", id, read.Order.LinkID, linkID)
		}
		replayed, err := order.Replay(histories[id])
		if err != nil {
			t.Fatal(err)
		}
		if replayed.Version != read.Order.Version || replayed.State != read.Order.State || replayed.LinkID != linkID {
			t.Errorf("replaying %s gives %+v, the row is %+v", id, replayed, read.Order)
		}
	}
}

func platformKey(t *testing.T) string {
	t.Helper()
	secret, _, err := seal.NewAPIKey(seal.APIKeyPlatform, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func openStore(t *testing.T, url string, keyText []byte) store.Store {
	t.Helper()
	keys, err := seal.Parse(keyText)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := sqlstore.Open(t.Context(), sqlstore.Settings{URL: url, Sealer: keys, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened
}

// needURL returns a test server's URL; without one the test is skipped, or fails in CI.
func needURL(t *testing.T, name string) string {
	t.Helper()
	url := os.Getenv(name)
	if url == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not set", name)
		}
		t.Skipf("%s is not set; make test starts the servers", name)
	}
	return url
}

// freshSchema makes a schema of this test's own and returns the URL that leads to it.
func freshSchema(t *testing.T) string {
	t.Helper()
	url := needURL(t, "KVIT_TEST_POSTGRES_URL")
	name := fmt.Sprintf("house_%d_%d", os.Getpid(), time.Now().UnixNano())
	run := func(ctx context.Context, statement string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, statement)
		return err
	}
	if err := run(t.Context(), "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run(context.WithoutCancel(t.Context()), "DROP SCHEMA "+name+" CASCADE") })
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	return url + separator + "search_path=" + name
}

// One server on SQLite is killed while links are made: every acknowledged link is there once, and a
// watcher that resumes misses nothing (I2, J2, S1).
func TestKill_OneServer_NothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &storm{t: t, key: platformKey(t), acked: map[string]string{}, changed: make(chan struct{})}
	s.servers = []*process{newProcess(t, "KVIT_DATA_DIR="+dir, "KVIT_BOOTSTRAP_API_KEY="+s.key)}
	s.run(4, 150)
	s.servers[0].kill()
	keys, err := os.ReadFile(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	s.checkStore(openStore(t, filepath.Join(dir, "kvit.db"), keys))
}

// Three servers share PostgreSQL and Redis while one after the other is killed.
func TestKill_ThreeServers_NothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	url, redis := freshSchema(t), needURL(t, "KVIT_TEST_REDIS_URL")
	keys, err := seal.Generate("first", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &storm{t: t, key: platformKey(t), acked: map[string]string{}, changed: make(chan struct{})}
	for range 3 {
		s.servers = append(s.servers, newProcess(t,
			"KVIT_DATABASE_URL="+url, "KVIT_REDIS_URL="+redis, "KVIT_KEYS=env:HOUSE_KEYS", "HOUSE_KEYS="+string(keys),
			"KVIT_BOOTSTRAP_API_KEY="+s.key, "KVIT_DATABASE_POOL=8"))
	}
	s.run(6, 200)
	s.checkStore(openStore(t, url, keys))
}
