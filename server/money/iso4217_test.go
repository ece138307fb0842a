package money_test

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
)

// The table changes when ISO 4217 changes, and then these two change with it, on purpose.
const (
	tableRows = 165
	tableHash = "c5e961114f97c59f3c8507f4427f94b6a96feac6f9ef9a57f18a266295eda75d"
)

func TestTable_M2_PinnedByCountAndHash(t *testing.T) {
	t.Parallel()
	all := money.Currencies()
	if len(all) != tableRows {
		t.Errorf("the table has %d rows, want %d", len(all), tableRows)
	}
	var rows strings.Builder
	for _, c := range all {
		fmt.Fprintf(&rows, "%s %03d %d %s\n", c.Code(), c.Number(), c.Exponent(), c.Name())
	}
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(rows.String()))); got != tableHash {
		t.Errorf("the table's hash is %s, want %s", got, tableHash)
	}
}

func TestTable_M2_PinnedCurrencies(t *testing.T) {
	t.Parallel()
	for _, want := range []struct {
		code             string
		number, exponent int
	}{
		{"AMD", 51, 2},
		{"UAH", 980, 2},
		{"EUR", 978, 2},
		{"USD", 840, 2},
		{"RUB", 643, 2},
		{"GEL", 981, 2},
		{"GBP", 826, 2},
		{"PLN", 985, 2},
		{"CZK", 203, 2},
		{"HUF", 348, 2},
		{"MDL", 498, 2},
		{"KZT", 398, 2},
		{"TRY", 949, 2},
		{"CHF", 756, 2},
		{"CNY", 156, 2},
		{"MRU", 929, 2},
		{"MGA", 969, 2},
		{"XCG", 532, 2},
		{"XAD", 396, 2},
		{"ZWG", 924, 2},
		{"SLE", 925, 2},
		{"BIF", 108, 0},
		{"CLP", 152, 0},
		{"DJF", 262, 0},
		{"GNF", 324, 0},
		{"ISK", 352, 0},
		{"JPY", 392, 0},
		{"KMF", 174, 0},
		{"KRW", 410, 0},
		{"PYG", 600, 0},
		{"RWF", 646, 0},
		{"UGX", 800, 0},
		{"UYI", 940, 0},
		{"VND", 704, 0},
		{"VUV", 548, 0},
		{"XAF", 950, 0},
		{"XOF", 952, 0},
		{"XPF", 953, 0},
		{"BHD", 48, 3},
		{"IQD", 368, 3},
		{"JOD", 400, 3},
		{"KWD", 414, 3},
		{"LYD", 434, 3},
		{"OMR", 512, 3},
		{"TND", 788, 3},
		{"CLF", 990, 4},
		{"UYW", 927, 4},
	} {
		c, err := money.CurrencyOf(want.code)
		if err != nil {
			t.Errorf("%s: %v", want.code, err)
			continue
		}
		if c.Code() != want.code || c.Number() != want.number || c.Exponent() != want.exponent || c.String() != want.code {
			t.Errorf("%s is %s %03d/%d, want %03d/%d", want.code, c, c.Number(), c.Exponent(), want.number, want.exponent)
		}
	}
}

func TestTable_M2_RowsAreSortedUniqueAndWhole(t *testing.T) {
	t.Parallel()
	numbers := map[int]string{}
	all := money.Currencies()
	if !slices.IsSortedFunc(all, func(a, b money.Currency) int { return strings.Compare(a.Code(), b.Code()) }) {
		t.Error("the table is not sorted by code, which the search relies on")
	}
	seen := map[money.Currency]bool{}
	for _, c := range all {
		if other, taken := numbers[c.Number()]; taken {
			t.Errorf("%s and %s share the number %03d", c, other, c.Number())
		}
		numbers[c.Number()] = c.Code()
		if !regexp.MustCompile(`^[A-Z]{3}$`).MatchString(c.Code()) || c.Number() < 1 || c.Number() > 999 ||
			c.Exponent() < 0 || c.Exponent() > 4 || strings.TrimSpace(c.Name()) != c.Name() || c.Name() == "" {
			t.Errorf("row is not whole: %s %d %d %q", c, c.Number(), c.Exponent(), c.Name())
		}
		if again, err := money.CurrencyOf(c.Code()); err != nil || again != c || c.IsZero() || seen[c] {
			t.Errorf("%s is not found as itself: %v, %v", c, again, err)
		}
		seen[c] = true
	}
}

func TestCurrencyOf_M2_RefusesWhatIsNotACodeWithMinorUnits(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		"", "amd", "Amd", "AM", "AMDX", " AMD", "AMD ", "051", "ДРМ", "AM\x00",
		"XXX", "XTS", "XAU", "XAG", "XPD", "XPT", "XDR", "XSU", "XUA", "XBA", // Their minor unit is "N.A.".
		"BGN", "ANG", "CUC", "HRK", "SLL", "ZWL", "BYR", "RUR", "MRO", // No longer current.
	} {
		c, err := money.CurrencyOf(code)
		if !fault.Is(err, fault.ReasonCurrencyUnsupported) || fault.KindOf(err) != fault.Invalid || !c.IsZero() {
			t.Errorf("CurrencyOf(%q) = %v, %v, want CURRENCY_UNSUPPORTED", code, c, err)
		}
		if _, err := money.New(1, code); !fault.Is(err, fault.ReasonCurrencyUnsupported) {
			t.Errorf("New(1, %q): %v, want CURRENCY_UNSUPPORTED", code, err)
		}
	}
}

func TestCurrencies_TheSliceIsTheCallers(t *testing.T) {
	t.Parallel()
	first := money.Currencies()
	first[0] = money.Currency{}
	if money.Currencies()[0].IsZero() {
		t.Fatal("a caller changed the table")
	}
}

func TestCurrency_ZeroIsNoCurrency(t *testing.T) {
	t.Parallel()
	var none money.Currency
	if !none.IsZero() || none.Code() != "" || none.Number() != 0 || none.Exponent() != 0 || none.Name() != "" {
		t.Fatalf("the zero currency says %q %d %d %q", none.Code(), none.Number(), none.Exponent(), none.Name())
	}
}
