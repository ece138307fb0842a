package checkout

import (
	"net/http"
	"strings"
)

// contentPolicy lets a page use our own style, script and status, and send forms to us and to the
// providers. A browser holds redirects after a form to form-action too, so the PSP's own belong to its origins.
func contentPolicy(origins []string) string {
	return strings.Join([]string{
		"default-src 'none'", "style-src 'self'", "script-src 'self'", "connect-src 'self'", "img-src 'self' data:",
		"form-action " + strings.Join(append([]string{"'self'"}, origins...), " "),
		"base-uri 'none'", "frame-ancestors 'none'",
	}, "; ")
}

// protect sets what every answer has. No Referer is ever sent, because the address is the secret (L1);
// nothing is ever framed, indexed or kept, but what says otherwise later.
func (d *door) protect(h http.Header) {
	h.Set("Content-Security-Policy", d.policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), usb=(), payment=()")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Cache-Control", "no-store")
}

// sameOrigin reports whether a form came from a page of ours, as far as the browser tells (L2). The
// Origin header says nothing: it is "null" where no Referer may be sent.
func sameOrigin(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "" || site == "same-origin"
}
