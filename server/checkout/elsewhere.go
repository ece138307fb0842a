package checkout

import (
	"fmt"
	"html/template"
	"strings"

	"rsc.io/qr"

	"github.com/kvitpay/kvit/server/text"
)

// elsewhere adds the ways to another browser: the address to copy out of an app's own browser that may
// break the payment, and a code to scan on a screen that is no phone's.
func (v *visit) elsewhere(shown *view, s *scene) {
	if len(shown.Ways) == 0 {
		return
	}
	shown.Address = v.door.publicURL + "/pay/" + v.token
	if s.inApp {
		shown.InApp = text.Say(s.lang, text.PageInApp, text.With(text.ArgApp, s.app))
	}
	if !s.phone {
		shown.Code = newCode(shown.Address)
	}
}

// code is a QR code as the path of an SVG.
type code struct {
	Size int // With the quiet zone.
	Path string
}

// quiet is the white border of a QR code, in modules (ISO/IEC 18004 wants 4).
const quiet = 4

// newCode draws the code of an address; nil where it does not fit. Each run of dark modules is one stroke.
func newCode(address string) *code {
	drawn, err := qr.Encode(address, qr.M)
	if err != nil {
		return nil
	}
	path := []byte("M0 .5")
	penX, penY := 0, 0
	for y := range drawn.Size {
		for x := 0; x < drawn.Size; {
			run := 0
			for x+run < drawn.Size && drawn.Black(x+run, y) {
				run++
			}
			if run > 0 {
				path = fmt.Appendf(path, "m%d %dh%d", x+quiet-penX, y+quiet-penY, run)
				penX, penY = x+quiet+run, y+quiet
			}
			x += run + 1
		}
	}
	return &code{drawn.Size + 2*quiet, string(path)}
}

// supportLink shows where a merchant's payers find help: an address, a phone, an https page or a text.
func supportLink(support string) *link {
	support = strings.TrimSpace(support)
	switch {
	case support == "":
		return nil
	case strings.HasPrefix(support, "https://"):
		return &link{strings.TrimPrefix(support, "https://"), support}
	case strings.Contains(support, "@") && !strings.ContainsAny(support, " ?&/:,"):
		return &link{support, "mailto:" + support}
	}
	return &link{Text: support}
}

// Phone is the address that calls a support that is a phone number, empty where it is none.
func (l *link) Phone() template.URL {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, l.Text)
	if strings.Trim(l.Text, "+0123456789 ()-\u00a0") != "" || len(digits) < phoneMin || len(digits) > phoneMax {
		return ""
	}
	plus := ""
	if strings.HasPrefix(l.Text, "+") {
		plus = "+"
	}
	return template.URL("tel:" + plus + digits) //nolint:gosec // Digits alone.
}

// A phone number has at most 15 digits (E.164), and no shorter one is meant by a merchant.
const (
	phoneMin = 5
	phoneMax = 15
)
