-- A copy knows that it is one: `counterfoil backup` writes into it when it was made, and a declared
-- restore takes that out. In a database that is served nothing is ever written here. So a log that
-- was left beside a copy and is applied to it holds nothing of this table, and cannot hide it.
CREATE TABLE cf_backup (made_at INTEGER NOT NULL) STRICT;
