package payment

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvitpay/kvit/server/psp"
)

// orphansMax is how many orphans one round takes in.
const orphansMax = 50

// ApplyOrphans takes in callbacks that came before the attempt that they are about (C5). It says how
// many, and whether there may be more.
func (s *Service) ApplyOrphans(ctx context.Context) (applied int, more bool, err error) {
	ids := make([]string, len(s.accounts))
	for i, a := range s.accounts {
		ids[i] = a.ID()
	}
	orphans, err := s.store.Orphans(ctx, ids, orphansMax)
	if err != nil {
		return 0, false, away(err)
	}
	var failed error
	for i := range orphans {
		m := orphans[i]
		account := s.account[m.Account]
		callback, err := psp.DecodeCallback(m.Raw)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("read orphan %s: %w", m.ID, err))
			continue
		}
		report, _, readErr := account.Read(ctx, callback)
		t := &taking{service: s, account: account, message: m, report: report}
		if err := t.take(ctx, readErr); err != nil {
			failed = errors.Join(failed, fmt.Errorf("take in orphan %s: %w", m.ID, err))
			continue
		}
		applied++
	}
	return applied, len(orphans) == orphansMax && failed == nil, failed
}
