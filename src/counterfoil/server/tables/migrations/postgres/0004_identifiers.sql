-- To find people by how their identifier begins: in the order of its bytes, whatever the language of
-- the database. SQLite orders by bytes anyway.

CREATE INDEX accounts_by_identifier ON accounts (canonical COLLATE "C");
