package payment

import (
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/psp"
	"github.com/kvitpay/kvit/server/store"
	"github.com/kvitpay/kvit/server/writer"
)

// sight is where facts were seen: what they have in common as evidence.
type sight struct {
	source     order.Source
	account    *psp.Account
	attemptID  string
	rawID      string
	receivedAt time.Time
}

// evidence is a finding as evidence. Which clock counts, and what a decline means, is declared by the
// provider (E2, O7).
func (s *sight) evidence(f *psp.Finding) order.Evidence {
	d := s.account.Declaration()
	ev := order.Evidence{
		Source: s.source, Fact: f.Fact, Account: s.account.ID(), AttemptID: s.attemptID, PSPPaymentID: f.PSPPaymentID,
		AmountMinor: f.AmountMinor, Currency: f.Currency, PayeeDiffers: f.PayeeDiffers, ReceivedAt: s.receivedAt,
		Failure: f.Failure, ClosesSession: d.DeclineCloses && f.Fact == order.FactDeclined, RawID: s.rawID,
	}
	if !f.PaidAt.IsZero() {
		at := f.PaidAt
		ev.PaidAt, ev.PaidAtExact = &at, d.PaidAtExact
	}
	return ev
}

// applyFindings takes in what a PSP reports, one fact after the other. Money that another order owns
// changes nothing here (O8). What it leaves to be done at PSPs becomes tasks.
func (s *Service) applyFindings(v *writer.View, o *order.Order, act order.Act, from sight, findings []psp.Finding) error {
	refunds := len(o.Refunds)
	for i := range findings {
		ev := from.evidence(&findings[i])
		owner, err := ownerOf(v, &ev)
		switch {
		case err != nil:
			return err
		case !owner.IsZero() && owner != o.ID:
			err = o.ApplyElsewhere(act, ev, owner)
		default:
			err = o.Apply(act, ev, s.policy[o.Merchant])
		}
		if err != nil {
			return err
		}
	}
	for i := refunds; i < len(o.Refunds); i++ {
		s.followRefund(v, o, &o.Refunds[i])
	}
	return nil
}

// ownerOf is the order that has the PSP's payment already, or the zero ID.
func ownerOf(v *writer.View, ev *order.Evidence) (order.ID, error) {
	if ev.PSPPaymentID == "" {
		return order.ID{}, nil
	}
	owner, known := v.PaymentOwner(ev.Account, ev.PSPPaymentID)
	if !known {
		return order.ID{}, nil
	}
	return order.ParseID(owner)
}

// followRefund makes a task of a refund that a policy asked for: it is sent by the resolver (R1).
func (s *Service) followRefund(v *writer.View, o *order.Order, r *order.Refund) {
	p := o.Payment(r.PaymentID)
	if !r.Open() || p == nil {
		return
	}
	v.SaveTask(store.Task{
		TaskKey: store.TaskKey{Merchant: o.Merchant, ID: r.ID}, Kind: store.DoRefund,
		OrderID: o.ID.String(), Account: p.Account, DueAt: v.Now(),
	})
}
