package pspcallback

import (
	"net/http"
	"regexp"
	"slices"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// Limits of what CallbackService takes, where HTTP has none or wider ones.
const (
	bodyMax     = 64 << 10
	queryMax    = 8 << 10
	headersMax  = 100
	nameMax     = 128 // bytes of a header's name
	valuesMax   = 16  // values of one header
	valueMax    = 8 << 10
	accountForm = `^[A-Za-z0-9._:-]{1,64}$`
	secretForm  = `^[A-Za-z0-9_-]{1,128}$`
	methodForm  = `^[A-Z]{1,16}$`
	// headMax is how many bytes headers and query have together at most.
	headMax = 16 << 10
)

// forms are compiled once.
type forms struct{ account, secret, method *regexp.Regexp }

func newForms() forms {
	return forms{regexp.MustCompile(accountForm), regexp.MustCompile(secretForm), regexp.MustCompile(methodForm)}
}

// refuse is what to answer where the RPC would not take the request, and has no status where it would.
func (f forms) refuse(in *kvitv1.HandlePspCallbackRequest) answer {
	switch {
	case !f.account.MatchString(in.GetAccountId()), !f.secret.MatchString(in.GetSecret()):
		return refused(http.StatusNotFound, outcomeNoAddress)
	case !f.method.MatchString(in.GetMethod()):
		return refused(http.StatusMethodNotAllowed, outcomeInvalid)
	case len(in.GetQuery()) > queryMax, len(in.GetHeaders()) > headersMax, slices.ContainsFunc(in.GetHeaders(), tooLarge):
		return refused(http.StatusRequestHeaderFieldsTooLarge, outcomeTooLarge)
	}
	return answer{}
}

func tooLarge(h *kvitv1.HttpHeader) bool {
	return len(h.GetName()) > nameMax || len(h.GetValues()) > valuesMax ||
		slices.ContainsFunc(h.GetValues(), func(value string) bool { return len(value) > valueMax })
}

// sizeOfHead is how many bytes headers and query have, with what stands between them on the wire.
func sizeOfHead(r *http.Request) int {
	const between = len(": \r\n")
	size := len(r.URL.RawQuery)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + between
		}
	}
	return size
}
