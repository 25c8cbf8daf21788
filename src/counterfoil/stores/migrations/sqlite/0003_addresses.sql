-- Where sessions were opened from. Those of before, and of processes of the version before, have none.
ALTER TABLE IF EXISTS cf_sessions ADD COLUMN address TEXT NOT NULL DEFAULT '""'; -- JSON
