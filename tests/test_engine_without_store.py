"""No store at all: `jwt` works, and what needs a record says so."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from counterfoil import Counterfoil, JwtStrategy, Lifetime
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, CredentialExpired, NotRevocable, WrongAudience
from counterfoil.testing.clock import FrozenClock
from scenes import ISSUER, KEYS, SECOND, START, scene

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(now=START)


@pytest.fixture
def auth(clock: FrozenClock) -> Iterator[Counterfoil]:
    engine = Counterfoil(
        issuer=ISSUER,
        strategy=JwtStrategy(audience="app"),
        claims=lambda subject: [f"of-{subject}"],
        keys=KEYS,
        clock=clock,
    )
    yield engine
    drive(engine.close())


async def test_a_token_is_issued_and_checked(auth: Counterfoil, clock: FrozenClock) -> None:
    """No session storage is required."""
    opened = await auth.open("ann")
    seen = await auth.check(opened.credential.token, audience="app")
    assert (seen.subject, seen.roles, seen.strategy) == ("ann", ("of-ann",), "jwt")
    assert auth.check_token(opened.credential.token) == seen
    assert opened.effective_within == opened.elsewhere_within
    assert opened.effective_within == opened.credential.expires_at - clock.now()
    with pytest.raises(WrongAudience):
        await auth.check(opened.credential.token, audience="other")


async def test_there_is_nothing_to_refresh_with(auth: Counterfoil) -> None:
    """No handle is issued that nobody could honour."""
    issued = (await auth.open("ann")).credential
    assert (issued.refresh_handle, issued.refresh_expires_at) == (None, None)


async def test_a_token_dies_at_its_end(auth: Counterfoil, clock: FrozenClock) -> None:
    """Which is within the access lifetime, and within the session's absolute end."""
    opened = await auth.open("ann")
    assert opened.credential.expires_at <= clock.now() + Lifetime().access
    clock.advance(opened.credential.expires_at - clock.now())
    with pytest.raises(CredentialExpired):
        await auth.check(opened.credential.token)


async def test_asking_to_revoke_says_when_it_ends_by_itself(
    auth: Counterfoil, clock: FrozenClock
) -> None:
    """The token's own end where there is one, the longest possible where there is not."""
    opened = await auth.open("ann")
    with pytest.raises(NotRevocable) as refused:
        await auth.revoke_presented(opened.credential.token)
    assert refused.value.expires_at == opened.credential.expires_at
    with pytest.raises(NotRevocable) as refused:
        await auth.revoke(opened.session.id)
    assert refused.value.expires_at == clock.now() + Lifetime().access
    assert (await auth.check(opened.credential.token)).subject == "ann"


async def test_what_needs_a_record_is_refused_in_a_sentence(auth: Counterfoil) -> None:
    """Never an empty list, never "done"."""
    opened = await auth.open("ann")
    with scene() as other:
        handle = (await other.open()).credential.refresh_handle or ""
        for call in (
            auth.sessions("ann"),
            auth.session(opened.session.id),
            auth.subject("ann"),
            auth.suspend("ann"),
            auth.reinstate("ann"),
            auth.claims_changed("ann"),
            auth.revoke_all("ann"),
            auth.revoke_client("app"),
            auth.confirm(opened.credential.token),
            auth.step_up(opened.credential.token),
            auth.refresh(handle),
            auth.check(handle),
            auth.revoke_presented(handle),
        ):
            with pytest.raises(ConfigurationError, match="store"):
                await call


async def test_a_sign_in_may_give_its_own_claims() -> None:
    """Where no source is asked."""
    auth = Counterfoil(issuer=ISSUER, strategy=JwtStrategy(audience="app"), keys=KEYS)
    opened = await auth.open("ann", claims={"roles": ["admin"], "org": 7}, device="Firefox")
    assert (await auth.check(opened.credential.token)).claims == {"roles": ["admin"], "org": 7}


async def test_a_short_session_bounds_its_token() -> None:
    """Also where nothing is kept of the session."""
    lifetime = Lifetime(absolute=5 * SECOND, idle=5 * SECOND, access=5 * SECOND)
    clock = FrozenClock(now=START + timedelta(milliseconds=700))
    strategy = JwtStrategy(audience="app", lifetime=lifetime)
    auth = Counterfoil(issuer=ISSUER, strategy=strategy, keys=KEYS, clock=clock)
    assert (await auth.open("ann")).credential.expires_at <= clock.now() + 5 * SECOND
