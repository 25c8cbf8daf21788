"""Introspection, revocation and the refresh grant, for the programs of clients with a secret."""
