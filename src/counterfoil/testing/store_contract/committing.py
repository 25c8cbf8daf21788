"""The one conditional commit, and the touch that may come between."""

# ruff: noqa: S101, PLR2004 - pytest's word is assert, and a test states numbers

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from counterfoil.ports import Commit, SessionQuery
from counterfoil.status_change import INVALID, StatusChange
from counterfoil.subject import ClientState, SubjectState
from counterfoil.testing.records import (
    ANY_TEXTS,
    HOUR,
    NOW,
    SECOND,
    a_session,
    an_event,
    an_index,
    beside,
    everything,
    found,
    opened,
    revoke,
)

if TYPE_CHECKING:
    from counterfoil.ports import Store

USER = SubjectState(subject="user-1", version=1)

# What does not hold when s-1 is at version 2, user-1 at 2, api at 1 and web was never seen.
FAILURES = {
    "a session of that id is there": Commit(sessions=(a_session(),)),
    "the session has not moved on": Commit(sessions=(a_session(version=2),)),
    "the session is further on": Commit(sessions=(a_session(version=4),)),
    "the session is not there": Commit(sessions=(a_session("s-3", version=2),)),
    "the second session is not there": Commit(
        sessions=(a_session(version=3), a_session("s-3", version=2))
    ),
    "the subject is there": Commit(subjects=(USER,)),
    "the subject has moved on": Commit(subjects=(replace(USER, version=2),)),
    "the subject is not there": Commit(subjects=(SubjectState(subject="user-2", version=2),)),
    "the client is there": Commit(clients=(ClientState(client_id="api", version=1),)),
    "the client is not there": Commit(clients=(ClientState(client_id="web", version=2),)),
    "the client stands elsewhere": Commit(unchanged=(ClientState(client_id="api"),)),
    "the client was never seen": Commit(unchanged=(ClientState(client_id="web", version=1),)),
    "the store is in another epoch": Commit(epoch="another"),
}


class Committing:
    """`commit` and `touch`."""

    async def test_an_empty_commit_holds(self, store: Store) -> None:
        """It expects nothing and writes nothing."""
        before = await everything(store)
        assert await store.commit(Commit()) is True
        assert await everything(store) == before

    async def test_a_version_replaces_the_one_before(self, store: Store) -> None:
        """Sessions, subjects and clients alike: 1 opens, and n replaces n-1."""
        for version in (1, 2, 3):
            session = a_session(version=version, generation=version)
            state = replace(USER, version=version, epoch=version)
            client = ClientState(client_id="web", version=version)
            assert await store.commit(Commit(sessions=(session,), subjects=(state,))) is True
            assert await store.commit(Commit(clients=(client,))) is True
            assert await found(store, "s-1") == (session, state)
            assert await store.client("web") == client

    @pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
    async def test_a_failed_expectation_writes_nothing(self, store: Store, failure: Commit) -> None:
        """Whichever record stands elsewhere: no record, no change, no number, no event."""
        await opened(store, a_session())
        await revoke(store, "s-1")
        assert await store.commit(Commit(clients=(ClientState(client_id="api", version=1),)))
        index = await an_index(store)
        before = await everything(store)
        subjects = [each.subject for each in failure.sessions]
        subjects += [each.subject for each in failure.subjects]
        subject = beside(store, (subjects or ["user-1"])[0])
        commit = replace(
            failure,
            changes=(StatusChange(index.list_id, index.index, INVALID),),
            events=(an_event(),),
        )
        if failure.clients:
            new = ClientState(client_id="new", version=1)
            commit = replace(commit, clients=(new, *failure.clients))
        else:
            state = SubjectState(subject=subject, version=1)
            commit = replace(
                commit,
                sessions=(a_session("s-9", subject=subject), *failure.sessions),
                subjects=(state, *failure.subjects),
            )
        assert await store.commit(commit) is False
        assert await everything(store) == before
        assert await store.look_up("s-9") is None
        assert await store.subject(subject) == SubjectState(subject=subject)
        assert await store.client("new") == ClientState(client_id="new")

    async def test_a_client_that_stands_still_is_not_written(self, store: Store) -> None:
        """`unchanged` is an expectation only; one never seen is expected at version 0."""
        unchanged = ClientState(client_id="web")
        assert await store.commit(Commit(sessions=(a_session(),), unchanged=(unchanged,)))
        assert await store.client("web") == unchanged
        moved = unchanged.ended()
        assert await store.commit(Commit(clients=(moved,)))
        assert await store.commit(Commit(sessions=(a_session("s-2"),), unchanged=(moved,)))
        assert not await store.commit(Commit(sessions=(a_session("s-3"),), unchanged=(unchanged,)))

    async def test_a_large_commit_is_one_commit(self, store: Store) -> None:
        """Thousands of sessions and changes become true together, in the order given."""
        index = await an_index(store)
        many = tuple(a_session(f"s-{number}") for number in range(2000))
        changes = tuple(StatusChange(index.list_id, number, INVALID) for number in range(2000))
        assert await store.commit(Commit(sessions=many, subjects=(USER,), changes=changes))
        assert len(await store.sessions(SessionQuery(limit=5000))) == 2000
        read = await store.feed(None, now=NOW)
        assert read.changes == changes
        assert read.position.number == 2000

    async def test_last_use_never_goes_back(self, store: Store) -> None:
        """A commit on a record that was read before a touch keeps the touch."""
        await opened(store, a_session())
        await store.touch("s-1", NOW + 9 * SECOND)
        older = a_session(version=2, last_seen_at=NOW + SECOND)
        assert await store.commit(Commit(sessions=(older,)))
        assert (await found(store, "s-1")).session.last_seen_at == NOW + 9 * SECOND
        newer = a_session(version=3, last_seen_at=NOW + 10 * SECOND)
        assert await store.commit(Commit(sessions=(newer,)))
        assert (await found(store, "s-1")).session == newer

    async def test_a_touch_moves_last_use_forward_only(self, store: Store) -> None:
        """It notes the later of two uses, and changes nothing else: no commit fails by it."""
        session = (await opened(store, a_session())).session
        await store.touch("s-1", NOW + 9 * SECOND)
        await store.touch("s-1", NOW + 5 * SECOND)
        await store.touch("s-1", NOW - HOUR)
        touched = (await found(store, "s-1")).session
        assert touched == replace(session, last_seen_at=NOW + 9 * SECOND)
        assert await store.commit(Commit(sessions=(replace(touched, version=2),)))

    async def test_a_touch_does_not_follow_a_revocation(self, store: Store) -> None:
        """A revoked session stays as its revocation left it."""
        await opened(store, a_session())
        ended = await revoke(store, "s-1")
        await store.touch("s-1", NOW + 9 * SECOND)
        assert (await found(store, "s-1")).session == ended

    @pytest.mark.parametrize("text", ANY_TEXTS, ids=repr)
    async def test_a_touch_of_nothing_does_nothing(self, store: Store, text: str) -> None:
        """A session that is not there may have been swept: no error, and no record."""
        await store.touch(text, NOW)
        assert await store.look_up(text) is None
