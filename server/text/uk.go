package text

// ukrainian returns how Ukrainian is written.
func ukrainian() habits {
	return habits{
		tag: "uk",
		months: [...]string{
			"січня", "лютого", "березня", "квітня", "травня", "червня",
			"липня", "серпня", "вересня", "жовтня", "листопада", "грудня",
		},
		point: ",", group: nbsp, symbols: eastern,
		units:  [...][]string{day: {"день", "дні", "днів"}, hour: {"година", "години", "годин"}, minute: {"хвилина", "хвилини", "хвилин"}},
		plural: pluralSlavic,
		moment: "менше хвилини",
		texts: map[Key]string{
			NextPay:            "Будь ласка, сплатіть[ {amount}] за посиланням[ до {until}].",
			NextWait:           "Ваш платіж обробляється. Будь ласка, зачекайте й не сплачуйте повторно.",
			NextFulfill:        "Ми отримали вашу оплату[ за замовлення {order}][: {amount}]. Дякуємо!",
			NextTryAgain:       "Оплата не пройшла. Будь ласка, спробуйте ще раз[ до {until}].",
			NextAskForNewLink:  "Це посилання більше не діє. Будь ласка, попросіть нове.",
			NextContactSupport: "Ваш платіж потребує перевірки. Будь ласка, зверніться до служби підтримки[: {support}].",
			NextNone:           "Більше нічого робити не потрібно.",

			StatePending:           "Очікує оплати",
			StateProcessing:        "Платіж обробляється",
			StateAuthorized:        "Кошти зарезервовано",
			StatePaid:              "Сплачено",
			StateFailed:            "Оплата не пройшла",
			StateExpired:           "Час на оплату минув",
			StateCancelled:         "Скасовано",
			StateManualReview:      "Платіж перевіряється",
			StatePartiallyRefunded: "Частину коштів повернуто",
			StateRefunded:          "Кошти повернуто",
			StateChargedBack:       "Банк повернув платіж",
		},
	}
}
