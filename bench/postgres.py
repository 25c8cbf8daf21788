"""Look-ups of sessions in PostgreSQL: one at a time, and many at once, against a pool's."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import psycopg
import uvloop

from bench.measuring import Case, Contender, awaits
from counterfoil.drive import drive
from counterfoil.ports import Commit
from counterfoil.stores.postgres import PostgresStore
from counterfoil.stores.statements.sessions import LOOK_UP
from counterfoil.testing.records import a_session
from engines.postgres import postgres_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    Ask = Callable[[str], Awaitable[Any]]

AT_ONCE: Final = 32
POOL: Final = 8
SESSIONS: Final = 1_000
_SQL: Final = LOOK_UP.replace("?", "%s")


@contextmanager
def postgres(_: Path) -> Iterator[Case]:
    """The floor is a statement by hand, awaited on a connection of its own; the peer a pool of
    them, as an application would have."""
    with ExitStack() as kept:
        server = kept.enter_context(postgres_server())
        store = PostgresStore(server.url)
        _fill(store)
        runner = kept.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        kept.callback(lambda: runner.run(store.close()))
        lines = [runner.run(_connected(server.url)) for _ in range(POOL)]
        kept.callback(lambda: [runner.run(line.close()) for line in lines])
        free = runner.run(_queue(lines))
        names = _Names()

        async def by_pool(session_id: str) -> None:
            line = await free.get()
            try:
                await _select(line, session_id)
            finally:
                free.put_nowait(line)

        async def by_hand() -> None:
            await _select(lines[0], names())

        async def by_store() -> None:
            await store.look_up(names())

        yield Case(
            "a session in PostgreSQL, looked up",
            [
                Contender("SELECT on one connection (floor)", awaits(runner, by_hand)),
                Contender("PostgresStore.look_up", awaits(runner, by_store)),
                _many(f"a pool of {POOL}, {AT_ONCE} at once", runner, by_pool, names),
                _many(f"PostgresStore, {AT_ONCE} at once", runner, store.look_up, names),
            ],
        )


class _Names:
    """One session after the other."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self) -> str:
        self._number = (self._number + 7) % SESSIONS
        return f"s-{self._number}"


def _many(name: str, runner: asyncio.Runner, ask: Ask, names: _Names) -> Contender:
    async def measured(times: int) -> float:
        async def work() -> None:
            for _ in range(times):
                await ask(names())

        began = perf_counter()
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return perf_counter() - began

    return Contender(name, lambda times: runner.run(measured(times)), pieces=AT_ONCE)


def _fill(store: PostgresStore) -> None:
    first = a_session()
    for number in range(SESSIONS):
        session = replace(first, id=f"s-{number}", subject=f"user-{number}")
        drive(store.blocking().commit(Commit(sessions=(session,))))


async def _connected(url: str) -> psycopg.AsyncConnection[Any]:
    return await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=1)


async def _queue(lines: list[Any]) -> asyncio.Queue[psycopg.AsyncConnection[Any]]:
    free: asyncio.Queue[psycopg.AsyncConnection[Any]] = asyncio.Queue()
    for line in lines:
        free.put_nowait(line)
    return free


async def _select(line: psycopg.AsyncConnection[Any], session_id: str) -> None:
    row = await (await line.execute(_SQL, (session_id,))).fetchone()
    if row is None:
        raise LookupError(session_id)
