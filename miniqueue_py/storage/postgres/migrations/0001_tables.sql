-- Everything that a queue keeps. A message is written once, and removed once.
--
-- A lane is the messages of one priority of a topic, by position. Its cursor is the last
-- position that was handed to a broker. What lies behind it is covered by exactly one claim,
-- of a broker, or of nobody: then it came back, and is handed out first.

CREATE TABLE broker (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- A connection of a broker that writes, and the last turn of its that was committed. Whoever
-- writes takes its row first, and a reaper removes it: so neither happens inside the other.
CREATE TABLE line (
    broker bigint NOT NULL,
    number int NOT NULL,
    turn bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (broker, number)
) WITH (fillfactor = 20);

CREATE TABLE topic (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    policy text,
    tail bigint NOT NULL DEFAULT 0,
    front bigint NOT NULL DEFAULT 0,
    front_next bigint NOT NULL DEFAULT 0,
    released bigint NOT NULL DEFAULT 0,
    is_awaited boolean NOT NULL DEFAULT true
) WITH (fillfactor = 20);

CREATE TABLE lane (
    topic bigint NOT NULL,
    priority smallint NOT NULL,
    cursor bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, priority)
) WITH (fillfactor = 20);

CREATE TABLE message (
    topic bigint NOT NULL,
    priority smallint NOT NULL,
    position bigint NOT NULL,
    body bytea NOT NULL,
    published_ms bigint NOT NULL,
    id_topic bigint,      -- with id_sequence: NULL where it is (topic, position)
    id_sequence bigint,
    expires_ms bigint,
    attempts int NOT NULL DEFAULT 0,
    dacks int NOT NULL DEFAULT 0,
    origin text,
    PRIMARY KEY (topic, priority, position)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 1,
    autovacuum_vacuum_cost_delay = 0
);
ALTER TABLE message ALTER body SET STORAGE EXTERNAL;
CREATE INDEX message_expires ON message (expires_ms) WHERE expires_ms IS NOT NULL;

CREATE TABLE delayed (
    due_ms bigint NOT NULL,
    topic bigint NOT NULL,
    position bigint NOT NULL,
    priority smallint NOT NULL,
    body bytea NOT NULL,
    published_ms bigint NOT NULL,
    id_topic bigint NOT NULL,
    id_sequence bigint NOT NULL,
    expires_ms bigint,
    attempts int NOT NULL,
    dacks int NOT NULL,
    origin text,
    PRIMARY KEY (due_ms, topic, position)
);
ALTER TABLE delayed ALTER body SET STORAGE EXTERNAL;
CREATE INDEX delayed_topic ON delayed (topic, due_ms, position);

CREATE TABLE claim (
    topic bigint NOT NULL,
    priority smallint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    broker bigint,
    PRIMARY KEY (topic, priority, first)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX claim_returned ON claim (topic, priority, first) WHERE broker IS NULL;
CREATE INDEX claim_broker ON claim (broker) WHERE broker IS NOT NULL;

CREATE TABLE key (
    topic bigint NOT NULL,
    key text NOT NULL,
    id_topic bigint NOT NULL,
    id_sequence bigint NOT NULL,
    digest bytea NOT NULL,
    until_ms bigint NOT NULL,
    PRIMARY KEY (topic, key)
);
CREATE INDEX key_until ON key (until_ms);

CREATE TABLE batch (
    topic bigint NOT NULL,
    key text NOT NULL,
    messages bigint NOT NULL,
    until_ms bigint NOT NULL,
    PRIMARY KEY (topic, key)
);
CREATE INDEX batch_until ON batch (until_ms);

-- Counts, as sums of what each writer has added: so no two of them wait for one row.
CREATE TABLE tally (
    topic bigint NOT NULL,
    slot int NOT NULL,
    messages bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    in_flight bigint NOT NULL DEFAULT 0,
    delayed bigint NOT NULL DEFAULT 0,
    published bigint NOT NULL DEFAULT 0,
    delivered bigint NOT NULL DEFAULT 0,
    acknowledged bigint NOT NULL DEFAULT 0,
    expired bigint NOT NULL DEFAULT 0,
    buried bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, slot)
) WITH (fillfactor = 20);

-- Topics that are gone, and whose rows are removed bit by bit.
CREATE TABLE garbage (topic bigint PRIMARY KEY);

CREATE TABLE state (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    policies bigint NOT NULL DEFAULT 0,
    release bigint NOT NULL DEFAULT 0,
    is_releasing boolean NOT NULL DEFAULT false
) WITH (fillfactor = 20);
INSERT INTO state DEFAULT VALUES;
