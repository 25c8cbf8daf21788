"""The server's tables in SQLite."""
