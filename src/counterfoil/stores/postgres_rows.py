"""The two faces of one PostgreSQL database: for an event loop, and for threads without one.

Both hand what is to be done to the threads of a lane, and wait for it in their own way.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from counterfoil.drive import drive
from counterfoil.stores.faces import BlockingFace, SuspendingFace
from counterfoil.stores.lanes import Job
from counterfoil.stores.postgres_connection import PATIENCE, begin, commit, roll_back

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from psycopg import Cursor

    from counterfoil.stores.place import LaneName
    from counterfoil.stores.postgres_connection import Connection
    from counterfoil.stores.postgres_database import Database
    from counterfoil.stores.rows import Reading, Row, Transaction, Values

T = TypeVar("T")
_AT_ONE_MOMENT: Final = "ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Of a table that an application keeps in the same schema nothing is locked, whatever its name.
_LOCK: Final = (
    "SELECT pg_advisory_xact_lock{}(hashtextextended('counterfoil ' || current_schema() || ' ' ||"
    " name, 0)) FROM unnest(CAST(? AS text[])) AS name"
)


class BlockingPostgresRows(BlockingFace):
    """Waits in the calling thread; never suspends."""

    dialect = "postgres"

    def __init__(self, database: Database, lane: LaneName) -> None:
        super().__init__(database)
        self.database = database
        self._lane = lane

    def hint(self) -> object:
        return self.database.hint()

    def wait(self, hint: object, seconds: float) -> bool:
        del hint  # what was heard since the last wait has not been forgotten
        return self.database.wait(seconds)

    async def one(self, sql: str, values: Values = ()) -> Row | None:
        text = statement(sql)
        return await self._do(lambda connection: connection.execute(text, values).fetchone())

    async def all(self, sql: str, values: Values = ()) -> list[Row]:
        text = statement(sql)
        return await self._do(lambda connection: connection.execute(text, values).fetchall())

    async def snapshot(self, body: Callable[[Reading], Coroutine[Any, Any, T]]) -> T:
        return await self._do(
            lambda connection: _transact(
                connection, lambda: body(PostgresReading(connection)), _AT_ONE_MOMENT
            )
        )

    async def transaction(
        self,
        body: Callable[[Transaction], Coroutine[Any, Any, T]],
        *,
        durable: bool = True,
        patient: bool = False,
    ) -> T:
        def work(connection: Connection) -> T:
            done = _transact(
                connection,
                lambda: body(PostgresTransaction(connection, is_patient=patient)),
                "" if durable else "; SET LOCAL synchronous_commit = off",
            )
            self.database.stir()
            return done

        if patient:
            return await self.aside(partial(self.database.patiently, work))
        return await self._do(work)

    async def _do(self, work: Callable[[Connection], T]) -> T:
        done: T = await self.handed(self.database.lanes[self._lane], partial(Job, work=work))
        return done


class PostgresRows(SuspendingFace, BlockingPostgresRows):
    """Waits for a future, while its loop serves others."""


class PostgresReading:
    """Reads on one connection, in a transaction; never suspends."""

    __slots__ = ("_connection", "_is_patient")

    def __init__(self, connection: Connection, *, is_patient: bool = False) -> None:
        self._connection = connection
        self._is_patient = is_patient

    async def one(self, sql: str, values: Values = ()) -> Row | None:
        return self._execute(sql, values).fetchone()

    async def all(self, sql: str, values: Values = ()) -> list[Row]:
        return self._execute(sql, values).fetchall()

    def _execute(self, sql: str, values: Any) -> Cursor[Row]:
        if not self._is_patient:
            self._connection.allow(PATIENCE + 1)
        return self._connection.execute(statement(sql), values)


class PostgresTransaction(PostgresReading):
    """A transaction on one connection."""

    __slots__ = ()

    async def lock(self, *names: str, shared: bool = False) -> None:
        if names:
            self._execute(_LOCK.format("_shared" if shared else ""), (sorted(names),))

    async def run(self, sql: str, values: Values = ()) -> int:
        return int(self._execute(sql, values).rowcount)

    async def run_many(self, sql: str, rows: Iterable[Values]) -> None:
        many = list(rows)
        if many:
            self._connection.cursor().executemany(statement(sql), many)


@lru_cache(maxsize=512)
def statement(sql: str) -> str:
    return sql.replace("?", "%s")


def _transact(
    connection: Connection, body: Callable[[], Coroutine[Any, Any, T]], how: str = ""
) -> T:
    begin(connection, how)
    try:
        value = drive(body())
    except BaseException:
        roll_back(connection)
        raise
    commit(connection)
    return value
