CREATE TABLE runs (
	run         TEXT PRIMARY KEY,
	name        TEXT NOT NULL,
	created     INTEGER NOT NULL,           -- times are nanoseconds since 1970
	last_seq    INTEGER NOT NULL,
	last_at     INTEGER NOT NULL,
	head        BLOB NOT NULL,              -- checksum of the last record
	final       INTEGER NOT NULL DEFAULT 0,
	epoch       INTEGER NOT NULL DEFAULT 0, -- never goes back, not even on release
	holder      TEXT NOT NULL DEFAULT '',
	lease_until INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE records (
	run   TEXT NOT NULL,
	seq   INTEGER NOT NULL,
	at    INTEGER NOT NULL,
	epoch INTEGER NOT NULL,
	type  TEXT NOT NULL,
	v     INTEGER NOT NULL,
	data  BLOB NOT NULL,
	sum   BLOB NOT NULL, -- checksum over the previous sum and this record
	PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE inbox (
	run  TEXT NOT NULL,
	id   INTEGER NOT NULL, -- order of arrival in the run, from 1
	key  TEXT NOT NULL,
	at   INTEGER NOT NULL,
	data BLOB NOT NULL,
	PRIMARY KEY (run, id),
	UNIQUE (run, key)
) WITHOUT ROWID;

CREATE TABLE claims (
	resource TEXT PRIMARY KEY,
	run      TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX claims_of_run ON claims (run);

CREATE TABLE readings (
	run     TEXT NOT NULL,
	"check" TEXT NOT NULL,
	at      INTEGER NOT NULL,
	data    BLOB NOT NULL
);
CREATE INDEX readings_by_check ON readings (run, "check", at);
CREATE INDEX readings_by_time ON readings (run, at);
