package access_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"

	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/store/sqlstore"
)

// house is one database with as many servers over it as a test asks for.
type house struct {
	store *counted
	keys  *seal.Keyring
	// dir holds the files of a SQLite database; empty on PostgreSQL.
	dir string
	sql *sqlx.DB
	now atomic.Pointer[time.Time]
}

func (h *house) clock() time.Time { return *h.now.Load() }

func (h *house) pass(d time.Duration) {
	later := h.clock().Add(d)
	h.now.Store(&later)
}

// counted counts the questions about keys, and can be away.
type counted struct {
	store.Store

	lookups atomic.Int64
	away    atomic.Bool
	// found is called when a key was looked up, before the answer is given.
	found atomic.Pointer[func()]
}

var errAway = errors.New("the test took the store away")

func (c *counted) CredentialByHash(ctx context.Context, hash [32]byte) (store.Credential, error) {
	c.lookups.Add(1)
	if c.away.Load() {
		return store.Credential{}, errAway
	}
	credential, err := c.Store.CredentialByHash(ctx, hash)
	if found := c.found.Load(); found != nil {
		(*found)()
	}
	return credential, err
}

func newIDs() order.IDs {
	ids := order.IDs{Seed: uuid.Must(uuid.NewV7())}
	_, _ = rand.Read(ids.Salt[:])
	return ids
}

// service is one more server over the house's database.
func (h *house) service(merchants ...string) *access.Service {
	return access.New(access.Needs{
		Store: h.store, Keys: h.keys, IDs: newIDs, Random: rand.Reader, Now: h.clock, Merchants: merchants,
	})
}

func open(t *testing.T, databaseURL string) *house {
	t.Helper()
	h := &house{}
	start := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	h.now.Store(&start)
	text, err := seal.Generate("first", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if h.keys, err = seal.Parse(text); err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.Open(t.Context(), sqlstore.Settings{
		URL: databaseURL, Sealer: h.keys, Logger: slog.New(slog.DiscardHandler), Now: h.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.store = &counted{Store: s}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.EnsureMerchants(t.Context(), []string{"demo", "other"}); err != nil {
		t.Fatal(err)
	}
	return h
}

func onSQLite(t *testing.T) *house {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "kvit.db")
	h := open(t, path)
	h.dir = dir
	h.sql = connect(t, "sqlite", path)
	return h
}

// onPostgres makes a schema of the test's own.
func onPostgres(t *testing.T) *house {
	t.Helper()
	text := os.Getenv("KVIT_TEST_POSTGRES_URL")
	if text == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("KVIT_TEST_POSTGRES_URL is not set")
		}
		t.Skip("KVIT_TEST_POSTGRES_URL is not set")
	}
	admin, err := pgx.Connect(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	schema := "access_" + hex.EncodeToString(random)
	if _, err := admin.Exec(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() {
		_, err := admin.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE")
		if err := errors.Join(err, admin.Close(ctx)); err != nil {
			t.Errorf("drop the test's schema: %v", err)
		}
	})
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	h := open(t, u.String())
	h.sql = connect(t, "pgx", u.String())
	return h
}

func connect(t *testing.T, driver, source string) *sqlx.DB {
	t.Helper()
	db, err := sqlx.ConnectContext(t.Context(), driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// onEach runs a test on every engine.
func onEach(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	for engine, openOn := range map[string]func(*testing.T) *house{"sqlite": onSQLite, "postgres": onPostgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, openOn(t))
		})
	}
}

var platform = access.Caller{KeyID: "key_platform", Kind: store.PlatformKey}

func merchantKey(live bool, scopes ...access.Scope) access.Caller {
	return access.Caller{KeyID: "key_merchant", Kind: store.MerchantKey, Merchant: "demo", Live: live, Scopes: scopes}
}

func forDemo(key string) access.CreateKey {
	return access.CreateKey{
		IdempotencyKey: key, Merchant: "demo", Kind: store.MerchantKey, Name: "the shop's bot",
		Scopes: []access.Scope{access.OrdersRead, access.LinksWrite},
	}
}

func create(t *testing.T, s *access.Service, caller access.Caller, in access.CreateKey) access.CreatedKey {
	t.Helper()
	created, replayed, err := s.CreateKey(t.Context(), caller, in)
	if err != nil || replayed {
		t.Fatalf("create a key: replayed %t, %v", replayed, err)
	}
	return created
}

func wantReason(t *testing.T, err error, kind fault.Kind, reason fault.Reason) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || fault.ReasonOf(err) != reason {
		t.Fatalf("got %v, want %s %s", err, kind, reason)
	}
}

func TestCreateKey_A1_ANewKeyIsRecognised(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, h *house) {
		t.Helper()
		s := h.service("demo")
		for live, prefix := range map[bool]string{false: "kvit_test_", true: "kvit_live_"} {
			in := forDemo("k-" + prefix)
			in.Live = live
			made := create(t, s, platform, in)
			if !strings.HasPrefix(made.Secret, prefix) || !slices.IsSorted(made.Key.Scopes) || made.Key.CreatedAt.IsZero() {
				t.Fatalf("%+v", made)
			}
			who, err := s.Authenticate(t.Context(), made.Secret)
			if err != nil || who.KeyID != made.Key.ID || who.Merchant != "demo" || who.Live != live || who.Kind != store.MerchantKey {
				t.Fatalf("%+v %v", who, err)
			}
			if err := who.Need(access.OrdersRead); err != nil {
				t.Fatal(err)
			}
			wantReason(t, who.Need(access.OrdersWrite), fault.Denied, fault.ReasonScopeMissing)
			e := fault.As(who.Need(access.OrdersWrite))
			if e.Metadata()["scope"] != "orders:write" {
				t.Fatalf("metadata %v", e.Metadata())
			}
		}
		edge := create(t, s, platform, access.CreateKey{
			IdempotencyKey: "e", Kind: store.EdgeKey, Name: "edge", Scopes: []access.Scope{access.CallbacksDeliver},
		})
		who, err := s.Authenticate(t.Context(), edge.Secret)
		if err != nil || who.Merchant != "" || who.Kind != store.EdgeKey || !strings.HasPrefix(edge.Secret, "kvit_edge_") {
			t.Fatalf("%+v %v", who, err)
		}
		if who.Need(access.LinksWrite) == nil || who.Need(access.CallbacksDeliver) != nil {
			t.Fatal("an edge key may do something else, or not its work")
		}
	})
}

func TestCreateKey_A1_NobodyMakesAStrongerKey(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := h.service("demo", "other")
	keeper := []access.Scope{access.KeysWrite, access.OrdersRead, access.LinksWrite}
	cases := map[string]struct {
		caller access.Caller
		change func(*access.CreateKey)
		kind   fault.Kind
		reason fault.Reason
	}{
		"without keys:write":             {merchantKey(true, access.OrdersRead), nil, fault.Denied, fault.ReasonScopeMissing},
		"an edge key makes a key":        {access.Caller{Kind: store.EdgeKey, Scopes: []access.Scope{access.CallbacksDeliver}}, nil, fault.Denied, fault.ReasonScopeMissing},
		"a scope that the caller lacks":  {merchantKey(true, access.KeysWrite), nil, fault.Denied, fault.ReasonScopeMissing},
		"a test key makes a live one":    {merchantKey(false, keeper...), func(in *access.CreateKey) { in.Live = true }, fault.Denied, fault.ReasonScopeMissing},
		"another merchant":               {merchantKey(true, keeper...), func(in *access.CreateKey) { in.Merchant = "other" }, fault.Denied, fault.ReasonScopeMissing},
		"a merchant's key makes an edge": {merchantKey(true, append(keeper, access.CallbacksDeliver)...), edge, fault.Denied, fault.ReasonScopeMissing},
		"a platform key":                 {platform, func(in *access.CreateKey) { in.Kind = store.PlatformKey }, fault.Invalid, fault.ReasonRequestInvalid},
		"no kind":                        {platform, func(in *access.CreateKey) { in.Kind = "" }, fault.Invalid, fault.ReasonRequestInvalid},
		"nobody's merchant key":          {platform, func(in *access.CreateKey) { in.Merchant = "" }, fault.Invalid, fault.ReasonRequestInvalid},
		"an unknown merchant":            {platform, func(in *access.CreateKey) { in.Merchant = "nobody" }, fault.NotFound, fault.ReasonMerchantNotFound},
		"no scopes":                      {platform, func(in *access.CreateKey) { in.Scopes = nil }, fault.Invalid, fault.ReasonRequestInvalid},
		"an unknown scope":               {platform, func(in *access.CreateKey) { in.Scopes = []access.Scope{"everything"} }, fault.Invalid, fault.ReasonRequestInvalid},
		"a merchant key that delivers":   {platform, func(in *access.CreateKey) { in.Scopes = []access.Scope{access.CallbacksDeliver} }, fault.Invalid, fault.ReasonRequestInvalid},
		"an edge key with more":          {platform, func(in *access.CreateKey) { edge(in); in.Scopes = append(in.Scopes, access.OrdersRead) }, fault.Invalid, fault.ReasonRequestInvalid},
		"an edge key of a merchant":      {platform, func(in *access.CreateKey) { edge(in); in.Merchant = "demo" }, fault.Invalid, fault.ReasonRequestInvalid},
	}
	for name, c := range cases {
		in := forDemo("k-1")
		if c.change != nil {
			c.change(&in)
		}
		made, _, err := s.CreateKey(t.Context(), c.caller, in)
		if err == nil || fault.KindOf(err) != c.kind || fault.ReasonOf(err) != c.reason || made.Secret != "" {
			t.Errorf("%s: %v, want %s %s", name, err, c.kind, c.reason)
		}
	}
	// The merchant may be left out by its own key, and what it may do itself it may give.
	in := forDemo("k-1")
	in.Merchant, in.Live = "", true
	if made := create(t, s, merchantKey(true, keeper...), in); made.Key.Merchant != "demo" {
		t.Fatalf("%+v", made.Key)
	}
	if n := h.count(t, "credentials"); n != 1 {
		t.Fatalf("%d keys are there, want the last one alone", n)
	}
}

func edge(in *access.CreateKey) {
	in.Kind, in.Merchant, in.Scopes = store.EdgeKey, "", []access.Scope{access.CallbacksDeliver}
}

func (h *house) count(t *testing.T, table string) int {
	t.Helper()
	var n int
	if err := h.sql.GetContext(t.Context(), &n, "SELECT count(*) FROM "+table); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCreateKey_A1_NoSecretIsInTheFiles(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := h.service("demo")
	made := create(t, s, platform, forDemo("k-1"))
	if again, replayed, err := s.CreateKey(t.Context(), platform, forDemo("k-1")); err != nil || !replayed || again.Secret != made.Secret {
		t.Fatalf("the record is not there: replayed %t, %v", replayed, err)
	}
	bootstrap := newPlatformKey(t)
	if err := s.Bootstrap(t.Context(), bootstrap); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(h.dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	found := false
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{made.Secret, bootstrap} {
			body := secret[strings.LastIndexByte(secret, '_')+1:]
			if bytes.Contains(content, []byte(body[:20])) || bytes.Contains(content, []byte(body[20:])) {
				t.Errorf("%s holds a secret", filepath.Base(file))
			}
		}
		found = found || bytes.Contains(content, []byte(made.Key.ID))
	}
	if !found {
		t.Error("the files do not even hold the key's id: the test looks at the wrong ones")
	}
}

func newPlatformKey(t *testing.T) string {
	t.Helper()
	secret, _, err := seal.NewAPIKey(seal.APIKeyPlatform, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestCreateKey_I2_AReusedIdempotencyKeyNamesWhatChanged(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := h.service("demo", "other")
	create(t, s, platform, forDemo("k-1"))
	changes := map[string]func(*access.CreateKey){
		"name":   func(in *access.CreateKey) { in.Name = "other" },
		"scopes": func(in *access.CreateKey) { in.Scopes = []access.Scope{access.OrdersRead} },
		"mode":   func(in *access.CreateKey) { in.Live = true },
	}
	for field, change := range changes {
		in := forDemo("k-1")
		change(&in)
		_, replayed, err := s.CreateKey(t.Context(), platform, in)
		wantReason(t, err, fault.Precondition, fault.ReasonIdempotencyKeyReused)
		e := fault.As(err)
		if e.Metadata()["changed_fields"] != field || replayed {
			t.Errorf("%s: %v replayed=%t", field, e.Metadata(), replayed)
		}
	}
	// The order of scopes means nothing.
	in := forDemo("k-1")
	slices.Reverse(in.Scopes)
	if _, replayed, err := s.CreateKey(t.Context(), platform, in); err != nil || !replayed {
		t.Errorf("scopes in another order: replayed %t, %v", replayed, err)
	}
	// A secret is shown again to the caller who made it and to nobody else.
	keeper := merchantKey(false, access.KeysWrite, access.OrdersRead, access.LinksWrite)
	made, _, err := s.CreateKey(t.Context(), keeper, forDemo("k-1"))
	wantReason(t, err, fault.Precondition, fault.ReasonIdempotencyKeyReused)
	e := fault.As(err)
	if e.Metadata()["changed_fields"] != "authorization" || made.Secret != "" {
		t.Errorf("another caller: %v", e.Metadata())
	}
	// Another merchant's idempotency keys are its own.
	in = forDemo("k-1")
	in.Merchant = "other"
	create(t, s, platform, in)
}

func TestCreateKey_I2_FiftyAtOnceAreOneKey(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, h *house) {
		t.Helper()
		servers := []*access.Service{h.service("demo"), h.service("demo"), h.service("demo")}
		const callers = 50
		var fresh atomic.Int64
		secrets := make([]string, callers)
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				made, replayed, err := servers[i%3].CreateKey(t.Context(), platform, forDemo("k-1"))
				if err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
				if !replayed {
					fresh.Add(1)
				}
				secrets[i] = made.Secret
			})
		}
		all.Wait()
		if len(slices.Compact(secrets)) != 1 || fresh.Load() != 1 {
			t.Fatalf("%d new answers", fresh.Load())
		}
		if keys, acts := h.count(t, "credentials"), h.count(t, "audit"); keys != 1 || acts != 1 {
			t.Fatalf("%d keys and %d audit entries", keys, acts)
		}
	})
}

func TestRevokeKey_A1_EndsAtOnceHereAndSoonElsewhere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, h *house) {
		t.Helper()
		here, there := h.service("demo"), h.service("demo")
		made := create(t, here, platform, forDemo("k-1"))
		for _, s := range []*access.Service{here, there} {
			if _, err := s.Authenticate(t.Context(), made.Secret); err != nil {
				t.Fatal(err)
			}
		}
		revoked, err := here.RevokeKey(t.Context(), platform, "demo", made.Key.ID, "it leaked")
		if err != nil || revoked.RevokedAt.IsZero() || revoked.ID != made.Key.ID {
			t.Fatalf("%+v %v", revoked, err)
		}
		_, err = here.Authenticate(t.Context(), made.Secret)
		wantReason(t, err, fault.Unauthenticated, fault.ReasonAPIKeyInvalid)
		h.pass(access.KnownFor)
		_, err = there.Authenticate(t.Context(), made.Secret)
		wantReason(t, err, fault.Unauthenticated, fault.ReasonAPIKeyInvalid)

		again, err := there.RevokeKey(t.Context(), platform, "demo", made.Key.ID, "again")
		if err != nil || !again.RevokedAt.Equal(revoked.RevokedAt) {
			t.Fatalf("revoked twice: %+v %v", again, err)
		}
		// The repeat of the creation tells what was made; the key stays ended.
		if _, replayed, err := here.CreateKey(t.Context(), platform, forDemo("k-1")); err != nil || !replayed {
			t.Fatalf("replayed %t, %v", replayed, err)
		}
		_, err = here.Authenticate(t.Context(), made.Secret)
		wantReason(t, err, fault.Unauthenticated, fault.ReasonAPIKeyInvalid)
	})
}

func TestRevokeKey_A1_ALookupUnderWayIsNotRemembered(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := h.service("demo")
	made := create(t, s, platform, forDemo("k-1"))
	end := func() {
		if _, err := s.RevokeKey(t.Context(), platform, "demo", made.Key.ID, ""); err != nil {
			t.Error(err)
		}
	}
	h.store.found.Store(&end)
	if _, err := s.Authenticate(t.Context(), made.Secret); err != nil {
		t.Fatalf("the call that began before: %v", err)
	}
	_, err := s.Authenticate(t.Context(), made.Secret)
	wantReason(t, err, fault.Unauthenticated, fault.ReasonAPIKeyInvalid)
}

func TestRevokeKey_A1_OthersKeysAreNotFound(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := h.service("demo", "other")
	made := create(t, s, platform, forDemo("k-1"))
	stranger := access.Caller{KeyID: "key_other", Kind: store.MerchantKey, Merchant: "other", Scopes: []access.Scope{access.KeysWrite}}
	_, err := s.RevokeKey(t.Context(), stranger, "", made.Key.ID, "")
	wantReason(t, err, fault.NotFound, fault.ReasonAPIKeyNotFound)
	_, err = s.RevokeKey(t.Context(), stranger, "demo", made.Key.ID, "")
	wantReason(t, err, fault.Denied, fault.ReasonScopeMissing)
	_, err = s.RevokeKey(t.Context(), merchantKey(true, access.OrdersRead), "", made.Key.ID, "")
	wantReason(t, err, fault.Denied, fault.ReasonScopeMissing)
	_, err = s.RevokeKey(t.Context(), platform, "nobody", made.Key.ID, "")
	wantReason(t, err, fault.NotFound, fault.ReasonMerchantNotFound)
	if _, err := s.Authenticate(t.Context(), made.Secret); err != nil {
		t.Fatalf("a stranger ended the key: %v", err)
	}
	// A merchant that left the settings leaves no key behind that cannot be ended.
	if _, err := h.service().RevokeKey(t.Context(), platform, "demo", made.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
}

func TestRevokeKey_A1_APlatformKeyEndsKeysOfTheInstallation(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := h.service("demo")
	in := access.CreateKey{IdempotencyKey: "e", Name: "edge"}
	edge(&in)
	made := create(t, s, platform, in)
	keys, _, err := s.ListKeys(t.Context(), platform, "", false, 0, "")
	if err != nil || len(keys) != 1 || keys[0].ID != made.Key.ID {
		t.Fatalf("%+v %v", keys, err)
	}
	demo := platform
	demo.Merchant = "demo" // It stands for a merchant, and is a platform key all the same.
	if _, err := s.RevokeKey(t.Context(), demo, "", made.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	_, err = s.Authenticate(t.Context(), made.Secret)
	wantReason(t, err, fault.Unauthenticated, fault.ReasonAPIKeyInvalid)
}

func TestAuthenticate_A1_ExpiredKeysEndToTheSecond(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := h.service("demo")
	secret, key, err := seal.NewAPIKey(seal.APIKeyTest, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	err = h.store.AddCredential(t.Context(), store.Credential{
		ID: key.ID, Hash: key.Hash, Kind: store.MerchantKey, Merchant: "demo", Scopes: []string{"orders:read"},
		ExpiresAt: h.clock().Add(2 * time.Second),
	}, store.Audit{ID: "aud_1", Act: "key.created"}, store.Record{})
	if err != nil {
		t.Fatal(err)
	}
	h.pass(time.Second)
	if _, err := s.Authenticate(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	h.pass(time.Second) // Less than a recognised key is believed without asking.
	_, err = s.Authenticate(t.Context(), secret)
	wantReason(t, err, fault.Unauthenticated, fault.ReasonAPIKeyInvalid)
}

func TestAuthenticate_WhatCannotBeAKeyAsksNobody(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := h.service("demo")
	made := create(t, s, platform, forDemo("k-1"))
	_, err := s.Authenticate(t.Context(), "")
	wantReason(t, err, fault.Unauthenticated, fault.ReasonAPIKeyMissing)
	broken := []string{
		"x", "kvit_test_", made.Secret[:len(made.Secret)-1], made.Secret + "0", " " + made.Secret, strings.ToUpper(made.Secret),
		strings.Replace(made.Secret, "kvit_test_", "kvit_live_", 1), strings.Repeat("kvit_test_", 10_000), "kvit_test_\x00" + made.Secret[11:],
	}
	for _, secret := range broken {
		_, err := s.Authenticate(t.Context(), secret)
		wantReason(t, err, fault.Unauthenticated, fault.ReasonAPIKeyInvalid)
		e := fault.As(err)
		if strings.Contains(e.Error(), made.Secret[12:30]) {
			t.Errorf("the refusal tells the secret: %v", e)
		}
	}
	if n := h.store.lookups.Load(); n != 0 {
		t.Fatalf("the database was asked %d times", n)
	}
	for range 3 {
		if _, err := s.Authenticate(t.Context(), made.Secret); err != nil {
			t.Fatal(err)
		}
	}
	if n := h.store.lookups.Load(); n != 1 {
		t.Fatalf("a known key was looked up %d times", n)
	}
}

func TestAuthenticate_GuessesAreNotRemembered(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := h.service("demo")
	for range 20 {
		_, err := s.Authenticate(t.Context(), newPlatformKey(t))
		wantReason(t, err, fault.Unauthenticated, fault.ReasonAPIKeyInvalid)
	}
	if n := s.Known(); n != 0 {
		t.Fatalf("%d guesses are remembered", n)
	}
}

func TestAuthenticate_AStoreThatIsAwayIsNotAnUnknownKey(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := h.service("demo")
	made := create(t, s, platform, forDemo("k-1"))
	h.store.away.Store(true)
	_, err := s.Authenticate(t.Context(), made.Secret)
	wantReason(t, err, fault.Unavailable, fault.ReasonStoreUnavailable)
	e := fault.As(err)
	if e.RetryDelay() <= 0 || strings.Contains(e.Message(), errAway.Error()) {
		t.Fatalf("%+v", e)
	}
	h.store.away.Store(false)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Authenticate(gone, made.Secret)
	wantReason(t, err, fault.Unavailable, fault.ReasonCancelled)
	if _, err := s.Authenticate(t.Context(), made.Secret); err != nil {
		t.Fatalf("after the trouble: %v", err)
	}
	h.store.away.Store(true)
	if _, err := s.Authenticate(t.Context(), made.Secret); err != nil {
		t.Fatalf("a known key needs no database: %v", err)
	}
}

// act is a row of the audit table.
type act struct {
	Merchant  string `db:"merchant"`
	ActorKind string `db:"actor_kind"`
	ActorID   string `db:"actor_id"`
	Act       string `db:"act"`
	Subject   string `db:"subject"`
	Reason    string `db:"reason"`
}

func (h *house) acts(t *testing.T) []act {
	t.Helper()
	var acts []act
	err := h.sql.SelectContext(t.Context(), &acts,
		"SELECT merchant, actor_kind, actor_id, act, subject, reason FROM audit ORDER BY at, id")
	if err != nil {
		t.Fatal(err)
	}
	return acts
}

func TestKeys_X3_EveryActIsOnRecordOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, h *house) {
		t.Helper()
		s := h.service("demo")
		secret := newPlatformKey(t)
		for range 2 {
			if err := s.Bootstrap(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
		}
		who, err := s.Authenticate(t.Context(), secret)
		if err != nil || who.Kind != store.PlatformKey {
			t.Fatalf("%+v %v", who, err)
		}
		h.pass(time.Second)
		made := create(t, s, who, forDemo("k-1"))
		if _, _, err := s.CreateKey(t.Context(), who, forDemo("k-1")); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Second)
		for range 2 {
			if _, err := s.RevokeKey(t.Context(), who, "demo", made.Key.ID, "it leaked"); err != nil {
				t.Fatal(err)
			}
		}
		want := []act{
			{"", "SYSTEM", "start", "key.created", who.KeyID, "bootstrap"},
			{"demo", "API_KEY", who.KeyID, "key.created", made.Key.ID, "the shop's bot"},
			{"demo", "API_KEY", who.KeyID, "key.revoked", made.Key.ID, "it leaked"},
		}
		if got := h.acts(t); !slices.Equal(got, want) {
			t.Fatalf("the audit table holds\n%+v, want\n%+v", got, want)
		}
	})
}

func TestKeys_X3_WithoutItsAuditEntryNothingHappens(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := h.service("demo")
	made := create(t, s, platform, forDemo("k-1"))
	if _, err := h.sql.ExecContext(t.Context(), "CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'broken'); END"); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.CreateKey(t.Context(), platform, forDemo("k-2"))
	wantReason(t, err, fault.Unavailable, fault.ReasonStoreUnavailable)
	_, err = s.RevokeKey(t.Context(), platform, "demo", made.Key.ID, "")
	wantReason(t, err, fault.Unavailable, fault.ReasonStoreUnavailable)
	if keys, records := h.count(t, "credentials"), h.count(t, "records"); keys != 1 || records != 1 {
		t.Fatalf("%d keys and %d records without an audit entry", keys, records)
	}
	if _, err := s.Authenticate(t.Context(), made.Secret); err != nil {
		t.Fatalf("revoked without an audit entry: %v", err)
	}
}

func TestBootstrap_ServersThatStartAtOnceKeepOneKey(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, h *house) {
		t.Helper()
		secret := newPlatformKey(t)
		var all sync.WaitGroup
		for range 12 {
			all.Go(func() {
				if err := h.service("demo").Bootstrap(t.Context(), secret); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if keys, acts := h.count(t, "credentials"), h.count(t, "audit"); keys != 1 || acts != 1 {
			t.Fatalf("%d keys and %d audit entries", keys, acts)
		}
		if _, err := h.service("demo").Authenticate(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	})
}

// losing loses every race to add a key.
type losing struct{ access.Store }

func (losing) AddCredential(context.Context, store.Credential, store.Audit, store.Record) error {
	return store.ErrRetry
}

func TestBootstrap_ALostRaceThatNobodyWonIsAFault(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := access.New(access.Needs{Store: losing{h.store}, Keys: h.keys, IDs: newIDs, Random: rand.Reader, Now: h.clock, Merchants: []string{"demo"}})
	if err := s.Bootstrap(t.Context(), newPlatformKey(t)); err == nil {
		t.Fatal("the server starts without its platform key")
	}
	_, _, err := s.CreateKey(t.Context(), platform, forDemo("k-1"))
	wantReason(t, err, fault.Unavailable, fault.ReasonStoreUnavailable)
}

// overtaken adds a key and says that another was faster, as if it had been.
type overtaken struct{ access.Store }

func (o overtaken) AddCredential(ctx context.Context, c store.Credential, a store.Audit, r store.Record) error {
	return errors.Join(o.Store.AddCredential(ctx, c, a, r), store.ErrRetry)
}

func TestBootstrap_ALostRaceIsAskedAbout(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := access.New(access.Needs{Store: overtaken{h.store}, Keys: h.keys, IDs: newIDs, Random: rand.Reader, Now: h.clock, Merchants: []string{"demo"}})
	if err := s.Bootstrap(t.Context(), newPlatformKey(t)); err != nil {
		t.Fatal(err)
	}
	made, replayed, err := s.CreateKey(t.Context(), platform, forDemo("k-1"))
	if err != nil || !replayed || made.Secret == "" {
		t.Fatalf("replayed %t, %v", replayed, err)
	}
	if n := h.count(t, "credentials"); n != 2 {
		t.Fatalf("%d keys, want the bootstrap key and one", n)
	}
}

func TestBootstrap_RefusesWhatIsNoPlatformKeyAndWhatWasRevoked(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := h.service("demo")
	made := create(t, s, platform, forDemo("k-1"))
	for _, secret := range []string{"", "kvit_platform_x", made.Secret} {
		wantReason(t, s.Bootstrap(t.Context(), secret), fault.Invalid, fault.ReasonAPIKeyInvalid)
	}
	secret := newPlatformKey(t)
	if err := s.Bootstrap(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	who, err := s.Authenticate(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RevokeKey(t.Context(), who, "", who.KeyID, "it leaked"); err != nil {
		t.Fatal(err)
	}
	wantReason(t, s.Bootstrap(t.Context(), secret), fault.Invalid, fault.ReasonAPIKeyInvalid)
	_, err = s.Authenticate(t.Context(), secret)
	wantReason(t, err, fault.Unauthenticated, fault.ReasonAPIKeyInvalid)
}

func TestAuthenticate_TheBootstrapKeyStandsForTheDemoMerchant(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := access.New(access.Needs{
		Store: h.store, Keys: h.keys, IDs: newIDs, Random: rand.Reader, Now: h.clock, Merchants: []string{"demo"}, DemoMerchant: "demo",
	})
	secret := newPlatformKey(t)
	if err := s.Bootstrap(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	who, err := s.Authenticate(t.Context(), secret)
	if err != nil || who.Merchant != "demo" || who.Live {
		t.Fatalf("%+v %v", who, err)
	}
	in := forDemo("k-1")
	in.Merchant = ""
	if made := create(t, s, who, in); made.Key.Merchant != "demo" {
		t.Fatalf("%+v", made.Key)
	}
}

func TestListKeys_PagesAreFullAndHoldEachKeyOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, h *house) {
		t.Helper()
		s := h.service("demo")
		var want []string
		for i := range 11 {
			if i%2 == 0 {
				h.pass(time.Second) // Some are of the same instant.
			}
			made := create(t, s, platform, forDemo(string(rune('a'+i))))
			if i == 0 || i > 6 { // The newest are ended, and so is the oldest.
				if _, err := s.RevokeKey(t.Context(), platform, "demo", made.Key.ID, ""); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want = append(want, made.Key.ID)
		}
		seen, pages := list(t, s, false, 3)
		slices.Sort(seen)
		slices.Sort(want)
		if !slices.Equal(seen, want) || pages != 2 {
			t.Fatalf("%d pages hold %v, want 2 with %v", pages, seen, want)
		}
		if all, _ := list(t, s, true, 4); len(all) != 11 {
			t.Fatalf("%d of 11 keys", len(all))
		}
	})
}

// list reads all pages, and checks that every page but the last is full.
func list(t *testing.T, s *access.Service, revoked bool, size int) (ids []string, pages int) {
	t.Helper()
	token := ""
	for {
		keys, next, err := s.ListKeys(t.Context(), platform, "demo", revoked, size, token)
		if err != nil {
			t.Fatal(err)
		}
		if next != "" && len(keys) != size || pages > 20 {
			t.Fatalf("page %d has %d keys", pages, len(keys))
		}
		for i := range keys {
			if slices.Contains(ids, keys[i].ID) {
				t.Fatalf("%s came twice", keys[i].ID)
			}
			ids = append(ids, keys[i].ID)
		}
		if pages++; next == "" {
			return ids, pages
		}
		token = next
	}
}

func TestListKeys_TokensAreNotForgedAndBelongToTheirList(t *testing.T) {
	t.Parallel()
	h := onSQLite(t)
	s := h.service("demo", "other")
	for _, key := range []string{"a", "b", "c"} {
		create(t, s, platform, forDemo(key))
	}
	_, next, err := s.ListKeys(t.Context(), platform, "demo", false, 2, "")
	if err != nil || next == "" {
		t.Fatal(err)
	}
	first := "A"
	if next[0] == 'A' {
		first = "B"
	}
	for _, token := range []string{"x", "2026-11-21T08:00:00Z~key_1", next[:len(next)-4], first + next[1:], next + "AAAA"} {
		_, _, err := s.ListKeys(t.Context(), platform, "demo", false, 2, token)
		wantReason(t, err, fault.Invalid, fault.ReasonPageTokenInvalid)
	}
	_, _, err = s.ListKeys(t.Context(), platform, "demo", true, 2, next)
	wantReason(t, err, fault.Invalid, fault.ReasonPageTokenInvalid)
	_, _, err = s.ListKeys(t.Context(), platform, "other", false, 2, next)
	wantReason(t, err, fault.Invalid, fault.ReasonPageTokenInvalid)
	_, _, err = s.ListKeys(t.Context(), platform, "nobody", false, 2, "")
	wantReason(t, err, fault.NotFound, fault.ReasonMerchantNotFound)
	_, _, err = s.ListKeys(t.Context(), merchantKey(true, access.KeysWrite), "other", false, 2, "")
	wantReason(t, err, fault.Denied, fault.ReasonScopeMissing)
}
