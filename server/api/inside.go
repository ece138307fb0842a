package api

import (
	"context"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
	"github.com/kvitpay/kvit/server/access"
	"github.com/kvitpay/kvit/server/store"
)

// insideName is how logs name the caller and the way of calls from this process.
const insideName = "inside"

// inside is a client of CallbackService for the edge in this process: the same service, the same errors
// and the same log line, without a connection in between. Who holds it is trusted like an edge key (A1),
// and to keep to the bounds of the proto, as the edge does before it delivers.
type inside struct {
	door    *door
	service *callbackService
}

// HandlePspCallback implements kvitv1connect.CallbackServiceClient.
func (i *inside) HandlePspCallback(ctx context.Context, request *kvitv1.HandlePspCallbackRequest) (response *kvitv1.HandlePspCallbackResponse, err error) {
	c := &call{
		door: i.door, method: shortName(kvitv1connect.CallbackServiceHandlePspCallbackProcedure),
		caller: access.Caller{KeyID: insideName, Kind: store.EdgeKey},
	}
	ctx = c.begin(ctx)
	defer func() {
		if thrown := recover(); thrown != nil {
			response, err = nil, c.end(ctx, panicked(thrown))
		}
		c.finish(ctx, c.code, wire{insideName, insideName, int64(len(request.GetBody()))})
	}()
	response, err = i.service.HandlePspCallback(ctx, request)
	return response, c.end(ctx, err)
}
