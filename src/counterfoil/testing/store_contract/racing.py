"""The races that a store decides: one conditional commit is the whole concurrency story.

Each is run by tasks on one loop and, where the store has a blocking face, by threads.
"""

# ruff: noqa: S101 - pytest's word is assert

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from counterfoil.ports import Commit, SessionQuery
from counterfoil.status_change import (
    CLAIMS_STALE,
    INVALID,
    SUSPENDED,
    VALID,
    Position,
    StatusChange,
)
from counterfoil.status_list import Issuing
from counterfoil.testing.records import (
    HOUR,
    NOW,
    SECOND,
    a_session,
    an_index,
    change_subject,
    found,
    opened,
    revoke,
    revoke_all,
    revoke_client,
    rotate,
    sign_in,
    statuses,
)
from counterfoil.testing.store_contract.together import ByTasks, ByThreads, Together, eager_threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil.ports import Store

ROUNDS = 8


class Racing:
    """What is promised when two come at once."""

    @pytest.fixture(params=["tasks", "threads"])
    def together(self, request: pytest.FixtureRequest, store: Store) -> Iterator[Together]:
        """Runs verbs at once and answers what each came to."""
        with eager_threads():
            yield ByTasks(store) if request.param == "tasks" else ByThreads(store)

    async def test_of_two_rotations_of_one_handle_one_takes(
        self, store: Store, together: Together
    ) -> None:
        """The loser has written nothing, and the record is the winner's."""
        for number in range(ROUNDS):
            session_id = f"s-{number}"
            before = await opened(store, a_session(session_id))
            digests = [bytes([n]) * 32 for n in range(1, 5)]
            took = await together(*(rotate(together.face, before, one) for one in digests))
            after = await found(store, session_id)
            assert took.count(True) == 1
            assert after.session.handle_digest == digests[took.index(True)]
            assert (after.session.version, after.subject.version) == (2, before.subject.version + 1)
            assert len(await store.trail()) == number + 1

    async def test_a_refresh_does_not_undo_a_revocation(
        self, store: Store, together: Together
    ) -> None:
        """Whoever comes first: the session is ended, with every index that it was given."""
        for number in range(ROUNDS):
            session_id = f"s-{number}"
            index = await an_index(store)
            before = await opened(store, a_session(session_id, indices=(index,)))
            took, _ = await together(
                rotate(together.face, before, bytes(32)), revoke(together.face, session_id)
            )
            session = (await found(store, session_id)).session
            said = statuses(await store.feed(None, now=NOW))
            assert session.ended_at == NOW
            assert session.version == (3 if took else 2)
            assert {said[i.list_id, i.index] for i in session.indices} == {INVALID}

    async def test_a_touch_does_not_undo_a_revocation(
        self, store: Store, together: Together
    ) -> None:
        """Nor does it keep one from taking at its first attempt."""
        for number in range(ROUNDS):
            session_id = f"s-{number}"
            before = await opened(store, a_session(session_id))
            ended = before.session.revoked(now=NOW, because="revoked").following(before.session)
            commit = Commit(sessions=(ended,), subjects=(before.subject.moved(),))
            took, *_ = await together(
                together.face.commit(commit),
                *(together.face.touch(session_id, NOW + n * SECOND) for n in range(3)),
            )
            session = (await found(store, session_id)).session
            assert took is True
            assert (session.ended_at, session.version) == (NOW, 2)
            assert NOW <= session.last_seen_at <= NOW + 2 * SECOND

    async def test_a_sign_in_does_not_outlive_a_revocation_of_all(
        self, store: Store, together: Together
    ) -> None:
        """A sign-in that proved who it is before then either fails or is ended with the others;
        a changed password is the same with one session kept."""
        await opened(store, a_session("kept"))
        for number in range(ROUNDS):
            proved = await store.subject("user-1")
            signed_in, _ = await together(
                sign_in(together.face, a_session(f"new-{number}"), proved),
                revoke_all(together.face, "user-1", keep="kept"),
            )
            live = await store.sessions(SessionQuery(subject="user-1", live_at=NOW))
            assert [session.id for session in live] == ["kept"]
            assert (await store.look_up(f"new-{number}") is not None) == signed_in
            assert not await sign_in(store, a_session(f"late-{number}"), proved)

    async def test_a_sign_in_does_not_escape_a_suspension(
        self, store: Store, together: Together
    ) -> None:
        """It fails, or its index is suspended with the others."""
        for number in range(ROUNDS):
            subject, session_id = f"user-{number}", f"s-{number}"
            session = a_session(session_id, subject=subject)
            proved = await store.subject(subject)
            signed_in, _ = await together(
                sign_in(together.face, session, proved),
                change_subject(together.face, subject, lambda s: s.suspended(now=NOW)),
            )
            state, sessions = await store.all_of_subject(subject)
            said = statuses(await store.feed(None, now=NOW))
            assert state.is_suspended
            assert [session.id for session in sessions] == [session_id] * signed_in
            assert {said[i.list_id, i.index] for s in sessions for i in s.indices} <= {SUSPENDED}

    async def test_a_sign_in_does_not_outlive_the_revocation_of_its_client(
        self, store: Store, together: Together
    ) -> None:
        """It fails, or is found among the client's sessions and ended."""
        for number in range(ROUNDS):
            client = await store.client("web")
            proved = [await store.subject(f"user-{n}") for n in range(3)]
            opening = [
                a_session(f"s-{number}-{n}", subject=state.subject)
                for n, state in enumerate(proved)
            ]
            await together(
                revoke_client(together.face, "web"),
                *(
                    sign_in(together.face, one, state, client)
                    for one, state in zip(opening, proved, strict=True)
                ),
            )
            assert await store.sessions(SessionQuery(client_id="web", live_at=NOW)) == []
            assert await store.client("web") == client.ended()

    async def test_no_token_escapes_a_change_of_claims(
        self, store: Store, together: Together
    ) -> None:
        """A refresh that read the old claims fails, or its new index goes stale with the old."""
        index = await an_index(store)
        await opened(store, a_session(indices=(index,)))
        for number in range(ROUNDS):
            before = await found(store, "s-1")
            await together(
                rotate(together.face, before, bytes(32)),
                change_subject(together.face, "user-1", lambda s: s.with_changed_claims()),
            )
            session, state = await found(store, "s-1")
            said = statuses(await store.feed(None, now=NOW))
            assert state.claims_version == number + 1
            for one in session.indices:
                stale = one.claims_version < state.claims_version
                expected = CLAIMS_STALE if stale else VALID
                assert said.get((one.list_id, one.index), VALID) == expected

    async def test_what_is_read_together_was_true_together(self, together: Together) -> None:
        """A subject's state and their sessions come from one moment, whoever writes meanwhile."""
        commits = 30

        async def write(face: Store) -> None:
            for number in range(commits):
                await opened(face, a_session(f"s-{number}"))
                await found(face, "s-0")

        async def read(face: Store) -> None:
            opened_yet = 0
            while opened_yet < commits:
                state, sessions = await face.all_of_subject("user-1")
                opened_yet = len(sessions)
                assert state.version == opened_yet

        await together(write(together.face), read(together.face), read(together.face))

    async def test_numbers_have_no_gap_and_a_reader_skips_none(
        self, store: Store, together: Together
    ) -> None:
        """Who reads on from where they stand sees every change once, in one order for all."""
        list_id = (await an_index(store)).list_id
        writers, commits = 6, 15

        async def write(face: Store, writer: int) -> None:
            for number in range(commits):
                first = (writer * commits + number) * 3
                size = 1 + number % 3
                changes = tuple(StatusChange(list_id, first + n, INVALID) for n in range(size))
                assert await face.commit(Commit(changes=changes))

        async def follow(face: Store) -> list[StatusChange]:
            seen: list[StatusChange] = []
            position: Position | None = None
            while len(seen) < writers * commits * 2:
                read = await face.feed(position, now=NOW)
                start = read.after.number if read.after else 0
                assert len(read.changes) == read.position.number - start
                seen += read.changes
                position = read.position
            return seen

        *_, first, second = await together(
            *(write(together.face, n) for n in range(writers)),
            follow(together.face),
            follow(together.face),
        )
        read = await store.feed(None, now=NOW)
        assert read.position.number == len(read.changes) == len(set(first)) == writers * commits * 2
        assert list(read.changes) == first == second

    async def test_no_index_is_given_twice(self, store: Store, together: Together) -> None:
        """Whoever reserves, however many at once, and however many lists that takes."""
        issuing = Issuing(window=HOUR, size=50)

        async def take(face: Store) -> list[tuple[str, int]]:
            taken: list[tuple[str, int]] = []
            for _ in range(30):
                block = await face.reserve(issuing, count=3, now=NOW)
                while (index := block.take()) is not None:
                    taken.append((block.list.id, index))
            return taken

        taken = await together(*(take(together.face) for _ in range(6)))
        given = [index for each in taken for index in each]
        assert len(given) == len(set(given)) > 6 * 30 * 2  # a last block is short
        assert max(index for _, index in given) < issuing.size
        announced = {known.id for known in (await store.feed(None, now=NOW)).lists}
        assert {list_id for list_id, _ in given} <= announced
