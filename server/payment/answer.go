package payment

import (
	"crypto/sha256"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

// answer is what a PSP told us when we called it about an attempt.
type answer struct {
	service   *Service
	account   *psp.Account
	attemptID string
	report    psp.Report
	key       store.MessageKey
	rawID     string
}

func (s *Service) answered(account *psp.Account, attemptID string, report psp.Report, ids order.IDs) *answer {
	a := &answer{service: s, account: account, attemptID: attemptID, report: report, rawID: ids.ID("msg_", 0)}
	a.key = store.MessageKey{
		Merchant: account.Merchant(), Account: account.ID(),
		Digest: sha256.Sum256(append([]byte(a.rawID), report.Raw...)), // An answer is never a repeat.
	}
	return a
}

// keys are what its decision needs beside the order and the task.
func (a *answer) keys() store.Keys {
	return store.Keys{Payments: paymentKeys(a.key, a.report.Findings), Messages: []store.MessageKey{a.key}}
}

// apply takes in what the PSP reports, and keeps its words where they changed something (J5).
func (a *answer) apply(v *writer.View, o *order.Order, act order.Act) error {
	before := o.Version
	from := sight{source: order.FromLookup, account: a.account, attemptID: a.attemptID, rawID: a.rawID, receivedAt: v.Now()}
	if err := a.service.applyFindings(v, o, act, from, a.report.Findings); err != nil {
		return err
	}
	if o.Version != before {
		a.keep(v, o)
	}
	return nil
}

// keep keeps the PSP's words beside what they led to.
func (a *answer) keep(v *writer.View, o *order.Order) {
	if len(a.report.Raw) == 0 {
		return
	}
	v.SaveMessage(store.Message{
		MessageKey: a.key, ID: a.rawID, Kind: store.LookupMessage, Outcome: store.MessageApplied, Ref: a.report.Ref,
		AttemptID: a.attemptID, OrderID: o.ID.String(), ReceivedAt: v.Now(), Raw: a.report.Raw,
	})
}
