package kvit_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// installation is the real server as a process, on its embedded database.
type installation struct {
	binary  string
	data    string
	address string
	admin   string

	mu      sync.Mutex
	process *exec.Cmd
}

var printedKey = regexp.MustCompile(`kvit_platform_[A-Za-z0-9]+`)

// The companion and the real server, as two processes.
func TestEndToEnd(t *testing.T) {
	t.Parallel()

	if testing.Short() {
		t.Skip("builds and runs the server")
	}
	binary := filepath.Join(t.TempDir(), "server")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./server")
	build.Dir = filepath.Join("..", "..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the server: %v\n%s", err, out)
	}
	t.Run("S4_SurvivesKilledServers", func(t *testing.T) {
		t.Parallel()
		survivesKilledServers(t, install(t, binary))
	})
	t.Run("S1_FiltersAndPlaces", func(t *testing.T) {
		t.Parallel()
		filtersAndPlaces(t, install(t, binary))
	})
}

// install chooses where a server listens and keeps its data.
func install(t *testing.T, binary string) *installation {
	t.Helper()

	i := &installation{
		binary: binary, data: filepath.Join(t.TempDir(), "data"), address: freeAddress(t), admin: freeAddress(t),
	}
	t.Cleanup(func() { i.stop(syscall.SIGKILL) })
	return i
}

func freeAddress(t *testing.T) string {
	t.Helper()

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// start runs the server until its first words are printed, and says the key among them.
func (i *installation) start(t *testing.T) (key string) {
	t.Helper()

	process := exec.Command(i.binary)
	process.Env = append(os.Environ(), "KVIT_LISTEN="+i.address, "KVIT_ADMIN_LISTEN="+i.admin, "KVIT_SANDBOX_LISTEN=127.0.0.1:0",
		"KVIT_PUBLIC_URL=http://"+i.address, "KVIT_DATA_DIR="+i.data)
	process.Stderr = io.Discard
	stdout, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	i.mu.Lock()
	i.process = process
	i.mu.Unlock()
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if key = printedKey.FindString(lines.Text()); key != "" {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return key
		}
	}
	_ = process.Wait()
	t.Fatalf("the server ended without a key: %v", process.ProcessState)
	return ""
}

// stop ends the server with a signal and waits until it is gone.
func (i *installation) stop(signal os.Signal) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.process != nil {
		_ = i.process.Process.Signal(signal)
		_ = i.process.Wait()
		i.process = nil
	}
}

// S4, I2, J2: while links are made, the real server is killed and stopped again and again. Each link that was acknowledged is
// there once, and one who watches is told of each once, in order, without a gap.
func survivesKilledServers(t *testing.T, server *installation) {
	t.Helper()

	const makers, each = 4, 30
	key := server.start(t)
	client, err := kvit.New("http://"+server.address, key)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	happened := make(chan uint64, 4*makers*each)
	got := &seen{until: 2 * makers * each} // Each link is two events: it and its order were made.
	watched := make(chan error, 1)
	orders := map[string]int{}
	go func() {
		watched <- kvit.Follow(ctx, client.Payments, kvit.FromBeginning(), kvit.Filter{},
			func(ctx context.Context, event *kvitv1.OrderEvent) error {
				if event.GetType() == "order.created" {
					orders[event.GetOrderId()]++
				}
				happened <- event.GetPosition()
				return got.handle(ctx, event)
			}, kvit.WithBackoff(5*time.Millisecond, 100*time.Millisecond))
	}()

	var working sync.WaitGroup
	links := make([]map[string]string, makers) // By idempotency key, what was acknowledged.
	for maker := range makers {
		links[maker] = map[string]string{}
		working.Go(func() {
			for n := range each {
				request := newOrder(fmt.Sprintf("e2e-%d-%d", maker, n))
				link, err := makeLink(ctx, client, request)
				if err != nil {
					t.Errorf("%s: %v", request.GetOrderId(), err)
					return
				}
				links[maker][request.GetIdempotencyKey()] = link
			}
		})
	}
	signals := []os.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL, syscall.SIGKILL}
	for i, signal := range signals {
		for range makers * each / len(signals) { // After so many more events.
			select {
			case <-happened:
			case <-ctx.Done():
				t.Fatal("nothing happens any more")
			}
		}
		server.stop(signal)
		if again := server.start(t); again != key {
			t.Errorf("start %d prints another key", i+2)
		}
	}
	working.Wait()
	if err := <-watched; err != nil {
		t.Fatal(err)
	}

	got.want(t, 1, 2*makers*each)
	for maker := range makers {
		for n := range each {
			id := fmt.Sprintf("e2e-%d-%d", maker, n)
			if orders[id] != 1 {
				t.Errorf("order %s was made %d times", id, orders[id])
			}
		}
		for key, link := range links[maker] {
			if replayed := repeat(ctx, t, client, key, link); replayed != link {
				t.Errorf("key %s made link %s and then %s", key, link, replayed)
			}
		}
	}
}

// newOrder is a request with a key of its own.
func newOrder(id string) *kvitv1.CreatePaymentLinkRequest {
	return &kvitv1.CreatePaymentLinkRequest{
		IdempotencyKey: "key-of-" + id, Kind: kvitv1.LinkKind_LINK_KIND_DYNAMIC, OrderId: id,
		Amount: &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: 150000},
	}
}

// makeLink makes a link, however often that takes, and says its id.
func makeLink(ctx context.Context, client *kvit.Client, request *kvitv1.CreatePaymentLinkRequest) (string, error) {
	policy := kvit.RetryPolicy{Tries: 500, WaitFirst: 5 * time.Millisecond, WaitMax: 100 * time.Millisecond, TryTimeout: 5 * time.Second}
	answer, err := kvit.Retry(ctx, policy, func(ctx context.Context) (*kvitv1.CreatePaymentLinkResponse, error) {
		return client.Payments.CreatePaymentLink(ctx, request)
	})
	return answer.GetLink().GetId(), err
}

// repeat makes the call of a key once more.
func repeat(ctx context.Context, t *testing.T, client *kvit.Client, key, link string) string {
	t.Helper()

	answer, err := client.Payments.GetPaymentLink(ctx, &kvitv1.GetPaymentLinkRequest{LinkId: link})
	if err != nil {
		t.Fatal(err)
	}
	request := newOrder(answer.GetLink().GetOrderId())
	request.IdempotencyKey = key
	again, err := makeLink(ctx, client, request)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// S1, J6: with a filter, from now on, and from a kept place, the real server and the companion agree.
func filtersAndPlaces(t *testing.T, server *installation) {
	t.Helper()

	key := server.start(t)
	client, err := kvit.New("http://"+server.address, key, kvit.WithGRPC())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for n := range 5 {
		if _, err := makeLink(ctx, client, newOrder(fmt.Sprintf("A-%d", n))); err != nil {
			t.Fatal(err)
		}
	}
	filter := kvit.Filter{OrderIDs: []string{"A-1", "A-4"}, Types: []string{"order.*"}}
	var ids []string
	var kept kvit.Checkpoint
	collect := func(count int) kvit.Handler {
		return func(_ context.Context, event *kvitv1.OrderEvent) error {
			ids = append(ids, event.GetType()+" "+event.GetOrderId())
			if len(ids) == count {
				return kvit.ErrStop
			}
			return nil
		}
	}
	keep := kvit.WithCheckpoint(func(_ context.Context, at kvit.Checkpoint) error {
		kept = at
		return nil
	})
	if err := kvit.Follow(ctx, client.Payments, kvit.FromBeginning(), filter, collect(2), keep); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Payments.CancelOrder(ctx, &kvitv1.CancelOrderRequest{IdempotencyKey: "cancel", OrderId: "A-1"}); err != nil {
		t.Fatal(err)
	}
	if err := kvit.Follow(ctx, client.Payments, kvit.From(kept), filter, collect(3), keep); err != nil {
		t.Fatal(err)
	}
	want := "[order.created A-1 order.created A-4 order.cancelled A-1]"
	if fmt.Sprint(ids) != want {
		t.Errorf("got %v, want %s", ids, want)
	}
	ids = nil
	now := kvit.WithStatus(func(s kvit.Status) { // Once it listens, something happens.
		if s.Connected {
			if _, err := client.Payments.CancelOrder(ctx, &kvitv1.CancelOrderRequest{IdempotencyKey: "cancel-4", OrderId: "A-4"}); err != nil {
				t.Error(err)
			}
		}
	})
	if err := kvit.Follow(ctx, client.Payments, kvit.FromNow(), filter, collect(1), now); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(ids) != "[order.cancelled A-4]" {
		t.Errorf("from now on: got %v", ids)
	}
}
