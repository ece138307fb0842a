package kvit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
)

// A CRM watches for paid orders for as long as it runs, and goes on where it was when it starts again. A journal holds test orders
// beside live ones, whatever the key's mode: a test order costs its payer nothing, so that it must grant nothing either.
func ExampleFollow() {
	address, stop := shop()
	defer stop()

	client, err := kvit.New(address, "kvit_test_key")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	start := kvit.FromBeginning()
	if kept, ok := loadCheckpoint(); ok {
		start = kvit.From(kept)
	}
	mine := kvitv1.Mode_MODE_LIVE // Where this program runs for real; GetMerchant tells it of the key.
	grantAccess := func(_ context.Context, event *kvitv1.OrderEvent) error {
		if event.GetOrder().GetMode() != mine {
			return nil // A test: nobody paid.
		}
		fmt.Println(event.GetOrderId(), "is paid:", kvit.FormatMoney(event.GetOrder().GetPaidAmount()))
		if event.GetOrderId() == "A-3" {
			return kvit.ErrStop // An example has to end; a CRM returns nil here too.
		}
		return nil // Any other error ends Follow, and the event comes again next time.
	}
	err = kvit.Follow(context.Background(), client.Payments, start, kvit.Filter{Types: []string{"order.paid"}}, grantAccess,
		kvit.WithCheckpoint(saveCheckpoint))

	if reset, ok := errors.AsType[*kvit.ResetError](err); ok {
		fmt.Println("Compare the orders, then begin again at", reset.OldestCursor)
	}
	// Output:
	// A-1 is paid: 1 500.00 AMD
	// A-3 is paid: 1 500.00 AMD
}

func loadCheckpoint() (kvit.Checkpoint, bool) { return kvit.Checkpoint{}, false }

func saveCheckpoint(context.Context, kvit.Checkpoint) error { return nil }

// A link is made once, however often the call has to be repeated.
func ExampleRetry() {
	address, stop := shop()
	defer stop()

	client, err := kvit.New(address, "kvit_test_key")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	request := &kvitv1.CreatePaymentLinkRequest{
		IdempotencyKey: kvit.NewKey(), // Once, outside of the call.
		Kind:           kvitv1.LinkKind_LINK_KIND_DYNAMIC,
		OrderId:        "A-17",
		Amount:         &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: 150000},
	}
	answer, err := kvit.Retry(context.Background(), kvit.RetryPolicy{},
		func(ctx context.Context) (*kvitv1.CreatePaymentLinkResponse, error) {
			return client.Payments.CreatePaymentLink(ctx, request)
		})
	switch {
	case kvit.Reason(err) == "ORDER_ID_CONFLICT":
		fmt.Println("The order exists with other terms:", kvit.ChangedFields(err))
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("Send this to the payer:", answer.GetLink().GetUrl())
	}
	// Output:
	// Send this to the payer: https://pay.example.com/pay/A-17
}

func ExampleFormatMoney() {
	price, err := kvit.ParseMoney("1500.5 AMD")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(price.GetMinorUnits(), "is", kvit.FormatMoney(price))

	_, err = kvit.ParseMoney("1500.505 AMD")
	fmt.Println(err)
	// Output:
	// 150050 is 1 500.50 AMD
	// amount "1500.505": the currency has 2 decimals
}

// seller is a server in which three orders are paid, the second one for a test.
type seller struct{ fake }

func (*seller) CreatePaymentLink(_ context.Context, request *kvitv1.CreatePaymentLinkRequest) (*kvitv1.CreatePaymentLinkResponse, error) {
	return &kvitv1.CreatePaymentLinkResponse{Link: &kvitv1.Link{Url: "https://pay.example.com/pay/" + request.GetOrderId()}}, nil
}

// shop starts a seller.
func shop() (address string, stop func()) {
	s := &seller{fake: fake{journal: newJournal(3)}}
	s.onStream = func(_ context.Context, _ int, s stream) error {
		paid := events(1, 3)
		for i, event := range paid {
			event.Type = "order.paid"
			event.Order = &kvitv1.Order{PaidAmount: &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: 150000}, Mode: kvitv1.Mode_MODE_LIVE}
			if i == 1 {
				event.Order.Mode = kvitv1.Mode_MODE_TEST
			}
		}
		return s.batch(3, paid...)
	}
	mux := http.NewServeMux()
	mux.Handle(kvitv1connect.NewPaymentServiceHandler(s))
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	return server.URL, server.Close
}
