package api

import (
	"context"
	"log/slog"
	"net/textproto"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
)

// callbackMax bounds a callback before it is decoded (C3). A body of 64 KiB takes a third more in JSON;
// what is left is for headers and query.
const callbackMax = 128 << 10

// callbackService answers for CallbackService.
type callbackService struct{ payment Callbacks }

// HandlePspCallback implements kvitv1connect.CallbackServiceHandler. The secret is not logged.
func (s *callbackService) HandlePspCallback(ctx context.Context, request *kvitv1.HandlePspCallbackRequest) (*kvitv1.HandlePspCallbackResponse, error) {
	callOf(ctx).note(slog.String("account_id", request.GetAccountId()), slog.String("source", request.GetSourceAddress()))
	reply, err := s.payment.HandleCallback(ctx, payment.HandleCallback{
		Account: request.GetAccountId(), Secret: request.GetSecret(),
		Callback: psp.Callback{
			Method: request.GetMethod(), Header: headerOf(request.GetHeaders()), Query: request.GetQuery(),
			Body: request.GetBody(), Source: request.GetSourceAddress(),
		},
	})
	if err != nil {
		return nil, err
	}
	callOf(ctx).note(slog.Int("reply_status", reply.Status))
	return replyMessage(&reply), nil
}

// headerOf names headers as net/http does, whatever the edge wrote.
func headerOf(headers []*kvitv1.HttpHeader) map[string][]string {
	named := make(map[string][]string, len(headers))
	for _, h := range headers {
		name := textproto.CanonicalMIMEHeaderKey(h.GetName())
		named[name] = append(named[name], h.GetValues()...)
	}
	return named
}
