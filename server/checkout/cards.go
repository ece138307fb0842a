package checkout

import (
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/text"
)

// tone is a card's colour and icon.
type tone string

const (
	tonePay  tone = "pay" // The pay page: no icon, the amount stands first.
	toneWait tone = "wait"
	toneGood tone = "good"
	toneBad  tone = "bad"
	toneHold tone = "hold"
	toneBack tone = "back"
	toneOff  tone = "off"
)

// How eagerly a page follows its order.
const (
	followFast = "fast" // An answer is due: wait for it.
	followSlow = "slow" // Something may happen elsewhere.
	followNot  = "no"
)

// wayBack is which of the merchant's addresses a card offers.
type wayBack int

const (
	backNowhere wayBack = iota
	backSuccess
	backFailure
)

func (b wayBack) address(details *order.Details) string {
	switch b {
	case backSuccess:
		return details.SuccessURL
	case backFailure:
		return details.FailureURL
	case backNowhere:
	}
	return ""
}

// card is what a page says in one state.
type card struct {
	tone tone
	// title is the heading; empty means the amount.
	title text.Key
	text  text.Key
	// help puts where support is found beside the text.
	help   bool
	back   wayBack
	follow string
	// button is what a way to pay is called; empty means that this card offers none.
	button text.Key
	// reload offers to open the page again.
	reload bool
}

// sight is what a payer may find: the state of an order as a reader sees it (O2, E1), or one of ours.
type sight string

const (
	// seesUnderWay is a payer who opens the page while an attempt is under way: go on, or wait (O7).
	seesUnderWay sight = "under way"
	// seesUnknown is an attempt that was asked about and has no answer (O6).
	seesUnknown sight = "unknown"
	seesLinkOff sight = "link off"
	seesNothing sight = "not found"
	seesDown    sight = "down"
	seesOffer         = sight(order.Pending)
	seesExpired       = sight(order.Expired)
)

// cards are what a page says, by what there is to see.
var cards = map[sight]card{
	seesOffer:                      {tone: tonePay, follow: followSlow, button: text.PagePay},
	sight(order.Processing):        {tone: toneWait, title: text.StateProcessing, text: text.PageProcessing, follow: followFast, button: text.PageContinue},
	seesUnderWay:                   {tone: toneWait, title: text.StateProcessing, text: text.PageUnderWay, follow: followFast, button: text.PageContinue},
	seesUnknown:                    {tone: toneWait, title: text.PageUnknownTitle, text: text.PageUnknown, help: true, follow: followFast, button: text.PageContinue},
	sight(order.Authorized):        {tone: toneHold, title: text.StateAuthorized, text: text.PageHeld, back: backSuccess, follow: followSlow},
	sight(order.Paid):              {tone: toneGood, title: text.StatePaid, text: text.PagePaid, back: backSuccess, follow: followSlow},
	sight(order.Failed):            {tone: toneBad, title: text.StateFailed, text: text.PageFailed, back: backFailure, follow: followSlow, button: text.PageTryAgain},
	seesExpired:                    {tone: toneOff, title: text.StateExpired, text: text.NextAskForNewLink, help: true, back: backFailure, follow: followNot},
	sight(order.Cancelled):         {tone: toneOff, title: text.StateCancelled, text: text.PageCancelled, help: true, back: backFailure, follow: followNot},
	sight(order.Review):            {tone: toneHold, title: text.StateManualReview, text: text.PageReview, help: true, follow: followSlow},
	sight(order.PartiallyRefunded): {tone: toneBack, title: text.StatePartiallyRefunded, text: text.PagePartlyRefunded, follow: followSlow},
	sight(order.Refunded):          {tone: toneBack, title: text.StateRefunded, text: text.PageRefunded, follow: followNot},
	sight(order.ChargedBack):       {tone: toneBack, title: text.StateChargedBack, text: text.PageChargedBack, help: true, follow: followNot},
	seesLinkOff:                    {tone: toneOff, title: text.PageLinkOffTitle, text: text.NextAskForNewLink, help: true, follow: followNot},
	seesNothing:                    {tone: toneOff, title: text.PageNotFoundTitle, text: text.PageNotFound, follow: followNot},
	seesDown:                       {tone: toneOff, title: text.PageDownTitle, text: text.PageDown, follow: followNot, reload: true},
}

// sightOf tells what a page shows. A payer who came back from a PSP follows the answer; one who opens
// the page is offered to go on.
func sightOf(page payment.Page, follows bool) sight {
	if page.Order == nil {
		return sightOfLink(page.Link.State)
	}
	state := page.Order.State
	switch {
	case page.Live == nil && (state == order.Pending || state == order.Failed) && page.Link.State != order.LinkActive:
		return sightOfLink(page.Link.State)
	case state != order.Processing || page.Live == nil:
		return sight(state)
	case page.Live.State == order.AttemptUncertain:
		return seesUnknown
	case !follows && joinable(page):
		return seesUnderWay
	}
	return sight(state)
}

// sightOfLink is what a link shows whose own state counts.
func sightOfLink(state order.LinkState) sight {
	switch state {
	case order.LinkActive:
		return seesOffer
	case order.LinkExpired:
		return seesExpired
	case order.LinkInactive:
		return seesLinkOff
	}
	return seesLinkOff
}

// joinable reports whether a tap would join the attempt that is under way.
func joinable(page payment.Page) bool {
	for _, way := range page.Ways {
		if way.Joins {
			return true
		}
	}
	return false
}
