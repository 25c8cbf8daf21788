"""Two nodes and their store, killed again and again while people sign in, refresh and revoke.

All of it is real: processes, HTTP and the disk. After each kill everything that was acknowledged is
asked for, at both nodes. `python -m crash --help` says how to run it; docs/crash.md says what it
shows.
"""
