package seal_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/kvitpay/kvit/server/seal"
)

// The values of this file were computed by another program from the formats in the comments. What they
// hold stands in databases: a test that fails here means that the code is wrong, not the value.

const (
	textK1 = "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
	textK2 = "k2 ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8\n"
)

func parse(t *testing.T, text string) *seal.Keyring {
	t.Helper()
	keys, err := seal.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGolden_J5_SealedText(t *testing.T) {
	t.Parallel()
	keys := parse(t, textK1)
	golden := unhex(t, "01026b3107000102030405060708090a0b8e7318665d578f647ab3ad1b23efce0cff18030f8e")
	draw := [13]byte{7, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	if got := keys.SealWith(draw, []byte("hello"), []byte("orders/1")); !bytes.Equal(got, golden) {
		t.Errorf("sealed %x, want %x", got, golden)
	}
	if got, err := keys.Open(golden, []byte("orders/1")); err != nil || string(got) != "hello" {
		t.Errorf("opened %q, %v", got, err)
	}
}

func TestGolden_L1_LinkToken(t *testing.T) {
	t.Parallel()
	token, id := parse(t, textK1+textK2).LinkToken("lnk_1")
	if token != "mVAvXc_IOBWQsnXqcVDHfl" || id != "k1" {
		t.Errorf("token %s by %s", token, id)
	}
	if other, ok := parse(t, textK1+textK2).LinkTokenWith("k2", "lnk_1"); !ok || other != "qjyfZinmRxPyGpkVFYgHTV" {
		t.Errorf("token %s by k2", other)
	}
}

func TestGolden_A2_MACAndCheckValue(t *testing.T) {
	t.Parallel()
	keys := parse(t, textK1)
	mac := keys.MAC("nonce", []byte("a"), []byte("bc"))
	if want := unhex(t, "e9edb3e6e18d72c0884d8f0d4a799b9eb19d819615420ee718468fbdc53784a5"); !bytes.Equal(mac[:], want) {
		t.Errorf("mac %x, want %x", mac, want)
	}
	if got, want := keys.CheckValues()["k1"], unhex(t, "3b23a0f9aa87973ab76994f2e416488c"); !bytes.Equal(got, want) {
		t.Errorf("check value %x, want %x", got, want)
	}
}

func TestGolden_I1_Fingerprint(t *testing.T) {
	t.Parallel()
	got := parse(t, textK1).Fingerprint([]seal.FieldValue{
		{Name: "order_id", Value: []byte("o-1")}, {Name: "amount", Value: []byte("1250 AMD")},
	})
	want := unhex(t, "01026b3106616d6f756e74cec4db75aaa12f67086f726465725f696430fb730248d98862")
	if !bytes.Equal(got, want) {
		t.Errorf("fingerprint %x, want %x", got, want)
	}
}

func TestGolden_A1_APIKey(t *testing.T) {
	t.Parallel()
	random := make([]byte, 32)
	for i := range random {
		random[i] = byte(i)
	}
	secret, key, err := seal.NewAPIKey(seal.APIKeyLive, bytes.NewReader(random))
	if err != nil {
		t.Fatal(err)
	}
	if want := "kvit_live_003AuLtjc7TJLctqJ2Unu3mfAGcxg9lrkrCWgKbidLF1OWSas"; secret != want {
		t.Errorf("secret %s, want %s", secret, want)
	}
	if want := "key_0zsWNDt1FI9HU8PlD"; key.ID != want {
		t.Errorf("id %s, want %s", key.ID, want)
	}
	if want := unhex(t, "581deb53b813085f34c5242947f7e0ba223228d51548479d07b5b5a2c5535e91"); !bytes.Equal(key.Hash[:], want) {
		t.Errorf("hash %x, want %x", key.Hash, want)
	}
}
