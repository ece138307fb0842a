-- The yardstick's tables: what one CreatePaymentLink writes, in a schema of its own. Tables and indexes are those of
-- migrations/postgres, which a test compares; make bench compares the rows.

CREATE SCHEMA yardstick;
SET search_path = yardstick;

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
CREATE INDEX orders_offered ON orders (offer_until) WHERE state IN ('PENDING', 'FAILED');

CREATE TABLE records (
    merchant text COLLATE "C" NOT NULL,
    method text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    result bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (merchant, method, key)
);
CREATE INDEX records_by_age ON records USING brin (created_at) WITH (pages_per_range = 32);

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
CREATE INDEX entries_of_order ON entries ((merchant || '/' || order_id), position) WHERE order_id IS NOT NULL;

CREATE TABLE texts (
    merchant text COLLATE "C" NOT NULL,
    entry_id text COLLATE "C" NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (merchant, entry_id)
);
