"""The server's own rows, beside the sessions in the same database."""
