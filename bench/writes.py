"""Writes to SQLite that have reached the disk: sessions opened, refreshed, revoked."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, contextmanager
from itertools import count as counting
from time import perf_counter
from typing import TYPE_CHECKING, Final

from bench.engines import ISSUER, on_disk
from bench.measuring import Case, Contender, calls
from counterfoil import Counterfoil, SessionStrategy
from counterfoil.server.operations.counted_store import CountedStore
from counterfoil.server.operations.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from counterfoil import Opened

    Work = Callable[[Counterfoil, Opened], Awaitable[object]]

AT_ONCE: Final = 64
MOST: Final = 256  # sessions that are opened beforehand for one round
WORKS: Final[Mapping[str, Work]] = {
    "open": lambda auth, _: _open(auth),
    "refresh": lambda auth, opened: auth.refresh(opened.credential.token),
    "revoke": lambda auth, opened: auth.revoke(opened.session.id),
}
_people = counting()


@contextmanager
def writes(place: Path) -> Iterator[Case]:
    with (
        on_disk(place, strategy=SessionStrategy()) as (auth, runner),
        closing(_raw(place / "raw.db")) as raw,
    ):
        floor = Contender("one row, committed (floor)", calls(lambda: _write(raw)))
        yield Case("sessions in SQLite, written durably", [floor, *works(runner, auth)])


def works(runner: asyncio.Runner, auth: Counterfoil) -> Iterator[Contender]:
    """All that is written of sessions, one at a time and many at once."""
    for name, work in WORKS.items():
        costs = {"store calls": runner.run(_store_calls(auth, work))}
        for at_once in (1, AT_ONCE):
            told = f"{name}, {at_once} at once" if at_once > 1 else name
            measure = _measured(runner, auth, work, at_once)
            yield Contender(told, measure, MOST // at_once, at_once, costs)


def _measured(
    runner: asyncio.Runner, auth: Counterfoil, work: Work, at_once: int
) -> Callable[[int], float]:
    async def measured(times: int) -> float:
        opened = await _opened(auth, times * at_once)
        began = perf_counter()
        if at_once == 1:
            for each in opened:
                await work(auth, each)
        else:
            for first in range(0, len(opened), at_once):
                await asyncio.gather(
                    *(work(auth, each) for each in opened[first : first + at_once])
                )
        return perf_counter() - began

    return lambda times: runner.run(measured(times))


async def _opened(auth: Counterfoil, count: int) -> list[Opened]:
    opened: list[Opened] = []
    while len(opened) < count:
        wanted = min(AT_ONCE, count - len(opened))
        opened += await asyncio.gather(*(_open(auth) for _ in range(wanted)))
    return opened


def _open(auth: Counterfoil) -> Awaitable[Opened]:
    """Each of another person: commits about the same one would have to be decided again."""
    return auth.open(f"user-{next(_people)}")


async def _store_calls(auth: Counterfoil, work: Work) -> float:
    metrics = Metrics()
    counting_auth = Counterfoil(
        issuer=ISSUER,
        store=CountedStore(auth.store, metrics),
        keys=auth.keys,
        strategy=SessionStrategy(),
    )
    opened = await _open(counting_auth)
    before = _counted(metrics)
    await work(counting_auth, opened)
    return _counted(metrics) - before


def _counted(metrics: Metrics) -> float:
    samples = (each for family in metrics.registry.collect() for each in family.samples)
    return sum(
        float(each.value) for each in samples if each.name == "counterfoil_store_calls_total"
    )


def _raw(path: Path) -> sqlite3.Connection:
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, number INTEGER NOT NULL) STRICT")
    raw.execute("INSERT INTO rows VALUES (1, 0)")
    return raw


def _write(raw: sqlite3.Connection) -> None:
    raw.execute("BEGIN IMMEDIATE")
    raw.execute("UPDATE rows SET number = number + 1 WHERE id = 1")
    raw.execute("COMMIT")
