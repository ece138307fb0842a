package money_test

import (
	"testing"

	"github.com/kvitpay/kvit/server/money"
)

func TestDecimal_M1_IsExact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor int64
		code  string
		want  string
	}{
		{1250, "AMD", "12.50"},
		{-5, "AMD", "-0.05"},
		{0, "EUR", "0.00"},
		{1250, "JPY", "1250"},
		{0, "JPY", "0"},
		{1, "BHD", "0.001"},
		{1, "CLF", "0.0001"},
		{9223372036854775807, "UAH", "92233720368547758.07"},
		{-9223372036854775808, "UAH", "-92233720368547758.08"},
	} {
		a, err := money.New(c.minor, c.code)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Decimal(); got != c.want {
			t.Errorf("Decimal of %d %s = %q, want %q", c.minor, c.code, got, c.want)
		}
		if got := a.String(); got != c.want+" "+c.code {
			t.Errorf("String of %d %s = %q", c.minor, c.code, got)
		}
	}
}
