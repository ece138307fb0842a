package sandbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/kvitpay/kvit/server/psp"
)

// The headers of a callback. The signature is the hex HMAC-SHA256, with the signing secret, of the
// timestamp, a point, and the raw body.
const (
	headerTimestamp = "Sandbox-Timestamp"
	headerSignature = "Sandbox-Signature"
	// timestampLengthMax is how long a number of seconds is at most.
	timestampLengthMax = 20
)

// Read implements psp.Provider. A callback is answered with 200, which ends its repeats; a forged one
// with 401.
func (s *Sandbox) Read(_ context.Context, callback psp.Callback) (psp.Report, psp.Reply, error) {
	if !s.signed(&callback) {
		return psp.Report{}, reply(http.StatusUnauthorized, "signature is wrong\n"), psp.ErrForged
	}
	report, err := readEvent(callback.Body, s.payee)
	return report, reply(http.StatusOK, "ok\n"), err
}

// signed checks the signature over the raw bytes, in constant time, before anything is parsed (C3). The
// age of the timestamp proves nothing that the body does not: a stored callback replays (C6).
func (s *Sandbox) signed(callback *psp.Callback) bool {
	timestamp := callback.HeaderValue(headerTimestamp)
	got, err := hex.DecodeString(callback.HeaderValue(headerSignature))
	if err != nil || timestamp == "" || len(timestamp) > timestampLengthMax || len(callback.Body) > psp.BodyMax {
		return false
	}
	return hmac.Equal(got, sign(s.secret, timestamp, callback.Body))
}

func sign(secret []byte, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return mac.Sum(nil)
}

func reply(status int, body string) psp.Reply {
	return psp.Reply{Status: status, ContentType: "text/plain; charset=utf-8", Body: []byte(body)}
}
