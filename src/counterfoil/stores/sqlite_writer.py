"""The one thread that writes to a database: what has gathered is committed together.

A commit that must survive a power cut costs a wait for the disk. All who came during the last
wait share the next one, each in a savepoint of its own.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Protocol

from counterfoil.drive import drive
from counterfoil.errors import StoreUnavailable
from counterfoil.stores.waiting import Waiter, settle
from counterfoil.threads import begun

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from counterfoil.stores.rows import Row, Transaction, Values
    from counterfoil.stores.sqlite_file import OpenedFile

TOGETHER: Final = 500  # a batch is no larger, so that the first in it does not wait for long
_PAUSE: Final = 0.0005

# Mistakes in the program, which reach the caller; for all else the database is to blame.
MISTAKES: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)


class SqliteReading:
    """Reads on one connection; never suspends."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def one(self, sql: str, values: Values = ()) -> Row | None:
        row: Row | None = self._connection.execute(sql, values).fetchone()
        return row

    async def all(self, sql: str, values: Values = ()) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()


class SqliteTransaction(SqliteReading):
    """A transaction on one connection. SQLite lets one of them write at a time."""

    __slots__ = ()

    async def lock(self, *names: str, shared: bool = False) -> None:
        del names, shared

    async def run(self, sql: str, values: Values = ()) -> int:
        return self._connection.execute(sql, values).rowcount

    async def run_many(self, sql: str, rows: Iterable[Values]) -> None:
        self._connection.executemany(sql, rows)


@dataclass(slots=True, kw_only=True, eq=False)
class Job(Waiter):
    """A transaction to be."""

    body: Callable[[Transaction], Coroutine[Any, Any, Any]]
    durable: bool


class Place(Protocol):
    """The database, as its writer knows it."""

    file: OpenedFile

    def connect(self, *, durable: bool) -> sqlite3.Connection: ...
    def unavailable(self, why: BaseException) -> StoreUnavailable: ...


class Writer:
    """Runs jobs in the order they come. Its thread starts with the first."""

    def __init__(self, place: Place, patience: float) -> None:
        self.gate = threading.Lock()  # held while a connection is in use
        self._place = place
        self._patience = patience
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._connections: dict[bool, sqlite3.Connection] = {}
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, job: Job) -> None:
        """Queues it. Raises `StoreUnavailable` when closed, `Overloaded` where there is no thread
        to do it."""
        with self._starting:
            if self._closed:
                raise StoreUnavailable("The store is closed.")
            if self._thread is None or not self._thread.is_alive():
                self._thread = begun(self._work, name="counterfoil-writer")
            self._jobs.put(job)

    @property
    def waiting(self) -> int:
        """How many transactions wait, about."""
        return self._jobs.qsize()

    def close(self) -> None:
        """Ends the thread when what is queued is done."""
        with self._starting:
            self._closed = True
            thread = self._thread
            self._jobs.put(None)
        if thread is not None:
            thread.join()
        with self.gate:
            self.disconnect()

    def disconnect(self) -> None:
        """Closes the connections; the next job opens new ones. Asks that `gate` is held."""
        while self._connections:
            _, connection = self._connections.popitem()
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _work(self) -> None:
        going_on = True
        while going_on:
            batch = [self._jobs.get()]
            while len(batch) < TOGETHER and not self._jobs.empty():
                batch.append(self._jobs.get())
            going_on = None not in batch
            jobs = [job for job in batch if job is not None]
            if jobs:
                with self.gate:
                    self._commit(jobs)
                settle(jobs)

    def _commit(self, jobs: list[Job]) -> None:
        try:
            self._place.file.require_same()
            connection = self._begin(durable=any(job.durable for job in jobs))
            for job in jobs:
                self._run(job, connection)
            connection.execute("COMMIT")
            # Committed to a file that has left its place is lost, and may not be acknowledged.
            self._place.file.require_same()
        except BaseException as why:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            # A refusal too may rest on what another job of this batch wrote: nobody knows now.
            for job in jobs:
                job.error = self._place.unavailable(why)
            self.disconnect()

    def _run(self, job: Job, connection: sqlite3.Connection) -> None:
        connection.execute("SAVEPOINT job")
        try:
            job.value = drive(job.body(SqliteTransaction(connection)))
        except BaseException as why:
            if not connection.in_transaction:
                raise  # a full or failing disk: SQLite has rolled back the others too
            job.error = self._place.unavailable(why) if is_unavailable(why) else why
            connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")

    def _begin(self, *, durable: bool) -> sqlite3.Connection:
        give_up = time.monotonic() + self._patience
        while True:
            try:
                if durable not in self._connections:
                    self._connections[durable] = self._place.connect(durable=durable)
                self._connections[durable].execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as why:
                # SQLite's own waiting backs off to 100 ms, and a busy neighbour would starve us.
                if not is_busy(why) or time.monotonic() > give_up:
                    raise
                time.sleep(_PAUSE * (1 + random.random()))  # noqa: S311 - no secret
            else:
                return self._connections[durable]


def is_busy(why: sqlite3.Error) -> bool:
    """Whether another connection is in the way."""
    return why.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def is_unavailable(why: BaseException) -> bool:
    """Whether the database could not answer, rather than was asked nonsense."""
    return isinstance(why, sqlite3.DatabaseError) and not isinstance(why, MISTAKES)
