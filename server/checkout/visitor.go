package checkout

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/text"
)

// visitor is who asks, as far as a page may know.
type visitor struct {
	lang text.Lang
	// chosen is the tag of the language that the payer chose, empty where none.
	chosen string
	// app is the app whose own browser this is, and inApp that there is one; see inAppBrowsers.
	app   string
	inApp bool
	// phone means that a code to scan is of no use.
	phone bool
}

// visitor reads the request. The language is the one that the payer chose, else the customer's or the
// link's, else the browser's, else the merchant's.
func (v *visit) visitor(page payment.Page) visitor {
	preferences := []string{chosen(v.r)}
	if page.Order != nil {
		preferences = append(preferences, page.Order.Locale)
	}
	preferences = append(preferences, page.Link.Locale, v.r.Header.Get("Accept-Language"), page.Merchant.Locale)
	agent := v.r.UserAgent()
	app, inApp := inAppBrowser(agent)
	return visitor{
		lang: text.Match(preferences...), chosen: chosen(v.r), app: app, inApp: inApp,
		phone: strings.Contains(agent, "Mobi") || strings.Contains(agent, "Android"),
	}
}

// chosen is the tag of the language that the payer chose with ?lang= or a form, "" where none. A return
// from a PSP may carry a field of that name too: it does no harm.
func chosen(r *http.Request) string {
	asked := r.URL.Query().Get("lang")
	if lang, ok := text.LangOf(asked); ok {
		return lang.String()
	}
	return ""
}

// withQuery adds to an address that may have a query.
func withQuery(address, key, value string) string {
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return address + separator + key + "=" + url.QueryEscape(value)
}

// inAppBrowsers are words of the User-Agent of browsers inside of apps, which are known to break a
// wallet, a bank's 3-D Secure page or the way back. The first that fits counts; an empty name is an app
// that does not say which.
var inAppBrowsers = []struct{ word, app string }{
	{"Viber", "Viber"},
	{"Instagram", "Instagram"},
	{"FBAN", "Facebook"},
	{"FBAV", "Facebook"},
	{"FB_IAB", "Facebook"},
	{"Telegram", "Telegram"},
	{"; wv)", ""},
}

// inAppBrowser reports whether a browser lives inside of an app, and of which.
func inAppBrowser(agent string) (app string, inApp bool) {
	for _, known := range inAppBrowsers {
		if strings.Contains(agent, known.word) {
			return known.app, true
		}
	}
	return "", false
}
