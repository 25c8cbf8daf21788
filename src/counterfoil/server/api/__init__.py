"""The server's calls over HTTP: one file per group, each a client of the engine."""
