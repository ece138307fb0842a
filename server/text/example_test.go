package text_test

import (
	"fmt"
	"strings"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/text"
)

func ExampleSay() {
	price, err := money.New(125050, "UAH")
	if err != nil {
		fmt.Println(err)
		return
	}
	lang := text.Match("uk-UA", "en")
	sentence := text.Say(lang, text.NextStep("PAY"), text.WithAmount(text.ArgAmount, price))
	fmt.Println(strings.ReplaceAll(sentence, "\u00a0", " ")) // Amounts hold no-break spaces.
	fmt.Println(text.Say(lang, text.NextStep("PAY")))
	// Output:
	// Будь ласка, сплатіть 1 250,50 ₴ за посиланням.
	// Будь ласка, сплатіть за посиланням.
}
