package api_test

import (
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	pay "github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
)

// Who sends a request drop by drop is cut off, with a key or without one, over either protocol.
func TestDoor_GivesUpOnWhatDoesNotArrive(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string]bool{"with a key": true, "without": false} {
		for _, http1 := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				body, drops := io.Pipe()
				defer func() { _ = drops.Close() }()
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, doorURL+pay.PaymentServiceCreatePaymentLinkProcedure, body)
				must(t, err)
				request.ContentLength = 1000
				request.Header.Set("Content-Type", "application/json")
				if secret {
					request.Header.Set("Authorization", "Bearer "+h.secret)
				}
				client := h.public.client
				if http1 {
					client = h.public.http1
				}
				began := time.Now()
				response, err := client.Do(request)
				if err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
					if response.StatusCode < http.StatusBadRequest {
						t.Errorf("%s, HTTP/1.1 %v: status %d", name, http1, response.StatusCode)
					}
				}
				if took := time.Since(began); took > time.Minute {
					t.Errorf("%s, HTTP/1.1 %v: it was given up after %v", name, http1, took)
				}
			})
		}
	}
}

// A call may take longer than its request may take to arrive (S3).
func TestDoor_WaitsForEventsOverHTTP1(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		body, drops := io.Pipe()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, doorURL+pay.PaymentServiceListOrderEventsProcedure, body)
		must(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+h.secret)
		go func() {
			_, _ = io.Copy(drops, strings.NewReader(`{"from":"STREAM_FROM_NOW",`))
			time.Sleep(20 * time.Second)
			_, _ = io.Copy(drops, strings.NewReader(`"wait":"25s"}`))
			_ = drops.Close()
		}()
		response, err := h.public.http1.Do(request)
		must(t, err)
		text, err := io.ReadAll(response.Body)
		must(t, err)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK || !strings.Contains(string(text), "nextCursor") {
			t.Errorf("got %d %s", response.StatusCode, text)
		}
	})
}

// An instant that cannot be is refused, and never taken for one that was not sent or for another (E1).
func TestTimes_E1_RefusesWhatIsNoInstant(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	client := h.client()
	refused := func(what string, err error) {
		t.Helper()
		_, bad, _ := oneErrorInfo(t, err, "REQUEST_INVALID")
		if field := bad.GetFieldViolations()[0].GetField(); !strings.HasSuffix(what, ": "+field) {
			t.Errorf("%s: the field %s is refused", what, field)
		}
	}
	for name, at := range map[string]*timestamppb.Timestamp{
		"the zero time":        {Seconds: -62135596800},
		"the last second":      {Seconds: math.MaxInt64},
		"the first second":     {Seconds: math.MinInt64},
		"negative nanoseconds": {Seconds: time.Now().Unix() + 3600, Nanos: -1},
		"too many nanoseconds": {Seconds: time.Now().Unix() + 3600, Nanos: 1e9},
	} {
		_, err := client.CreatePaymentLink(t.Context(), &kvitv1.CreatePaymentLinkRequest{
			IdempotencyKey: "k", Kind: kvitv1.LinkKind_LINK_KIND_DYNAMIC, OrderId: "A-1",
			Amount: &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: 1}, ExpiresAt: at,
		})
		refused(name+": expires_at", err)
		_, err = client.ListOrders(t.Context(), &kvitv1.ListOrdersRequest{CreatedAfter: at})
		refused(name+": created_after", err)
		_, err = client.ListPaymentLinks(t.Context(), &kvitv1.ListPaymentLinksRequest{CreatedBefore: at})
		refused(name+": created_before", err)
	}
}
