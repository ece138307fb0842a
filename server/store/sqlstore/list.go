package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// shownOrderState is order.StateAt in SQL (E1), with the time as its one argument.
const shownOrderState = `CASE WHEN o.state IN ('PENDING', 'FAILED') AND o.offer_until <= %s AND NOT EXISTS (
		SELECT 1 FROM attempts a
		WHERE a.merchant = o.merchant AND a.order_id = o.order_id AND a.state NOT IN ('SUCCEEDED', 'DEAD'))
	THEN 'EXPIRED' ELSE o.state END`

// shownLinkState is Link.StateAt in SQL.
const shownLinkState = `CASE WHEN l.state = 'ACTIVE' AND l.expires_at <= %s THEN 'EXPIRED' ELSE l.state END`

// query is a statement under construction, with numbered parameters.
type query struct {
	text strings.Builder
	args []any
	// now is the time in SQL.
	now string
}

// newQuery starts a statement. The time is the database's.
func (r *reads) newQuery() *query {
	q := &query{now: "now()"}
	if r.dialect == onSQLite {
		q.now = q.arg(r.clock())
	}
	return q
}

// arg adds an argument and returns its place.
func (q *query) arg(value any) string {
	q.args = append(q.args, value)
	return "$" + strconv.Itoa(len(q.args))
}

func (q *query) add(text string) { q.text.WriteString(text) }

// where adds "AND column op value" unless the value is the zero value.
func where[V comparable](q *query, column, operator string, value V) {
	var zero V
	if value != zero {
		q.add(" AND " + column + " " + operator + " " + q.arg(value))
	}
}

// whereTime is where for times, of which more than one is zero.
func (q *query) whereTime(column, operator string, at time.Time) {
	if !at.IsZero() {
		q.add(" AND " + column + " " + operator + " " + q.arg(at))
	}
}

// in adds "AND expression IN (values)" unless there are none.
func in[V ~string](q *query, expression string, values []V) {
	if len(values) == 0 {
		return
	}
	places := make([]string, len(values))
	for i, v := range values {
		places[i] = q.arg(string(v))
	}
	q.add(" AND " + expression + " IN (" + strings.Join(places, ", ") + ")")
}

// listed keeps to the index of lists, which is out of the reach of lookups by key on PostgreSQL.
func (r *reads) listed(q *query, table string) {
	q.add(r.pick(" AND "+table+".created_at > '-infinity'", ""))
}

// page adds the place after which rows are wanted, their order and how many.
func (q *query) page(table, id string, page store.Page) {
	created, named := table+".created_at", table+"."+id
	if !page.BeforeTime.IsZero() {
		q.add(" AND (" + created + ", " + named + ") < (" + q.arg(page.BeforeTime) + ", " + q.arg(page.BeforeID) + ")")
	}
	q.add("\nORDER BY " + created + " DESC, " + named + " DESC LIMIT " + q.arg(page.Limit))
}

// selectOrders starts a statement that reads orders as readRow; conditions follow.
func (r *reads) selectOrders() *query {
	q := r.newQuery()
	q.add(`SELECT ` + orderColumns + `,` + r.pick(childrenOnPostgres, childrenOnSQLite) + `,` + r.pick(linkOnPostgres, linkOnSQLite) + `,
	t.sealed AS sealed, ` + q.now + ` AS now
FROM orders o LEFT JOIN texts t ON t.merchant = o.merchant AND t.entry_id = o.details_id
WHERE`)
	return q
}

// entriesOf is the condition on e for the entries of one order.
func (r *reads) entriesOf(q *query, merchant, orderID string) string {
	m, o := q.arg(merchant), q.arg(orderID)
	return r.pick(ofOrderOnPostgres+" = "+m+" || '/' || "+o, "e.merchant = "+m+" AND e.order_id = "+o)
}

// unplanned are the arguments of a statement that is planned anew each time, on PostgreSQL, for the
// size that the tables have and the values that are asked for: lists are many statements, rarely run.
func (r *reads) unplanned(args []any) []any {
	if r.dialect == onSQLite {
		return args
	}
	return append([]any{pgx.QueryExecModeCacheDescribe}, args...)
}

func (r *reads) orders(ctx context.Context, q *query) ([]store.OrderRead, error) {
	var rows []*readRow
	if err := r.db.SelectContext(ctx, &rows, q.text.String(), r.unplanned(q.args)...); err != nil {
		return nil, beforeCommit("list orders", err)
	}
	out := make([]store.OrderRead, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = r.orderRead(row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ListOrders implements store.Reads.
func (r *reads) ListOrders(ctx context.Context, merchant string, filter store.OrderFilter, page store.Page) ([]store.OrderRead, error) {
	q := r.selectOrders()
	q.add(" o.merchant = " + q.arg(merchant))
	if filter.LinkID != "" {
		found, err := r.ofLink(ctx, q, store.LinkKey{Merchant: merchant, ID: filter.LinkID})
		if err != nil || !found {
			return nil, err
		}
	}
	r.listed(q, "o")
	in(q, fmt.Sprintf(shownOrderState, q.now), filter.States)
	where(q, "o.customer_id", "=", filter.CustomerID)
	where(q, "o.viber_user_id", "=", filter.ViberUserID)
	where(q, "o.viber_bot", "=", filter.ViberBot)
	q.whereTime("o.created_at", ">", filter.CreatedAfter)
	q.whereTime("o.created_at", "<", filter.CreatedBefore)
	q.page("o", "order_id", page)
	return r.orders(ctx, q)
}

// ofLink narrows to the orders of a link: the one order of a dynamic link by its key, the many of a
// fixed one by their index. It reports whether there is such a link.
func (r *reads) ofLink(ctx context.Context, q *query, key store.LinkKey) (bool, error) {
	var of []struct {
		Kind    string `db:"kind"`
		OrderID string `db:"order_id"`
	}
	err := r.db.SelectContext(ctx, &of, `SELECT kind, order_id FROM links WHERE merchant = $1 AND link_id = $2`, key.Merchant, key.ID)
	if err != nil {
		return false, beforeCommit("list orders", err)
	}
	if len(of) == 0 {
		return false, nil
	}
	if order.Kind(of[0].Kind) == order.Fixed {
		q.add(" AND o.kind = 'FIXED'")
	} else {
		q.add(" AND o.order_id = " + q.arg(of[0].OrderID))
	}
	q.add(" AND o.link_id = " + q.arg(key.ID))
	return true, nil
}

// ListLinks implements store.Reads. The orders of dynamic links are read with a second statement.
func (r *reads) ListLinks(ctx context.Context, merchant string, filter store.LinkFilter, page store.Page) ([]store.LinkRead, error) {
	q := r.newQuery()
	q.add(`SELECT ` + linkColumns + `, t.sealed AS sealed, ` + q.now + ` AS now
FROM links l LEFT JOIN texts t ON t.merchant = l.merchant AND t.entry_id = l.details_id
WHERE l.merchant = ` + q.arg(merchant))
	r.listed(q, "l")
	if filter.OrderID != "" { // The journal of the order knows its links, of which a reopened one has several.
		q.add(` AND l.link_id IN (SELECT e.link_id FROM entries e WHERE ` + r.entriesOf(q, merchant, filter.OrderID) + ` AND e.type = 'link.created')`)
	}
	where(q, "l.kind", "=", string(filter.Kind))
	in(q, fmt.Sprintf(shownLinkState, q.now), filter.States)
	q.whereTime("l.created_at", ">", filter.CreatedAfter)
	q.whereTime("l.created_at", "<", filter.CreatedBefore)
	q.page("l", "link_id", page)
	var rows []*linkReadRow
	if err := r.db.SelectContext(ctx, &rows, q.text.String(), r.unplanned(q.args)...); err != nil {
		return nil, beforeCommit("list links", err)
	}
	return r.linkReads(ctx, merchant, rows)
}

func (r *reads) linkReads(ctx context.Context, merchant string, rows []*linkReadRow) ([]store.LinkRead, error) {
	out := make([]store.LinkRead, len(rows))
	var ids []string
	for i, row := range rows {
		var err error
		if out[i], err = r.linkRead(row); err != nil {
			return nil, err
		}
		if row.OrderID != "" {
			ids = append(ids, row.OrderID)
		}
	}
	orders, err := r.ordersByID(ctx, merchant, ids)
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		if of, found := orders[row.OrderID]; found {
			out[i] = withOrder(out[i], of)
		}
	}
	return out, nil
}

func (r *reads) ordersByID(ctx context.Context, merchant string, ids []string) (map[string]store.OrderRead, error) {
	if len(ids) == 0 {
		return nil, nil //nolint:nilnil // No ids, no orders.
	}
	q := r.selectOrders()
	q.add(" o.merchant = " + q.arg(merchant) + " AND o.order_id " + r.anyOf(q, ids))
	found, err := r.orders(ctx, q)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]store.OrderRead, len(found))
	for _, of := range found {
		byID[of.Order.ID.String()] = of
	}
	return byID, nil
}

// anyOf compares with a list of any length: the text of the statement stays the same.
func (r *reads) anyOf(q *query, values []string) string {
	place := q.arg(r.list(values))
	return r.pick("= ANY("+place+"::text[])", "IN (SELECT value FROM json_each("+place+"))")
}

// list is a list of texts as one argument.
func (r *reads) list(values []string) any {
	if r.dialect == onPostgres {
		return values
	}
	text, err := json.Marshal(values)
	if err != nil {
		return "[]"
	}
	return string(text)
}

const dueOrders = `SELECT o.merchant, o.order_id FROM orders o
WHERE o.state IN ('PENDING', 'FAILED') AND o.offer_until <= %s AND NOT EXISTS (
	SELECT 1 FROM attempts a
	WHERE a.merchant = o.merchant AND a.order_id = o.order_id AND a.state NOT IN ('SUCCEEDED', 'DEAD'))
ORDER BY o.offer_until LIMIT %s`

// DueOrders implements store.Reads.
func (r *reads) DueOrders(ctx context.Context, limit int) ([]store.OrderKey, error) {
	q := r.newQuery()
	q.add(fmt.Sprintf(dueOrders, q.now, q.arg(limit)))
	var rows []struct {
		Merchant string `db:"merchant"`
		OrderID  string `db:"order_id"`
	}
	if err := r.db.SelectContext(ctx, &rows, q.text.String(), q.args...); err != nil {
		return nil, beforeCommit("find due orders", err)
	}
	keys := make([]store.OrderKey, len(rows))
	for i, row := range rows {
		keys[i] = store.OrderKey{Merchant: row.Merchant, ID: row.OrderID}
	}
	return keys, nil
}
