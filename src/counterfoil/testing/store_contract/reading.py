"""What every read of a store answers."""

# ruff: noqa: S101, PLR2004 - pytest's word is assert, and a test states numbers

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from counterfoil.drive import drive
from counterfoil.ports import Commit, Found, SessionQuery
from counterfoil.session import StatusIndex
from counterfoil.subject import ClientState, SubjectState
from counterfoil.testing.records import (
    ANY_TEXTS,
    HOUR,
    NOW,
    SECOND,
    a_session,
    an_event,
    found,
    opened,
    revoke,
)
from counterfoil.testing.store_contract.together import blocking_of

if TYPE_CHECKING:
    from counterfoil.ports import Store
    from counterfoil.session import Session

FULL = a_session(
    "s-full",
    subject="user:1/@!~",
    auth_time=NOW + SECOND,
    last_seen_at=NOW + 2 * SECOND,
    idle=timedelta(days=7, microseconds=1),
    generation=2**24 - 1,
    handle_digest=bytes(range(32)),
    spent_at=(NOW, NOW + timedelta(microseconds=1)),
    claims={"roles": ["a:b", "c"], "nested": {"ö": [1, 2.5, None, True, "\ud800"]}, "": ""},
    claims_version=7,
    indices=(StatusIndex("a", 0, 0, NOW), StatusIndex("b", 2**20 - 1, 7, NOW + HOUR)),
    access_until=NOW + HOUR,
    device='Fire\tfox "1"\\\0 \u202e \ud800 🎟',
    address='2001:db8::1%\t"\\\0 \u202e \ud800 🎟',
    ended_at=NOW + HOUR,
    ended_because="revoked",
)


class Reading:
    """`look_up`, `subject`, `client`, `all_of_subject`, `blocking`, `close`."""

    @pytest.mark.parametrize("text", ANY_TEXTS, ids=repr)
    async def test_what_was_never_written_is_absent(self, store: Store, text: str) -> None:
        """An id of any text is allowed, and is absent: never an error, never somebody else's."""
        await opened(store, a_session())
        assert await store.look_up(text) is None
        assert await store.subject(text) == SubjectState(subject=text, version=0)
        assert await store.client(text) == ClientState(client_id=text, version=0)
        assert await store.all_of_subject(text) == (SubjectState(subject=text), [])
        assert await store.sessions(SessionQuery(subject=text)) == []
        assert await store.sessions(SessionQuery(client_id=text)) == []
        assert await store.sessions(SessionQuery(before=text)) == []
        assert await store.trail(subject=text) == []

    @pytest.mark.parametrize("session", [a_session(), FULL], ids=["plain", "full"])
    async def test_a_record_is_read_as_it_was_written(self, store: Store, session: Session) -> None:
        """Every field survives, to the microsecond, whatever text a caller put into it."""
        await opened(store, session)
        assert (await found(store, session.id)).session == session
        assert await store.sessions(SessionQuery()) == [session]
        assert (await store.all_of_subject(session.subject))[1] == [session]

    async def test_a_moment_is_the_same_moment_in_any_zone(self, store: Store) -> None:
        """What was written in another zone is read as the same moment, with a zone."""
        there = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
        await opened(store, a_session(created_at=there))
        assert (await found(store, "s-1")).session.created_at == NOW

    async def test_a_look_up_brings_the_subject_as_it_stands(self, store: Store) -> None:
        """The session and its subject's state come from one read, after the call began."""
        first = await opened(store, a_session())
        assert await found(store, "s-1") == first
        state = first.subject.suspended(now=NOW).with_changed_claims()
        state = replace(state, version=2)
        assert await store.commit(Commit(subjects=(state,)))
        assert await found(store, "s-1") == Found(first.session, state)
        assert await store.subject("user-1") == state

    async def test_a_session_may_have_no_subject_state(self, store: Store) -> None:
        """A session whose subject was never written belongs to a subject at version 0."""
        assert await store.commit(Commit(sessions=(a_session(),)))
        assert await found(store, "s-1") == Found(a_session(), SubjectState(subject="user-1"))

    async def test_all_of_a_subject_are_all(self, store: Store) -> None:
        """Ended and expired sessions are among them, other subjects' are not."""
        for number in range(3):
            await opened(store, a_session(f"s-{number}"))
        last = await opened(store, a_session("s-expired", absolute_end=NOW))
        await opened(store, a_session("s-other", subject="user-2"))
        ended = await revoke(store, "s-0")
        state, sessions = await store.all_of_subject("user-1")
        assert state.version == last.subject.version + 1
        assert {session.id for session in sessions} == {"s-0", "s-1", "s-2", "s-expired"}
        assert ended in sessions

    async def test_the_blocking_face_shows_the_same_store(self, store: Store) -> None:
        """Either face sees at once what the other wrote, and the blocking one never suspends."""
        face = blocking_of(store)
        assert face.suspends is False
        await opened(store, a_session())
        assert drive(face.look_up("s-1")) == await store.look_up("s-1")
        drive(opened(face, a_session("s-2"), events=(an_event(),)))
        assert (await found(store, "s-2")).subject.version == 2
        assert drive(face.feed(None, now=NOW)) == await store.feed(None, now=NOW)
        assert face.blocking().suspends is False

    async def test_a_step_aside_may_read_the_blocking_face(self, store: Store) -> None:
        """It answers what the step does, and passes its error on; the face itself needs none."""
        face = blocking_of(store)
        await opened(store, a_session())
        assert await store.aside(lambda: drive(face.look_up("s-1"))) == await found(store, "s-1")
        assert face.waits_aside is False

        def fail() -> None:
            raise LookupError("s-2")

        with pytest.raises(LookupError, match="s-2"):
            await store.aside(fail)

    async def test_closing_again_does_nothing(self, store: Store) -> None:
        """A store may be closed twice, and without ever having been used."""
        await store.close()
        await store.close()
