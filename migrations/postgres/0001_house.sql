-- Links, orders and what stands below them, the journal, recorded results, API keys.
--
-- Amounts are minor units of the row's currency (M1). Texts that are keys compare by bytes (COLLATE "C"),
-- so that both engines sort alike. Empty text means "none" unless the column may be NULL.
--
-- A plan that was made while a table was small is kept, and then any index whose first column is the
-- merchant looks as good as the primary key. So that a lookup by key always takes the primary key, the
-- other indexes are out of its reach: they have a condition that is always true and that only the
-- statements name which are meant to use them.

-- +goose Up

-- One row per merchant: the last position of its journal and the chain's hash there (J2, J3). Its row
-- lock is what makes positions gap-free; it is taken last and held for the commit alone.
CREATE TABLE heads (
    merchant text COLLATE "C" NOT NULL,
    position bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
    hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (octet_length(hash) = 32),
    PRIMARY KEY (merchant)
) WITH (fillfactor = 20);

CREATE TABLE links (
    merchant text COLLATE "C" NOT NULL,
    link_id text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('DYNAMIC', 'FIXED')),
    order_id text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK (state IN ('ACTIVE', 'DEACTIVATED')),
    currency text NOT NULL CHECK (length(currency) = 3),
    amount bigint NOT NULL CHECK (amount > 0),
    capture text NOT NULL CHECK (capture IN ('AUTOMATIC', 'MANUAL')),
    live boolean NOT NULL,
    locale text NOT NULL,
    key_id text NOT NULL,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    expires_at timestamptz NOT NULL,
    order_expires_ns bigint NOT NULL,
    created_at timestamptz NOT NULL,
    deactivated_at timestamptz,
    version bigint NOT NULL CHECK (version > 0),
    details_id text NOT NULL,
    PRIMARY KEY (merchant, link_id),
    CHECK ((kind = 'DYNAMIC') = (order_id <> ''))
);
-- An address leads to one link in the whole installation (L1).
CREATE UNIQUE INDEX links_token ON links (token_hash);
CREATE INDEX links_listed ON links (merchant, created_at) WHERE created_at > '-infinity';

CREATE TABLE orders (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    link_id text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('DYNAMIC', 'FIXED')),
    currency text NOT NULL CHECK (length(currency) = 3),
    amount bigint NOT NULL CHECK (amount > 0),
    capture text NOT NULL CHECK (capture IN ('AUTOMATIC', 'MANUAL')),
    customer_id text COLLATE "C",
    viber_bot text COLLATE "C",
    viber_user_id text COLLATE "C",
    items_hash text NOT NULL,
    live boolean NOT NULL,
    locale text NOT NULL,
    state text NOT NULL CHECK (state IN ('PENDING', 'PROCESSING', 'AUTHORIZED', 'PAID', 'FAILED', 'EXPIRED',
        'CANCELLED', 'MANUAL_REVIEW', 'PARTIALLY_REFUNDED', 'REFUNDED', 'CHARGED_BACK')),
    resume text NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    offer_until timestamptz NOT NULL,
    accept_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    details_id text NOT NULL,
    settled_by text NOT NULL,
    PRIMARY KEY (merchant, order_id)
) WITH (fillfactor = 80);
CREATE INDEX orders_listed ON orders (merchant, created_at) WHERE created_at > '-infinity';
CREATE INDEX orders_of_customer ON orders (merchant, customer_id, created_at) WHERE customer_id IS NOT NULL;
CREATE INDEX orders_of_viber ON orders (merchant, viber_user_id, created_at) WHERE viber_user_id IS NOT NULL;
CREATE INDEX orders_of_fixed_link ON orders (merchant, link_id, created_at) WHERE kind = 'FIXED';
-- What the sweeper looks through (E1).
CREATE INDEX orders_offered ON orders (offer_until) WHERE state IN ('PENDING', 'FAILED');

-- Children of an order are numbered from 0 in the order in which they came.
CREATE TABLE attempts (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    attempt_id text COLLATE "C" NOT NULL,
    account text NOT NULL,
    state text NOT NULL CHECK (state IN ('CREATED', 'HANDED_OFF', 'AUTHORIZED', 'SUCCEEDED', 'DECLINED', 'UNKNOWN', 'DEAD')),
    started_at timestamptz NOT NULL,
    session_until timestamptz NOT NULL,
    grace_ns bigint NOT NULL,
    failure text NOT NULL,
    seen text NOT NULL,
    payment_id text NOT NULL,
    PRIMARY KEY (merchant, order_id, number)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX attempts_by_id ON attempts (merchant, attempt_id) WHERE attempt_id <> '';
-- At most one live attempt per order (O7).
CREATE UNIQUE INDEX attempts_live ON attempts (merchant, order_id) WHERE state NOT IN ('SUCCEEDED', 'DEAD');

CREATE TABLE payments (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    psp_payment_id text COLLATE "C" NOT NULL,
    attempt_id text COLLATE "C" NOT NULL,
    currency text NOT NULL CHECK (length(currency) = 3),
    authorized bigint NOT NULL CHECK (authorized >= 0),
    captured bigint NOT NULL CHECK (captured >= 0),
    reserved bigint NOT NULL CHECK (reserved >= 0),
    refunded bigint NOT NULL CHECK (refunded >= 0),
    charged_back bigint NOT NULL CHECK (charged_back >= 0),
    settles boolean NOT NULL,
    PRIMARY KEY (merchant, order_id, number),
    -- R1, written so that no sum can overflow.
    CHECK (refunded <= captured AND reserved <= captured - refunded)
) WITH (fillfactor = 80);
-- The same money is never two payments (O8). Where a PSP gives no id, an attempt has one payment.
CREATE UNIQUE INDEX payments_at_psp ON payments (merchant, account, psp_payment_id) WHERE psp_payment_id <> '';
CREATE UNIQUE INDEX payments_unnamed ON payments (merchant, account, attempt_id) WHERE psp_payment_id = '';
-- An order settles on one payment (X1).
CREATE UNIQUE INDEX payments_settling ON payments (merchant, order_id) WHERE settles;

CREATE TABLE refunds (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    refund_id text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    state text NOT NULL CHECK (state IN ('RESERVED', 'SENT', 'POSTED', 'RELEASED', 'UNKNOWN')),
    automatic boolean NOT NULL,
    requested_at timestamptz NOT NULL,
    PRIMARY KEY (merchant, order_id, number)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX refunds_by_id ON refunds (merchant, refund_id) WHERE refund_id <> '';
-- A payment has one automatic refund at most, ever (X2).
CREATE UNIQUE INDEX refunds_automatic ON refunds (merchant, payment_id) WHERE automatic;

CREATE TABLE exceptions (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    exception_id text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('DUPLICATE', 'LATE', 'UNDERPAID', 'OVERPAID', 'WRONG_CURRENCY', 'WRONG_MERCHANT',
        'ORPHAN', 'UNREADABLE', 'CONFLICTING_EVIDENCE', 'AFTER_CANCEL', 'OVER_RETURNED', 'STUCK')),
    payment_id text NOT NULL,
    attempt_id text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    detail text NOT NULL,
    opened_at timestamptz NOT NULL,
    resolved_at timestamptz,
    resolution text NOT NULL CHECK (resolution IN ('', 'ACCEPTED', 'REFUNDED', 'DISMISSED')),
    policy text NOT NULL,
    PRIMARY KEY (merchant, order_id, number),
    CHECK ((resolution = '') = (resolved_at IS NULL))
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX exceptions_by_id ON exceptions (merchant, exception_id) WHERE exception_id <> '';

-- Recorded results of calls, by their idempotency key (I1, I2). The result is sealed.
CREATE TABLE records (
    merchant text COLLATE "C" NOT NULL,
    method text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    result bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (merchant, method, key)
);
-- What is forgotten after its time (I6): a block range index costs next to nothing to keep.
CREATE INDEX records_by_age ON records USING brin (created_at) WITH (pages_per_range = 32);

-- The journal (J1 to J4): bytes verbatim, and the chain's hash there.
CREATE TABLE entries (
    merchant text COLLATE "C" NOT NULL,
    position bigint NOT NULL CHECK (position > 0),
    entry_id text NOT NULL,
    order_id text COLLATE "C",
    link_id text,
    type text COLLATE "C" NOT NULL,
    bytes bytea NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (merchant, position)
);
-- No order id has a slash, so that the text names one order of one merchant.
CREATE INDEX entries_of_order ON entries ((merchant || '/' || order_id), position) WHERE order_id IS NOT NULL;

-- What a person wrote, sealed, beside the entry that holds its hash. It can be erased (J3).
CREATE TABLE texts (
    merchant text COLLATE "C" NOT NULL,
    entry_id text COLLATE "C" NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (merchant, entry_id)
);

-- API keys, hashed (A1). The merchant is empty for keys of the installation.
CREATE TABLE credentials (
    merchant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    kind text NOT NULL CHECK (kind IN ('MERCHANT', 'EDGE', 'PLATFORM')),
    name text NOT NULL,
    scopes text NOT NULL,
    live boolean NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (merchant, id)
);
CREATE UNIQUE INDEX credentials_by_id ON credentials (id);
CREATE UNIQUE INDEX credentials_by_hash ON credentials (hash);

-- Acts without an order (X3).
CREATE TABLE audit (
    merchant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    act text NOT NULL,
    subject text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (merchant, id)
);

-- By these a server finds out whether its keys are the installation's (A2).
CREATE TABLE installation_keys (
    key_id text COLLATE "C" NOT NULL,
    check_value bytea NOT NULL,
    PRIMARY KEY (key_id)
);

-- +goose StatementBegin
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only (J4)', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
-- +goose StatementEnd

CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
