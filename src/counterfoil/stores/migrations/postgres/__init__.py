"""The store's tables in PostgreSQL."""
