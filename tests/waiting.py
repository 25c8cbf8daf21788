"""Somebody who waits for the end of what was verified, and a store that is cut off meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asking import Failing
from counterfoil.integrations.live import ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil import Counterfoil, Opened
    from counterfoil.credential import Verified
    from counterfoil.errors import CounterfoilError
    from scenes import Scene


async def come_true(holds: Callable[[], object]) -> None:
    """Waits for what happens in other tasks."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0.005)


class Waiting:
    """Waits in a task of its own."""

    def __init__(self, auth: Counterfoil, found: Verified) -> None:
        self._task = asyncio.create_task(ended(auth, found))

    async def end(self) -> type[CounterfoilError]:
        async with asyncio.timeout(10):
            return type(await self._task)

    async def goes_on(self) -> bool:
        """Whether it has not ended after several sweeps."""
        await asyncio.sleep(0.1)
        return not self._task.done()

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


async def open_and_wait(played: Scene, **more: Any) -> tuple[Opened, Waiting]:
    """A session of the scene's one client that has just been checked, and goes on."""
    opened = await played.auth.open("ann", **more)
    waiting = Waiting(played.auth, await played.check(opened))
    assert await waiting.goes_on()
    return opened, waiting


class Cut(Failing):
    """A store whose feed can be cut off too, and whose look-ups can be made to hang."""

    hangs = False

    def blocking(self) -> Any:
        return _Face(self)

    async def look_up(self, session_id: str) -> Any:
        self.looked_up += 1
        while self.hangs:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        if "look_up" in self.failing:
            return await self.__getattr__("look_up")(session_id)
        return await self._store.look_up(session_id)


class _Face:
    """Its blocking face: what it fails at is what the store fails at."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut

    def __getattr__(self, name: str) -> Any:
        cut = self._cut
        return getattr(cut if name in cut.failing else cut._store, name)  # noqa: SLF001
