package sandboxfake

import "github.com/kvitpay/kvit/server/text"

// sentences are what the payer's page says, by name, in English, Armenian, Ukrainian and Russian.
var sentences = map[string][4]string{
	"title":        {"Sandbox payment", "Փորձնական վճարում", "Тестовий платіж", "Тестовый платёж"},
	"no_money":     {"This is a test. No money moves.", "Սա փորձարկում է։ Գումար չի փոխանցվում։", "Це тест. Гроші не рухаються.", "Это тест. Деньги не движутся."},
	"more":         {"Try what goes wrong", "Փորձել խնդրահարույց դեպքեր", "Спробувати, що йде не так", "Попробовать, что идёт не так"},
	"back":         {"Back to the merchant", "Վերադառնալ վաճառողին", "Повернутися до продавця", "Вернуться к продавцу"},
	"again":        {"Go back", "Վերադառնալ", "Повернутися", "Вернуться"},
	"language":     {"Language", "Լեզու", "Мова", "Язык"},
	"unknown":      {"There is no such payment.", "Այսպիսի վճարում չկա։", "Такого платежу немає.", "Такого платежа нет."},
	"not_now":      {"This is not possible now.", "Հիմա դա հնարավոր չէ։", "Зараз це неможливо.", "Сейчас это невозможно."},
	"wrong_amount": {"The amount cannot be read.", "Գումարը հնարավոր չէ կարդալ։", "Суму неможливо прочитати.", "Сумму невозможно прочитать."},
	"declined":     {"The payment was declined. You can try again.", "Վճարումը մերժվեց։ Կարող եք նորից փորձել։", "Платіж відхилено. Можна спробувати ще раз.", "Платёж отклонён. Можно попробовать ещё раз."},
	"expired":      {"The time for this payment is over.", "Այս վճարման ժամանակը սպառվել է։", "Час на цей платіж вичерпано.", "Время на этот платёж вышло."},
	"canceled":     {"The payment was cancelled.", "Վճարումը չեղարկված է։", "Платіж скасовано.", "Платёж отменён."},
	"pending":      {"The payment is being confirmed.", "Վճարումը հաստատվում է։", "Платіж підтверджується.", "Платёж подтверждается."},
	"paid":         {"Paid.", "Վճարված է։", "Сплачено.", "Оплачено."},
	"held":         {"The money is held.", "Գումարը պահված է։", "Гроші заблоковано.", "Деньги заблокированы."},
	"returned":     {"The money went back.", "Գումարը վերադարձվել է։", "Гроші повернено.", "Деньги возвращены."},
}

// moodNames are the buttons' labels, in the same order of languages.
var moodNames = map[string][4]string{
	"pay":                {"Pay", "Վճարել", "Сплатити", "Оплатить"},
	"decline":            {"Decline", "Մերժել", "Відхилити", "Отклонить"},
	"cancel":             {"Cancel", "Չեղարկել", "Скасувати", "Отменить"},
	"decline_then_pay":   {"Decline, then pay", "Մերժել, հետո վճարել", "Відхилити, потім сплатити", "Отклонить, потом оплатить"},
	"pay_twice":          {"Pay twice", "Վճարել երկու անգամ", "Сплатити двічі", "Оплатить дважды"},
	"pay_less":           {"Pay less", "Վճարել պակաս", "Сплатити менше", "Оплатить меньше"},
	"pay_more":           {"Pay more", "Վճարել ավելի", "Сплатити більше", "Оплатить больше"},
	"pay_other_currency": {"Pay in another currency", "Վճարել այլ արժույթով", "Сплатити в іншій валюті", "Оплатить в другой валюте"},
	"pay_other_payee":    {"Pay another merchant", "Վճարել այլ վաճառողի", "Сплатити іншому продавцеві", "Оплатить другому продавцу"},
	"pay_after_expiry":   {"Pay after the time is over", "Վճարել ժամկետից հետո", "Сплатити після завершення часу", "Оплатить после окончания времени"},
	"confirm_late":       {"Pay, confirm a minute later", "Վճարել, հաստատել մեկ րոպե անց", "Сплатити, підтвердити за хвилину", "Оплатить, подтвердить через минуту"},
	"confirm_many":       {"Pay, confirm many times in the wrong order", "Վճարել, հաստատել բազմիցս՝ խառը հերթով", "Сплатити, підтвердити багато разів не за порядком", "Оплатить, подтвердить много раз не по порядку"},
	"contradict":         {"Pay, then call it declined", "Վճարել, հետո մերժված հայտարարել", "Сплатити, потім назвати відхиленим", "Оплатить, потом назвать отклонённым"},
	"never_confirm":      {"Pay, never confirm", "Վճարել, երբեք չհաստատել", "Сплатити, ніколи не підтверджувати", "Оплатить, никогда не подтверждать"},
	"wrong_signature":    {"Pay, confirm with a wrong signature", "Վճարել, հաստատել սխալ ստորագրությամբ", "Сплатити, підтвердити з хибним підписом", "Оплатить, подтвердить с неверной подписью"},
	"unknown_status":     {"Pay, confirm with an unknown status", "Վճարել, հաստատել անհայտ կարգավիճակով", "Сплатити, підтвердити з невідомим статусом", "Оплатить, подтвердить с неизвестным статусом"},
	"return_post":        {"Pay, return by POST", "Վճարել, վերադառնալ POST-ով", "Сплатити, повернутися через POST", "Оплатить, вернуться через POST"},
	"no_return":          {"Pay, do not return", "Վճարել, չվերադառնալ", "Сплатити, не повертатися", "Оплатить, не возвращаться"},
}

// columns are the languages' places in the tables.
var columns = map[text.Lang]int{text.EN: 0, text.HY: 1, text.UK: 2, text.RU: 3}

// says are all sentences of a language, by name.
func says(lang text.Lang) map[string]string {
	all := make(map[string]string, len(sentences))
	for name, sentence := range sentences {
		all[name] = sentence[columns[lang]]
	}
	return all
}

func moodText(lang text.Lang, name string) string { return moodNames[name][columns[lang]] }

// stateText says how a payment stands that the payer can no longer change.
func stateText(say map[string]string, status string) string {
	switch status {
	case statusRefunded, statusBack, statusVoided:
		return say["returned"]
	case statusHeld, statusPending, statusCanceled:
		return say[status]
	}
	return say["paid"]
}
