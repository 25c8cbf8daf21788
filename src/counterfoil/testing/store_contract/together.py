"""Runs several verbs at once, so that races really happen."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from counterfoil.ports import Keys, Store

    Verb = Coroutine[Any, Any, Any]


def blocking_of(store: Store) -> Store:
    """The store's blocking face; skips the test where it has none."""
    try:
        return store.blocking()
    except ConfigurationError as why:
        pytest.skip(f"This store has no blocking face: {why}")


class Together(Protocol):
    """Runs verbs, which are coroutines over `face`, and answers what each came to."""

    face: Any

    async def __call__(self, *verbs: Verb) -> list[Any]: ...


class Hesitant:
    """A store before whose every call other tasks may come."""

    suspends = True

    def __init__(self, store: Store) -> None:
        self._store = store
        self.waits_aside = store.waits_aside

    def blocking(self) -> Store:
        return blocking_of(self._store)

    def default_keys(self) -> Keys:
        return self._store.default_keys()

    def shard(self, name: str) -> int:
        return self._store.shard(name)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*args: Any, **named: Any) -> Any:
            for _ in range(random.randrange(3)):  # noqa: S311 - no secret
                await asyncio.sleep(0)
            return await method(*args, **named)

        return call


class ByTasks:
    """As tasks of one event loop."""

    def __init__(self, store: Store) -> None:
        self.face: Any = Hesitant(store)

    async def __call__(self, *verbs: Verb) -> list[Any]:
        return list(await asyncio.gather(*verbs))


class ByThreads:
    """Each in a thread of its own, over the store's blocking face."""

    def __init__(self, store: Store) -> None:
        self.face: Any = blocking_of(store)

    async def __call__(self, *verbs: Verb) -> list[Any]:
        start = threading.Barrier(len(verbs))

        def run(verb: Verb) -> Any:
            start.wait()
            return drive(verb)

        with ThreadPoolExecutor(len(verbs)) as threads:
            loop = asyncio.get_running_loop()
            running = [loop.run_in_executor(threads, run, verb) for verb in verbs]
            return list(await asyncio.gather(*running))


@contextlib.contextmanager
def eager_threads() -> Iterator[None]:
    """Threads take turns every few microseconds, so one rarely gets to its end undisturbed."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
