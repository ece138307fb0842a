-- The rows of one CreatePaymentLink. The bare loop runs each statement prepared, between BEGIN IMMEDIATE and COMMIT.
-- :n counts, :hash is 32 random bytes, :now the time in microseconds.

INSERT INTO links (
    merchant, link_id, kind, order_id, state, currency, amount, capture, live, locale, key_id, token_hash, expires_at,
    order_expires_ns, created_at, deactivated_at, version, details_id)
VALUES (
    'shop-00', 'lnk_06gvosbi41ta7cvfq' || :n, 'DYNAMIC', 'o00000000000000' || :n, 'ACTIVE', 'AMD', 1250000,
    'AUTOMATIC', 0, 'hy', 'first', :hash, :now + 86400000000, 0, :now, NULL, 1, '');

INSERT INTO orders (
    merchant, order_id, link_id, kind, currency, amount, capture, customer_id, viber_bot, viber_user_id, items_hash,
    live, locale, state, resume, version, offer_until, accept_until, created_at, updated_at, details_id, settled_by)
VALUES (
    'shop-00', 'o00000000000000' || :n, 'lnk_06gvosbi41ta7cvfq' || :n, 'DYNAMIC', 'AMD', 1250000,
    'AUTOMATIC', 'customer-20417', 'lessons', '01234567890A==', 'e730052ab6c4696e2a3db6a68750d69a', 0, 'hy',
    'PENDING', '', 1, :now + 86400000000, :now + 172800000000, :now, :now, 'evt_06gvosbi41ta7cvfq' || :n, '');

INSERT INTO records (merchant, method, key, fingerprint, result, created_at)
VALUES ('shop-00', 'CreatePaymentLink', 'k00000000000000' || :n, zeroblob(302), zeroblob(1134), :now);

INSERT INTO entries (merchant, position, entry_id, order_id, link_id, type, bytes, hash)
VALUES
    ('shop-00', 2 * :n, 'evt_06gvosbi31ta7cvfq' || :n, 'o00000000000000' || :n, 'lnk_06gvosbi41ta7cvfq' || :n,
    'link.created', zeroblob(592), :hash),
    ('shop-00', 2 * :n + 1, 'evt_06gvosbi41ta7cvfq' || :n, 'o00000000000000' || :n, NULL,
    'order.created', zeroblob(611), :hash);

INSERT INTO texts (merchant, entry_id, sealed)
VALUES ('shop-00', 'evt_06gvosbi41ta7cvfq' || :n, zeroblob(470));
