"""Checking: every strategy says yes and no for the same reasons, each within its lag."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil import MemoryStore, Presented
from counterfoil.errors import (
    AuthError,
    ClaimsStale,
    ConfigurationError,
    CredentialExpired,
    CredentialMalformed,
    CredentialMissing,
    KeyUnknown,
    RefreshUnknown,
    SessionExpired,
    SessionRevoked,
    SessionUnknown,
    SignatureMismatch,
    SubjectSuspended,
    WrongAudience,
    WrongIssuer,
)
from counterfoil.stores.memory import MemoryKeys
from forging import payload, signed
from scenes import (
    CLIENTS,
    EVERY_ID,
    PHONE,
    SECOND,
    TICK,
    WEB,
    Roles,
    credential,
    handle,
    scene,
    with_lifetime,
)

if TYPE_CHECKING:
    from counterfoil.client import CarrierName
    from counterfoil.ports import Found
    from counterfoil.testing.clock import FrozenClock

PLAIN = ("web", "phone")


async def test_nothing_presented_is_a_missing_credential() -> None:
    """None is what a request without the cookie gives; it is not the application's mistake."""
    nothing: Any = None
    with scene() as s:
        for asked in (s.auth.check, s.auth.confirm, s.auth.refresh, s.auth.revoke_presented):
            with pytest.raises(CredentialMissing):
                await asked(nothing)
        with pytest.raises(CredentialMissing):
            s.auth.check_token(nothing)


async def test_what_is_no_text_is_the_applications_mistake() -> None:
    """It is told what to give; no caller is refused for it."""
    with scene() as s:
        opened = await s.open("ann", client_id="api")
        wrong: Any = opened.credential
        with pytest.raises(ConfigurationError, match=r"opened\.credential\.token") as said:
            await s.auth.check(wrong)
        assert opened.credential.token not in str(said.value)


class Counting(MemoryStore):
    """Counts how often a session is looked up."""

    asked = 0

    async def look_up(self, session_id: str) -> Found | None:
        self.asked += 1
        return await super().look_up(session_id)


every_client = pytest.mark.parametrize("client_id", EVERY_ID)


async def test_as_of_says_how_old_the_knowledge_is() -> None:
    """Now for `session`, the mirror's last read for `hybrid`, the time of issue for `jwt`."""
    with scene() as s:
        opened = {each: await s.open("ann", each) for each in ("phone", "api", "partner")}
        s.advance(30)
        read_at = s.now
        s.clock.advance(2 * SECOND)
        seen = {each: await s.check(opened[each]) for each in ("phone", "partner")}
        assert seen["phone"].as_of == s.now
        assert seen["partner"].as_of == s.now - 32 * SECOND
        assert read_at <= (await s.check(opened["api"])).as_of <= s.now


class Slow(MemoryStore):
    """Takes two seconds to look a session up."""

    clock: FrozenClock | None = None

    async def look_up(self, session_id: str) -> Found | None:
        found = await super().look_up(session_id)
        if self.clock is not None:
            self.clock.advance(2 * SECOND)
        return found


async def test_as_of_is_never_later_than_the_read_that_it_rests_on() -> None:
    """A revocation may have come while the answer was on its way; age counts from the asking."""
    store = Slow()
    with scene(store=store) as s:
        for client_id in ("phone", "partner"):
            opened = await s.open("ann", client_id)
            store.clock, asked_at = s.clock, s.now
            assert (await s.auth.confirm(credential(opened))).as_of == asked_at
            store.clock = None


async def test_s1_an_unknown_handle_costs_no_look_up_and_is_never_adopted() -> None:
    """A guess fails at its tag: no read, no write, no session."""
    counting = Counting()
    with scene(face=counting) as s:
        for verb in (s.auth.check, s.auth.confirm, s.auth.step_up, s.auth.revoke_presented):
            with pytest.raises(SessionUnknown):
                await verb("cf_" + secrets.token_urlsafe(45))
        with pytest.raises(RefreshUnknown):
            await s.auth.refresh("cf_" + secrets.token_urlsafe(45))
        assert counting.asked == 0
        assert await counting.trail() == []


async def test_a_handle_whose_record_is_gone_is_unknown() -> None:
    """Swept after its absolute end, say."""
    with scene(with_lifetime(PHONE, absolute=timedelta(hours=1))) as s:
        opened = await s.open("ann", "phone")
        s.advance(timedelta(hours=1))
        await s.store.sweep(now=s.now)
        with pytest.raises(SessionUnknown):
            await s.check(opened)


@pytest.mark.parametrize(
    "text", ["", "x", "a.b.c", "cf_", "cf_x", "é", "\ud800", "\0", "A" * 10**6]
)
async def test_what_is_no_credential_is_malformed(text: str) -> None:
    """Whatever the bytes and however many."""
    with scene() as s:
        for verb in (s.auth.check, s.auth.confirm, s.auth.refresh, s.auth.revoke_presented):
            with pytest.raises(CredentialMalformed):
                await verb(text)


@every_client
async def test_a_credential_of_one_client_is_not_good_for_anothers_audience(client_id: str) -> None:
    """Its own audience passes."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        assert (await s.check(opened, audience=client_id)).subject == "ann"
        for other in {*EVERY_ID, "", "nobody"} - {client_id}:
            with pytest.raises(WrongAudience):
                await s.check(opened, audience=other)


@pytest.mark.parametrize("client", CLIENTS, ids=EVERY_ID)
async def test_s18_a_credential_comes_by_its_clients_carrier_or_not_at_all(client: Any) -> None:
    """A cookie's credential replayed as bearer escapes the checks on cookies, and the reverse
    the ones on bearers: check, refresh and step-up refuse both."""
    with scene() as s:
        opened = await s.open("ann", client.client_id)
        other: CarrierName = "bearer" if client.carrier == "cookie" else "cookie"
        for text in {credential(opened).text, handle(opened).text}:
            for verb in (s.auth.check, s.auth.confirm, s.auth.step_up):
                with pytest.raises(CredentialMalformed):
                    await verb(Presented(text, other))
        with pytest.raises(CredentialMalformed):
            await s.auth.refresh(Presented(handle(opened).text, other))
        await s.check(await s.refresh(opened))


@pytest.mark.parametrize(
    "client", [c for c in CLIENTS if c.carrier == "cookie"], ids=["web", "spa"]
)
async def test_s18_anothers_cookie_does_not_carry_it(client: Any) -> None:
    """The cookie's name says whose credential it may be."""
    with scene() as s:
        opened = await s.open("ann", client.client_id)
        for other in {*EVERY_ID, "nobody"} - {client.client_id}:
            for text in {credential(opened).text, handle(opened).text}:
                for verb in (s.auth.check, s.auth.refresh, s.auth.revoke_presented):
                    with pytest.raises(AuthError):
                        await verb(Presented(text, "cookie", other))
        await s.check(opened)


async def test_a_refresh_handle_is_no_credential() -> None:
    """It renews; it does not authenticate."""
    with scene() as s:
        for client_id in ("api", "spa", "partner"):
            with pytest.raises(CredentialMalformed, match="refresh"):
                await s.auth.check(handle(await s.open("ann", client_id)))


async def test_a_token_is_no_refresh_handle() -> None:
    """Nor is a handle of `session` a token."""
    with scene() as s:
        for client_id in ("api", "partner"):
            with pytest.raises(CredentialMalformed):
                await s.auth.refresh(credential(await s.open("ann", client_id)))
        with pytest.raises(CredentialMalformed):
            s.auth.check_token(credential(await s.open("ann", "phone")))


async def test_another_issuers_token_is_refused() -> None:
    """Signed by a key we do not have, or by ours under another name."""
    with scene() as one, scene(keys=MemoryKeys()) as two, pytest.raises(KeyUnknown):
        await two.auth.check(credential(await one.open("ann", "partner")))
    opened = signed({"alg": "ES256", "kid": "nobody", "typ": "at+jwt"}, payload())
    with scene() as s, pytest.raises(KeyUnknown):
        await s.auth.check(opened)


async def test_a_token_signed_by_us_for_another_issuer_is_refused() -> None:
    """Two issuers may share a key by mistake; `iss` still tells them apart."""
    with scene() as s:
        opened = await s.open("ann", "partner")
        s.auth._parts.tokens.issuer = "https://other.example"  # noqa: SLF001
        with pytest.raises(WrongIssuer):
            await s.check(opened)


async def test_a_changed_token_is_refused() -> None:
    """In any of its parts."""
    with scene() as s:
        text = credential(await s.open("ann", "api")).text
        header, claims, signature = text.split(".")
        for wrong in (
            f"{header}.{claims[:-4]}AAAA.{signature}",
            f"{header}.{claims}.{signature[4:]}",
        ):
            with pytest.raises((SignatureMismatch, CredentialMalformed)):
                await s.auth.check(wrong)
        with pytest.raises(CredentialMalformed):
            await s.auth.check(f"{header}.{claims}.{signature}.")


@every_client
async def test_a_credential_is_good_until_the_moment_it_names(client_id: str) -> None:
    """And not in it; nobody adds leeway. At `session` the check is a use, which moves it."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        end = opened.credential.expires_at
        s.advance(end - s.now - TICK)
        assert (await s.check(opened)).subject == "ann"
        s.advance(((await s.record(opened)).expires_at if client_id in PLAIN else end) - s.now)
        with pytest.raises((SessionExpired, CredentialExpired)):
            await s.check(opened)


@every_client
async def test_a_revoked_credential_is_refused_within_its_lag(client_id: str) -> None:
    """At once by this process for `session` and `hybrid`; `jwt` at its end. Asking the record
    says so at once for all."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        done = await s.auth.revoke(opened.session.id)
        with pytest.raises(SessionRevoked):
            await s.auth.confirm(credential(opened))
        if client_id == "partner":
            assert (await s.check(opened)).subject == "ann"
            s.advance(done.effective_within)
            with pytest.raises(CredentialExpired):
                await s.check(opened)
        else:
            with pytest.raises(SessionRevoked):
                await s.check(opened)


@every_client
async def test_a_suspended_credential_is_refused_within_its_lag(client_id: str) -> None:
    """And passes again after the suspension, if it lives."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        changed = await s.auth.suspend("ann")
        with pytest.raises(SubjectSuspended):
            await s.auth.confirm(credential(opened))
        if client_id == "partner":
            assert changed.effective_within == opened.effective_within
        else:
            with pytest.raises(SubjectSuspended):
                await s.check(opened)
        await s.auth.reinstate("ann")
        assert (await s.check(opened)).subject == "ann"


async def test_changed_claims_show_at_once_for_session_and_make_hybrid_refresh() -> None:
    """`jwt` says the old ones to its end; the record says the new ones."""
    roles = Roles({"ann": ["admin"]})
    with scene(claims=roles) as s:
        opened = {each: await s.open("ann", each) for each in EVERY_ID}
        roles.of["ann"] = []
        await s.auth.claims_changed("ann")
        for each in PLAIN:
            seen = await s.check(opened[each])
            assert (seen.roles, seen.refresh_due) == ((), True)
        for each in ("api", "spa"):
            with pytest.raises(ClaimsStale):
                await s.check(opened[each])
            assert (await s.check(await s.refresh(opened[each]))).roles == ()
        assert (await s.check(opened["partner"])).roles == ("admin",)
        confirmed = await s.auth.confirm(credential(opened["partner"]))
        assert (confirmed.roles, confirmed.refresh_due) == ((), True)


async def test_after_a_refresh_nothing_more_is_due() -> None:
    """A privilege change replaces the handle once."""
    with scene(claims=Roles()) as s:
        opened = await s.open("ann", "web")
        await s.auth.claims_changed("ann")
        renewed = await s.refresh(opened)
        assert handle(renewed).text != handle(opened).text
        assert not (await s.check(renewed)).refresh_due


async def test_a_check_notes_use_and_use_keeps_a_session() -> None:
    """Once a minute is enough to idle out only when idle."""
    with scene(with_lifetime(WEB, idle=timedelta(minutes=30))) as s:
        opened = await s.open("ann", "web")
        for _ in range(5):
            s.advance(timedelta(minutes=29))
            await s.check(opened)
            assert (await s.record(opened)).last_seen_at == s.now
        s.advance(30 * SECOND)
        await s.check(opened)
        assert (await s.record(opened)).last_seen_at == s.now - 30 * SECOND
        s.advance(timedelta(minutes=29, seconds=30))
        with pytest.raises(SessionExpired):
            await s.check(opened)


async def test_a_refused_check_is_no_use() -> None:
    """A suspended or foreign credential keeps nothing alive."""
    with scene() as s:
        opened = await s.open("ann", "web")
        await s.auth.suspend("ann")
        s.advance(timedelta(minutes=5))
        with pytest.raises(SubjectSuspended):
            await s.check(opened)
        with pytest.raises(CredentialMalformed):
            await s.auth.check(Presented(credential(opened).text))
        assert (await s.record(opened)).last_seen_at == opened.session.last_seen_at


async def test_an_order_of_refusal_that_tells_no_more_than_it_must() -> None:
    """Audience before expiry, expiry before status."""
    with scene() as s:
        opened = await s.open("ann", "api")
        await s.auth.revoke(opened.session.id)
        with pytest.raises(WrongAudience):
            await s.check(opened, audience="web")
        s.advance(timedelta(minutes=5))
        with pytest.raises(WrongAudience):
            await s.check(opened, audience="web")
        with pytest.raises(CredentialExpired):
            await s.check(opened)
