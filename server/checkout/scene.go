package checkout

import (
	"strconv"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/text"
)

// details are the words of the order, or of the fixed link.
func (s *scene) details() *order.Details {
	if s.page.Order != nil {
		return &s.page.Order.Details
	}
	return &s.page.Link.Details
}

func (s *scene) version() int64 {
	if s.page.Order == nil {
		return 0
	}
	return s.page.Order.Version
}

// state is the order's state, or the link's where it has none yet.
func (s *scene) state() string {
	if s.page.Order == nil {
		return string(s.page.Link.State)
	}
	return string(s.page.Order.State)
}

// offerUntil is when the offer ends; zero where it does not.
func (s *scene) offerUntil() time.Time {
	if s.page.Order != nil {
		return s.page.Order.OfferUntil
	}
	return s.page.Link.ExpiresAt
}

// clock writes a time as the merchant's wall shows it: the minute of today, the day of any other.
// A time that has passed is "": nothing is promised for it.
func (s *scene) clock(t time.Time) string {
	zone := s.page.Merchant.Location
	if zone == nil {
		zone = time.UTC
	}
	now := s.page.Now.In(zone)
	t = t.In(zone)
	switch {
	case !t.After(now):
		return ""
	case t.YearDay() != now.YearDay() || t.Year() != now.Year():
		return text.Instant(s.lang, t, zone)
	case zone == time.UTC:
		return t.Format("15:04 UTC")
	}
	return t.Format("15:04")
}

// items are the lines of what is sold.
func (s *scene) items() []row {
	lines := s.details().Items
	rows := make([]row, 0, len(lines))
	for _, item := range lines {
		label := item.Name
		if item.Quantity > 1 {
			label = strconv.FormatInt(item.Quantity, 10) + "\u00a0× " + label
		}
		rows = append(rows, row{label, text.Amount(s.lang, amountOf(item.AmountMinor, s.page.Link.Currency))})
	}
	return rows
}

// rows are the facts of a receipt beside the amount: those that say something else.
func (s *scene) rows() []row {
	o := s.page.Order
	if o == nil {
		return nil
	}
	var rows []row
	add := func(label text.Key, value string) {
		if value != "" {
			rows = append(rows, row{text.Say(s.lang, label), value})
		}
	}
	sum := func(label text.Key, minor int64) {
		if minor > 0 && minor != o.AmountMinor {
			add(label, text.Amount(s.lang, amountOf(minor, o.Currency)))
		}
	}
	add(text.PageOrder, o.ID)
	sum(text.PageAmountHeld, o.Authorized)
	sum(text.PageAmountPaid, o.Paid)
	sum(text.PageAmountRefunded, o.Refunded)
	return rows
}

// refreshSeconds is how long the page without JavaScript waits before it looks again: the longer it
// has waited, the longer. At the end it leaves it to the payer.
var refreshSeconds = []int{3, 3, 5, 5, 8, 8, 13, 20, 30, 30, 60, 60, 60, 60, 60}

// nextRefresh is what comes after count refreshes; nil where the payer presses the button.
func nextRefresh(address string, count int) *refresh {
	if count < 0 || count >= len(refreshSeconds) {
		return nil
	}
	return &refresh{refreshSeconds[count], withQuery(address, "n", strconv.Itoa(count+1))}
}
