package writer_test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

const (
	createMethod = "CreatePaymentLink"
	cancelMethod = "CancelOrder"
)

// outcome is what a command found.
type outcome struct {
	replayed bool
	result   string
	runs     int
}

// create makes an order and its link once per key, as the use-case does (I2, O1).
func create(tb testing.TB, merchant, orderID, key string, amount int64) (writer.Command, *outcome) {
	tb.Helper()
	id, err := order.ParseID(orderID)
	if err != nil {
		tb.Fatal(err)
	}
	sum, err := money.New(amount, "AMD")
	if err != nil {
		tb.Fatal(err)
	}
	ids := newIDs(tb)
	linkID := ids.ID("lnk_", 0)
	record := store.RecordKey{Merchant: merchant, Method: createMethod, Key: key}
	out := &outcome{}
	return writer.Command{
		Name: "create_payment_link", Merchant: merchant, Size: 1500,
		Keys: store.Keys{
			Orders:  []store.OrderKey{{Merchant: merchant, ID: orderID}},
			Links:   []store.LinkKey{{Merchant: merchant, ID: linkID}},
			Records: []store.RecordKey{record},
		},
		Decide: func(v *writer.View) error {
			*out = outcome{runs: out.runs + 1}
			if r, found := v.Record(createMethod, key); found {
				out.replayed, out.result = true, string(r.Result)
				return nil
			}
			act := order.NewAct(v.Now(), order.Actor{Kind: order.ByKey, ID: "key_test"}, ids)
			until := v.Now().Add(time.Hour)
			spec := order.Spec{
				Merchant: merchant, ID: id, LinkID: linkID, OfferUntil: until, AcceptUntil: until.Add(time.Hour),
				Terms:   order.Terms{Kind: order.Dynamic, Amount: sum, Capture: order.Automatic},
				Details: order.Details{Description: "A cup of coffee"},
			}
			o := v.Order(id)
			if o != nil {
				if _, err := o.Offer(act, spec); err != nil {
					return err
				}
			} else if o, err = order.Create(act, spec); err != nil {
				return err
			} else {
				l, err := order.CreateLink(act, order.LinkSpec{
					Merchant: merchant, ID: linkID, Kind: order.Dynamic, OrderID: id, Amount: sum, Capture: order.Automatic,
					KeyID: "k1", TokenHash: sha256.Sum256([]byte(linkID)), ExpiresAt: until,
				})
				if err != nil {
					return err
				}
				v.SaveLink(l)
			}
			v.SaveOrder(o)
			out.result = o.LinkID
			v.SaveRecord(store.Record{RecordKey: record, Fingerprint: []byte{1}, Result: []byte(out.result)})
			return nil
		},
	}, out
}

// cancel stops an order.
func cancel(tb testing.TB, merchant, orderID string) writer.Command {
	tb.Helper()
	id, err := order.ParseID(orderID)
	if err != nil {
		tb.Fatal(err)
	}
	ids := newIDs(tb)
	return writer.Command{
		Name: "cancel_order", Merchant: merchant, Size: 500,
		Keys: store.Keys{Orders: []store.OrderKey{{Merchant: merchant, ID: orderID}}},
		Decide: func(v *writer.View) error {
			o := v.Order(id)
			if o == nil {
				return fault.New(fault.NotFound, fault.ReasonOrderNotFound, "No such order.")
			}
			if err := o.Cancel(order.NewAct(v.Now(), order.Actor{Kind: order.ByKey, ID: "key_test"}, ids)); err != nil {
				return err
			}
			v.SaveOrder(o)
			return nil
		},
	}
}

func newIDs(tb testing.TB) order.IDs {
	tb.Helper()
	var ids order.IDs
	for _, part := range [][]byte{ids.Seed[:], ids.Salt[:]} {
		if _, err := rand.Read(part); err != nil {
			tb.Fatal(err)
		}
	}
	return ids
}

// name numbers things: "order-7".
func name(kind string, number int) string { return fmt.Sprint(kind, "-", number) }
