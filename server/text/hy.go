package text

// armenian returns how Armenian is written.
func armenian() habits {
	return habits{
		tag: "hy",
		months: [...]string{
			"հունվարի", "փետրվարի", "մարտի", "ապրիլի", "մայիսի", "հունիսի",
			"հուլիսի", "օգոստոսի", "սեպտեմբերի", "հոկտեմբերի", "նոյեմբերի", "դեկտեմբերի",
		},
		year:  " թ.",
		point: ",", group: nbsp, symbols: eastern,
		units:  [...][]string{day: {"օր"}, hour: {"ժամ"}, minute: {"րոպե"}},
		plural: pluralOne,
		moment: "մեկ րոպեից պակաս",
		texts: map[Key]string{
			NextPay:            "Խնդրում ենք հղումով վճարել[ {amount}][՝ մինչև {until}]։",
			NextWait:           "Ձեր վճարումը մշակվում է։ Խնդրում ենք սպասել և կրկին չվճարել։",
			NextFulfill:        "Մենք ստացել ենք Ձեր վճարումը[ {order} պատվերի համար][՝ {amount}]։ Շնորհակալություն։",
			NextTryAgain:       "Վճարումը չհաջողվեց։ Խնդրում ենք կրկին փորձել[ մինչև {until}]։",
			NextAskForNewLink:  "Այս հղումն այլևս չի գործում։ Խնդրում ենք վաճառողից նոր հղում ստանալ։",
			NextContactSupport: "Ձեր վճարումը ստուգման կարիք ունի։ Խնդրում ենք դիմել աջակցության ծառայություն[՝ {support}]։",
			NextNone:           "Այլևս ոչինչ անել պետք չէ։",

			StatePending:           "Սպասում է վճարման",
			StateProcessing:        "Վճարումը մշակվում է",
			StateAuthorized:        "Գումարն ամրագրված է",
			StatePaid:              "Վճարված է",
			StateFailed:            "Վճարումը չհաջողվեց",
			StateExpired:           "Վճարման ժամկետն անցել է",
			StateCancelled:         "Չեղարկված է",
			StateManualReview:      "Վճարումը ստուգվում է",
			StatePartiallyRefunded: "Գումարի մի մասը վերադարձվել է",
			StateRefunded:          "Գումարը վերադարձվել է",
			StateChargedBack:       "Բանկը վերադարձրել է վճարումը",
		},
	}
}
