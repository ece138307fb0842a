package psp_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kvitpay/kvit/server/psp"
)

// A kept callback replays byte for byte (C6): text, no text, and what is neither.
func FuzzCallback_C6_IsKeptByteForByte(f *testing.F) {
	for _, body := range []string{"", "data=a%2Bb&signature=<x>", "\x00\xff\xfe", "\u2028 \ufffd", "{\"a\": 1}\n", "\xed\xa0\x80"} {
		f.Add("POST", "a=%2B&b=\"", []byte(body), "X-Sign", "one & two")
	}
	f.Fuzz(func(t *testing.T, method, query string, body []byte, name, value string) {
		for _, text := range []string{method, query, name, value} {
			if !cmp.Equal(text, string([]rune(text))) {
				t.Skip("the door takes headers, methods and queries as text only")
			}
		}
		c := psp.Callback{Method: method, Query: query, Body: body, Header: map[string][]string{name: {value}}, Source: "203.0.113.9"}
		kept, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := psp.DecodeCallback(kept)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, back, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s\n%s", diff, kept)
		}
	})
}
