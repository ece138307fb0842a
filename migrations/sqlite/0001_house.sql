-- Links, orders and what stands below them, the journal, recorded results, API keys.
--
-- Amounts are minor units of the row's currency (M1), times are microseconds since 1970, UTC, and truth is 1.
-- Empty text means "none" unless the column may be NULL.

-- +goose Up

-- One row per merchant: the last position of its journal and the chain's hash there (J2, J3).
CREATE TABLE heads (
    merchant text NOT NULL,
    position integer NOT NULL DEFAULT 0 CHECK (position >= 0),
    hash blob NOT NULL DEFAULT (zeroblob(32)) CHECK (length(hash) = 32),
    PRIMARY KEY (merchant)
) STRICT;

CREATE TABLE links (
    merchant text NOT NULL,
    link_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('DYNAMIC', 'FIXED')),
    order_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('ACTIVE', 'DEACTIVATED')),
    currency text NOT NULL CHECK (length(currency) = 3),
    amount integer NOT NULL CHECK (amount > 0),
    capture text NOT NULL CHECK (capture IN ('AUTOMATIC', 'MANUAL')),
    live integer NOT NULL,
    locale text NOT NULL,
    key_id text NOT NULL,
    token_hash blob NOT NULL CHECK (length(token_hash) = 32),
    expires_at integer NOT NULL,
    order_expires_ns integer NOT NULL,
    created_at integer NOT NULL,
    deactivated_at integer,
    version integer NOT NULL CHECK (version > 0),
    details_id text NOT NULL,
    PRIMARY KEY (merchant, link_id),
    CHECK ((kind = 'DYNAMIC') = (order_id <> ''))
) STRICT;
-- An address leads to one link in the whole installation (L1).
CREATE UNIQUE INDEX links_token ON links (token_hash);
CREATE INDEX links_listed ON links (merchant, created_at);

CREATE TABLE orders (
    merchant text NOT NULL,
    order_id text NOT NULL,
    link_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('DYNAMIC', 'FIXED')),
    currency text NOT NULL CHECK (length(currency) = 3),
    amount integer NOT NULL CHECK (amount > 0),
    capture text NOT NULL CHECK (capture IN ('AUTOMATIC', 'MANUAL')),
    customer_id text,
    viber_bot text,
    viber_user_id text,
    items_hash text NOT NULL,
    live integer NOT NULL,
    locale text NOT NULL,
    state text NOT NULL CHECK (state IN ('PENDING', 'PROCESSING', 'AUTHORIZED', 'PAID', 'FAILED', 'EXPIRED',
        'CANCELLED', 'MANUAL_REVIEW', 'PARTIALLY_REFUNDED', 'REFUNDED', 'CHARGED_BACK')),
    resume text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    offer_until integer NOT NULL,
    accept_until integer NOT NULL,
    created_at integer NOT NULL,
    updated_at integer NOT NULL,
    details_id text NOT NULL,
    settled_by text NOT NULL,
    PRIMARY KEY (merchant, order_id)
) STRICT;
CREATE INDEX orders_listed ON orders (merchant, created_at);
CREATE INDEX orders_of_customer ON orders (merchant, customer_id, created_at) WHERE customer_id IS NOT NULL;
CREATE INDEX orders_of_viber ON orders (merchant, viber_user_id, created_at) WHERE viber_user_id IS NOT NULL;
CREATE INDEX orders_of_fixed_link ON orders (merchant, link_id, created_at) WHERE kind = 'FIXED';
-- What the sweeper looks through (E1).
CREATE INDEX orders_offered ON orders (offer_until) WHERE state IN ('PENDING', 'FAILED');

-- Children of an order are numbered from 0 in the order in which they came.
CREATE TABLE attempts (
    merchant text NOT NULL,
    order_id text NOT NULL,
    number integer NOT NULL,
    attempt_id text NOT NULL,
    account text NOT NULL,
    state text NOT NULL CHECK (state IN ('CREATED', 'HANDED_OFF', 'AUTHORIZED', 'SUCCEEDED', 'DECLINED', 'UNKNOWN', 'DEAD')),
    started_at integer NOT NULL,
    session_until integer NOT NULL,
    grace_ns integer NOT NULL,
    failure text NOT NULL,
    seen text NOT NULL,
    payment_id text NOT NULL,
    PRIMARY KEY (merchant, order_id, number)
) STRICT;
CREATE UNIQUE INDEX attempts_by_id ON attempts (merchant, attempt_id);
-- At most one live attempt per order (O7).
CREATE UNIQUE INDEX attempts_live ON attempts (merchant, order_id) WHERE state NOT IN ('SUCCEEDED', 'DEAD');

CREATE TABLE payments (
    merchant text NOT NULL,
    order_id text NOT NULL,
    number integer NOT NULL,
    payment_id text NOT NULL,
    account text NOT NULL,
    psp_payment_id text NOT NULL,
    attempt_id text NOT NULL,
    currency text NOT NULL CHECK (length(currency) = 3),
    authorized integer NOT NULL CHECK (authorized >= 0),
    captured integer NOT NULL CHECK (captured >= 0),
    reserved integer NOT NULL CHECK (reserved >= 0),
    refunded integer NOT NULL CHECK (refunded >= 0),
    charged_back integer NOT NULL CHECK (charged_back >= 0),
    settles integer NOT NULL,
    PRIMARY KEY (merchant, order_id, number),
    -- R1, written so that no sum can overflow.
    CHECK (refunded <= captured AND reserved <= captured - refunded)
) STRICT;
-- The same money is never two payments (O8). Where a PSP gives no id, an attempt has one payment.
CREATE UNIQUE INDEX payments_at_psp ON payments (merchant, account, psp_payment_id) WHERE psp_payment_id <> '';
CREATE UNIQUE INDEX payments_unnamed ON payments (merchant, account, attempt_id) WHERE psp_payment_id = '';
-- An order settles on one payment (X1).
CREATE UNIQUE INDEX payments_settling ON payments (merchant, order_id) WHERE settles;

CREATE TABLE refunds (
    merchant text NOT NULL,
    order_id text NOT NULL,
    number integer NOT NULL,
    refund_id text NOT NULL,
    payment_id text NOT NULL,
    amount integer NOT NULL CHECK (amount > 0),
    state text NOT NULL CHECK (state IN ('RESERVED', 'SENT', 'POSTED', 'RELEASED', 'UNKNOWN')),
    automatic integer NOT NULL,
    requested_at integer NOT NULL,
    PRIMARY KEY (merchant, order_id, number)
) STRICT;
CREATE UNIQUE INDEX refunds_by_id ON refunds (merchant, refund_id);
-- A payment has one automatic refund at most, ever (X2).
CREATE UNIQUE INDEX refunds_automatic ON refunds (merchant, payment_id) WHERE automatic;

CREATE TABLE exceptions (
    merchant text NOT NULL,
    order_id text NOT NULL,
    number integer NOT NULL,
    exception_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('DUPLICATE', 'LATE', 'UNDERPAID', 'OVERPAID', 'WRONG_CURRENCY', 'WRONG_MERCHANT',
        'ORPHAN', 'UNREADABLE', 'CONFLICTING_EVIDENCE', 'AFTER_CANCEL', 'OVER_RETURNED', 'STUCK')),
    payment_id text NOT NULL,
    attempt_id text NOT NULL,
    amount integer NOT NULL,
    currency text NOT NULL,
    detail text NOT NULL,
    opened_at integer NOT NULL,
    resolved_at integer,
    resolution text NOT NULL CHECK (resolution IN ('', 'ACCEPTED', 'REFUNDED', 'DISMISSED')),
    policy text NOT NULL,
    PRIMARY KEY (merchant, order_id, number),
    CHECK ((resolution = '') = (resolved_at IS NULL))
) STRICT;
CREATE UNIQUE INDEX exceptions_by_id ON exceptions (merchant, exception_id);

-- Recorded results of calls, by their idempotency key (I1, I2). The result is sealed.
CREATE TABLE records (
    merchant text NOT NULL,
    method text NOT NULL,
    key text NOT NULL,
    fingerprint blob NOT NULL,
    result blob NOT NULL,
    created_at integer NOT NULL,
    PRIMARY KEY (merchant, method, key)
) STRICT;

-- The journal (J1 to J4): bytes verbatim, and the chain's hash there.
CREATE TABLE entries (
    merchant text NOT NULL,
    position integer NOT NULL CHECK (position > 0),
    entry_id text NOT NULL,
    order_id text,
    link_id text,
    type text NOT NULL,
    bytes blob NOT NULL,
    hash blob NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (merchant, position)
) STRICT;
CREATE INDEX entries_of_order ON entries (merchant, order_id, position) WHERE order_id IS NOT NULL;

-- What a person wrote, sealed, beside the entry that holds its hash. It can be erased (J3).
CREATE TABLE texts (
    merchant text NOT NULL,
    entry_id text NOT NULL,
    sealed blob NOT NULL,
    PRIMARY KEY (merchant, entry_id)
) STRICT;

-- API keys, hashed (A1). The merchant is empty for keys of the installation.
CREATE TABLE credentials (
    merchant text NOT NULL,
    id text NOT NULL,
    hash blob NOT NULL CHECK (length(hash) = 32),
    kind text NOT NULL CHECK (kind IN ('MERCHANT', 'EDGE', 'PLATFORM')),
    name text NOT NULL,
    scopes text NOT NULL,
    live integer NOT NULL,
    created_at integer NOT NULL,
    created_by text NOT NULL,
    expires_at integer,
    revoked_at integer,
    PRIMARY KEY (merchant, id)
) STRICT;
CREATE UNIQUE INDEX credentials_by_id ON credentials (id);
CREATE UNIQUE INDEX credentials_by_hash ON credentials (hash);

-- Acts without an order (X3).
CREATE TABLE audit (
    merchant text NOT NULL,
    id text NOT NULL,
    at integer NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    act text NOT NULL,
    subject text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (merchant, id)
) STRICT;

-- By these a server finds out whether its keys are the installation's (A2).
CREATE TABLE installation_keys (
    key_id text NOT NULL,
    check_value blob NOT NULL,
    PRIMARY KEY (key_id)
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries is append-only (J4)');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries is append-only (J4)');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit is append-only (J4)');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit is append-only (J4)');
END;
-- +goose StatementEnd
