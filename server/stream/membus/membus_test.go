package membus_test

import (
	"testing"

	"github.com/kvitpay/kvit/server/stream/membus"
	"github.com/kvitpay/kvit/server/stream/streamtest"
)

func TestBus(t *testing.T) {
	t.Parallel()
	streamtest.Run(t, func(*testing.T) streamtest.Bus {
		b := membus.New()
		return streamtest.Bus{Here: b, There: b}
	})
}

func TestPublishAll_WakesEveryMerchant(t *testing.T) {
	t.Parallel()
	b := membus.New()
	first, second := b.Subscribe("first"), b.Subscribe("second")
	b.PublishAll()
	for _, s := range []<-chan struct{}{first.C(), second.C()} {
		select {
		case <-s:
		default:
			t.Error("no wake-up")
		}
	}
}
