"""Status lists under the engine: announced in time, dropped in time, fooled by no clock."""

from __future__ import annotations

from datetime import timedelta

import pytest

from counterfoil.errors import SessionRevoked, SessionUnknown
from scenes import API, PARTNER, credential, scene


async def test_the_first_sign_in_after_a_pause_is_good_at_once() -> None:
    """Nobody signed in for hours, so no list was announced for now: the one that the sign-in
    announces is known to this process, and to another on the same store, before it is asked."""
    with scene(API) as s, scene(API, store=s.store, clock=s.clock) as other:
        first = await s.open()
        await s.check(first)
        await other.check(first)
        s.clock.advance(timedelta(hours=5))
        s.read_on()
        other.read_on()
        opened = await s.open()
        assert (await s.check(opened)).subject == "ann"
        assert (await other.check(opened)).subject == "ann"


async def test_a_token_of_a_list_that_was_dropped_is_unknown() -> None:
    """Whatever its `exp` says: a verifier's slow clock revives nothing."""
    with scene(API) as s:
        opened = await s.open()
        await s.check(opened)
        s.clock.advance(timedelta(hours=2))
        s.read_on()
        s.clock.turn_to(opened.session.created_at)
        with pytest.raises(SessionUnknown):
            s.auth._parts.tokens.check(  # noqa: SLF001
                credential(opened),
                keys=s.auth.keys.public_keys(),
                audience=None,
                now=s.now,
                uptime=s.clock.uptime(),
            )


async def test_s21_a_clock_that_ran_ahead_and_was_set_back_revives_nothing() -> None:
    """Lists were dropped meanwhile; when they come back, they say what they said."""
    with scene(API) as s:
        kept, ended = await s.open(), await s.open()
        await s.auth.revoke(ended.session.id)
        s.clock.turn_to(s.now + timedelta(hours=3))
        s.read_on()
        s.clock.turn_to(s.now - timedelta(hours=3))
        s.read_on()
        with pytest.raises(SessionRevoked):
            await s.check(ended)
        assert (await s.check(kept)).subject == "ann"


async def test_nothing_is_issued_from_a_list_that_was_swept() -> None:
    """A node whose clock was months ahead had it forgotten. The others had indices of it left, and
    would have given them out until its window closed, to be refused everywhere."""
    with scene(API) as s:
        await s.check(await s.open())
        await s.store.sweep(now=s.now + timedelta(days=90))
        s.read_on()
        assert (await s.check(await s.open("bob"))).subject == "bob"


async def test_a_jwt_needs_no_status() -> None:
    """Even where another client is `hybrid`."""
    with scene(API, PARTNER) as s:
        opened = await s.open("ann", "partner")
        assert opened.session.indices == ()
        assert (await s.check(opened)).strategy == "jwt"
