package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

func credential(merchant, id string) store.Credential {
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	return store.Credential{
		ID: id, Hash: sha256.Sum256([]byte(id)), Kind: store.MerchantKey, Merchant: merchant, Name: "the bot's",
		Scopes: []string{"links:write", "orders:read"}, Live: true, CreatedAt: at, CreatedBy: "key_0", ExpiresAt: at.Add(time.Hour),
	}
}

func audit(merchant, id string) store.Audit {
	return store.Audit{
		ID: id, Merchant: merchant, Actor: order.Actor{Kind: order.ByOperator, ID: "op"}, Act: "key.created",
		Subject: "key_1", Reason: "a new bot",
	}
}

func credentialsKept(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo", "other")
	for i := range 3 {
		c := credential("demo", fmt.Sprintf("key_%d", i))
		c.CreatedAt = c.CreatedAt.Add(time.Duration(i/2) * time.Minute)
		if err := s.AddCredential(m.ctx(), c, audit("demo", "aud_"+c.ID), store.Record{}); err != nil {
			t.Fatal(err)
		}
	}
	credentialsFound(t, m)
	credentialsListed(t, m)
	credentialsRevoked(t, m)
}

func credentialsFound(t *testing.T, m *maker) {
	t.Helper()
	s := m.s
	platform := credential("", "key_p")
	platform.Kind, platform.Scopes, platform.ExpiresAt, platform.CreatedAt = store.PlatformKey, nil, time.Time{}, time.Time{}
	if err := s.AddCredential(m.ctx(), platform, audit("", "aud_p"), store.Record{}); err != nil {
		t.Fatal(err)
	}
	want := credential("demo", "key_1")
	found, err := s.CredentialByHash(m.ctx(), want.Hash)
	if diff := same(want, found); diff != "" || err != nil {
		t.Errorf("%s (%v)", diff, err)
	}
	if p, err := s.CredentialByHash(m.ctx(), platform.Hash); err != nil || p.CreatedAt.IsZero() || !p.ExpiresAt.IsZero() || p.Merchant != "" {
		t.Errorf("the platform's key: %+v (%v)", p, err)
	}
	if _, err := s.CredentialByHash(m.ctx(), [32]byte{1}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no key: %v", err)
	}
}

func credentialsListed(t *testing.T, m *maker) {
	t.Helper()
	listed, err := m.s.ListCredentials(m.ctx(), "demo", store.Page{Limit: 2})
	if err != nil || len(listed) != 2 || listed[0].ID != "key_2" || listed[1].ID != "key_1" {
		t.Fatalf("listed %+v (%v)", listed, err)
	}
	rest, err := m.s.ListCredentials(m.ctx(), "demo", store.Page{Limit: 2, BeforeTime: listed[1].CreatedAt, BeforeID: "key_1"})
	if err != nil || len(rest) != 1 || rest[0].ID != "key_0" {
		t.Errorf("the next page: %+v (%v)", rest, err)
	}
}

func credentialsRevoked(t *testing.T, m *maker) {
	t.Helper()
	s := m.s
	if _, err := s.RevokeCredential(m.ctx(), "other", "key_1", audit("other", "aud_x")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another merchant's key: %v", err)
	}
	first, err := s.RevokeCredential(m.ctx(), "demo", "key_1", audit("demo", "aud_1"))
	if err != nil || first.RevokedAt.IsZero() {
		t.Fatalf("revoked: %+v (%v)", first, err)
	}
	again, err := s.RevokeCredential(m.ctx(), "demo", "key_1", audit("demo", "aud_1")) // Nothing is written twice.
	if diff := same(first, again); diff != "" || err != nil {
		t.Errorf("revoked again: %s (%v)", diff, err)
	}
	if found, err := s.CredentialByHash(m.ctx(), first.Hash); err != nil || !found.RevokedAt.Equal(first.RevokedAt) {
		t.Errorf("a revoked key is found as %+v (%v)", found, err)
	}
}

func credentialsAddedOnce(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	record := store.Record{
		RecordKey: store.RecordKey{Merchant: "demo", Method: "CreateApiKey", Key: "k"}, Fingerprint: []byte("f"), Result: []byte("r"),
	}
	if err := s.AddCredential(m.ctx(), credential("demo", "key_1"), audit("demo", "aud_1"), record); err != nil {
		t.Fatal(err)
	}
	if found, err := s.Recorded(m.ctx(), record.RecordKey); err != nil || string(found.Result) != "r" {
		t.Errorf("recorded %+v (%v)", found, err)
	}
	sameID, sameHash, sameRecord := credential("demo", "key_1"), credential("demo", "key_2"), credential("demo", "key_3")
	sameID.Hash, sameHash.Hash = [32]byte{7}, sha256.Sum256([]byte("key_1"))
	other := record
	other.Key = "other"
	for name, add := range map[string]struct {
		credential store.Credential
		record     store.Record
	}{"id": {sameID, other}, "hash": {sameHash, other}, "record": {sameRecord, record}} {
		err := s.AddCredential(m.ctx(), add.credential, audit("demo", "aud_"+name), add.record)
		if !errors.Is(err, store.ErrRetry) {
			t.Errorf("the same %s: %v", name, err)
		}
	}
	if listed, err := s.ListCredentials(m.ctx(), "demo", store.Page{Limit: 9}); err != nil || len(listed) != 1 {
		t.Errorf("listed %+v (%v)", listed, err)
	}
	if _, err := s.Recorded(m.ctx(), other.RecordKey); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the record of a key that was not added: %v", err)
	}
}

func keysMustFit(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	one, two := []byte("value one"), []byte("value two")
	fits := func(checks map[string][]byte, want bool) {
		t.Helper()
		err := s.EnsureKeys(m.ctx(), checks)
		if want && err != nil || !want && !errors.Is(err, store.ErrKeysDoNotFit) {
			t.Errorf("%v: %v", checks, err)
		}
	}
	fits(map[string][]byte{"k1": one}, true)
	fits(map[string][]byte{"k1": one}, true)
	fits(map[string][]byte{"k1": two}, false)
	fits(map[string][]byte{"k2": two}, false)
	fits(map[string][]byte{"k1": one, "k2": two}, true)
	fits(map[string][]byte{"k1": one}, false)
	fits(map[string][]byte{"k1": two, "k2": two, "k3": one}, false)
	fits(map[string][]byte{"k1": one, "k2": two}, true) // What did not fit added nothing.
}

// oneOfTwoFits starts servers at once whose first keys differ.
func oneOfTwoFits(t *testing.T, s store.Store) {
	t.Helper()
	errs := make(chan error)
	const servers = 6
	for i := range servers {
		go func() { errs <- s.EnsureKeys(t.Context(), map[string][]byte{"k1": {'v', byte(i & 0xff)}}) }()
	}
	fit := 0
	for range servers {
		switch err := <-errs; {
		case err == nil:
			fit++
		case !errors.Is(err, store.ErrKeysDoNotFit):
			t.Error(err)
		}
	}
	if fit != 1 {
		t.Errorf("%d of %d servers with different keys fit", fit, servers)
	}
}

func installationAnswers(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	if err := s.Ping(m.ctx()); err != nil {
		t.Error(err)
	}
	m.create(wish{merchant: "demo", id: "A"})
	if err := s.EnsureMerchants(m.ctx(), []string{"demo", "late", "demo"}); err != nil {
		t.Error(err)
	}
	if m.head() != 2 {
		t.Error("a journal began anew")
	}
	m.create(wish{merchant: "late", id: "A"})
}
