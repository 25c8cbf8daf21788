"""Opening a session: what is issued, what is recorded first, and who may not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil import handle as handles
from counterfoil.errors import (
    ClientUnknown,
    ConfigurationError,
    Malformed,
    SignInRefused,
    SubjectSuspended,
)
from counterfoil.session import ADDRESS_KEPT
from scenes import (
    API,
    CLIENTS,
    EVERY_ID,
    SECOND,
    SIGNING_IDS,
    START,
    WEB,
    Roles,
    credential,
    handle,
    scene,
    with_lifetime,
)

if TYPE_CHECKING:
    from counterfoil.ports import Claims

every_client = pytest.mark.parametrize("client_id", EVERY_ID)


@every_client
async def test_what_is_opened_checks_at_once(client_id: str) -> None:
    """Each strategy, each carrier: the credential says who, which session, and what they may."""
    with scene(claims=lambda _: ["reader"]) as s:
        opened = await s.open("ann", client_id, device="Firefox")
        seen = await s.check(opened)
        assert (seen.subject, seen.client_id, seen.roles) == ("ann", client_id, ("reader",))
        assert seen.session_id == opened.session.id
        assert seen.expires_at == opened.credential.expires_at
        assert seen.auth_time == s.now
        assert not seen.refresh_due
        assert await s.auth.sessions("ann") == [opened.session]
        assert opened.session.device == "Firefox"


async def test_a_session_client_gets_the_handle_and_a_signing_client_both() -> None:
    """The handle is the credential of `session` and the refresh credential of the others."""
    with scene() as s:
        for client in CLIENTS:
            issued = (await s.open("ann", client.client_id)).credential
            assert handles.looks_like(issued.token) is not client.signs
            if client.signs:
                assert issued.refresh_handle is not None
                assert handles.looks_like(issued.refresh_handle)
                assert issued.refresh_expires_at == START + timedelta(days=7)
            else:
                assert issued.refresh_handle is None
                assert issued.expires_at == START + timedelta(days=7)
            assert (issued.carrier, issued.client_id) == (client.carrier, client.client_id)


async def test_each_strategy_promises_its_own_lag() -> None:
    """None for `session`, max_staleness for `hybrid`, what is left of the token for `jwt`."""
    with scene() as s:
        for client in CLIENTS:
            opened = await s.open("ann", client.client_id)
            lasts = opened.credential.expires_at - s.now
            expected = {
                "session": (timedelta(0), timedelta(0)),
                "hybrid": (timedelta(seconds=10), lasts),
                "jwt": (lasts, lasts),
            }[client.strategy]
            assert (opened.effective_within, opened.elsewhere_within) == expected


@pytest.mark.parametrize("client_id", SIGNING_IDS)
async def test_a_token_is_never_good_for_longer_than_was_said(client_id: str) -> None:
    """Access lifetimes are jittered shorter, by at most a tenth, and recorded before they leave."""
    with scene() as s:
        for _ in range(30):
            opened = await s.open("ann", client_id)
            lasts = opened.credential.expires_at - s.now
            assert timedelta(minutes=4.5) - SECOND <= lasts <= timedelta(minutes=5)
            assert (await s.record(opened)).access_until == opened.credential.expires_at


@pytest.mark.parametrize("client", [c for c in CLIENTS if c.signs], ids=SIGNING_IDS)
async def test_a_token_never_outlives_its_session(client: Any) -> None:
    """Neither its absolute nor its idle end, also where one is no longer than a token."""
    short = timedelta(minutes=5)
    for lifetime in ({"absolute": short, "idle": short}, {"idle": short}):
        with scene(with_lifetime(client, access=short, **lifetime)) as s:
            s.advance(0.7)
            opened = await s.open("ann", client.client_id)
            assert opened.credential.expires_at <= opened.session.expires_at
            s.advance(timedelta(minutes=4))
            renewed = await s.refresh(opened)
            assert renewed.credential.expires_at <= renewed.session.expires_at
            assert renewed.credential.expires_at <= opened.session.absolute_end


async def test_two_sessions_of_one_subject_have_nothing_in_common() -> None:
    """Ids, handles and status entries are new for each."""
    with scene() as s:
        one, two = await s.open(), await s.open()
        assert one.session.id != two.session.id
        assert handle(one).text != handle(two).text
        assert one.session.indices[0].index != two.session.indices[0].index


async def test_the_trail_says_who_signed_in_from_where() -> None:
    """One event per session, committed with it."""
    with scene() as s:
        opened = await s.open("ann", device="Firefox on Debian")
        (event,) = await s.trail()
        assert (event.kind, event.subject, event.at) == ("session_opened", "ann", s.now)
        assert (event.session_id, event.client_id) == (opened.session.id, "api")
        assert event.detail == {"device": "Firefox on Debian"}
        assert opened.session.address == ""


async def test_the_record_and_the_trail_say_from_which_address() -> None:
    """As the application gave it, of whatever length; it stays through a refresh."""
    with scene() as s:
        opened = await s.open("ann", device="Firefox", address="203.0.113.9")
        await s.refresh(opened)
        assert (await s.record(opened)).address == "203.0.113.9"
        assert (await s.trail())[0].detail == {"device": "Firefox", "address": "203.0.113.9"}
    with scene() as s:
        opened = await s.open("ann", address="nonsense" * 1000)
        kept = (await s.record(opened)).address
        assert len(kept) == ADDRESS_KEPT
        assert (await s.trail())[0].detail == {"device": "", "address": kept}


@pytest.mark.parametrize("subject", ["", "a b", "é", "a\nb", "x" * 256])
async def test_a_subject_that_cannot_travel_is_refused(subject: str) -> None:
    """Before anything is written."""
    with scene() as s:
        with pytest.raises(Malformed):
            await s.open(subject)
        assert await s.trail() == []


async def test_an_unknown_client_is_refused() -> None:
    """And so is none, where there are several to choose from."""
    with scene() as s:
        with pytest.raises(ClientUnknown):
            await s.auth.open("ann", client_id="nobody")
        with pytest.raises(ClientUnknown, match="Name the client"):
            await s.auth.open("ann")
    with scene(API) as s:
        assert (await s.auth.open("ann")).session.client_id == "api"


async def test_a_suspended_subject_cannot_sign_in() -> None:
    """Until they are reinstated."""
    with scene() as s:
        await s.auth.suspend("ann")
        for client_id in EVERY_ID:
            with pytest.raises(SubjectSuspended):
                await s.open("ann", client_id)
        await s.auth.reinstate("ann")
        await s.check(await s.open("ann"))


@pytest.mark.parametrize("verb", ["revoke_all", "suspend"])
async def test_a_sign_in_that_verified_an_old_password_loses(verb: str) -> None:
    """`expected` is from before the password check; whoever ended everything since wins, also
    when a suspension has been lifted again meanwhile."""
    with scene() as s:
        before = await s.auth.subject("ann")
        await getattr(s.auth, verb)("ann")
        await s.auth.reinstate("ann")
        with pytest.raises(SignInRefused):
            await s.open("ann", expected=before)
        assert await s.auth.sessions("ann") == []
        await s.open("ann", expected=await s.auth.subject("ann"))


async def test_a_sign_in_is_not_refused_for_what_does_not_concern_it() -> None:
    """Other sign-ins, refreshes, single revocations and changed claims since the password check."""
    with scene() as s:
        other = await s.open("ann")
        before = await s.auth.subject("ann")
        await s.open("ann", "web")
        await s.refresh(other)
        await s.auth.revoke(other.session.id)
        await s.auth.claims_changed("ann")
        await s.check(await s.open("ann", expected=before))


async def test_claims_come_from_the_source_or_from_open() -> None:
    """With a source, what `open` is given does not count."""
    with scene(claims=Roles({"ann": ["admin"]})) as s:
        assert (await s.check(await s.open("ann", claims={"roles": ["root"]}))).roles == ("admin",)
    with scene() as s:
        opened = await s.open("ann", claims={"roles": ["root"], "org": 7})
        assert (await s.check(opened)).claims == {"roles": ["root"], "org": 7}
        assert (await s.check(await s.refresh(opened))).claims == {"roles": ["root"], "org": 7}


async def test_a_source_may_be_asked_by_await() -> None:
    """A plain function or a coroutine function, a mapping or a sequence of roles."""

    async def source(subject: str) -> list[str]:
        return [f"of-{subject}"]

    with scene(claims=source) as s:
        assert (await s.check(await s.open("ann"))).roles == ("of-ann",)


@pytest.mark.parametrize("wrong", [None, "admin", {"sub": "root"}, {"x": "\ud800"}, {"roles": 1}])
async def test_a_source_that_answers_garbage_opens_nothing(wrong: Any) -> None:
    """The error says that it is the application's; no session is left behind."""
    with scene(claims=lambda _: wrong) as s:
        for client_id in EVERY_ID:
            with pytest.raises(ConfigurationError):
                await s.open("ann", client_id)
        assert await s.auth.sessions("ann") == []


async def test_a_source_that_fails_fails_the_sign_in() -> None:
    """With its own error; nothing is guessed."""

    def source(subject: str) -> Claims:
        raise LookupError(subject)

    with scene(claims=source) as s:
        with pytest.raises(LookupError):
            await s.open("ann")
        assert await s.auth.sessions("ann") == []


@pytest.mark.parametrize("client_id", [each for each in SIGNING_IDS if each != "spa"])
async def test_the_largest_claims_that_pass_can_be_issued(client_id: str) -> None:
    """The limit is the claims source's, so that signing never fails after a commit. Where tokens
    travel in cookies it is another one (test_issuing.py)."""
    with scene(claims=lambda _: {"note": "x" * 4000}) as s:
        assert (await s.check(await s.open("a" * 255, client_id))).claims == {"note": "x" * 4000}


async def test_the_record_holds_the_digest_and_not_the_handle() -> None:
    """Who reads the database cannot present anything."""
    with scene(WEB) as s:
        opened = await s.open("ann", "web")
        text = credential(opened).text
        assert text not in repr((await s.record(opened)).__getstate__())
        assert handles.parse(text, secrets=s.auth.keys.handle_secrets()).digest == (
            opened.session.handle_digest
        )
