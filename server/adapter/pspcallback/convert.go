package pspcallback

import (
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

const (
	notUTF8      = "\uFFFD"
	pathAccount  = "account"
	pathSecret   = "secret"
	headerLength = "Content-Length"
)

// request turns a callback into the RPC's request.
func request(r *http.Request, body []byte) *kvitv1.HandlePspCallbackRequest {
	return &kvitv1.HandlePspCallbackRequest{
		AccountId:     r.PathValue(pathAccount),
		Secret:        r.PathValue(pathSecret),
		Method:        r.Method,
		Headers:       headers(r.Header),
		Query:         strings.ToValidUTF8(r.URL.RawQuery, notUTF8),
		Body:          body,
		SourceAddress: source(r.RemoteAddr),
	}
}

// headers are sorted by name, so that the same callback is the same request.
func headers(header http.Header) []*kvitv1.HttpHeader {
	list := make([]*kvitv1.HttpHeader, 0, len(header))
	for _, name := range slices.Sorted(maps.Keys(header)) {
		values := make([]string, 0, len(header[name]))
		for _, value := range header[name] {
			values = append(values, strings.ToValidUTF8(value, notUTF8))
		}
		list = append(list, &kvitv1.HttpHeader{Name: name, Values: values})
	}
	return list
}

// source is the address of a connection without its port.
func source(remote string) string {
	parsed, err := netip.ParseAddrPort(remote)
	if err != nil {
		return ""
	}
	return parsed.Addr().WithZone("").Unmap().String()
}

// told is what the server tells to answer.
func told(response *kvitv1.HandlePspCallbackResponse) answer {
	said := answer{
		status: int(response.GetStatus()), header: http.Header{}, body: response.GetBody(), again: false,
		outcome: outcomeDelivered, received: 0, err: nil,
	}
	for _, h := range response.GetHeaders() {
		for _, value := range h.GetValues() {
			said.header.Add(h.GetName(), value)
		}
	}
	said.header.Del(headerLength) // net/http counts by itself.
	return said
}
