package payment

import (
	"context"
	"errors"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
)

const (
	// changeWait is how long WaitForChange waits for news of an order.
	changeWait = 20 * time.Second
	// changePause is how soon after one look the next may follow: other orders of a busy merchant
	// wake as well.
	changePause = 300 * time.Millisecond
	// changePoll is how often to look while no wake-up comes: wake-ups may be lost.
	changePoll = 2 * time.Second
)

// Page is what the payer's page shows of a link: read for its token, without a caller (L1, L2).
type Page struct {
	Link LinkInfo
	// Order is nil for a fixed link, which makes an order for each payer who presses Pay (L5).
	Order    *OrderInfo
	Merchant Merchant
	// Ways are the ways to pay now, in the link's order or else in the merchant's: none where nothing can be paid.
	Ways []Way
	// Live is the attempt that may still be paid, nil where there is none.
	Live *PageAttempt
	// Failure is why the last attempt was declined, in the PSP's words as we put them; empty elsewhere.
	Failure string
	// Now is the database's clock, by which the page counts.
	Now time.Time
}

// Way is one way to pay: one PSP account.
type Way struct {
	// Account is the account's id, Kind the PSP's word ("liqpay"), Name what payers read ("LiqPay").
	Account, Kind, Name string
	// Joins is true where an attempt is under way at this account, which a tap joins (O7).
	Joins bool
	// Test is true where no money moves.
	Test bool
}

// PageAttempt is the live attempt as the payer's page shows it.
type PageAttempt struct {
	ID      string
	Account string
	State   order.AttemptState
	// Until is when the attempt is proven dead at the latest, so that another way can be tried (O7).
	Until time.Time
}

// OpenPage reads what a link's address leads to. It writes nothing and waits for no PSP (L2). The
// fault of an unknown token is NotFound, LINK_NOT_FOUND.
func (s *Service) OpenPage(ctx context.Context, token string) (Page, error) {
	read, err := s.linkByToken(ctx, token)
	if err != nil {
		return Page{}, err
	}
	return s.pageOf(read)
}

// PayerReturned is OpenPage for a browser that comes back from the PSP: it nudges the resolver, and
// believes nothing that the browser says (L2, O6).
func (s *Service) PayerReturned(ctx context.Context, token, _ string) (Page, error) {
	read, err := s.linkByToken(ctx, token)
	if err != nil {
		return Page{}, err
	}
	s.nudge(read.Order)
	return s.pageOf(read)
}

// WaitForChange answers with the page as soon as its order has another version than this, or after 20
// seconds with the page as it stands.
func (s *Service) WaitForChange(ctx context.Context, token string, version int64) (Page, error) {
	read, err := s.linkByToken(ctx, token)
	if err != nil {
		return Page{}, err
	}
	if read.Order == nil || read.Order.Version != version {
		return s.pageOf(read)
	}
	s.nudge(read.Order)
	woken := s.bus.Subscribe(read.Link.Merchant)
	defer woken.Close()
	enough := time.NewTimer(changeWait)
	defer enough.Stop()
	for read.Order.Version == version {
		if !pause(ctx, changePause) {
			break
		}
		poll := time.NewTimer(changePoll)
		ended := false
		select {
		case <-woken.C():
		case <-poll.C:
		case <-enough.C:
			ended = true
		case <-ctx.Done():
			ended = true
		}
		poll.Stop()
		if ended {
			break
		}
		if read, err = s.linkByToken(ctx, token); err != nil {
			return Page{}, err
		}
	}
	return s.pageOf(read)
}

// pause waits, and reports false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// linkByToken finds the link of an address, with its order where it is dynamic.
func (s *Service) linkByToken(ctx context.Context, token string) (store.LinkRead, error) {
	const message = "There is no such payment link."
	if !seal.ValidToken(token) {
		return store.LinkRead{}, fault.New(fault.NotFound, fault.ReasonLinkNotFound, message)
	}
	read, err := s.store.LinkByToken(ctx, seal.TokenHash(token))
	if err != nil {
		return store.LinkRead{}, readFailed(err, fault.ReasonLinkNotFound, message)
	}
	return read, nil
}

var errNoMerchant = errors.New("the link's merchant is not in the settings")

func (s *Service) pageOf(read store.LinkRead) (Page, error) {
	merchant, known := s.merchants[read.Link.Merchant]
	if !known {
		return Page{}, fault.New(fault.NotFound, fault.ReasonLinkNotFound, "There is no such payment link.", fault.Because(errNoMerchant))
	}
	page := Page{Link: s.linkAnswer(&read), Merchant: merchant, Now: read.Now}
	if o := read.Order; o != nil {
		info := orderInfo(o, o.Details, read.Now)
		page.Order = &info
		if live := o.LiveAttempt(); live != nil {
			page.Live = &PageAttempt{ID: live.ID, Account: live.Account, State: live.State, Until: live.SessionUntil.Add(live.Grace)}
		}
		if n := len(o.Attempts); n > 0 && info.State == order.Failed {
			page.Failure = o.Attempts[n-1].Failure
		}
	}
	page.Ways = s.ways(&read, page.Live)
	return page, nil
}

// ways are the accounts at which the link can be paid now.
func (s *Service) ways(read *store.LinkRead, live *PageAttempt) []Way {
	if !offered(read) {
		return nil
	}
	var ways []Way
	for _, a := range s.accountsAt(read.Link) {
		if takes(a, wantsOf(read.Link)) != nil {
			continue
		}
		d := a.Declaration()
		ways = append(ways, Way{
			Account: a.ID(), Kind: d.Kind, Name: a.Name(), Test: d.Test,
			Joins: live != nil && live.Account == a.ID(),
		})
	}
	return ways
}

// offered reports whether a payer may press Pay now.
func offered(read *store.LinkRead) bool {
	if read.Link.StateAt(read.Now) != order.LinkActive {
		return false
	}
	if read.Order == nil {
		return true
	}
	switch read.Order.StateAt(read.Now) {
	case order.Pending, order.Failed, order.Processing:
		return read.Now.Before(read.Order.OfferUntil) && read.Order.LinkID == read.Link.ID
	case order.Authorized, order.Paid, order.Expired, order.Cancelled, order.Review,
		order.PartiallyRefunded, order.Refunded, order.ChargedBack:
	}
	return false
}
