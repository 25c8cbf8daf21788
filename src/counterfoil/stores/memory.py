"""The reference store: the whole contract in plain dictionaries, for tests and for trying out.

Everything is gone with the process, the keys included.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from counterfoil.events import Event
from counterfoil.handle import HandleSecrets
from counterfoil.keys import PublicKeySet, SigningKeySet
from counterfoil.lifetime import has_passed, latest
from counterfoil.ports import Commit, Found, SessionQuery, TrailLine
from counterfoil.status_change import FeedRead, Position, StatusChange, following_epoch
from counterfoil.status_list import Block, Issuing, StatusList, schedule
from counterfoil.subject import ClientState, SubjectState

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.session import Session

T = TypeVar("T")
_LEAP: Final = 2**32  # what was expected of a record before an epoch is nearer to it than that


@dataclass(slots=True)
class _Given:
    list: StatusList
    next: int = 0


@dataclass(slots=True)
class MemoryStore:
    """Keeps records in this process. Safe for several threads."""

    suspends: bool = False
    waits_aside: bool = False
    epoch: str = field(default_factory=lambda: secrets.token_hex(12))
    _sessions: dict[str, Session] = field(default_factory=dict, repr=False)
    _subjects: dict[str, SubjectState] = field(default_factory=dict, repr=False)
    _clients: dict[str, ClientState] = field(default_factory=dict, repr=False)
    _number: int = 0
    _changes: dict[int, StatusChange] = field(default_factory=dict, repr=False)
    _trail: list[Event] = field(default_factory=list, repr=False)
    _lists: dict[str, _Given] = field(default_factory=dict, repr=False)
    _written: int = 0
    _keys: MemoryKeys | None = field(default=None, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _stirred: threading.Condition = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._stirred = threading.Condition(self._lock)

    def blocking(self) -> MemoryStore:
        return self

    async def aside(self, step: Callable[[], T]) -> T:
        return step()

    def default_keys(self) -> MemoryKeys:
        with self._lock:
            if self._keys is None:
                self._keys = MemoryKeys()
            return self._keys

    def hint(self) -> int:
        return self._written

    def wait(self, hint: object, seconds: float) -> bool:
        with self._lock:
            return self._stirred.wait_for(lambda: self._written != hint, seconds)

    def shard(self, name: str) -> int:
        del name
        return 0

    async def look_up(self, session_id: str) -> Found | None:
        with self._lock:
            session = self._sessions.get(session_id)
            return None if session is None else Found(session, self._subject(session.subject))

    async def subject(self, subject: str) -> SubjectState:
        return self._subject(subject)

    async def client(self, client_id: str) -> ClientState:
        return self._clients.get(client_id, ClientState(client_id=client_id))

    async def sessions(self, query: SessionQuery) -> list[Session]:
        with self._lock:
            # `before` counts for its place alone: it may have ended since the page that it closed.
            last = self._sessions.get(query.before) if query.before is not None else None
            if query.before is not None and last is None:
                return []
            chosen = (
                session
                for session in self._sessions.values()
                if _is_asked_for(session, query) and (last is None or _age(session) < _age(last))
            )
            return sorted(chosen, key=_age, reverse=True)[: query.limit]

    async def all_of_subject(self, subject: str) -> tuple[SubjectState, list[Session]]:
        with self._lock:
            own = [session for session in self._sessions.values() if session.subject == subject]
            return self._subject(subject), own

    async def commit(self, commit: Commit) -> bool:
        with self._lock:
            if not self._holds(commit):
                return False
            for session in commit.sessions:
                kept = self._sessions.get(session.id)
                seen = latest(kept.last_seen_at if kept else None, session.last_seen_at)
                self._sessions[session.id] = replace(session, last_seen_at=seen)
            self._subjects.update((state.subject, state) for state in commit.subjects)
            self._clients.update((state.client_id, state) for state in commit.clients)
            self._changes.update(enumerate(commit.changes, start=self._number + 1))
            self._number += len(commit.changes) or commit.moves_feed
            self._trail.extend(commit.events)
            self._stir()
            return True

    async def touch(self, session_id: str, at: datetime) -> None:
        with self._lock:
            session = self._sessions.get(session_id)
            if session is not None and session.ended_at is None:
                seen = latest(session.last_seen_at, at)
                self._sessions[session_id] = replace(session, last_seen_at=seen)
                self._stir()

    async def note(self, event: Event) -> None:
        with self._lock:
            self._trail.append(event)
            self._stir()

    async def reserve(self, issuing: Issuing, *, count: int, now: datetime) -> Block:
        with self._lock:
            known = [(given.list, given.next) for given in self._lists.values()]
            plan = schedule(known, issuing, now=now, new_id=lambda: secrets.token_urlsafe(6))
            for announced in plan.announced:
                self._lists[announced.id] = _Given(announced)
            given = self._lists[plan.chosen.id]
            start = given.next
            given.next = min(start + count, given.list.size)
            self._stir()
            return Block(given.list, start, given.next)

    async def feed(self, after: Position | None, *, now: datetime) -> FeedRead:
        with self._lock:
            start = after if after is not None and after.epoch == self.epoch else None
            lists = [g.list for g in self._lists.values() if not g.list.is_dropped(now=now)]
            kept = {known.id for known in lists}
            numbers = range(start.number if start else 0, self._number)
            changes = (self._changes.get(number + 1) for number in numbers)
            return FeedRead(
                after=start,
                position=Position(self.epoch, self._number),
                at=now,
                lists=tuple(lists),
                changes=tuple(change for change in changes if change and change.list_id in kept),
            )

    async def begin_epoch(
        self,
        *,
        now: datetime,
        reached: Callable[[Position], Position],
        because: str = "restored",
        progress: Callable[[int], None] | None = None,
    ) -> int:
        with self._lock:
            position = Position(self.epoch, self._number)
            chance = secrets.token_hex(4)
            self.epoch = following_epoch(position, reached(position), now=now, chance=chance)
            self._number = 0
            self._changes.clear()
            self._lists.clear()
            open_ones = [s for s in self._sessions.values() if s.ended_at is None]
            live = sum(session.is_live(now=now) for session in open_ones)
            for session in open_ones:
                ended = session.revoked(now=now, because=because)
                self._sessions[session.id] = replace(ended, version=session.version + _LEAP)
            for state in self._subjects.values():
                version, epoch = state.version + _LEAP, state.epoch + _LEAP
                self._subjects[state.subject] = replace(state, version=version, epoch=epoch)
            for client_id in {*self._clients, *(s.client_id for s in self._sessions.values())}:
                client = self._clients.get(client_id, ClientState(client_id=client_id))
                self._clients[client_id] = replace(client, version=client.version + _LEAP)
            detail = {"because": because, "sessions": live}
            self._trail.append(Event(kind="store_restored", at=now, detail=detail))
            self._stir()
            if progress is not None:
                progress(len(open_ones))
            return live

    async def trail(
        self, *, subject: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[TrailLine]:
        with self._lock:
            lines = [TrailLine(number, event) for number, event in enumerate(self._trail, start=1)]
        return [
            line
            for line in reversed(lines)
            if (before is None or line.number < before)
            and (subject is None or line.event.subject == subject)
        ][:limit]

    async def sweep(self, *, now: datetime, limit: int = 1000) -> int:
        with self._lock:
            over = [s.id for s in self._sessions.values() if has_passed(s.absolute_end, now=now)]
            for session_id in over[:limit]:
                del self._sessions[session_id]
            for given in list(self._lists.values()):
                if given.list.is_dropped(now=now):
                    del self._lists[given.list.id]
            for number, change in list(self._changes.items()):
                if change.list_id not in self._lists:
                    del self._changes[number]
            self._stir()
            return len(over[:limit])

    async def close(self) -> None:
        """Nothing to let go of."""

    def _stir(self) -> None:
        """Under the lock."""
        self._written += 1
        self._stirred.notify_all()

    def _subject(self, subject: str) -> SubjectState:
        return self._subjects.get(subject, SubjectState(subject=subject))

    def _holds(self, commit: Commit) -> bool:
        if commit.epoch not in (None, self.epoch):
            return False
        sessions = (
            (self._sessions[s.id].version if s.id in self._sessions else 0) == s.version - 1
            for s in commit.sessions
        )
        subjects = (self._subject(s.subject).version == s.version - 1 for s in commit.subjects)
        clients = (self._client_version(c) == c.version - 1 for c in commit.clients)
        unchanged = (self._client_version(c) == c.version for c in commit.unchanged)
        return all(sessions) and all(subjects) and all(clients) and all(unchanged)

    def _client_version(self, state: ClientState) -> int:
        return self._clients.get(state.client_id, ClientState(client_id="")).version


def _age(session: Session) -> tuple[datetime, str]:
    return session.created_at, session.id


def _is_asked_for(session: Session, query: SessionQuery) -> bool:
    until = query.opened_before
    return (
        query.subject in (None, session.subject)
        and query.client_id in (None, session.client_id)
        and (until is None or not has_passed(until, now=session.created_at))
        and (query.live_at is None or session.is_live(now=query.live_at))
    )


class MemoryKeys:
    """Keys that live and die with the process."""

    def __init__(self) -> None:
        self._set = SigningKeySet.generate(now=datetime.now(UTC))
        self._secrets = HandleSecrets({0: secrets.token_bytes(32)}, 0)
        self._lock = threading.Lock()

    def signing_keys(self) -> SigningKeySet:
        return self._set

    def public_keys(self) -> PublicKeySet:
        return self._set.public()

    def handle_secrets(self) -> HandleSecrets:
        return self._secrets

    def update(self, change: Callable[[SigningKeySet], SigningKeySet]) -> SigningKeySet:
        with self._lock:
            self._set = change(self._set)
            return self._set

    def refresh(self) -> None:
        """There is nobody else."""

    def reach(self, position: Position) -> Position:
        with self._lock:
            reached = self._reached.setdefault(position.store, position)
            if reached.is_behind(position):
                reached = self._reached[position.store] = position
            return reached

    @cached_property
    def _reached(self) -> dict[str, Position]:
        return {}
