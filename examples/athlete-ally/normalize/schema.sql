CREATE TABLE IF NOT EXISTS hrv_data (
    user_id     text             NOT NULL,
    date        date             NOT NULL,
    rmssd       double precision NOT NULL CHECK (rmssd > 0),
    ln_rmssd    double precision NOT NULL,
    captured_at timestamptz      NOT NULL,
    created_at  timestamptz      NOT NULL DEFAULT now(),
    updated_at  timestamptz      NOT NULL DEFAULT now(),
    UNIQUE (user_id, date)
);
CREATE INDEX IF NOT EXISTS hrv_data_updated_at ON hrv_data USING brin (updated_at);

CREATE TABLE IF NOT EXISTS vendor_events (
    event_id    text        PRIMARY KEY,
    vendor      text        NOT NULL,
    user_id     text        NOT NULL,
    event_type  text        NOT NULL,
    data        jsonb,
    received_at timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- One row for each change that a message made, written with that change. A
-- repeat that changes nothing leaves no row.
CREATE TABLE IF NOT EXISTS normalize_effects (
    message_id text        NOT NULL,
    target     text        NOT NULL,
    stream     text        NOT NULL,
    seq        bigint      NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);
