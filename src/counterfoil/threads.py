"""Threads, in a process that may at times have no more of them."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from counterfoil.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
_AGAIN: Final = timedelta(seconds=1)
_NO_MORE: Final = "This process gets no more threads; its limit may have to be raised."


def begun(work: Callable[[], object], *, name: str) -> threading.Thread:
    """A daemon that does this. Raises `Overloaded` where the machine gives no more threads (a limit
    of a container, mostly): then nothing has begun, and whoever asks leaves all as it was, so that
    it is tried again."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as why:
        raise Overloaded(_NO_MORE, retry_after=_AGAIN) from why
    return thread


def submitted(pool: ThreadPoolExecutor, work: Callable[..., T], *arguments: object) -> Future[T]:
    """Has a thread of the pool do this. Raises `Overloaded` as `begun` does; it may be done all the
    same then, later, and nobody is told what came of it."""
    try:
        return pool.submit(work, *arguments)
    except RuntimeError as why:
        raise Overloaded(_NO_MORE, retry_after=_AGAIN) from why
