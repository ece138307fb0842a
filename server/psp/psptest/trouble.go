package psptest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/psp"
)

var troubleCases = []testCase{
	{"I5_SlowCutAndBrokenAnswersAreUnknownOutcomes", brokenAnswers},
	{"I5_RefusedConnectionIsNotAttempted", refusedConnection},
	{"I5_CancelledContextReturnsPromptly", cancelled},
	{"I5_StartAfterALostAnswerOpensNoSecondPayment", startAfterLostAnswer},
}

// method is a call to the PSP, made ready by ready.
type method struct {
	name string
	able bool
	// moves is true where money or a payment may have moved.
	moves bool
	ready func(tb testing.TB) func(ctx context.Context, account *psp.Account) error
}

// methods are all calls that this plug makes.
func (d *desk) methods() []method {
	type call = func(ctx context.Context, account *psp.Account) error
	return []method{
		{"start", true, true, func(tb testing.TB) call {
			tb.Helper()
			intent := d.intent(d.major(tb, 100))
			return func(ctx context.Context, account *psp.Account) error {
				handoff, err := account.Start(ctx, intent)
				d.noteHandoff(handoff)
				return err
			}
		}},
		{"ask", d.canAsk(), false, func(tb testing.TB) call {
			tb.Helper()
			visit := d.started(tb)
			return func(ctx context.Context, account *psp.Account) error {
				_, err := account.Ask(ctx, psp.Ref{Ref: visit.Ref})
				return err
			}
		}},
		{"refund", d.account.CanRefund(), true, func(tb testing.TB) call {
			tb.Helper()
			_, a := d.paid(tb)
			refund := refundOf(d.refOf(tb, a), d.major(tb, 30), d.major(tb, 100))
			return func(ctx context.Context, account *psp.Account) error {
				_, err := account.Refund(ctx, refund)
				return err
			}
		}},
		{"capture", d.account.CanCapture(), true, func(tb testing.TB) call {
			tb.Helper()
			_, a := d.held(tb)
			capture := psp.Capture{Ref: d.refOf(tb, a), Amount: d.major(tb, 30), HeldMinor: d.major(tb, 100).Minor()}
			return func(ctx context.Context, account *psp.Account) error {
				_, err := account.Capture(ctx, capture)
				return err
			}
		}},
		{"void", d.account.CanVoid() && d.account.CanCapture(), true, func(tb testing.TB) call {
			tb.Helper()
			_, a := d.held(tb)
			void := psp.Void{Ref: d.refOf(tb, a), Held: d.major(tb, 100)}
			return func(ctx context.Context, account *psp.Account) error {
				_, err := account.Void(ctx, void)
				return err
			}
		}},
	}
}

// troubled makes each call of the plug while something is wrong. A call that sends nothing is left out.
func (d *desk) troubled(tb testing.TB, t trouble, account *psp.Account, judge func(m method, err error)) {
	tb.Helper()
	for _, m := range d.methods() {
		if !m.able {
			continue
		}
		call := m.ready(tb)
		d.wire.breaks(t)
		err := call(tb.Context(), account)
		sent := d.wire.count() > 0
		d.wire.breaks(none)
		switch {
		case sent:
			judge(m, err)
		case m.name != "start":
			tb.Errorf("%s sends nothing by the client that it was given", m.name)
		case err != nil:
			tb.Errorf("%s sends nothing and fails: %v", m.name, err)
		}
	}
}

func brokenAnswers(tb testing.TB, d *desk) {
	tb.Helper()
	hurried := d.around(tb, hurry)
	for _, t := range []trouble{slow, lost, cut, failing, babble} {
		account := d.account
		if t == slow {
			account = hurried
		}
		d.troubled(tb, t, account, func(m method, err error) {
			tb.Helper()
			if outcome := psp.OutcomeOf(err); outcome != psp.OutcomeUnknown {
				tb.Errorf("%s with the wire %s: the outcome is %s (%v), and nobody knows", m.name, t, outcome, err)
			}
		})
	}
}

func refusedConnection(tb testing.TB, d *desk) {
	tb.Helper()
	d.troubled(tb, refused, d.account, func(m method, err error) {
		tb.Helper()
		if !errors.Is(err, psp.ErrNotAttempted) {
			tb.Errorf("%s without a connection: %v", m.name, err)
		}
	})
}

func cancelled(tb testing.TB, d *desk) {
	tb.Helper()
	for _, m := range d.methods() {
		if !m.able {
			continue
		}
		call := m.ready(tb)
		d.wire.breaks(slow)
		ctx, cancel := context.WithCancel(tb.Context())
		ended := make(chan error, 1)
		go func() { ended <- call(ctx, d.account) }()
		select {
		case err := <-ended: // It sent nothing, or it did not wait for the answer.
			if err != nil || m.name != "start" {
				tb.Errorf("%s does not wait: %v", m.name, err)
			}
			cancel()
		case <-d.wire.stuck:
			cancel()
			select {
			case err := <-ended:
				if m.moves && psp.OutcomeOf(err) != psp.OutcomeUnknown {
					tb.Errorf("%s was sent and then cancelled: %v", m.name, err)
				}
			case <-time.After(promptly):
				d.wire.breaks(none)
				tb.Fatalf("%s goes on after its context was cancelled, until: %v", m.name, <-ended)
			}
		}
		d.wire.breaks(none)
	}
}

func startAfterLostAnswer(tb testing.TB, d *desk) {
	tb.Helper()
	need(tb, d.Payments != nil, "Payments")
	intent := d.intent(d.major(tb, 100))
	d.wire.breaks(lost)
	if _, err := d.account.Start(tb.Context(), intent); err != nil && certainlyNothing(err) {
		tb.Errorf("a lost answer is certain: %v", err)
	}
	d.wire.breaks(none)
	if _, err := d.account.Start(tb.Context(), intent); err != nil && !errors.Is(err, psp.ErrHandoffLost) {
		tb.Errorf("the second start: %v", err)
	}
	if n := d.Payments(tb, intent.Ref); n > 1 {
		tb.Errorf("the PSP has %d payments", n)
	}
}
