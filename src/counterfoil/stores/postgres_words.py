"""What is said of a database that does not answer: one sentence, which names nobody.

What PostgreSQL says may hold names of people, hosts and databases; it goes to no caller and into no
log. libpq has no codes for a connection that was not made, so its English is looked at, and where
that is not known the kind of the error has to do.
"""

from __future__ import annotations

from typing import Final

import psycopg

_FULL: Final = "PostgreSQL's disk is full."
_READ_ONLY: Final = "PostgreSQL takes no writes."
_CROWDED: Final = "PostgreSQL has no connections left."
_OF_KIND: Final[dict[type[psycopg.Error], str]] = {
    psycopg.errors.DiskFull: _FULL,
    psycopg.errors.ReadOnlySqlTransaction: _READ_ONLY,
    psycopg.errors.LockNotAvailable: (
        "Somebody reads PostgreSQL's tables at length, such as pg_dump: start again after that."
    ),
}
_NOT_CONNECTED: Final = {
    "session is read-only": _READ_ONLY,
    "certificate verify failed": (
        "PostgreSQL's certificate is signed by none of those in sslrootcert, or has expired."
    ),
    "does not match host name": (
        "PostgreSQL's certificate is for another host than the one in the URL."
    ),
    "could not read root certificate file": (
        "The file of sslrootcert in the database's URL holds no certificates."
    ),
    "root certificate file": (
        "The file of sslrootcert is not there, by which PostgreSQL's certificate is verified."
    ),
    "does not support SSL": "PostgreSQL offers no TLS, which sslmode in the URL asks for.",
    "password authentication failed": "PostgreSQL refuses the user's password.",
    "no password supplied": "PostgreSQL asks for a password, and the URL has none.",
    "no pg_hba.conf entry": "PostgreSQL lets this user in from here for no such database.",
    'FATAL:  database "': "PostgreSQL has no database of that name.",
    'FATAL:  role "': "PostgreSQL has no user of that name.",
    "too many clients": _CROWDED,
    "remaining connection slots": _CROWDED,
}


def said_of(why: BaseException) -> str:
    """The sentence for an error."""
    for kind, sentence in _OF_KIND.items():
        if isinstance(why, kind):
            return sentence
    if isinstance(why, psycopg.OperationalError) and why.sqlstate is None:
        text = str(why)
        for part, sentence in _NOT_CONNECTED.items():
            if part in text:
                return sentence
    return f"PostgreSQL does not answer: {type(why).__name__.lstrip('_')}."
