package liqpay

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kvitpay/kvit/server/money"
)

func hryvnia(tb testing.TB) money.Currency {
	tb.Helper()
	c, err := money.CurrencyOf("UAH")
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// M1: amounts come from the literal text, in every way in which a JSON number can write them.
func TestAmount_M1_FromLiteralText(t *testing.T) {
	t.Parallel()
	for literal, want := range map[string]int64{
		`0.01`: 1, `0.10`: 10, `0.1`: 10, `125.5`: 12550, `125.50`: 12550, `"125.50"`: 12550, `22.0`: 2200, `22`: 2200,
		`1000000000`: 100_000_000_000, `1000000000.00`: 100_000_000_000, `1e9`: 100_000_000_000, `1.0E9`: 100_000_000_000,
		`1.2345678901E8`: 12345678901, `5e-2`: 5, `12.5e-1`: 125, `0.29`: 29, `1.15`: 115, `4.35`: 435, `0.000e5`: 0, `0`: 0,
		`92233720368547758.07`: 9223372036854775807,
	} {
		got, err := message{"amount": literal}.amount("amount", hryvnia(t))
		if err != nil || got != want {
			t.Errorf("%s is %d, %v, want %d", literal, got, err, want)
		}
	}
	for _, literal := range []string{
		``, `null`, `true`, `{}`, `[1]`, `""`, `"abc"`, `"1,5"`, `" 1"`, `"0x10"`, `"NaN"`, `-1`, `-0.01`, `-0`, `0.001`, `125.505`,
		`1e-3`, `1e400`, `1e33`, `92233720368547758.08`, `"1e"`, `"+1"`, `"01"`, `"1."`, `1` + strings.Repeat("0", 70),
	} {
		if got, err := (message{"amount": literal}).amount("amount", hryvnia(t)); err == nil {
			t.Errorf("%s is taken for %d", literal, got)
		}
	}
}

// M1: what we write, in any of its forms, is what is read.
func TestPlain_M1_MovesThePointAndRoundsNothing(t *testing.T) {
	t.Parallel()
	uah := hryvnia(t)
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(0, 1<<62).Draw(t, "minor")
		text := money.Of(minor, uah).Decimal()
		whole, cents, _ := strings.Cut(text, ".")
		shift := rapid.IntRange(0, len(whole)-1).Draw(t, "shift")
		scientific := whole[:len(whole)-shift] + "." + whole[len(whole)-shift:] + cents + "e" + string(rune('0'+shift%10))
		if shift > 9 {
			scientific = text
		}
		for _, literal := range []string{text, scientific, text + strings.Repeat("0", shift)} {
			got, err := message{"a": literal}.amount("a", uah)
			if err != nil || got != minor {
				t.Fatalf("%s is %d, %v, want %d", literal, got, err, minor)
			}
		}
	})
}

func TestDecodeData_OnlyStandardBase64(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"e30", "e3 0=", "e30=\n", "e3\r\n0=", "_-8=", "e31=", "e30=e30="} {
		if text, err := decodeData(data); err == nil {
			t.Errorf("%q is read as %q", data, text)
		}
	}
	if text, err := decodeData("e30="); err != nil || string(text) != "{}" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestTime_MillisecondsOrNone(t *testing.T) {
	t.Parallel()
	if got := (message{"t": `1790000004321`}).time("t"); !got.Equal(time.UnixMilli(1790000004321)) {
		t.Error(got)
	}
	for _, literal := range []string{``, `null`, `0`, `-5`, `1e3`, `1.5`, `99999999999999`, `9223372036854775807`, `"x"`, `true`} {
		if got := (message{"t": literal}).time("t"); !got.IsZero() {
			t.Errorf("%s is %v", literal, got)
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, seed := range []string{"125.50", "1.0E9", "1e-2", "-0", "0.010", "1e33", "٣", "1_0", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, literal string) {
		digits, ok := plain(literal)
		if !ok {
			return
		}
		again, ok := plain(digits)
		if !ok || again != digits || strings.ContainsAny(digits, "eE+") || len(digits) > literalMax+2*exponentMax {
			t.Errorf("%q is %q, and that is %q", literal, digits, again)
		}
	})
}
