package pspcallback

import (
	"log/slog"
	"maps"
	"net/http"
	"time"
)

// The outcomes of a callback, as the log names them.
const (
	// outcomeDelivered means that the server said what to answer.
	outcomeDelivered = "delivered"
	// outcomeNoAddress means that there is no such account, or that its secret is another.
	outcomeNoAddress = "no_such_address"
	// outcomeInvalid means that it is no callback, whoever sent it.
	outcomeInvalid = "invalid"
	// outcomeAway means that the server did not answer, or could not keep it.
	outcomeAway = "not_delivered"
	// outcomeKey means that the server does not take this edge's key.
	outcomeKey = "edge_key_refused"
	// outcomeTooLarge, outcomeSlow and outcomeCut are requests that did not arrive.
	outcomeTooLarge = "too_large"
	outcomeSlow     = "too_slow"
	outcomeCut      = "cut"
)

// answer is what a PSP hears, and what the log says of it.
type answer struct {
	status int
	header http.Header
	body   []byte
	// again asks to come again.
	again    bool
	outcome  string
	received int
	err      error
}

func refused(status int, outcome string) answer { return answer{status: status, outcome: outcome} }

// notDelivered claims no success (C1).
func notDelivered(outcome string, err error) answer {
	return answer{status: http.StatusServiceUnavailable, again: true, outcome: outcome, err: err}
}

// write sends status, headers and body as they are: no content type is guessed (C2).
func (a answer) write(w http.ResponseWriter) {
	header := w.Header()
	header["Content-Type"] = nil
	header.Set("Cache-Control", "no-store")
	maps.Copy(header, a.header)
	if a.again {
		header.Set("Retry-After", comeAgain)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // The PSP may be gone; it repeats.
}

// log writes the callback's one line. The path is not in it: it ends with the secret (C3).
func (h *Handler) log(r *http.Request, a answer, took time.Duration) {
	level := h.needs.Delivered
	if a.outcome != outcomeDelivered {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("account", shown(r.PathValue(pathAccount))), slog.String("method", r.Method), slog.String("outcome", a.outcome),
		slog.Int("status", a.status), slog.Duration("took", took), slog.Int("bytes", a.received), slog.String("source", r.RemoteAddr),
	}
	if a.err != nil {
		attrs = append(attrs, slog.Any("error", a.err))
	}
	h.needs.Logger.LogAttrs(r.Context(), level, "callback", attrs...)
}

// shown is the part of a stranger's text that the log shows.
func shown(text string) string { return text[:min(len(text), shownMax)] }

// shownMax is as long as an account's id may be.
const shownMax = 64
