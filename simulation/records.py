"""Where the records of a simulated world really are: in memory, or in a database on this machine.

The clock stays simulated in either case. A call of a real store is made when its simulated request
has arrived, and whatever it takes of real time is no time in the world: so a seed is the same
history everywhere, and one that differs from that in memory has found a store that does.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar
from urllib.parse import quote

import psycopg
from redis import Redis

from counterfoil.drive import drive
from counterfoil.status_change import Position
from counterfoil.stores.memory import MemoryStore
from counterfoil.stores.postgres import PostgresStore
from counterfoil.stores.redis.shards import ALONE, prefixes
from counterfoil.stores.redis.store import RedisStore
from counterfoil.stores.sqlite import SqliteStore
from engines.postgres import postgres_server
from engines.valkey import valkey_server
from simulation.start import START

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from counterfoil.ports import Store
    from counterfoil.stores.rows import Row, Transaction

S = TypeVar("S", SqliteStore, PostgresStore)
MEMORY: Final = "memory"
SQLITE: Final = "sqlite"
POSTGRES: Final = "postgres"
VALKEY: Final = "valkey"
KINDS: Final = (MEMORY, SQLITE, POSTGRES, VALKEY)
_COPIED: Final = ("epoch", "_number", "_sessions", "_subjects", "_clients", "_changes", "_lists")
_TABLES: Final = (
    *("cf_sessions", "cf_subjects", "cf_clients"),
    *("cf_lists", "cf_changes", "cf_feed"),
)


class Records(Protocol):
    """The records, and what an operator can do with them whom no node sees."""

    def face(self) -> Store:
        """A store as a process has it that has just opened it; it never suspends."""

    @property
    def position(self) -> Position: ...

    def lists(self) -> Iterable[str]:
        """The ids of the lists that are kept."""

    def copied(self) -> Mapping[str, Any]:
        """A copy of everything but the trail."""

    def put_back(self, saved: Mapping[str, Any]) -> None: ...


class SmallLists(MemoryStore):
    """The reference store, in a name of its own: bugs are planted in it and in no other."""

    __slots__ = ()


class InMemory:
    """In the reference store, which all nodes share as it is."""

    def __init__(self) -> None:
        self._store = SmallLists()

    def face(self) -> Store:
        return self._store

    @property
    def position(self) -> Position:
        return Position(self._store.epoch, self._store._number)  # noqa: SLF001 - its own

    def lists(self) -> Iterable[str]:
        return self._store._lists  # noqa: SLF001 - its own

    def copied(self) -> Mapping[str, Any]:
        return {name: copy(getattr(self._store, name)) for name in _COPIED}

    def put_back(self, saved: Mapping[str, Any]) -> None:
        for name, value in saved.items():
            setattr(self._store, name, copy(value))


class InDatabase:
    """In the tables of a real store. Each node has a face of its own, and so remembers by itself
    what it has read of the directory."""

    def __init__(self, store: SqliteStore | PostgresStore) -> None:
        self._store = store
        self._rows = store.blocking().rows

    def face(self) -> Store:
        return self._store.blocking()

    @property
    def position(self) -> Position:
        [(epoch, number)] = drive(self._rows.all("SELECT epoch, number FROM cf_feed"))
        return Position(epoch, number)

    def lists(self) -> Iterable[str]:
        return [str(list_id) for (list_id,) in drive(self._rows.all("SELECT id FROM cf_lists"))]

    def copied(self) -> Mapping[str, list[Row]]:
        return {table: drive(self._rows.all(f"SELECT * FROM {table}")) for table in _TABLES}  # noqa: S608 - ours

    def put_back(self, saved: Mapping[str, list[Row]]) -> None:
        """All at once, as `counterfoil restore` does."""

        async def body(transaction: Transaction) -> None:
            for table, rows in saved.items():
                await transaction.run(f"DELETE FROM {table}")  # noqa: S608 - ours
                if rows:
                    values = ", ".join("?" * len(rows[0]))
                    await transaction.run_many(f"INSERT INTO {table} VALUES ({values})", rows)  # noqa: S608 - ours

        drive(self._rows.transaction(body))


class InValkey:
    """In a real Valkey. A copy has everything but the trail, as it is there."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store = RedisStore(url).blocking()
        self._console = Redis.from_url(url)
        self._faces = [self._store]

    def face(self) -> Store:
        self._faces.append(RedisStore(self._url).blocking())
        return self._faces[-1]

    @property
    def position(self) -> Position:
        return drive(self._store.feed(None, now=START)).position

    def lists(self) -> Iterable[str]:
        [prefix] = prefixes(ALONE)
        names: Any = self._console.hkeys(f"{prefix}l")
        return [name.decode() for name in names]

    def copied(self) -> Mapping[str, Any]:
        _ = self.position  # of which all that is in the box has been gathered
        names = [name.decode("latin-1") for name in self._keys()]
        return {name: self._console.dump(name.encode("latin-1")) for name in names}

    def put_back(self, saved: Mapping[str, Any]) -> None:
        _ = self.position
        [prefix] = prefixes(ALONE)
        trail = self._console.hget(f"{prefix}f", "trail")
        with self._console.pipeline() as pipeline:
            pipeline.delete(*self._keys())
            for name, value in saved.items():
                pipeline.restore(name.encode("latin-1"), 0, value)
            pipeline.hset(f"{prefix}f", "trail", trail or b"0")
            pipeline.execute()

    def close(self) -> None:
        for face in self._faces:
            drive(face.close())
        self._console.flushdb()
        self._console.close()

    def _keys(self) -> list[bytes]:
        """But for the trail's."""
        [prefix] = prefixes(ALONE)
        keys: Any = self._console.keys(f"{prefix}*")
        of_trail = (f"{prefix}trail".encode(), f"{prefix}t:".encode())
        return [key for key in keys if not key.startswith(of_trail)]


@contextmanager
def at_hand(kind: str) -> Iterator[str]:
    """Starts what this kind of store needs. Answers where the records of any number of worlds can
    be then."""
    if kind == POSTGRES:
        with postgres_server() as server:
            yield server.url
    elif kind == VALKEY:
        with valkey_server(databases="64") as valkey:
            yield valkey.url
    else:
        yield kind


@contextmanager
def records(where: str) -> Iterator[Records]:
    """Those of one world, new: in memory, in a SQLite file, in a schema of the PostgreSQL or in
    a Valkey at this URL. They are gone afterwards."""
    if where == MEMORY:
        yield InMemory()
    elif where == SQLITE:
        with _file() as path, _closed_after(SqliteStore(path)) as store:
            yield InDatabase(store)
    elif where.startswith("redis"):
        kept = InValkey(_database(where))
        try:
            yield kept
        finally:
            kept.close()
    else:
        with _schema(where) as url, _closed_after(PostgresStore(url)) as store:
            yield InDatabase(store)


@contextmanager
def _closed_after(store: S) -> Iterator[S]:
    try:
        yield store
    finally:
        drive(store.close())


@contextmanager
def _file() -> Iterator[Path]:
    """The path of one that is not there yet."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-simulation-") as folder:
        yield Path(folder) / "world.db"


def _database(url: str) -> str:
    """One of this process alone: each has its own worlds, one after the other."""
    return url.removesuffix("/0") + f"/{os.getpid() % 64}"


@contextmanager
def _schema(url: str) -> Iterator[str]:
    """The URL of an empty one."""
    name = f"world_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as console:
        console.execute(f"CREATE SCHEMA {name}")
    try:
        yield f"{url}{'&' if '?' in url else '?'}options={quote(f'-c search_path={name}')}"
    finally:
        with psycopg.connect(url, autocommit=True) as console:
            console.execute(f"DROP SCHEMA {name} CASCADE")
