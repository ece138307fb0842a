package text

import (
	"maps"
	"slices"
)

// Failure returns why a payment was declined, in the payer's language. The words are a plug's (English,
// a short sentence without the payer's data). English reads them as they are; a language in which the
// catalog does not have them gives "", and the page says no reason.
func Failure(lang Lang, words string) string {
	if lang == EN {
		return words
	}
	return failures[words][lang]
}

// Failures lists the words that every language has, sorted.
func Failures() []string { return slices.Sorted(maps.Keys(failures)) }

// failures are the reasons with which a payer can do something, by the words of plugs.
var failures = map[string]map[Lang]string{
	"there is not enough money on the card":      noMoney,
	"not enough money on the card":               noMoney,
	"the card's limit was reached":               limit,
	"the card's daily limit was reached":         limit,
	"a limit on amounts or payments was reached": limit,
	"the card's limit for the internet was reached": {
		HY: "հասել եք քարտի ինտերնետ վճարումների սահմանաչափին", UK: "вичерпано ліміт картки на оплату в інтернеті",
		RU: "исчерпан лимит карты на оплату в интернете",
	},
	"the card has expired": {
		HY: "քարտի ժամկետն անցել է", UK: "термін дії картки закінчився", RU: "срок действия карты истёк",
	},
	"the card's details are wrong": details,
	"the card number is wrong":     details,
	"the card is restricted":       restricted,
	"the card does not allow this": restricted,
	"the card is not taken":        restricted,
	"the bank declined":            bank,
	"the payer's bank declined":    bank,
	"the bank gave no reason":      bank,
	"the bank did not confirm":     bank,
	"the bank did not allow this":  bank,
	"the payer's code was wrong": {
		HY: "կոդը սխալ էր", UK: "код підтвердження неправильний", RU: "код подтверждения неверный",
	},
	"the payer did not confirm in time": {
		HY: "վճարումը ժամանակին չի հաստատվել", UK: "оплату не підтвердили вчасно", RU: "оплату не подтвердили вовремя",
	},
	"there were too many tries": {
		HY: "չափազանց շատ փորձեր են եղել", UK: "забагато спроб", RU: "слишком много попыток",
	},
}

var noMoney = map[Lang]string{
	HY: "քարտին բավարար գումար չկա", UK: "на картці недостатньо коштів", RU: "на карте недостаточно средств",
}

var limit = map[Lang]string{
	HY: "հասել եք քարտի սահմանաչափին", UK: "вичерпано ліміт картки", RU: "исчерпан лимит карты",
}

var details = map[Lang]string{
	HY: "քարտի տվյալները սխալ են", UK: "дані картки неправильні", RU: "данные карты неверны",
}

var restricted = map[Lang]string{
	HY: "քարտը թույլ չի տալիս այս վճարումը", UK: "картка не дозволяє цю оплату", RU: "карта не допускает эту оплату",
}

var bank = map[Lang]string{
	HY: "բանկը մերժել է", UK: "банк відхилив оплату", RU: "банк отклонил оплату",
}
