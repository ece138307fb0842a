package money_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
)

// amount returns a test's amount.
func amount(tb testing.TB, minor int64, code string) money.Amount {
	tb.Helper()
	a, err := money.New(minor, code)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// currency returns a test's currency.
func currency(tb testing.TB, code string) money.Currency {
	tb.Helper()
	c, err := money.CurrencyOf(code)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestDecimal_M1_IsExact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor int64
		code  string
		want  string
	}{
		{1250, "AMD", "12.50"},
		{5, "AMD", "0.05"},
		{-5, "AMD", "-0.05"},
		{0, "EUR", "0.00"},
		{100, "EUR", "1.00"},
		{1250, "JPY", "1250"},
		{0, "JPY", "0"},
		{-1, "JPY", "-1"},
		{1, "BHD", "0.001"},
		{1, "CLF", "0.0001"},
		{math.MaxInt64, "UAH", "92233720368547758.07"},
		{math.MinInt64, "UAH", "-92233720368547758.08"},
		{math.MinInt64, "JPY", "-9223372036854775808"},
		{math.MinInt64, "CLF", "-922337203685477.5808"},
	} {
		a := amount(t, c.minor, c.code)
		if got := a.Decimal(); got != c.want {
			t.Errorf("Decimal of %d %s = %q, want %q", c.minor, c.code, got, c.want)
		}
		if got := a.String(); got != c.want+" "+c.code {
			t.Errorf("String of %d %s = %q", c.minor, c.code, got)
		}
	}
}

func TestAmount_ZeroValueIsNoAmountAndNotZeroMoney(t *testing.T) {
	t.Parallel()
	var none money.Amount
	zero := money.Zero(currency(t, "AMD"))
	if !none.IsNone() || !none.IsZero() || none.Decimal() != "" || none.String() != "no amount" || !none.Currency().IsZero() {
		t.Errorf("the zero value says %q", none)
	}
	if zero.IsNone() || !zero.IsZero() || zero.Sign() != 0 || zero == none {
		t.Errorf("zero drams are %v", zero)
	}
	if got := money.Of(5, money.Currency{}); got != none {
		t.Errorf("5 of no currency is %#v, want no amount", got)
	}
}

func TestAmount_IsComparableByMinorAndCurrency(t *testing.T) {
	t.Parallel()
	if amount(t, 5, "AMD") != money.Of(5, currency(t, "AMD")) {
		t.Error("two equal amounts differ")
	}
	if amount(t, 5, "AMD") == amount(t, 5, "UAH") || amount(t, 5, "AMD") == amount(t, 6, "AMD") {
		t.Error("two different amounts are equal")
	}
}

// operations names each operation on two amounts, for the promises that hold for all of them.
func operations() map[string]func(a, b money.Amount) (money.Amount, error) {
	return map[string]func(a, b money.Amount) (money.Amount, error){
		"Add": money.Amount.Add,
		"Sub": money.Amount.Sub,
		"Cmp": func(a, b money.Amount) (money.Amount, error) {
			_, err := a.Cmp(b)
			return money.Amount{}, err
		},
	}
}

func TestArithmetic_M3_MixedCurrenciesAreAnError(t *testing.T) {
	t.Parallel()
	dram, hryvnia := amount(t, 1, "AMD"), amount(t, 1, "UAH")
	for name, operate := range operations() {
		for _, pair := range [][2]money.Amount{{dram, hryvnia}, {dram, {}}, {{}, dram}, {{}, {}}} {
			got, err := operate(pair[0], pair[1])
			if !fault.Is(err, fault.ReasonRequestInvalid) || fault.KindOf(err) != fault.Invalid || !got.IsNone() {
				t.Errorf("%s(%v, %v) = %v, %v, want an error", name, pair[0], pair[1], got, err)
			}
		}
	}
	if _, err := (money.Amount{}).Mul(2); err == nil {
		t.Error("no amount times two is an amount")
	}
	if _, err := (money.Amount{}).Neg(); err == nil {
		t.Error("the opposite of no amount is an amount")
	}
}

func TestArithmetic_M3_OverflowIsAnError(t *testing.T) {
	t.Parallel()
	top, bottom, one := amount(t, math.MaxInt64, "AMD"), amount(t, math.MinInt64, "AMD"), amount(t, 1, "AMD")
	for name, operate := range map[string]func() (money.Amount, error){
		"top+1":      func() (money.Amount, error) { return top.Add(one) },
		"top+top":    func() (money.Amount, error) { return top.Add(top) },
		"bottom-1":   func() (money.Amount, error) { return bottom.Sub(one) },
		"bottom+min": func() (money.Amount, error) { return bottom.Add(bottom) },
		"top-bottom": func() (money.Amount, error) { return top.Sub(bottom) },
		"-bottom":    bottom.Neg,
		"bottom*-1":  func() (money.Amount, error) { return bottom.Mul(-1) },
		"top*2":      func() (money.Amount, error) { return top.Mul(2) },
		"top*bottom": func() (money.Amount, error) { return top.Mul(math.MinInt64) },
		"2^62*2":     func() (money.Amount, error) { return amount(t, 1<<62, "AMD").Mul(2) },
	} {
		got, err := operate()
		if !fault.Is(err, fault.ReasonAmountOverflow) || fault.KindOf(err) != fault.Invalid || !got.IsNone() {
			t.Errorf("%s = %v, %v, want AMOUNT_OVERFLOW", name, got, err)
		}
	}
}

// minors draws numbers of which many are at an edge.
func minors() *rapid.Generator[int64] {
	return rapid.OneOf(
		rapid.Int64(),
		rapid.Int64Range(-1000, 1000),
		rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64 - 1, math.MaxInt64, 1 << 62, -1 << 62, 1 << 32, 1 << 31}),
	)
}

// agrees checks one checked operation against the same in numbers without a limit.
func agrees(t *rapid.T, name string, got money.Amount, err error, want *big.Int, c money.Currency) {
	t.Helper()
	switch {
	case !want.IsInt64() && !fault.Is(err, fault.ReasonAmountOverflow):
		t.Fatalf("%s = %v, %v, want AMOUNT_OVERFLOW: the answer is %v", name, got, err, want)
	case want.IsInt64() && (err != nil || got != money.Of(want.Int64(), c)):
		t.Fatalf("%s = %v, %v, want %v", name, got, err, want)
	}
}

func TestArithmetic_M3_AgreesWithUnboundedNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(money.Currencies()).Draw(t, "currency")
		x, y := minors().Draw(t, "x"), minors().Draw(t, "y")
		a, b, bigX, bigY := money.Of(x, c), money.Of(y, c), big.NewInt(x), big.NewInt(y)

		sum, err := a.Add(b)
		agrees(t, "Add", sum, err, new(big.Int).Add(bigX, bigY), c)
		diff, err := a.Sub(b)
		agrees(t, "Sub", diff, err, new(big.Int).Sub(bigX, bigY), c)
		product, err := a.Mul(y)
		agrees(t, "Mul", product, err, new(big.Int).Mul(bigX, bigY), c)
		opposite, err := a.Neg()
		agrees(t, "Neg", opposite, err, new(big.Int).Neg(bigX), c)
		if order, err := a.Cmp(b); err != nil || order != bigX.Cmp(bigY) {
			t.Fatalf("Cmp = %d, %v, want %d", order, err, bigX.Cmp(bigY))
		}
		if a.Sign() != bigX.Sign() || a.Minor() != x || a.Currency() != c {
			t.Fatalf("%v lost a part of %d %s", a, x, c)
		}
	})
}
