"""Ending sessions before their time, and changing what holds for all sessions of a subject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from counterfoil.errors import ClientUnknown, NotFound, Overloaded
from counterfoil.events import Event, of_session
from counterfoil.issuing import lags, longest_lags
from counterfoil.lifetime import NOTHING
from counterfoil.outcome import Changed, Revoked
from counterfoil.parts import ATTEMPTS, Parts
from counterfoil.ports import Commit, SessionQuery
from counterfoil.status_change import changes_between, changes_of_subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from counterfoil.events import EventKind
    from counterfoil.session import Session
    from counterfoil.status_change import StatusChange
    from counterfoil.subject import SubjectState

BATCH: Final = 50  # everybody else waits while one is made
# Then no session had expired. Whether one has is said by a clock, and one that is far ahead of all
# others may not leave any out.
_BEFORE_ANY: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Ending:
    """Revoke one, all of a subject, all of a client; suspend, reinstate, change claims."""

    parts: Parts

    async def revoke(
        self,
        session_id: str,
        *,
        because: str,
        kind: EventKind = "session_revoked",
        detail: dict[str, Any] | None = None,
    ) -> Revoked:
        store = self.parts.store
        for _ in range(ATTEMPTS):
            found = await store.look_up(session_id)
            if found is None:
                raise NotFound
            now = self.parts.clock.now()
            before = found.session
            within = self._lags([before], now=now)
            if before.ended_at is not None:
                return _revoked(0, within, ended_at=before.ended_at)
            after = before.revoked(now=now, because=because).following(before)
            subject = found.subject.moved()
            commit = Commit(
                sessions=(after,),
                subjects=(subject,),
                changes=tuple(changes_between(found, (after, subject))),
                moves_feed=True,
                events=(of_session(kind, after, now, {"because": because, **(detail or {})}),),
            )
            if await self.parts.commit(commit):
                if before.is_live(now=now):
                    return _revoked(1, within, ended_at=now)
                return _revoked(0, within, ended_at=before.expires_at)
        raise Overloaded(retry_after=timedelta(seconds=1))

    async def revoke_all(self, subject: str, *, keep: str | None, because: str) -> Revoked:
        for _ in range(ATTEMPTS):
            state, kept = await self.parts.store.all_of_subject(subject)
            now = self.parts.clock.now()
            others = [session for session in kept if session.id != keep]
            chosen = [session for session in others if session.ended_at is None]
            commit = self._end(chosen, {subject: state}, because, now, ended=True)
            if await self.parts.commit(commit):
                live = [session for session in chosen if session.is_live(now=now)]
                # Tokens of those that ended before count too: "all" is over when the last one is.
                within = self._lags(others, now=now)
                return _revoked(len(live), within, ended_at=now if live else None)
        raise Overloaded(retry_after=timedelta(seconds=1))

    async def revoke_client(
        self, client_id: str, *, progress: Callable[[int], None] | None
    ) -> Revoked:
        """In batches: first no sign-in under way can succeed any more, then batch by batch."""
        store = self.parts.store
        client = self.parts.clients.get(client_id)
        if client is None:
            raise ClientUnknown
        for _ in range(ATTEMPTS):
            state = await store.client(client_id)
            if await self.parts.commit(Commit(clients=(state.ended(),), moves_feed=True)):
                break
        else:
            raise Overloaded(retry_after=timedelta(seconds=1))
        # Those that ended before are not looked at, so their tokens count with all they may have.
        count, lost, longest, began = 0, 0, longest_lags(client), self.parts.clock.now()
        query = SessionQuery(client_id=client_id, live_at=_BEFORE_ANY, limit=BATCH)
        while page := await store.sessions(query):
            for batch in self._by_shard(page):
                now = self.parts.clock.now()
                states = {s.subject: await store.subject(s.subject) for s in batch}
                commit = self._end(batch, states, "client_revoked", now, ended=False)
                if not await self.parts.commit(commit):
                    lost += 1
                    if lost == ATTEMPTS:
                        raise Overloaded(retry_after=timedelta(seconds=1))
                    continue
                lost = 0
                count += sum(session.is_live(now=now) for session in batch)
                lag = self._lags(batch, now=now)
                longest = (max(longest[0], lag[0]), max(longest[1], lag[1]))
                if progress is not None:
                    progress(count)
        return _revoked(count, longest, ended_at=began if count else None)

    async def end_family(self, session_id: str, detail: dict[str, Any]) -> None:
        """Ends a session one of whose spent handles was used after its grace."""
        because: EventKind = "refresh_reused"
        await self.revoke(session_id, because=because, kind=because, detail=detail)

    async def change(
        self,
        subject: str,
        change: Callable[[SubjectState, datetime], SubjectState],
        kind: EventKind,
    ) -> Changed:
        """Changes the subject's state, and with it the status of every index of theirs."""
        for _ in range(ATTEMPTS):
            before, kept = await self.parts.store.all_of_subject(subject)
            now = self.parts.clock.now()
            after = change(before, now)
            commit = Commit(
                subjects=(after,),
                changes=changes_of_subject(kept, before, after),
                moves_feed=True,
                events=(Event(kind=kind, at=now, subject=subject),),
            )
            if await self.parts.commit(commit):
                live = sum(session.is_live(now=now) for session in kept)
                within, elsewhere = self._lags(kept, now=now)
                return Changed(count=live, effective_within=within, elsewhere_within=elsewhere)
        raise Overloaded(retry_after=timedelta(seconds=1))

    def _end(
        self,
        chosen: Iterable[Session],
        states: dict[str, SubjectState],
        because: str,
        now: datetime,
        *,
        ended: bool,
    ) -> Commit:
        """One commit that ends these sessions and moves the states of their subjects on."""
        moved = {
            subject: state.ended() if ended else state.moved() for subject, state in states.items()
        }
        after: list[Session] = []
        changes: list[StatusChange] = []
        for before in chosen:
            session = before.revoked(now=now, because=because).following(before)
            was, becomes = states[before.subject], moved[before.subject]
            changes.extend(changes_between((before, was), (session, becomes)))
            after.append(session)
        events = tuple(of_session("session_revoked", s, now, {"because": because}) for s in after)
        return Commit(
            sessions=tuple(after),
            subjects=tuple(moved.values()),
            changes=tuple(changes),
            moves_feed=True,
            events=events,
        )

    def _by_shard(self, sessions: Iterable[Session]) -> Iterable[list[Session]]:
        """Those of each shard, since one commit touches no two."""
        found: dict[int, list[Session]] = {}
        for session in sessions:
            found.setdefault(self.parts.any_store.shard(session.subject), []).append(session)
        return found.values()

    def _lags(self, ended: Iterable[Session], *, now: datetime) -> tuple[timedelta, timedelta]:
        """The longest that any of their credentials can outlive what is acknowledged now."""
        clients = self.parts.clients
        each = [lags(session, clients.get(session.client_id), now=now) for session in ended]
        return (
            max((within for within, _ in each), default=NOTHING),
            max((elsewhere for _, elsewhere in each), default=NOTHING),
        )


def _revoked(
    count: int, within: tuple[timedelta, timedelta], *, ended_at: datetime | None
) -> Revoked:
    return Revoked(
        count=count, effective_within=within[0], elsewhere_within=within[1], ended_at=ended_at
    )
