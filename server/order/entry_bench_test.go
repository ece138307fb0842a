package order_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/order"
)

// createBoth does what CreatePaymentLink does: a link and its order, in one act.
func createBoth(tb testing.TB) (*order.Link, *order.Order) {
	tb.Helper()
	act := order.NewAct(epoch, order.Actor{Kind: order.ByKey, ID: "key_06c8demo"}, order.IDs{Seed: [16]byte{1, 9: 200}, Salt: [16]byte{7}})
	o := newOrder(tb, act)
	link, err := order.CreateLink(act, order.LinkSpec{
		Merchant: "demo", ID: "lnk_1", Kind: order.Dynamic, OrderID: o.ID, Amount: o.Terms.Amount, Capture: order.Automatic,
		Locale: "hy", KeyID: "k1", TokenHash: sha256.Sum256([]byte("token")), ExpiresAt: epoch.Add(time.Hour),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return link, o
}

func BenchmarkCreateAndEncode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		link, o := createBoth(b)
		for _, e := range []*order.Entry{&link.Entries()[0], &o.Entries()[0]} {
			if _, err := e.Encode(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	_, o := createBoth(b)
	e := &o.Entries()[0]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	_, o := createBoth(b)
	stored, err := o.Entries()[0].Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(stored)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := order.Decode(stored); err != nil {
			b.Fatal(err)
		}
	}
}
