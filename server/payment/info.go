package payment

import (
	"slices"
	"time"

	"github.com/kvitpay/kvit/server/order"
)

// OrderInfo is an order as it is answered, and as a recorded result keeps it. State is the one that
// a reader sees (E1); amounts are minor units of Currency.
type OrderInfo struct {
	ID string `json:"order_id"`
	order.View
	Version   int64          `json:"version"`
	Locale    string         `json:"locale,omitempty"`
	Customer  order.Customer `json:"customer"`
	Details   order.Details  `json:"details"`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
}

// LinkInfo is a link as it is answered, and as a recorded result keeps it.
//
// State is the link's own: it was not closed and its time has not run out. Whether a dynamic link's
// order can still be paid is the order's to say. A reopened order has a new link, and the ones before
// are EXPIRED, as an order is offered again only after its link's time ran out (O1).
type LinkInfo struct {
	ID             string          `json:"link_id"`
	Kind           order.Kind      `json:"kind"`
	State          order.LinkState `json:"state"`
	OrderID        string          `json:"order_id,omitempty"`
	Currency       string          `json:"currency"`
	AmountMinor    int64           `json:"amount"`
	Capture        order.Capture   `json:"capture"`
	Live           bool            `json:"live,omitempty"`
	Locale         string          `json:"locale,omitempty"`
	KeyID          string          `json:"key_id"`
	ExpiresAt      time.Time       `json:"expires_at"`
	OrderExpiresIn time.Duration   `json:"order_expires_in_ns,omitempty"`
	Accounts       []string        `json:"accounts,omitempty"`
	CreatedAt      time.Time       `json:"created_at"`
	DeactivatedAt  time.Time       `json:"deactivated_at,omitzero"`
	// Details are the link's own words; those of a dynamic link are its order's.
	Details order.Details `json:"details,omitzero"`

	// URL is the address. It is filled in when we answer, and kept nowhere (L1).
	URL string `json:"-"`
}

func orderInfo(o *order.Order, details *order.Details, now time.Time) OrderInfo {
	info := OrderInfo{
		ID: o.ID.String(), View: *o.View(), Version: o.Version, Locale: o.Locale,
		Customer: o.Terms.Customer, CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt,
	}
	info.State = o.StateAt(now)
	if details != nil {
		info.Details = *details
	}
	return info
}

func linkInfo(l *order.Link, details *order.Details, now time.Time) LinkInfo {
	info := LinkInfo{
		ID: l.ID, Kind: l.Kind, State: l.StateAt(now), OrderID: l.OrderID.String(),
		Currency: l.Amount.Currency().Code(), AmountMinor: l.Amount.Minor(), Capture: l.Capture, Live: l.Live,
		Locale: l.Locale, KeyID: l.KeyID, ExpiresAt: l.ExpiresAt, OrderExpiresIn: l.OrderExpiresIn,
		Accounts: slices.Clone(l.Accounts), CreatedAt: l.CreatedAt, DeactivatedAt: l.DeactivatedAt,
	}
	if l.Kind == order.Fixed && details != nil {
		info.Details = *details
	}
	return info
}
