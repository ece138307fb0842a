package text

import (
	"maps"
	"slices"
)

// Explain returns an operator's sentence, in English, about an entry of the journal with this type:
// "order.paid", "attempt.declined" ... A type that the catalog does not have gives "".
func Explain(eventType string, args ...Arg) string { return fill(EN, events[eventType], args) }

// ExplainException returns an operator's sentence about an exception of this kind (X1): "DUPLICATE" ...
func ExplainException(kind string, args ...Arg) string { return fill(EN, exceptions[kind], args) }

// ExplainSource returns words for where evidence came from, "CALLBACK", "LOOKUP", "REGISTER" or
// "OPERATOR", as they stand after "from".
func ExplainSource(source string, args ...Arg) string { return fill(EN, sources[source], args) }

// ExplainFact returns words for what evidence says, "SUCCEEDED", "DECLINED" ..., as they stand after a colon.
func ExplainFact(fact string, args ...Arg) string { return fill(EN, facts[fact], args) }

// ExplainDeath returns words for how we know that an attempt can no longer be paid (O7),
// "SESSION_OVER" ..., as they stand after a colon.
func ExplainDeath(proof string, args ...Arg) string { return fill(EN, deaths[proof], args) }

// Explained lists the event types that Explain has a sentence for, sorted.
func Explained() []string { return slices.Sorted(maps.Keys(events)) }

// ExplainedExceptions lists the kinds that ExplainException has a sentence for, sorted.
func ExplainedExceptions() []string { return slices.Sorted(maps.Keys(exceptions)) }

// ExplainedSources lists the sources that ExplainSource has words for, sorted.
func ExplainedSources() []string { return slices.Sorted(maps.Keys(sources)) }

// ExplainedFacts lists the facts that ExplainFact has words for, sorted.
func ExplainedFacts() []string { return slices.Sorted(maps.Keys(facts)) }

// ExplainedDeaths lists the proofs that ExplainDeath has words for, sorted.
func ExplainedDeaths() []string { return slices.Sorted(maps.Keys(deaths)) }

// events holds a sentence for each type of the journal's entries.
var events = map[string]string{
	"link.created":     "A[ {kind}] payment link[, {link},] was made[ for {amount}][ by {actor}].",
	"link.deactivated": "The payment link[ {link}] was deactivated[ by {actor}][: {reason}].",

	"order.created":             "The order was created[ for {amount}][ by {actor}][ and is offered until {until}].",
	"order.reopened":            "The expired order is offered again[ until {until}][, asked for by {actor}].",
	"order.processing":          "A payment is under way[ at {psp}].",
	"order.authorized":          "The money is held and not yet taken[: {amount}][ at {psp}].",
	"order.captured":            "Held money was taken[: {amount}][ at {psp}].",
	"order.paid":                "The order is paid[: {amount}][ at {psp}][, known from {source}].",
	"order.payment_failed":      "The payment failed[ at {psp}][: {reason}]. The order can be paid again until it expires.",
	"order.expired":             "The order expired without a payment.",
	"order.cancelled":           "The order was cancelled[ by {actor}][: {reason}].",
	"order.review_required":     "Money is here that does not settle the order[: {amount}][ at {psp}]. A decision is needed[: {reason}].",
	"order.review_resolved":     "The review is over and the order is back in the state before it[, decided by {actor}][: {reason}].",
	"order.corrected":           "The order was corrected[ by {actor}][: {reason}].",
	"order.partially_refunded":  "A part of the payment went back to the payer[: {amount}][ by {psp}].",
	"order.refunded":            "The whole payment went back to the payer[: {amount}][ by {psp}].",
	"order.charged_back":        "The payer's bank took the payment back[: {amount}][ at {psp}].",
	"order.chargeback_reversed": "The chargeback was reversed and the money is here again[: {amount}][ at {psp}].",

	"attempt.started":    "A payment attempt[, {attempt},] was started[ at {psp}].",
	"attempt.handed_off": "The payer was sent to pay[ at {psp}][ (attempt {attempt})].",
	"attempt.declined":   "The payment attempt[ {attempt}] was declined[ by {psp}][: {reason}].",
	"attempt.unknown":    "How the payment attempt[ {attempt}] ended is not known[ at {psp}]; it may have been paid.",
	"attempt.dead":       "The payment attempt[ {attempt}] can no longer be paid[: {reason}].",

	"evidence.noted": "A report was noted[ from {source}][: {fact}][, {amount}].",

	"capture.requested": "The held money is about to be taken[: {amount}][ at {psp}][, asked for by {actor}][: {reason}].",
	"capture.failed":    "The held money was not taken[ at {psp}][: {reason}]. It is still held.",
	"void.requested":    "The held money is about to be released[ at {psp}][, asked for by {actor}][: {reason}].",
	"void.failed":       "The held money was not released[ at {psp}][: {reason}]. It is still held.",

	"refund.requested": "A refund was asked for[ by {actor}][: {amount}][ ({reason})]. The amount is reserved.",
	"refund.sent":      "The refund was sent[ to {psp}][: {amount}].",
	"refund.posted":    "The refund was made[ by {psp}][: {amount}].",
	"refund.failed":    "The refund was not made[: {reason}]. The reserved amount[, {amount},] is free again.",
	"refund.unknown":   "Whether the refund was made[ by {psp}] is not known. The amount[, {amount},] stays reserved.",

	"exception.opened":   "An exception was opened[: {kind}][, {amount}].",
	"exception.resolved": "The exception[ {kind}] was resolved[ by {actor}][: {reason}].",

	"fulfillment.claimed":   "The fulfillment[ {kind}] was claimed[ by {actor}].",
	"fulfillment.completed": "The fulfillment[ {kind}] was completed[ by {actor}].",

	"chat_message.sent":      "A chat message was sent to the payer.",
	"chat_message.delivered": "The chat message reached the payer's device.",
	"chat_message.seen":      "The payer saw the chat message.",
	"chat_message.failed":    "The chat message could not be delivered[: {reason}].",
}

// exceptions holds a sentence for each kind of X1.
var exceptions = map[string]string{
	"DUPLICATE":            "The order was already paid, and another payment came on top of it[: {amount}][ at {psp}].",
	"LATE":                 "The payment came after the order's time was over[: {amount}][ at {psp}].",
	"UNDERPAID":            "Less money came than the order asks for[: {amount} instead of {expected}].",
	"OVERPAID":             "More money came than the order asks for[: {amount} instead of {expected}].",
	"WRONG_CURRENCY":       "The money came in another currency than the order's[: {amount} instead of {expected}].",
	"WRONG_MERCHANT":       "The money was paid to another merchant account than the order's[: {account}].",
	"ORPHAN":               "A payment carries a reference of this installation that no attempt has[: {amount}][ at {psp}].",
	"UNREADABLE":           "A report[ of {psp}] has a status or a type that is not known here[: {reason}].",
	"CONFLICTING_EVIDENCE": "Two reports about one payment contradict each other[: {reason}].",
	"AFTER_CANCEL":         "The payment came after the order was cancelled[: {amount}][ at {psp}].",
	"OVER_RETURNED":        "More money went back than had come[: {amount} of {expected}].",
	"STUCK":                "How a payment attempt[, {attempt},] ended is still not known, and[ {psp}] is no longer asked.",
}

// sources holds words for each source of evidence.
var sources = map[string]string{
	"CALLBACK": "a verified callback[ of {psp}]",
	"LOOKUP":   "a status lookup[ at {psp}]",
	"REGISTER": "a line of the register[ of {psp}]",
	"OPERATOR": "an operator[, {actor}]",
}

// facts holds words for each fact that evidence can show.
var facts = map[string]string{
	"PENDING":             "not decided yet",
	"AUTHORIZED":          "the money is held",
	"SUCCEEDED":           "the money was taken",
	"DECLINED":            "declined[: {reason}]",
	"CLOSED":              "closed, and can no longer be paid",
	"VOIDED":              "the held money was released",
	"REFUNDED":            "money went back to the payer",
	"CHARGED_BACK":        "the payer's bank took the money back",
	"CHARGEBACK_REVERSED": "the chargeback was reversed",
	"UNREADABLE":          "something that is not known here[: {reason}]",
}

// deaths holds words for each proof of O7 that an attempt can no longer be paid.
var deaths = map[string]string{
	"CANCEL_CONFIRMED":       "the PSP confirmed a cancel",
	"DECLINE_CLOSES_SESSION": "the decline closed the PSP's session",
	"SESSION_OVER":           "the PSP's session is over",
	"NOT_ATTEMPTED":          "it never reached the PSP",
	"NEVER_HANDED_OFF":       "the payer was never sent to the PSP",
	"OPERATOR":               "an operator says so",
	"VOIDED":                 "the held money was released",
}
