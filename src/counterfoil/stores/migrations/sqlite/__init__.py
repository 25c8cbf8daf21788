"""The store's tables in SQLite."""
