"""The two faces of what lies across a network: for an event loop, and for threads without one.

Both hand what is to be done to the threads of a lane, and wait for it in their own way.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.stores.lanes import Lane
    from counterfoil.stores.place import Place
    from counterfoil.stores.waiting import Waiter

T = TypeVar("T")


class BlockingFace:
    """Waits in the calling thread; never suspends."""

    suspends = False
    waits_aside = False

    def __init__(self, place: Place) -> None:
        self._place = place

    async def aside(self, step: Callable[[], T]) -> T:
        return step()

    async def handed(self, lane: Lane, make: Callable[..., Waiter]) -> Any:
        """What becomes of the job that `make` makes for whoever waits here."""
        future: Future[Any] = Future()
        lane.submit(make(future=future))
        return future.result()


class SuspendingFace(BlockingFace):
    """Waits for a future, while its loop serves others."""

    suspends = True
    waits_aside = True

    async def aside(self, step: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._place.aside(step))

    async def handed(self, lane: Lane, make: Callable[..., Waiter]) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        lane.submit(make(future=future, loop=loop))
        return await future
