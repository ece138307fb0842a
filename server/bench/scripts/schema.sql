-- The yardstick's tables: what a CreatePaymentLink and a proven callback write, in a schema of its own. Tables and indexes
-- are those of migrations/postgres, which a test compares; make bench compares the rows.

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

CREATE TABLE heads (
    merchant text COLLATE "C" NOT NULL,
    position bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
    hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (octet_length(hash) = 32),
    PRIMARY KEY (merchant)
) WITH (fillfactor = 20);

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
    CHECK (refunded <= captured AND reserved <= captured - refunded)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX payments_at_psp ON payments (merchant, account, psp_payment_id) WHERE psp_payment_id <> '';
CREATE UNIQUE INDEX payments_unnamed ON payments (merchant, account, attempt_id) WHERE psp_payment_id = '';
CREATE UNIQUE INDEX payments_settling ON payments (merchant, order_id) WHERE settles;

ALTER TABLE payments ADD COLUMN capture_asked bigint NOT NULL DEFAULT 0 CHECK (capture_asked >= 0);
ALTER TABLE payments ADD COLUMN void_asked boolean NOT NULL DEFAULT false;
ALTER TABLE orders ADD COLUMN template_id text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX orders_of_template ON orders (merchant, template_id, created_at) WHERE template_id <> '';
ALTER TABLE links ADD COLUMN accounts text NOT NULL DEFAULT '';

CREATE TABLE messages (
    merchant text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    message_id text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('CALLBACK', 'LOOKUP')),
    outcome text NOT NULL CHECK (outcome IN ('APPLIED', 'HINT', 'ORPHAN', 'FOREIGN', 'UNREADABLE', 'FAILED')),
    ref text NOT NULL,
    attempt_id text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    received_at timestamptz NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (merchant, account, digest)
) WITH (toast_tuple_target = 4080);
CREATE INDEX messages_orphaned ON messages (merchant, attempt_id) WHERE outcome = 'ORPHAN';
CREATE INDEX messages_listed ON messages (merchant, received_at) WHERE received_at > '-infinity';

CREATE TABLE tasks (
    merchant text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('ATTEMPT', 'REFUND')),
    order_id text COLLATE "C" NOT NULL,
    account text NOT NULL,
    due_at timestamptz NOT NULL,
    leased_until timestamptz,
    fence bigint NOT NULL CHECK (fence >= 0),
    asked integer NOT NULL CHECK (asked >= 0),
    asked_at timestamptz,
    hinted boolean NOT NULL,
    PRIMARY KEY (merchant, task_id)
) WITH (fillfactor = 70);
CREATE INDEX tasks_due ON tasks (due_at);
CREATE INDEX tasks_of_order ON tasks (merchant, order_id) WHERE order_id <> '';

RESET search_path;
