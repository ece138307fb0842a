package kvit_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
)

// arrival is how a request came to the server.
type arrival struct {
	path   string
	proto  int
	header http.Header
}

// door is a server on a real port that notes how requests come.
type door struct {
	kvitv1connect.UnimplementedAccessServiceHandler
	fake

	mu       sync.Mutex
	arrivals []arrival
}

func (d *door) GetMerchant(context.Context, *kvitv1.GetMerchantRequest) (*kvitv1.GetMerchantResponse, error) {
	return &kvitv1.GetMerchantResponse{Merchant: &kvitv1.Merchant{MerchantId: "demo"}}, nil
}

//nolint:revive // The name is the generated interface's.
func (d *door) ListApiKeys(context.Context, *kvitv1.ListApiKeysRequest) (*kvitv1.ListApiKeysResponse, error) {
	return &kvitv1.ListApiKeysResponse{}, nil
}

// open starts the server; h2c says whether it speaks HTTP/2 without TLS.
func (d *door) open(t *testing.T, h2c bool) string {
	t.Helper()

	d.journal = newJournal(3)
	d.onStream = func(ctx context.Context, _ int, s stream) error { return d.serve(ctx, s) }
	mux := http.NewServeMux()
	mux.Handle(kvitv1connect.NewPaymentServiceHandler(d))
	mux.Handle(kvitv1connect.NewAccessServiceHandler(d))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.arrivals = append(d.arrivals, arrival{r.URL.Path, r.ProtoMajor, r.Header.Clone()})
		d.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(h2c)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// Performance 4.8: single calls come over HTTP/1.1 and streams over h2c; all carry the key, and none asks for compression.
func TestNew_ChoosesTheCheapWay(t *testing.T) {
	t.Parallel()

	d := &door{}
	client, err := kvit.New(d.open(t, true)+"/", "kvit_test_secret")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Payments.GetMerchant(t.Context(), &kvitv1.GetMerchantRequest{}); err != nil {
		t.Fatal(err)
	}
	got := &seen{until: 3}
	if err := kvit.Follow(t.Context(), client.Payments, kvit.FromBeginning(), kvit.Filter{}, got.handle); err != nil {
		t.Fatal(err)
	}
	got.want(t, 1, 3)
	for i, want := range []int{1, 2} {
		a := d.arrivals[i]
		if a.proto != want {
			t.Errorf("%s came over HTTP/%d, want HTTP/%d", a.path, a.proto, want)
		}
		if key := a.header.Get("Authorization"); key != "Bearer kvit_test_secret" {
			t.Errorf("%s came with the key %q", a.path, key)
		}
		for _, name := range []string{"Accept-Encoding", "Connect-Accept-Encoding"} {
			if asked := a.header.Get(name); asked != "" && asked != "identity" {
				t.Errorf("%s asks for compression: %s: %s", a.path, name, asked)
			}
		}
	}
}

// All three protocols bring calls and streams.
func TestNew_SpeaksEveryProtocol(t *testing.T) {
	t.Parallel()

	for name, options := range map[string][]kvit.Option{
		"Connect": nil, "gRPC": {kvit.WithGRPC()}, "gRPC-Web": {kvit.WithGRPCWeb()}, "own client": {kvit.WithHTTPClient(http.DefaultClient)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			d := &door{}
			client, err := kvit.New(d.open(t, true), "key", options...)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if answer, err := client.Payments.GetMerchant(t.Context(), &kvitv1.GetMerchantRequest{}); err != nil ||
				answer.GetMerchant().GetMerchantId() != "demo" {
				t.Errorf("got %v, %v", answer, err)
			}
			got := &seen{until: 3}
			if err := kvit.Follow(t.Context(), client.Payments, kvit.FromBeginning(), kvit.Filter{}, got.handle); err != nil {
				t.Fatal(err)
			}
			got.want(t, 1, 3)
		})
	}
}

// S3: where nothing speaks h2c, as behind a plain HTTP/1.1 proxy, events still come.
func TestFollow_S3_WorksWithoutH2C(t *testing.T) {
	t.Parallel()

	d := &door{}
	client, err := kvit.New(d.open(t, false), "key")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	got := &seen{until: 3}
	err = kvit.Follow(t.Context(), client.Payments, kvit.FromBeginning(), kvit.Filter{}, got.handle,
		kvit.WithBackoff(time.Millisecond, 2*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	got.want(t, 1, 3)
}

// Keys are managed at the admin address, and payments are not.
func TestNew_SendsAccessCallsToTheAdminAddress(t *testing.T) {
	t.Parallel()

	public, admin := &door{}, &door{}
	client, err := kvit.New(public.open(t, true), "key", kvit.WithAdminURL(admin.open(t, true)))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Access.ListApiKeys(t.Context(), &kvitv1.ListApiKeysRequest{}); err != nil {
		t.Fatal(err)
	}
	if len(public.arrivals) != 0 || len(admin.arrivals) != 1 {
		t.Errorf("%d calls came to the public address and %d to the admin one, want 0 and 1", len(public.arrivals), len(admin.arrivals))
	}
}

// A redirect does not carry the key elsewhere.
func TestNew_FollowsNoRedirect(t *testing.T) {
	t.Parallel()

	elsewhere := &door{}
	target := elsewhere.open(t, true)
	crooked := httptest.NewServer(http.RedirectHandler(target+kvitv1connect.PaymentServiceGetMerchantProcedure, http.StatusTemporaryRedirect))
	defer crooked.Close()
	client, err := kvit.New(crooked.URL, "key")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Payments.GetMerchant(t.Context(), &kvitv1.GetMerchantRequest{}); err == nil || len(elsewhere.arrivals) != 0 {
		t.Errorf("got %v and %d calls elsewhere, want an error and none", err, len(elsewhere.arrivals))
	}
}

// An address that cannot be meant is refused before anything is sent.
func TestNew_RefusesAddressesThatCannotBeMeant(t *testing.T) {
	t.Parallel()

	for _, address := range []string{
		"", "127.0.0.1:8080", "ftp://host", "http://", "http://user:pass@host", "http://host?x=1", "http://host#x", "http://ho st",
	} {
		if _, err := kvit.New(address, "key"); err == nil {
			t.Errorf("%q: want it refused", address)
		}
		if _, err := kvit.New("http://127.0.0.1:1", "key", kvit.WithAdminURL(address)); err == nil {
			t.Errorf("admin %q: want it refused", address)
		}
	}
}

// A call to nobody is unavailable, and worth repeating.
func TestNew_NobodyThereIsUnavailable(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client, err := kvit.New(server.URL, "key")
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Payments.GetMerchant(t.Context(), &kvitv1.GetMerchantRequest{})
	if connect.CodeOf(err) != connect.CodeUnavailable || !kvit.Retryable(err) {
		t.Errorf("got %v, want unavailable", err)
	}
}
