package seal_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kvitpay/kvit/server/seal"
)

func TestNewAPIKey_A1_EveryKindIsReadAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range seal.APIKeyKinds() {
		secret, key, err := seal.NewAPIKey(kind, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		again, ok := seal.ParseAPIKey(secret)
		if !ok || again != key || again.Kind != kind || !strings.HasPrefix(secret, string(kind)) {
			t.Errorf("%s: %+v, %v", kind, again, ok)
		}
		if !again.Is(key.Hash) || again.Is([32]byte{}) {
			t.Errorf("%s: the hash does not tell keys apart", kind)
		}
		if strings.Contains(secret, key.ID[4:]) {
			t.Errorf("%s: the id is a part of the secret", kind)
		}
	}
	if _, _, err := seal.NewAPIKey("kvit_other_", rand.Reader); err == nil {
		t.Error("an unknown kind was made")
	}
	if _, _, err := seal.NewAPIKey(seal.APIKeyTest, iotest.ErrReader(errors.New("dry"))); err == nil {
		t.Error("a key was made without randomness")
	}
}

func TestParseAPIKey_A1_RefusesWhatCannotBeOne(t *testing.T) {
	t.Parallel()
	secret, _, err := seal.NewAPIKey(seal.APIKeyTest, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	swapped := []byte(secret)
	swapped[12] = '0' + (swapped[12]+1-'0')%10
	for _, text := range []string{
		"", "kvit_test_", secret[:len(secret)-1], secret + "0", " " + secret, secret + " ", string(swapped),
		strings.Replace(secret, "kvit_test_", "kvit_live_", 1), strings.ToUpper(secret),
		"kvit_test_" + strings.Repeat("-", 49),
	} {
		if key, ok := seal.ParseAPIKey(text); ok || key != (seal.APIKey{}) {
			t.Errorf("%q passes", text)
		}
	}
}

func TestAPIKey_A1_LogsItsIDAlone(t *testing.T) {
	t.Parallel()
	_, key, err := seal.NewAPIKey(seal.APIKeyTest, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", slog.Any("key", key))
	if !strings.Contains(log.String(), "key="+key.ID+"\n") {
		t.Errorf("logged %s", log.String())
	}
}

func FuzzParseAPIKey(f *testing.F) {
	f.Add("kvit_live_003AuLtjc7TJLctqJ2Unu3mfAGcxg9lrkrCWgKbidLF1OWSas")
	f.Add("kvit_edge_")
	f.Fuzz(func(t *testing.T, text string) {
		key, ok := seal.ParseAPIKey(text)
		if ok != (key != seal.APIKey{}) || ok && !strings.HasPrefix(text, string(key.Kind)) {
			t.Errorf("%q: %+v, %v", text, key, ok)
		}
	})
}
