package api_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	pay "github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/api"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/stream/membus"
	"github.com/kvitpay/kvit/server/telemetry"
)

// nothing answers at once: what is measured is the door alone.
type nothing struct{ brokenPayment }

func (nothing) CreateLink(context.Context, payment.Caller, payment.CreateLink) (payment.CreatedLink, bool, error) {
	at := time.Unix(1_800_000_000, 0)
	return payment.CreatedLink{
		Link: payment.LinkInfo{
			ID: "lnk_06c8p3qe0s7jv9q2v1m8k4r5t0", Kind: order.Dynamic, State: order.LinkActive, OrderID: "A-1", Currency: "AMD",
			AmountMinor: 125000, Capture: order.Automatic, ExpiresAt: at, CreatedAt: at, URL: "http://pay.example/pay/0123456789abcdef0123456789",
		},
		Order: &payment.OrderInfo{
			ID: "A-1", Version: 1, Locale: "hy", CreatedAt: at, UpdatedAt: at, Details: order.Details{Description: "Two cinema tickets"},
			View: order.View{
				State: order.Pending, Kind: order.Dynamic, Capture: order.Automatic, Currency: "AMD", AmountMinor: 125000,
				LinkID: "lnk_06c8p3qe0s7jv9q2v1m8k4r5t0", OfferUntil: at, AcceptUntil: at,
			},
		},
	}, false, nil
}

// everybody is a caller who may do everything.
type everybody struct{ api.Access }

func (everybody) Authenticate(context.Context, string) (access.Caller, error) {
	return access.Caller{KeyID: "key_1", Kind: store.MerchantKey, Merchant: merchant, Scopes: access.Scopes()}, nil
}

// sink takes an answer and keeps nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (*sink) WriteHeader(int)               {}
func (*sink) Flush()                        {}

// BenchmarkCreatePaymentLink is the door beside a handler of Connect with nothing around it.
func BenchmarkCreatePaymentLink(b *testing.B) {
	doors, err := api.New(api.Needs{
		Payment: nothing{}, Access: everybody{}, Bus: membus.New(), Metrics: telemetry.NewMetrics(), Now: time.Now,
		Logger: telemetry.NewLogger(io.Discard, slog.LevelInfo, telemetry.FormatJSON),
	})
	must(b, err)
	b.Cleanup(doors.Close)
	response := &kvitv1.CreatePaymentLinkResponse{}
	empty := connect.NewUnaryHandlerSimple(pay.PaymentServiceCreatePaymentLinkProcedure,
		func(context.Context, *kvitv1.CreatePaymentLinkRequest) (*kvitv1.CreatePaymentLinkResponse, error) {
			return response, nil
		},
		connect.WithCompressMinBytes(4096))
	for _, c := range []struct {
		name    string
		handler http.Handler
	}{{"door", doors.Public}, {"empty", empty}} {
		b.Run(c.name, func(b *testing.B) {
			body, err := proto.Marshal(dynamic("A-1"))
			must(b, err)
			b.ReportAllocs()
			for b.Loop() {
				request, err := http.NewRequestWithContext(b.Context(), http.MethodPost,
					pay.PaymentServiceCreatePaymentLinkProcedure, bytes.NewReader(body))
				must(b, err)
				request.Header["Content-Type"] = []string{"application/proto"}
				request.Header["Authorization"] = []string{"Bearer key"}
				c.handler.ServeHTTP(&sink{http.Header{}}, request)
			}
		})
	}
}
