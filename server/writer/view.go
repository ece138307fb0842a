package writer

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// errBroken means that a decision breaks the rules of View. It is a fault of ours.
var errBroken = errors.New("broken decision")

// View is what one command sees: the rows that were loaded, with what earlier commands of the batch
// changed. What is saved here counts only if Decide returns nil.
//
// A decision that asks for a row that is not among its keys, saves what it did not decide on the
// row as it stands, or records a key twice, is answered as Internal, and nothing of it is kept.
//
// Concurrency: a View is used by Decide alone, and not after it has returned.
type View struct {
	snapshot *store.Snapshot
	cmd      *Command
	broken   error

	// changes are what the batch writes. Entries and records of the command are appended to it and cut
	// off again if it is refused; before is where they begin.
	changes store.Changes
	before  struct{ entries, records int }
	// orders, links and records find what the commands before this one changed.
	orders  map[store.OrderKey]int
	links   map[store.LinkKey]int
	records map[store.RecordKey]int
	// owners finds the payments of those orders.
	owners map[store.PaymentKey]string
	// messages, tasks and handoffs are saved whole.
	messages kept[store.MessageKey, store.Message]
	tasks    kept[store.TaskKey, taskState]
	handoffs kept[handoffKey, store.Handoff]
	// savedOrders and savedLinks are what this command saved.
	savedOrders []saved[*order.Order]
	savedLinks  []saved[*order.Link]
}

// saved is a row as it was last saved, or loaded: its version, and how many entries it had then and
// the id of the last of them. The row itself may have been changed since.
type saved[T any] struct {
	row     T
	version int64
	entries int
	last    string
}

func savedAs[T any](row T, version int64, entries []order.Entry) saved[T] {
	s := saved[T]{row: row, version: version, entries: len(entries)}
	if len(entries) > 0 {
		s.last = entries[len(entries)-1].ID
	}
	return s
}

// follow returns the entries after those that were saved. It reports false where the row does not
// continue what was saved.
func (s *saved[T]) follow(version int64, entries []order.Entry) ([]order.Entry, bool) {
	kept := s.entries
	if len(entries) < kept || kept > 0 && entries[kept-1].ID != s.last {
		return nil, false
	}
	return entries[kept:], version == s.version+int64(len(entries)-kept)
}

// Now is the database's clock, taken after the locks. It is the same for the whole batch.
func (v *View) Now() time.Time { return v.snapshot.Now }

// Order returns a copy of the merchant's order, which Decide may change and save; nil if there is none.
func (v *View) Order(id order.ID) *order.Order {
	key := store.OrderKey{Merchant: v.cmd.Merchant, ID: id.String()}
	if !slices.Contains(v.cmd.Keys.Orders, key) {
		v.breaks("looks at order %s, which is not among its keys", key.ID)
		return nil
	}
	if found := v.order(key); found.row != nil {
		return found.row.Clone()
	}
	return nil
}

// Link returns a copy of the merchant's link, which Decide may change and save; nil if there is none.
func (v *View) Link(id string) *order.Link {
	key := store.LinkKey{Merchant: v.cmd.Merchant, ID: id}
	if !slices.Contains(v.cmd.Keys.Links, key) {
		v.breaks("looks at link %s, which is not among its keys", key.ID)
		return nil
	}
	if found := v.link(key); found.row != nil {
		return found.row.Clone()
	}
	return nil
}

// Record returns the recorded result of a call with this key of the merchant (I2), if there is one.
func (v *View) Record(method, key string) (store.Record, bool) {
	k := store.RecordKey{Merchant: v.cmd.Merchant, Method: method, Key: key}
	if !slices.Contains(v.cmd.Keys.Records, k) {
		v.breaks("looks at a record of %s that is not among its keys", method)
		return store.Record{}, false
	}
	return v.record(k)
}

// SaveOrder keeps an order that was made, or changed after Order returned it. Its entries that were
// not kept yet follow those of the saves before. An order without new entries is not changed.
func (v *View) SaveOrder(o *order.Order) {
	key := store.OrderKey{Merchant: o.Merchant, ID: o.ID.String()}
	if o.Merchant != v.cmd.Merchant || !slices.Contains(v.cmd.Keys.Orders, key) {
		v.breaks("saves order %s, which is not among its keys", key.ID)
		return
	}
	latest := v.order(key)
	entries, continues := latest.follow(o.Version, o.Entries())
	if !v.keeps(entries, continues) {
		return
	}
	now := savedAs(o, o.Version, o.Entries())
	for i := range v.savedOrders {
		if keyOf(v.savedOrders[i].row) == key {
			v.savedOrders[i] = now
			return
		}
	}
	v.savedOrders = append(v.savedOrders, now)
}

// SaveLink keeps a link that was made, or changed after Link returned it, as SaveOrder does.
func (v *View) SaveLink(l *order.Link) {
	key := store.LinkKey{Merchant: l.Merchant, ID: l.ID}
	if l.Merchant != v.cmd.Merchant || !slices.Contains(v.cmd.Keys.Links, key) {
		v.breaks("saves link %s, which is not among its keys", key.ID)
		return
	}
	latest := v.link(key)
	entries, continues := latest.follow(l.Version, l.Entries())
	if !v.keeps(entries, continues) {
		return
	}
	now := savedAs(l, l.Version, l.Entries())
	for i := range v.savedLinks {
		if v.savedLinks[i].row.ID == key.ID {
			v.savedLinks[i] = now
			return
		}
	}
	v.savedLinks = append(v.savedLinks, now)
}

// SaveRecord keeps the result of the call, once (I2).
func (v *View) SaveRecord(r store.Record) {
	if r.Merchant != v.cmd.Merchant || !slices.Contains(v.cmd.Keys.Records, r.RecordKey) {
		v.breaks("saves a record of %s that is not among its keys", r.Method)
		return
	}
	if _, exists := v.record(r.RecordKey); exists {
		v.breaks("saves a record of %s twice", r.Method)
		return
	}
	r.CreatedAt = v.snapshot.Now
	v.changes.Records = append(v.changes.Records, r)
}

func (v *View) breaks(format string, args ...any) {
	if v.broken == nil {
		v.broken = fmt.Errorf("%w: %s", errBroken, fmt.Sprintf(format, args...))
	}
}

// keeps takes the entries of a row that is saved, and reports whether there are any.
func (v *View) keeps(entries []order.Entry, continues bool) bool {
	if !continues {
		v.breaks("saves a row that was not decided on as it stands")
		return false
	}
	v.changes.Entries = append(v.changes.Entries, entries...)
	return len(entries) > 0
}

// order finds the order as it stands for this command.
func (v *View) order(key store.OrderKey) saved[*order.Order] {
	for i := range v.savedOrders {
		if keyOf(v.savedOrders[i].row) == key {
			return v.savedOrders[i]
		}
	}
	row := v.snapshot.Orders[key]
	if i, changed := v.orders[key]; changed {
		row = v.changes.Orders[i].After
	}
	if row == nil {
		return saved[*order.Order]{}
	}
	return savedAs(row, row.Version, row.Entries())
}

// link finds the link as it stands for this command.
func (v *View) link(key store.LinkKey) saved[*order.Link] {
	for i := range v.savedLinks {
		if v.savedLinks[i].row.ID == key.ID {
			return v.savedLinks[i]
		}
	}
	row := v.snapshot.Links[key]
	if i, changed := v.links[key]; changed {
		row = v.changes.Links[i].After
	}
	if row == nil {
		return saved[*order.Link]{}
	}
	return savedAs(row, row.Version, row.Entries())
}

func (v *View) record(key store.RecordKey) (store.Record, bool) {
	if i, made := v.records[key]; made {
		return v.changes.Records[i], true
	}
	for _, r := range v.changes.Records[v.before.records:] {
		if r.RecordKey == key {
			return r, true
		}
	}
	r, found := v.snapshot.Records[key]
	return r, found
}

func keyOf(o *order.Order) store.OrderKey {
	return store.OrderKey{Merchant: o.Merchant, ID: o.ID.String()}
}

// begin shows a batch what was loaded for it.
func (v *View) begin(snapshot *store.Snapshot) {
	if v.orders == nil {
		v.orders, v.links, v.records = map[store.OrderKey]int{}, map[store.LinkKey]int{}, map[store.RecordKey]int{}
		v.owners = map[store.PaymentKey]string{}
	}
	v.snapshot = snapshot
}

// end forgets the batch.
func (v *View) end() {
	clear(v.orders)
	clear(v.links)
	clear(v.records)
	clear(v.owners)
	v.messages.end()
	v.tasks.end()
	v.handoffs.end()
	c := &v.changes
	*c = store.Changes{
		Orders: emptied(c.Orders), Links: emptied(c.Links), Records: emptied(c.Records), Entries: emptied(c.Entries),
		Messages: emptied(c.Messages), Tasks: emptied(c.Tasks), Done: emptied(c.Done), Handoffs: emptied(c.Handoffs),
	}
	v.snapshot = nil
}

// emptied is the slice without its rows, to be filled again.
func emptied[T any](rows []T) []T {
	clear(rows)
	return rows[:0]
}

// enter begins a command.
func (v *View) enter(cmd *Command) {
	v.cmd, v.broken = cmd, nil
	v.before.entries, v.before.records = len(v.changes.Entries), len(v.changes.Records)
}

// leave ends a command: what it saved joins the batch's changes, or is dropped. It returns what the
// decision broke; nothing is kept then.
func (v *View) leave(keep bool) error {
	for i := range v.savedOrders {
		if s := &v.savedOrders[i]; len(s.row.Entries()) != s.entries {
			v.breaks("changes order %s after saving it", s.row.ID)
		}
	}
	for i := range v.savedLinks {
		if s := &v.savedLinks[i]; len(s.row.Entries()) != s.entries {
			v.breaks("changes link %s after saving it", s.row.ID)
		}
	}
	keep = keep && v.broken == nil
	v.messages.leave(keep)
	v.tasks.leave(keep)
	v.handoffs.leave(keep)
	if keep {
		v.keep()
	} else {
		c := &v.changes
		clear(c.Entries[v.before.entries:])
		clear(c.Records[v.before.records:])
		c.Entries, c.Records = c.Entries[:v.before.entries], c.Records[:v.before.records]
	}
	clear(v.savedOrders)
	clear(v.savedLinks)
	v.savedOrders, v.savedLinks, v.cmd = v.savedOrders[:0], v.savedLinks[:0], nil
	return v.broken
}

func (v *View) keep() {
	for _, s := range v.savedOrders {
		key := keyOf(s.row)
		i, changed := v.orders[key]
		if !changed {
			i = len(v.changes.Orders)
			v.changes.Orders = append(v.changes.Orders, store.OrderChange{Before: v.snapshot.Orders[key]})
			v.orders[key] = i
		}
		v.changes.Orders[i].After = s.row
		v.own(s.row)
	}
	for _, s := range v.savedLinks {
		key := store.LinkKey{Merchant: s.row.Merchant, ID: s.row.ID}
		i, changed := v.links[key]
		if !changed {
			i = len(v.changes.Links)
			v.changes.Links = append(v.changes.Links, store.LinkChange{Before: v.snapshot.Links[key]})
			v.links[key] = i
		}
		v.changes.Links[i].After = s.row
	}
	for i := v.before.records; i < len(v.changes.Records); i++ {
		v.records[v.changes.Records[i].RecordKey] = i
	}
}

// unchanged reports whether the batch writes nothing, after collect.
func (v *View) unchanged() bool {
	c := &v.changes
	return len(c.Orders)+len(c.Links)+len(c.Records)+len(c.Messages)+len(c.Tasks)+len(c.Done)+len(c.Handoffs) == 0
}

// merchants names whose journal grew, each once.
func (v *View) merchants() []string {
	var names []string
	last := ""
	for i := range v.changes.Entries {
		if m := v.changes.Entries[i].Merchant; m != last {
			names = append(names, m)
			last = m
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
