package liqpay

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// parseByDecoder is parse as encoding/json's own decoder reads it, token by token: slower, and the
// yardstick of what parse takes, refuses and answers. Of one thing parse takes less: encoding/json's
// limit of 10000 brackets within each other counts here within a member, and there with the object's own.
func parseByDecoder(text []byte) (message, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil, errNoObject
	}
	m := message{}
	for d.More() {
		token, err := d.Token()
		name, isText := token.(string)
		var value json.RawMessage
		if err != nil || !isText || d.Decode(&value) != nil {
			return nil, errNoObject
		}
		if _, twice := m[name]; twice {
			return nil, errTwice
		}
		m[name] = string(value)
	}
	if _, err := d.Token(); err != nil {
		return nil, errNoObject
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errLonger
	}
	return m, nil
}

// failer is the part of testing.TB that rapid's tests have too.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
}

// agrees checks parse, and what is read of each member, against the decoder.
func agrees(tb failer, text []byte) {
	tb.Helper()
	got, err := parse(text)
	want, wantErr := parseByDecoder(text)
	if !maps.Equal(got, want) || (got == nil) != (want == nil) {
		tb.Errorf("%q is read as %q, the decoder says %q", text, got, want)
	}
	// A text that is no JSON and has a member twice besides may be refused for either.
	if !errors.Is(err, wantErr) && (!errors.Is(wantErr, errTwice) || json.Valid(text)) {
		tb.Errorf("%q is refused with %v, the decoder says %v", text, err, wantErr)
	}
	for name, literal := range want {
		var says string
		if json.Unmarshal([]byte(literal), &says) != nil && isNumber(literal) {
			says = literal
		}
		if got.text(name) != says {
			tb.Errorf("%q says %q, the decoder says %q", literal, got.text(name), says)
		}
	}
}

// contents are the published messages, and what has fooled readers of JSON.
func contents(tb testing.TB) []string {
	tb.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		tb.Fatal(err)
	}
	var published []vector
	if err := json.Unmarshal(text, &published); err != nil {
		tb.Fatal(err)
	}
	all := []string{
		``, ` `, `null`, `null {}`, `[]`, `{}`, `[{}]`, `7`, `"a"`, `"{}"`, `{`, `}`, `{]`, `{}}`, `{} `, "\t{ }\r\n", `{}{}`, `{} x`, "{}\x00", "\ufeff{}", `{} null`,
		`{"a":1`, `{"a"}`, `{"a":}`, `{"a" 1}`, `{"a"::1}`, `{"a":1,}`, `{,"a":1}`, `{"a":1,,"b":2}`, `{"a":1 "b":2}`, `{"a":1]`, `{a:1}`, `{1:1}`, `{'a':1}`, `{"a":[1}`,
		`{"a":01}`, `{"a":.5}`, `{"a":-}`, `{"a":+1}`, `{"a":1.}`, `{"a":1e}`, `{"a":NaN}`, `{"a":True}`, `{"a":tru}`, `{"a":0x1}`, `{"a":1_0}`,
		`{"a":-0.0e+07,"b":1E400,"c":125.50 , "d" : 12345678901234567890 }`, `{"a":null,"b":true,"c":false}`,
		`{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `{"a":1,"A":2}`, `{"a":1,"a":2`, `{"a":1,"a":2} x`, `{"":1}`, `{"":1,"":2}`, `{"a":{"b":1,"b":2}}`,
		`{"\ud800":1,"\ud801":2}`, `{"\ud83d\ude00":1,"😀":2}`, "{\"\xff\":1,\"\xfe\":2}", "{\"\xff\":1,\"\ufffd\":2}", "{\"a\":\"\xff\"}", "{\"a\":\"\n\"}", "{\"a\":\"\x7f\u2028\"}",
		`{"a":"\"","b":"\\","c":"\\\"}{,:","d":"x\\"}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\`, `{"a\":1}`, `{"a":"}","b":"]"}`,
		`{"a":[],"b":{},"c":[[],{"d":["]","}","\"]"]}],"e": [ 1 , { "f" : 2 } ] ,"g":1}`, `{"опис":"Оплата №42"}`,
		`{"a":` + strings.Repeat(`[`, 500) + strings.Repeat(`]`, 500) + `}`,
	}
	for _, v := range published {
		if v.JSON != "" {
			all = append(all, v.JSON)
		}
	}
	return all
}

func TestParse_C3_AgreesWithTheDecoder(t *testing.T) {
	t.Parallel()
	deep := `{"a":` + strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000) + `}`
	for _, text := range append(contents(t), deep) {
		agrees(t, []byte(text))
	}
}

// Texts are cut, put together and given bytes that mean something in JSON.
func TestParse_C3_AgreesWithTheDecoderOnMutations(t *testing.T) {
	t.Parallel()
	all := contents(t)
	pieces := append(strings.Split("{ } [ ] : , \" \\ \\u0061 \\ud800 null 1e9 -0 \"a\":1 \"a\":{ [1,", " "), " ", "\n", "\x00", "\xff", "{}")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(all).Draw(t, "text")
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			from := rapid.IntRange(0, len(text)).Draw(t, "from")
			to := rapid.IntRange(from, min(len(text), from+12)).Draw(t, "to")
			text = text[:from] + rapid.SampledFrom(slices.Concat(pieces, []string{""}, all[:20])).Draw(t, "piece") + text[to:]
		}
		agrees(t, []byte(text))
	})
}

func TestParse_C3_RefusesWhatTwoReadersReadDifferently(t *testing.T) {
	t.Parallel()
	for want, texts := range map[error][]string{
		errNoObject: {``, `null`, `null {}`, `[]`, `"a"`, `{`, `{"a":1`, `{"a":1,}`, `{"a":01}`, `{"a":.5}`, `{a:1}`},
		errTwice:    {`{"status":"failure","status":"success"}`, `{"status":"failure","st\u0061tus":"success"}`, `{"a":1,"b":{},"a":1}`},
		errLonger:   {`{"a":1}{"b":2}`, `{"a":1} x`, `{"a":1}]`, "{}\x00"},
	} {
		for _, text := range texts {
			if m, err := parse([]byte(text)); !errors.Is(err, want) || m != nil {
				t.Errorf("%q is read as %v, %v, want %v", text, m, err, want)
			}
		}
	}
	m, err := parse([]byte(" {\"amount\": 125.50, \"Amount\": 1, \"deep\": {\"a\": [1, {}]}}\n"))
	if err != nil || m.text("amount") != "125.50" || m["deep"] != `{"a": [1, {}]}` || len(m) != 3 {
		t.Errorf("%v, %v", m, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range contents(f) {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"amount":125.5,"order_id":"a","deep":{"b":[1]}}`))
	f.Add([]byte(`{"\ud800":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		agrees(t, text)
		m, err := parse(text)
		if err != nil && m != nil {
			t.Errorf("both an error and a message: %v", m)
		}
		for name := range m {
			_, _, _ = m.text(name), m.time(name), m.isTrue(name)
			if amount, err := m.amount(name, hryvnia(t)); err == nil && amount < 0 {
				t.Errorf("%s is below zero", m[name])
			}
		}
	})
}

// BenchmarkParse is what reading a published callback costs, beside what the decoder takes for it.
func BenchmarkParse(b *testing.B) {
	all := contents(b)
	text := []byte(all[len(all)-1])
	for name, read := range map[string]func([]byte) (message, error){"cut": parse, "decoder": parseByDecoder} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := read(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
