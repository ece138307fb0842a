package sqlstore

// The columns of an order, as o, and of a link, as l, the same on both engines.
const (
	orderColumns = `o.merchant, o.order_id, o.link_id, o.template_id, o.kind, o.currency, o.amount, o.capture,
	COALESCE(o.customer_id, '') AS customer_id, COALESCE(o.viber_bot, '') AS viber_bot,
	COALESCE(o.viber_user_id, '') AS viber_user_id, o.items_hash, o.live, o.locale, o.state, o.resume, o.version,
	o.offer_until, o.accept_until, o.created_at, o.updated_at, o.details_id, o.settled_by`

	linkColumns = `l.merchant, l.link_id, l.kind, l.order_id, l.state, l.currency, l.amount, l.capture, l.live, l.locale,
	l.key_id, l.token_hash, l.expires_at, l.order_expires_ns, l.accounts, l.created_at, l.deactivated_at, l.version,
	l.details_id`
)

// The columns of a message without its raw bytes, as m, of a task, as t, and of a payment's owner, as p.
const (
	messageColumns = `m.merchant, m.account, m.digest, m.message_id, m.kind, m.outcome, m.ref, m.attempt_id, m.order_id,
	m.received_at`

	taskColumns = `t.merchant, t.task_id, t.kind, t.order_id, t.account, t.due_at, t.leased_until, t.fence, t.asked,
	t.asked_at, t.hinted`

	ownerColumns = `p.merchant, p.account, p.psp_payment_id, p.order_id`
)

// The sealed words of o and of l. They are looked up one by one, never joined.
const (
	wordsOfOrder = `(SELECT sealed FROM texts WHERE merchant = o.merchant AND entry_id = o.details_id)`

	wordsOfLink = `(SELECT sealed FROM texts WHERE merchant = l.merchant AND entry_id = l.details_id)`
)

// childrenOnPostgres are the children of o as JSON.
const childrenOnPostgres = `
	(SELECT json_agg(a) FROM (
		SELECT attempt_id, account, state, started_at, session_until, grace_ns, failure, seen, payment_id
		FROM attempts WHERE merchant = o.merchant AND order_id = o.order_id ORDER BY number) a) AS attempts,
	(SELECT json_agg(p) FROM (
		SELECT payment_id, account, psp_payment_id, attempt_id, currency, authorized, captured, reserved, refunded,
			charged_back, capture_asked, void_asked, settles
		FROM payments WHERE merchant = o.merchant AND order_id = o.order_id ORDER BY number) p) AS payments,
	(SELECT json_agg(r) FROM (
		SELECT refund_id, payment_id, amount, state, automatic, requested_at
		FROM refunds WHERE merchant = o.merchant AND order_id = o.order_id ORDER BY number) r) AS refunds,
	(SELECT json_agg(x) FROM (
		SELECT exception_id, kind, payment_id, attempt_id, amount, currency, detail, opened_at, resolved_at, resolution, policy
		FROM exceptions WHERE merchant = o.merchant AND order_id = o.order_id ORDER BY number) x) AS exceptions`

// childrenOnSQLite are the children of o as JSON.
const childrenOnSQLite = `
	(SELECT json_group_array(json_object('attempt_id', attempt_id, 'account', account, 'state', state,
		'started_at', started_at, 'session_until', session_until, 'grace_ns', grace_ns, 'failure', failure, 'seen', seen,
		'payment_id', payment_id) ORDER BY number)
		FROM attempts WHERE merchant = o.merchant AND order_id = o.order_id) AS attempts,
	(SELECT json_group_array(json_object('payment_id', payment_id, 'account', account, 'psp_payment_id', psp_payment_id,
		'attempt_id', attempt_id, 'currency', currency, 'authorized', authorized, 'captured', captured,
		'reserved', reserved, 'refunded', refunded, 'charged_back', charged_back,
		'capture_asked', capture_asked, 'void_asked', json(iif(void_asked, 'true', 'false')),
		'settles', json(iif(settles, 'true', 'false'))) ORDER BY number)
		FROM payments WHERE merchant = o.merchant AND order_id = o.order_id) AS payments,
	(SELECT json_group_array(json_object('refund_id', refund_id, 'payment_id', payment_id, 'amount', amount,
		'state', state, 'automatic', json(iif(automatic, 'true', 'false')), 'requested_at', requested_at) ORDER BY number)
		FROM refunds WHERE merchant = o.merchant AND order_id = o.order_id) AS refunds,
	(SELECT json_group_array(json_object('exception_id', exception_id, 'kind', kind, 'payment_id', payment_id,
		'attempt_id', attempt_id, 'amount', amount, 'currency', currency, 'detail', detail, 'opened_at', opened_at,
		'resolved_at', resolved_at, 'resolution', resolution, 'policy', policy) ORDER BY number)
		FROM exceptions WHERE merchant = o.merchant AND order_id = o.order_id) AS exceptions`

// The order $2 of merchant $1, with its link as JSON and its words, in one statement.
const (
	readOrderOnPostgres = `SELECT ` + orderColumns + `,` + childrenOnPostgres + `,` + linkOnPostgres + `,
	` + wordsOfOrder + ` AS sealed, now() AS now
FROM orders o
WHERE o.merchant = $1 AND o.order_id = $2`

	readOrderOnSQLite = `SELECT ` + orderColumns + `,` + childrenOnSQLite + `,` + linkOnSQLite + `,
	` + wordsOfOrder + ` AS sealed, $3 AS now
FROM orders o
WHERE o.merchant = $1 AND o.order_id = $2`

	linkOnPostgres = `
	(SELECT row_to_json(j) FROM (SELECT ` + linkColumns + `
		FROM links l WHERE l.merchant = o.merchant AND l.link_id = o.link_id) j) AS link`

	linkOnSQLite = `
	(SELECT json_object('merchant', merchant, 'link_id', link_id, 'kind', kind, 'order_id', order_id, 'state', state,
		'currency', currency, 'amount', amount, 'capture', capture, 'live', json(iif(live, 'true', 'false')),
		'locale', locale, 'key_id', key_id, 'token_hash', hex(token_hash), 'expires_at', expires_at,
		'order_expires_ns', order_expires_ns, 'accounts', accounts, 'created_at', created_at, 'deactivated_at', deactivated_at,
		'version', version, 'details_id', details_id)
		FROM links WHERE merchant = o.merchant AND link_id = o.link_id) AS link`
)

// The link $2 of merchant $1 with its own words.
const (
	readLinkOnPostgres = `SELECT ` + linkColumns + `, ` + wordsOfLink + ` AS sealed, now() AS now
FROM links l
WHERE l.merchant = $1 AND l.link_id = $2`

	readLinkOnSQLite = `SELECT ` + linkColumns + `, ` + wordsOfLink + ` AS sealed, $3 AS now
FROM links l
WHERE l.merchant = $1 AND l.link_id = $2`
)

// The link of any merchant with the token hash $1 (L1).
const (
	readLinkByTokenOnPostgres = `SELECT ` + linkColumns + `, ` + wordsOfLink + ` AS sealed, now() AS now
FROM links l
WHERE l.token_hash = $1`

	readLinkByTokenOnSQLite = `SELECT ` + linkColumns + `, ` + wordsOfLink + ` AS sealed, $2 AS now
FROM links l
WHERE l.token_hash = $1`
)
