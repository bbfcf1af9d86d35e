-- Run by the superuser in the database lekiwi_heartbeat. The role lekiwi_admin
-- owns all but what is append-only.

CREATE EXTENSION IF NOT EXISTS pg_stat_statements;

-- What happened. seq has no gaps, and its order is that of the commits: who has
-- read up to n has missed nothing before n.
CREATE TABLE events (
    seq         bigint      PRIMARY KEY,
    key         uuid        NOT NULL UNIQUE,
    robot_id    text        NOT NULL,
    kind        text        NOT NULL,
    at          timestamptz NOT NULL,
    record      jsonb,
    -- Those who watch are told of it.
    changed     boolean     NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX events_changed ON events (seq) WHERE changed;

CREATE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only();

-- Who may add to events and to the read model: one transaction after the other.
CREATE TABLE robots (
    id              text        COLLATE "C" PRIMARY KEY,
    name            text,
    type            text        NOT NULL,
    hostname        text,
    ip_address      text,
    mac_address     text,
    status          text        NOT NULL,
    reported_status text        NOT NULL,
    reported_type   text,
    version         text,
    teleoperation   boolean     NOT NULL,
    ssh_port        integer,
    metadata        jsonb,
    lifecycle       text        NOT NULL,
    failures        integer     NOT NULL,
    last_seen       timestamptz NOT NULL,
    heard_at        timestamptz NOT NULL,
    discovered_at   timestamptz NOT NULL,
    seq             bigint      NOT NULL
) WITH (fillfactor = 60); -- room for a heartbeat's new version on the same page

CREATE TABLE deployment_history (
    seq          bigint      PRIMARY KEY, -- of the event that told of it
    robot_id     text        NOT NULL,
    from_version text        NOT NULL,
    to_version   text        NOT NULL,
    at           timestamptz NOT NULL
);

CREATE TABLE teleoperation_sessions (
    id          text        PRIMARY KEY,
    robot_id    text        NOT NULL,
    operator    text        NOT NULL,
    source      text        NOT NULL CHECK (source IN ('operator', 'observed')),
    started_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    latency_ms  double precision,
    packet_loss double precision,
    quality_at  timestamptz
);
CREATE UNIQUE INDEX teleoperation_one_active ON teleoperation_sessions (robot_id) WHERE ended_at IS NULL;
CREATE INDEX teleoperation_by_robot ON teleoperation_sessions (robot_id, started_at);

-- What was brought over from the legacy system; one row.
CREATE TABLE sync_status (
    one           boolean     PRIMARY KEY DEFAULT true CHECK (one),
    last_sync     timestamptz NOT NULL,
    records       bigint      NOT NULL,
    batches       bigint      NOT NULL,
    legacy_robots integer     NOT NULL
);

-- Requests as the edge has seen them; times in milliseconds.
CREATE TABLE request_logs (
    timestamp     timestamptz      NOT NULL,
    system        text             NOT NULL,
    server        text             NOT NULL,
    method        text             NOT NULL,
    path          text             NOT NULL,
    status        integer          NOT NULL,
    response_time double precision NOT NULL
);
CREATE INDEX request_logs_timestamp ON request_logs USING brin (timestamp);

-- Those of them that are about one robot.
CREATE TABLE migration_tracking (
    system        text             NOT NULL,
    robot_id      text             NOT NULL,
    response_time double precision NOT NULL,
    timestamp     timestamptz      NOT NULL,
    path          text             NOT NULL,
    status        integer          NOT NULL
);
CREATE INDEX migration_tracking_timestamp ON migration_tracking USING brin (timestamp);

-- How far the edge's log was read, written with what was read.
CREATE TABLE tracking_position (
    file  text   PRIMARY KEY,
    inode bigint NOT NULL,
    bytes bigint NOT NULL
);

-- When each phase began.
CREATE TABLE migration_phases (
    started_at timestamptz NOT NULL DEFAULT now(),
    phase      text        NOT NULL,
    PRIMARY KEY (started_at, phase)
);

GRANT SELECT, INSERT ON events TO lekiwi_admin;
ALTER TABLE robots OWNER TO lekiwi_admin;
ALTER TABLE deployment_history OWNER TO lekiwi_admin;
ALTER TABLE teleoperation_sessions OWNER TO lekiwi_admin;
ALTER TABLE sync_status OWNER TO lekiwi_admin;
ALTER TABLE request_logs OWNER TO lekiwi_admin;
ALTER TABLE migration_tracking OWNER TO lekiwi_admin;
ALTER TABLE tracking_position OWNER TO lekiwi_admin;
ALTER TABLE migration_phases OWNER TO lekiwi_admin;
