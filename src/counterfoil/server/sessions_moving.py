"""A server that keeps its sessions in SQL goes on where `counterfoil store migrate` has moved them.

Accounts, clients and keys stay. Tables that were moved are there no more under their names: whoever
asks for one finds that out, opens the other store, and asks there.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from counterfoil.drive import drive
from counterfoil.errors import StoreUnavailable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from counterfoil.events import Event
    from counterfoil.ports import Commit, Found, Keys, SessionQuery, Store, TrailLine
    from counterfoil.session import Session
    from counterfoil.status_change import FeedRead, Position
    from counterfoil.status_list import Block, Issuing
    from counterfoil.stores.redis.store import RedisStore
    from counterfoil.stores.rows import Rows
    from counterfoil.subject import ClientState, SubjectState

T = TypeVar("T")
# A table that says where the sessions have moved.
SESSIONS_MARK: Final = "cf_sessions_are_at"
_ADDRESS: Final = "SELECT address FROM cf_sessions_are_at"
_IS_MARKED: Final = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE name = ?",
    "postgres": "SELECT count(*) FROM unnest(ARRAY[to_regclass(?)]) AS it WHERE it IS NOT NULL",
}
_log = logging.getLogger("counterfoil.server")


def sessions_moved_to(rows: Rows) -> str:
    """The address to which the sessions of a database have moved; empty where they have not.
    `rows` never suspends. Raises `StoreUnavailable`."""
    if drive(rows.one(_IS_MARKED[rows.dialect], (SESSIONS_MARK,))) in (None, (0,)):
        return ""
    row = drive(rows.one(_ADDRESS))
    return "" if row is None else str(row[0])


def sessions_moved_from(connection: sqlite3.Connection) -> str:
    """The same of a database in a file."""
    if connection.execute(_IS_MARKED["sqlite"], (SESSIONS_MARK,)).fetchone() == (0,):
        return ""
    return str(connection.execute(_ADDRESS).fetchone()[0])


class SessionsHome:
    """Where this process keeps sessions now. rows: those of the first store, for threads."""

    def __init__(self, first: Store, rows: Rows, open_other: Callable[[str], RedisStore]) -> None:
        self._open_other = open_other
        self._rows = rows
        self._moving = threading.Lock()
        self.first = first
        self.faces: tuple[Store, Store] = first.blocking(), first

    def has_moved(self, since: Store) -> bool:
        """Whether what could not be done in this store can be done in another one now. Raises
        `StoreUnavailable` where that cannot be opened."""
        with self._moving:
            if since not in self.faces:
                return True
            if self.first not in self.faces or not (address := sessions_moved_to(self._rows)):
                return False
            other = self._open_other(address)
            self.faces = other.blocking(), other
        _log.warning("The sessions were moved: going on with the other store.")
        return True


class MovableSessions:
    """The sessions of a home. suspends: as the face that is asked for."""

    def __init__(self, home: SessionsHome, *, suspends: bool = True) -> None:
        self._home = home
        self.suspends = suspends

    def blocking(self) -> MovableSessions:
        return MovableSessions(self._home, suspends=False) if self.suspends else self

    def default_keys(self) -> Keys:
        return self._home.first.default_keys()

    @property
    def waiting(self) -> int:
        """How many wait for a connection of where the sessions are; those to the first store are
        counted there."""
        found: int = getattr(self._now, "waiting", 0)
        return found

    def answers_partly(self) -> bool:
        """As `RedisStore.answers_partly`; what is in SQL is there or not."""
        found = self._now
        return found.answers_partly() if hasattr(found, "answers_partly") else False

    @property
    def waits_aside(self) -> bool:
        return self.suspends and self._now.waits_aside

    async def aside(self, step: Callable[[], T]) -> T:
        return await self._now.aside(step)

    def hint(self) -> object:
        store = self._now
        try:
            return id(store), store.hint()
        except StoreUnavailable:
            if not self._home.has_moved(store):
                raise
        return self.hint()

    def wait(self, hint: object, seconds: float) -> bool:
        own = hint[1] if isinstance(hint, tuple) else hint
        return self._now.wait(own, seconds)

    def shard(self, name: str) -> int:
        return self._now.shard(name)

    async def look_up(self, session_id: str) -> Found | None:
        return await self._there(lambda store: store.look_up(session_id))

    async def subject(self, subject: str) -> SubjectState:
        return await self._there(lambda store: store.subject(subject))

    async def client(self, client_id: str) -> ClientState:
        return await self._there(lambda store: store.client(client_id))

    async def sessions(self, query: SessionQuery) -> list[Session]:
        return await self._there(lambda store: store.sessions(query))

    async def all_of_subject(self, subject: str) -> tuple[SubjectState, list[Session]]:
        return await self._there(lambda store: store.all_of_subject(subject))

    async def commit(self, commit: Commit) -> bool:
        return await self._there(lambda store: store.commit(commit))

    async def touch(self, session_id: str, at: datetime) -> None:
        await self._there(lambda store: store.touch(session_id, at))

    async def note(self, event: Event) -> None:
        await self._there(lambda store: store.note(event))

    async def reserve(self, issuing: Issuing, *, count: int, now: datetime) -> Block:
        return await self._there(lambda store: store.reserve(issuing, count=count, now=now))

    async def feed(self, after: Position | None, *, now: datetime) -> FeedRead:
        return await self._there(lambda store: store.feed(after, now=now))

    async def begin_epoch(
        self,
        *,
        now: datetime,
        reached: Callable[[Position], Position],
        because: str = "restored",
        progress: Callable[[int], None] | None = None,
    ) -> int:
        return await self._there(
            lambda store: store.begin_epoch(
                now=now, reached=reached, because=because, progress=progress
            )
        )

    async def trail(
        self, *, subject: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[TrailLine]:
        return await self._there(
            lambda store: store.trail(subject=subject, before=before, limit=limit)
        )

    async def sweep(self, *, now: datetime, limit: int = 1000) -> int:
        return await self._there(lambda store: store.sweep(now=now, limit=limit))

    async def close(self) -> None:
        for store in {self._home.first, self._home.faces[1]}:
            await store.close()

    async def _there(self, ask: Callable[[Store], Awaitable[T]]) -> T:
        """Where the sessions are. Nothing was done where they are not."""
        store = self._now
        try:
            return await ask(store)
        except StoreUnavailable:
            if not await self._has_moved(store):
                raise
        return await ask(self._now)

    async def _has_moved(self, since: Store) -> bool:
        if not self.suspends:
            return self._home.has_moved(since)
        return await asyncio.to_thread(self._home.has_moved, since)

    @property
    def _now(self) -> Store:
        return self._home.faces[self.suspends]
