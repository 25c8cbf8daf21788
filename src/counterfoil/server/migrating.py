"""Moves what a server keeps in SQLite to PostgreSQL, while servers go on with it.

What is there is copied, and triggers note what changes meanwhile, so that it is copied again. At
the end nobody may write for a moment: what was noted last is copied, and then, in one transaction
of SQLite, the tables lose their names and the database says where they have gone. A server that
asks for one of them goes there (`server.moving`). Until that is committed nothing has happened;
whatever ends the move before leaves the database as it was.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg

from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.server.moving import MARK, begun, moved_to
from counterfoil.stores.postgres_connection import Connection, connect
from counterfoil.stores.postgres_words import said_of
from counterfoil.stores.sqlite_copies import opened

PAGE: Final = 1_000
FEW: Final = 500  # changes, after which the last ones are copied while nobody writes
LOCKED_WITHIN: Final = 2.0  # seconds that writers may wait
TRIES: Final = 5
NOTES: Final = "cf_moving"
_ARRIVING: Final = "cf_arriving"
_ALONE: Final = (
    "SELECT pg_try_advisory_lock("
    "hashtextextended('counterfoil ' || current_schema() || ' ' || %s, 0))"
)


class Table(NamedTuple):
    name: str
    key: str


TABLES: Final = (
    Table("cf_sessions", "id"),
    Table("cf_subjects", "subject"),
    Table("cf_clients", "client_id"),
    Table("cf_lists", "number"),
    Table("cf_changes", "number"),
    Table("cf_events", "number"),
    Table("accounts", "subject"),
    Table("attempts", "key"),
    Table("registered_clients", "client_id"),
    Table("client_secrets", "digest"),
)
# Those that are made anew: who follows the feed, and what only SQLite needs.
_LEFT: Final = ("cf_feed", "cf_backup", "verifiers", "anonymous_verifiers", "verifier_watches")
_COUNTED: Final = ("cf_lists", "cf_events")  # whose numbers go on

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Moved:
    """rows: how many were copied. locked: for how long nobody could write, in seconds."""

    rows: int
    locked: float


def move(
    database: Path,
    address: str,
    *,
    seal: Callable[[], Sequence[tuple[str, bytes]]],
    progress: Progress,
) -> Moved:
    """Moves the tables.

    seal: the keys as they are to be kept there, by name; asked for while nobody writes. progress:
    called with the rows copied so far. Raises `ConfigurationError` where there is something at the
    address already, and `StoreUnavailable`.
    """
    try:
        with opened(database) as source, connect(address, patient=True) as target:
            target.deadline = float("inf")
            begun(database).touch(mode=0o600)
            try:
                with noting(source, TABLES):
                    return _Move(source, target, progress).run(address, seal)
            finally:
                if not moved_to(database):
                    begun(database).unlink()
    except psycopg.Error as why:
        raise StoreUnavailable(said_of(why)) from why


def require_alone(connection: Connection, doing: str) -> None:
    """Has this connection be the only one of its schema that does it, until it ends. Raises
    `ConfigurationError` where another one does: each would undo what the other has begun."""
    if connection.execute(_ALONE, (doing,)).fetchone() != (True,):
        raise ConfigurationError("Wait: another `counterfoil store migrate` is under way there.")


@contextmanager
def noting(source: sqlite3.Connection, tables: Sequence[Table]) -> Iterator[None]:
    """Triggers note what changes, in whatever process."""
    _forget(source)
    source.execute("BEGIN IMMEDIATE")
    source.execute(f"CREATE TABLE {NOTES} (number INTEGER PRIMARY KEY, place TEXT, key)")
    for table in tables:
        for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            name = f"{NOTES}_{table.name}_{event}"
            source.execute(
                f"CREATE TRIGGER {name} AFTER {event} ON {table.name} BEGIN INSERT INTO {NOTES}"
                f" (place, key) VALUES ('{table.name}', {row}.{table.key}); END"
            )
    source.execute("COMMIT")
    try:
        yield
    finally:
        _forget(source)


def _forget(source: sqlite3.Connection) -> None:
    if source.in_transaction:
        source.execute("ROLLBACK")
    source.execute("BEGIN IMMEDIATE")
    sql = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE ?"
    for (name,) in source.execute(sql, (f"{NOTES}%",)).fetchall():
        source.execute(f"DROP TRIGGER {name}")
    source.execute(f"DROP TABLE IF EXISTS {NOTES}")
    source.execute("COMMIT")


class _Move:
    def __init__(self, source: sqlite3.Connection, target: Connection, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._copied = 0
        self._columns = {table: self._columns_of(table.name) for table in TABLES}

    def run(self, address: str, seal: Callable[[], Sequence[tuple[str, bytes]]]) -> Moved:
        self._require_empty()
        for table in TABLES:
            self._copy(table)
        for _ in range(TRIES):
            while self._catch_up() > FEW:
                pass
            locked = self._switch(address, seal)
            if locked is not None:
                return Moved(self._copied, locked)
        raise StoreUnavailable(
            "Too much changes here to be copied within the 2 s for which others may wait; nothing"
            " was moved. Try again when less is going on."
        )

    def _require_empty(self) -> None:
        """What an earlier move has left there, that came to no end, is removed."""
        target = self._target
        require_alone(target, "arriving")
        [(is_left,)] = target.execute(f"SELECT to_regclass('{_ARRIVING}') IS NOT NULL").fetchall()
        with target.transaction():
            if is_left:
                target.execute(f"TRUNCATE {', '.join(table.name for table in TABLES)}")
            else:
                target.execute(f"CREATE TABLE {_ARRIVING} ()")
            for table in TABLES:
                if target.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone() is not None:
                    raise ConfigurationError(
                        "Name a database, or a schema, in which Counterfoil keeps nothing yet."
                    )

    def _columns_of(self, name: str) -> list[str]:
        return [row[1] for row in self._source.execute(f"PRAGMA table_info({name})")]

    def _copy(self, table: Table) -> None:
        columns, where, values = ", ".join(self._columns[table]), "", ()
        place = self._columns[table].index(table.key)
        while True:
            sql = f"SELECT {columns} FROM {table.name} {where} ORDER BY {table.key} LIMIT {PAGE}"
            rows = self._source.execute(sql, values).fetchall()
            if not rows:
                return
            self._put(table, rows)
            where, values = f"WHERE {table.key} > ?", (rows[-1][place],)  # type: ignore[assignment] # of whatever type

    def _put(self, table: Table, rows: Sequence[Any]) -> None:
        columns = self._columns[table]
        marks = ", ".join(["%s"] * len(columns))
        changed = ", ".join(f"{each} = excluded.{each}" for each in columns)
        sql = (
            f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"
            f" ON CONFLICT ({table.key}) DO UPDATE SET {changed}"
        )
        with self._target.transaction():
            self._target.cursor().executemany(sql, rows)
        self._copied += len(rows)
        self._progress(self._copied)

    def _catch_up(self) -> int:
        """Copies what was noted; how much that was."""
        source = self._source
        [(last, count)] = source.execute(f"SELECT max(number), count(*) FROM {NOTES}").fetchall()
        for table in TABLES:
            sql = f"SELECT DISTINCT key FROM {NOTES} WHERE place = ? AND number <= ?"
            keys = [key for (key,) in source.execute(sql, (table.name, last))]
            for start in range(0, len(keys), PAGE):
                self._copy_again(table, keys[start : start + PAGE])
        if count:
            source.execute(f"DELETE FROM {NOTES} WHERE number <= ?", (last,))
        return int(count)

    def _copy_again(self, table: Table, keys: list[Any]) -> None:
        columns = self._columns[table]
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT {', '.join(columns)} FROM {table.name} WHERE {table.key} IN ({marks})"
        rows = self._source.execute(sql, keys).fetchall()
        place = columns.index(table.key)
        gone = set(keys) - {row[place] for row in rows}
        for key in gone:
            self._target.execute(f"DELETE FROM {table.name} WHERE {table.key} = %s", (key,))
        if rows:
            self._put(table, rows)

    def _switch(
        self, address: str, seal: Callable[[], Sequence[tuple[str, bytes]]]
    ) -> float | None:
        """The moment in which nobody writes: its seconds, or None where it would be too long."""
        source, target = self._source, self._target
        source.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        target.deadline = began + LOCKED_WITHIN
        try:
            self._catch_up()
            feed = source.execute("SELECT epoch, number, directory FROM cf_feed").fetchone()
            with target.transaction():
                target.execute("UPDATE cf_feed SET epoch = %s, number = %s, directory = %s", feed)
                for name in _COUNTED:
                    target.execute(
                        f"SELECT setval(pg_get_serial_sequence('{name}', 'number'),"
                        f" (SELECT greatest(max(number), 1) FROM {name}))"
                    )
                for name, sealed in seal():
                    target.execute(
                        "INSERT INTO cf_keys (name, version, sealed) VALUES (%s, 1, %s)"
                        " ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed,"
                        " version = cf_keys.version + 1",
                        (name, sealed),
                    )
            if time.monotonic() - began > LOCKED_WITHIN:
                return None
            self._rename(address)
            source.execute("COMMIT")
        except psycopg.errors.OperationalError:
            if target.closed:
                raise
            return None
        finally:
            if source.in_transaction:
                source.execute("ROLLBACK")
            target.deadline = float("inf")
        locked = time.monotonic() - began
        target.execute(f"DROP TABLE {_ARRIVING}")
        return locked

    def _rename(self, address: str) -> None:
        for name in (*(table.name for table in TABLES), *_LEFT):
            self._source.execute(f"ALTER TABLE {name} RENAME TO {name}_moved")
        self._source.execute(f"CREATE TABLE {MARK} (address TEXT NOT NULL)")
        self._source.execute(f"INSERT INTO {MARK} VALUES (?)", (address,))
