package payment

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/seal"
	"github.com/kvitpay/kvit/server/store"
)

const (
	// pageDefault is how many rows a page has when the caller names no number.
	pageDefault = 50
	// tokenProof is how many bytes of MAC a page token carries.
	tokenProof = 12
)

// PageRequest asks for one page of a list.
type PageRequest struct {
	// Size is how many rows, 0 for the default.
	Size int
	// Token is the place where the page before ended, empty for the first page.
	Token string
}

// Orders lists orders, newest first, and names the token of the next page, empty on the last.
func (s *Service) Orders(ctx context.Context, caller Caller, filter store.OrderFilter, request PageRequest) ([]OrderInfo, string, error) {
	scope := listScope(caller, "orders", filter)
	page, err := s.page(scope, request)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.store.ListOrders(ctx, caller.Merchant, filter, page)
	if err != nil {
		return nil, "", away(err)
	}
	rows, more := cut(rows, page.Limit-1)
	list := make([]OrderInfo, len(rows))
	for i := range rows {
		list[i] = orderInfo(rows[i].Order, rows[i].Order.Details, rows[i].Now)
	}
	if !more {
		return list, "", nil
	}
	last := &list[len(list)-1]
	return list, s.pageToken(scope, last.CreatedAt, last.ID), nil
}

// Links lists links, newest first, and names the token of the next page, empty on the last.
func (s *Service) Links(ctx context.Context, caller Caller, filter store.LinkFilter, request PageRequest) ([]LinkInfo, string, error) {
	scope := listScope(caller, "links", filter)
	page, err := s.page(scope, request)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.store.ListLinks(ctx, caller.Merchant, filter, page)
	if err != nil {
		return nil, "", away(err)
	}
	rows, more := cut(rows, page.Limit-1)
	list := make([]LinkInfo, len(rows))
	for i := range rows {
		list[i] = s.linkAnswer(&rows[i])
	}
	if !more {
		return list, "", nil
	}
	last := &list[len(list)-1]
	return list, s.pageToken(scope, last.CreatedAt, last.ID), nil
}

func cut[R any](rows []R, limit int) ([]R, bool) {
	if len(rows) > limit {
		return rows[:limit], true
	}
	return rows, false
}

// listScope is what a page token belongs to: the merchant, the list and its filter.
func listScope(caller Caller, list string, filter any) []byte {
	return jsonOf([]any{caller.Merchant, list, filter})
}

// page reads a request. It asks for one row more than the caller, to know whether there is a next page.
func (s *Service) page(scope []byte, request PageRequest) (store.Page, error) {
	size := request.Size
	if size == 0 {
		size = pageDefault
	}
	page := store.Page{Limit: size + 1}
	if request.Token == "" {
		return page, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(request.Token)
	if err != nil || len(raw) <= tokenProof+8 {
		return page, tokenFault()
	}
	place, proof := raw[:len(raw)-tokenProof], raw[len(raw)-tokenProof:]
	if !s.proves(scope, place, proof) {
		return page, tokenFault()
	}
	page.BeforeTime = time.UnixMicro(int64(binary.BigEndian.Uint64(place))).UTC() //nolint:gosec // We wrote it, and its MAC fits.
	page.BeforeID = string(place[8:])
	return page, nil
}

func (s *Service) pageToken(scope []byte, created time.Time, id string) string {
	place := binary.BigEndian.AppendUint64(nil, uint64(created.UnixMicro()))
	place = append(place, id...)
	proof := s.keys.MAC(seal.PurposePageToken, scope, place)
	return base64.RawURLEncoding.EncodeToString(append(place, proof[:tokenProof]...))
}

// proves reports whether one of the installation's keys made the token for this list and filter.
func (s *Service) proves(scope, place, proof []byte) bool {
	for _, id := range s.keys.IDs() {
		mac, ok := s.keys.MACWith(id, seal.PurposePageToken, scope, place)
		if ok && hmac.Equal(mac[:tokenProof], proof) {
			return true
		}
	}
	return false
}

func tokenFault() error {
	return fault.New(fault.Invalid, fault.ReasonPageTokenInvalid, "The page token cannot be read, or belongs to another request.",
		fault.WithFields(fault.Field{Path: "page_token", Message: "must be a next_page_token of the same list and filter"}))
}
