"""A store whose calls are counted and timed, and whose events say which administrator caused them;
the store itself knows nothing of either."""

from __future__ import annotations

from collections.abc import Awaitable
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from counterfoil.errors import Unavailable
from counterfoil.server.acting import attributed, attributed_commit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from counterfoil.events import Event
    from counterfoil.ports import Commit, Found, Keys, SessionQuery, Store, TrailLine
    from counterfoil.server.operations.metrics import Metrics
    from counterfoil.session import Session
    from counterfoil.status_change import FeedRead, Position
    from counterfoil.status_list import Block, Issuing
    from counterfoil.subject import ClientState, SubjectState

T = TypeVar("T")


class CountedStore:
    """The same store. Events are counted once they are written."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    @property
    def suspends(self) -> bool:
        return self._store.suspends

    def blocking(self) -> Store:
        return CountedStore(self._store.blocking(), self._metrics)

    @property
    def waits_aside(self) -> bool:
        return self._store.waits_aside

    async def aside(self, step: Callable[[], T]) -> T:
        return await self._store.aside(step)

    def default_keys(self) -> Keys:
        return self._store.default_keys()

    def hint(self) -> object:
        return self._store.hint()

    def wait(self, hint: object, seconds: float) -> bool:
        return self._store.wait(hint, seconds)

    def shard(self, name: str) -> int:
        return self._store.shard(name)

    async def look_up(self, session_id: str) -> Found | None:
        return await self._counted("look_up", self._store.look_up(session_id))

    async def subject(self, subject: str) -> SubjectState:
        return await self._counted("subject", self._store.subject(subject))

    async def client(self, client_id: str) -> ClientState:
        return await self._counted("client", self._store.client(client_id))

    async def sessions(self, query: SessionQuery) -> list[Session]:
        return await self._counted("sessions", self._store.sessions(query))

    async def all_of_subject(self, subject: str) -> tuple[SubjectState, list[Session]]:
        return await self._counted("all_of_subject", self._store.all_of_subject(subject))

    async def commit(self, commit: Commit) -> bool:
        done = await self._counted("commit", self._store.commit(attributed_commit(commit)))
        if done:
            self._happened(commit.events)
        return done

    async def touch(self, session_id: str, at: datetime) -> None:
        await self._counted("touch", self._store.touch(session_id, at))

    async def note(self, event: Event) -> None:
        await self._counted("note", self._store.note(attributed(event)))
        self._happened((event,))

    async def reserve(self, issuing: Issuing, *, count: int, now: datetime) -> Block:
        return await self._counted("reserve", self._store.reserve(issuing, count=count, now=now))

    async def feed(self, after: Position | None, *, now: datetime) -> FeedRead:
        return await self._counted("feed", self._store.feed(after, now=now))

    async def begin_epoch(
        self,
        *,
        now: datetime,
        reached: Callable[[Position], Position],
        because: str = "restored",
        progress: Callable[[int], None] | None = None,
    ) -> int:
        begun = self._store.begin_epoch(
            now=now, reached=reached, because=because, progress=progress
        )
        ended = await self._counted("begin_epoch", begun)
        self._metrics.events.count("store_restored")
        return ended

    async def trail(
        self, *, subject: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[TrailLine]:
        return await self._counted(
            "trail", self._store.trail(subject=subject, before=before, limit=limit)
        )

    async def sweep(self, *, now: datetime, limit: int = 1000) -> int:
        return await self._counted("sweep", self._store.sweep(now=now, limit=limit))

    async def close(self) -> None:
        await self._store.close()

    async def _counted(self, call: str, answer: Awaitable[T]) -> T:
        self._metrics.store_calls.count(call)
        began = perf_counter()
        try:
            return await answer
        except Unavailable:
            self._metrics.store_failures.count(call)
            raise
        finally:
            self._metrics.store_seconds.observe(call, perf_counter() - began)

    def _happened(self, events: Iterable[Event]) -> None:
        for event in events:
            self._metrics.events.count(event.kind)
