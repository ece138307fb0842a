package liqpay

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

// vector is one of testdata/vectors.json: LP are published by LiqPay, the others were computed by two
// independent programs.
type vector struct {
	Name string `json:"name"`
	Key  string `json:"key"`
	JSON string `json:"json"`
	Data string `json:"data"`
	V3   string `json:"v3"`
	V7   string `json:"v7"`
}

func vectors(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 9 {
		t.Fatalf("%d vectors, want 9", len(all))
	}
	return all
}

func TestSign_C3_EveryVector(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		if v.JSON != "" && base64.StdEncoding.EncodeToString([]byte(v.JSON)) != v.Data {
			t.Errorf("%s: data is not its JSON", v.Name)
		}
		for version, want := range map[string]string{"3": v.V3, "7": v.V7} {
			s, err := newSigner(version, v.Key)
			if err != nil {
				t.Fatal(err)
			}
			if want == "" {
				continue // LP-3 was published for version 3 alone.
			}
			if got := s.sign(v.Data); got != want {
				t.Errorf("%s, version %s: %s, want %s", v.Name, version, got, want)
			}
			if !s.verify(v.Data, want) || s.verify(v.Data+"=", want) || s.verify(v.Data, want[1:]) || s.verify(v.Data, "") {
				t.Errorf("%s, version %s: verify takes what it should not, or the reverse", v.Name, version)
			}
		}
		three, _ := newSigner("3", v.Key)
		if v.V7 != "" && three.verify(v.Data, v.V7) {
			t.Errorf("%s: version 3 takes version 7's signature", v.Name)
		}
	}
}

// The requests of L1 and L3 come out of our own shapes byte for byte: order of members, an amount with
// its zero, no escapes in addresses.
func TestEncode_ShapesOfTheVectors(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	for _, v := range vectors(t) {
		want[v.Name] = v.Data
	}
	for name, content := range map[string]any{
		"L1": checkout{
			Version: 3, PublicKey: "sandbox_i00000000001", Action: "pay", Amount: "125.50", Currency: "UAH",
			Description: "Order 42", OrderID: "pl-0001", Language: "uk", ExpiredDate: "2026-12-31 21:59:59",
			ResultURL: "https://pay.example.test/r/pl-0001", ServerURL: "https://pay.example.test/hooks/liqpay",
		},
		"L3": question{Version: 3, PublicKey: "sandbox_i00000000001", Action: "status", OrderID: "pl-0001"},
	} {
		got, err := encode(content)
		if err != nil || got != want[name] {
			t.Errorf("%s: %s, %v, want %s", name, got, err, want[name])
		}
	}
	got, err := encode(map[string]string{"u": "https://a.test/?b=1&c=<d>"})
	if text, _ := base64.StdEncoding.DecodeString(got); err != nil || string(text) != `{"u":"https://a.test/?b=1&c=<d>"}` {
		t.Errorf("an address became %s, %v", text, err)
	}
}

// A program that is not ours agrees, where it is there to be asked.
func TestSign_C3_OpenSSLAgrees(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl")
	}
	for version, digest := range map[string]string{"3": "-sha1", "7": "-sha3-256"} {
		s, _ := newSigner(version, "sandbox_TESTprivKEY0123456789abcdefABCDEF")
		data, err := encode(checkout{Version: s.version, Amount: "0.01", Description: "Оплата №42"})
		if err != nil {
			t.Fatal(err)
		}
		command := exec.CommandContext(t.Context(), openssl, "dgst", "-binary", digest)
		command.Stdin = bytes.NewBufferString(s.key + data + s.key)
		sum, err := command.Output()
		if err != nil {
			t.Fatalf("openssl %s: %v", digest, err)
		}
		if want := base64.StdEncoding.EncodeToString(sum); s.sign(data) != want {
			t.Errorf("version %s: %s, openssl says %s", version, s.sign(data), want)
		}
	}
}
