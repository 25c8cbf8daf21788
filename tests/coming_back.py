"""Waits of tests for a store that was away, and for what a loop does meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Protocol

from counterfoil.errors import StoreUnavailable
from counterfoil.ports import Commit
from counterfoil.testing.records import a_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from counterfoil.ports import Store


async def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.001)


async def until_back(store: Store, session_id: str = "s-1", *, within: float = 10.0) -> float:
    """Seconds until it answers again."""
    began = time.monotonic()
    while True:
        try:
            await store.look_up(session_id)
        except StoreUnavailable:
            assert time.monotonic() - began < within
            await asyncio.sleep(0.01)
        else:
            return time.monotonic() - began


class Killable(Protocol):
    """A server of a test's own."""

    def start(self) -> None: ...
    def kill(self) -> None: ...


async def lost_when_killed(server: Killable, store: Store, *, within: float = 10.0) -> list[str]:
    """Killed while many write, and started again: the sessions whose commit was answered with True
    and that are not there."""
    acknowledged: list[str] = []

    async def write(name: str) -> None:
        for number in range(1000):
            session = a_session(f"{name}-{number}", subject=name)
            try:
                if await store.commit(Commit(sessions=(session,))):
                    acknowledged.append(session.id)
            except StoreUnavailable:
                return

    writing = [asyncio.ensure_future(write(f"w{number}")) for number in range(8)]
    await until(lambda: len(acknowledged) >= 200)
    await asyncio.to_thread(server.kill)
    await asyncio.gather(*writing)
    await asyncio.to_thread(server.start)
    await until_back(store, within=within)
    return [each for each in acknowledged if await store.look_up(each) is None]


@contextlib.asynccontextmanager
async def count_turns() -> AsyncIterator[Callable[[], int]]:
    """How often an event loop has come by."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.005)

    counting = asyncio.ensure_future(count())
    yield lambda: turns
    counting.cancel()
