package checkout

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/text"
)

// scene is all that a page is made from.
type scene struct {
	visitor

	page payment.Page
	// follows is true for a payer who came back from a PSP.
	follows bool
	// nonce is one to use again; empty asks for a new one.
	nonce  string
	notice text.Key
	// refreshes counts how often the page without JavaScript has refreshed itself.
	refreshes int
}

// view is a page as the template reads it: texts and addresses, nothing to decide.
type view struct {
	lang text.Lang

	// The frame: what every page has.
	Lang          string
	Chosen        bool
	Langs         []langLink
	Style, Script string
	Title         string
	Preview       string

	// The card.
	Merchant, Initial string
	Test              bool
	Notice            string
	Tone              tone
	Heading           string
	Text              string
	// Description is what it is for; Long is it again, whole, where the first is cut short.
	Description, Long string
	Reason            string
	Amount            string
	Items             []row
	Rows              []row
	Help              bool
	Support           *link
	Back              *link
	Check             string
	Reload            bool

	// Paying.
	// Self is the page's own path, Start where its forms go.
	Self, Start string
	Nonce       string
	Joining     string
	Ways        []way
	NoWay       bool
	Until       string
	Left        string
	LeftMS      int64
	// Handoff is the way to the PSP, Go its button's text.
	Handoff *psp.Handoff
	Go      string

	// Following.
	Version int64
	State   string
	Follow  string
	Follows bool
	Refresh *refresh

	// Elsewhere.
	Address string
	InApp   string
	Code    *code
}

type (
	langLink struct {
		Tag, Name, Short, URL string
		Current               bool
	}
	row  struct{ Label, Value string }
	link struct{ Text, URL string }
	// way is a button, or the reason why there is none.
	way struct{ Account, Name, Label, Closed, Live string }
	// refresh is what a page without JavaScript does next.
	refresh struct {
		Seconds int
		URL     string
	}
)

// Say is a sentence of the catalog, for templates. A key that is not there is an error.
func (shown *view) Say(key string) (string, error) {
	if !text.Known(text.Key(key)) {
		return "", fmt.Errorf("the catalog has no %q", key)
	}
	return text.Say(shown.lang, text.Key(key)), nil
}

// view makes a page from a scene.
func (v *visit) view(s *scene) (*view, error) {
	shown := v.frame(s)
	what := sightOf(s.page, s.follows)
	shown.dress(s, what)
	shown.pay(s, what)
	shown.Self, shown.Start = v.address(""), v.address("/start")
	if len(shown.Ways) > 0 {
		shown.Nonce = s.nonce
		if s.nonce == "" {
			nonce, err := v.door.nonces.make(v.token)
			if err != nil {
				return nil, err
			}
			shown.Nonce = nonce
		}
	}
	if shown.Follow == followFast {
		status := v.address("/status")
		if shown.Tone == toneWait {
			shown.Check = status
		}
		if s.follows || len(shown.Ways) == 0 { // Who is about to press a button keeps it.
			shown.Refresh = nextRefresh(status, s.refreshes)
		}
	}
	v.elsewhere(shown, s)
	return shown, nil
}

// frame begins a page with what every page has.
func (v *visit) frame(s *scene) *view {
	shown := &view{
		lang: s.lang, Lang: s.lang.String(), Chosen: s.chosen != "", Style: v.door.assets.style, Script: v.door.assets.script,
		Merchant: s.page.Merchant.Name, Support: supportLink(s.page.Merchant.Support),
		Version: s.version(), State: s.state(), Follows: s.follows,
		Amount: text.Amount(s.lang, s.amount()), Test: s.page.Link.ID != "" && !s.page.Link.Live,
	}
	first, _ := utf8.DecodeRuneInString(shown.Merchant)
	shown.Initial = strings.ToUpper(string(first))
	shown.Preview = text.Say(s.lang, text.PagePreview, text.With(text.ArgMerchant, shown.Merchant), text.With(text.ArgAmount, shown.Amount))
	shown.Title = joined(shown.Amount, shown.Merchant)
	shown.Langs = v.langs(s.lang)
	return shown
}

// languages are those of the catalog with their own names, as the switch shows them.
var languages = []struct {
	lang        text.Lang
	name, short string
}{
	{text.HY, "Հայերեն", "Հայ"}, {text.UK, "Українська", "Укр"}, {text.RU, "Русский", "Рус"}, {text.EN, "English", "Eng"},
}

func (v *visit) langs(current text.Lang) []langLink {
	links := make([]langLink, 0, len(languages))
	path := v.r.URL.Path
	if v.token != "" {
		path = "/pay/" + v.token
		if v.name == "status" || v.name == "return" {
			path += "/status"
		}
	}
	for _, l := range languages {
		links = append(links, langLink{l.lang.String(), l.name, l.short, withQuery(path, "lang", l.lang.String()), l.lang == current})
	}
	return links
}

// descriptionMax is how many characters of a description stand above the button to pay; two lines on a
// small phone. The button belongs to the first screen.
const descriptionMax = 70

// dress writes what a card says.
func (shown *view) dress(s *scene, what sight) {
	c := cards[what]
	shown.Tone, shown.Follow, shown.Help, shown.Reload = c.tone, c.follow, c.help, c.reload
	switch {
	case s.page.Order == nil:
		shown.Follow = followNot
	case s.follows && s.page.Live != nil && what == sight(order.Failed):
		shown.Follow = followFast // They may have paid since, in the same session (O4).
	}
	if c.title != "" {
		shown.Heading = text.Say(s.lang, c.title)
		shown.Title = joined(shown.Heading, shown.Merchant)
	}
	if c.text != "" {
		shown.Text = text.Say(s.lang, c.text, text.With(text.ArgUntil, s.clock(s.until(what))))
	}
	if s.notice != "" {
		shown.Notice = text.Say(s.lang, s.notice)
	}
	details := s.details()
	shown.Description = details.Description
	if c.tone == tonePay && utf8.RuneCountInString(details.Description) > descriptionMax {
		shown.Long = details.Description
	}
	if what == sight(order.Failed) {
		shown.Reason = text.Failure(s.lang, s.page.Failure)
	}
	shown.Items, shown.Rows = s.items(), s.rows()
	if address := c.back.address(details); address != "" {
		shown.Back = &link{text.Say(s.lang, text.PageBack), address}
	}
}

// pay adds the ways to pay that a card offers: a button each, and beside an attempt that is under way
// at another account the time after which it opens (O7).
func (shown *view) pay(s *scene, what sight) {
	c := cards[what]
	if c.button == "" {
		return
	}
	for _, w := range s.page.Ways {
		shown.Ways = append(shown.Ways, s.way(w, c.button))
	}
	shown.NoWay = len(shown.Ways) == 0 && c.tone == tonePay
	if (s.follows && c.tone == toneWait || what == seesUnknown) && len(shown.Ways) > 0 {
		shown.Joining = text.Say(s.lang, text.PageNotFinished)
	}
	if until := s.offerUntil(); c.tone == tonePay && until.After(s.page.Now) {
		left := until.Sub(s.page.Now)
		shown.Until = text.Say(s.lang, text.PageUntil, text.With(text.ArgUntil, s.clock(until)))
		shown.Left, shown.LeftMS = text.Span(s.lang, left), left.Milliseconds()
	}
}

func (s *scene) way(w payment.Way, label text.Key) way {
	button := way{Account: w.Account, Name: w.Name, Label: text.Say(s.lang, label, text.With(text.ArgPSP, w.Name))}
	live := s.page.Live
	switch {
	case live == nil:
	case w.Joins:
		button.Live = live.ID
	default:
		button.Closed = text.Say(s.lang, text.PageWayClosed, text.With(text.ArgUntil, s.clock(live.Until)))
	}
	return button
}

// until is the time that a card's text names.
func (s *scene) until(what sight) time.Time {
	switch {
	case what == sight(order.Failed):
		return s.offerUntil()
	case s.page.Live != nil:
		return s.page.Live.Until
	}
	return time.Time{}
}

// joined writes the parts that there are with a dot between.
func joined(parts ...string) string {
	var some []string
	for _, part := range parts {
		if part != "" {
			some = append(some, part)
		}
	}
	return strings.Join(some, " · ")
}

// amount is what is to be paid; none on a page that is about no link.
func (s *scene) amount() money.Amount {
	return amountOf(s.page.Link.AmountMinor, s.page.Link.Currency)
}

func amountOf(minor int64, currency string) money.Amount {
	amount, err := money.New(minor, currency)
	if err != nil {
		return money.Amount{}
	}
	return amount
}
