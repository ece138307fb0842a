package checkout

import (
	"bytes"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/payment"
)

// reuse lets a browser show the page again when the payer goes back to it, with its nonce, so that
// another press joins the same order (L5). A fixed link's page shows nothing of any order.
const reuse = "private, max-age=0, must-revalidate"

// show answers with the page of a link.
func (v *visit) show() {
	page, err := v.door.pay.OpenPage(v.r.Context(), v.token)
	if err != nil {
		v.fail(err)
		return
	}
	s := v.scene(page)
	if page.Order == nil {
		v.Header().Set("Cache-Control", reuse)
	}
	v.page(http.StatusOK, s)
}

// page writes a whole page.
func (v *visit) page(code int, s *scene) {
	v.note(s.page)
	v.event.Add(slog.String("lang", s.lang.String()), slog.Bool("in_app", s.inApp))
	shown, err := v.view(s)
	if err != nil {
		v.fail(err)
		return
	}
	v.html(code, "page.html", shown)
}

// scene begins what is shown of a page to who asks.
func (v *visit) scene(page payment.Page) *scene {
	return &scene{visitor: v.visitor(page), page: page}
}

// fail answers for a page that could not be read.
func (v *visit) fail(err error) {
	v.failed = fault.As(err)
	if v.failed.Kind() == fault.NotFound {
		v.message(http.StatusNotFound, seesNothing)
		return
	}
	v.message(statuses[v.failed.Kind()], seesDown)
}

// notFound answers where nothing is.
func (v *visit) notFound() { v.message(http.StatusNotFound, seesNothing) }

// message writes a page that is about no link.
func (v *visit) message(code int, what sight) {
	s := v.scene(payment.Page{})
	shown := v.frame(s)
	shown.dress(s, what)
	v.html(code, "page.html", shown)
}

// html writes what a template makes, whole or not at all.
func (v *visit) html(code int, name string, shown *view) {
	var out bytes.Buffer
	out.Grow(8 << 10)
	if err := v.door.pages.ExecuteTemplate(&out, name, shown); err != nil {
		v.failed = fault.As(err)
		http.Error(v, "", http.StatusInternalServerError)
		return
	}
	v.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.Header().Set("Content-Language", shown.Lang)
	v.Header().Add("Vary", "Accept-Language")
	v.write(code, out.Bytes())
}

// write answers with content. Who asked may be gone.
func (v *visit) write(code int, content []byte) {
	v.Header().Set("Content-Length", strconv.Itoa(len(content)))
	v.WriteHeader(code)
	_, _ = v.Write(content)
}

// goTo sends the browser to another page, which it gets with GET.
func (v *visit) goTo(address string) {
	v.Header().Set("Location", address)
	v.WriteHeader(http.StatusSeeOther)
}

// statuses are the codes of faults.
var statuses = map[fault.Kind]int{
	fault.Internal:        http.StatusInternalServerError,
	fault.Invalid:         http.StatusBadRequest,
	fault.Unauthenticated: http.StatusForbidden,
	fault.Denied:          http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.Conflict:        http.StatusConflict,
	fault.Precondition:    http.StatusConflict,
	fault.Busy:            http.StatusServiceUnavailable,
	fault.Exhausted:       http.StatusTooManyRequests,
	fault.Unavailable:     http.StatusServiceUnavailable,
	fault.Unknown:         http.StatusServiceUnavailable,
}
