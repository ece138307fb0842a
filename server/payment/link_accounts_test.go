package payment_test

import (
	"slices"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/lock/memlock"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/psp"
)

// at restricts a link to accounts.
func at(accounts ...string) func(*payment.CreateLink) {
	return func(in *payment.CreateLink) { in.Accounts = accounts }
}

// ways are the accounts that a page shows, in its order.
func (s *shop) ways(token string) []string {
	s.t.Helper()
	page, err := s.OpenPage(s.t.Context(), token)
	s.must(err)
	var ids []string
	for i := range page.Ways {
		ids = append(ids, page.Ways[i].Account)
	}
	return ids
}

func (s *shop) wantWays(token string, want ...string) {
	s.t.Helper()
	if got := s.ways(token); !slices.Equal(got, want) {
		s.t.Errorf("the page shows %v, want %v", got, want)
	}
}

func TestOpenPage_ALinkHasItsAccountsInItsOwnOrder(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.wantWays(s.order("A-1"), "fake", "second")
	s.wantWays(s.order("A-2", at("second", "fake")), "second", "fake")
	s.wantWays(s.order("A-3", at("second")), "second")
	status, err := s.OrderStatus(t.Context(), s.caller, "A-2")
	s.must(err)
	link, err := s.Link(t.Context(), s.caller, status.Order.LinkID)
	if err != nil || !slices.Equal(link.Accounts, []string{"second", "fake"}) {
		t.Errorf("the link is restricted to %v (%v)", link.Accounts, err)
	}
}

func TestStartAttempt_AnAccountThatIsNoneOfTheLinksIsUnavailable(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	token := s.order("A-1", at("second"))
	_, err := s.StartAttempt(t.Context(), payment.StartAttempt{Token: token, Account: "fake"})
	if wantReason(t, err, fault.ReasonAccountUnavailable); s.psp.starts() != 0 || len(s.attempts()) != 0 {
		t.Fatal("it was begun all the same")
	}
	_, err = s.StartAttempt(t.Context(), payment.StartAttempt{Token: token}) // The only way needs no name.
	if s.must(err); s.second.starts() != 1 || s.attempts()[0].Account != "second" {
		t.Errorf("paid at %+v", s.attempts())
	}
}

func TestStartAttempt_L5_OrdersOfAFixedLinkArePaidAtItsAccounts(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	fixed := s.order("", at("second"), func(in *payment.CreateLink) { in.Kind = order.Fixed })
	s.wantWays(fixed, "second")
	_, err := s.StartAttempt(t.Context(), payment.StartAttempt{Token: fixed, Account: "fake", Nonce: "n"})
	wantReason(t, err, fault.ReasonAccountUnavailable)
	started, err := s.StartAttempt(t.Context(), payment.StartAttempt{Token: fixed, Account: "second", Nonce: "n"})
	s.must(err)
	s.wantWays(started.Token, "second")
	_, err = s.StartAttempt(t.Context(), payment.StartAttempt{Token: started.Token, Account: "fake"})
	wantReason(t, err, fault.ReasonAccountUnavailable)
}

func TestCreateLink_I2_OtherAccountsAreAnotherRequest(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.order("A-1", at("fake", "second"))
	for name, accounts := range map[string][]string{"fewer": {"fake"}, "in another order": {"second", "fake"}, "all": nil} {
		in := lesson(t, "create-A-1", "A-1")
		in.Accounts = accounts
		_, _, err := s.CreateLink(t.Context(), s.caller, in)
		if got := wantFault(t, err, fault.ReasonIdempotencyKeyReused).Metadata()["changed_fields"]; got != "psp_accounts" {
			t.Errorf("%s: changed_fields = %q", name, got)
		}
	}
}

func TestCreateLink_O1_AccountsAreNoTermOfTheOrder(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	first := s.order("A-1", at("fake"))
	in := lesson(t, "another key", "A-1")
	in.Accounts = []string{"second"}
	again, replayed := s.create(t, in)
	if replayed || tokenOf(again.Link.URL) != first || !slices.Equal(again.Link.Accounts, []string{"fake"}) {
		t.Errorf("another link: replayed %t, %+v", replayed, again.Link)
	}
	s.wantWays(first, "fake")
	s.pass(25 * time.Hour)
	in.IdempotencyKey = "a third key" // It is offered again, with a link that is restricted as asked now.
	offered, _ := s.create(t, in)
	s.wantWays(tokenOf(offered.Link.URL), "second")
}

// A repeat gets its answer though its account has left the settings, and its link is not opened to the others.
func TestCreateLink_I2_ARepeatOutlivesItsAccount(t *testing.T) {
	t.Parallel()
	keys := newKeys(t)
	s := openShop(t, func(needs *payment.Needs) { needs.Keys = keys })
	token := s.order("A-1", at("second"))
	in := lesson(t, "create-A-1", "A-1")
	in.Accounts = []string{"second"}
	s.Service = newService(t, s.store, keys, memlock.New(), func(needs *payment.Needs) {
		needs.Accounts = []*psp.Account{s.account("fake", s.psp)}
	})
	if again, replayed := s.create(t, in); !replayed || tokenOf(again.Link.URL) != token {
		t.Errorf("replayed %t, %+v", replayed, again.Link)
	}
	s.wantWays(token)
	_, err := s.StartAttempt(t.Context(), payment.StartAttempt{Token: token})
	wantReason(t, err, fault.ReasonAccountUnavailable)
}

func TestCreateLink_RefusesAccountsAtWhichItCannotBePaid(t *testing.T) {
	t.Parallel()
	s := openShop(t, func(needs *payment.Needs) {
		live, hryvnia := newFakePSP(), newFakePSP()
		live.declaration.Test, hryvnia.declaration.Currencies = false, []string{"UAH"}
		hryvnia.declaration.GrainMinor = nil
		for _, a := range []struct {
			options  psp.Options
			provider psp.Provider
		}{
			{psp.Options{ID: "live", Merchant: "demo", Live: true}, live},
			{psp.Options{ID: "theirs", Merchant: "other"}, newFakePSP()},
			{psp.Options{ID: "hryvnia", Merchant: "demo"}, hryvnia},
			{psp.Options{ID: "simple", Merchant: "demo"}, struct{ psp.Provider }{newFakePSP()}}, // It holds no money.
		} {
			a.options.Now = time.Now
			account, err := psp.NewAccount(a.provider, a.options)
			if err != nil {
				t.Fatal(err)
			}
			needs.Accounts = append(needs.Accounts, account)
		}
	})
	hold := func(in *payment.CreateLink) { in.Capture = order.Manual }
	half := func(in *payment.CreateLink) { in.Amount = dram(t, 500_050) }
	hryvnias := func(in *payment.CreateLink) {
		var err error
		in.Amount, err = money.New(500_050, "UAH")
		s.must(err)
	}
	for name, c := range map[string]struct {
		accounts []string
		change   func(*payment.CreateLink)
		reason   fault.Reason
		field    string
	}{
		"unknown":                    {[]string{"fake", "fak"}, nil, fault.ReasonRequestInvalid, "psp_accounts[1]"},
		"another merchant's":         {[]string{"theirs"}, nil, fault.ReasonRequestInvalid, "psp_accounts[0]"},
		"of the other mode (A1)":     {[]string{"second", "fake", "live"}, nil, fault.ReasonRequestInvalid, "psp_accounts[2]"},
		"in no such currency":        {[]string{"hryvnia"}, nil, fault.ReasonCurrencyUnsupported, ""},
		"with too fine an amount":    {[]string{"second", "fake"}, half, fault.ReasonAmountGrain, ""},
		"that hold no money":         {[]string{"simple"}, hold, fault.ReasonCaptureUnsupported, ""},
		"of which one takes it":      {[]string{"hryvnia", "fake"}, nil, "", ""},
		"of which one holds":         {[]string{"simple", "fake"}, hold, "", ""},
		"of which one takes hryvnia": {[]string{"hryvnia"}, hryvnias, "", ""},
	} {
		in := lesson(t, name, "")
		in.Kind, in.Accounts = order.Fixed, c.accounts
		if c.change != nil {
			c.change(&in)
		}
		for _, in.ValidateOnly = range []bool{true, false} {
			_, _, err := s.CreateLink(t.Context(), s.caller, in)
			if c.reason == "" {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			e := wantFault(t, err, c.reason)
			if c.field != "" && (len(e.Fields()) != 1 || e.Fields()[0].Path != c.field || e.Kind() != fault.Invalid) {
				t.Errorf("%s: %v %+v", name, err, e.Fields())
			}
		}
	}
}
