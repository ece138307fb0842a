// Package redisbus carries wake-ups between the servers of one installation, over Redis pub/sub.
//
// There is one channel for the installation. A message names the process that sent it and the merchants
// that have something new. Its one idea is that subscribers listen on a bus of their own process: what
// is published here reaches them without Redis, and messages of other processes are passed on to it.
// What is published while a message is on its way gathers and goes out as one.
//
// Concurrency: a [Bus] may be used from many goroutines. [Bus.Run] owns the connection; the caller starts
// it once, and waits for it.
//
// Ordering: none. Wake-ups of one merchant merge.
//
// Failure: Redis away means that other processes are not woken, and look by themselves every second. The
// bus connects again by itself, and then wakes everyone here, since any wake-up may have been missed.
// A connection that is silent is asked for a sign of life.
package redisbus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kvitpay/kvit/server/stream"
)

// Limits of the defaults and of messages.
const (
	defaultChannel = "kvit:wake"
	defaultTimeout = 250 * time.Millisecond
	defaultSilence = 5 * time.Second
	defaultRetry   = 500 * time.Millisecond

	// messageMax is how many merchants one message names.
	messageMax = 1000
	// pendingMax bounds what waits while Redis is slow; beyond it others look by themselves.
	pendingMax = 100_000
	// separator stands between the words of a message. No merchant's id holds it.
	separator = "\n"
)

// Local is a bus within this process that can wake everyone; membus as a rule.
type Local interface {
	stream.Bus
	// PublishAll wakes every subscriber.
	PublishAll()
}

// Options are what may be chosen; zero values stand for the defaults.
type Options struct {
	// Channel is the channel of the installation, "kvit:wake" by default.
	Channel string
	// Timeout is how long one message may take, 250 ms by default.
	Timeout time.Duration
	// Silence is how long a connection may say nothing until it is asked for a sign of life, and then
	// again until it is given up; 5 s by default.
	Silence time.Duration
	// Retry is the pause between two tries to connect, 500 ms by default.
	Retry time.Duration
	// StateChanged is called once per change: up true when messages arrive, up false with the failure.
	// It may be nil.
	StateChanged func(up bool, err error)
}

// Bus is a bus between processes.
type Bus struct {
	client redis.UniversalClient
	local  Local
	opts   Options
	// self tells this process's own messages from others'.
	self string
	// wake tells the sender that merchants are pending.
	wake chan struct{}

	mu      sync.Mutex
	pending map[string]struct{}
}

var _ stream.Bus = (*Bus)(nil)

// New returns a bus over client and local. Local belongs to this bus; the client belongs to the caller.
func New(client redis.UniversalClient, local Local, opts Options) *Bus {
	if opts.Channel == "" {
		opts.Channel = defaultChannel
	}
	if opts.Timeout <= 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.Silence <= 0 {
		opts.Silence = defaultSilence
	}
	if opts.Retry <= 0 {
		opts.Retry = defaultRetry
	}
	if opts.StateChanged == nil {
		opts.StateChanged = func(bool, error) {}
	}
	return &Bus{
		client:  client,
		local:   local,
		opts:    opts,
		self:    rand.Text(),
		wake:    make(chan struct{}, 1),
		pending: map[string]struct{}{},
	}
}

// Publish wakes this process's subscribers at once, and queues the merchants for the others.
func (b *Bus) Publish(ctx context.Context, merchants ...string) {
	b.local.Publish(ctx, merchants...)
	b.mu.Lock()
	for _, merchant := range merchants {
		if len(b.pending) < pendingMax {
			b.pending[merchant] = struct{}{}
		}
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Subscribe starts listening for one merchant.
func (b *Bus) Subscribe(merchant string) stream.Subscription { return b.local.Subscribe(merchant) }

// Run sends and receives until ctx ends, and returns nil. It is called once. Without it the bus
// reaches this process alone.
func (b *Bus) Run(ctx context.Context) error {
	var group sync.WaitGroup
	group.Go(func() { b.send(ctx) })
	group.Go(func() { b.receive(ctx) })
	group.Wait()
	return nil
}

// send publishes what is pending, one message at a time.
func (b *Bus) send(ctx context.Context) {
	for {
		select {
		case <-b.wake:
		case <-ctx.Done():
			return
		}
		for merchants := range slices.Chunk(b.take(), messageMax) {
			b.sendOne(ctx, merchants)
		}
	}
}

// sendOne publishes one message. A failure is not told: the receiving half sees that Redis is away.
func (b *Bus) sendOne(ctx context.Context, merchants []string) {
	ctx, cancel := context.WithTimeout(ctx, b.opts.Timeout)
	defer cancel()
	message := b.self + separator + strings.Join(merchants, separator)
	_ = b.client.Publish(ctx, b.opts.Channel, message).Err() // Wake-ups are best effort.
}

// take returns what is pending and forgets it.
func (b *Bus) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	merchants := make([]string, 0, len(b.pending))
	for merchant := range b.pending {
		merchants = append(merchants, merchant)
	}
	clear(b.pending)
	return merchants
}

// receive keeps a subscription and passes on what arrives.
func (b *Bus) receive(ctx context.Context) {
	up, told := false, false
	for ctx.Err() == nil {
		err := b.listen(ctx, func() {
			up, told = true, true
			b.local.PublishAll()
			b.opts.StateChanged(true, nil)
		})
		if ctx.Err() != nil {
			return
		}
		if up || !told {
			up, told = false, true
			b.opts.StateChanged(false, err)
		}
		select {
		case <-time.After(b.opts.Retry):
		case <-ctx.Done():
		}
	}
}

// listen subscribes, calls connected once the server has confirmed, and passes messages on until the
// connection fails.
func (b *Bus) listen(ctx context.Context, connected func()) error {
	subscription := b.client.Subscribe(ctx, b.opts.Channel)
	defer func() { _ = subscription.Close() }()
	// Closing is what ends a read that waits.
	defer context.AfterFunc(ctx, func() { _ = subscription.Close() })()

	asked := false
	for {
		message, err := subscription.ReceiveTimeout(ctx, b.opts.Silence)
		var timeout net.Error
		switch {
		case err == nil:
			asked = false
		case !asked && errors.As(err, &timeout) && timeout.Timeout():
			if err := subscription.Ping(ctx); err != nil {
				return fmt.Errorf("ask for a sign of life: %w", err)
			}
			asked = true
			continue
		default:
			return fmt.Errorf("receive: %w", err)
		}
		switch message := message.(type) {
		case *redis.Subscription:
			connected()
		case *redis.Message:
			b.deliver(ctx, message.Payload)
		}
	}
}

// deliver wakes the merchants that another process's message names.
func (b *Bus) deliver(ctx context.Context, message string) {
	sender, merchants, _ := strings.Cut(message, separator)
	if sender != b.self {
		b.local.Publish(ctx, strings.Split(merchants, separator)...)
	}
}
