package order

import (
	"slices"
	"time"
)

// AttemptState is where an attempt stands (O6).
type AttemptState string

// The states of an attempt.
const (
	AttemptCreated    AttemptState = "CREATED"
	AttemptHanded     AttemptState = "HANDED_OFF"
	AttemptAuthorized AttemptState = "AUTHORIZED"
	AttemptSucceeded  AttemptState = "SUCCEEDED"
	AttemptRefused    AttemptState = "DECLINED"
	AttemptUncertain  AttemptState = "UNKNOWN"
	AttemptOver       AttemptState = "DEAD"
)

// Attempt is one try to pay an order at one PSP account.
type Attempt struct {
	ID      string
	Account string
	State   AttemptState
	// StartedAt is when the intent was committed; SessionUntil is when the PSP's session ends;
	// Grace is how much longer the provider may take to tell (E2).
	StartedAt    time.Time
	SessionUntil time.Time
	Grace        time.Duration
	// Failure is the PSP's last reason for a decline, in our words.
	Failure string
	// Seen are the facts that evidence has shown about this attempt, so that a repeat says nothing new (O4).
	Seen []Fact
	// Authorized and Succeeded attempts keep the payment's id.
	PaymentID string
}

// Live reports whether money may still come in the ordinary way (O7).
func (a *Attempt) Live() bool { return a.State != AttemptSucceeded && a.State != AttemptOver }

func (a *Attempt) deadline() time.Time { return a.SessionUntil.Add(a.Grace) }

func (a *Attempt) saw(fact Fact) bool { return slices.Contains(a.Seen, fact) }

// AttemptFacts are the facts of attempt entries. attempt.started has all but Failure and Proof.
type AttemptFacts struct {
	ID           string        `json:"id"`
	Account      string        `json:"account,omitempty"`
	SessionUntil *time.Time    `json:"session_until,omitempty"`
	Grace        time.Duration `json:"grace_ns,omitempty"`
	Failure      string        `json:"failure,omitempty"`
	Proof        DeathProof    `json:"proof,omitempty"`
}

// DeathProof says how we know that an attempt can no longer be paid (O7).
type DeathProof string

// The proofs of O7.
const (
	DeadCancelConfirmed DeathProof = "CANCEL_CONFIRMED"
	DeadDeclineCloses   DeathProof = "DECLINE_CLOSES_SESSION"
	DeadSessionOver     DeathProof = "SESSION_OVER"
	DeadNotAttempted    DeathProof = "NOT_ATTEMPTED"
	DeadNeverHandedOff  DeathProof = "NEVER_HANDED_OFF"
	DeadByOperator      DeathProof = "OPERATOR"
	DeadVoided          DeathProof = "VOIDED"
)

// Payment is money that arrived, or is held. Amounts are minor units of Currency (O8).
type Payment struct {
	ID           string
	Account      string
	PSPPaymentID string
	AttemptID    string
	Currency     string
	Authorized   int64
	Captured     int64
	// Reserved is what refunds under way have set aside: reserved + refunded <= captured (R1).
	Reserved    int64
	Refunded    int64
	ChargedBack int64
	// CaptureAsked is how much of a hold we asked the PSP to take, 0 while we did not; VoidAsked is
	// true while we asked it to release the hold (O10). Both end with the hold, or when the PSP says no.
	CaptureAsked int64
	VoidAsked    bool
	// Settles is true for the payment on which its order settled (X1).
	Settles bool
}

// Refundable is what may still be refunded on request, in minor units: not what a refund has, and
// not what the payer's bank took back.
func (p *Payment) Refundable() int64 { return max(0, p.left()-p.ChargedBack) }

// onHold reports whether the money is held and not captured.
func (p *Payment) onHold() bool { return p.Captured == 0 && p.Authorized > 0 }

// Held is what is held and not captured, in minor units.
func (p *Payment) Held() int64 {
	if !p.onHold() {
		return 0
	}
	return p.Authorized
}

// left is what has not been returned or reserved. A PSP may report that more than Refundable went back.
func (p *Payment) left() int64 { return p.Captured - p.Refunded - p.Reserved }

// excess is what went back by refunds and chargebacks beyond what came, or less than 0.
func (p *Payment) excess() int64 { return p.ChargedBack - (p.Captured - p.Refunded) }

// gone reports whether money came and all of it went back.
func (p *Payment) gone() bool { return p.Captured > 0 && p.excess() >= 0 }

// PaymentFacts are a payment's sums after the entry, and how it is found.
type PaymentFacts struct {
	ID           string `json:"id"`
	Account      string `json:"account,omitempty"`
	PSPPaymentID string `json:"psp_payment_id,omitempty"`
	AttemptID    string `json:"attempt_id,omitempty"`
	Currency     string `json:"currency,omitempty"`
	Authorized   int64  `json:"authorized,omitempty"`
	Captured     int64  `json:"captured,omitempty"`
	ChargedBack  int64  `json:"charged_back,omitempty"`
	// CaptureAsked stands in capture.requested alone.
	CaptureAsked int64 `json:"capture_asked,omitempty"`
}

// RefundState is where a refund stands (R1).
type RefundState string

// The states of a refund.
const (
	RefundReserved RefundState = "RESERVED"
	RefundIsSent   RefundState = "SENT"
	RefundDone     RefundState = "POSTED"
	RefundReleased RefundState = "RELEASED"
	RefundInDoubt  RefundState = "UNKNOWN"
)

// Refund is money going back.
type Refund struct {
	ID          string
	PaymentID   string
	AmountMinor int64
	State       RefundState
	// Automatic marks a refund that a policy made; a payment has one at most, ever (X2).
	Automatic   bool
	RequestedAt time.Time
}

// Open reports whether money may still go back by it.
func (r *Refund) Open() bool {
	return r.State == RefundReserved || r.State == RefundIsSent || r.State == RefundInDoubt
}

// RefundFacts are the facts of refund entries. refund.requested has all but Failure.
type RefundFacts struct {
	ID          string `json:"id"`
	PaymentID   string `json:"payment_id,omitempty"`
	AmountMinor int64  `json:"amount,omitempty"`
	// Currency is the payment's, empty where that is the order's.
	Currency  string `json:"currency,omitempty"`
	Automatic bool   `json:"automatic,omitempty"`
	Failure   string `json:"failure,omitempty"`
	// AtPSP marks a refund.posted for money that went back in the PSP's own cabinet (O10).
	AtPSP bool `json:"at_psp,omitempty"`
}

// ExceptionKind is what is odd about a payment fact (X1).
type ExceptionKind string

// The kinds of exception.
const (
	Duplicate     ExceptionKind = "DUPLICATE"
	Late          ExceptionKind = "LATE"
	Underpaid     ExceptionKind = "UNDERPAID"
	Overpaid      ExceptionKind = "OVERPAID"
	WrongCurrency ExceptionKind = "WRONG_CURRENCY"
	WrongMerchant ExceptionKind = "WRONG_MERCHANT"
	Orphan        ExceptionKind = "ORPHAN"
	Unreadable    ExceptionKind = "UNREADABLE"
	Conflicting   ExceptionKind = "CONFLICTING_EVIDENCE"
	AfterCancel   ExceptionKind = "AFTER_CANCEL"
	OverReturned  ExceptionKind = "OVER_RETURNED"
	Stuck         ExceptionKind = "STUCK"
)

// ExceptionKinds lists every kind.
func ExceptionKinds() []ExceptionKind {
	return []ExceptionKind{
		Duplicate, Late, Underpaid, Overpaid, WrongCurrency, WrongMerchant,
		Orphan, Unreadable, Conflicting, AfterCancel, OverReturned, Stuck,
	}
}

// HoldsMoney reports whether an exception of this kind is about a payment that does not settle its order.
func (k ExceptionKind) HoldsMoney() bool {
	switch k {
	case Duplicate, Late, Underpaid, Overpaid, WrongCurrency, WrongMerchant, AfterCancel:
		return true
	case Orphan, Unreadable, Conflicting, OverReturned, Stuck:
		return false
	}
	return false
}

// Resolution is how an exception ended.
type Resolution string

// The resolutions.
const (
	// ResolvedAccepted means that the payment settled the order after all.
	ResolvedAccepted Resolution = "ACCEPTED"
	// ResolvedRefunded means that all of the payment went back.
	ResolvedRefunded Resolution = "REFUNDED"
	// ResolvedDismissed means that a person, or later evidence, found nothing left to do.
	ResolvedDismissed Resolution = "DISMISSED"
)

// Exception is a payment fact that did not simply settle its order.
type Exception struct {
	ID   string
	Kind ExceptionKind
	// PaymentID is the payment that it holds; empty for kinds that hold no money.
	PaymentID string
	AttemptID string
	// AmountMinor is the money in question, in minor units of Currency.
	AmountMinor int64
	Currency    string
	Detail      string
	OpenedAt    time.Time
	ResolvedAt  time.Time
	// Resolution is empty while the exception is open.
	Resolution Resolution
	// Policy is what the merchant's policy said when it was opened (O3, X2).
	Policy PolicyAction
}

// Open reports whether it still waits.
func (x *Exception) Open() bool { return x.Resolution == "" }

// ExceptionFacts are the facts of exception entries. exception.resolved has ID and Resolution.
type ExceptionFacts struct {
	ID          string        `json:"id"`
	Kind        ExceptionKind `json:"kind,omitempty"`
	PaymentID   string        `json:"payment_id,omitempty"`
	AttemptID   string        `json:"attempt_id,omitempty"`
	AmountMinor int64         `json:"amount,omitempty"`
	Currency    string        `json:"currency,omitempty"`
	Detail      string        `json:"detail,omitempty"`
	Policy      PolicyAction  `json:"policy,omitempty"`
	Resolution  Resolution    `json:"resolution,omitempty"`
}
