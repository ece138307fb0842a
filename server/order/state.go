package order

import (
	"fmt"
	"strings"
)

// State is where an order stands (O2).
type State string

// The states of an order.
const (
	Pending           State = "PENDING"
	Processing        State = "PROCESSING"
	Authorized        State = "AUTHORIZED"
	Paid              State = "PAID"
	Failed            State = "FAILED"
	Expired           State = "EXPIRED"
	Cancelled         State = "CANCELLED"
	Review            State = "MANUAL_REVIEW"
	PartiallyRefunded State = "PARTIALLY_REFUNDED"
	Refunded          State = "REFUNDED"
	ChargedBack       State = "CHARGED_BACK"
)

// States lists every state, in the order of a life.
func States() []State {
	return []State{
		Pending, Processing, Authorized, Paid, Failed, Expired, Cancelled, Review,
		PartiallyRefunded, Refunded, ChargedBack,
	}
}

// Type is what a journal entry, and so an order event, is about.
type Type string

// The types of entries.
const (
	LinkCreated            Type = "link.created"
	LinkDeactivated        Type = "link.deactivated"
	OrderCreated           Type = "order.created"
	OrderReopened          Type = "order.reopened"
	OrderProcessing        Type = "order.processing"
	OrderAuthorized        Type = "order.authorized"
	OrderCaptured          Type = "order.captured"
	OrderPaid              Type = "order.paid"
	OrderPaymentFailed     Type = "order.payment_failed"
	OrderExpired           Type = "order.expired"
	OrderCancelled         Type = "order.cancelled"
	OrderReviewRequired    Type = "order.review_required"
	OrderReviewResolved    Type = "order.review_resolved"
	OrderPartiallyRefunded Type = "order.partially_refunded"
	OrderRefunded          Type = "order.refunded"
	OrderChargedBack       Type = "order.charged_back"
	OrderChargebackUndone  Type = "order.chargeback_reversed"
	AttemptStarted         Type = "attempt.started"
	AttemptHandedOff       Type = "attempt.handed_off"
	AttemptDeclined        Type = "attempt.declined"
	AttemptUnknown         Type = "attempt.unknown"
	AttemptDead            Type = "attempt.dead"
	EvidenceNoted          Type = "evidence.noted"
	CaptureRequested       Type = "capture.requested"
	CaptureFailed          Type = "capture.failed"
	VoidRequested          Type = "void.requested"
	VoidFailed             Type = "void.failed"
	RefundRequested        Type = "refund.requested"
	RefundSent             Type = "refund.sent"
	RefundPosted           Type = "refund.posted"
	RefundFailed           Type = "refund.failed"
	RefundUnknown          Type = "refund.unknown"
	ExceptionOpened        Type = "exception.opened"
	ExceptionResolved      Type = "exception.resolved"
)

// Types lists every type of entry.
func Types() []Type {
	return []Type{
		LinkCreated, LinkDeactivated,
		OrderCreated, OrderReopened, OrderProcessing, OrderAuthorized, OrderCaptured, OrderPaid, OrderPaymentFailed,
		OrderExpired, OrderCancelled, OrderReviewRequired, OrderReviewResolved, OrderPartiallyRefunded, OrderRefunded,
		OrderChargedBack, OrderChargebackUndone,
		AttemptStarted, AttemptHandedOff, AttemptDeclined, AttemptUnknown, AttemptDead,
		EvidenceNoted, CaptureRequested, CaptureFailed, VoidRequested, VoidFailed,
		RefundRequested, RefundSent, RefundPosted, RefundFailed, RefundUnknown,
		ExceptionOpened, ExceptionResolved,
	}
}

// meanings says of every type what it tells, for the documentation.
var meanings = map[Type]string{
	LinkCreated:            "a payment link was made",
	LinkDeactivated:        "the link is no longer offered (L3)",
	OrderCreated:           "the order exists",
	OrderReopened:          "the expired order is offered again, with a new link and expiry (O1)",
	OrderProcessing:        "the payer has begun to pay",
	OrderAuthorized:        "money is held for the order",
	OrderCaptured:          "held money was taken, or more of it",
	OrderPaid:              "a payment settled the order",
	OrderPaymentFailed:     "the attempt failed; the order can be paid again until it expires (O5)",
	OrderExpired:           "the offer ran out (E1)",
	OrderCancelled:         "the merchant cancelled the order (O10)",
	OrderReviewRequired:    "money is here that does not settle the order (O2)",
	OrderReviewResolved:    "that money is gone; the order goes on where it was",
	OrderPartiallyRefunded: "a part of the settling payment went back",
	OrderRefunded:          "all of the settling payment went back",
	OrderChargedBack:       "the payer's bank took money of the settling payment back",
	OrderChargebackUndone:  "the chargeback was reversed",
	AttemptStarted:         "the intent to pay at a PSP was committed (I5)",
	AttemptHandedOff:       "the payer was given the way to the PSP",
	AttemptDeclined:        "the PSP said no; its session may still be used (O6)",
	AttemptUnknown:         "the PSP was asked and did not answer (O6)",
	AttemptDead:            "the attempt can no longer be paid; the proof says why (O7)",
	EvidenceNoted:          "a proven fact about money, with its source and the payment's sums",
	CaptureRequested:       "held money is about to be taken at the PSP (O10)",
	CaptureFailed:          "the PSP did not take the held money; it is still held",
	VoidRequested:          "a hold is about to be released at the PSP (O10)",
	VoidFailed:             "the PSP did not release the hold; the money is still held",
	RefundRequested:        "money of a payment was reserved to go back (R1)",
	RefundSent:             "the PSP is being asked for the refund (R2)",
	RefundPosted:           "the money went back",
	RefundFailed:           "the refund was refused and its reserve released",
	RefundUnknown:          "the PSP did not answer; the reserve stays (R2)",
	ExceptionOpened:        "a payment fact does not simply settle the order (X1)",
	ExceptionResolved:      "the exception ended: accepted, refunded or dismissed (X2)",
}

// Transition is one row of the table: in From, an entry of type On leads to To.
type Transition struct {
	From State
	On   Type
	To   State
	Why  string
}

// transitions is the one table of order states (O3). What is not in it cannot happen.
// From "" is the order that does not exist yet.
var transitions = []Transition{
	{"", OrderCreated, Pending, "a link was asked for"},

	{Pending, OrderProcessing, Processing, "the payer pressed Pay"},
	{Pending, OrderPaid, Paid, "a payment settles the order"},
	{Pending, OrderExpired, Expired, "the offer ran out (E1)"},
	{Pending, OrderCancelled, Cancelled, "the merchant cancelled"},
	{Pending, OrderReviewRequired, Review, "money is here that does not settle the order (X1)"},

	{Processing, AttemptDead, Pending, "the attempt can no longer be paid; the offer stands"},
	{Processing, OrderAuthorized, Authorized, "money is held"},
	{Processing, OrderPaid, Paid, "a payment settles the order"},
	{Processing, OrderPaymentFailed, Failed, "the attempt was declined (O5)"},
	{Processing, OrderCancelled, Cancelled, "the merchant cancelled; money that still comes is AFTER_CANCEL (O10)"},
	{Processing, OrderReviewRequired, Review, "money is here that does not settle the order (X1)"},

	{Authorized, OrderPaid, Paid, "the held money was captured (O10)"},
	{Authorized, OrderPaymentFailed, Failed, "the hold was released by the PSP"},
	{Authorized, OrderCancelled, Cancelled, "the hold was voided (O10)"},
	{Authorized, OrderReviewRequired, Review, "money is here that does not settle the order (X1)"},

	{Failed, OrderProcessing, Processing, "the payer tries again (O5)"},
	{Failed, OrderAuthorized, Authorized, "another card in the same session (O4)"},
	{Failed, OrderPaid, Paid, "another card in the same session (O4)"},
	{Failed, OrderExpired, Expired, "the offer ran out (E1)"},
	{Failed, OrderCancelled, Cancelled, "the merchant cancelled"},
	{Failed, OrderReviewRequired, Review, "money is here that does not settle the order (X1)"},

	{Expired, OrderReopened, Pending, "the same order was asked for again (O1)"},
	{Expired, OrderPaid, Paid, "paid in time and reported late, or accepted late (E2)"},
	{Expired, OrderReviewRequired, Review, "late money waits for a decision (E2)"},

	{Cancelled, OrderPaid, Paid, "money after the cancel was accepted (AFTER_CANCEL)"},
	{Cancelled, OrderReviewRequired, Review, "money came after the cancel (AFTER_CANCEL)"},

	{Review, OrderPaid, Paid, "accepted, or a good payment arrived"},
	{Review, OrderAuthorized, Review, "money is held behind the review, which goes on"},
	{Review, OrderReviewResolved, Pending, "the money went elsewhere; the state before"},
	{Review, OrderReviewResolved, Processing, "the money went elsewhere; the state before"},
	{Review, OrderReviewResolved, Authorized, "the money went elsewhere; the state before"},
	{Review, OrderReviewResolved, Failed, "the money went elsewhere; the state before"},
	{Review, OrderReviewResolved, Expired, "the money went elsewhere; the state before"},
	{Review, OrderReviewResolved, Cancelled, "the money went elsewhere; the state before"},

	{Paid, OrderPartiallyRefunded, PartiallyRefunded, "a part went back"},
	{Paid, OrderRefunded, Refunded, "all went back"},
	{Paid, OrderChargedBack, ChargedBack, "the payer's bank took it back"},
	{PartiallyRefunded, OrderPartiallyRefunded, PartiallyRefunded, "another part went back"},
	{PartiallyRefunded, OrderRefunded, Refunded, "the rest went back"},
	{PartiallyRefunded, OrderChargedBack, ChargedBack, "the payer's bank took the rest back"},
	{Refunded, OrderChargedBack, ChargedBack, "the payer's bank took it back although it was refunded"},
	{ChargedBack, OrderChargebackUndone, Paid, "the chargeback was reversed"},
	{ChargedBack, OrderChargebackUndone, PartiallyRefunded, "the chargeback was reversed; a part had gone back"},
	{ChargedBack, OrderChargebackUndone, Refunded, "the chargeback was reversed; all had gone back"},
}

// Transitions returns a copy of the table, for the documentation.
func Transitions() []Transition { return append([]Transition(nil), transitions...) }

// allowed reports whether the table has this row.
func allowed(from State, on Type, to State) bool {
	for i := range transitions {
		t := &transitions[i]
		if t.From == from && t.On == on && t.To == to {
			return true
		}
	}
	return false
}

// moves reports whether an entry of this type always leads to a state. Only the death of an attempt
// may or may not.
func moves(on Type) bool {
	for i := range transitions {
		if transitions[i].On == on {
			return on != AttemptDead
		}
	}
	return false
}

// PrintTransitions renders the table as Markdown; docs/transitions.md is this text.
func PrintTransitions() string {
	var b strings.Builder
	b.WriteString("# The states of an order\n\n" +
		"Made from the table in `server/order/state.go` (O3). What is not in it cannot happen.\n\n" +
		"| from | entry | to | why |\n|---|---|---|---|\n")
	for _, t := range transitions {
		from := "`" + string(t.From) + "`"
		if t.From == "" {
			from = "(new)"
		}
		fmt.Fprintf(&b, "| %s | `%s` | `%s` | %s |\n", from, t.On, t.To, t.Why)
	}
	b.WriteString("\n## What each entry tells\n\n" +
		"Entries that are not in the table above leave the state as it is. Those of links have no order state.\n\n" +
		"| entry | tells |\n|---|---|\n")
	for _, on := range Types() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", on, meanings[on])
	}
	return b.String()
}
