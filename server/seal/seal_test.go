package seal_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kvitpay/kvit/server/seal"
)

func TestParse_A2_FirstKeyIsActiveAndOrderIsKept(t *testing.T) {
	t.Parallel()
	keys := parse(t, "# the new one\n\n  "+textK2+"\r\n"+strings.TrimSpace(textK1))
	if keys.ActiveID() != "k2" || !slices.Equal(keys.IDs(), []string{"k2", "k1"}) {
		t.Errorf("active %s of %v", keys.ActiveID(), keys.IDs())
	}
}

func TestParse_A2_FaultsNameTheLineAndNeverTheKey(t *testing.T) {
	t.Parallel()
	const root = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	for name, c := range map[string]struct{ text, want string }{
		"no key":         {"# nothing\n", "there is no key"},
		"one word":       {textK2 + root + "\n", "line 2: want a name"},
		"three words":    {"k1 " + root + " x", "line 1: want a name"},
		"bad name":       {"K1 " + root, "line 1: the name"},
		"long name":      {"abcdefghijklmnopq " + root, "line 1: the name"},
		"short key":      {"k1 " + root[:40], "line 1: the key must"},
		"long key":       {"k1 " + root + "AAAA", "line 1: the key must"},
		"padded key":     {"k1 " + root + "=", "line 1: the key must"},
		"spare bits":     {"k1 " + root[:42] + "9", "line 1: the key must"},
		"same name":      {textK1 + "k1 ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8", "line 2: a key of this name"},
		"same key":       {textK1 + "other " + root, "line 2: the same key"},
		"too much":       {strings.Repeat("#\n", 40_000), "more than"},
		"name is secret": {root + " k1", "line 1: the name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, err := seal.Parse([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, %v; want %q", keys, err, c.want)
			}
			if strings.Contains(err.Error(), root[:10]) {
				t.Errorf("the key is in the error: %v", err)
			}
		})
	}
}

func TestParse_A2_AllFaultsTogether(t *testing.T) {
	t.Parallel()
	_, err := seal.Parse([]byte("x\n" + textK1 + "y\n"))
	if err == nil || !strings.Contains(err.Error(), "line 1") || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("got %v", err)
	}
}

func TestParse_A2_NumberOfKeysHasALimit(t *testing.T) {
	t.Parallel()
	var text []byte
	for i := range 65 {
		one, err := seal.Generate(fmt.Sprintf("k%d", i), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, one...)
	}
	if _, err := seal.Parse(text); err == nil || !strings.Contains(err.Error(), "line 65: more than 64") {
		t.Errorf("got %v", err)
	}
}

func TestGenerate_A2_MakesWhatParseReads(t *testing.T) {
	t.Parallel()
	first, err := seal.Generate("k1", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	second, err := seal.Generate("k2", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if keys := parse(t, string(second)+string(first)); keys.ActiveID() != "k2" {
		t.Errorf("active %s", keys.ActiveID())
	}
	if _, err := seal.Generate("no name", rand.Reader); err == nil {
		t.Error("a name with a space was taken")
	}
	if _, err := seal.Generate("k1", iotest.ErrReader(errors.New("dry"))); err == nil {
		t.Error("a key was made without randomness")
	}
}

func TestKeyring_A2_NeverPrintsAKey(t *testing.T) {
	t.Parallel()
	keys := parse(t, textK1)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", slog.Any("keys", keys))
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", slog.Any("keys", keys))
	asJSON, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	direct := []string{
		fmt.Sprintf("%v", keys), fmt.Sprintf("%+v", keys), fmt.Sprintf("%#v", keys), fmt.Sprintf("%s", keys),
		fmt.Sprintf("%x", keys), keys.String(), string(asJSON), log.String(),
	}
	for _, text := range direct {
		if !strings.Contains(text, "[redacted]") {
			t.Errorf("printed %q", text)
		}
	}
	// A struct that hides its fields is printed without their methods.
	hidden := struct{ keys *seal.Keyring }{keys}
	direct = append(direct, fmt.Sprintf("%+v %#v", hidden, hidden), fmt.Sprintf("%+v", *keys), fmt.Sprintf("%#v", *keys))
	for _, text := range direct {
		for _, part := range []string{"AAECAwQF", "0 1 2 3 4 5", "000102030405", "0x0, 0x1, 0x2"} {
			if strings.Contains(text, part) {
				t.Errorf("the key is in %q", text)
			}
		}
	}
}

func TestOpen_J5_OnlyTheSameRowOpens(t *testing.T) {
	t.Parallel()
	keys := parse(t, textK1)
	sealed := keys.Seal([]byte("raw callback"), []byte("callbacks/7"))
	if got, err := keys.Open(sealed, []byte("callbacks/7")); err != nil || string(got) != "raw callback" {
		t.Fatalf("opened %q, %v", got, err)
	}
	for _, row := range []string{"", "callbacks/8", "callbacks/7 "} {
		if got, err := keys.Open(sealed, []byte(row)); !errors.Is(err, seal.ErrUnopened) || got != nil {
			t.Errorf("row %q opened %q, %v", row, got, err)
		}
	}
}

func TestOpen_J5_EveryBitCounts(t *testing.T) {
	t.Parallel()
	keys := parse(t, textK1+textK2)
	sealed := keys.Seal([]byte("x"), nil)
	for i := range len(sealed) * 8 {
		damaged := bytes.Clone(sealed)
		damaged[i/8] ^= 1 << (i % 8)
		if got, err := keys.Open(damaged, nil); err == nil {
			t.Errorf("bit %d: opened %q", i, got)
		}
	}
	for n := range len(sealed) {
		if got, err := keys.Open(sealed[:n], nil); err == nil {
			t.Errorf("%d bytes: opened %q", n, got)
		}
	}
}

func TestSeal_J5_NeverTheSameTwiceAndHidesTheText(t *testing.T) {
	t.Parallel()
	keys := parse(t, textK1)
	plain := []byte("the payer's raw message")
	seen := map[string]bool{}
	for range 1000 {
		sealed := keys.Seal(plain, nil)
		if seen[string(sealed)] || bytes.Contains(sealed, plain[:8]) {
			t.Fatal("sealed twice the same, or not at all")
		}
		if len(sealed) > len(plain)+seal.SealOverhead {
			t.Fatalf("%d bytes more", len(sealed)-len(plain))
		}
		seen[string(sealed)] = true
	}
}

func TestRotation_A2_OldKeysStillOpenAndNewOnesSeal(t *testing.T) {
	t.Parallel()
	before, after, without := parse(t, textK1), parse(t, textK2+textK1), parse(t, textK2)
	sealed := before.Seal([]byte("x"), nil)
	if got, err := after.Open(sealed, nil); err != nil || string(got) != "x" {
		t.Errorf("after the rotation: %q, %v", got, err)
	}
	if _, err := without.Open(sealed, nil); !errors.Is(err, seal.ErrKeyUnknown) {
		t.Errorf("without the key: %v", err)
	}
	if _, err := before.Open(after.Seal([]byte("x"), nil), nil); !errors.Is(err, seal.ErrKeyUnknown) {
		t.Errorf("the new key was not used: %v", err)
	}
	token, id := before.LinkToken("lnk_1")
	if again, ok := after.LinkTokenWith(id, "lnk_1"); !ok || again != token {
		t.Errorf("the address changed: %s, %s", token, again)
	}
	if now, _ := after.LinkToken("lnk_1"); now == token {
		t.Error("the new key makes the old token")
	}
	if _, ok := without.LinkTokenWith(id, "lnk_1"); ok {
		t.Error("a token was made without the key")
	}
	mac := before.MAC("nonce", []byte("x"))
	if again, ok := after.MACWith("k1", "nonce", []byte("x")); !ok || again != mac {
		t.Error("the MAC changed")
	}
	if _, ok := without.MACWith("k1", "nonce"); ok {
		t.Error("a MAC was made without the key")
	}
}

func TestLinkToken_L1_HasItsLengthAndItsHash(t *testing.T) {
	t.Parallel()
	keys := parse(t, textK1)
	seen := map[string]bool{}
	for i := range 1000 {
		token, _ := keys.LinkToken(fmt.Sprintf("lnk_%d", i))
		if !seal.ValidToken(token) || seen[token] {
			t.Fatalf("token %q", token)
		}
		seen[token] = true
		if seal.TokenHash(token) != sha256.Sum256([]byte(token)) {
			t.Fatal("the hash is another")
		}
	}
	for _, text := range []string{"", "short", strings.Repeat("a", 23), strings.Repeat("a", 21) + "/"} {
		if seal.ValidToken(text) {
			t.Errorf("%q passes as a token", text)
		}
	}
}

func TestMAC_A2_PurposesAndPartsAreApart(t *testing.T) {
	t.Parallel()
	keys := parse(t, textK1)
	b := func(parts ...string) (out [][]byte) {
		for _, p := range parts {
			out = append(out, []byte(p))
		}
		return out
	}
	seen := map[[32]byte]int{}
	for i, mac := range [][32]byte{
		keys.MAC("nonce", b("a", "bc")...), keys.MAC("nonce", b("ab", "c")...), keys.MAC("nonce", b("abc")...),
		keys.MAC("nonce", b("abc", "")...), keys.MAC("nonce"), keys.MAC("nonce", b("")...),
		keys.MAC("checkpoint", b("abc")...), keys.MAC("noncea", b("bc")...), keys.MAC("", b("nonce", "abc")...),
	} {
		if other, ok := seen[mac]; ok {
			t.Errorf("MACs %d and %d are the same", i, other)
		}
		seen[mac] = i
	}
}

func TestFits_A2_KeysMustBeTheDatabases(t *testing.T) {
	t.Parallel()
	one, both, other := parse(t, textK1), parse(t, textK2+textK1), parse(t, strings.Replace(textK2, "k2", "k1", 1))
	if err := one.Fits(nil); err != nil {
		t.Errorf("an empty database: %v", err)
	}
	if err := both.Fits(one.CheckValues()); err != nil {
		t.Errorf("a new key above: %v", err)
	}
	if err := one.Fits(both.CheckValues()); err == nil || !strings.Contains(err.Error(), `"k2"`) {
		t.Errorf("a missing key: %v", err)
	}
	if err := other.Fits(one.CheckValues()); err == nil || !strings.Contains(err.Error(), `"k1"`) {
		t.Errorf("another key of the same name: %v", err)
	}
	if err := one.Fits(map[string][]byte{"k1": nil}); err == nil {
		t.Error("an empty check value fits")
	}
}

func TestConcurrency_A2_ManyGoroutinesOneRing(t *testing.T) {
	t.Parallel()
	keys := parse(t, textK1)
	want, _ := keys.LinkToken("lnk_1")
	done := make(chan error, 8)
	for range cap(done) {
		go func() {
			for range 200 {
				token, _ := keys.LinkToken("lnk_1")
				plain, err := keys.Open(keys.Seal([]byte("x"), []byte("row")), []byte("row"))
				if err != nil || string(plain) != "x" || token != want {
					done <- fmt.Errorf("token %s, text %q: %w", token, plain, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestSeal_J5_IsCheap(t *testing.T) { //nolint:paralleltest // it counts allocations
	keys := parse(t, textK1)
	plain, row := make([]byte, 512), []byte("results/1")
	if n := testing.AllocsPerRun(100, func() { keys.Seal(plain, row) }); n > 2 {
		t.Errorf("Seal allocates %v times", n)
	}
}

func BenchmarkSeal(b *testing.B) {
	keys, err := seal.Parse([]byte(textK1))
	if err != nil {
		b.Fatal(err)
	}
	plain, row := make([]byte, 512), []byte("results/1")
	b.ReportAllocs()
	for b.Loop() {
		keys.Seal(plain, row)
	}
}

func BenchmarkLinkToken(b *testing.B) {
	keys, err := seal.Parse([]byte(textK1))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		keys.LinkToken("lnk_01J0000000000000000000000")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(textK1 + textK2))
	f.Add([]byte("# c\n\nk AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := seal.Parse(text)
		if err != nil {
			return
		}
		if len(keys.IDs()) == 0 || keys.ActiveID() != keys.IDs()[0] || keys.Fits(keys.CheckValues()) != nil {
			t.Errorf("a ring without an order: %v", keys.IDs())
		}
	})
}

func FuzzOpen(f *testing.F) {
	keys, err := seal.Parse([]byte(textK1 + textK2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(keys.Seal([]byte("x"), []byte("row")), []byte("row"))
	f.Add([]byte{1, 2, 'k', '1'}, []byte{})
	f.Fuzz(func(t *testing.T, sealed, row []byte) {
		if plain, err := keys.Open(sealed, row); err != nil && plain != nil {
			t.Error("opened in part")
		}
		// What the fuzzer finds as a text is sealed and opened again.
		if plain, err := keys.Open(keys.Seal(sealed, row), row); err != nil || !bytes.Equal(plain, sealed) {
			t.Errorf("got %q, %v", plain, err)
		}
	})
}
