"""The awaitable for live connections: what ends them, and what does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from counterfoil import Client, Counterfoil, MemoryStore, Verifier
from counterfoil.errors import (
    AuthError,
    ClaimsStale,
    ConfigurationError,
    CounterfoilError,
    CredentialExpired,
    Forbidden,
    KeyUnknown,
    Malformed,
    NotFound,
    RefreshUnknown,
    SessionExpired,
    SessionRevoked,
    SessionUnknown,
    StatusStale,
    StoreUnavailable,
    SubjectSuspended,
    TooManyAttempts,
    WrongAudience,
)
from counterfoil.integrations.live import close_code, ended
from counterfoil.stores.memory import MemoryKeys
from counterfoil.testing import verified
from scenes import API, ISSUER, KEYS, PARTNER, PHONE, SECOND, credential, handle, scene
from waiting import Waiting, open_and_wait

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
pytestmark = pytest.mark.usefixtures("quick")


# What ends it.


@pytest.mark.parametrize("client", [PHONE, API])
async def test_a_revocation_ends_it(client: Client) -> None:
    """One of this session; that of another changes nothing."""
    with scene(client) as played:
        opened, waiting = await open_and_wait(played)
        other = await played.auth.open("ann")
        await played.auth.revoke(other.session.id)
        assert await waiting.goes_on()
        await played.auth.revoke(opened.session.id)
        assert await waiting.end() is SessionRevoked


@pytest.mark.parametrize("client", [PHONE, API])
async def test_a_suspension_ends_it_and_so_do_changed_claims(client: Client) -> None:
    """What was read of the person when it was opened holds no longer."""
    with scene(client) as played:
        _, waiting = await open_and_wait(played)
        await played.auth.suspend("ann")
        assert await waiting.end() is SubjectSuspended
        await played.auth.reinstate("ann")
        _, waiting = await open_and_wait(played)
        await played.auth.claims_changed("ann")
        assert await waiting.end() is ClaimsStale
        opened, waiting = await open_and_wait(played)
        await played.auth.revoke(opened.session.id)
        await waiting.end()


async def test_a_jwt_is_good_until_it_expires_here_as_well() -> None:
    """Its revocation shows to those who confirm, and they may wait for it too."""
    with scene(PARTNER) as played:
        opened, waiting = await open_and_wait(played)
        confirmed = Waiting(played.auth, await played.auth.confirm(credential(opened)))
        assert await confirmed.goes_on()
        await played.auth.revoke(opened.session.id)
        assert await confirmed.end() is SessionRevoked
        assert await waiting.goes_on()
        played.advance(5 * MINUTE)
        assert await waiting.end() is CredentialExpired


@pytest.mark.parametrize("client", [API, PARTNER])
async def test_a_token_expires(client: Client) -> None:
    """At its moment, not before; its session goes on, so a fresh one is accepted."""
    with scene(client) as played:
        opened, waiting = await open_and_wait(played)
        played.advance(opened.credential.expires_at - played.now - SECOND)
        assert await waiting.goes_on()
        played.advance(SECOND)
        assert await waiting.end() is CredentialExpired


async def test_a_session_expires_when_nobody_uses_it() -> None:
    """An open connection is no use: it keeps nobody signed in. A check is one."""
    with scene(PHONE, API) as played:
        opened, waiting = await open_and_wait(played, client_id="phone")
        for _ in range(2):
            played.advance(6 * DAY)
            await played.check(opened)
            assert await waiting.goes_on()
        played.advance(6 * DAY)
        assert await waiting.goes_on()
        assert (await played.record(opened)).last_seen_at == played.now - 6 * DAY
        played.advance(DAY)
        assert await waiting.end() is SessionExpired


async def test_a_distrusted_key_ends_what_it_signed() -> None:
    """Also where nothing was revoked."""
    with scene(PARTNER, keys=MemoryKeys()) as played:
        _, waiting = await open_and_wait(played)
        kid = played.auth.keys.signing_keys().active("ES256").kid
        played.auth.keys.update(lambda keys: keys.distrust(kid, now=played.now))
        assert await waiting.end() is KeyUnknown


@pytest.mark.parametrize(
    ("client", "error"), [(PHONE, SessionUnknown), (API, WrongAudience), (PARTNER, WrongAudience)]
)
async def test_a_client_that_is_gone_takes_its_connections_along(
    client: Client, error: type[AuthError]
) -> None:
    """As a check would refuse its credentials from then on."""
    clients = {client.client_id: client, "other": replace(API, client_id="other")}
    auth = Counterfoil(issuer=ISSUER, store=MemoryStore(), clients=clients, keys=KEYS)
    opened = await auth.open("ann", client_id=client.client_id)
    waiting = Waiting(auth, await auth.check(credential(opened)))
    assert await waiting.goes_on()
    del clients[client.client_id]
    await auth.revoke((await auth.open("ann", client_id="other")).session.id)
    assert await waiting.end() is error
    await auth.close()


# A session's handle is not presented again.


async def test_a_handle_that_was_rotated_meanwhile_goes_on() -> None:
    """To present the spent one would end the family; nothing is presented, touched or noted."""
    with scene(PHONE) as played:
        opened, waiting = await open_and_wait(played)
        opened = await played.refresh(opened)
        before = await played.record(opened), await played.kinds()
        played.advance(MINUTE)
        assert await waiting.goes_on()
        assert (await played.record(opened), await played.kinds()) == before
        await played.auth.revoke(opened.session.id)
        assert await waiting.end() is SessionRevoked


async def test_who_confirmed_the_password_leaves_other_connections_behind() -> None:
    """The handle was replaced by one that does not descend from it: whoever else knew it stays out,
    once its grace is over. The connections of the new one go on."""
    with scene(PHONE) as played:
        opened, before = await open_and_wait(played)
        played.advance(1)
        stepped_up = await played.auth.step_up(credential(opened))
        after = Waiting(played.auth, await played.check(stepped_up))
        played.advance(5)
        within = Waiting(played.auth, await played.check(opened))
        assert await before.goes_on()
        assert await within.goes_on()
        played.advance(5)
        assert await before.end() is RefreshUnknown
        assert await within.end() is RefreshUnknown
        assert await after.goes_on()
        await after.leave()


async def test_who_introspected_a_refresh_handle_follows_its_session() -> None:
    """There is no token then that could expire."""
    with scene(API) as played:
        opened = await played.auth.open("ann")
        waiting = Waiting(played.auth, await played.auth.introspect(handle(opened)))
        played.advance(10 * MINUTE)
        assert await waiting.goes_on()
        await played.auth.revoke(opened.session.id)
        assert await waiting.end() is SessionRevoked


# What can be followed, and what it is called.


async def test_only_what_a_check_has_found_can_be_followed() -> None:
    """What a test has made says nothing that could end."""
    with scene(API) as played, pytest.raises(ConfigurationError, match="Give what `check` found"):
        await ended(played.auth, verified("ann"))


async def test_a_verifier_cannot_follow_a_record() -> None:
    """Whoever mixes the two up would wait for ever."""
    verifier = Verifier(issuer=ISSUER, audience="phone")
    with scene(PHONE) as played:
        found = await played.check(await played.auth.open("ann"))
        with pytest.raises(ConfigurationError, match="it rests on a record"):
            await ended(verifier, found)
    verifier.close()


async def test_a_client_that_is_hybrid_by_now_has_no_use_for_tokens_without_status() -> None:
    """They are refused, so their connections end."""
    clients = {"api": replace(PARTNER, client_id="api"), "other": replace(API, client_id="other")}
    auth = Counterfoil(issuer=ISSUER, store=MemoryStore(), clients=clients, keys=KEYS)
    opened = await auth.open("ann", client_id="api")
    waiting = Waiting(auth, await auth.check(credential(opened)))
    assert await waiting.goes_on()
    clients["api"] = API
    assert await waiting.end() is SessionUnknown
    await auth.close()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SessionRevoked(), 3000),
        (CredentialExpired(), 3000),
        (ClaimsStale(), 3000),
        (SubjectSuspended(), 3003),
        (Forbidden(), 3003),
        (StatusStale(), 1013),
        (StoreUnavailable(), 1013),
        (TooManyAttempts(retry_after=SECOND), 1013),
        (Malformed(), 1008),
        (NotFound(), 1008),
        (ConfigurationError(), 1008),
    ],
)
def test_a_close_code_says_what_http_would(error: CounterfoilError, code: int) -> None:
    """Registered ones where there are any."""
    assert close_code(error) == code
