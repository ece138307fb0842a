-- Orders of run $1 that wait for their callback, $3 for each of $2 clients: with an attempt, a task, and a head per client.

WITH
wanted AS (
    SELECT
        'shop-' || c AS merchant, 'o000' || $1::integer || c || '000' || k AS order_id, 'lnk_06gvosbi4' || $1::integer || k || c AS link_id,
        'att_06gvosbi5' || $1::integer || k || c AS attempt_id, 'evt_06gvosbi4' || $1::integer || k || c AS details_id
    FROM generate_series(100, 99 + $2::integer) AS c, generate_series(100000001, 100000000 + $3::integer) AS k
),
head AS (
    INSERT INTO yardstick.heads (merchant) SELECT 'shop-' || c FROM generate_series(100, 99 + $2::integer) AS c ON CONFLICT DO NOTHING
),
"order" AS (
    INSERT INTO yardstick.orders (
        merchant, order_id, link_id, kind, currency, amount, capture, customer_id, viber_bot, viber_user_id, items_hash,
        live, locale, state, resume, version, offer_until, accept_until, created_at, updated_at, details_id, settled_by)
    SELECT
        merchant, order_id, link_id, 'DYNAMIC', 'UAH', 1250000,
        'AUTOMATIC', 'customer-20417', 'lessons', '01234567890A==', 'e730052ab6c4696e2a3db6a68750d69a', false, 'hy',
        'PROCESSING', '', 3, now() + interval '1 day', now() + interval '2 days', now(), now(), details_id, ''
    FROM wanted
),
attempt AS (
    INSERT INTO yardstick.attempts (
        merchant, order_id, number, attempt_id, account, state, started_at, session_until, grace_ns, failure, seen, payment_id)
    SELECT
        merchant, order_id, 0, attempt_id, 'shop-00-liqpay', 'HANDED_OFF', now(), now() + interval '20 minutes', 600000000000, '', '', ''
    FROM wanted
)
INSERT INTO yardstick.tasks (
    merchant, task_id, kind, order_id, account, due_at, leased_until, fence, asked, asked_at, hinted)
SELECT merchant, attempt_id, 'ATTEMPT', order_id, 'shop-00-liqpay', now() + interval '1 hour', NULL, 0, 0, NULL, false
FROM wanted;
