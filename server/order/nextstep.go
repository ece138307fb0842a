package order

import "time"

// Step is what a bot should do next with an order, for machines.
type Step string

// The steps.
const (
	StepPay            Step = "PAY"
	StepWait           Step = "WAIT"
	StepFulfill        Step = "FULFILL"
	StepTryAgain       Step = "TRY_AGAIN"
	StepAskForNewLink  Step = "ASK_FOR_NEW_LINK"
	StepContactSupport Step = "CONTACT_SUPPORT"
	StepNone           Step = "NONE"
)

var steps = map[State]Step{
	Pending:           StepPay,
	Processing:        StepWait,
	Authorized:        StepWait,
	Paid:              StepFulfill,
	Failed:            StepTryAgain,
	Expired:           StepAskForNewLink,
	Cancelled:         StepNone,
	Review:            StepContactSupport,
	PartiallyRefunded: StepNone,
	Refunded:          StepNone,
	ChargedBack:       StepContactSupport,
}

// NextStep is what to do next with an order as a reader sees it now. An order whose link was
// deactivated cannot be paid by it: the customer asks for a new one.
func NextStep(o *Order, link *Link, now time.Time) Step {
	step := steps[o.StateAt(now)]
	if (step == StepPay || step == StepTryAgain) && link != nil && link.StateAt(now) != LinkActive {
		return StepAskForNewLink
	}
	return step
}
