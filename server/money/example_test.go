package money_test

import (
	"fmt"

	"github.com/kvitpay/kvit/server/money"
)

func ExampleParse() {
	dram, err := money.CurrencyOf("AMD")
	if err != nil {
		fmt.Println(err)
		return
	}
	price, _ := money.Parse("12.5", dram)
	fmt.Println(price.Minor(), price)

	_, err = money.Parse("12.505", dram)
	fmt.Println(err)
	// Output:
	// 1250 12.50 AMD
	// The amount has more decimals than its currency, AMD. (REQUEST_INVALID)
}
