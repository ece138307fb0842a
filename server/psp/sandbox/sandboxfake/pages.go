package sandboxfake

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/text"
)

//go:embed page.html cabinet.html message.html style.css
var files embed.FS

// formMax is how long a posted form may be, in bytes.
const formMax = 4 << 10

func (p *PSP) routePages(mux *http.ServeMux) {
	pages := &pages{psp: p, templates: template.Must(template.ParseFS(files, "*.html"))}
	guard := http.NewCrossOriginProtection()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/cabinet", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /style.css", pages.style)
	mux.HandleFunc("GET /pay/{id}", pages.showPay)
	mux.Handle("POST /pay/{id}", guard.Handler(http.HandlerFunc(pages.pay)))
	mux.HandleFunc("GET /cabinet", pages.showCabinet)
	mux.Handle("POST /cabinet", guard.Handler(http.HandlerFunc(pages.cabinet)))
}

// pages are what browsers see: the payer's page, and the merchant's cabinet.
type pages struct {
	psp       *PSP
	templates *template.Template
}

// payPage is what the payer's page shows.
type payPage struct {
	Lang, Merchant, Amount, Description, Reference, Return string
	// Say has the page's sentences, by name.
	Say map[string]string
	// Open is true while the payer can still act; State says how the payment stands.
	Open        bool
	State       string
	First, More []button
	Langs       []string
	Declined    bool
}

type button struct{ Mood, Label string }

// firstMoods is how many moods stand at the top of the page.
const firstMoods = 3

func (g *pages) style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, files, "style.css")
}

func (g *pages) showPay(w http.ResponseWriter, r *http.Request) {
	s := g.psp.sessionByID(r.PathValue("id"))
	lang := langOf(s, r)
	if s == nil {
		g.message(w, r, lang, http.StatusNotFound, "unknown", "")
		return
	}
	now := g.psp.now()
	status := s.status(now)
	page := payPage{
		Lang: lang.String(), Merchant: g.psp.options.Merchant, Amount: amountText(lang, s.AmountMinor, s.Currency),
		Description: s.Description, Reference: s.Reference, Return: s.ReturnURL, Say: says(lang), Langs: langTags(),
		Open: !s.moved() && !s.Canceled, Declined: status == statusDeclined,
	}
	if now.After(s.ExpiresAt) && page.Open {
		page.Open, page.State = false, page.Say["expired"]
	} else if !page.Open {
		page.State = stateText(page.Say, status)
	}
	page.More = buttons(lang, func(m *mood) bool { return s.allows(m, now) == nil })
	if page.Open {
		page.First, page.More = page.More[:firstMoods], page.More[firstMoods:]
	}
	g.show(w, r, s.ReturnURL, http.StatusOK, "page.html", page)
}

// pay plays the mood of the button and sends the browser back.
func (g *pages) pay(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formMax)
	s := g.psp.sessionByID(r.PathValue("id"))
	lang := langOf(s, r)
	if s == nil {
		g.message(w, r, lang, http.StatusNotFound, "unknown", "")
		return
	}
	s, m, err := g.psp.play(s.Reference, actRequest{Mood: r.PostFormValue("mood")}, moods)
	if err != nil {
		status := http.StatusInternalServerError
		if refused, ok := errors.AsType[*apiError](err); ok {
			status = refused.status
		}
		g.message(w, r, lang, status, "not_now", "/pay/"+url.PathEscape(r.PathValue("id")))
		return
	}
	back, status := s.ReturnURL, http.StatusSeeOther
	if back == "" || m.back == staysHere {
		back = "/pay/" + s.ID
	} else if m.back == backByPost {
		status = http.StatusTemporaryRedirect // The browser posts the same form there.
	}
	w.Header().Set("Location", back)
	w.WriteHeader(status)
}

func (g *pages) message(w http.ResponseWriter, r *http.Request, lang text.Lang, status int, key, back string) {
	say := says(lang)
	g.show(w, r, "", status, "message.html", map[string]any{
		"Lang": lang.String(), "Say": say, "Text": say[key], "Back": back,
	})
}

// show writes a page. Its forms may lead to us and, where the answer is a redirect, to back.
func (g *pages) show(w http.ResponseWriter, r *http.Request, back string, status int, name string, data any) {
	var page bytes.Buffer
	if err := g.templates.ExecuteTemplate(&page, name, data); err != nil {
		g.psp.options.Logger.LogAttrs(r.Context(), slog.LevelError, "sandbox page", slog.Any("error", err))
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	forms := "'self'"
	if u, err := url.Parse(back); err == nil && u.Host != "" {
		forms += " " + u.Scheme + "://" + u.Host
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Robots-Tag", "noindex")
	header.Set("Content-Security-Policy",
		"default-src 'none'; img-src data:; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "+forms)
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // Who left does not see it.
}

func (p *PSP) sessionByID(id string) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byID[id]
}

// langOf is the language that the page was asked in, else the session's, else the browser's.
func langOf(s *session, r *http.Request) text.Lang {
	asked, sessions := r.URL.Query().Get("lang"), ""
	if s != nil {
		sessions = s.Locale
	}
	return text.Match(asked, sessions, r.Header.Get("Accept-Language"))
}

func langTags() []string {
	var tags []string
	for _, lang := range text.Langs() {
		tags = append(tags, lang.String())
	}
	return tags
}

func amountText(lang text.Lang, minor int64, code string) string {
	amount, err := money.New(minor, code)
	if err != nil {
		return code
	}
	return text.Amount(lang, amount)
}

func buttons(lang text.Lang, fits func(*mood) bool) []button {
	var fitting []button
	for i := range moods {
		if fits(&moods[i]) {
			fitting = append(fitting, button{moods[i].name, moodText(lang, moods[i].name)})
		}
	}
	return slices.Clip(fitting)
}
