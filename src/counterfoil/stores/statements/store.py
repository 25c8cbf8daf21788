"""A store over any `Rows`; a database adds how it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from counterfoil.stores.statements import commits, epochs, sessions, status, trail
from counterfoil.stores.statements.records import is_storable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from counterfoil.events import Event
    from counterfoil.ports import Commit, Found, SessionQuery, TrailLine
    from counterfoil.session import Session
    from counterfoil.status_change import FeedRead, Position
    from counterfoil.status_list import Block, Issuing
    from counterfoil.stores.rows import Rows
    from counterfoil.subject import ClientState, SubjectState

T = TypeVar("T")


class RowsStore:
    """The store's methods. feed_rows: where the feed is read, if apart from everything else. `rows`
    is public: an application may keep its own tables there too."""

    def __init__(self, rows: Rows, *, feed_rows: Rows | None = None) -> None:
        self.rows = rows
        self._feed = status.Feed(feed_rows or rows)

    @property
    def suspends(self) -> bool:
        return self.rows.suspends

    @property
    def waits_aside(self) -> bool:
        return self.rows.waits_aside

    async def aside(self, step: Callable[[], T]) -> T:
        return await self.rows.aside(step)

    def hint(self) -> object:
        return self.rows.hint()

    def wait(self, hint: object, seconds: float) -> bool:
        return self.rows.wait(hint, seconds)

    def shard(self, name: str) -> int:
        del name
        return 0

    async def look_up(self, session_id: str) -> Found | None:
        return await sessions.look_up(self.rows, session_id)

    async def subject(self, subject: str) -> SubjectState:
        return await sessions.subject(self.rows, subject)

    async def client(self, client_id: str) -> ClientState:
        return await sessions.client(self.rows, client_id)

    async def sessions(self, query: SessionQuery) -> list[Session]:
        return await sessions.sessions(self.rows, query)

    async def all_of_subject(self, subject: str) -> tuple[SubjectState, list[Session]]:
        return await self.rows.snapshot(lambda reading: sessions.all_of_subject(reading, subject))

    async def commit(self, commit: Commit) -> bool:
        try:
            await self.rows.transaction(lambda transaction: commits.write(transaction, commit))
        except commits.ExpectationFailed:
            return False
        return True

    async def touch(self, session_id: str, at: datetime) -> None:
        if is_storable(session_id):
            await self.rows.transaction(
                lambda transaction: commits.touch(transaction, session_id, at), durable=False
            )

    async def note(self, event: Event) -> None:
        await self.rows.transaction(
            lambda transaction: trail.append(transaction, (event,)), durable=False
        )

    async def reserve(self, issuing: Issuing, *, count: int, now: datetime) -> Block:
        return await self.rows.transaction(
            lambda transaction: status.reserve(transaction, issuing, count=count, now=now)
        )

    async def feed(self, after: Position | None, *, now: datetime) -> FeedRead:
        return await self._feed.read(after, now=now)

    async def begin_epoch(
        self,
        *,
        now: datetime,
        reached: Callable[[Position], Position],
        because: str = "restored",
        progress: Callable[[int], None] | None = None,
    ) -> int:
        return await self.rows.transaction(
            lambda transaction: epochs.begin(
                transaction, now=now, reached=reached, because=because, progress=progress
            ),
            patient=True,
        )

    async def trail(
        self, *, subject: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[TrailLine]:
        return await trail.trail(self.rows, subject=subject, before=before, limit=limit)

    async def sweep(self, *, now: datetime, limit: int = 1000) -> int:
        return await status.sweep(self.rows, now=now, limit=limit)
