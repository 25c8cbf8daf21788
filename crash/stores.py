"""What may be killed besides the nodes: PostgreSQL, a Valkey, or a cluster of three."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

import psycopg

from crash.held import Violation
from engines.postgres import postgres_server
from engines.valkey import url_of, valkey_cluster, valkey_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from engines.postgres import PostgresServer
    from engines.valkey import ValkeyServer

StoreName = Literal["postgres", "valkey", "cluster"]
SERVER: Final = (sys.executable, "-m", "counterfoil.cli.main")
APPLICATION: Final = (sys.executable, "-m", "crash.application")
SETTLED_WITHIN: Final = 30.0
_WRITING: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL"
    " AND pid <> pg_backend_pid()"
)


class Killable(Protocol):
    """Its log lies in its folder."""

    @property
    def folder(self) -> Path: ...
    def start(self) -> None: ...
    def kill(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """A store that runs. servers: of which it is made. program, arguments: what nodes over it run,
    and where they are told that it is. settle: returns when nothing is being written."""

    servers: Mapping[str, Killable]
    program: Sequence[str]
    arguments: Sequence[str]
    settle: Callable[[], None]


@contextmanager
def _postgres() -> Iterator[Stored]:
    with postgres_server() as server:
        arguments = ("serve", "--dev", "--store", server.url)
        yield Stored({"PostgreSQL": server}, SERVER, arguments, lambda: _settle(server))


@contextmanager
def _valkey() -> Iterator[Stored]:
    with valkey_server() as server:
        yield _over_valkey({"Valkey": server})


@contextmanager
def _cluster() -> Iterator[Stored]:
    with valkey_cluster() as servers:
        yield _over_valkey({f"Valkey {n}": server for n, server in enumerate(servers, start=1)})


STORES: Final[Mapping[StoreName, Callable[[], AbstractContextManager[Stored]]]] = {
    "postgres": _postgres,
    "valkey": _valkey,
    "cluster": _cluster,
}


def _over_valkey(servers: Mapping[str, ValkeyServer]) -> Stored:
    arguments = ("--sessions", url_of([*servers.values()]))

    def settle() -> None:
        """Whatever had arrived is done before the second answer."""
        for server in servers.values():
            with server.client() as client:
                client.ping()
                client.ping()

    return Stored(servers, APPLICATION, arguments, settle)


def _settle(server: PostgresServer) -> None:
    until = time.monotonic() + SETTLED_WITHIN
    with psycopg.connect(server.url, autocommit=True) as connection:
        while time.monotonic() < until:
            [(writing,)] = connection.execute(_WRITING).fetchall()
            if not writing:
                return
            time.sleep(0.01)
    raise Violation("PostgreSQL is still writing, long after everybody has stopped.")
