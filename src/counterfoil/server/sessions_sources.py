"""The SQL from which sessions are moved elsewhere, while servers go on with it: SQLite, PostgreSQL.

Triggers note what changes, in whatever process. At the end nobody may write for a moment, and then
the tables lose their names, in one transaction that also says where they have gone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import psycopg

from counterfoil.errors import StoreUnavailable
from counterfoil.server.migrating import NOTES, Table, noting
from counterfoil.server.sessions_moving import SESSIONS_MARK
from counterfoil.stores.postgres_connection import Connection, connect
from counterfoil.stores.sqlite_copies import opened

PAGE: Final = 1_000
# Those that are looked at again where they have changed; the others only grow.
NOTED: Final = (
    Table("cf_sessions", "id"),
    Table("cf_subjects", "subject"),
    Table("cf_clients", "client_id"),
)
GROWING: Final = ("cf_changes", "cf_events")
_LEAVING: Final = (
    *(table.name for table in NOTED),
    *GROWING,
    *("cf_lists", "cf_feed", "cf_backup"),
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
        return _greatest(self)

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
    """A database that nodes share."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(sql.replace("?", "%s"), values).fetchall()

    def noted(self) -> list[tuple[str, Any]]:
        return self.all(f"DELETE FROM {NOTES} RETURNING place, key")

    def settled(self) -> dict[str, int]:
        # A number is taken before it is committed. Once nobody writes all of them have been.
        with self._connection.transaction():
            self._connection.execute(f"LOCK TABLE {', '.join(GROWING)} IN SHARE MODE")
            return _greatest(self)

    @contextmanager
    def noting(self) -> Iterator[None]:
        self._forget()
        run = self._connection.execute
        with self._connection.transaction():
            run(f"CREATE TABLE {NOTES} (place text, key text)")
            run(
                f"CREATE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" INSERT INTO {NOTES} VALUES (TG_TABLE_NAME, to_jsonb(NEW) ->> TG_ARGV[0]);"
                " RETURN NULL; END $$"
            )
            for table in NOTED:
                run(
                    f"CREATE TRIGGER {NOTES} AFTER INSERT OR UPDATE ON {table.name}"
                    f" FOR EACH ROW EXECUTE FUNCTION {_FUNCTION}('{table.key}')"
                )
        try:
            yield
        finally:
            if not self._connection.is_lost:
                self._forget()

    @contextmanager
    def leaving(self, address: str) -> Iterator[None]:
        run = self._connection.execute
        try:
            with self._connection.transaction():
                run("SET LOCAL lock_timeout = '1s'")
                run(f"LOCK TABLE {', '.join(_LEAVING)} IN EXCLUSIVE MODE")
                yield
                for name in _LEAVING:
                    run(f"ALTER TABLE {name} RENAME TO {name}_moved")
                run(f"CREATE TABLE {SESSIONS_MARK} (address text NOT NULL)")
                run(f"INSERT INTO {SESSIONS_MARK} VALUES (%s)", (address,))
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as why:
            raise Busy from why

    def _forget(self) -> None:
        run = self._connection.execute
        with self._connection.transaction():
            run(f"DROP FUNCTION IF EXISTS {_FUNCTION} CASCADE")
            run(f"DROP TABLE IF EXISTS {NOTES}")


def _greatest(source: Source) -> dict[str, int]:
    sql = "SELECT coalesce(max(number), 0) FROM"
    return {name: source.all(f"{sql} {name}")[0][0] for name in GROWING}


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
        raise StoreUnavailable(f"PostgreSQL does not answer: {type(why).__name__}.") from why
