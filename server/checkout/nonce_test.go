package checkout_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/checkout"
	"github.com/kvitpay/kvit/server/seal"
)

// flipped changes one character of a nonce.
func flipped(nonce string, at int) string {
	other := byte('A')
	if nonce[at] == other {
		other = 'B'
	}
	return nonce[:at] + string(other) + nonce[at+1:]
}

// A nonce is the page's own, made here, and not old; everything else shows the page again, with a new
// nonce that works.
func TestNonce_L2_RefusedNoncesKeepThePayer(t *testing.T) {
	t.Parallel()
	page, other := tokenOf("page"), tokenOf("other")
	for name, bad := range map[string]func(h *house) string{
		"none":            func(*house) string { return "" },
		"short":           func(*house) string { return "AAAA" },
		"not base64":      func(h *house) string { return strings.Repeat("!", len(h.nonce(t, page))) },
		"padded":          func(h *house) string { return h.nonce(t, page) + "=" },
		"another page's":  func(h *house) string { return h.nonce(t, other) },
		"other hour":      func(h *house) string { return flipped(h.nonce(t, page), 4) },
		"other random":    func(h *house) string { return flipped(h.nonce(t, page), 10) },
		"other signature": func(h *house) string { return flipped(h.nonce(t, page), 40) },
		"last bits":       func(h *house) string { n := h.nonce(t, page); return n[:len(n)-1] + "_" },
		"very long":       func(*house) string { return strings.Repeat("A", 5000) },
		"of an unknown key": func(h *house) string {
			h.rekey(t, keyNew)
			nonce := h.nonce(t, page)
			h.rekey(t, keyOld)
			return nonce
		},
		"three hours old": func(h *house) string {
			nonce := h.nonce(t, page)
			h.now = h.now.Add(3 * time.Hour)
			return nonce
		},
		"of tomorrow": func(h *house) string {
			h.now = h.now.Add(24 * time.Hour)
			nonce := h.nonce(t, page)
			h.now = h.now.Add(-24 * time.Hour)
			return nonce
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.put(page, offered())
			h.put(other, offered())
			answer := h.press(t, page, bad(h))
			body := answer.Body.String()
			if answer.Code != http.StatusForbidden || !strings.Contains(body, "Please press the button again.") {
				t.Fatalf("answered %d\n%s", answer.Code, body)
			}
			if got := h.presses(); len(got) != 0 {
				t.Fatalf("an attempt was started: %v", got)
			}
			found := nonceField.FindStringSubmatch(body)
			if found == nil {
				t.Fatal("there is no form")
			}
			if again := h.press(t, page, found[1]); again.Code != http.StatusSeeOther {
				t.Fatalf("the new nonce was answered with %d", again.Code)
			}
		})
	}
}

// A nonce works for at least one hour and less than three, whichever minute it was made in, and also
// on a server whose clock is a little behind.
func TestNonce_L2_LivesForHours(t *testing.T) {
	t.Parallel()
	for _, minute := range []time.Duration{0, 30 * time.Minute, time.Hour - time.Second} {
		for after, want := range map[time.Duration]int{
			-2 * time.Second: http.StatusSeeOther, 0: http.StatusSeeOther, time.Hour: http.StatusSeeOther,
			2 * time.Hour: http.StatusSeeOther, 3 * time.Hour: http.StatusForbidden,
		} {
			h := newHouse(t)
			h.put(tokenOf("page"), offered())
			h.now = noon().Add(minute)
			nonce := h.nonce(t, tokenOf("page"))
			h.now = h.now.Add(after)
			if got := h.press(t, tokenOf("page"), nonce).Code; got != want {
				t.Errorf("made at +%s, pressed after %s: %d, want %d", minute, after, got, want)
			}
		}
	}
}

// A page that was made before the keys were rotated can still be used (A2).
func TestNonce_A2_RotatedKeyStillCounts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.put(tokenOf("page"), offered())
	nonce := h.nonce(t, tokenOf("page"))
	h.rekey(t, keyNew+keyOld)
	if got := h.press(t, tokenOf("page"), nonce).Code; got != http.StatusSeeOther {
		t.Errorf("answered %d", got)
	}
}

func FuzzNonce_L2_OnlyOursIsValid(f *testing.F) {
	ring, err := seal.Parse([]byte(keyOld))
	if err != nil {
		f.Fatal(err)
	}
	nonces := checkout.NewNonces(ring, strings.NewReader(strings.Repeat("r", 64)), noon)
	ours, err := nonces.Make(tokenOf("page"))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "A", ours, ours + "=", flipped(ours, 0), flipped(ours, 69), strings.Repeat("A", 70), "\x00", "-_" + ours[2:]} {
		f.Add(tokenOf("page"), seed)
	}
	f.Add(tokenOf("other"), ours)
	f.Fuzz(func(t *testing.T, token, nonce string) {
		if nonces.Valid(token, nonce) != (token == tokenOf("page") && nonce == ours) {
			t.Errorf("valid(%q, %q) is %v", token, nonce, nonces.Valid(token, nonce))
		}
	})
}
