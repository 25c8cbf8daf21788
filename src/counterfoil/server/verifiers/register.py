"""Who follows the feed at this process, and, by way of the store, at the others of this server.

Each poll is noted in memory. What changed is written now and then: when somebody has come further,
at once, but once a second at most unless somebody watches; that they are still there, more rarely.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.errors import Unavailable
from counterfoil.feeds.pump import DEFAULT_STALENESS
from counterfoil.server.tables.verifiers import MOST, NamedVerifier

if TYPE_CHECKING:
    from counterfoil.client import Client
    from counterfoil.clock import Clock
    from counterfoil.server.tables.verifiers import Followers, VerifierRows
    from counterfoil.status_change import Position
    from counterfoil.status_feed import Question

GATHER: Final = 0.05  # seconds in which others come to say the same
EVERY: Final = 1.0  # seconds between two writes
WATCHED_EVERY: Final = 0.1
STILL_THERE: Final = 2.0  # seconds until it is written that somebody polled once more
MOST_ANONYMOUS: Final = 20_000


def longest_staleness(clients: Mapping[str, Client]) -> timedelta:
    """After so long a verifier that has heard nothing lets no `hybrid` token pass."""
    spans = (each.max_staleness for each in clients.values() if each.strategy == "hybrid")
    return max(spans, default=DEFAULT_STALENESS)


def silence_of(clients: Mapping[str, Client]) -> timedelta:
    """Who was not heard of for so long has vanished: by then they refuse by themselves. What is
    written of them may be late."""
    return longest_staleness(clients) + timedelta(seconds=STILL_THERE + EVERY)


@dataclass(slots=True)
class _Named:
    position: Position | None
    seen_at: datetime
    connected_since: datetime
    uptime: float
    polls: int = 0
    is_saved: bool = False


class _Poll:
    """A poll under way. Several of one process overlap where a connection was lost."""

    __slots__ = ("_named", "_register")

    def __init__(self, register: VerifierRegister, named: _Named) -> None:
        self._register = register
        self._named = named

    def __enter__(self) -> None:
        self._named.polls += 1

    def __exit__(self, *_: object) -> None:
        self._named.polls -= 1
        self._named.is_saved = False
        self._register.write_within(STILL_THERE)


class VerifierRegister:
    """The verifiers of one process of the server. It is used from the loop alone."""

    def __init__(
        self,
        rows: VerifierRows,
        clients: Mapping[str, Client],
        clock: Clock,
    ) -> None:
        self._rows = rows
        self._clients = clients
        self._clock = clock
        self._node = secrets.token_urlsafe(6)
        self._named: dict[tuple[str, str], _Named] = {}  # the longest silent first, here and below
        self._anonymous: dict[str, float] = {}
        self._counted = 0  # of them, as it was written
        self._writing = asyncio.Lock()
        self._changed = asyncio.Event()
        self._due = math.inf
        self._has_moved = False
        self._moves_told_at = -math.inf
        self._is_watched = False

    def polling(self, name: str | None, question: Question) -> AbstractContextManager[object]:
        """Notes a poll, which lasts as long as the context; name: None without one."""
        uptime = self._clock.uptime()
        if name is not None:
            return _Poll(self, self._seen(name, question, uptime))
        if self._anonymous.pop(question.verifier, None) is None:
            self.write_within(EVERY)
            if len(self._anonymous) >= MOST_ANONYMOUS:
                del self._anonymous[next(iter(self._anonymous))]
        self._anonymous[question.verifier] = uptime
        return nullcontext()

    def named(self) -> int:
        """How many with a name follow at this process."""
        self._forget()
        return len(self._named)

    def anonymous(self) -> int:
        """How many without one, about."""
        self._forget()
        return len(self._anonymous)

    async def followers(self) -> Followers:
        """All of this server, with what this process knows now. Raises `StoreUnavailable`."""
        await self._write()
        return await self._rows.followers(now=self._clock.now(), silence=self.silence)

    @property
    def silence(self) -> timedelta:
        return silence_of(self._clients)

    def write_within(self, seconds: float) -> None:
        """Has what changed written by then."""
        due = self._clock.uptime() + seconds
        if due < self._due:
            self._due = due
            self._changed.set()

    async def keep(self) -> None:
        """Writes what is due, for ever."""
        while True:
            pause = self._due - self._clock.uptime()
            if pause > 0:
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if math.isinf(pause) else pause):
                        await self._changed.wait()
                continue
            with suppress(Unavailable):
                await self._write()

    async def close(self) -> None:
        """Says that nobody follows here any more."""
        self._anonymous.clear()
        with suppress(Unavailable):
            await self._write()

    def _seen(self, name: str, question: Question, uptime: float) -> _Named:
        key, now = (name, question.verifier), self._clock.now()
        found = self._named.pop(key, None)
        if found is None:
            if len(self._named) >= MOST:
                del self._named[next(iter(self._named))]
            found = _Named(question.position, now, now, uptime)
            self._moved(uptime)
        else:
            if uptime - found.uptime > self.silence.total_seconds():
                found.connected_since = now
            if question.position != found.position:
                found.position = question.position
                self._moved(uptime)
            found.seen_at, found.uptime, found.is_saved = now, uptime, False
            self.write_within(STILL_THERE)
        self._named[key] = found
        return found

    def _moved(self, uptime: float) -> None:
        """Somebody has come further: others are told soon, however many come."""
        self._has_moved = True
        every = WATCHED_EVERY if self._is_watched else EVERY
        self.write_within(max(GATHER, self._moves_told_at + every - uptime))

    def _forget(self) -> None:
        """Those who have vanished."""
        silent = self._clock.uptime() - self.silence.total_seconds()
        while self._named and (first := next(iter(self._named.items())))[1].uptime <= silent:
            del self._named[first[0]]
        while self._anonymous and (other := next(iter(self._anonymous.items())))[1] <= silent:
            del self._anonymous[other[0]]

    async def _write(self) -> None:
        """Writes what has changed since it was written."""
        async with self._writing:
            self._due = math.inf
            anonymous = self.anonymous()
            unsaved = [(key, each) for key, each in self._named.items() if not each.is_saved]
            if unsaved or anonymous or self._counted:
                await self._save(unsaved, anonymous)
            if anonymous:
                self.write_within(self.silence.total_seconds())  # it is good for twice as long

    async def _save(self, unsaved: list[tuple[tuple[str, str], _Named]], anonymous: int) -> None:
        for _, each in unsaved:
            each.is_saved = True  # or not, where it polls meanwhile
        if self._has_moved:
            self._has_moved, self._moves_told_at = False, self._clock.uptime()
        try:
            self._is_watched = await self._rows.save(
                [_told(*each) for each in unsaved],
                node=self._node,
                anonymous=anonymous,
                now=self._clock.now(),
                silence=self.silence,
            )
        except Unavailable:
            for _, each in unsaved:
                each.is_saved = False
            self.write_within(EVERY)
            raise
        self._counted = anonymous


def _told(key: tuple[str, str], named: _Named) -> NamedVerifier:
    return NamedVerifier(
        client_id=key[0],
        process=key[1],
        position=named.position,
        seen_at=named.seen_at,
        connected_since=named.connected_since,
        waits=named.polls > 0,
    )
