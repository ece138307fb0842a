package text

// page is the beginning of every key of the payer's page.
const page = "page."

// The payer's page: paying.
const (
	PagePay       Key = page + "pay"        // A button.
	PageContinue  Key = page + "continue"   // A button: an attempt is under way.
	PageTryAgain  Key = page + "try_again"  // A button: the last attempt failed.
	PageWayClosed Key = page + "way_closed" // Why another way cannot be chosen now (O7).
	PageNoWay     Key = page + "no_way"
	PageUntil     Key = page + "until" // Stands before the time that is left.
	PageLeft      Key = page + "left"  // Stands before a span.
	PageTest      Key = page + "test"
	PageSafe      Key = page + "safe"
)

// The payer's page: labels of amounts and facts.
const (
	PageOrder          Key = page + "order"           // A label.
	PageSeller         Key = page + "seller"          // A label.
	PageItems          Key = page + "items"           // A label.
	PageAmount         Key = page + "amount"          // A label.
	PageAmountPaid     Key = page + "amount_paid"     // A label.
	PageAmountHeld     Key = page + "amount_held"     // A label.
	PageAmountRefunded Key = page + "amount_refunded" // A label.
	PageReason         Key = page + "reason"          // A label: why it was declined.
)

// The payer's page: what stands beside a state, and states that are no order's.
const (
	PageProcessing     Key = page + "processing"    // The payer came back, and the answer is not here.
	PageUnderWay       Key = page + "under_way"     // The payer opened the page while an attempt is under way.
	PageNotFinished    Key = page + "not_finished"  // Stands before the button to continue.
	PageUnknownTitle   Key = page + "unknown_title" // A label: asked, no answer.
	PageUnknown        Key = page + "unknown"
	PagePaid           Key = page + "paid"
	PageFailed         Key = page + "failed"
	PageCancelled      Key = page + "cancelled"
	PageReview         Key = page + "review"
	PageHeld           Key = page + "held"
	PageRefunded       Key = page + "refunded"
	PagePartlyRefunded Key = page + "partly_refunded"
	PageChargedBack    Key = page + "charged_back"
	PageLinkOffTitle   Key = page + "link_off_title"  // A label.
	PageNotFoundTitle  Key = page + "not_found_title" // A label.
	PageNotFound       Key = page + "not_found"
	PageDownTitle      Key = page + "down_title" // A label.
	PageDown           Key = page + "down"
)

// The payer's page: notices, after something did not work.
const (
	PageStale   Key = page + "stale"    // A notice.
	PageWayDown Key = page + "way_down" // A notice.
	PageBusy    Key = page + "busy"     // A notice.
)

// The payer's page: around it.
const (
	PageQuestions    Key = page + "questions"     // Stands before where support is found.
	PageAskSeller    Key = page + "ask_seller"    // Where support is not named.
	PageBack         Key = page + "back"          // A button.
	PageCheck        Key = page + "check"         // A button.
	PageOpenAgain    Key = page + "open_again"    // A button.
	PageSendingTitle Key = page + "sending_title" // A label.
	PageSending      Key = page + "sending"
	PageGo           Key = page + "go"      // A button.
	PageWorking      Key = page + "working" // A button that was pressed.
	PageInApp        Key = page + "in_app"
	PageAddress      Key = page + "address"  // A label.
	PageCopy         Key = page + "copy"     // A button.
	PageCopied       Key = page + "copied"   // A button that was pressed.
	PageScan         Key = page + "scan"     // Stands beside the code.
	PageLanguage     Key = page + "language" // A label.
	PagePreview      Key = page + "preview"  // The title of the card that a chat shows (L2).
	PagePreviewText  Key = page + "preview_text"
)
