package checkout

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/payment"
)

// returnMax bounds what is read of a body that a PSP gives the browser for its return. It is ignored.
const returnMax = 64 << 10

// returned is a payer whom a PSP sent back, by GET or POST: it shows where the order stands, whatever
// the address and the body say, and asks for an answer soon (L2).
func (v *visit) returned(attemptID string) {
	_, _ = io.CopyN(io.Discard, v.r.Body, returnMax)
	var page payment.Page
	var err error
	if validAttempt(attemptID) {
		page, err = v.door.pay.PayerReturned(v.r.Context(), v.token, attemptID)
	} else {
		page, err = v.door.pay.OpenPage(v.r.Context(), v.token)
	}
	v.follow(page, err)
}

// attemptMax is longer than the id of any attempt.
const attemptMax = 64

// validAttempt reports whether a text could be the id of an attempt.
func validAttempt(id string) bool {
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return id != "" && len(id) <= attemptMax
}

// status follows an order: JSON for the page's script, which waits for a change, else a page that
// refreshes itself.
func (v *visit) status() {
	v.Header().Add("Vary", "Accept")
	if !strings.Contains(v.r.Header.Get("Accept"), "application/json") {
		page, err := v.door.pay.OpenPage(v.r.Context(), v.token)
		v.follow(page, err)
		return
	}
	page, err := v.waited()
	if err != nil {
		v.failed = fault.As(err)
		v.json(statuses[v.failed.Kind()], struct{}{})
		return
	}
	v.note(page)
	s := v.scene(page)
	s.follows = v.r.URL.Query().Has("follow")
	v.answer(s)
}

// waited reads the page, after a change where the caller says which version it has.
func (v *visit) waited() (payment.Page, error) {
	version, err := strconv.ParseInt(v.r.URL.Query().Get("v"), 10, 64)
	if err != nil || version < 0 {
		return v.door.pay.OpenPage(v.r.Context(), v.token)
	}
	return v.door.pay.WaitForChange(v.r.Context(), v.token, version)
}

// follow shows where an order stands. A fixed link has no order to follow.
func (v *visit) follow(page payment.Page, err error) {
	if err != nil {
		v.fail(err)
		return
	}
	if page.Order == nil {
		v.note(page)
		v.goTo(v.address(""))
		return
	}
	s := v.scene(page)
	s.follows = true
	s.refreshes, _ = strconv.Atoi(v.r.URL.Query().Get("n"))
	v.page(http.StatusOK, s)
}

// progress is where an order stands, for the page's script. HTML is the page's inside, written by the
// same template; Follow is how eagerly to ask again: "fast", "slow" or "no".
type progress struct {
	Version int64  `json:"version"`
	State   string `json:"state"`
	Follow  string `json:"follow"`
	Title   string `json:"title"`
	Heading string `json:"heading"`
	HTML    string `json:"html"`
}

func (v *visit) answer(s *scene) {
	shown, err := v.view(s)
	var out bytes.Buffer
	if err == nil {
		err = v.door.pages.ExecuteTemplate(&out, "card", shown)
	}
	if err != nil {
		v.failed = fault.As(err)
		v.json(http.StatusInternalServerError, struct{}{})
		return
	}
	v.json(http.StatusOK, progress{
		Version: shown.Version, State: shown.State, Follow: shown.Follow, Title: shown.Title,
		Heading: shown.Heading, HTML: out.String(),
	})
}

func (v *visit) json(code int, what any) {
	content, err := json.Marshal(what)
	if err != nil {
		v.failed = fault.As(err)
		code, content = http.StatusInternalServerError, []byte("{}")
	}
	v.Header().Set("Content-Type", "application/json")
	v.write(code, content)
}

// address is a path of the payer's page, with the language that the payer chose.
func (v *visit) address(part string) string {
	path := "/pay/" + v.token + part
	if lang := chosen(v.r); lang != "" {
		path += "?lang=" + lang
	}
	return path
}
