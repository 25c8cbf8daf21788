"""Whether those who ask wait for the sweep: look-ups and writes among a million sessions, half of
which have expired, without it and while it runs."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import psycopg
import uvloop

from bench.feed.findings import Aim, Finding, figure, quantile, spread
from bench.feed.machine import Disturbance
from counterfoil import PostgresStore, SqliteStore
from counterfoil.drive import drive
from counterfoil.ports import Commit
from counterfoil.server.sweeping import BITE, PAUSE
from counterfoil.stores.statements.records import SESSION, micros
from counterfoil.testing.records import a_session
from engines.postgres import postgres_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from counterfoil.stores.rows import Transaction

    Store = PostgresStore | SqliteStore

CHAPTER: Final = "sweep"
WHAT: Final = "milliseconds that who asks is late, among {:,} sessions, half of them expired"
READERS: Final = 8
LOOK_UPS: Final = 100.0  # a second, of each reader
WRITES: Final = 20.0  # a second
QUICKEST: Final = 1_000  # sessions in one transaction: as many as the store takes by default
MOST: Final = 3.0
_SERIES: Final = {
    "sqlite": "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series"
    " WHERE n < ?) SELECT n FROM series",
    "postgres": "SELECT n FROM generate_series(1, CAST(? AS bigint)) AS n",
}


def found(names: list[str], *, is_quick: bool, begins: Callable[[str], None]) -> Iterator[Finding]:
    """What the parts of these names find; the chapter's own name stands for both."""
    for name, opened in _STORES.items():
        if name in names or CHAPTER in names:
            begins(name)
            sessions = 20_000 if is_quick else 1_000_000
            with (
                opened(sessions) as store,
                asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
            ):
                yield runner.run(_measured(name, store, sessions, is_quick=is_quick))


@contextmanager
def _sqlite(sessions: int) -> Iterator[Store]:
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as place:
        store = SqliteStore(Path(place) / "app.db")
        _fill(store, sessions)
        with closing(sqlite3.connect(store.path)) as console:
            console.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        yield store
        drive(store.close())


@contextmanager
def _postgres(sessions: int) -> Iterator[Store]:
    with postgres_server() as server:
        store = PostgresStore(server.url)
        _fill(store, sessions)
        with psycopg.connect(server.url, autocommit=True) as console:
            console.execute("VACUUM ANALYZE cf_sessions")
            console.execute("CHECKPOINT")
        yield store
        drive(store.close())


_STORES: Final = {"sweep-sqlite": _sqlite, "sweep-postgres": _postgres}
NAMES: Final = (CHAPTER, *_STORES)


@dataclass(slots=True)
class _Load:
    """Those who ask, at their own pace, whether they are answered or not. Seconds that each was
    late."""

    store: Store
    sessions: int
    look_ups: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)

    async def during(self, work: Awaitable[object]) -> None:
        asking = [
            self._every(1 / LOOK_UPS, self._look_up(n), self.look_ups) for n in range(READERS)
        ]
        asking.append(self._every(1 / WRITES, self._write, self.writes))
        tasks = [asyncio.ensure_future(each) for each in asking]
        await work
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def _every(
        self, seconds: float, ask: Callable[[], Awaitable[object]], took: list[float]
    ) -> None:
        due = perf_counter()
        while True:
            await asyncio.sleep(max(0.0, due - perf_counter()))
            await ask()
            took.append(perf_counter() - due)
            due += seconds

    def _look_up(self, reader: int) -> Callable[[], Awaitable[object]]:
        """Of sessions that live, which are the odd ones, one here and one there."""
        numbers = count(reader * 7_919)

        async def ask() -> None:
            number = next(numbers) * 611_953 % self.sessions | 1
            if await self.store.look_up(f"s-{number}") is None:
                raise LookupError(number)

        return ask

    async def _write(self) -> None:
        name = f"new-{next(_new)}"
        session = replace(_living(), id=name, subject=name)
        if not await self.store.commit(Commit(sessions=(session,))):
            raise LookupError(name)


_new: Final = count()


async def _measured(name: str, store: Store, sessions: int, *, is_quick: bool) -> Finding:
    seconds, rounds = (0.5, 1) if is_quick else (8.0, 3)
    await _Load(store, sessions).during(asyncio.sleep(seconds / 4))
    disturbance = Disturbance()
    share = sessions // 2 // rounds
    kinds = ("no sweep", "as the server sweeps", "as quickly as can be")
    loads: dict[str, list[_Load]] = {kind: [] for kind in kinds}
    swept = dict.fromkeys(kinds, 0)
    for _ in range(rounds):
        works = (
            asyncio.sleep(seconds, 0),
            _sweep(store, BITE, PAUSE, within=seconds, most=share // 4),
            _sweep(store, QUICKEST, 0.0, within=seconds, most=share * 3 // 4),
        )
        for kind, work in zip(kinds, works, strict=True):
            load = _Load(store, sessions)
            doing = asyncio.ensure_future(work)
            await load.during(doing)
            loads[kind].append(load)
            swept[kind] += doing.result()
    return _finding(name, sessions, loads, swept, disturbance.share())


async def _sweep(store: Store, bite: int, pause: float, *, within: float, most: int) -> int:
    """How many were forgotten."""
    swept, until = 0, perf_counter() + within
    while perf_counter() < until and swept < most:
        found = await store.sweep(now=datetime.now(UTC), limit=bite)
        if not found:
            break
        swept += found
        await asyncio.sleep(pause)
    return swept


def _finding(
    name: str,
    sessions: int,
    loads: dict[str, list[_Load]],
    swept: dict[str, int],
    others: float | None,
) -> Finding:
    lines = [f"{'':32}{'p50':>9}{'p99':>9}{'worst':>9}{'swept':>10}"]
    figures: dict[str, Any] = {}
    for kind, rounds in loads.items():
        for what in ("look_ups", "writes"):
            took = [each for load in rounds for each in getattr(load, what)]
            told = f"{what.replace('_', '-')}, {kind}"
            lines.append(f"{told:32}{spread(took)}{swept[kind]:>10,}")
            figures[told] = {share: quantile(took, share) for share in (0.5, 0.99, 1.0)}
    aims = []
    [quiet, *loud] = loads.values()
    for kind, rounds in zip([*loads][1:], loud, strict=True):
        ratios = [
            quantile(load.look_ups, 0.99) / quantile(still.look_ups, 0.99)
            for load, still in zip(rounds, quiet, strict=True)
        ]
        lines.append(f"look-ups' p99, {kind}: {figure(sorted(ratios)[len(ratios) // 2])} times")
        aims.append(Aim(f"look-ups' p99 to that without, {kind}", MOST, ratios))
    return Finding(name, WHAT.format(sessions), lines, {**figures, "swept": swept}, aims, others)


def _living() -> Any:
    now = datetime.now(UTC)
    return a_session(
        "first", created_at=now, auth_time=now, last_seen_at=now, absolute_end=now + timedelta(30)
    )


def _fill(store: Store, sessions: int) -> None:
    """Every second one has expired, since less than a day."""
    drive(store.blocking().commit(Commit(sessions=(_living(),))))
    now = micros(datetime.now(UTC))
    ends = f"CASE WHEN n = 2 * (n / 2) THEN {now} - n * 8000 ELSE absolute_end - n END"
    own = {"id": "'s-' || n", "subject": "'user-' || n", "absolute_end": ends}
    columns = [column.strip() for column in SESSION.split(",")]
    chosen = ", ".join(own.get(column, column) for column in columns)

    async def fill(transaction: Transaction) -> None:
        series = _SERIES[store.rows.dialect]
        await transaction.run(
            f"INSERT INTO cf_sessions ({SESSION}) SELECT {chosen}"  # noqa: S608 - of our own words
            f" FROM ({series}) AS numbers, cf_sessions WHERE id = 'first'",
            (sessions,),
        )

    drive(store.blocking().rows.transaction(fill, patient=True))
