"""The server's tables in PostgreSQL."""
