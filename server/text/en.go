package text

// english returns how English is written.
func english() habits {
	return habits{
		tag: "en",
		months: [...]string{
			"January", "February", "March", "April", "May", "June",
			"July", "August", "September", "October", "November", "December",
		},
		point: ".", group: ",", symbols: western,
		units:  [...][]string{day: {"day", "days"}, hour: {"hour", "hours"}, minute: {"minute", "minutes"}},
		plural: pluralTwo,
		moment: "less than a minute",
		texts: map[Key]string{
			NextPay:            "Please pay[ {amount}] using the link[ by {until}].",
			NextWait:           "Your payment is being processed. Please wait and do not pay again.",
			NextFulfill:        "We have received your payment[ for order {order}][: {amount}]. Thank you!",
			NextTryAgain:       "The payment did not go through. Please try again[ by {until}].",
			NextAskForNewLink:  "This link can no longer be used. Please ask for a new one.",
			NextContactSupport: "Your payment needs a closer look. Please contact support[: {support}].",
			NextNone:           "There is nothing more to do.",

			StatePending:           "Awaiting payment",
			StateProcessing:        "Payment in progress",
			StateAuthorized:        "Amount reserved",
			StatePaid:              "Paid",
			StateFailed:            "Payment failed",
			StateExpired:           "Payment period is over",
			StateCancelled:         "Cancelled",
			StateManualReview:      "Payment under review",
			StatePartiallyRefunded: "Partly refunded",
			StateRefunded:          "Refunded",
			StateChargedBack:       "Payment returned by the bank",
		},
	}
}
