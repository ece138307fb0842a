package checkout_test

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
)

// BenchmarkPage writes the payer's page through the handler: on a phone, on a wide screen with its
// code, and after the payment. Reading the link is a map's work here.
func BenchmarkPage(b *testing.B) {
	for name, c := range map[string]struct {
		page  payment.Page
		agent string
	}{
		"phone": {offered(), "Mobile"}, "wide": {offered(), "Desktop"}, "paid": {inState(order.Paid), "Mobile"},
	} {
		b.Run(name, func(b *testing.B) {
			h := newHouse(b)
			h.put(tokenOf("page"), c.page)
			door := h.open(rand.Reader)
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/pay/"+tokenOf("page"), http.NoBody)
			r.Header.Set("User-Agent", c.agent)
			r.Header.Set("Accept-Language", "uk-UA,uk;q=0.9,en;q=0.8")
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				door.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
				h.log.Reset()
			}
		})
	}
}
