package psp

import "strings"

// attemptPrefix begins the id of an attempt. It is not sent to PSPs.
const attemptPrefix = "att_"

// Mark is the installation's mark: references that we make begin with it, so that they are told apart
// from those of a web shop at the same account (C5).
type Mark string

// Ref is the reference of an attempt: the mark, then the attempt's id without its prefix.
func (m Mark) Ref(attemptID string) string {
	return string(m) + strings.TrimPrefix(attemptID, attemptPrefix)
}

// Attempt is the id of the attempt that a reference names, and whether the reference is ours at all.
// That the attempt exists is not said.
func (m Mark) Attempt(ref string) (id string, ours bool) {
	rest, ours := strings.CutPrefix(ref, string(m))
	if !ours || m == "" || len(rest) != refIDLength || strings.Trim(rest, refIDAlphabet) != "" {
		return "", false
	}
	return attemptPrefix + rest, true
}

const (
	// refIDLength is how long an attempt's id is without its prefix: 16 bytes in base32hex.
	refIDLength   = 26
	refIDAlphabet = "0123456789abcdefghijklmnopqrstuv"
	// MarkLength is how long a mark is. With the id a reference has 32 characters.
	MarkLength = 6
)
