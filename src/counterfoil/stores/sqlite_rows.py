"""The two faces of one SQLite database: for an event loop, and for threads without one."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from counterfoil.stores.sqlite_writer import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from counterfoil.stores.rows import Reading, Row, Transaction, Values
    from counterfoil.stores.sqlite_database import Database

T = TypeVar("T")


class BlockingSqliteRows:
    """Waits in the calling thread; never suspends."""

    dialect = "sqlite"
    suspends = False
    waits_aside = False  # a read costs less than handing it to a thread

    def __init__(self, database: Database) -> None:
        self.database = database

    async def aside(self, step: Callable[[], T]) -> T:
        return step()

    def hint(self) -> object:
        return self.database.hint()

    def wait(self, hint: object, seconds: float) -> bool:
        del hint  # what was written since the last wait has not been forgotten
        return self.database.wait(seconds)

    async def one(self, sql: str, values: Values = ()) -> Row | None:
        return self.database.one(sql, values)

    async def all(self, sql: str, values: Values = ()) -> list[Row]:
        return self.database.all(sql, values)

    async def snapshot(self, body: Callable[[Reading], Coroutine[Any, Any, T]]) -> T:
        return self.database.snapshot(body)

    async def transaction(
        self,
        body: Callable[[Transaction], Coroutine[Any, Any, T]],
        *,
        durable: bool = True,
        patient: bool = False,
    ) -> T:
        del patient  # nothing here ends one that takes long
        future: Future[T] = Future()
        self.database.writer.submit(Job(body=body, durable=durable, future=future))
        return future.result()


class SqliteRows(BlockingSqliteRows):
    """Reads on the loop, where one costs less than handing it to a thread; waits for writes."""

    suspends = True

    async def transaction(
        self,
        body: Callable[[Transaction], Coroutine[Any, Any, T]],
        *,
        durable: bool = True,
        patient: bool = False,
    ) -> T:
        del patient  # nothing here ends one that takes long
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self.database.writer.submit(Job(body=body, durable=durable, future=future, loop=loop))
        return await future
