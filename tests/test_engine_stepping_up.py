"""Step-up: a new handle that derives from nothing, for the one who proved who they are again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from counterfoil import MemoryStore
from counterfoil.errors import (
    RefreshReused,
    RefreshUnknown,
    SessionRevoked,
    SubjectSuspended,
)
from scenes import EVERY_ID, SECOND, SIGNING_IDS, TICK, Scene, credential, handle, scene

if TYPE_CHECKING:
    from counterfoil import Opened
    from counterfoil.ports import Found

every_client = pytest.mark.parametrize("client_id", EVERY_ID)
signing = pytest.mark.parametrize("client_id", SIGNING_IDS)
GRACE = timedelta(seconds=10)


async def stepped_up(s: Scene, opened: Opened, *, after: timedelta = 60 * SECOND) -> Opened:
    s.advance(after)
    return await s.auth.step_up(credential(opened))


@every_client
async def test_a_step_up_gives_a_new_handle_and_a_new_auth_time(client_id: str) -> None:
    """The session is the same one."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        renewed = await stepped_up(s, opened)
        assert renewed.session.id == opened.session.id
        assert handle(renewed).text != handle(opened).text
        for seen in (await s.check(renewed), await s.auth.confirm(credential(renewed))):
            assert seen.auth_time == s.now == opened.session.auth_time + 60 * SECOND
        assert (await s.kinds())[-1] == "session_stepped_up"
        assert (await s.refresh(renewed)).session.auth_time == s.now


@every_client
async def test_s1_who_had_the_old_handle_does_not_get_the_new_one(client_id: str) -> None:
    """Not within the grace either: the new one does not derive from it. The trail has each try."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        renewed = await stepped_up(s, opened)
        for _ in range(2):
            with pytest.raises(RefreshUnknown):
                await s.refresh(opened)
        assert (await s.kinds()).count("refresh_repeated") == 2
        assert (await s.check(await s.refresh(renewed))).subject == "ann"


@every_client
async def test_s9_after_the_grace_the_old_handle_ends_the_family(client_id: str) -> None:
    """As any spent one."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        renewed = await stepped_up(s, opened)
        s.advance(GRACE)
        with pytest.raises(RefreshReused):
            await s.refresh(opened)
        with pytest.raises(SessionRevoked):
            await s.refresh(renewed)


async def test_s1_what_is_stolen_before_a_step_up_is_not_stepped_up() -> None:
    """Requests that were under way with the old handle still pass within its grace, but none of
    them counts as made by somebody who has just confirmed the password."""
    with scene() as s:
        for client_id in ("web", "phone"):
            opened = await s.open("ann", client_id)
            signed_in_at = s.now
            await stepped_up(s, opened)
            for seen in (await s.check(opened), await s.auth.confirm(credential(opened))):
                assert seen.subject == "ann"
                assert seen.auth_time == signed_in_at


async def test_a_handle_spent_by_a_refresh_keeps_its_auth_time() -> None:
    """Whoever stepped up and then refreshed has parallel requests under way that are as good."""
    with scene() as s:
        opened = await s.open("ann", "web")
        stepped = await stepped_up(s, opened)
        await s.refresh(stepped)
        assert (await s.check(stepped)).auth_time == stepped.session.auth_time
        assert (await s.check(opened)).auth_time == opened.session.auth_time


@signing
async def test_s13_an_older_token_is_not_stepped_up_by_asking_the_record(client_id: str) -> None:
    """It lives on to its end, and says when its own bearer was last asked for the password."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        signed_in_at = s.now
        await stepped_up(s, opened)
        for seen in (await s.check(opened), await s.auth.confirm(credential(opened))):
            assert seen.auth_time == signed_in_at


@every_client
async def test_a_step_up_whose_reply_was_lost_can_be_retried_within_the_grace(
    client_id: str,
) -> None:
    """With what the client still has; it gets yet another handle, and the lost one is spent."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        lost = await stepped_up(s, opened)
        s.advance(GRACE - TICK)
        renewed = await s.auth.step_up(credential(opened))
        assert handle(renewed).text != handle(lost).text
        assert (await s.check(renewed)).auth_time >= s.now - SECOND
        with pytest.raises(RefreshUnknown):
            await s.refresh(lost)


async def test_after_the_grace_a_spent_handle_cannot_step_up() -> None:
    """It ends the family instead."""
    with scene() as s:
        opened = await s.open("ann", "web")
        await s.refresh(opened)
        s.advance(GRACE)
        with pytest.raises(RefreshReused):
            await s.auth.step_up(credential(opened))


@every_client
async def test_who_is_revoked_or_suspended_cannot_step_up(client_id: str) -> None:
    """Whatever the token still says elsewhere."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        await s.auth.suspend("ann")
        with pytest.raises(SubjectSuspended):
            await s.auth.step_up(credential(opened))
        await s.auth.reinstate("ann")
        await s.auth.revoke(opened.session.id)
        with pytest.raises(SessionRevoked):
            await s.auth.step_up(credential(opened))


class SuspendedBetween(MemoryStore):
    """Suspends the subject after the first look-up, once."""

    scene: Scene | None = None

    async def look_up(self, session_id: str) -> Found | None:
        found = await super().look_up(session_id)
        if self.scene is not None:
            s, self.scene = self.scene, None
            await s.auth.suspend("ann")
        return found


@every_client
async def test_a_suspension_that_comes_between_wins(client_id: str) -> None:
    """Between the check and the commit: no credential is issued to the suspended."""
    store = SuspendedBetween()
    with scene(store=store) as s:
        opened = await s.open("ann", client_id)
        s.advance(timedelta(seconds=1))
        store.scene = s
        with pytest.raises(SubjectSuspended):
            await s.auth.step_up(credential(opened))
        assert (await s.record(opened)).generation == 0
