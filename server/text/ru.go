package text

// russian returns how Russian is written.
func russian() habits {
	return habits{
		tag: "ru",
		months: [...]string{
			"января", "февраля", "марта", "апреля", "мая", "июня",
			"июля", "августа", "сентября", "октября", "ноября", "декабря",
		},
		point: ",", group: nbsp, symbols: eastern,
		units:  [...][]string{day: {"день", "дня", "дней"}, hour: {"час", "часа", "часов"}, minute: {"минута", "минуты", "минут"}},
		plural: pluralSlavic,
		moment: "меньше минуты",
		texts: map[Key]string{
			NextPay:            "Пожалуйста, оплатите[ {amount}] по ссылке[ до {until}].",
			NextWait:           "Ваш платёж обрабатывается. Пожалуйста, подождите и не платите повторно.",
			NextFulfill:        "Мы получили вашу оплату[ за заказ {order}][: {amount}]. Спасибо!",
			NextTryAgain:       "Оплата не прошла. Пожалуйста, попробуйте ещё раз[ до {until}].",
			NextAskForNewLink:  "Эта ссылка больше не действует. Пожалуйста, попросите новую.",
			NextContactSupport: "Ваш платёж требует проверки. Пожалуйста, обратитесь в службу поддержки[: {support}].",
			NextNone:           "Больше ничего делать не нужно.",

			StatePending:           "Ожидает оплаты",
			StateProcessing:        "Платёж обрабатывается",
			StateAuthorized:        "Средства зарезервированы",
			StatePaid:              "Оплачено",
			StateFailed:            "Оплата не прошла",
			StateExpired:           "Время оплаты истекло",
			StateCancelled:         "Отменено",
			StateManualReview:      "Платёж проверяется",
			StatePartiallyRefunded: "Часть средств возвращена",
			StateRefunded:          "Средства возвращены",
			StateChargedBack:       "Банк вернул платёж",
		},
	}
}
