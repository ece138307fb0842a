package app

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/adapter/pspcallback"
)

// newEdge makes the edge inside this process: the same adapter that runs elsewhere too, with this
// process's own service as its server.
func (a *App) newEdge() http.Handler {
	return pspcallback.New(pspcallback.Needs{
		Server: ownServer{a}, Logger: a.log, Now: time.Now,
		Delivered: slog.LevelDebug, // The RPC has its own line.
	})
}

// ownServer is this process as the edge's server. The API is made after the edge that it serves.
type ownServer struct{ app *App }

// HandlePspCallback implements kvitv1connect.CallbackServiceClient.
func (s ownServer) HandlePspCallback(ctx context.Context, request *kvitv1.HandlePspCallbackRequest) (*kvitv1.HandlePspCallbackResponse, error) {
	return s.app.api.Callbacks.HandlePspCallback(ctx, request)
}
