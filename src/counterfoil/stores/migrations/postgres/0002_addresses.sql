-- Where sessions were opened from. Those of before, and of nodes of the version before, have none.
-- Look-ups wait while the table is changed, which takes no time, and while that waits for its turn:
-- rather give up than have them wait for whoever reads it at length, such as pg_dump.
SET LOCAL lock_timeout = '2s';
ALTER TABLE IF EXISTS cf_sessions ADD COLUMN address TEXT NOT NULL DEFAULT '""'; -- JSON
