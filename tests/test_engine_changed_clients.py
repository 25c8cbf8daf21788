"""Clients that change under their sessions: between two starts, or in a mapping that is live."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from counterfoil import Client, Counterfoil, Lifetime, MemoryStore
from counterfoil.drive import drive
from counterfoil.errors import (
    AuthError,
    CredentialMalformed,
    RefreshUnknown,
    SessionRevoked,
    SessionUnknown,
    StatusStale,
    WrongAudience,
)
from counterfoil.testing.clock import FrozenClock
from scenes import (
    API,
    ISSUER,
    KEYS,
    PARTNER,
    PHONE,
    SECOND,
    START,
    credential,
    handle,
    scene,
    with_lifetime,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil.client import StrategyName

STRATEGIES: tuple[StrategyName, ...] = ("session", "jwt", "hybrid")


def client(strategy: StrategyName) -> Client:
    return Client(client_id="app", strategy=strategy)


@pytest.mark.parametrize("after", STRATEGIES)
@pytest.mark.parametrize("before", STRATEGIES)
async def test_a_session_survives_a_change_of_strategy(
    before: StrategyName, after: StrategyName
) -> None:
    """The handle is the same text for all: it refreshes into what the client is issued now."""
    with scene(client(before)) as s:
        opened = await s.open("ann", "app")
        with scene(client(after), store=s.store, clock=s.clock) as changed:
            renewed = await changed.refresh(opened)
            seen = await changed.check(renewed)
            assert (seen.subject, seen.strategy) == ("ann", after)
            assert renewed.session.id == opened.session.id
        with scene(client(before), store=s.store, clock=s.clock) as back:
            assert (await back.check(await back.refresh(renewed))).strategy == before


@pytest.mark.parametrize("after", STRATEGIES)
@pytest.mark.parametrize("before", ["jwt", "hybrid"])
async def test_what_was_revoked_passes_under_no_other_strategy(
    before: StrategyName, after: StrategyName
) -> None:
    """A token from before the change, of a session ended after it: never past the lag."""
    with scene(client(before)) as s:
        opened = await s.open("ann", "app")
        with scene(client(after), store=s.store, clock=s.clock) as changed:
            done = await changed.auth.revoke(opened.session.id)
            changed.advance(done.effective_within)
            with pytest.raises((AuthError, StatusStale)):
                await changed.check(opened)


async def test_a_token_without_status_does_not_pass_where_status_is_due() -> None:
    """A `jwt` client became `hybrid`: its old tokens cannot be checked as promised."""
    with scene(client("jwt")) as s:
        opened = await s.open("ann", "app")
        with scene(client("hybrid"), store=s.store, clock=s.clock) as changed:
            with pytest.raises(SessionUnknown):
                await changed.check(opened)
            await changed.check(await changed.refresh(opened))


async def test_a_token_that_names_a_status_is_never_passed_without_it() -> None:
    """A `hybrid` client became `jwt`: with a mirror its status counts, without one nobody knows."""
    with scene(client("hybrid")) as s:
        opened, ended = await s.open("ann", "app"), await s.open("ann", "app")
        await s.auth.revoke(ended.session.id)
        with scene(client("jwt"), store=s.store, clock=s.clock) as changed:
            with pytest.raises(StatusStale):
                await changed.check(opened)
            await changed.check(await changed.refresh(opened))
        with scene(client("jwt"), API, store=s.store, clock=s.clock) as changed:
            assert (await changed.check(opened)).subject == "ann"
            with pytest.raises(SessionRevoked):
                await changed.check(ended)


async def test_no_token_outlives_the_list_that_it_names() -> None:
    """Lists that were announced under a shorter access lifetime are dropped as they said; and a
    repeated refresh does not go by what a longer token of old was good for."""
    two_hours = timedelta(hours=2)
    long = with_lifetime(client("hybrid"), access=two_hours)
    plain = with_lifetime(client("jwt"), access=two_hours)
    with (
        scene(client("hybrid")) as s,
        scene(long, store=s.store, clock=s.clock) as longer,
        scene(plain, store=s.store, clock=s.clock) as jwt,
    ):
        await s.open("bob", "app")
        s.advance(timedelta(minutes=59, seconds=59))
        of_list = await longer.open("ann", "app")
        assert of_list.credential.expires_at <= of_list.session.indices[-1].until
        opened = await jwt.open("ann", "app")
        await s.refresh(opened)
        s.advance(9 * SECOND)
        again = await s.refresh(opened)
        assert again.credential.expires_at <= again.session.indices[-1].until


async def test_a_token_naming_a_list_of_another_issuer_is_refused() -> None:
    """The URI is compared, never fetched."""
    with scene(API) as s:
        opened = await s.open()
        stranger = Counterfoil(
            issuer="https://app.example.evil",
            store=s.store,
            clients=[API],
            keys=KEYS,
            clock=s.clock,
        )
        with pytest.raises(AuthError):
            await stranger.check(credential(opened))
        await stranger.close()


async def test_sessions_of_a_client_that_is_gone_are_nobodys() -> None:
    """Neither handle nor token passes; they can still be ended one by one."""
    with scene(API, PHONE) as s:
        opened = [await s.open("ann", each) for each in ("api", "phone")]
        with scene(PARTNER, store=s.store, clock=s.clock) as without:
            for each in opened:
                with pytest.raises((SessionUnknown, WrongAudience)):
                    await without.auth.check(credential(each))
                with pytest.raises(RefreshUnknown):
                    await without.auth.refresh(handle(each))
                assert (await without.auth.revoke(each.session.id)).count == 1


async def test_a_client_that_changed_its_carrier_has_to_sign_in_again() -> None:
    """What was handed to scripts is not accepted from a cookie, nor the reverse."""
    with scene(client("session")) as s:
        opened = await s.open("ann", "app")
        cookie = replace(client("session"), carrier="cookie")
        changed = Counterfoil(issuer=ISSUER, store=s.store, clients=[cookie], keys=KEYS)
        with pytest.raises(CredentialMalformed):
            await changed.check(credential(opened))


class Live:
    """An engine whose clients are a mapping that somebody changes."""

    def __init__(self, *clients: Client) -> None:
        self.clients = {each.client_id: each for each in clients}
        self.clock = FrozenClock(now=START)
        self.auth = Counterfoil(
            issuer=ISSUER, store=MemoryStore(), clients=self.clients, keys=KEYS, clock=self.clock
        )


@pytest.fixture
def live() -> Iterator[Live]:
    live = Live(PHONE, PARTNER, API)
    yield live
    drive(live.auth.close())


async def test_a_client_that_is_taken_away_is_refused_at_once(live: Live) -> None:
    """Also where its token has been checked before, and what it says is remembered."""
    for client_id in ("phone", "partner", "api"):
        opened = await live.auth.open("ann", client_id=client_id)
        await live.auth.check(credential(opened))
        del live.clients[client_id]
        with pytest.raises((SessionUnknown, WrongAudience)):
            await live.auth.check(credential(opened))


async def test_a_client_that_is_changed_is_checked_as_it_is_now(live: Live) -> None:
    """Another carrier, another audience, a shorter staleness: nothing old is remembered."""
    opened = await live.auth.open("ann", client_id="api")
    await live.auth.check(credential(opened))
    live.clients["api"] = replace(API, carrier="cookie")
    with pytest.raises(CredentialMalformed):
        await live.auth.check(credential(opened))
    live.clients["api"] = replace(API, audience="elsewhere")
    with pytest.raises(WrongAudience):
        await live.auth.check(credential(opened))
    live.clients["api"] = replace(API, typ="JWT")
    with pytest.raises(CredentialMalformed):
        await live.auth.check(credential(opened))
    live.clients["api"] = replace(API)
    assert (await live.auth.check(credential(opened))).subject == "ann"


@pytest.mark.parametrize("access", [timedelta(minutes=5), timedelta(minutes=30)])
async def test_a_hybrid_client_that_joins_gets_tokens_of_full_length(access: timedelta) -> None:
    """Also where none was there when the engine was built, and in a window's last second."""
    live = Live(PHONE)
    lifetime = Lifetime(access=access)
    live.clients["api"] = replace(API, lifetime=lifetime)
    for _ in range(12):
        opened = await live.auth.open("ann", client_id="api")
        lasts = opened.credential.expires_at - live.clock.now()
        assert lasts >= access * 0.9 - 2 * SECOND
        assert (await live.auth.check(credential(opened))).subject == "ann"
        live.clock.advance(timedelta(minutes=10) - SECOND)
        await live.auth.suspend("nobody")
        live.auth._parts.feed.catch_up()  # type: ignore[union-attr]  # noqa: SLF001
    await live.auth.close()
