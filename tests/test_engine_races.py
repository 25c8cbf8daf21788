"""Races: the store waits before and after every call, so other tasks really come between."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil import MemoryStore, Opened
from counterfoil.errors import (
    AuthError,
    ClaimsStale,
    ClientUnknown,
    RefreshUnknown,
    SessionRevoked,
    SignInRefused,
    SubjectSuspended,
    Unavailable,
)
from scenes import (
    EVERY_ID,
    PHONE,
    SECOND,
    Roles,
    Scene,
    Waiting,
    all_of,
    credential,
    handle,
    scene,
    texts_of,
    with_lifetime,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from counterfoil.ports import Commit

every_client = pytest.mark.parametrize("client_id", EVERY_ID)
orders = pytest.mark.parametrize("first", [0, 1, 2, 3, 4, 6, 8])


def waiting(**more: Any) -> AbstractContextManager[Scene]:
    store = MemoryStore()
    return scene(store=store, face=Waiting(store), **more)


async def later(turns: int, call: Any) -> Any:
    """The call, begun after so many turns of the loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
    return await call


def errors_in(answers: list[Any]) -> Iterator[type[BaseException]]:
    return (type(answer) for answer in answers if isinstance(answer, BaseException))


async def accepted(s: Scene, opened: Opened) -> bool:
    try:
        await s.check(opened)
    except AuthError:
        return False
    return True


@every_client
async def test_s9_fifty_parallel_refreshes_have_one_successor(client_id: str) -> None:
    """And nobody is signed out: 49 are answered with what the one made."""
    with waiting() as s:
        opened = await s.open("ann", client_id)
        answers = await all_of(*(s.refresh(opened) for _ in range(50)))
        assert list(errors_in(answers)) == []
        assert len(texts_of(answers)) == 1
        assert (await s.record(opened)).generation == 1
        for answer in answers:
            await s.check(answer)
        kinds = await s.kinds()
        assert kinds.count("session_refreshed") == 1
        assert kinds.count("refresh_repeated") == 49


@every_client
async def test_parallel_refreshes_during_a_claims_change_have_one_successor(client_id: str) -> None:
    """All who hold it in the end refresh to the new claims; the old ones never outlive."""
    roles = Roles({"ann": ["admin"]})
    with waiting(claims=roles) as s:
        opened = await s.open("ann", client_id)

        async def demote() -> None:
            roles.of["ann"] = []
            await s.auth.claims_changed("ann")

        answers = await all_of(
            *(later(turn, s.refresh(opened)) for turn in range(10)), later(4, demote())
        )
        assert list(errors_in(answers)) == []
        assert len(texts_of(answers[:-1])) == 1
        assert (await s.record(opened)).generation == 1
        newest = await s.refresh(opened)
        assert (await s.check(newest)).roles == ()


@orders
@pytest.mark.parametrize("client_id", ["web", "api", "spa"])
async def test_the_old_roles_never_outlive_a_claims_change(client_id: str, first: int) -> None:
    """Refresh read them before, commits after: it loses, and reads again."""
    roles = Roles({"ann": ["admin"]})
    with waiting(claims=roles) as s:
        opened = await s.open("ann", client_id)

        async def demote() -> None:
            roles.of["ann"] = []
            await s.auth.claims_changed("ann")

        (renewed, _) = await asyncio.gather(s.refresh(opened), later(first, demote()))
        for each in (opened, renewed):
            try:
                assert (await s.check(each)).roles == ()
            except ClaimsStale:
                continue


@orders
@every_client
async def test_s11_a_refresh_does_not_undo_a_revocation(client_id: str, first: int) -> None:
    """Whoever commits first: once the revocation is acknowledged, nothing of the session passes
    after its lag."""
    with waiting() as s:
        opened = await s.open("ann", client_id)
        answers = await all_of(s.refresh(opened), later(first, s.auth.revoke(opened.session.id)))
        done = answers[1]
        assert done.count == 1
        everything = [opened, *(a for a in answers if isinstance(a, Opened))]
        s.advance(done.effective_within)
        for each in everything:
            assert not await accepted(s, each)
            with pytest.raises(SessionRevoked):
                await s.refresh(each)


@orders
@every_client
async def test_revoke_all_leaves_no_sign_in_behind(client_id: str, first: int) -> None:
    """One that verified the old password loses, wherever it stands when everything is revoked."""
    with waiting() as s:
        expected = await s.auth.subject("ann")
        opened, done = await all_of(
            s.open("ann", client_id, expected=expected), later(first, s.auth.revoke_all("ann"))
        )
        assert not isinstance(done, BaseException)
        assert await s.auth.sessions("ann") == []
        if isinstance(opened, Opened):
            assert done.count == 1
        else:
            assert isinstance(opened, SignInRefused)


@orders
@every_client
async def test_a_suspension_leaves_no_good_sign_in_behind(client_id: str, first: int) -> None:
    """It is refused, or what it opened is suspended with the rest."""
    with waiting() as s:
        opened, changed = await all_of(
            s.open("ann", client_id), later(first, s.auth.suspend("ann"))
        )
        s.advance(changed.effective_within)
        if isinstance(opened, Opened):
            assert not await accepted(s, opened)
            assert changed.count == 1
        else:
            assert isinstance(opened, SubjectSuspended)


@orders
@every_client
async def test_revoking_a_client_leaves_no_sign_in_behind(client_id: str, first: int) -> None:
    """A sign-in under way is counted among the ended, or refused, or begins after them."""
    with waiting() as s:
        await s.open("bob", client_id)
        opened, done = await all_of(
            s.open("ann", client_id), later(first, s.auth.revoke_client(client_id))
        )
        live = await s.auth.sessions("ann")
        assert await s.auth.sessions("bob") == []
        if isinstance(opened, SignInRefused):
            assert (done.count, live) == (1, [])
            return
        assert isinstance(opened, Opened)
        assert done.count + len(live) == 2
        s.advance(done.effective_within)
        assert await accepted(s, opened) is bool(live and client_id != "partner")


@orders
@every_client
async def test_a_refresh_does_not_escape_the_end_of_its_client(client_id: str, first: int) -> None:
    """The batch that lost against it is tried again on what it left."""
    with waiting() as s:
        opened = await s.open("ann", client_id)
        await all_of(s.refresh(opened), later(first, s.auth.revoke_client(client_id)))
        assert await s.auth.sessions("ann") == []


@orders
@every_client
async def test_a_step_up_and_a_refresh_agree_on_one_handle(client_id: str, first: int) -> None:
    """Whoever is second sees what the first made; the session stays, and exactly one of the
    handles that were given out is the newest."""
    with waiting() as s:
        opened = await s.open("ann", client_id)
        answers = await all_of(s.refresh(opened), later(first, s.auth.step_up(credential(opened))))
        assert set(errors_in(answers)) <= {RefreshUnknown}
        given = [answer for answer in answers if isinstance(answer, Opened)]
        record = await s.record(opened)
        newest = [a for a in given if a.session.handle_digest == record.handle_digest]
        assert newest
        assert len(texts_of(newest)) == 1
        assert (await s.refresh(newest[0])).session.generation == record.generation + 1


@orders
async def test_two_revocations_end_a_session_once(first: int) -> None:
    """One says 1, the other 0 and since when."""
    with waiting() as s:
        opened = await s.open()
        answers = await all_of(
            s.auth.revoke(opened.session.id), later(first, s.auth.revoke(opened.session.id))
        )
        assert sorted(answer.count for answer in answers) == [0, 1]
        assert {answer.ended_at for answer in answers} == {s.now}
        assert (await s.kinds()).count("session_revoked") == 1


async def test_thirty_sign_ins_at_once_all_succeed() -> None:
    """They compete for the subject's version, and each gets its turn and its own index."""
    with waiting() as s:
        answers = await all_of(*(s.open("ann", "api") for _ in range(30)))
        assert list(errors_in(answers)) == []
        entries = {(i.list_id, i.index) for a in answers for i in a.session.indices}
        assert len(entries) == 30


async def test_two_processes_never_give_out_the_same_index() -> None:
    """Each reserves blocks of its own from the one store."""
    with waiting() as one, scene(store=one.store, face=Waiting(one.store), clock=one.clock) as two:
        answers = await all_of(*(s.open(f"user-{n}", "api") for n in range(70) for s in (one, two)))
        entries = [(i.list_id, i.index) for a in answers for i in a.session.indices]
        assert len(set(entries)) == len(entries) == 140


@every_client
async def test_two_processes_refresh_to_the_same_successor(client_id: str) -> None:
    """A load balancer sends the retry to the other node."""
    with waiting() as one, scene(store=one.store, face=Waiting(one.store), clock=one.clock) as two:
        opened = await one.open("ann", client_id)
        answers = await all_of(*(s.refresh(opened) for _ in range(5) for s in (one, two)))
        assert list(errors_in(answers)) == []
        assert len(texts_of(answers)) == 1
        one.read_on()
        two.read_on()
        for answer in answers:
            await one.check(answer)
            await two.check(answer)


class Slow(MemoryStore):
    """Stalls before one commit; meanwhile another request of the same client is served."""

    meanwhile: Any = None

    async def commit(self, commit: Commit) -> bool:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return await super().commit(commit)


@pytest.mark.parametrize("grace", [0, 10])
async def test_an_honest_request_that_had_to_wait_here_is_no_reuse(grace: int) -> None:
    """Its handle was current when it came; that the database took longer than the grace is not
    the client's doing."""
    store = Slow()
    with scene(with_lifetime(PHONE, grace=grace * SECOND), store=store) as s:
        opened = await s.open("ann", "phone")
        others: list[Opened] = []

        async def meanwhile() -> None:
            s.advance(SECOND)
            others.append(await s.refresh(opened))
            s.advance(timedelta(minutes=1))

        store.meanwhile = meanwhile
        answer = await s.refresh(opened)
        assert handle(answer).text == handle(others[0]).text
        assert (await s.check(answer)).subject == "ann"


class Busy(MemoryStore):
    """Whatever is expected has just been changed by somebody else."""

    async def commit(self, commit: Commit) -> bool:
        return not commit.subjects and await super().commit(commit)


async def test_who_loses_every_race_is_told_to_come_back() -> None:
    """503 with Retry-After, never a loop without end, and never an answer that is not true."""
    with scene() as s:
        opened = await s.open("ann", "phone")
        busy = Busy()
        busy._sessions, busy._subjects = s.store._sessions, s.store._subjects  # noqa: SLF001
        with scene(store=busy, clock=s.clock) as b:
            for verb in (
                b.open("ann"),
                b.refresh(opened),
                b.auth.step_up(credential(opened)),
                b.auth.revoke(opened.session.id),
                b.auth.revoke_all("ann"),
                b.auth.revoke_client("phone"),
                b.auth.suspend("ann"),
                b.auth.claims_changed("ann"),
            ):
                with pytest.raises(Unavailable) as told:
                    await verb
                assert told.value.retry_after == SECOND
        await s.check(opened)


async def test_a_client_nobody_registered_cannot_be_revoked() -> None:
    """A typo must not be answered "done"."""
    with scene() as s, pytest.raises(ClientUnknown):
        await s.auth.revoke_client("patner")
