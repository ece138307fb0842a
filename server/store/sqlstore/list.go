package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/store"
)

// shownOrderState is order.StateAt in SQL (E1), with the time as its one argument. It asks for a live
// attempt in a way that is answered order by order, never by collecting all live attempts.
const shownOrderState = `CASE WHEN o.state IN ('PENDING', 'FAILED') AND o.offer_until <= %s AND (
		SELECT a.number FROM attempts a
		WHERE a.merchant = o.merchant AND a.order_id = o.order_id AND a.state NOT IN ('SUCCEEDED', 'DEAD')
		LIMIT 1) IS NULL
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

// after narrows to the rows after a place.
func (q *query) after(table, id string, page store.Page) {
	if !page.BeforeTime.IsZero() {
		q.add(" AND (" + table + ".created_at, " + table + "." + id + ") < (" + q.arg(page.BeforeTime) + ", " + q.arg(page.BeforeID) + ")")
	}
}

func (q *query) newestFirst(table, id string) {
	q.add("\nORDER BY " + table + ".created_at DESC, " + table + "." + id + " DESC")
}

// list is the source of a list: the rows of one merchant, by the index of lists. Where they are
// filtered by the state that is shown, PostgreSQL is kept from guessing how many pass: it goes through
// them newest first and stops when the page is full.
type list struct {
	table, alias, id, columns, shown string
}

// listFrom adds the source, its conditions and the page.
func listFrom[S ~string](r *reads, q *query, from list, states []S, page store.Page, conditions func()) {
	fenced := len(states) > 0 && r.dialect == onPostgres
	if fenced {
		q.add("(SELECT " + from.columns + " FROM ")
	}
	q.add(from.table + " " + from.alias + " WHERE " + r.pick(from.alias+".created_at > '-infinity'", "true"))
	conditions()
	q.after(from.alias, from.id, page)
	if fenced {
		q.newestFirst(from.alias, from.id)
		q.add(" OFFSET 0) " + from.alias + " WHERE true")
	}
	in(q, fmt.Sprintf(from.shown, q.now), states)
	q.newestFirst(from.alias, from.id)
	q.add(" LIMIT " + q.arg(page.Limit))
}

// selectOrders starts a statement that reads orders as readRow, up to its FROM.
func (r *reads) selectOrders() *query {
	q := r.newQuery()
	q.add(`SELECT ` + orderColumns + `,` + r.pick(childrenOnPostgres, childrenOnSQLite) + `,` + r.pick(linkOnPostgres, linkOnSQLite) + `,
	` + wordsOfOrder + ` AS sealed, ` + q.now + ` AS now
FROM `)
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
	var of *linkOf
	if filter.LinkID != "" {
		var err error
		if of, err = r.linkOf(ctx, store.LinkKey{Merchant: merchant, ID: filter.LinkID}); err != nil || of == nil {
			return nil, err
		}
	}
	q := r.selectOrders()
	listFrom(r, q, list{"orders", "o", "order_id", orderColumns, shownOrderState}, filter.States, page, func() {
		where(q, "o.merchant", "=", merchant)
		of.narrow(q)
		where(q, "o.customer_id", "=", filter.CustomerID)
		where(q, "o.viber_user_id", "=", filter.ViberUserID)
		where(q, "o.viber_bot", "=", filter.ViberBot)
		q.whereTime("o.created_at", ">", filter.CreatedAfter)
		q.whereTime("o.created_at", "<", filter.CreatedBefore)
	})
	return r.orders(ctx, q)
}

// linkOf is what a link says of its orders.
type linkOf struct {
	LinkID  string `db:"link_id"`
	Kind    string `db:"kind"`
	OrderID string `db:"order_id"`
}

// linkOf reads it, or nil where there is no such link.
func (r *reads) linkOf(ctx context.Context, key store.LinkKey) (*linkOf, error) {
	var of linkOf
	err := r.db.GetContext(ctx, &of, `SELECT link_id, kind, order_id FROM links WHERE merchant = $1 AND link_id = $2`, key.Merchant, key.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // No link, no orders.
	}
	if err != nil {
		return nil, beforeCommit("list orders", err)
	}
	return &of, nil
}

// narrow adds the condition for the orders of a link: the one order of a dynamic link by its key, the
// many of a fixed one by their index.
func (of *linkOf) narrow(q *query) {
	switch {
	case of == nil:
		return
	case order.Kind(of.Kind) == order.Fixed:
		q.add(" AND o.template_id <> ''")
		where(q, "o.template_id", "=", of.LinkID)
	default:
		where(q, "o.order_id", "=", of.OrderID)
		where(q, "o.link_id", "=", of.LinkID)
	}
}

// ListLinks implements store.Reads. The orders of dynamic links are read with a second statement.
func (r *reads) ListLinks(ctx context.Context, merchant string, filter store.LinkFilter, page store.Page) ([]store.LinkRead, error) {
	q := r.newQuery()
	q.add(`SELECT ` + linkColumns + `, ` + wordsOfLink + ` AS sealed, ` + q.now + ` AS now FROM `)
	listFrom(r, q, list{"links", "l", "link_id", linkColumns, shownLinkState}, filter.States, page, func() {
		where(q, "l.merchant", "=", merchant)
		if filter.OrderID != "" { // The journal of the order knows its links, of which a reopened one has several.
			q.add(` AND l.link_id IN (SELECT e.link_id FROM entries e
	WHERE ` + r.entriesOf(q, merchant, filter.OrderID) + ` AND e.type = 'link.created')`)
		}
		where(q, "l.kind", "=", string(filter.Kind))
		q.whereTime("l.created_at", ">", filter.CreatedAfter)
		q.whereTime("l.created_at", "<", filter.CreatedBefore)
	})
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
	q.add("orders o WHERE o.merchant = " + q.arg(merchant) + " AND o.order_id " + r.anyOf(q, ids))
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
	place := q.arg(r.array(values))
	return r.pick("= ANY("+place+"::text[])", "IN (SELECT value FROM json_each("+place+"))")
}

// array is a list of texts as one argument.
func (r *reads) array(values []string) any {
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
