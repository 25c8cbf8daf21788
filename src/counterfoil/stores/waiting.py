"""Who waits for what another thread does: a coroutine of a loop, or a thread."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable
    from concurrent.futures import Future


@dataclass(slots=True, kw_only=True, eq=False)
class Waiter:
    """Somebody, and what becomes of their wish: a loop's future, or a thread's if loop is None."""

    future: asyncio.Future[Any] | Future[Any]
    loop: asyncio.AbstractEventLoop | None = None
    value: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        """Tells who waits, unless they have gone."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.value)
        else:
            self.future.set_exception(self.error)
            self.error = None  # its traceback leads back here


def settle(waiters: Iterable[Waiter]) -> None:
    """Tells all of them; each loop is woken once."""
    waiting: dict[asyncio.AbstractEventLoop, list[Waiter]] = {}
    for waiter in waiters:
        if waiter.loop is None:
            waiter.settle()
        else:
            waiting.setdefault(waiter.loop, []).append(waiter)
    for loop, settled in waiting.items():
        with contextlib.suppress(RuntimeError):  # a loop that was closed waits for nothing
            loop.call_soon_threadsafe(_settle_in_loop, settled)


def _settle_in_loop(waiters: list[Waiter]) -> None:
    for waiter in waiters:
        waiter.settle()
