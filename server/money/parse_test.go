package money_test

import (
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
)

func TestParse_M1_ReadsTextExactly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, code string
		want       int64
	}{
		{"12.50", "AMD", 1250},
		{"12.5", "AMD", 1250},
		{"12", "AMD", 1200},
		{"0", "AMD", 0},
		{"0.00", "AMD", 0},
		{"0.05", "AMD", 5},
		{"-0.05", "AMD", -5},
		{"0.1", "EUR", 10}, // As a float it is not 0.1.
		{"1.15", "EUR", 115},
		{"90071992547409.93", "EUR", 9007199254740993}, // 2^53+1: the first integer that a float64 lacks.
		{"1250", "JPY", 1250},
		{"0.001", "BHD", 1},
		{"1.5", "IQD", 1500},
		{"0.0001", "CLF", 1},
		{"92233720368547758.07", "UAH", math.MaxInt64},
		{"-92233720368547758.08", "UAH", math.MinInt64},
		{"-922337203685477.5808", "CLF", math.MinInt64},
	} {
		got, err := money.Parse(c.text, currency(t, c.code))
		if err != nil || got != amount(t, c.want, c.code) {
			t.Errorf("Parse(%q, %s) = %v, %v, want %d", c.text, c.code, got, err, c.want)
		}
	}
}

func TestParse_M1_RefusesWhatIsNotExactlyAnAmount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, code string }{
		{"", "AMD"},
		{".", "AMD"},
		{"1.", "AMD"},
		{".5", "AMD"},
		{"-", "AMD"},
		{"-.5", "AMD"},
		{"1.2.3", "AMD"},
		{"12.505", "AMD"},
		{"12.500", "AMD"},
		{"12.0", "JPY"},
		{"1.0001", "BHD"},
		{"007", "AMD"},
		{"00", "AMD"},
		{"00.5", "AMD"},
		{"-01", "AMD"},
		{"+1", "AMD"},
		{"-0", "AMD"},
		{"-0.00", "AMD"},
		{"--1", "AMD"},
		{"1-", "AMD"},
		{"1e3", "AMD"},
		{"1E3", "AMD"},
		{"0x10", "AMD"},
		{"1_000", "AMD"},
		{"1,250.00", "AMD"},
		{"12,50", "AMD"},
		{" 12", "AMD"},
		{"12 ", "AMD"},
		{"1 250", "AMD"},
		{"12\n", "AMD"},
		{"12\x00", "AMD"},
		{"१२", "AMD"},
		{"１２", "AMD"},
		{"−5", "AMD"},
		{"NaN", "AMD"},
		{"Inf", "AMD"},
		{"12.50 AMD", "AMD"},
		{strings.Repeat("1", 22), "AMD"},
		{"0." + strings.Repeat("0", 1000), "AMD"},
	} {
		got, err := money.Parse(c.text, currency(t, c.code))
		if !fault.Is(err, fault.ReasonRequestInvalid) || fault.KindOf(err) != fault.Invalid || !got.IsNone() {
			t.Errorf("Parse(%q, %s) = %v, %v, want REQUEST_INVALID", c.text, c.code, got, err)
		}
	}
}

func TestParseMinor_M1_ReadsWholeNumbersOnly(t *testing.T) {
	t.Parallel()
	dram := currency(t, "AMD")
	for text, want := range map[string]int64{
		"0": 0, "5": 5, "-5": -5, "1250": 1250,
		"9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
	} {
		if got, err := money.ParseMinor(text, dram); err != nil || got.Minor() != want || got.Currency() != dram {
			t.Errorf("ParseMinor(%q) = %v, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "-", "-0", "+1", "007", "12.50", "12.", "1e3", "1_0", "0x1", " 1", "1 ", "१", strings.Repeat("1", 22),
	} {
		if got, err := money.ParseMinor(text, dram); !fault.Is(err, fault.ReasonRequestInvalid) || !got.IsNone() {
			t.Errorf("ParseMinor(%q) = %v, %v, want REQUEST_INVALID", text, got, err)
		}
	}
}

func TestParse_M3_TooMuchIsAnOverflow(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"92233720368547758.08", "-92233720368547758.09", "99999999999999999999"} {
		if _, err := money.Parse(text, currency(t, "UAH")); !fault.Is(err, fault.ReasonAmountOverflow) {
			t.Errorf("Parse(%q): %v, want AMOUNT_OVERFLOW", text, err)
		}
	}
	for _, text := range []string{"9223372036854775808", "-9223372036854775809", "99999999999999999999"} {
		if _, err := money.ParseMinor(text, currency(t, "UAH")); !fault.Is(err, fault.ReasonAmountOverflow) {
			t.Errorf("ParseMinor(%q): %v, want AMOUNT_OVERFLOW", text, err)
		}
	}
}

func TestParse_WithoutCurrencyIsAnError(t *testing.T) {
	t.Parallel()
	if got, err := money.Parse("1", money.Currency{}); err == nil || !got.IsNone() {
		t.Errorf("Parse gave %v", got)
	}
	if got, err := money.ParseMinor("1", money.Currency{}); err == nil || !got.IsNone() {
		t.Errorf("ParseMinor gave %v", got)
	}
}

func TestParse_NeverShowsTheText(t *testing.T) {
	t.Parallel()
	_, err := money.Parse("4111-secret", currency(t, "AMD"))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Fatalf("the error is %v; it must not repeat what came in", err)
	}
}

func TestDecimal_M1_ParseReadsItBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(money.Currencies()).Draw(t, "currency")
		want := money.Of(minors().Draw(t, "minor"), c)
		if got, err := money.Parse(want.Decimal(), c); err != nil || got != want {
			t.Fatalf("Parse(%q) = %v, %v", want.Decimal(), got, err)
		}
	})
}

// grammar is what an amount looks like, said once more in another way.
var grammar = regexp.MustCompile(`^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?$`)

// expected reads text as Parse must, with numbers that have no limit. It is nil where text is to be refused.
func expected(text string, exponent int) *big.Int {
	parts := grammar.FindStringSubmatch(text)
	if parts == nil || len(text) > 21 || len(parts[3]) > exponent {
		return nil
	}
	value, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
	value.Mul(value, new(big.Rat).SetInt(scale))
	if !value.IsInt() || !value.Num().IsInt64() || (parts[1] != "" && value.Sign() == 0) {
		return nil
	}
	return value.Num()
}

// same checks what was read against what was expected.
func same(t *testing.T, text string, got money.Amount, err error, want *big.Int, c money.Currency) {
	t.Helper()
	switch {
	case want == nil && (err == nil || !got.IsNone()):
		t.Fatalf("%q of %s was read as %v, want an error", text, c, got)
	case want == nil && fault.KindOf(err) != fault.Invalid:
		t.Fatalf("%q of %s: %v is not Invalid", text, c, err)
	case want != nil && (err != nil || got != money.Of(want.Int64(), c)):
		t.Fatalf("%q of %s = %v, %v, want %v", text, c, got, err, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"12.50", "12.5", "-0.05", "0", "007", "1e3", ".5", "1.", "92233720368547758.07", "+1", "-0"} {
		f.Add(text, uint8(0))
	}
	all := money.Currencies()
	f.Fuzz(func(t *testing.T, text string, place uint8) {
		c := all[int(place)%len(all)]
		got, err := money.Parse(text, c)
		same(t, text, got, err, expected(text, c.Exponent()), c)
		if err != nil {
			return
		}
		if again, err := money.Parse(got.Decimal(), c); err != nil || again != got {
			t.Fatalf("%q is written %q and read back as %v, %v", text, got.Decimal(), again, err)
		}
	})
}

func FuzzParseMinor(f *testing.F) {
	for _, text := range []string{"1250", "-5", "0", "-0", "007", "12.5", "9223372036854775807", "9223372036854775808"} {
		f.Add(text)
	}
	c := currency(f, "AMD")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := money.ParseMinor(text, c)
		same(t, text, got, err, expected(text, 0), c)
		if err != nil {
			return
		}
		if written := big.NewInt(got.Minor()).String(); written != text {
			t.Fatalf("%q was read as %s", text, written)
		}
	})
}
