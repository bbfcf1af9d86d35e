CREATE TABLE deliveries (
	run       TEXT NOT NULL,
	key       TEXT NOT NULL,
	place     INTEGER NOT NULL, -- in the order in which they were first kept, from 1 in each run
	receiver  TEXT NOT NULL,
	what      TEXT NOT NULL,
	tries     INTEGER NOT NULL,
	at        INTEGER NOT NULL,
	next      INTEGER NOT NULL,
	delivered INTEGER NOT NULL,
	error     TEXT NOT NULL,
	thread    TEXT NOT NULL,
	PRIMARY KEY (run, key)
) WITHOUT ROWID;
