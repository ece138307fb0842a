-- The tables of the bare SQLite loop: those of migrations/sqlite that one CreatePaymentLink writes, which a test compares.

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
CREATE INDEX orders_offered ON orders (offer_until) WHERE state IN ('PENDING', 'FAILED');

CREATE TABLE records (
    merchant text NOT NULL,
    method text NOT NULL,
    key text NOT NULL,
    fingerprint blob NOT NULL,
    result blob NOT NULL,
    created_at integer NOT NULL,
    PRIMARY KEY (merchant, method, key)
) STRICT;

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

CREATE TABLE texts (
    merchant text NOT NULL,
    entry_id text NOT NULL,
    sealed blob NOT NULL,
    PRIMARY KEY (merchant, entry_id)
) STRICT;

ALTER TABLE orders ADD COLUMN template_id text NOT NULL DEFAULT '';
CREATE INDEX orders_of_template ON orders (merchant, template_id, created_at) WHERE template_id <> '';
ALTER TABLE links ADD COLUMN accounts text NOT NULL DEFAULT '';
