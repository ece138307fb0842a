package payment

import (
	"crypto/hmac"
	"encoding/base64"
	"net/url"
	"strconv"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/seal"
)

// Account is a PSP account as callers see it.
type Account struct {
	ID string
	// Kind is the PSP's word ("liqpay"), Name what payers read ("LiqPay").
	Kind, Name string
	Live       bool
	Currencies []string
	// Refunds, Captures and Voids are abilities (R3); Captures means that it can hold money as well.
	Refunds, Captures, Voids bool
}

// Accounts lists the PSP accounts of the caller's merchant, in the order of the settings.
func (s *Service) Accounts(caller Caller) ([]Account, error) {
	if _, err := s.Merchant(caller); err != nil {
		return nil, err
	}
	mine := s.accountsOf[caller.Merchant]
	list := make([]Account, len(mine))
	for i, a := range mine {
		d := a.Declaration()
		list[i] = Account{
			ID: a.ID(), Kind: d.Kind, Name: a.Name(), Live: a.Live(), Currencies: d.Currencies,
			Refunds: a.CanRefund(), Captures: a.CanCapture(), Voids: a.CanVoid(),
		}
	}
	return list, nil
}

// Origins are those that browsers are sent to by any account, for the page's CSP.
func (s *Service) Origins() []string {
	var origins []string
	for _, a := range s.accounts {
		origins = append(origins, a.Declaration().Origins...)
	}
	return origins
}

// wants is what an order asks of an account.
type wants struct {
	amount money.Amount
	hold   bool
	live   bool
}

func wantsOf(l *order.Link) wants {
	return wants{amount: l.Amount, hold: l.Capture == order.Manual, live: l.Live}
}

// takes reports as a fault why the account cannot take such an order, or nil. Test orders pay at test
// accounts only, and live ones at live accounts (A1).
func takes(a *psp.Account, w wants) error {
	if a.Live() != w.live {
		return fault.New(fault.Denied, fault.ReasonModeDiffers, "A test order is paid at test accounts only, a live one at live accounts.")
	}
	if w.hold && !a.CanCapture() {
		return fault.New(fault.Precondition, fault.ReasonCaptureUnsupported, "The account cannot hold money and take it later.")
	}
	return a.Declaration().Takes(w.amount)
}

// accountsAt are the accounts to which the link is restricted, in its order, or all of its merchant's. One
// that is no longer in the settings is left out.
func (s *Service) accountsAt(l *order.Link) []*psp.Account {
	if len(l.Accounts) == 0 {
		return s.accountsOf[l.Merchant]
	}
	var list []*psp.Account
	for _, id := range l.Accounts {
		if a := s.account[id]; a != nil && a.Merchant() == l.Merchant {
			list = append(list, a)
		}
	}
	return list
}

// named are the accounts that a caller restricts a link to, or all of its merchant's where it names none.
func (s *Service) named(caller Caller, ids []string) ([]*psp.Account, error) {
	if len(ids) == 0 {
		return s.accountsOf[caller.Merchant], nil
	}
	list := make([]*psp.Account, len(ids))
	for i, id := range ids {
		path := "psp_accounts[" + strconv.Itoa(i) + "]"
		switch a := s.account[id]; {
		case a == nil || a.Merchant() != caller.Merchant:
			return nil, fieldFault(path, "is not an account of the merchant")
		case a.Live() != caller.Live:
			return nil, fieldFault(path, "is of the other mode: a test order is paid at test accounts only, a live one at live accounts")
		default:
			list[i] = a
		}
	}
	return list, nil
}

// payable reports as a fault that none of the accounts can take such an order, with what the first one of
// its mode says. A merchant that has no accounts yet may make links all the same: they can come later (L5).
func payable(accounts []*psp.Account, w wants) error {
	var refused, other error
	for _, a := range accounts {
		err := takes(a, w)
		switch {
		case err == nil:
			return nil
		case a.Live() != w.live:
			other = err
		case refused == nil:
			refused = err
		}
	}
	if refused == nil {
		return other
	}
	return refused
}

// callbackURL is the address that a PSP reports to. Its last part cannot be guessed (C3).
func (s *Service) callbackURL(account string) string {
	secret := s.keys.MAC(seal.PurposeCallback, []byte(account))
	return s.publicURL + "/callbacks/psp/" + url.PathEscape(account) + "/" + callbackSecret(secret)
}

// ownsAddress reports whether secret is what one of the installation's keys made for the account.
func (s *Service) ownsAddress(account, secret string) bool {
	for _, id := range s.keys.IDs() {
		mac, ok := s.keys.MACWith(id, seal.PurposeCallback, []byte(account))
		if ok && hmac.Equal([]byte(callbackSecret(mac)), []byte(secret)) {
			return true
		}
	}
	return false
}

func callbackSecret(mac [32]byte) string { return base64.RawURLEncoding.EncodeToString(mac[:18]) }
