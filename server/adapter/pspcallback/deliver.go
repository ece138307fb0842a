package pspcallback

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"

	"connectrpc.com/connect"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// deliver hands a callback to the server and returns what it tells to answer.
func (h *Handler) deliver(ctx context.Context, in *kvitv1.HandlePspCallbackRequest) answer {
	ctx, cancel := context.WithTimeout(ctx, deliverWithin)
	defer cancel()
	response, err := h.needs.Server.HandlePspCallback(ctx, in)
	if errors.Is(err, syscall.ECONNREFUSED) {
		// Nothing was sent, and behind the name there may be another server.
		response, err = h.needs.Server.HandlePspCallback(ctx, in)
	}
	said := toldBy(response, err)
	said.received = len(in.GetBody())
	return said
}

// toldBy is the answer that the server tells, or that its failure means.
func toldBy(response *kvitv1.HandlePspCallbackResponse, err error) answer {
	switch connect.CodeOf(err) { //nolint:exhaustive // What is not known here was not delivered.
	case connect.CodeNotFound:
		return refused(http.StatusNotFound, outcomeNoAddress)
	case connect.CodeUnauthenticated, connect.CodePermissionDenied:
		return notDelivered(outcomeKey, err)
	}
	if err != nil {
		return notDelivered(outcomeAway, err)
	}
	said := told(response)
	if said.status < http.StatusOK || said.status >= statusEnd {
		return notDelivered(outcomeAway, fmt.Errorf("the server told to answer with status %d", said.status))
	}
	return said
}

// statusEnd is the first number above the statuses of HTTP.
const statusEnd = 600
