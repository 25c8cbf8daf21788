"""Rows of an SQL database: the seam between SQL, which is written once, and the drivers.

SQL says `?` for a value, and values are `str`, `int`, `bytes` or None. No statement has a `?` or
`%` inside a literal, so a `Rows` over psycopg turns each `?` into `%s` by plain replacement, once
per text. Moments are whole microseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = tuple[Any, ...]
Value = str | int | bytes | None
Values = Sequence[Value]


class Reading(Protocol):
    """What both single reads and a snapshot offer."""

    async def one(self, sql: str, values: Values = ()) -> Row | None:
        """The first row, or None."""

    async def all(self, sql: str, values: Values = ()) -> list[Row]:
        """Every row."""


class Transaction(Reading, Protocol):
    """Reads and writes that become durable together; reads see the writes before them, and what
    others have committed before each of them: two reads may differ. A conditional write looks at
    the row as it is. Who decides by anything else that others may change meanwhile takes a lock.
    """

    async def lock(self, *names: str, shared: bool = False) -> None:
        """Waits until nobody else holds these names, and holds them to the end; `shared` lets
        others hold them too who share. Always in the same order, so that nobody waits in a ring.
        Where writers come one at a time anyway there is nothing to do."""

    async def run(self, sql: str, values: Values = ()) -> int:
        """How many rows it changed."""

    async def run_many(self, sql: str, rows: Iterable[Values]) -> None:
        """The statement once for each row of values."""


class Rows(Reading, Protocol):
    """One database. `one` and `all` read what was committed before the call began.

    Raises `StoreUnavailable` when the database cannot answer. A violated constraint raises the
    driver's own error: statements here say `ON CONFLICT`, so it is a mistake in the program.
    """

    @property
    def dialect(self) -> str:
        """Which SQL it speaks, as migrations name it: `sqlite` or `postgres`."""

    @property
    def suspends(self) -> bool:
        """Whether a call may really wait; one that never does can be driven without a loop."""

    @property
    def waits_aside(self) -> bool:
        """As `Store.waits_aside`."""

    async def aside(self, step: Callable[[], T]) -> T:
        """As `Store.aside`."""

    def hint(self) -> object:
        """Another value whenever something may have been committed since, as `Store.hint`."""

    def wait(self, hint: object, seconds: float) -> bool:
        """Until the hint may be another, as `Store.wait`."""

    async def snapshot(self, body: Callable[[Reading], Coroutine[Any, Any, T]]) -> T:
        """What `body` makes of several reads that see one moment."""

    async def transaction(
        self,
        body: Callable[[Transaction], Coroutine[Any, Any, T]],
        *,
        durable: bool = True,
        patient: bool = False,
    ) -> T:
        """What `body` answers, once all it wrote is durable; not waiting for that if `durable` is
        False. An exception from `body` undoes its writes, and only its, and reaches the caller.
        patient: it may take minutes, where others have to be over in seconds.

        `body` awaits nothing but its transaction: it may run in another thread, without a loop. It
        may be begun again, when it was in the way of another one and was undone.
        """
