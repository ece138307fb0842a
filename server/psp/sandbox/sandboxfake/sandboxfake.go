// Package sandboxfake is the sandbox: a payment service provider of our own, with sessions, payments,
// a payment page, a merchant's cabinet, signed callbacks and an API, where no money moves. Demos pay with
// it, and end-to-end tests and benchmarks drive it.
//
// Its one idea: everything that goes wrong with real providers can be had on demand. A mood is one way
// in which a payment can go (declined and then paid, paid twice, told late, told in the wrong order,
// never told); the payer's page has a button for each, and POST /v1/payments/{reference}/act plays one
// without a browser. A trouble is a way in which its API can fail (slow, cut after the effect, 500);
// POST /v1/moods sets one for the next calls. The protocol stands in docs/psp/sandbox.md and wire.go.
//
// To mount it, serve the PSP itself as the handler of a listener of its own at Options.PublicURL, never
// below the merchant's origin, and keep [PSP.Run] running beside it; then [PSP.Close]:
//
//	sandbox, err := sandboxfake.New(sandboxfake.Options{PublicURL: url, APIKey: key, SigningSecret: secret, Merchant: "demo"})
//	group.Go(func() error { return sandbox.Run(ctx) })
//	server := &http.Server{Handler: sandbox}
//
// What it promises: one reference is one session; a refund id is one refund; what was answered is in
// the state file, and a callback that is still to be sent is sent after a restart, until it is answered
// with 200. What it does not: it keeps the newest sessions only, forgets troubles with the process, and
// the file survives the death of the process but not that of the machine. The page and the cabinet ask
// for no password: keep the cabinet on a private address.
//
// It shares no code with the plug that speaks to it, so that neither hides a fault of the other.
//
// Concurrency: all methods may be called from many goroutines. The callbacks of one session are sent
// one after the other, in the order in which they are due; those of different sessions side by side.
//
// Failure: where the state file cannot be written, nothing changes and the answer is 500.
package sandboxfake

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Options are what a sandbox needs. Only PublicURL, APIKey, SigningSecret and Merchant have no default.
type Options struct {
	// StateFile keeps the state, for one process at a time; empty keeps it in memory.
	StateFile string
	// PublicURL is the sandbox's own origin, as browsers reach it.
	PublicURL string
	// APIKey is what callers of /v1 show, SigningSecret what callbacks are signed with.
	APIKey, SigningSecret string
	// Merchant is the payee that stands in messages.
	Merchant string
	// Client sends callbacks. It follows no redirects, whatever it says itself.
	Client *http.Client
	Now    func() time.Time
	Logger *slog.Logger
	// SessionsMax is how many sessions are kept: the oldest finished ones are forgotten. Default 10,000.
	SessionsMax int
}

// sessionsMax is the default of Options.SessionsMax.
const sessionsMax = 10_000

// PSP is one sandbox. It is the http.Handler of its page, cabinet and API.
type PSP struct {
	options Options
	client  *http.Client
	handler http.Handler
	// wake tells Run that something may be due.
	wake chan struct{}

	mu       sync.Mutex
	sessions map[string]*session // By reference.
	byID     map[string]*session
	// order holds the references, oldest first.
	order    []string
	due      dueHeap
	inFlight map[string]bool // Sessions whose callback is being sent.
	log      *stateLog
	troubles []trouble
}

// New returns a sandbox with the state of its file, if there is one.
func New(options Options) (*PSP, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	options.PublicURL = strings.TrimSuffix(options.PublicURL, "/")
	options.SessionsMax = cmp.Or(options.SessionsMax, sessionsMax)
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	p := &PSP{
		options: options, client: callbackClient(options.Client), wake: make(chan struct{}, 1),
		sessions: map[string]*session{}, byID: map[string]*session{}, inFlight: map[string]bool{},
	}
	log, kept, err := openLog(options.StateFile)
	if err != nil {
		return nil, err
	}
	p.log = log
	for _, s := range kept {
		p.keep(s)
	}
	p.handler = p.routes()
	return p, nil
}

func (o *Options) check() error {
	u, err := url.Parse(o.PublicURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "":
		return errors.New("sandbox: PublicURL must be an origin, like http://127.0.0.1:8082")
	case o.APIKey == "" || o.SigningSecret == "" || o.Merchant == "":
		return errors.New("sandbox: APIKey, SigningSecret and Merchant must be set")
	case o.Now == nil:
		return errors.New("sandbox: Now must be set")
	}
	return nil
}

// Close ends writing to the state file. Run must have ended.
func (p *PSP) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.close()
}

// ServeHTTP implements http.Handler.
func (p *PSP) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func (p *PSP) routes() http.Handler {
	mux := http.NewServeMux()
	p.routeAPI(mux)
	p.routePages(mux)
	return mux
}

func (p *PSP) now() time.Time { return p.options.Now().UTC().Round(0) }
