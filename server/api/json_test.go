package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
)

// A misspelt field is refused by its name: to pass over capture_mode would take money that was to be held.
func TestJSON_AFieldThatIsNotKnownIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for body, want := range map[string]int{
		`{"order_id":"A-1","captur_mode":"CAPTURE_MODE_MANUAL"}`: http.StatusBadRequest,
		`{"order_id":"A-1"} {}`:                                  http.StatusBadRequest,
		``:                                                       http.StatusBadRequest,
		`{"order_id":"A-1"}`:                                     http.StatusNotFound,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
			doorURL+kvitv1connect.PaymentServiceGetOrderStatusProcedure, strings.NewReader(body))
		must(t, err)
		req.Header.Set("Authorization", "Bearer "+h.secret)
		req.Header.Set("Content-Type", "application/json")
		res, err := h.public.http1.Do(req)
		must(t, err)
		answer, err := io.ReadAll(res.Body)
		must(t, err)
		must(t, res.Body.Close())
		if res.StatusCode != want || strings.Contains(body, "captur_mode") && !contains(string(answer), "captur_mode") {
			t.Errorf("%s is answered %d %s", body, res.StatusCode, answer)
		}
	}
}
