"""A real PostgreSQL, started by the tests themselves from a package, or named by the environment.

COUNTERFOIL_TEST_POSTGRES_URL names a database in which the tests may make schemas. Otherwise each
process of the tests starts a server of its own, on a Unix socket, when the first test asks for it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
from functools import cache
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest

from engines import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

URL: Final = "COUNTERFOIL_TEST_POSTGRES_URL"
REQUIRED: Final = "COUNTERFOIL_TEST_REQUIRE_POSTGRES"


@contextlib.contextmanager
def postgres_server(**settings: str) -> Iterator[postgres.PostgresServer]:
    """A server of one's own, for who stops it."""
    with contextlib.ExitStack() as kept:
        try:
            server = kept.enter_context(postgres.postgres_server(**settings))
        except postgres.NotHere as why:
            do_without(str(why))
        yield server


@cache
def shared_url() -> str:
    """The URL of a server that all tests of this process use, each in a schema of its own."""
    if given := os.environ.get(URL):
        return given
    kept = contextlib.ExitStack()
    server = kept.enter_context(postgres_server())
    atexit.register(kept.close)
    return server.url


@contextlib.contextmanager
def new_schema(url: str | None = None) -> Iterator[str]:
    """The URL of an empty schema."""
    url = url or shared_url()
    name = f"t_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    try:
        yield in_schema(url, name)
    finally:
        with (
            contextlib.suppress(psycopg.OperationalError),  # a test may have ended the server
            psycopg.connect(url, autocommit=True) as connection,
        ):
            connection.execute(f"DROP SCHEMA {name} CASCADE")


def in_schema(url: str, name: str) -> str:
    parts = urlsplit(url)
    option = "options=" + quote(f"-c search_path={name}")
    query = f"{parts.query}&{option}" if parts.query else option
    return urlunsplit(parts._replace(query=query))


def do_without(why: str) -> NoReturn:
    if os.environ.get(REQUIRED):
        pytest.fail(f"PostgreSQL is needed here: {why}.")
    pytest.skip(f"No PostgreSQL here: {why}. Set {URL} to use another one.")
