// Package pspcallback is the edge that PSPs call: it takes what a PSP sends to
// /callbacks/psp/{account}/{secret}, delivers it by CallbackService.HandlePspCallback, and answers
// byte for byte what it is told to answer.
//
// Its one idea: the edge understands nothing. It parses no body, checks no signature and knows no PSP,
// so it can run elsewhere, without our database and without a secret of a PSP (V2, C1).
//
// What it promises: a body reaches the server as it came (C3); a success is answered only where the
// server said so, and where no server answers the PSP hears 503 and comes again (C1). At most 64 KiB of
// body and 16 KiB of header and query are taken. The secret of an address is in no log line. What it
// does not: keep anything. What it could not deliver is the PSP's to repeat.
//
// The source address is the connection's. What a proxy says of it is delivered among the headers, and
// is believed by nobody.
//
// Concurrency: a Handler is used from many goroutines.
//
// Failure: see [Handler.ServeHTTP]; nothing is tried again but a connection that was refused.
package pspcallback

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
)

// Pattern is the address, as http.ServeMux takes it: for every method, for a PSP calls as it likes.
const Pattern = "/callbacks/psp/{account}/{secret}"

const (
	// deliverWithin bounds a delivery. PSPs wait 10 seconds and more.
	deliverWithin = 8 * time.Second
	// comeAgain is what Retry-After says, in seconds. PSPs that read it not have times of their own.
	comeAgain = "5"
)

// Needs is what a Handler is made from.
type Needs struct {
	// Server is who callbacks are delivered to: a client with an edge key; see [Dial].
	Server kvitv1connect.CallbackServiceClient
	Logger *slog.Logger
	Now    func() time.Time
	// Delivered is the level of the line of a callback that was delivered. Others are warnings.
	Delivered slog.Level
}

// Handler takes callbacks.
type Handler struct {
	needs Needs
	forms forms
}

// New makes a Handler.
func New(needs Needs) *Handler {
	return &Handler{needs: needs, forms: newForms()}
}

// ServeHTTP takes one callback. It answers what the server told it to. On its own it answers 413 or 431
// where too much was sent, 408 where it came too slowly, 400 where it was cut, 405 where the method is
// none, 404 where there is no such address, and else 503: not delivered, come again. None of them claims a success (C1).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := h.needs.Now()
	said := h.answer(w, r)
	said.write(w)
	h.log(r, said, h.needs.Now().Sub(began))
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request) answer {
	if sizeOfHead(r) > headMax {
		return refused(http.StatusRequestHeaderFieldsTooLarge, outcomeTooLarge)
	}
	body, said := readBody(w, r)
	if said.status != 0 {
		return said
	}
	in := request(r, body)
	if said := h.forms.refuse(in); said.status != 0 {
		said.received = len(body)
		return said
	}
	return h.deliver(r.Context(), in)
}
