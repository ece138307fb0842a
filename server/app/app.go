// Package app builds the house and runs it: every room is made here, once, from the bottom up, and
// nothing is fetched from anywhere else. Tests boot the same App.
//
// Its one idea: New makes everything and starts nothing; Run starts what runs and, when its context
// ends, stops it in reverse: no new requests, streams end with a cursor, the batch in flight is
// finished, locks are given back, the store is closed.
//
// Concurrency: an App is made and run by one goroutine. Run may be called once.
//
// Failure: New reports what keeps the server from starting; Run returns the first service that failed.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"

	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/config"
	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/lock"
	"github.com/kvitpay/kvit/server/lock/memlock"
	"github.com/kvitpay/kvit/server/lock/redislock"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/store/sqlstore"
	"github.com/kvitpay/kvit/server/stream"
	"github.com/kvitpay/kvit/server/stream/membus"
	"github.com/kvitpay/kvit/server/stream/redisbus"
	"github.com/kvitpay/kvit/server/telemetry"
	"github.com/kvitpay/kvit/server/writer"
)

// App is one server.
type App struct {
	settings *config.Settings
	log      *slog.Logger
	metrics  *telemetry.Metrics
	store    store.Store
	redis    redis.UniversalClient
	payment  *payment.Service
	api      *api.API
	public   net.Listener
	admin    net.Listener
	// sandbox is where the built-in sandbox PSP listens, nil where there is none.
	sandbox  net.Listener
	tracing  trace.TracerProvider
	services []service
	// doors are the ports beside the API's two.
	doors []*door
	// closers undo what New has done, last first.
	closers []func() error
	// bootstrap is the platform key to try things with.
	bootstrap string
}

// service is something that runs until its context ends.
type service struct {
	name string
	run  func(ctx context.Context) error
}

// New makes a server: it opens the store, checks the keys, and listens, so that the addresses are
// known before anything runs. On an error everything that was opened is closed.
func New(ctx context.Context, settings *config.Settings, logs io.Writer) (app *App, err error) {
	a := &App{
		settings: settings, metrics: telemetry.NewMetrics(),
		log: telemetry.NewLogger(logs, settings.Telemetry.LogLevel, telemetry.Format(settings.Telemetry.LogFormat)),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	for _, warning := range settings.Warnings {
		a.log.LogAttrs(ctx, slog.LevelWarn, "settings", slog.String("warning", warning))
	}
	keys, err := loadKeys(settings)
	if err != nil {
		return nil, err
	}
	if err := a.openStore(ctx, keys); err != nil {
		return nil, err
	}
	locks, bus, err := a.openRedis() //nolint:contextcheck // Redis comes and goes outside of any call.
	if err != nil {
		return nil, err
	}
	changes := a.newWriter(bus) //nolint:contextcheck // A wake-up outlives the call that caused it.
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	if err := a.startTracing(ctx); err != nil {
		return nil, err
	}
	accounts, mark, err := a.openPSPs(ctx, keys)
	if err != nil {
		return nil, err
	}
	a.payment = payment.New(payment.Needs{
		Store: a.store, Writer: changes, Locks: locks, Keys: keys, IDs: newIDs, Merchants: merchants(settings),
		Accounts: accounts, Mark: mark, Bus: bus, Now: time.Now,
		PublicURL: a.publicURL(), Observer: payment.Observer{
			Replayed: a.metrics.Idempotency.Replayed, Reused: a.metrics.Idempotency.Reused, InUse: a.metrics.Idempotency.InUse,
			Callback: a.metrics.PSP.Became, Forged: func(account string) { a.metrics.PSP.Became(account, "FORGED") },
			Lost: func(what string, err error) {
				a.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelWarn, "not kept", slog.String("what", what), slog.Any("error", err))
			},
		},
	})
	who, err := a.newAccess(ctx, keys)
	if err != nil {
		return nil, err
	}
	if err := a.newAPI(who, bus, keys); err != nil {
		return nil, err
	}
	a.services = append(
		a.services, service{"expiry", a.expire}, service{"records", a.forget},
		service{"nudges", a.payment.RunNudges}, service{"resolver", a.resolve}, service{"orphans", a.takeOrphans},
	)
	return a, nil
}

// openPSPs opens the PSP accounts of the settings, with the sandbox where one of them needs it, and
// reads the mark of our references (C5).
func (a *App) openPSPs(ctx context.Context, keys *seal.Keyring) ([]*psp.Account, psp.Mark, error) {
	merchants, err := a.openSandbox(ctx, keys)
	if err != nil {
		return nil, "", err
	}
	accounts, err := a.openAccounts(merchants)
	if err != nil {
		return nil, "", err
	}
	mark, err := a.store.EnsureMark(ctx, newMark())
	if err != nil {
		return nil, "", fmt.Errorf("read the installation's mark: %w", err)
	}
	return accounts, psp.Mark(mark), nil
}

// openStore opens the database, brings it up to date, and checks that our keys fit it (A2).
func (a *App) openStore(ctx context.Context, keys *seal.Keyring) error {
	url := a.settings.Store.URL.Reveal()
	if !a.settings.Store.Postgres() {
		if err := os.MkdirAll(a.settings.Store.DataDir, dirMode); err != nil {
			return fmt.Errorf("make the data directory: %w", err)
		}
		url = filepath.Join(a.settings.Store.DataDir, databaseFile)
	}
	opened, err := sqlstore.Open(ctx, sqlstore.Settings{
		URL: url, Pool: a.settings.Store.Pool, Sealer: keys, Logger: a.log, Now: time.Now,
	})
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	a.store = opened
	a.closers = append(a.closers, opened.Close)
	for i, pool := range opened.Pools() {
		a.metrics.Pool(pool.Name, func() telemetry.Pool {
			now := opened.Pools()[i]
			return telemetry.Pool{Busy: now.Busy, Idle: now.Idle, Most: now.Most, Waits: now.Waits, Waited: now.Waited}
		})
	}
	if err := opened.EnsureKeys(ctx, keys.CheckValues()); err != nil {
		return fmt.Errorf("check the installation's keys: %w", err)
	}
	ids := make([]string, 0, len(a.settings.Merchants.List))
	for i := range a.settings.Merchants.List {
		ids = append(ids, a.settings.Merchants.List[i].ID)
	}
	if err := opened.EnsureMerchants(ctx, ids); err != nil {
		return fmt.Errorf("make the merchants' journals: %w", err)
	}
	return nil
}

// openRedis makes locks and wake-ups: in Redis where a URL is given, else inside the process. A Redis
// that is away does not keep the server from starting (I3).
func (a *App) openRedis() (lock.Locker, stream.Bus, error) {
	if a.settings.Redis.URL.IsZero() {
		return memlock.New(), membus.New(), nil
	}
	client, err := redislock.Open(a.settings.Redis.URL.Reveal())
	if err != nil {
		return nil, nil, fmt.Errorf("open Redis: %w", err)
	}
	a.redis = client
	a.closers = append(a.closers, client.Close)
	locks := redislock.New(client, memlock.New(), redislock.Options{Observer: redislock.Observer{
		StateChanged: func(up bool, err error) {
			a.metrics.Lock.StateChanged(up)
			a.changed("locks", up, err)
		},
		Acquired: a.metrics.Lock.Acquired, Held: a.metrics.Lock.Held, Away: a.metrics.Lock.Away,
	}})
	bus := redisbus.New(client, membus.New(), redisbus.Options{
		StateChanged: func(up bool, err error) { a.changed("wake-ups", up, err) },
	})
	a.services = append(a.services, service{"locks", locks.Run}, service{"wake-ups", bus.Run})
	return locks, bus, nil
}

// changed logs one line per change of what Redis does for us.
func (a *App) changed(what string, up bool, err error) {
	if up {
		a.log.LogAttrs(context.Background(), slog.LevelInfo, "redis answers", slog.String("for", what))
		return
	}
	a.log.LogAttrs(context.Background(), slog.LevelWarn, "redis is away, going on without",
		slog.String("for", what), slog.Any("error", err))
}

func (a *App) newWriter(bus stream.Bus) *writer.Writer {
	lanes, lanesMax := 1, 0 // SQLite has one write transaction at a time.
	if a.settings.Store.Postgres() {
		lanes, lanesMax = 0, max(a.settings.Store.Pool/2, 1) // Half of the pool is for writing.
	}
	w := writer.New(a.store, writer.Options{
		Lanes: lanes, LanesMax: lanesMax,
		Now: time.Now, Logger: a.log,
		Publish: func(merchants []string) { bus.Publish(context.Background(), merchants...) },
		Observer: writer.Observer{
			Batch:   func(r writer.BatchReport) { a.metrics.Writer.Batch(telemetry.WriterBatch(r)) },
			Refused: func(command string, reason fault.Reason) { a.metrics.Writer.Refused(command, string(reason)) },
		},
	})
	a.metrics.Writer.Queue(w.Waiting)
	a.services = append(a.services, service{"writer", w.Run})
	return w
}

func (a *App) newAccess(ctx context.Context, keys *seal.Keyring) (*access.Service, error) {
	needs := access.Needs{Store: a.store, Keys: keys, IDs: newIDs, Random: rand.Reader, Now: time.Now}
	for i := range a.settings.Merchants.List {
		needs.Merchants = append(needs.Merchants, a.settings.Merchants.List[i].ID)
	}
	if a.settings.Merchants.Demo {
		needs.DemoMerchant = needs.Merchants[0]
	}
	who := access.New(needs)
	secret, err := bootstrapKey(a.settings)
	if err != nil || secret == "" {
		return who, err
	}
	a.bootstrap = secret
	if err := who.Bootstrap(ctx, secret); err != nil {
		return nil, fmt.Errorf("keep the bootstrap key: %w", err)
	}
	return who, nil
}

func (a *App) listen(ctx context.Context) error {
	for _, port := range []struct {
		address config.Listen
		setting string
		into    *net.Listener
	}{
		{a.settings.Door.Listen, "KVIT_LISTEN", &a.public},
		{a.settings.Door.AdminListen, "KVIT_ADMIN_LISTEN", &a.admin},
	} {
		listener, err := listenAt(ctx, port.address, port.setting)
		if err != nil {
			return err
		}
		*port.into = listener
		a.closers = append(a.closers, func() error { return ignoreClosed(listener.Close()) })
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// close undoes what New has done, last first.
func (a *App) close() error {
	var errs []error
	for _, undo := range slices.Backward(a.closers) {
		errs = append(errs, undo())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// newMark makes a mark for a new installation.
func newMark() string { return strings.ToLower(rand.Text()[:psp.MarkLength]) }

// newIDs makes the seed and salt of a command's ids: a UUIDv7, so that ids sort by time, and 16 random bytes.
func newIDs() order.IDs {
	var ids order.IDs
	ids.Seed = uuid.Must(uuid.NewV7())
	_, _ = rand.Read(ids.Salt[:]) // It never fails: the process ends first.
	return ids
}

func merchants(settings *config.Settings) []payment.Merchant {
	list := make([]payment.Merchant, 0, len(settings.Merchants.List))
	for i := range settings.Merchants.List {
		m := &settings.Merchants.List[i]
		list = append(list, payment.Merchant{
			ID: m.ID, Name: m.Name, Live: m.Mode == config.ModeLive, Locale: m.Locale, AcceptAfter: m.AcceptAfter,
			Location: m.Timezone, Support: support(m.Support),
		})
	}
	return list
}

// publicURL is how payers and PSPs reach the public port.
func (a *App) publicURL() string { return reachable(a.settings.Door.PublicURL, a.public) }

// PublicAddress is where the public port listens.
func (a *App) PublicAddress() string { return a.public.Addr().String() }

// AdminAddress is where the admin port listens.
func (a *App) AdminAddress() string { return a.admin.Addr().String() }

// SandboxAddress is where the built-in sandbox PSP listens, empty where there is none.
func (a *App) SandboxAddress() string {
	if a.sandbox == nil {
		return ""
	}
	return a.sandbox.Addr().String()
}

// BootstrapKey is the platform key that exists after start, empty where none is known here.
func (a *App) BootstrapKey() string { return a.bootstrap }
