package fault

// Reason is a stable word in UPPER_SNAKE that programs may compare. The list is part of the documented API.
type Reason string

// The reasons that callers see. A new one is added here, to Reasons and to docs/api.md.
const (
	ReasonInternal             Reason = "INTERNAL"
	ReasonRequestInvalid       Reason = "REQUEST_INVALID"
	ReasonAPIKeyMissing        Reason = "API_KEY_MISSING"
	ReasonAPIKeyInvalid        Reason = "API_KEY_INVALID"
	ReasonScopeMissing         Reason = "SCOPE_MISSING"
	ReasonModeDiffers          Reason = "MODE_DIFFERS"
	ReasonIdempotencyKeyReused Reason = "IDEMPOTENCY_KEY_REUSED"
	ReasonIdempotencyKeyInUse  Reason = "IDEMPOTENCY_KEY_IN_USE"
	ReasonOrderIDConflict      Reason = "ORDER_ID_CONFLICT"
	ReasonOrderNotFound        Reason = "ORDER_NOT_FOUND"
	ReasonLinkNotFound         Reason = "LINK_NOT_FOUND"
	ReasonRefundNotFound       Reason = "REFUND_NOT_FOUND"
	ReasonAPIKeyNotFound       Reason = "API_KEY_NOT_FOUND"
	ReasonMerchantNotFound     Reason = "MERCHANT_NOT_FOUND"
	ReasonMethodNotFound       Reason = "METHOD_NOT_FOUND"
	ReasonOrderState           Reason = "ORDER_STATE"
	ReasonLinkInactive         Reason = "LINK_INACTIVE"
	ReasonAttemptInProgress    Reason = "ATTEMPT_IN_PROGRESS"
	ReasonRefundExceeds        Reason = "REFUND_EXCEEDS_PAYMENT"
	ReasonAccountNotFound      Reason = "ACCOUNT_NOT_FOUND"
	ReasonAccountUnavailable   Reason = "ACCOUNT_UNAVAILABLE"
	ReasonPSPNotAttempted      Reason = "PSP_NOT_ATTEMPTED"
	ReasonPSPRefused           Reason = "PSP_REFUSED"
	ReasonRefundUnsupported    Reason = "REFUND_UNSUPPORTED"
	ReasonCaptureUnsupported   Reason = "CAPTURE_UNSUPPORTED"
	ReasonCurrencyUnsupported  Reason = "CURRENCY_UNSUPPORTED"
	ReasonAmountGrain          Reason = "AMOUNT_GRAIN"
	ReasonAmountOverflow       Reason = "AMOUNT_OVERFLOW"
	ReasonCursorInvalid        Reason = "CURSOR_INVALID"
	ReasonPageTokenInvalid     Reason = "PAGE_TOKEN_INVALID"
	ReasonCardData             Reason = "CARD_DATA_REFUSED"
	ReasonStoreUnavailable     Reason = "STORE_UNAVAILABLE"
	ReasonRateLimited          Reason = "RATE_LIMITED"
	ReasonDeadline             Reason = "DEADLINE_EXCEEDED"
	ReasonCancelled            Reason = "CANCELLED"
	ReasonShuttingDown         Reason = "SHUTTING_DOWN"
)

// Reasons lists every reason with its meaning, for the documentation and its test.
func Reasons() map[Reason]string {
	return map[Reason]string{
		ReasonInternal:             "A fault of ours. The message holds an id; look it up in the log.",
		ReasonRequestInvalid:       "A field is not as it must be. BadRequest names each.",
		ReasonAPIKeyMissing:        "No Authorization header with a Bearer key.",
		ReasonAPIKeyInvalid:        "The key is not known, or was revoked.",
		ReasonScopeMissing:         "The key may not do this. Metadata: scope.",
		ReasonModeDiffers:          "A test key was used to change something live, or a live key a test.",
		ReasonIdempotencyKeyReused: "The key was used for another request. Metadata: changed_fields.",
		ReasonIdempotencyKeyInUse:  "The same request is being worked on. Repeat with the same key.",
		ReasonOrderIDConflict:      "The order exists with other terms. Metadata: changed_fields.",
		ReasonOrderNotFound:        "No such order for this merchant.",
		ReasonLinkNotFound:         "No such payment link for this merchant.",
		ReasonRefundNotFound:       "No such refund for this merchant.",
		ReasonAPIKeyNotFound:       "No such API key for this merchant.",
		ReasonMerchantNotFound:     "No such merchant.",
		ReasonMethodNotFound:       "No such method on this port.",
		ReasonOrderState:           "The order's state does not allow this. Metadata: state.",
		ReasonLinkInactive:         "The payment link is deactivated or expired.",
		ReasonAttemptInProgress:    "A payment attempt is under way and may still succeed.",
		ReasonRefundExceeds:        "The refund is more than what is left of the payment.",
		ReasonAccountNotFound:      "No such PSP account. Metadata: account_id.",
		ReasonAccountUnavailable:   "The PSP account cannot be used now. Repeat later, or use another account. Metadata: account_id.",
		ReasonPSPNotAttempted:      "The PSP was not reached: certainly nothing happened. Repeat later, with a new key.",
		ReasonPSPRefused:           "The PSP refused for good: certainly nothing happened.",
		ReasonRefundUnsupported:    "The PSP account cannot give this money back by a call. Use the PSP's own cabinet.",
		ReasonCaptureUnsupported:   "The PSP account cannot take held money, or a part of it, by a call. Use the PSP's own cabinet.",
		ReasonCurrencyUnsupported:  "The currency is not in the ISO 4217 table, or the account cannot take it.",
		ReasonAmountGrain:          "The account takes only whole units of a coarser grain.",
		ReasonAmountOverflow:       "The sum does not fit.",
		ReasonCursorInvalid:        "The cursor cannot be read.",
		ReasonPageTokenInvalid:     "The page token cannot be read, or belongs to another request.",
		ReasonCardData:             "A text holds what looks like a card number. Card data never enters.",
		ReasonStoreUnavailable:     "The database is away, or a commit is unclear. Repeat with the same key.",
		ReasonRateLimited:          "Too many requests wait. Repeat later.",
		ReasonDeadline:             "The caller's deadline passed. Repeat with the same key.",
		ReasonCancelled:            "The caller went away. Repeat with the same key.",
		ReasonShuttingDown:         "This server is stopping. Repeat; another one answers.",
	}
}
