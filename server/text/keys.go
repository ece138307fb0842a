package text

import "slices"

// Key names a sentence of the payers' catalog.
type Key string

// What the payer does next, by the words of next_step.
const (
	NextPay            Key = "next_step.PAY"
	NextWait           Key = "next_step.WAIT"
	NextFulfill        Key = "next_step.FULFILL"
	NextTryAgain       Key = "next_step.TRY_AGAIN"
	NextAskForNewLink  Key = "next_step.ASK_FOR_NEW_LINK"
	NextContactSupport Key = "next_step.CONTACT_SUPPORT"
	NextNone           Key = "next_step.NONE"
)

// What a payer calls the state of an order, by the words of O2.
const (
	StatePending           Key = "state.PENDING"
	StateProcessing        Key = "state.PROCESSING"
	StateAuthorized        Key = "state.AUTHORIZED"
	StatePaid              Key = "state.PAID"
	StateFailed            Key = "state.FAILED"
	StateExpired           Key = "state.EXPIRED"
	StateCancelled         Key = "state.CANCELLED"
	StateManualReview      Key = "state.MANUAL_REVIEW"
	StatePartiallyRefunded Key = "state.PARTIALLY_REFUNDED"
	StateRefunded          Key = "state.REFUNDED"
	StateChargedBack       Key = "state.CHARGED_BACK"
)

// NextStep returns the key of a next step's word: "PAY", "WAIT" ... Known tells whether there is one.
func NextStep(word string) Key { return Key("next_step." + word) }

// State returns the key of an order state's word: "PAID", "EXPIRED" ... Known tells whether there is one.
func State(word string) Key { return Key("state." + word) }

// Known reports whether the catalog has the key.
func Known(key Key) bool {
	_, ok := languages[EN].texts[key]
	return ok
}

// Keys lists every key of the payers' catalog, sorted.
func Keys() []Key {
	keys := make([]Key, 0, len(languages[EN].texts))
	for key := range languages[EN].texts {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
