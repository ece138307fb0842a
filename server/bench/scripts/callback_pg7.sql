-- PGC7: the rows of a callback that pays an order, in BEGIN, two selects, three writing statements, COMMIT: seven round trips.
--
-- The orders were made by callback_fill.sql, and every transaction pays another one. Each client is a merchant of its own,
-- so that none waits for another's head. Rows are as many and as large as ours; what is written to different tables at once
-- is one statement, as a careful program would do. raw is as many random bytes as our sealed callback has, in hex.

\set k :k + 1
\set c 100 + :client_id
BEGIN;
SELECT order_id FROM attempts WHERE merchant = 'shop-' || :c AND attempt_id = 'att_06gvosbi5' || :run || :k || :c AND attempt_id <> '';
SELECT
    link_id, template_id, kind, currency, amount, capture, customer_id, viber_bot, viber_user_id, items_hash, live, locale,
    state, resume, version, offer_until, accept_until, created_at, updated_at, details_id, settled_by,
    (SELECT json_agg(a) FROM attempts AS a WHERE a.merchant = o.merchant AND a.order_id = o.order_id) AS attempts,
    (SELECT json_agg(p) FROM payments AS p WHERE p.merchant = o.merchant AND p.order_id = o.order_id) AS payments
FROM orders AS o
WHERE merchant = 'shop-' || :c AND order_id = 'o000' || :run || :c || '000' || :k FOR NO KEY UPDATE OF o;
INSERT INTO messages (
    merchant, account, digest, message_id, kind, outcome, ref, attempt_id, order_id, received_at, sealed)
VALUES (
    'shop-' || :c, 'shop-00-liqpay', sha256(convert_to('msg' || :run || :k || :c, 'UTF8')), 'msg_06gvosbi6' || :run || :k || :c,
    'CALLBACK', 'APPLIED', 'kv0a9z' || :run || :k || :c || '06gvosbi5', 'att_06gvosbi5' || :run || :k || :c,
    'o000' || :run || :c || '000' || :k, now(), decode(:raw, 'hex'))
ON CONFLICT DO NOTHING;
WITH
"order" AS (
    UPDATE orders SET state = 'PAID', version = 5, updated_at = now(), settled_by = 'pay_06gvosbi7' || :run || :k || :c
    WHERE merchant = 'shop-' || :c AND order_id = 'o000' || :run || :c || '000' || :k
),
attempt AS (
    UPDATE attempts SET state = 'SUCCEEDED', seen = 'SUCCEEDED', payment_id = 'pay_06gvosbi7' || :run || :k || :c
    WHERE merchant = 'shop-' || :c AND order_id = 'o000' || :run || :c || '000' || :k AND number = 0
),
task AS (
    DELETE FROM tasks WHERE merchant = 'shop-' || :c AND task_id = 'att_06gvosbi5' || :run || :k || :c
)
INSERT INTO payments (
    merchant, order_id, number, payment_id, account, psp_payment_id, attempt_id, currency, authorized, captured, reserved,
    refunded, charged_back, settles)
VALUES (
    'shop-' || :c, 'o000' || :run || :c || '000' || :k, 0, 'pay_06gvosbi7' || :run || :k || :c, 'shop-00-liqpay',
    '' || :run || :k || :c, 'att_06gvosbi5' || :run || :k || :c, 'UAH', 0, 1250000, 0, 0, 0, true);
WITH head AS (
    UPDATE heads SET position = position + 2, hash = sha256(convert_to('head' || :run || :k || :c, 'UTF8'))
    WHERE merchant = 'shop-' || :c
    RETURNING position
)
INSERT INTO entries (merchant, position, entry_id, order_id, link_id, type, bytes, hash)
SELECT
    'shop-' || :c, head.position - e.before, 'evt_06gvosbi' || e.before || :run || :k || :c, 'o000' || :run || :c || '000' || :k,
    NULL, e.type, decode(repeat('3d', e.size), 'hex'), decode(repeat('4e', 32), 'hex')
FROM head, (VALUES (1, 'evidence.noted', 941), (0, 'order.paid', 520)) AS e(before, type, size);
COMMIT;
