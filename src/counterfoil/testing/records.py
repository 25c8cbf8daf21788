"""Records for tests, and the steps that an engine takes with them, without an engine."""

# ruff: noqa: S101 - pytest's word is assert

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from counterfoil.events import Event
from counterfoil.ports import Commit, Found, SessionQuery
from counterfoil.session import Session, StatusIndex
from counterfoil.status_change import changes_between, changes_of_subject
from counterfoil.status_list import Issuing

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.events import EventKind
    from counterfoil.ports import Store
    from counterfoil.status_change import FeedRead, Status
    from counterfoil.subject import ClientState, SubjectState

# Later than any clock says: a store may forget by its own what has reached its absolute end.
NOW: Final = datetime(2126, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
HOUR: Final = timedelta(hours=1)
ISSUING: Final = Issuing(window=HOUR, size=4096, access=timedelta(minutes=5))

# Texts that arrive from outside in place of an id.
ANY_TEXTS: Final = [
    "",
    " ",
    "unknown",
    "x" * 100_000,
    "'; DROP TABLE sessions; --",
    "%",
    "?",
    "\0",
    "a\0b",
    "näïve ☃ 🎟",
    "\ud800",
    "\n",
]


def a_session(session_id: str = "s-1", **changes: Any) -> Session:
    """A session opened at NOW, idle for an hour at most, a day long."""
    session = Session(
        id=session_id,
        subject="user-1",
        client_id="web",
        created_at=NOW,
        auth_time=NOW,
        last_seen_at=NOW,
        absolute_end=NOW + 24 * HOUR,
        idle=HOUR,
        handle_digest=bytes(32),
    )
    return replace(session, **changes)


def an_event(kind: EventKind = "session_opened", **changes: Any) -> Event:
    return replace(Event(kind=kind, at=NOW, subject="user-1"), **changes)


def beside(store: Store, subject: str) -> str:
    """Another subject, of the same shard: one commit may be about both."""
    shard = store.shard(subject)
    return next(
        other for other in (f"{subject}+{n}" for n in count()) if store.shard(other) == shard
    )


async def opened(store: Store, session: Session, *, events: tuple[Event, ...] = ()) -> Found:
    """Opens the session, in the way of an engine that meets no race."""
    state = (await store.subject(session.subject)).moved()
    assert await store.commit(Commit(sessions=(session,), subjects=(state,), events=events))
    return Found(session, state)


async def found(store: Store, session_id: str) -> Found:
    """A session that is there."""
    answer = await store.look_up(session_id)
    assert answer is not None
    return answer


async def an_index(store: Store, claims_version: int = 0) -> StatusIndex:
    """A status index that nobody has."""
    block = await store.reserve(ISSUING, count=1, now=NOW)
    index = block.take()
    assert index is not None
    return StatusIndex(block.list.id, index, claims_version, block.list.dropped_at)


async def revoke(store: Store, session_id: str) -> Session:
    """Ends a session whatever else happens to it meanwhile."""
    while True:
        before = await found(store, session_id)
        if before.session.ended_at is not None:
            return before.session
        after = Found(
            before.session.revoked(now=NOW, because="revoked").following(before.session),
            before.subject.moved(),
        )
        if await store.commit(_of_session(before, after, "session_revoked")):
            return after.session


async def rotate(store: Store, before: Found, digest: bytes) -> bool:
    """Gives a session as it was read a new handle and a new index, as a refresh does; does not
    try twice. False when it lost a race."""
    index = await an_index(store, before.subject.claims_version)
    session = replace(
        before.session,
        generation=before.session.generation + 1,
        handle_digest=digest,
        claims_version=before.subject.claims_version,
    )
    session = session.with_index(index, now=NOW).following(before.session)
    after = Found(session, before.subject.moved())
    return await store.commit(_of_session(before, after, "session_refreshed"))


async def sign_in(
    store: Store, session: Session, proved: SubjectState, client: ClientState | None = None
) -> bool:
    """Opens a session for a proof that is older than this call; does not try twice."""
    client = client or await store.client(session.client_id)
    session = session.with_index(await an_index(store, proved.claims_version), now=NOW)
    return await store.commit(
        Commit(
            sessions=(session,),
            subjects=(proved.moved(),),
            unchanged=(client,),
            events=(an_event(session_id=session.id),),
        )
    )


async def revoke_all(store: Store, subject: str, *, keep: str | None = None) -> None:
    """Ends all sessions of a subject but one; a changed password does the same."""
    while True:
        state, sessions = await store.all_of_subject(subject)
        before = [s for s in sessions if s.ended_at is None and s.id != keep]
        ended = [s.revoked(now=NOW, because="revoked").following(s) for s in before]
        changes = (
            change
            for old, new in zip(before, ended, strict=True)
            for change in changes_between((old, state), (new, state.ended()))
        )
        commit = Commit(sessions=tuple(ended), subjects=(state.ended(),), changes=tuple(changes))
        if await store.commit(commit):
            return


async def revoke_client(store: Store, client_id: str) -> None:
    """Ends all sessions of a client, after no sign-in under way can succeed any more."""
    while not await store.commit(Commit(clients=((await store.client(client_id)).ended(),))):
        pass
    query = SessionQuery(client_id=client_id, live_at=NOW, limit=2)
    while page := await store.sessions(query):
        for session in page:
            await revoke(store, session.id)


async def change_subject(
    store: Store, subject: str, change: Callable[[SubjectState], SubjectState]
) -> None:
    """Suspends a subject, or moves their claims, with the status of every session of theirs."""
    while True:
        before, sessions = await store.all_of_subject(subject)
        after = change(before)
        changes = changes_of_subject(sessions, before, after)
        if await store.commit(Commit(subjects=(after,), changes=changes)):
            return


def statuses(read: FeedRead) -> dict[tuple[str, int], Status]:
    """What a mirror knows that has read this from nothing; 0 where an entry is not here."""
    return {(change.list_id, change.index): change.status for change in read.changes}


async def everything(store: Store) -> tuple[Any, ...]:
    """All that a store of this suite could show."""
    return (
        await store.feed(None, now=NOW),
        await store.trail(limit=100_000),
        await store.sessions(SessionQuery(limit=100_000)),
        [await store.subject(subject) for subject in ("user-1", "user-2")],
        [await store.client(client_id) for client_id in ("web", "api")],
    )


def _of_session(before: Found, after: Found, kind: EventKind) -> Commit:
    return Commit(
        sessions=(after.session,),
        subjects=(after.subject,),
        changes=tuple(changes_between(before, after)),
        events=(an_event(kind, session_id=after.session.id),),
    )
