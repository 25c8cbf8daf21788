"""Who follows the feed at one process of the server, and when that is written for the others."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil import SqliteStore
from counterfoil.client import Client
from counterfoil.clock import SystemClock
from counterfoil.errors import StoreUnavailable
from counterfoil.server.composition import TABLES
from counterfoil.server.tables.verifiers import VerifierRows
from counterfoil.server.verifiers import register as rules
from counterfoil.server.verifiers.register import VerifierRegister, silence_of
from counterfoil.status_change import Position
from counterfoil.status_feed import Question
from counterfoil.stores.migrations import migrate
from counterfoil.testing.clock import FrozenClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from counterfoil.clock import Clock

NONCE = "A" * 22
CLIENTS = {
    "quick": Client(client_id="quick", strategy="hybrid", max_staleness=timedelta(seconds=1)),
    "slow": Client(client_id="slow", strategy="hybrid", max_staleness=timedelta(seconds=7)),
    "far": Client(client_id="far", strategy="jwt", max_staleness=timedelta(seconds=60)),
}
SOON = 0.3  # seconds; in a writer's thread, on a machine with other things to do


class Written(VerifierRows):
    """Notes how many verifiers each write told of."""

    def __init__(self, store: Any) -> None:
        super().__init__(store.rows, store)
        self.writes: list[int] = []
        self.fails: list[bool] = []

    async def save(self, seen: Any, **more: Any) -> bool:
        if self.fails:
            raise StoreUnavailable
        self.writes.append(len([*seen]))
        return await super().save(seen, **more)


@pytest.fixture
async def rows(tmp_path: Path) -> AsyncIterator[Written]:
    store = SqliteStore(tmp_path / "counterfoil.db")
    await migrate(store.rows, component="server", package=TABLES)
    yield Written(store)
    await store.close()


def registered(rows: VerifierRows, clock: Clock | None = None) -> VerifierRegister:
    return VerifierRegister(rows, CLIENTS, clock or SystemClock())


@asynccontextmanager
async def keeping(register: VerifierRegister) -> AsyncIterator[None]:
    task = asyncio.create_task(register.keep())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def asked(process: str = "one", number: int | None = None) -> Question:
    position = None if number is None else Position("e", number)
    return Question(nonce=NONCE, position=position, verifier=process)


def poll(register: VerifierRegister, name: str | None, question: Question) -> None:
    with register.polling(name, question):
        pass


def test_who_is_silent_longer_than_any_bound_has_vanished() -> None:
    """The longest of the hybrid clients, and what a write may be late."""
    assert silence_of(CLIENTS) == timedelta(seconds=7 + 3)
    assert silence_of({}) == timedelta(seconds=10 + 3)


async def test_a_poll_is_known_at_every_process_of_the_server(rows: Written) -> None:
    """Where it has come to, and whether it waits; at once where it polls, and soon elsewhere."""
    here, there = registered(rows), registered(rows)
    async with keeping(here):
        with here.polling("billing", asked(number=4)):
            [known] = (await here.followers()).named
            assert (known.client_id, known.process) == ("billing", "one")
            assert (known.position, known.waits) == (Position("e", 4), True)
        assert (await there.followers()).named == (known,)
        poll(here, "billing", asked(number=5))
        await asyncio.sleep(rules.EVERY + SOON)
        [known] = (await there.followers()).named
        assert known.position == Position("e", 5)
        assert (here.named(), there.named()) == (1, 0)


async def test_the_same_process_at_another_worker_is_still_one(rows: Written) -> None:
    """A verifier whose connection was lost comes to whoever answers first."""
    here, there = registered(rows), registered(rows)
    poll(here, "billing", asked(number=4))
    [before] = (await here.followers()).named
    poll(there, "billing", asked(number=5))
    [after] = (await there.followers()).named
    assert after.position == Position("e", 5)
    assert after.connected_since == before.connected_since


async def test_moves_are_written_together_and_once_a_second_at_most(rows: Written) -> None:
    """However many verifiers hear of however many revocations; the first at once."""
    register = registered(rows)
    async with keeping(register):
        for number in range(30):
            for process in range(20):
                poll(register, "billing", asked(f"p{process}", number))
            await asyncio.sleep(0.05)
    assert rows.writes[0] == 20
    assert len(rows.writes) <= 3


async def test_while_somebody_watches_moves_are_written_promptly(rows: Written) -> None:
    """Whoever watches may be another process: the command line."""
    clock = SystemClock()
    register = registered(rows, clock)
    await rows.watch("w", until=clock.now() + timedelta(seconds=60))
    async with keeping(register):
        for number in range(16):
            poll(register, "billing", asked(number=number))
            await asyncio.sleep(0.05)
    assert len(rows.writes) >= 4


async def test_where_nothing_changes_nothing_is_written(rows: Written) -> None:
    """Not for asking, and not for polls that say what they said, until it is time to say that
    somebody is still there."""
    register = registered(rows)
    async with keeping(register):
        poll(register, "billing", asked(number=1))
        await asyncio.sleep(rules.GATHER + SOON)
        for _ in range(20):
            poll(register, "billing", asked(number=1))
            await asyncio.sleep(0.01)
        assert rows.writes == [1]
        await register.followers()
        await register.followers()
        assert rows.writes == [1, 1]


async def test_a_store_that_is_away_costs_nothing_but_time(rows: Written) -> None:
    """What could not be written is written when it is back."""
    register = registered(rows)
    rows.fails.append(True)
    async with keeping(register):
        poll(register, "billing", asked(number=1))
        with pytest.raises(StoreUnavailable):
            await register.followers()
        rows.fails.clear()
        await asyncio.sleep(rules.EVERY + SOON)
    assert rows.writes == [1]


async def test_those_without_a_name_are_counted_and_never_listed(rows: Written) -> None:
    """By the process that they name; those that name none are one."""
    register = registered(rows)
    for process in ("one", "two", "two", "", ""):
        poll(register, None, asked(process))
    told = await register.followers()
    assert (told.named, told.anonymous, register.anonymous()) == ((), 3, 3)
    await register.close()
    assert (await registered(rows).followers()).anonymous == 0


async def test_they_are_forgotten_and_only_so_many_are_kept(
    rows: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest silent make room, and after a while nobody is left."""
    monkeypatch.setattr(rules, "MOST", 3)
    monkeypatch.setattr(rules, "MOST_ANONYMOUS", 3)
    clock = FrozenClock()
    register = registered(rows, clock)
    for number in range(5):
        poll(register, "billing", asked(f"p{number}"))
        poll(register, None, asked(f"p{number}"))
    assert (register.named(), register.anonymous()) == (3, 3)
    assert [each.process for each in (await register.followers()).named] == ["p2", "p3", "p4"]
    clock.advance(timedelta(seconds=10))
    assert (register.named(), register.anonymous()) == (0, 0)


async def test_a_verifier_that_was_away_is_connected_since_it_came_back(rows: Written) -> None:
    """Polls that come within the bound keep it connected."""
    clock = FrozenClock()
    register = registered(rows, clock)
    began = clock.now()
    for _ in range(4):
        poll(register, "billing", asked())
        clock.advance(timedelta(seconds=3))
    [known] = (await register.followers()).named
    assert known.connected_since == began
    clock.advance(timedelta(seconds=20))
    poll(register, "billing", asked())
    [known] = (await register.followers()).named
    assert known.connected_since == clock.now()
