-- What PSPs send us and what we ask of them: messages, tasks, ways to the PSP.
--
-- As before, an index that no lookup by key may take has a condition that is always true.

-- +goose Up

-- What we asked the PSP to do with held money (O10).
ALTER TABLE payments ADD COLUMN capture_asked bigint NOT NULL DEFAULT 0 CHECK (capture_asked >= 0);
ALTER TABLE payments ADD COLUMN void_asked boolean NOT NULL DEFAULT false;

-- The fixed link that an order came from (L5).
ALTER TABLE orders ADD COLUMN template_id text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX orders_of_template ON orders (merchant, template_id, created_at) WHERE template_id <> '';

-- The PSP accounts to which a link is restricted, with spaces between; empty means all of the merchant's.
ALTER TABLE links ADD COLUMN accounts text NOT NULL DEFAULT '';

CREATE INDEX refunds_listed ON refunds (merchant, requested_at) WHERE requested_at > '-infinity';

-- What PSPs sent, sealed, beside the parsed fact (J5). A repeat has the same digest (C1). A row of more than
-- 2,032 bytes would be moved to a table beside it, with an index of its own, and what is sealed is first tried to be
-- compressed in vain: an ordinary callback, which has a little more, stays in its row.
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
-- Those that wait for their attempt (C5).
CREATE INDEX messages_orphaned ON messages (merchant, attempt_id) WHERE outcome = 'ORPHAN';
CREATE INDEX messages_listed ON messages (merchant, received_at) WHERE received_at > '-infinity';

-- Callbacks with a wrong signature, sealed: the newest of each account, and a repeat once (C1).
CREATE TABLE forged (
    merchant text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    message_id text COLLATE "C" NOT NULL,
    received_at timestamptz NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (merchant, account, digest)
);
CREATE INDEX forged_newest ON forged (merchant, account, received_at, digest) WHERE received_at > '-infinity';

-- Work at PSPs that is not finished, claimed by a lease and fenced (I5, O6). A claim changes no indexed column.
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

-- The way to the PSP of an attempt, sealed, for the second tap that joins it (O7).
CREATE TABLE handoffs (
    merchant text COLLATE "C" NOT NULL,
    attempt_id text COLLATE "C" NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (merchant, attempt_id)
);

-- When an account may be asked again (C4). Accounts are unique in the installation.
CREATE TABLE paces (
    account text COLLATE "C" NOT NULL,
    next_at timestamptz NOT NULL,
    PRIMARY KEY (account)
) WITH (fillfactor = 20);

-- What the installation is, in one row: the mark of its references (C5).
CREATE TABLE installation (
    one boolean NOT NULL CHECK (one),
    mark text NOT NULL CHECK (mark <> ''),
    PRIMARY KEY (one)
);
