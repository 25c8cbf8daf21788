"""What holds for a subject as a whole: suspension, reinstatement, changed claims."""

from __future__ import annotations

from datetime import timedelta

import pytest

from counterfoil.errors import (
    AuthError,
    ClaimsStale,
    Malformed,
    SessionRevoked,
    SubjectSuspended,
)
from scenes import EVERY_ID, SECOND, Roles, credential, scene

every_client = pytest.mark.parametrize("client_id", EVERY_ID)
NONE = timedelta(0)


@pytest.mark.parametrize("verb", ["suspend", "reinstate", "claims_changed"])
async def test_a_change_says_whom_it_concerns_and_how_soon_it_holds(verb: str) -> None:
    """The living sessions of the subject, and the longest lag among them."""
    with scene() as s:
        change = getattr(s.auth, verb)
        assert (await change("ann")).count == 0
        await s.auth.reinstate("ann")
        await s.open("ann", "web")
        changed = await change("ann")
        assert (changed.count, changed.effective_within, changed.elsewhere_within) == (
            1,
            NONE,
            NONE,
        )
        await s.auth.reinstate("ann")
        hybrid = await s.open("ann", "api")
        changed = await change("ann")
        assert (changed.count, changed.effective_within) == (2, 10 * SECOND)
        assert changed.elsewhere_within == hybrid.elsewhere_within
        await s.auth.reinstate("ann")
        jwt = await s.open("ann", "partner")
        changed = await change("ann")
        assert (changed.count, changed.effective_within) == (3, jwt.effective_within)
        await s.auth.revoke_all("ann")
        assert (await change("ann")).count == 0


@pytest.mark.parametrize(
    "verb", ["suspend", "reinstate", "claims_changed", "revoke_all", "subject"]
)
async def test_a_subject_that_cannot_exist_is_malformed(verb: str) -> None:
    """A typo with a space in it must not be answered "done"."""
    with scene() as s:
        for subject in ("", "a b", "é", "x" * 256):
            with pytest.raises(Malformed):
                await getattr(s.auth, verb)(subject)
        with pytest.raises(Malformed):
            await s.auth.sessions("a b")


@every_client
async def test_reinstating_revives_nothing_that_was_revoked_meanwhile(client_id: str) -> None:
    """Nor what was revoked before."""
    with scene() as s:
        before, meanwhile, kept = [await s.open("ann", client_id) for _ in range(3)]
        first = await s.auth.revoke(before.session.id)
        await s.auth.suspend("ann")
        second = await s.auth.revoke(meanwhile.session.id)
        await s.auth.reinstate("ann")
        await s.check(kept)
        s.advance(max(first.effective_within, second.effective_within))
        for each in (before, meanwhile):
            with pytest.raises(AuthError):
                await s.check(each)
            with pytest.raises(SessionRevoked):
                await s.refresh(each)


@pytest.mark.parametrize("client_id", ["api", "spa"])
async def test_reinstating_leaves_stale_what_was_stale(client_id: str) -> None:
    """Claims changed before, during and after the suspension; only a refresh makes it good."""
    for when in ("before", "during", "after"):
        with scene(claims=Roles()) as s:
            opened = await s.open("ann", client_id)
            if when == "before":
                await s.auth.claims_changed("ann")
            await s.auth.suspend("ann")
            if when == "during":
                await s.auth.claims_changed("ann")
            with pytest.raises(SubjectSuspended):
                await s.check(opened)
            await s.auth.reinstate("ann")
            if when == "after":
                await s.auth.claims_changed("ann")
            with pytest.raises(ClaimsStale):
                await s.check(opened)
            await s.check(await s.refresh(opened))
            with pytest.raises(ClaimsStale):
                await s.check(opened)


async def test_suspending_twice_is_lifted_once() -> None:
    """A suspension is a state, not a count; and since when does not move."""
    with scene() as s:
        opened = await s.open("ann")
        await s.auth.suspend("ann")
        since = s.now
        s.advance(60)
        await s.auth.suspend("ann")
        assert (await s.auth.subject("ann")).suspended_at == since
        await s.auth.reinstate("ann")
        await s.auth.reinstate("ann")
        assert not (await s.auth.subject("ann")).is_suspended
        await s.check(await s.refresh(opened))


async def test_what_happens_to_one_subject_happens_to_no_other() -> None:
    """Names that begin alike are different people."""
    with scene() as s:
        others = [await s.open(name) for name in ("ann2", "an", "Ann", "ann ".strip() + ".")]
        await s.auth.suspend("ann")
        await s.auth.claims_changed("ann")
        await s.auth.revoke_all("ann")
        for other in others:
            await s.check(other)


async def test_the_trail_has_each_change_of_a_subject() -> None:
    """Who and when."""
    with scene() as s:
        await s.auth.suspend("ann")
        await s.auth.reinstate("ann")
        await s.auth.claims_changed("ann")
        trail = await s.trail()
        assert [event.kind for event in trail] == [
            "subject_suspended",
            "subject_reinstated",
            "claims_changed",
        ]
        assert {(event.subject, event.at) for event in trail} == {("ann", s.now)}


async def test_a_change_takes_back_the_old_index_for_good() -> None:
    """Roles that are given back do not make the first token good again."""
    roles = Roles({"ann": ["admin"]})
    with scene(claims=roles) as s:
        first = await s.open("ann")
        for each in (["reader"], ["admin"]):
            roles.of["ann"] = each
            await s.auth.claims_changed("ann")
        second = await s.refresh(first)
        assert (await s.check(second)).roles == ("admin",)
        with pytest.raises(ClaimsStale):
            await s.check(first)


async def test_devices_are_the_living_sessions_newest_first() -> None:
    """Of every client, without the revoked and the expired; a suspended subject keeps theirs."""
    with scene() as s:
        opened = []
        for client_id in EVERY_ID:
            opened.append(await s.open("ann", client_id, device=client_id))
            s.advance(SECOND)
        await s.auth.revoke(opened[1].session.id)
        await s.auth.suspend("ann")
        listed = await s.auth.sessions("ann")
        assert [each.device for each in listed] == ["partner", "spa", "api", "web"]
        s.advance(timedelta(days=8))
        assert await s.auth.sessions("ann") == []


async def test_a_confirmed_check_says_what_is_true_now() -> None:
    """Suspension, claims and end from the record; the token's own time and strategy."""
    roles = Roles({"ann": ["admin"]})
    with scene(claims=roles) as s:
        opened = await s.open("ann", "partner")
        roles.of["ann"] = ["reader"]
        s.advance(60)
        seen = await s.auth.confirm(credential(opened))
        assert seen.roles == ("reader",)
        assert (seen.as_of, seen.strategy) == (s.now, "jwt")
        assert seen.expires_at == opened.credential.expires_at
