"""Ending sessions: what is counted, what is promised, and that nothing revoked ever comes back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from counterfoil import Client, Presented
from counterfoil.errors import (
    AuthError,
    CredentialMalformed,
    NotFound,
    RefreshReused,
    SessionRevoked,
    SessionUnknown,
    SubjectSuspended,
)
from scenes import (
    API,
    EVERY_ID,
    PARTNER,
    PHONE,
    SECOND,
    SIGNING_IDS,
    TICK,
    credential,
    handle,
    scene,
    with_lifetime,
)

every_client = pytest.mark.parametrize("client_id", EVERY_ID)
NONE = timedelta(0)


@every_client
async def test_a_revocation_says_what_it_ended_and_how_soon_it_holds(client_id: str) -> None:
    """One session, now; each strategy's own lag, and what is left of the token elsewhere."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        s.advance(60)
        left = opened.credential.expires_at - s.now
        done = await s.auth.revoke(opened.session.id)
        assert (done.count, done.ended_at) == (1, s.now)
        assert (done.effective_within, done.elsewhere_within) == {
            "session": (NONE, NONE),
            "hybrid": (timedelta(seconds=10), left),
            "jwt": (left, left),
        }[s.auth.clients[client_id].strategy]


async def test_a_hybrid_revocation_promises_as_much_where_the_last_token_ends_sooner() -> None:
    """By whose clock? A verifier whose clock is behind the issuer's still takes that token."""
    with scene() as s:
        opened, other = await s.open(), await s.open()
        s.advance(opened.credential.expires_at - s.now - 9 * SECOND)
        done = await s.auth.revoke(opened.session.id)
        assert (done.effective_within, done.elsewhere_within) == (10 * SECOND, 9 * SECOND)
        s.advance(60)
        done = await s.auth.revoke(other.session.id)
        assert (done.count, done.effective_within, done.elsewhere_within) == (1, 10 * SECOND, NONE)


async def test_the_promise_covers_the_longest_lived_token_of_all() -> None:
    """Jitter may make a later token end sooner than an earlier one."""
    with scene() as s:
        tokens = [await s.open("ann", "partner")]
        for _ in range(10):
            s.advance(SECOND)
            tokens.append(await s.refresh(tokens[-1]))
        done = await s.auth.revoke(tokens[0].session.id)
        assert s.now + done.effective_within == max(t.credential.expires_at for t in tokens)


@every_client
async def test_revoking_again_ends_nothing_and_says_since_when(client_id: str) -> None:
    """Never "done" for what did nothing; the promise still stands."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        first = await s.auth.revoke(opened.session.id)
        s.advance(5)
        again = await s.auth.revoke(opened.session.id)
        assert (again.count, again.ended_at) == (0, first.ended_at)
        assert again.effective_within <= first.effective_within
        assert (await s.kinds()).count("session_revoked") == 1


@every_client
async def test_revoking_an_expired_session_ends_nothing(client_id: str) -> None:
    """It had ended by itself, and that is what the answer says; a clock set back does not bring
    it to life again."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        expired_at = opened.session.expires_at
        s.advance(timedelta(days=8))
        done = await s.auth.revoke(opened.session.id)
        assert (done.count, done.ended_at) == (0, expired_at)
        is_hybrid = s.auth.clients[client_id].strategy == "hybrid"
        within = 10 * SECOND if is_hybrid else NONE  # at verifiers whose clocks are behind
        assert (done.effective_within, done.elsewhere_within) == (within, NONE)
        s.clock.turn_to(opened.session.created_at)
        s.read_on()
        with pytest.raises(SessionRevoked):
            await s.refresh(opened)


async def test_revoking_what_is_not_there_is_not_found() -> None:
    """Any text is allowed as an id, and none of them is "done"."""
    with scene() as s:
        for session_id in ("", "nobody", "\0", "é", "x" * 10_000):
            with pytest.raises(NotFound):
                await s.auth.revoke(session_id)
            with pytest.raises(NotFound):
                await s.auth.session(session_id)


@pytest.mark.parametrize("state", ["fresh", "expired", "stale", "suspended", "revoked"])
@every_client
async def test_who_holds_a_credential_can_always_sign_out(client_id: str, state: str) -> None:
    """Signature or tag must hold, and the client; its time and status need not."""
    with scene() as s:
        opened = await s.open("ann", client_id)
        if state == "expired":
            s.advance(timedelta(minutes=6))
        elif state == "stale":
            await s.auth.claims_changed("ann")
        elif state == "suspended":
            await s.auth.suspend("ann")
        elif state == "revoked":
            await s.auth.revoke(opened.session.id)
        done = await s.auth.revoke_presented(credential(opened))
        assert done.count == (0 if state == "revoked" else 1)
        assert (await s.record(opened)).ended_at is not None


@every_client
async def test_any_handle_of_the_family_signs_out_also_as_bearer(client_id: str) -> None:
    """Current, spent, or spent long ago; and whatever the client's carrier."""
    with scene() as s:
        for which in ("spent", "current"):
            opened = await s.open("ann", client_id)
            renewed = await s.refresh(opened)
            s.advance(60)
            text = handle(opened if which == "spent" else renewed).text
            done = await s.auth.revoke_presented(Presented(text))
            assert done.count == 1
            assert (await s.kinds())[-1] == "session_revoked"


async def test_signing_out_with_anothers_cookie_does_nothing() -> None:
    """Nor with a cookie client's token as bearer. A plain text was taken out by the application."""
    with scene() as s:
        web, spa = await s.open("ann", "web"), await s.open("ann", "spa")
        with pytest.raises(SessionUnknown):
            await s.auth.revoke_presented(Presented(handle(web).text, "cookie", "spa"))
        with pytest.raises(CredentialMalformed):
            await s.auth.revoke_presented(Presented(credential(spa).text, "bearer"))
        with pytest.raises(SessionUnknown):
            await s.auth.revoke_presented("cf_" + "A" * 60)
        assert len(await s.auth.sessions("ann")) == 2


async def test_signing_out_of_a_session_that_was_swept_is_unknown() -> None:
    """By handle or by token: there is nothing to end."""
    day = timedelta(days=1)
    with scene(with_lifetime(API, absolute=day)) as s:
        opened = await s.open()
        s.advance(day)
        await s.store.sweep(now=s.now)
        for presented in (credential(opened), handle(opened)):
            with pytest.raises(SessionUnknown):
                await s.auth.revoke_presented(presented)


async def test_revoke_all_ends_every_session_but_the_one_to_keep() -> None:
    """Of all clients; the kept one goes on, its tokens too."""
    with scene() as s:
        opened = {each: await s.open("ann", each) for each in EVERY_ID}
        other = await s.open("bob")
        for keep in EVERY_ID:
            kept = opened[keep]
            done = await s.auth.revoke_all("ann", keep=kept.session.id)
            assert done.count == 4
            assert await s.auth.sessions("ann") == [kept.session]
            s.read_on()
            await s.check(kept)
            opened = {each: await s.open("ann", each) for each in EVERY_ID if each != keep}
            opened[keep] = kept
        await s.check(other)


async def test_revoke_all_promises_the_longest_lag_among_the_ended() -> None:
    """And counts the living only; what expired by itself is not its doing."""
    with scene() as s:
        await s.open("ann", "phone")
        s.advance(timedelta(days=8))
        await s.open("ann", "web")
        done = await s.auth.revoke_all("ann")
        assert (done.count, done.effective_within) == (1, NONE)
        await s.open("ann", "api")
        partner = await s.open("ann", "partner")
        done = await s.auth.revoke_all("ann", keep=partner.session.id)
        assert (done.count, done.effective_within) == (1, 10 * SECOND)
        done = await s.auth.revoke_all("ann")
        assert (done.count, done.effective_within) == (1, partner.effective_within)


async def test_ending_everything_again_promises_no_less_than_what_still_lives() -> None:
    """A reply was lost and the call repeated: it ends nothing more, and yet the tokens of what it
    ended live on. The same holds for a suspension after a revocation."""
    with scene() as s:
        opened = await s.open("ann", "partner")
        left = opened.credential.expires_at - s.now
        assert (await s.auth.revoke_all("ann")).effective_within == left
        for repeated in (await s.auth.revoke_all("ann"), await s.auth.suspend("ann")):
            assert (repeated.count, repeated.effective_within) == (0, left)
            assert repeated.elsewhere_within == left
        done = await s.auth.revoke_client("partner")
        assert (done.count, done.ended_at) == (0, None)
        assert done.effective_within >= left
        s.advance(timedelta(minutes=5))
        assert (await s.auth.revoke_all("ann")).effective_within == NONE


async def test_revoke_all_of_nothing_ends_nothing() -> None:
    """And says so, without a moment at which it would have."""
    with scene() as s:
        done = await s.auth.revoke_all("nobody")
        assert (done.count, done.ended_at) == (0, None)


async def test_a_session_to_keep_that_is_anothers_keeps_nothing() -> None:
    """The id of somebody else's session protects none."""
    with scene() as s:
        await s.open("ann")
        other = await s.open("bob")
        assert (await s.auth.revoke_all("ann", keep=other.session.id)).count == 1
        assert (await s.auth.revoke_all("bob", keep="nobody")).count == 1


async def test_revoking_a_client_ends_all_of_its_sessions_in_batches() -> None:
    """And nobody else's; progress is reported as it goes."""
    with scene() as s:
        for n in range(120):
            await s.open(f"user-{n % 80}", "phone")
        other = await s.open("user-1", "api")
        heard: list[int] = []
        done = await s.auth.revoke_client("phone", progress=heard.append)
        assert done.count == 120
        assert heard == [50, 100, 120]
        assert await s.auth.sessions("user-1") == [other.session]
        assert (await s.auth.revoke_client("phone")).count == 0


async def test_a_clock_that_is_far_ahead_leaves_no_session_out() -> None:
    """To it they have expired, and their tokens are over; to everybody else they live."""
    ahead = timedelta(days=90)
    with scene() as s:
        phone = await s.open("ann", "phone")
        token = await s.open("bob", "api")
        s.clock.turn_to(s.now + ahead)
        assert (await s.auth.revoke_client("phone")).count == 0
        await s.auth.suspend("bob")
        s.clock.turn_to(s.now - ahead)
        s.read_on()
        with pytest.raises(SessionRevoked):
            await s.check(phone)
        with pytest.raises(SubjectSuspended):
            await s.check(token)


@pytest.mark.parametrize("client_id", SIGNING_IDS)
async def test_revoking_reaches_every_token_of_the_session(client_id: str) -> None:
    """Older ones name other indices; all of them are refused within the lag."""
    with scene() as s:
        tokens = [await s.open("ann", client_id)]
        for _ in range(3):
            await s.auth.claims_changed("ann")
            tokens.append(await s.refresh(tokens[-1]))
        done = await s.auth.revoke(tokens[0].session.id)
        s.advance(done.effective_within)
        for token in tokens:
            with pytest.raises(AuthError):
                await s.check(token)


async def test_an_ended_family_says_why_only_once() -> None:
    """Reuse after reuse is session_revoked, not a new event each time."""
    with scene(PHONE) as s:
        opened = await s.open("ann", "phone")
        await s.refresh(opened)
        s.advance(10)
        with pytest.raises(RefreshReused):
            await s.refresh(opened)
        for _ in range(3):
            with pytest.raises(SessionRevoked):
                await s.refresh(opened)
        assert (await s.kinds()).count("refresh_reused") == 1


async def test_a_revoked_record_stays_until_its_absolute_end() -> None:
    """Revoked never decays into unknown while the session could have lived."""
    day = timedelta(days=1)
    with scene(with_lifetime(PHONE, absolute=day)) as s:
        opened = await s.open("ann", "phone")
        await s.auth.revoke(opened.session.id)
        s.advance(day - TICK)
        assert await s.store.sweep(now=s.now) == 0
        with pytest.raises(SessionRevoked):
            await s.check(opened)
        s.advance(TICK)
        assert await s.store.sweep(now=s.now) == 1
        with pytest.raises(SessionUnknown):
            await s.check(opened)


async def test_the_lag_of_what_was_issued_before_stands_when_a_client_changes_its_strategy() -> (
    None
):
    """Tokens do not forget that they are good: a client that signed last week and has sessions
    today still has tokens out there, and so has one that is not registered any more."""
    with scene(API, PARTNER) as s:
        opened = {each: await s.open("ann", each) for each in ("api", "partner")}
        plain = [with_strategy_session(each) for each in ("api", "partner")]
        with scene(*plain, store=s.store, clock=s.clock) as changed:
            done = await changed.auth.revoke(opened["partner"].session.id)
            left = opened["partner"].credential.expires_at - s.now
            assert (done.effective_within, done.elsewhere_within) == (left, left)
        with scene(PHONE, store=s.store, clock=s.clock) as changed:
            done = await changed.auth.revoke(opened["api"].session.id)
            left = opened["api"].credential.expires_at - s.now
            assert (done.effective_within, done.elsewhere_within) == (left, left)


def with_strategy_session(client_id: str) -> Client:
    return Client(client_id=client_id, strategy="session")
