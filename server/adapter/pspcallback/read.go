package pspcallback

import (
	"errors"
	"io"
	"net/http"
	"os"
)

// readBody reads the raw body, whole. Where it cannot, the answer says why, and has a status.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, answer) {
	if r.ContentLength > bodyMax {
		return nil, refused(http.StatusRequestEntityTooLarge, outcomeTooLarge)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err == nil {
		return body, answer{}
	}
	said := refused(http.StatusBadRequest, outcomeCut)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		said = refused(http.StatusRequestEntityTooLarge, outcomeTooLarge)
	} else if errors.Is(err, os.ErrDeadlineExceeded) { // The server's read timeout.
		said = refused(http.StatusRequestTimeout, outcomeSlow)
	}
	said.received, said.err = len(body), err
	return nil, said
}
