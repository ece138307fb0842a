package kvit_test

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// M2: every currency has ISO 4217's number of decimals, and no other code has one.
func TestDigits_M2_AreThoseOfISO4217(t *testing.T) {
	t.Parallel()

	golden, err := os.ReadFile("testdata/iso4217.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for line := range strings.Lines(string(golden)) {
		if code, digits, ok := strings.Cut(strings.TrimSpace(line), " "); ok && code != "#" {
			want[code], _ = strconv.Atoi(digits)
		}
	}
	if len(want) != 165 {
		t.Fatalf("the list has %d currencies", len(want))
	}
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			for c := 'A'; c <= 'Z'; c++ {
				code := string([]rune{a, b, c})
				digits, known := kvit.Digits(code)
				if exponent, listed := want[code]; known != listed || digits != exponent {
					t.Errorf("%s: got %d, %t, want %d, %t", code, digits, known, exponent, listed)
				}
			}
		}
	}
	for _, code := range []string{"", "amd", "AM", "D A", "AMDX", "051"} {
		if _, known := kvit.Digits(code); known {
			t.Errorf("%q: want it unknown", code)
		}
	}
}

// M1: amounts are written exactly, and what is written can be read.
func TestFormatMoney_M1_IsExact(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		minor int64
		code  string
		want  string
	}{
		{150000, "AMD", "1 500.00 AMD"},
		{1, "UAH", "0.01 UAH"},
		{-5, "EUR", "-0.05 EUR"},
		{0, "UAH", "0.00 UAH"},
		{100, "JPY", "100 JPY"},
		{0, "JPY", "0 JPY"},
		{1234567, "JPY", "1 234 567 JPY"},
		{1234567, "BHD", "1 234.567 BHD"},
		{7, "CLF", "0.0007 CLF"},
		{math.MaxInt64, "AMD", "92 233 720 368 547 758.07 AMD"},
		{math.MinInt64, "AMD", "-92 233 720 368 547 758.08 AMD"},
	} {
		money := &kvitv1.Money{CurrencyCode: test.code, MinorUnits: test.minor}
		got := kvit.FormatMoney(money)
		if got != test.want {
			t.Errorf("%d %s: got %q, want %q", test.minor, test.code, got, test.want)
		}
		back, err := kvit.ParseMoney(got)
		if err != nil || back.GetMinorUnits() != test.minor || back.GetCurrencyCode() != test.code {
			t.Errorf("%q: read %v, %v", got, back, err)
		}
	}
	if got := kvit.FormatMoney(&kvitv1.Money{CurrencyCode: "XYZ", MinorUnits: 5}); got != "5 minor units of XYZ" {
		t.Errorf("unknown currency: got %q", got)
	}
	if got := kvit.FormatMoney(nil); got != "" {
		t.Errorf("no amount: got %q", got)
	}
}

// M1: what could be meant in two ways, or would have to be rounded, is refused.
func TestParseMoney_M1_RefusesWhatIsNotExact(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]int64{
		"1500 AMD": 150000, "1500.5 AMD": 150050, " 1 500.00  AMD ": 150000, "12\u00a0500 UAH": 1250000, "007 JPY": 7, "-1 EUR": -100,
	} {
		if got, err := kvit.ParseMoney(text); err != nil || got.GetMinorUnits() != want {
			t.Errorf("%q: got %v, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "AMD", "1500", "1500 amd", "1500 XYZ", "1,5 AMD", "1,500.00 AMD", "1.505 AMD", "1.5 JPY", ".5 AMD", "5. AMD", "1e3 AMD",
		"+5 AMD", "--5 AMD", "1 50 AMD", "1500 000 AMD", "0x10 AMD", "NaN AMD", "1 . 5 AMD", "92233720368547758.08 AMD",
		"99999999999999999999 JPY", "١٥ AMD",
	} {
		if got, err := kvit.ParseMoney(text); err == nil {
			t.Errorf("%q: read as %v, want it refused", text, got)
		}
	}
}

// M1: whatever is read is written so that the same is read again.
func FuzzParseMoney(f *testing.F) {
	for _, seed := range []string{"1500.00 AMD", "1 500 UAH", "-0.01 EUR", "100 JPY", "1.234 BHD"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		money, err := kvit.ParseMoney(text)
		if err != nil {
			return
		}
		again, err := kvit.ParseMoney(kvit.FormatMoney(money))
		if err != nil || again.GetMinorUnits() != money.GetMinorUnits() || again.GetCurrencyCode() != money.GetCurrencyCode() {
			t.Errorf("%q is %v, written %q, which is %v, %v", text, money, kvit.FormatMoney(money), again, err)
		}
	})
}
