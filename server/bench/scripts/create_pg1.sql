-- PG1: the rows of one CreatePaymentLink in one statement: one round trip, one transaction.
--
-- Names are as long as ours, differ as ours do, and sort by run, client and count as those of the load do; positions grow
-- with time as ours do. Every :variable is a parameter of a prepared statement. run and k are given: -D run=10000 -D k=100000000.

\set k :k + 1
\set c 100 + :client_id
\set position :run * 1000000000000 + :k * 256 + :client_id * 2
WITH
link AS (
    INSERT INTO links (
        merchant, link_id, kind, order_id, state, currency, amount, capture, live, locale, key_id, token_hash, expires_at,
        order_expires_ns, created_at, deactivated_at, version, details_id)
    VALUES (
        'shop-00', 'lnk_06gvosbi4' || :run || :k || :c, 'DYNAMIC', 'o000' || :run || :c || '000' || :k, 'ACTIVE', 'AMD', 1250000,
        'AUTOMATIC', false, 'hy', 'first', sha256(convert_to('lnk' || :run || :k || :c, 'UTF8')), now() + interval '1 day',
        0, now(), NULL, 1, '')
),
"order" AS (
    INSERT INTO orders (
        merchant, order_id, link_id, kind, currency, amount, capture, customer_id, viber_bot, viber_user_id, items_hash,
        live, locale, state, resume, version, offer_until, accept_until, created_at, updated_at, details_id, settled_by)
    VALUES (
        'shop-00', 'o000' || :run || :c || '000' || :k, 'lnk_06gvosbi4' || :run || :k || :c, 'DYNAMIC', 'AMD', 1250000,
        'AUTOMATIC', 'customer-20417', 'lessons', '01234567890A==', 'e730052ab6c4696e2a3db6a68750d69a', false, 'hy',
        'PENDING', '', 1, now() + interval '1 day', now() + interval '2 days', now(), now(),
        'evt_06gvosbi4' || :run || :k || :c, '')
),
record AS (
    INSERT INTO records (merchant, method, key, fingerprint, result, created_at)
    VALUES (
        'shop-00', 'CreatePaymentLink', 'k000' || :run || :c || '000' || :k, decode(repeat('a7', 302), 'hex'),
        decode(repeat('5c', 1134), 'hex'), now())
),
entry AS (
    INSERT INTO entries (merchant, position, entry_id, order_id, link_id, type, bytes, hash)
    VALUES
        ('shop-00', :position::bigint, 'evt_06gvosbi3' || :run || :k || :c, 'o000' || :run || :c || '000' || :k,
        'lnk_06gvosbi4' || :run || :k || :c, 'link.created', decode(repeat('3d', 592), 'hex'), decode(repeat('4e', 32), 'hex')),
        ('shop-00', :position::bigint + 1, 'evt_06gvosbi4' || :run || :k || :c, 'o000' || :run || :c || '000' || :k,
        NULL, 'order.created', decode(repeat('3d', 611), 'hex'), decode(repeat('4e', 32), 'hex'))
)
INSERT INTO texts (merchant, entry_id, sealed)
VALUES ('shop-00', 'evt_06gvosbi4' || :run || :k || :c, decode(repeat('7f', 470), 'hex'));
