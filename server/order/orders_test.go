package order_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
)

func spec(s *script, change func(*order.Spec)) order.Spec {
	spec := order.Spec{
		Merchant: "demo", ID: s.o.ID, LinkID: "lnk_2", Terms: s.o.Terms,
		OfferUntil: s.now.Add(time.Hour), AcceptUntil: s.now.Add(2 * time.Hour),
	}
	change(&spec)
	return spec
}

func TestOffer_O1_NamesEveryDifference(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	amd, err := money.New(9_999, "AMD")
	s.must(err)
	uah, err := money.New(full, "UAH")
	s.must(err)
	for name, row := range map[string]struct {
		change func(*order.Terms)
		want   string
	}{
		"kind":     {func(t *order.Terms) { t.Kind = order.Fixed }, "kind"},
		"amount":   {func(t *order.Terms) { t.Amount = amd }, "amount.minor_units"},
		"currency": {func(t *order.Terms) { t.Amount = uah }, "amount.currency_code"},
		"capture":  {func(t *order.Terms) { t.Capture = order.Manual }, "capture_mode"},
		"customer": {func(t *order.Terms) { t.Customer.CustomerID = "c-2" }, "customer.customer_id"},
		"viber":    {func(t *order.Terms) { t.Customer.ViberUserID = "v" }, "customer.viber"},
		"bot":      {func(t *order.Terms) { t.Customer.ViberBot = "b" }, "customer.viber"},
		"items":    {func(t *order.Terms) { t.ItemsHash = "ff" }, "line_items"},
		"two":      {func(t *order.Terms) { t.Amount, t.Kind = amd, order.Fixed }, "kind, amount.minor_units"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			_, err := s.o.Offer(s.act(), spec(s, func(spec *order.Spec) { row.change(&spec.Terms) }))
			s.refused(err, fault.ReasonOrderIDConflict)
			refusal := fault.As(err)
			if got := refusal.Metadata()["changed_fields"]; got != row.want || refusal.Kind() != fault.Conflict {
				t.Errorf("changed fields are %q (%s), want %q", got, refusal.Kind(), row.want)
			}
		})
	}
}

func TestOffer_O1_SameTermsGiveTheOrderAsItIs(t *testing.T) {
	t.Parallel()
	for name, play := range map[string]func(*script){
		"pending":   func(*script) {},
		"cancelled": func(s *script) { s.must(s.o.Cancel(s.act())); s.wait(2 * time.Hour) },
		"paid":      func(s *script) { s.hear(order.FactSucceeded, s.start("liqpay")); s.wait(2 * time.Hour) },
		"live":      func(s *script) { s.start("liqpay"); s.wait(2 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			play(s)
			version, link := s.o.Version, s.o.LinkID
			reopened, err := s.o.Offer(s.act(), spec(s, func(*order.Spec) {}))
			s.must(err)
			if reopened || s.o.Version != version || s.o.LinkID != link {
				t.Errorf("the order changed: reopened %t, link %s", reopened, s.o.LinkID)
			}
		})
	}
}

func TestOffer_O1_ExpiredIsOfferedAgain(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.wait(time.Hour)
	again := spec(s, func(*order.Spec) {})
	reopened, err := s.o.Offer(s.act(), again)
	s.must(err)
	s.state(order.Pending)
	if !reopened || s.o.LinkID != "lnk_2" || !s.o.OfferUntil.Equal(again.OfferUntil) || !s.o.AcceptUntil.Equal(again.AcceptUntil) {
		t.Errorf("reopened %t with %s until %s", reopened, s.o.LinkID, s.o.OfferUntil)
	}
	entries := s.o.Entries()
	if entries[1].Type != order.OrderExpired || entries[2].Type != order.OrderReopened {
		t.Error("the journal does not tell the expiry and then the reopening")
	}
}

func TestOffer_O1_RefusesAnExpiryInThePast(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.wait(time.Hour)
	_, err := s.o.Offer(s.act(), spec(s, func(spec *order.Spec) { spec.OfferUntil = s.now }))
	s.refused(err, fault.ReasonRequestInvalid)
}

func TestCreate_M1_RefusesNothingToPay(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	_, err := order.Create(s.act(), spec(s, func(spec *order.Spec) { spec.Terms.Amount = money.Zero(s.o.Currency()) }))
	s.refused(err, fault.ReasonRequestInvalid)
}

// What was decided with a clock in another zone and finer than microseconds is kept as rows keep it.
func TestCreate_O3_KeepsInstantsAsRowsDo(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	yerevan := time.FixedZone("AMT", 4*60*60)
	o, err := order.Create(s.act(), spec(s, func(spec *order.Spec) { spec.OfferUntil = s.now.Add(time.Hour + time.Nanosecond).In(yerevan) }))
	s.must(err)
	if o.OfferUntil != s.now.Add(time.Hour) {
		t.Errorf("kept %v, want %v", o.OfferUntil, s.now.Add(time.Hour))
	}
}

func TestDeactivate_L3_IsTheOnlyChangeOfALink(t *testing.T) {
	t.Parallel()
	link, _ := createBoth(t)
	before := *link
	act := newScript(t).act()
	for range 2 {
		if err := link.Deactivate(act); err != nil {
			t.Fatal(err)
		}
	}
	if len(link.Entries()) != 2 {
		t.Errorf("%d entries: a repeat wrote something", len(link.Entries()))
	}
	if link.StateAt(epoch) != order.LinkInactive || !fault.Is(link.Usable(epoch), fault.ReasonLinkInactive) {
		t.Errorf("the link is %s", link.StateAt(epoch))
	}
	if link.Amount != before.Amount || link.OrderID != before.OrderID || link.ExpiresAt != before.ExpiresAt {
		t.Error("amount, order or expiry changed")
	}
	replayed, err := order.ReplayLink(link.Entries())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(link, replayed, cmp.AllowUnexported(order.ID{}), cmp.Comparer(func(a, b money.Amount) bool { return a == b }),
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".entries" }, cmp.Ignore())); diff != "" {
		t.Errorf("replaying the link gives another (O3): %s", diff)
	}
}

func TestLink_L3_ItsAccountsAreFrozen(t *testing.T) {
	t.Parallel()
	accounts := []string{"second", "first"}
	amount, err := money.New(full, "AMD")
	if err != nil {
		t.Fatal(err)
	}
	link, err := order.CreateLink(newScript(t).act(), order.LinkSpec{
		Merchant: "demo", ID: "lnk_1", Kind: order.Fixed, Amount: amount, Capture: order.Automatic, ExpiresAt: epoch.Add(time.Hour),
		Accounts: accounts,
	})
	if err != nil {
		t.Fatal(err)
	}
	accounts[0], link.Clone().Accounts[1] = "another", "another"
	replayed, err := order.ReplayLink(link.Entries())
	if err != nil {
		t.Fatal(err)
	}
	replayed.Accounts[0] = "another" // The entry keeps what it said.
	again, err := order.ReplayLink(link.Entries())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*order.Link{link, again} {
		if !slices.Equal(l.Accounts, []string{"second", "first"}) {
			t.Errorf("restricted to %v", l.Accounts)
		}
	}
}

func TestLink_L3_RunsOutByItself(t *testing.T) {
	t.Parallel()
	link, _ := createBoth(t)
	if err := link.Usable(link.ExpiresAt.Add(-1)); err != nil {
		t.Errorf("not usable before it ends: %v", err)
	}
	if got := link.StateAt(link.ExpiresAt); got != order.LinkExpired || link.State != order.LinkActive {
		t.Errorf("shown %s, stored %s", got, link.State)
	}
}

func TestStateAt_E1_ShowsTheExpiryBeforeItIsWritten(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	if got := s.o.StateAt(s.o.OfferUntil.Add(-1)); got != order.Pending {
		t.Errorf("a moment before the end: %s", got)
	}
	if got := s.o.StateAt(s.o.OfferUntil); got != order.Expired || s.o.State != order.Pending {
		t.Errorf("at the end: %s, stored %s", got, s.o.State)
	}
}

func TestExpire_E1_DoesNothingBeforeTheEnd(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.must(s.o.Expire(s.act()))
	s.state(order.Pending)
}

func TestExpire_E1_LiveAttemptKeepsProcessingUntilItIsDead(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.wait(50 * time.Minute)
	a := s.start("liqpay")
	if got := s.o.Attempt(a).SessionUntil; !got.Equal(s.o.OfferUntil) {
		t.Errorf("the session ends %s, and is not cut to the offer", got)
	}
	s.wait(10 * time.Minute)
	s.must(s.o.Expire(s.act()))
	s.state(order.Processing)
	if s.o.StateAt(s.now) != order.Processing {
		t.Error("a reader sees another state")
	}
	s.wait(grace)
	s.must(s.o.Bury(s.act(), a, order.DeadSessionOver))
	s.state(order.Expired)
}

func TestNextStep_EveryState(t *testing.T) {
	t.Parallel()
	for state, want := range map[order.State]order.Step{
		order.Pending: order.StepPay, order.Processing: order.StepWait, order.Authorized: order.StepWait,
		order.Paid: order.StepFulfill, order.Failed: order.StepTryAgain, order.Expired: order.StepAskForNewLink,
		order.Cancelled: order.StepNone, order.Review: order.StepContactSupport, order.PartiallyRefunded: order.StepNone,
		order.Refunded: order.StepNone, order.ChargedBack: order.StepContactSupport,
	} {
		o := &order.Order{State: state, OfferUntil: epoch.Add(time.Hour)}
		if got := order.NextStep(o, nil, epoch); got != want {
			t.Errorf("%s: %s, want %s", state, got, want)
		}
	}
}

func TestNextStep_L3_DeactivatedLinkAsksForANewOne(t *testing.T) {
	t.Parallel()
	link, o := createBoth(t)
	if got := order.NextStep(o, link, epoch); got != order.StepPay {
		t.Fatalf("an offered link: %s", got)
	}
	if err := link.Deactivate(newScript(t).act()); err != nil {
		t.Fatal(err)
	}
	if got := order.NextStep(o, link, epoch); got != order.StepAskForNewLink {
		t.Errorf("a deactivated link: %s", got)
	}
}

func TestNextStep_E1_ExpiryOnRead(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	if got := order.NextStep(s.o, nil, s.o.OfferUntil); got != order.StepAskForNewLink {
		t.Errorf("after the offer: %s", got)
	}
}
