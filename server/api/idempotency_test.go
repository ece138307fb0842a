package api_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// creation calls CreatePaymentLink and tells whether the answer is marked as a recorded one.
func creation(h *house, request *kvitv1.CreatePaymentLinkRequest, opts ...connect.ClientOption) (*kvitv1.CreatePaymentLinkResponse, bool, error) {
	ctx, info := connect.NewClientContext(context.Background())
	response, err := h.client(opts...).CreatePaymentLink(ctx, request)
	return response, info.ResponseHeader().Get("Idempotency-Replayed") == "true", err
}

func TestCreatePaymentLink_I2_TheSameAgainIsReplayed(t *testing.T) {
	t.Parallel()
	for name, opts := range protocols() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			first, replayed, err := creation(h, dynamic("A-1"), opts...)
			must(t, err)
			if replayed {
				t.Error("the first answer is marked as replayed")
			}
			second, replayed, err := creation(h, dynamic("A-1"), opts...)
			must(t, err)
			if !replayed || second.String() != first.String() || !strings.HasPrefix(second.GetLink().GetUrl(), "http://pay.example/pay/") {
				t.Errorf("replayed is %t with %v, want %v", replayed, second, first)
			}
			changed := dynamic("A-1")
			changed.Amount.MinorUnits++
			_, _, err = creation(h, changed, opts...)
			info, _, _ := oneErrorInfo(t, err, "IDEMPOTENCY_KEY_REUSED")
			wantCode(t, err, connect.CodeFailedPrecondition)
			if info.GetMetadata()["changed_fields"] != "amount.minor_units" {
				t.Errorf("the error names %v", info.GetMetadata())
			}
			changed.IdempotencyKey = "another"
			_, _, err = creation(h, changed, opts...)
			oneErrorInfo(t, err, "ORDER_ID_CONFLICT")
			wantCode(t, err, connect.CodeAlreadyExists)
		})
	}
}

func TestCreatePaymentLink_I2_FiftyAtOnceAreOneAnswerAnd49Replays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var calling sync.WaitGroup
	var mu sync.Mutex
	replays, links := 0, map[string]bool{}
	for range 50 {
		calling.Go(func() {
			response, replayed, err := creation(h, dynamic("A-1"))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			links[response.GetLink().GetUrl()] = true
			if replayed {
				replays++
			}
		})
	}
	calling.Wait()
	if replays != 49 || len(links) != 1 {
		t.Errorf("got %d replays of %d links, want 49 of 1", replays, len(links))
	}
}

// The key may stand in the header, plain or quoted, and means the same there (I1).
func TestIdempotencyKey_I1_HeaderAndFieldAreOne(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	request := func(field string) *kvitv1.CreatePaymentLinkRequest {
		r := dynamic("A-1")
		r.IdempotencyKey = field
		return r
	}
	_, replayed, err := creation(h, request(""), withKey("order A-1"))
	must(t, err)
	if replayed {
		t.Error("the first answer is marked as replayed")
	}
	for _, c := range []struct {
		field string
		opts  []connect.ClientOption
	}{
		{"order A-1", nil},
		{"order A-1", []connect.ClientOption{withKey("order A-1")}},
		{"", []connect.ClientOption{withKey(`"order A-1"`)}},
		{"", []connect.ClientOption{withKey(`"order A-1"`), connect.WithGRPC()}},
	} {
		if _, replayed, err := creation(h, request(c.field), c.opts...); err != nil || !replayed {
			t.Errorf("field %q: replayed is %t (%v)", c.field, replayed, err)
		}
	}
	for header, field := range map[string]string{
		"order A-1": "order A-2", `"order A-1`: "", strings.Repeat("k", 129): "", `"ключ"`: "", `""`: "",
	} {
		_, _, err := creation(h, request(field), withKey(header))
		_, bad, _ := oneErrorInfo(t, err, "REQUEST_INVALID")
		if len(bad.GetFieldViolations()) != 1 || bad.GetFieldViolations()[0].GetField() != "idempotency_key" {
			t.Errorf("header %q with field %q: %v", header, field, bad)
		}
	}
}

// validate_only needs no key, judges as the real call would, and keeps nothing (I2).
func TestCreatePaymentLink_I2_ValidateOnlyKeepsNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	request := dynamic("A-1")
	request.IdempotencyKey, request.ValidateOnly = "", true
	response, _, err := creation(h, request)
	must(t, err)
	if response.GetOrder().GetOrderId() != "A-1" {
		t.Errorf("got %v", response)
	}
	_, err = h.client().GetOrderStatus(t.Context(), &kvitv1.GetOrderStatusRequest{OrderId: "A-1"})
	oneErrorInfo(t, err, "ORDER_NOT_FOUND")
}

func TestRevokeApiKey_A1_EndsAKeyAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	admin := h.keys(h.platform)
	made, err := admin.CreateApiKey(t.Context(), &kvitv1.CreateApiKeyRequest{
		IdempotencyKey: "till-1", MerchantId: merchant, Name: "till", Kind: kvitv1.ApiKeyKind_API_KEY_KIND_MERCHANT,
		Scopes: []string{"orders:read"}, Mode: kvitv1.Mode_MODE_TEST,
	})
	must(t, err)
	if !strings.HasPrefix(made.GetSecret(), "kvit_test_") || made.GetApiKey().GetMerchantId() != merchant {
		t.Errorf("got %v", made.GetApiKey())
	}
	till := h.clientOf(made.GetSecret())
	_, err = till.ListOrders(t.Context(), &kvitv1.ListOrdersRequest{})
	must(t, err)
	_, err = admin.RevokeApiKey(t.Context(), &kvitv1.RevokeApiKeyRequest{
		IdempotencyKey: "lost", MerchantId: merchant, ApiKeyId: made.GetApiKey().GetId(), Reason: "lost",
	})
	must(t, err)
	_, err = till.ListOrders(t.Context(), &kvitv1.ListOrdersRequest{})
	oneErrorInfo(t, err, "API_KEY_INVALID")
	list, err := admin.ListApiKeys(t.Context(), &kvitv1.ListApiKeysRequest{MerchantId: merchant, IncludeRevoked: true})
	must(t, err)
	for _, key := range list.GetApiKeys() {
		if revoked := key.GetRevokedAt() != nil; revoked != (key.GetId() == made.GetApiKey().GetId()) {
			t.Errorf("%s: revoked is %t", key.GetName(), revoked)
		}
	}
}

// A platform key that stands for nobody manages keys and does nothing else.
func TestPlatformKey_A1_StandsForNoMerchant(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, err := h.clientOf(h.platform).GetMerchant(t.Context(), &kvitv1.GetMerchantRequest{})
	oneErrorInfo(t, err, "SCOPE_MISSING")
}

// Keys are managed on the admin port alone, and the public one says so.
func TestPublicDoor_HasNoAccessService(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, opts := range protocols() {
		err := unary[kvitv1.ListApiKeysRequest, kvitv1.ListApiKeysResponse]("/kvit.v1.AccessService/ListApiKeys")(
			h.public.client, &kvitv1.ListApiKeysRequest{}, append(opts, bearing(h.platform))...)
		oneErrorInfo(t, err, "METHOD_NOT_FOUND")
		if connect.CodeOf(err) != connect.CodeUnimplemented {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if got := h.public.fetch(t, http.MethodGet, "/", ""); got.status != http.StatusNotFound {
		t.Errorf("GET /: %v", got)
	}
}
