package sandboxfake

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// call is one call of the API, with its body read and the trouble that it meets.
type call struct {
	context   context.Context //nolint:containedctx // A call lives as long as its request.
	reference string
	body      []byte
	trouble   trouble
}

// effect is what a call does. What it returns is the answer.
type effect func(*call) (status int, answer any, err error)

func (p *PSP) routeAPI(mux *http.ServeMux) {
	mux.Handle("POST /v1/payments", p.locked(p.operation(opCreate, p.create)))
	mux.Handle("GET /v1/payments/{reference}", p.locked(p.operation(opLookup, p.lookup)))
	mux.Handle("POST /v1/payments/{reference}/refunds", p.locked(p.operation(opRefund, p.refund)))
	mux.Handle("POST /v1/payments/{reference}/capture", p.locked(p.operation(opCapture, p.capture)))
	mux.Handle("POST /v1/payments/{reference}/void", p.locked(p.operation(opVoid, p.void)))
	mux.Handle("POST /v1/payments/{reference}/act", p.locked(p.operation("", p.act)))
	mux.Handle("POST /v1/moods", p.locked(p.operation("", p.mood)))
}

// locked asks for the key of the API.
func (p *PSP) locked(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte("Bearer " + p.options.APIKey))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			refuse(w, &apiError{http.StatusUnauthorized, "unauthorized", "the key is not ours"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// operation runs one effect, in the trouble that it meets.
func (p *PSP) operation(name string, do effect) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
		if err != nil {
			refuse(w, &apiError{http.StatusRequestEntityTooLarge, "invalid_request", "the body is too long"})
			return
		}
		c := &call{context: r.Context(), reference: r.PathValue("reference"), body: body}
		reference, description := c.about()
		c.trouble = p.meet(name, reference, description)
		if c.trouble.before() {
			c.fail(w)
			return
		}
		if c.trouble.Mood == moodSlowBefore && !pause(r.Context(), c.trouble.delay(slowDefault)) {
			return
		}
		status, answer, err := do(c)
		if err != nil {
			refuse(w, err)
			return
		}
		if c.trouble.Mood == moodSlow && !pause(r.Context(), c.trouble.delay(slowDefault)) {
			return
		}
		c.answer(w, status, encode(answer))
	})
}

// about is the operation's reference and description: create has them in its body.
func (c *call) about() (reference, description string) {
	if c.reference != "" {
		return c.reference, ""
	}
	var named struct {
		Reference   string `json:"reference"`
		Description string `json:"description"`
	}
	if json.Unmarshal(c.body, &named) != nil { // The effect refuses it.
		return "", ""
	}
	return named.Reference, named.Description
}

// fail answers a call that has no effect.
func (c *call) fail(w http.ResponseWriter) {
	switch c.trouble.Mood {
	case moodCutBefore:
		cut()
	case moodRefuse:
		refuse(w, &apiError{http.StatusPaymentRequired, "refused", "the sandbox is in the mood to refuse"})
	case moodUnknown:
		refuse(w, errUnknown)
	default:
		refuse(w, &apiError{http.StatusInternalServerError, "internal", "the sandbox is in the mood to fail"})
	}
}

// answer answers a call that had its effect.
func (c *call) answer(w http.ResponseWriter, status int, body []byte) {
	switch c.trouble.Mood {
	case moodCut:
		cut()
	case moodErrorAfter:
		refuse(w, &apiError{http.StatusInternalServerError, "internal", "the sandbox is in the mood to fail"})
	case moodGarbled:
		write(w, status, body[:len(body)/2])
	default:
		write(w, status, body)
	}
}

// cut ends the connection without an answer.
func cut() {
	panic(http.ErrAbortHandler) //nolint:forbidigo // This is how net/http is told to cut a connection.
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // Who left does not hear it.
}

func refuse(w http.ResponseWriter, err error) {
	refusal := &apiError{http.StatusInternalServerError, "internal", "the state cannot be written"}
	errors.As(err, &refusal)
	write(w, refusal.status, encode(refusal.view()))
}

// decode reads the body of a call strictly: a name that is not known is a slip of the caller.
func decode(body []byte, into any) error {
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return &apiError{http.StatusBadRequest, "invalid_request", "the body cannot be read: " + err.Error()}
	}
	return nil
}
