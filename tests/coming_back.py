"""Waits of tests for a store that was away, and for what a loop does meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from counterfoil.errors import StoreUnavailable

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
