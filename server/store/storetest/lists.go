package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

func orderFillsDetailsAndLink(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := lesson("demo", "A")
	made := m.create(w, wish{merchant: "demo", id: "B"})
	read, err := s.Order(m.ctx(), w.orderKey())
	if err != nil {
		t.Fatal(err)
	}
	if diff := same(&w.details, read.Order.Details); diff != "" {
		t.Error(diff)
	}
	link := made.Links[0].After.Clone()
	link.Details = &w.details
	if diff := same(link, read.Link); diff != "" {
		t.Error(diff)
	}
	if read.Now.Before(read.Order.CreatedAt) || read.Now.Location() != time.UTC {
		t.Errorf("read at %v an order of %v", read.Now, read.Order.CreatedAt)
	}
	wordless, err := s.Order(m.ctx(), store.OrderKey{Merchant: "demo", ID: "B"})
	if err != nil || wordless.Order.Details == nil {
		t.Errorf("an order without words: %+v (%v)", wordless, err)
	}
}

func linkFillsDetailsAndOrder(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	w := lesson("demo", "A")
	made := m.create(w)
	m.change(w.orderKey(), start("att_1", "a"))
	read, err := s.Link(m.ctx(), w.linkKey())
	if err != nil {
		t.Fatal(err)
	}
	if read.Link.ID != made.Links[0].After.ID || read.Order == nil || len(read.Order.Attempts) != 1 {
		t.Fatalf("read %+v", read)
	}
	if diff := same(&w.details, read.Link.Details) + same(&w.details, read.Order.Details); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Link(m.ctx(), store.LinkKey{Merchant: "demo", ID: "lnk_none"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no link: %v", err)
	}
}

// variety makes orders in many states, some past their offer, with and without a live attempt.
func (m *maker) variety(merchant string) {
	m.t.Helper()
	var wishes []wish
	for _, offer := range []time.Duration{time.Hour, 3 * time.Hour} { // Of two hours ago: over, and not.
		for i := range 7 {
			wishes = append(wishes, wish{merchant: merchant, id: fmt.Sprintf("V-%s-%d", offer, i), ago: 2 * time.Hour, offer: offer})
		}
	}
	m.create(wishes...)
	for i, w := range wishes {
		then := func(decide func(o *order.Order, act order.Act) error) {
			m.change(w.orderKey(), func(o *order.Order, act order.Act) error {
				act.Now = act.Now.Add(-90 * time.Minute) // While every offer stood.
				return decide(o, act)
			})
		}
		if i%7 >= 2 {
			then(start("att_"+w.id, "a"))
		}
		switch i % 7 {
		case 1:
			then((*order.Order).Cancel)
		case 3:
			then(func(o *order.Order, act order.Act) error { return decline(o, act, false) })
		case 4:
			then(func(o *order.Order, act order.Act) error { return decline(o, act, true) })
		case 5:
			then(paid("att_"+w.id, "p"+w.id))
		case 6:
			then(func(o *order.Order, act order.Act) error {
				return o.Bury(act, o.Attempts[0].ID, order.DeadByOperator)
			})
		}
	}
	m.change(wishes[0].orderKey(), (*order.Order).Expire)
}

func decline(o *order.Order, act order.Act, closes bool) error {
	return o.Apply(act, order.Evidence{
		Source: order.FromCallback, Fact: order.FactDeclined, Account: "a", AttemptID: o.Attempts[0].ID,
		ReceivedAt: act.Now, Failure: "no", ClosesSession: closes,
	}, order.Policy{})
}

// listShowsStateAt asks for each state and compares with what order says of every order (E1).
func listShowsStateAt(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	m.variety("demo")
	all, err := s.ListOrders(m.ctx(), "demo", store.OrderFilter{}, store.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	shown := map[order.State][]string{}
	for _, read := range all {
		state := read.Order.StateAt(read.Now)
		shown[state] = append(shown[state], read.Order.ID.String())
	}
	if len(shown) < 6 || len(shown[order.Expired]) < 3 {
		t.Fatalf("the variety shows only %v", shown)
	}
	for _, state := range order.States() {
		if got := m.listed(store.OrderFilter{States: []order.State{state}}); !slices.Equal(got, shown[state]) {
			t.Errorf("%s lists %v, want %v", state, got, shown[state])
		}
	}
	both := len(shown[order.Pending]) + len(shown[order.Failed])
	if got := m.listed(store.OrderFilter{States: []order.State{order.Pending, order.Failed}}); len(got) != both {
		t.Errorf("two states list %d, want %d", len(got), both)
	}
}

func (m *maker) listed(filter store.OrderFilter) []string {
	m.t.Helper()
	found, err := m.s.ListOrders(m.ctx(), "demo", filter, store.Page{Limit: 100})
	if err != nil {
		m.t.Fatal(err)
	}
	var ids []string
	for _, read := range found {
		ids = append(ids, read.Order.ID.String())
	}
	return ids
}

func listOrdersFilters(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	fixed := wish{merchant: "demo", link: "lnk_fixed", kind: order.Fixed}
	m.createLink(fixed)
	a, b := lesson("demo", "A"), lesson("demo", "B")
	a.ago, b.ago = 3*time.Hour, 2*time.Hour
	c := wish{merchant: "demo", id: "C", link: "lnk_fixed", kind: order.Fixed, ago: time.Hour, details: order.Details{Name: "N"}}
	made := m.create(a, b, c)
	when := made.Orders[1].After.CreatedAt
	for name, test := range map[string]struct {
		filter store.OrderFilter
		want   []string
	}{
		"all":           {store.OrderFilter{}, []string{"C", "B", "A"}},
		"customer":      {store.OrderFilter{CustomerID: "c-A"}, []string{"A"}},
		"viber user":    {store.OrderFilter{ViberUserID: "u-B"}, []string{"B"}},
		"viber bot":     {store.OrderFilter{ViberBot: "bot"}, []string{"B", "A"}},
		"bot and user":  {store.OrderFilter{ViberBot: "bot", ViberUserID: "u-A"}, []string{"A"}},
		"other bot":     {store.OrderFilter{ViberBot: "tob", ViberUserID: "u-A"}, nil},
		"dynamic link":  {store.OrderFilter{LinkID: "lnk_A"}, []string{"A"}},
		"fixed link":    {store.OrderFilter{LinkID: "lnk_fixed"}, []string{"C"}},
		"no link":       {store.OrderFilter{LinkID: "lnk_none"}, nil},
		"after":         {store.OrderFilter{CreatedAfter: when}, []string{"C"}},
		"before":        {store.OrderFilter{CreatedBefore: when}, []string{"A"}},
		"between":       {store.OrderFilter{CreatedAfter: when.Add(-time.Microsecond), CreatedBefore: when.Add(time.Microsecond)}, []string{"B"}},
		"link and user": {store.OrderFilter{LinkID: "lnk_A", ViberUserID: "u-B"}, nil},
	} {
		if got := m.listed(test.filter); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	read, err := s.ListOrders(m.ctx(), "demo", store.OrderFilter{CustomerID: "c-A"}, store.Page{Limit: 1})
	if err != nil || read[0].Link == nil || read[0].Order.Details.Name != a.details.Name || read[0].Now.IsZero() {
		t.Errorf("a listed order is not filled in: %+v (%v)", read, err)
	}
}

// listOrdersPages goes through orders of which many were made at one instant.
func listOrdersPages(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo", "other")
	var wishes []wish
	for i := range 25 {
		wishes = append(wishes, wish{merchant: "demo", id: fmt.Sprintf("P-%02d", i), ago: time.Duration(i/10) * time.Minute})
	}
	m.create(append(wishes, wish{merchant: "other", id: "P-00"})...)
	all := m.listed(store.OrderFilter{})
	if len(all) != 25 || all[0] != "P-09" || all[24] != "P-20" {
		t.Fatalf("listed %v", all)
	}
	for _, size := range []int{1, 7, 25, 30} {
		var got []string
		page := store.Page{Limit: size}
		for {
			found, err := s.ListOrders(m.ctx(), "demo", store.OrderFilter{}, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, read := range found {
				got = append(got, read.Order.ID.String())
				page.BeforeTime, page.BeforeID = read.Order.CreatedAt, read.Order.ID.String()
			}
			if len(found) < size {
				break
			}
		}
		if !slices.Equal(got, all) {
			t.Errorf("pages of %d: %v", size, got)
		}
	}
}

func (m *maker) listedLinks(filter store.LinkFilter, page store.Page) []string {
	m.t.Helper()
	found, err := m.s.ListLinks(m.ctx(), "demo", filter, page)
	if err != nil {
		m.t.Fatal(err)
	}
	var ids []string
	for _, read := range found {
		ids = append(ids, read.Link.ID)
		if (read.Order != nil) != (read.Link.Kind == order.Dynamic) || read.Now.IsZero() || read.Link.Details == nil {
			m.t.Fatalf("link %s is not filled in: %+v", read.Link.ID, read)
		}
	}
	return ids
}

func listLinks(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo")
	m.createLink(wish{merchant: "demo", link: "lnk_F", kind: order.Fixed, ago: 5 * time.Hour, offer: 9 * time.Hour})
	over, open, closed := lesson("demo", "A"), lesson("demo", "B"), lesson("demo", "C")
	over.ago, open.ago, closed.ago = 3*time.Hour, 2*time.Hour, time.Hour
	open.offer, closed.offer = 9*time.Hour, 9*time.Hour
	made := m.create(over, open, closed)
	tx := m.begin(keysOf(closed))
	after := tx.Snapshot().Links[closed.linkKey()].Clone()
	if err := after.Deactivate(m.act(tx.Snapshot().Now)); err != nil {
		t.Fatal(err)
	}
	err := tx.Save(m.ctx(), &store.Changes{
		Links: []store.LinkChange{{Before: tx.Snapshot().Links[closed.linkKey()], After: after}}, Entries: after.Entries(),
	})
	if err != nil {
		t.Fatal(err)
	}
	when := made.Links[1].After.CreatedAt
	for name, test := range map[string]struct {
		filter store.LinkFilter
		page   store.Page
		want   []string
	}{
		"all":      {store.LinkFilter{}, store.Page{Limit: 9}, []string{"lnk_C", "lnk_B", "lnk_A", "lnk_F"}},
		"first":    {store.LinkFilter{}, store.Page{Limit: 1}, []string{"lnk_C"}},
		"next":     {store.LinkFilter{}, store.Page{Limit: 9, BeforeTime: when, BeforeID: "lnk_B"}, []string{"lnk_A", "lnk_F"}},
		"fixed":    {store.LinkFilter{Kind: order.Fixed}, store.Page{Limit: 9}, []string{"lnk_F"}},
		"active":   {store.LinkFilter{States: []order.LinkState{order.LinkActive}}, store.Page{Limit: 9}, []string{"lnk_B", "lnk_F"}},
		"expired":  {store.LinkFilter{States: []order.LinkState{order.LinkExpired}}, store.Page{Limit: 9}, []string{"lnk_A"}},
		"inactive": {store.LinkFilter{States: []order.LinkState{order.LinkInactive}}, store.Page{Limit: 9}, []string{"lnk_C"}},
		"order":    {store.LinkFilter{OrderID: "B"}, store.Page{Limit: 9}, []string{"lnk_B"}},
		"after":    {store.LinkFilter{CreatedAfter: when}, store.Page{Limit: 9}, []string{"lnk_C"}},
		"before":   {store.LinkFilter{CreatedBefore: when}, store.Page{Limit: 9}, []string{"lnk_A", "lnk_F"}},
	} {
		if got := m.listedLinks(test.filter, test.page); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func dueOrders(t *testing.T, s store.Store) {
	t.Helper()
	m := newMaker(t, s, "demo", "other")
	m.variety("demo")
	first := wish{merchant: "other", id: "first", ago: 9 * time.Hour}
	m.create(first)
	due, err := s.DueOrders(m.ctx(), 100)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	all, err := s.ListOrders(m.ctx(), "demo", store.OrderFilter{}, store.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, read := range all {
		isDue := read.Order.State != order.Expired && read.Order.StateAt(read.Now) == order.Expired
		if isDue {
			want++
		}
		if slices.Contains(due, store.OrderKey{Merchant: "demo", ID: read.Order.ID.String()}) != isDue {
			t.Errorf("order %s in %s: due is %t", read.Order.ID, read.Order.State, isDue)
		}
	}
	if len(due) != want+1 || want == 0 || due[0] != first.orderKey() {
		t.Errorf("due are %v", due)
	}
	if one, err := s.DueOrders(m.ctx(), 1); err != nil || len(one) != 1 {
		t.Errorf("one of them: %v (%v)", one, err)
	}
	for _, key := range due {
		m.change(key, (*order.Order).Expire)
	}
	if rest, err := s.DueOrders(m.ctx(), 100); err != nil || len(rest) != 0 {
		t.Errorf("still due: %v (%v)", rest, err)
	}
}
