"""One SQLite file as one process sees it: its connections, its writer, and what a fork does.

SQLite must not meet its own memory in a forked child: its locks belong to the parent, and a child
that closes an inherited connection can remove the log under the parent. So every connection is
closed before a fork, and parent and child open new ones when they next need them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
import weakref
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.stores.folder_watch import FolderWatch
from counterfoil.stores.sqlite_file import OpenedFile, cannot_open, create
from counterfoil.stores.sqlite_writer import SqliteTransaction, Writer, is_busy, is_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path
    from typing import Any

    from counterfoil.stores.rows import Reading, Row, Values

T = TypeVar("T")
PATIENCE: Final = 5.0  # seconds that a write waits for another process's
RETRY_AFTER: Final = timedelta(seconds=1)
_log = logging.getLogger("counterfoil.sqlite")


class _Reader:
    """One thread's connection. `lock`: held while it is in use, against a fork meanwhile."""

    __slots__ = ("__weakref__", "connection", "lock", "pid")

    def __init__(self) -> None:
        self.connection: sqlite3.Connection | None = None
        self.lock = threading.Lock()
        self.pid = os.getpid()

    def disconnect(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def __del__(self) -> None:
        if self.pid == os.getpid():
            self.disconnect()
        else:
            _not_ours.append(self.connection)


class Database:
    """Reads on the calling thread, one connection each; writes in one thread (`writer`).

    Raises `ConfigurationError` when the file cannot be opened or is no database.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.closed = False
        self._logged = float("-inf")
        self._hinters = 0
        create(path)
        self._begin_anew()
        self.file = self._prepare()
        with _forking:
            _open_databases.add(self)

    @property
    def waiting(self) -> int:
        """How many transactions wait for the writer."""
        return self.writer.waiting

    def one(self, sql: str, values: Values = ()) -> Row | None:
        self.file.require_same_lately()
        reader = self._reader()
        with reader.lock:
            try:
                connection = reader.connection or self._open(reader)
                row: Row | None = connection.execute(sql, values).fetchone()
            except sqlite3.DatabaseError as why:
                raise self._failed(reader, why) from why
        return row

    def all(self, sql: str, values: Values = ()) -> list[Row]:
        self.file.require_same_lately()
        reader = self._reader()
        with reader.lock:
            try:
                connection = reader.connection or self._open(reader)
                return connection.execute(sql, values).fetchall()
            except sqlite3.DatabaseError as why:
                raise self._failed(reader, why) from why

    def snapshot(self, body: Callable[[Reading], Coroutine[Any, Any, T]]) -> T:
        self.file.require_same_lately()
        reader = self._reader()
        with reader.lock:
            try:
                connection = reader.connection or self._open(reader)
                connection.execute("BEGIN")
                try:
                    return drive(body(SqliteTransaction(connection)))
                finally:
                    connection.execute("ROLLBACK")
            except sqlite3.DatabaseError as why:
                raise self._failed(reader, why) from why

    def hint(self) -> tuple[int, int]:
        """What SQLite counts on one connection as others commit, and which connection it was: what
        two of them counted is no comparison. It takes the lock of a read for a moment (6 µs)."""
        self.file.require_same()
        hinter = self._hinter
        with hinter.lock:
            try:
                if hinter.connection is None:
                    self._hinters += 1
                connection = hinter.connection or self._open(hinter)
                [(version,)] = connection.execute("PRAGMA data_version")
            except sqlite3.DatabaseError as why:
                raise self._failed(hinter, why) from why
        return self._hinters, version

    def wait(self, seconds: float) -> bool:
        """Until somebody writes to the database's log, or for so long."""
        watch: FolderWatch | None = getattr(self._own, "watch", None)
        if watch is None:
            watch = self._own.watch = FolderWatch(self.path.parent)
        return watch.wait(seconds)

    def connect(self, *, durable: bool = True) -> sqlite3.Connection:
        """A connection for the writer; what it commits is durable, or safe but perhaps late."""
        connection = self._connect_to_same(busy_timeout=0)
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        return connection

    def unavailable(self, why: BaseException) -> StoreUnavailable:
        """The error for callers; the log learns SQLite's word for it, once a second at most."""
        name = getattr(why, "sqlite_errorname", type(why).__name__)
        said = why.detail if isinstance(why, StoreUnavailable) else f"SQLite says {name}."
        if time.monotonic() - self._logged > 1:
            self._logged = time.monotonic()
            _log.warning("SQLite does not answer: %s", said)
        return StoreUnavailable(said, retry_after=RETRY_AFTER)

    def close(self) -> None:
        self.writer.close()
        self.closed = True
        with self._held_readers():
            pass

    @contextlib.contextmanager
    def let_go(self) -> Iterator[None]:
        """No connection is open meanwhile."""
        with self.writer.gate, self._held_readers():
            self.writer.disconnect()
            yield

    def start_in_child(self) -> None:
        """The parent's threads and queue are not here, and its connections are not ours to close:
        they are open only where the fork went unannounced (uWSGI), and then are left as they are.
        """
        _not_ours.append(self.writer)
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.writer = Writer(self, PATIENCE)
        self._own = threading.local()
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._opening = threading.Lock()
        self._hinter = _Reader()
        self._readers.add(self._hinter)

    def _reader(self) -> _Reader:
        try:
            reader: _Reader = self._own.reader
        except AttributeError:
            reader = self._own.reader = _Reader()
            with self._opening:
                self._readers.add(reader)
        return reader

    def _failed(self, reader: _Reader, why: sqlite3.DatabaseError) -> Exception:
        if not is_unavailable(why):
            return why
        with contextlib.suppress(sqlite3.Error):
            reader.disconnect()  # the next call may find it mended
        return self.unavailable(why)

    def _open(self, reader: _Reader) -> sqlite3.Connection:
        connection = self._connect_to_same(busy_timeout=PATIENCE)
        connection.execute("PRAGMA query_only = ON")
        reader.connection = connection
        return connection

    def _connect_to_same(self, *, busy_timeout: float) -> sqlite3.Connection:
        """To the same file. Another one at its path would be read with this one's log, and could
        reset that under whoever still reads it."""
        connection = self._connect(busy_timeout=busy_timeout)
        try:
            self.file.require_same()
        except StoreUnavailable:
            connection.close()  # it has read nothing yet
            raise
        return connection

    def _connect(self, *, busy_timeout: float) -> sqlite3.Connection:
        if self.closed:
            raise StoreUnavailable("The store is closed.")
        # Each connection is used under a lock, and closed by whatever thread forks or closes.
        connection = sqlite3.connect(
            self.path,
            timeout=busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone does not reach the disk
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        return connection

    @contextlib.contextmanager
    def _held_readers(self) -> Iterator[None]:
        with self._opening, contextlib.ExitStack() as held:
            for reader in list(self._readers):
                held.enter_context(reader.lock)
                reader.disconnect()
            yield

    def _prepare(self) -> OpenedFile:
        give_up = time.monotonic() + 2 * PATIENCE
        while True:
            try:
                with contextlib.closing(self._connect(busy_timeout=PATIENCE)) as connection:
                    _prepare(connection, self.path)
                    return OpenedFile(self.path)
            except sqlite3.DatabaseError as why:
                # Changing to WAL does not wait its turn when two processes start at once.
                if not is_busy(why):
                    raise cannot_open(self.path, why) from why
                if time.monotonic() > give_up:
                    raise self.unavailable(why) from why
                time.sleep(0.01)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        connection.execute("PRAGMA journal_mode = WAL")
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        raise ConfigurationError(f"Put {path} on a file system where SQLite can keep a WAL.")
    connection.execute("BEGIN IMMEDIATE")  # fails here where nothing could be written later
    connection.execute(
        "CREATE TABLE IF NOT EXISTS cf_migrations (component TEXT NOT NULL, number INTEGER"
        " NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY (component, number)) STRICT"
    )
    connection.execute("COMMIT")


_open_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_forking = threading.Lock()
_held = contextlib.ExitStack()
_not_ours: list[object] = []


def _before_fork() -> None:
    _forking.acquire()
    for database in list(_open_databases):
        _held.enter_context(database.let_go())


def _after_fork_in_parent() -> None:
    _held.close()
    _forking.release()


def _after_fork_in_child() -> None:
    global _forking  # noqa: PLW0603 - where the fork went unannounced, another thread may hold it
    _held.close()
    _forking = threading.Lock()
    for database in list(_open_databases):
        database.start_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
