"""The SQL from which sessions are moved elsewhere, while servers go on with it: SQLite, PostgreSQL.

Triggers note what changes, in whatever process. At the end nobody may write for a moment, and then
the tables lose their names, in one transaction that also says where they have gone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import psycopg

from counterfoil.errors import StoreUnavailable
from counterfoil.server.migrating import NOTES, TRIES, Table, noting, require_alone
from counterfoil.server.sessions_moving import SESSIONS_MARK
from counterfoil.stores.postgres_connection import Connection, connect
from counterfoil.stores.postgres_words import said_of
from counterfoil.stores.sqlite_copies import opened

T = TypeVar("T")
PAGE: Final = 1_000
# Those that are looked at again where they have changed; the others only grow.
NOTED: Final = (
    Table("cf_sessions", "id"),
    Table("cf_subjects", "subject"),
    Table("cf_clients", "client_id"),
)
GROWING: Final = ("cf_changes", "cf_events")
_LEAVING: Final = (  # in the order in which others use several of them
    *(table.name for table in NOTED),
    *("cf_feed", "cf_backup", "cf_lists"),
    *GROWING,
)
_FUNCTION: Final = "cf_note_moving"


class Source(Protocol):
    """A database from which sessions are moved."""

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Every row; `?` stands for a value."""

    def noted(self) -> list[tuple[str, Any]]:
        """What was noted since: a table and a key each, which are forgotten."""

    def settled(self) -> dict[str, int]:
        """Of each table that only grows, a number below which nothing will be added any more."""

    @contextmanager
    def noting(self) -> Iterator[None]:
        """While changes are noted."""

    @contextmanager
    def leaving(self, address: str) -> Iterator[None]:
        """While nobody writes; where it ends well the sessions have gone to that address. Raises
        `Busy` where others hold them too long."""


class Busy(Exception):
    """Nobody could be kept from writing in time. Nothing was done."""


class SqliteSource:
    """The file of a data folder."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()

    def noted(self) -> list[tuple[str, Any]]:
        return self.all(f"DELETE FROM {NOTES} RETURNING place, key")

    def settled(self) -> dict[str, int]:
        return {name: _greatest(self, name) for name in GROWING}

    @contextmanager
    def noting(self) -> Iterator[None]:
        with noting(self._connection, NOTED):
            yield

    @contextmanager
    def leaving(self, address: str) -> Iterator[None]:
        run = self._connection.execute
        try:
            run("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as why:
            raise Busy from why
        try:
            yield
            for name in _LEAVING:
                run(f"ALTER TABLE {name} RENAME TO {name}_moved")
            run(f"CREATE TABLE {SESSIONS_MARK} (address TEXT NOT NULL)")
            run(f"INSERT INTO {SESSIONS_MARK} VALUES (?)", (address,))
            run("COMMIT")
        finally:
            if self._connection.in_transaction:
                run("ROLLBACK")


class PostgresSource:
    """A database that nodes share.

    Whoever waits for a table has all others wait behind them, so that is over in a second. Tables
    are locked one at a time, or in the order in which others use them: nobody waits in a ring.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        require_alone(connection, "sessions leaving")
        connection.execute("SET lock_timeout = '1s'")

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(sql.replace("?", "%s"), values).fetchall()

    def noted(self) -> list[tuple[str, Any]]:
        return self.all(f"DELETE FROM {NOTES} RETURNING place, key")

    def settled(self) -> dict[str, int]:
        return {name: self._in_turn(partial(self._settled, name)) for name in GROWING}

    @contextmanager
    def noting(self) -> Iterator[None]:
        self._forget()
        try:
            self._note()
            yield
        finally:
            if not self._connection.is_lost:
                self._forget()

    @contextmanager
    def leaving(self, address: str) -> Iterator[None]:
        run = self._connection.execute
        try:
            with self._connection.transaction():
                run(f"LOCK TABLE {', '.join(_LEAVING)} IN EXCLUSIVE MODE")
                yield
                for name in _LEAVING:
                    run(f"ALTER TABLE {name} RENAME TO {name}_moved")
                run(f"CREATE TABLE {SESSIONS_MARK} (address text NOT NULL)")
                run(f"INSERT INTO {SESSIONS_MARK} VALUES (%s)", (address,))
                # Here, where the tables are locked: a look-up that was prepared locks those that
                # it knew before it finds that they have other names.
                run(f"DROP FUNCTION {_FUNCTION} CASCADE")
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as why:
            raise Busy from why

    def _note(self) -> None:
        run = self._connection.execute
        run(f"CREATE TABLE {NOTES} (place text, key text)")
        run(
            f"CREATE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" INSERT INTO {NOTES} VALUES (TG_TABLE_NAME, to_jsonb(NEW) ->> TG_ARGV[0]);"
            " RETURN NULL; END $$"
        )
        for table in NOTED:
            self._run_in_turn(
                f"CREATE TRIGGER {NOTES} AFTER INSERT OR UPDATE ON {table.name}"
                f" FOR EACH ROW EXECUTE FUNCTION {_FUNCTION}('{table.key}')"
            )

    def _forget(self) -> None:
        for table in NOTED:
            self._run_in_turn(f"DROP TRIGGER IF EXISTS {NOTES} ON {table.name}")
        self._run_in_turn(f"DROP FUNCTION IF EXISTS {_FUNCTION}")
        self._run_in_turn(f"DROP TABLE IF EXISTS {NOTES}")

    def _settled(self, name: str) -> int:
        # A number is taken before it is committed. Once nobody writes all of them have been.
        with self._connection.transaction():
            self._connection.execute(f"LOCK TABLE {name} IN SHARE MODE")
            return _greatest(self, name)

    def _run_in_turn(self, sql: str) -> None:
        self._in_turn(lambda: self._connection.execute(sql))

    def _in_turn(self, step: Callable[[], T]) -> T:
        """What waits for one table, and holds no other; begun again where that takes too long."""
        for _ in range(TRIES - 1):
            with suppress(psycopg.errors.LockNotAvailable):
                return step()
        return step()


def _greatest(source: Source, name: str) -> int:
    found: int = source.all(f"SELECT coalesce(max(number), 0) FROM {name}")[0][0]
    return found


@contextmanager
def source_of(database: Path, address: str) -> Iterator[Source]:
    """That of a shared store at an address, or without one of a file. Raises
    `StoreUnavailable`."""
    if not address:
        with opened(database) as file:
            yield SqliteSource(file)
        return
    try:
        with connect(address, patient=True) as connection:
            connection.deadline = float("inf")
            yield PostgresSource(connection)
    except psycopg.Error as why:
        raise StoreUnavailable(said_of(why)) from why
