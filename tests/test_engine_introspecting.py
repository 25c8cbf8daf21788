"""Introspection at the engine: the record's answer, and no use of what was shown."""

from __future__ import annotations

from datetime import timedelta

import pytest

from counterfoil import Presented
from counterfoil.errors import (
    CredentialMalformed,
    Forbidden,
    RefreshUnknown,
    SessionExpired,
    SessionRevoked,
    SubjectSuspended,
)
from scenes import API, EVERY_ID, LIFETIME, SIGNING_IDS, TICK, credential, handle, scene

GRACE = LIFETIME.grace
MINUTES = timedelta(minutes=2)


@pytest.mark.parametrize("client_id", EVERY_ID)
async def test_it_says_what_confirm_says(client_id: str) -> None:
    """Of a credential, whatever the strategy."""
    with scene() as s:
        opened = await s.open(client_id=client_id)
        found = await s.auth.introspect(credential(opened))
        assert found == await s.auth.confirm(credential(opened))


@pytest.mark.parametrize("client_id", SIGNING_IDS)
async def test_a_refresh_handle_is_good_as_long_as_its_session(client_id: str) -> None:
    """`check` and `confirm` refuse it: there it is no credential."""
    with scene() as s:
        opened = await s.open(client_id=client_id)
        found = await s.auth.introspect(handle(opened))
        assert (found.subject, found.session_id) == ("ann", opened.session.id)
        assert found.expires_at == opened.session.expires_at
        assert found.strategy == s.auth.clients[client_id].strategy
        with pytest.raises(CredentialMalformed):
            await s.auth.confirm(handle(opened))


async def test_nobody_was_seen() -> None:
    """A session that is only asked about expires by itself."""
    with scene() as s:
        opened = await s.open(client_id="phone")
        before = await s.record(opened)
        s.advance(MINUTES)
        await s.auth.introspect(credential(opened))
        assert await s.record(opened) == before
        await s.check(opened)
        assert (await s.record(opened)).last_seen_at == s.now


@pytest.mark.parametrize("client_id", ["phone", "api"])
async def test_a_spent_handle_is_refused_without_harm(client_id: str) -> None:
    """Within its grace it still leads on, unseen; after it, a line in the trail and no more."""
    with scene() as s:
        opened = await s.open(client_id=client_id)
        spent, renewed = handle(opened), await s.refresh(opened)
        before = await s.kinds()
        s.advance(GRACE - TICK)
        assert (await s.auth.introspect(spent)).session_id == opened.session.id
        assert await s.kinds() == before
        s.advance(TICK)
        with pytest.raises(RefreshUnknown):
            await s.auth.introspect(spent)
        (event,) = (await s.trail())[len(before) :]
        assert event.kind == "spent_introspected"
        assert event.detail == {"generation": 0, "current": 1}
        assert (await s.refresh(renewed)).session.id == opened.session.id


async def test_what_a_step_up_cut_off_renews_nothing_and_stepped_up_nobody() -> None:
    """A refresh handle from before it is none; a session handle is good for its grace, without
    the new auth_time."""
    with scene() as s:
        renews, opened = await s.open(), await s.open(client_id="phone")
        s.advance(GRACE)
        for each in (renews, opened):
            await s.auth.step_up(credential(each))
        with pytest.raises(RefreshUnknown):
            await s.auth.introspect(handle(renews))
        found = await s.auth.introspect(credential(opened))
        assert found.auth_time == opened.session.created_at


@pytest.mark.parametrize("client_id", EVERY_ID)
async def test_the_end_and_a_suspension_show(client_id: str) -> None:
    """At once, for the credential and for what renews it."""
    with scene() as s:
        opened = await s.open(client_id=client_id)
        texts = {credential(opened), handle(opened)}
        await s.auth.suspend("ann")
        for text in texts:
            with pytest.raises(SubjectSuspended):
                await s.auth.introspect(text)
        await s.auth.reinstate("ann")
        await s.auth.revoke(opened.session.id)
        for text in texts:
            with pytest.raises(SessionRevoked):
                await s.auth.introspect(text)


async def test_an_expired_session_shows() -> None:
    """By its handle; a token expires long before."""
    with scene() as s:
        opened = await s.open()
        s.advance(LIFETIME.idle)
        with pytest.raises(SessionExpired):
            await s.auth.introspect(handle(opened))


async def test_revoking_may_be_bound_to_one_client() -> None:
    """RFC 7009 §2.1: one that was issued to another is refused, and its session goes on."""
    with scene() as s:
        opened = await s.open()
        for text in (opened.credential.token, handle(opened).text):
            presented = Presented(text, None)
            with pytest.raises(Forbidden):
                await s.auth.revoke_presented(presented, client_id="partner")
        assert (await s.check(opened)).client_id == API.client_id
        done = await s.auth.revoke_presented(handle(opened), client_id=API.client_id)
        assert done.count == 1
