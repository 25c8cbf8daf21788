"""The command line: one file per command, each a client of the library and the server's parts."""
