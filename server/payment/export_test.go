package payment

import (
	"strings"

	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
)

// LooksLikeCard is looksLikeCard, for tests.
func LooksLikeCard(text string) bool { return looksLikeCard(text) }

// FieldsOf are the fields of a request as they are fingerprinted.
func (s *Service) FieldsOf(caller Caller, in CreateLink) ([]seal.FieldValue, error) {
	c, err := s.creation(caller, in)
	if err != nil {
		return nil, err
	}
	return withMode(c.call.Fields, caller), nil
}

// PageOf reads a page token of a list of links.
func (s *Service) PageOf(caller Caller, token string) (store.Page, error) {
	return s.page(listScope(caller, "links", store.LinkFilter{}), PageRequest{Token: token})
}

// TokenOf makes the page token for a place in a list of links.
func (s *Service) TokenOf(caller Caller, page store.Page) string {
	return s.pageToken(listScope(caller, "links", store.LinkFilter{}), page.BeforeTime, page.BeforeID)
}

// CallbackSecret is the last part of an account's callback address.
func (s *Service) CallbackSecret(account string) string {
	address := s.callbackURL(account)
	return address[strings.LastIndex(address, "/")+1:]
}

// MessageKey is the key under which a callback is kept.
func (s *Service) MessageKey(merchant, account string, c psp.Callback) store.MessageKey {
	return store.MessageKey{Merchant: merchant, Account: account, Digest: digestOf(&c)}
}
